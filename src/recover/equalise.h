#ifndef NARROW_RECOVER_EQUALISE_H_
#define NARROW_RECOVER_EQUALISE_H_

#include <cstddef>
#include <span>
#include <vector>

#include "recover/network.h"

namespace narrow {

// Two layers with a matrix between whose channels a scale can be moved: what lies between reads one layer each, is read by one alone, is
// no output, and gives 2^k y for 2^k x, exactly in float: relu, leaky relu, linear, a flattening, a sum or a mean over rows.
struct ScalePair {
  FreeLayer first, second;
  std::vector<std::size_t> between;  // of Network::model, in order
};
std::vector<ScalePair> scale_pairs(const Network& network, const std::vector<FreeLayer>& free);

// Multiplies what makes channel c of the first layer, its weights and its bias, by 2^powers[c], and what reads it in the second layer by
// 2^-powers[c], in the float network and in the hardware's. `powers` has one for each output of the first layer.
void scale_channels(Network& network, const ScalePair& pair, const std::vector<int>& powers);

// Powers for a pair by what its types do: 2^k makes the first layer's errors (of its weights, and of the casts behind it) smaller by 2^k
// seen from the values, and those of the second layer's weights larger by as much, so with E1, E2 their mean squares at the outputs of the
// second layer
//     4^-k E1 + 4^k E2  is least at  k = log2(E1 / E2) / 4,
// rounded, and changed by `more`. (Equalisation as in M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
// Correction", ICCV 2019, which makes the ranges equal; here the types are given.) The largest number of each channel stays within its
// type: of weights and biases, and with kHeadroom of values, whose ranges are those of the float network on the n samples `x`; in mean
// squares these count by their weights (weight_of).
inline constexpr double kHeadroom = 1.25;
class Equaliser {
 public:
  Equaliser(const Network& network, const ScalePair& pair, std::span<const float> x, std::size_t n, std::span<const float> weights = {});
  std::vector<int> powers(int more) const;

 private:
  struct Channel {
    double wanted = 0;        // k, not rounded
    int least = 0, most = 0;  // so that everything stays within its type
    bool is_dead = false;     // nothing flows through it
  };
  std::vector<Channel> channels_;
};

}  // namespace narrow

#endif  // NARROW_RECOVER_EQUALISE_H_
