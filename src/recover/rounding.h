#ifndef NARROW_RECOVER_ROUNDING_H_
#define NARROW_RECOVER_ROUNDING_H_

#include <cstddef>
#include <span>
#include <vector>

#include "recover/network.h"

namespace narrow {

// What the choice of one output's weights costs: the squared error of the output over the calibration rows. With e the errors that the
// weights make (weight on the grid - float weight), X the rows of inputs and r what the output lacks besides,
//     sum over rows of (X e - r)^2 = e^T H e - 2 e^T c + r^T r,  H = X^T X,  c = X^T r.
struct RoundingProblem {
  std::span<const double> gram;    // H, (n, n), row major, symmetric
  std::vector<double> correlated;  // c, (n)
  std::vector<double> low, high;   // the two errors of each weight, (n); equal where there is no choice
};
// Without r^T r. `is_high[i]` chooses high[i].
double cost_of(const RoundingProblem& problem, const std::vector<bool>& is_high);

// From `start` takes the flip that lowers the cost most, until none lowers it: coordinate descent, as for the problem of AdaRound
// (M. Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", ICML 2020, eq. 13). No result costs more than its
// start, and no single flip improves it; it need not be the best of all.
std::vector<bool> choose_rounding(const RoundingProblem& problem, std::vector<bool> start);

// Rounds the weights and biases of one layer so that the squared error of its output, summed over all rows of the samples `x` (n of
// them, which count by their weights, weight_of), is small, with the inputs that the layer has in the exact program, against the float
// network's output. Each weight becomes one of the two neighbours of its float value in its type (Singles; the nearest end where it lies
// beyond), so every rounding mode keeps it. Returns whether any number that the hardware has is another one.
bool round_layer(Network& network, const FreeLayer& layer, std::span<const float> x, std::size_t n, std::span<const float> weights = {});

}  // namespace narrow

#endif  // NARROW_RECOVER_ROUNDING_H_
