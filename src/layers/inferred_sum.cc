#include "layers/inferred_sum.h"

#include <algorithm>

namespace narrow {

Format inferred_sum(int width, int integer, bool is_signed, const Format& bias, const std::optional<Format>& maximum) {
  // A bias takes one integer bit more, and the finer of the two steps.
  const int sum_integer =
      std::max(integer + (bias.is_signed && !is_signed ? 1 : 0), bias.integer + (is_signed && !bias.is_signed ? 1 : 0)) + 1;
  Format sum{
      .width = sum_integer + std::max(width - integer, bias.fraction()), .integer = sum_integer, .is_signed = is_signed || bias.is_signed};
  if (maximum) {
    sum.width = std::min(sum.width, maximum->width);
    sum.integer = std::min(sum.integer, maximum->integer);
  }
  return sum;
}

}  // namespace narrow
