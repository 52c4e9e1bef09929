#include "layers/reuse_factor.h"

#include <algorithm>
#include <cstdlib>

namespace narrow {
namespace {

// FPGABackend._validate_reuse_factor.
bool valid_reuse_factor(int n_in, int n_out, int reuse) {
  const int limit = (n_in * n_out + std::min(n_in, reuse) - 1) / std::min(n_in, reuse);
  return (limit % n_out == 0 || reuse >= n_in) && (reuse % n_in == 0 || reuse < n_in) && (n_in * n_out) % reuse == 0;
}

}  // namespace

int closest_reuse_factor(int n_in, int n_out, int most, int asked) {
  int best = 1;
  for (int reuse = 1; reuse <= most; ++reuse) {
    if (valid_reuse_factor(n_in, n_out, reuse) && std::abs(reuse - asked) < std::abs(best - asked)) best = reuse;
  }
  return best;
}

}  // namespace narrow
