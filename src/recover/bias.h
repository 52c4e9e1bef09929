#ifndef NARROW_RECOVER_BIAS_H_
#define NARROW_RECOVER_BIAS_H_

#include <cstddef>
#include <span>

#include "recover/network.h"

namespace narrow {

// Where the error of a layer is judged: behind the relu that alone reads it, else at the layer itself. Index in Network::resolved.
std::size_t judged_at(const Model& resolved, std::size_t layer);

// Whether all that follows from a layer's rows goes through one sum or mean over these, and each row goes there by itself.
bool rows_are_summed(const Model& model, std::size_t layer);

// Changes the biases of one layer by the least squares of what it lacks of the float network, on the n samples `x`, which
// count by their weights (weight_of). A unit is one row of
// the layer's values, and where the rows are added up later all rows of a sample together, padded ones among them. With e the float value
// less the exact one, both summed over a unit, and m the number of its rows that a bias moves (all, and behind a relu those above 0),
//     shift = sum over units of m e / sum of m^2,
// which without a relu is the mean of the differences. The bias becomes the float32 of its type (Singles) that is nearest to the one that
// the hardware has now plus the shift, and keeps that where the sum of e^2 falls; so up to kBiasRounds times. Returns whether any changed.
// Of the float network's values as many as `kept` stay in memory; more are computed again in each round.
inline constexpr int kBiasRounds = 4;
inline constexpr std::size_t kKeptValues = std::size_t{1} << 25;
bool correct_bias(Network& network, const FreeLayer& layer, std::span<const float> x, std::size_t n, std::span<const float> weights = {},
                  std::size_t kept = kKeptValues);

}  // namespace narrow

#endif  // NARROW_RECOVER_BIAS_H_
