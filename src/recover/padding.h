#ifndef NARROW_RECOVER_PADDING_H_
#define NARROW_RECOVER_PADDING_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "recover/network.h"

namespace narrow {

// The row that most of the n samples `x` end with, the first of several: the padding of sets that have fewer rows than there is room for.
// Empty where no two samples end with the same row.
std::vector<float> padded_row(std::span<const float> x, std::size_t n, std::size_t features);

// What enters a sum or a mean over rows, against the float network: of each sample and channel the sum over rows of (exact - float), and
// of that the part of padded rows, which all make the same error. Root mean squares over samples and channels.
struct SumError {
  std::string layer;  // the sum
  double all = 0, padded = 0, others = 0;
  double share = 0;  // of the rows, padded ones
};
// Of each sum or mean over the rows of the network's one input, as far as each row goes there by itself. Empty where there is none, or no
// padding.
std::vector<SumError> sum_errors(const Network& network, std::span<const float> x, std::size_t n);

}  // namespace narrow

#endif  // NARROW_RECOVER_PADDING_H_
