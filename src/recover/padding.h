#ifndef NARROW_RECOVER_PADDING_H_
#define NARROW_RECOVER_PADDING_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "recover/network.h"

namespace narrow {

// The rows of `features` values that pad those of the n samples `x` that have fewer rows than there is room for: where the data say with
// what they were padded that; else the row that most samples end with, the first of several, if one in kPaddedAtLeast does. Empty where no
// sample ends with it.
inline constexpr std::size_t kPaddedAtLeast = 20;
std::vector<float> padded_row(std::span<const float> x, std::size_t n, std::size_t features, std::optional<double> padding = {});

// What enters a sum or a mean over rows, against the float network: of each sample and channel the sum over rows of (exact - float), and
// of that the part of padded rows, which all make the same error. Root mean squares over samples and channels, weighted as the samples are.
struct SumError {
  std::string layer;  // the sum
  double all = 0, padded = 0, others = 0;
  double share = 0;  // of the rows, padded ones
};
// Of each sum or mean over the rows of the network's one input, as far as each row goes there by itself. Empty where there is none, or no
// padding, whose value is `padding` where the data say it.
std::vector<SumError> sum_errors(const Network& network, std::span<const float> x, std::size_t n, std::span<const float> weights = {},
                                 std::optional<double> padding = {});

}  // namespace narrow

#endif  // NARROW_RECOVER_PADDING_H_
