#ifndef NARROW_LAYERS_SLOPED_H_
#define NARROW_LAYERS_SLOPED_H_

#include "model/operation.h"

namespace narrow {

// What LeakyReLU and PReLU share: y = (result_t)(x > 0 ? x : (param_t) slope * x), the product exact (nnet_activation.h). `slopes` are raw
// numbers of param_t: one for all values, or one for each value of a sample.

void plan_sloped(const Place& place, Step& step);  // bits alone
Form sloped_form(const Place& place, std::size_t slopes);
Affine sloped_affine(const Place& place, const std::vector<Int128>& slopes);
template <class Raw>
void compute_sloped(const ExactCall<Raw>& call, const std::vector<Int128>& slopes);
Interval sloped_bounds(const Place& place, const std::vector<Int128>& slopes, const Interval& x);

// The type that hls4ml infers for a constant of at least 0: as many bits as hold it, at most 8 (_get_precision_from_constant and
// minimal_kif, which looks for fractional bits from -32 to 32).
Format type_of_constant(double value);
// The largest whole number of steps of 2^-to that is not above raw * 2^-fraction.
Int128 steps_below(Int128 raw, int fraction, int to);
// A constant that stands in hls4ml's C++ as a double, in its type.
std::shared_ptr<const QuantizedWeights> literal(double value, const Format& format);

}  // namespace narrow

#endif  // NARROW_LAYERS_SLOPED_H_
