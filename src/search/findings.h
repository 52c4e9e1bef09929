#ifndef NARROW_SEARCH_FINDINGS_H_
#define NARROW_SEARCH_FINDINGS_H_

#include <string>
#include <vector>

#include "search/tensor_profile.h"

namespace narrow {

// Of the values of a tensor that a type makes 0, the share up to which it is no finding.
inline constexpr double kLostToZero = 0.01;
// Integer bits of results that are left as room for what the samples did not show: so many unused ones are no finding.
inline constexpr int kRoom = 1;

// What a type does to a tensor, and which one would not.
struct Finding {
  std::string tensor;
  std::string kind;  // overflow, sum_overflow, zero, unsigned, unused
  std::string text;  // `7.1 % of its values overflow ap_fixed<16,6>; 9 integer bits hold them`
  // What it costs, 0 to 1: the noise that the type alone adds, of the signal (as powers), at most all of it; of overflow at least its share
  // of the values. 0 where bits are merely unused.
  double harm = 0;
  double share = 0;  // of the values that it concerns
  int saved = 0;     // bits of each value, where some are not used
};

// Of a network in fixed point, the most harmful first, of equals the one that concerns the larger share; then those that save most bits.
// Results whose types hls4ml infers, or which the network's file gives, are not told to save bits.
std::vector<Finding> findings(const std::vector<TensorProfile>& tensors);

}  // namespace narrow

#endif  // NARROW_SEARCH_FINDINGS_H_
