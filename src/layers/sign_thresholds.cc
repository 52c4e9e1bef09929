#include "layers/sign_thresholds.h"

#include <algorithm>
#include <cmath>

#include "fixed/cast.h"

namespace narrow {
namespace {

template <class Value>
Value floored(Value value, int fraction) {
  const auto steps = static_cast<Value>(std::ldexp(1.0, fraction));
  return std::floor(value * steps) / steps;
}

// shift / scale - bias / scale, floored, in float32 where both are.
NumpyArray thresholds(const NumpyArray& scale, const NumpyArray& bias, double shift, int fraction) {
  NumpyArray result{std::vector<double>(std::max(scale.values.size(), bias.values.size())), scale.is_double || bias.is_double};
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    const double s = scale.values[i % scale.values.size()];
    const double b = bias.values[i % bias.values.size()];
    if (result.is_double) {
      const double middle = -b / s;
      // A scale in float32 divides in float32.
      const double away = scale.is_double ? shift / s : static_cast<double>(static_cast<float>(shift) / static_cast<float>(s));
      result.values[i] = floored(shift == 0 ? middle : away + middle, fraction);
    } else {
      const float middle = -static_cast<float>(b) / static_cast<float>(s);
      const float away = static_cast<float>(shift) / static_cast<float>(s);
      result.values[i] = floored(shift == 0 ? middle : away + middle, fraction);
    }
  }
  return result;
}

}  // namespace

SignThresholds::SignThresholds(const NumpyArray& scale, const NumpyArray& bias, std::optional<double> threshold, int fraction)
    : SignThresholds(thresholds(scale, bias, threshold.value_or(0), fraction),
                     threshold ? thresholds(scale, bias, -*threshold, fraction) : NumpyArray{}) {}

SignThresholds::SignThresholds(NumpyArray high, NumpyArray low)
    : high_(std::move(high)), low_(std::move(low)), high_floats_(high_.floats()), low_floats_(low_.floats()) {}

std::shared_ptr<const SignThresholds> SignThresholds::whole() const {
  const auto floor = [](NumpyArray numbers) {
    for (double& value : numbers.values) value = std::floor(value);
    return numbers;
  };
  return std::shared_ptr<const SignThresholds>(new SignThresholds(floor(high_), floor(low_)));
}

std::vector<ParameterArray> SignThresholds::parameters() const {
  const Shape shape{static_cast<int>(high_floats_.size())};
  std::vector<ParameterArray> arrays{{"threshold", shape, high_floats_}};
  if (is_ternary()) arrays.push_back({"threshold_lo", shape, low_floats_});
  return arrays;
}

FloatFunction SignThresholds::float_function() const {
  return [this](const FloatCall& call) {
    const std::span<const float> x = call.inputs.front();
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t k = i % high_floats_.size();
      if (is_ternary()) call.y[i] = x[i] > high_floats_[k] ? 1.F : x[i] <= low_floats_[k] ? -1.F : 0.F;
      else call.y[i] = x[i] >= high_floats_[k] ? 1.F : -1.F;
    }
  };
}

LayerPrecision SignThresholds::types(const TypeRequest& request) const {
  LayerPrecision types;
  const Format& x = request.inputs.front();
  if (is_ternary()) {
    constexpr int kBits = 2;
    types.set(TypeName::kThresholdHigh, x);
    types.set(TypeName::kThresholdLow, x);
    types.set(TypeName::kResult, {.width = kBits, .integer = kBits, .is_integer = true});
  } else {
    types.set(TypeName::kThreshold, x);
    types.set(TypeName::kResult, {.width = 1, .integer = 1, .is_signed = false, .is_integer = true, .meaning = Meaning::kSign});
  }
  return types;
}

std::vector<WeightArray> SignThresholds::weights() const {
  if (!is_ternary()) return {{TypeName::kThreshold, high_floats_, high_.values}};
  return {{TypeName::kThresholdHigh, high_floats_, high_.values}, {TypeName::kThresholdLow, low_floats_, low_.values}};
}

void SignThresholds::plan(const Place& place, Step& step) const { step.bits = step.word_bits = place.input().width + 1; }

template <class Raw>
void SignThresholds::compute(const ExactCall<Raw>& call) const {
  const std::vector<Int128>& high = call.step[is_ternary() ? TypeName::kThresholdHigh : TypeName::kThreshold].raw;
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const auto x = static_cast<Int128>(call.x()[i]);
    const std::size_t k = i % high.size();
    int y = x >= high[k] ? 1 : 0;
    if (is_ternary()) y = x > high[k] ? 1 : x <= call.step[TypeName::kThresholdLow].raw[k] ? -1 : 0;
    call.y[i] = static_cast<Raw>(y);
  }
}
template void SignThresholds::compute(const ExactCall<std::int64_t>&) const;
template void SignThresholds::compute(const ExactCall<Int128>&) const;

Interval SignThresholds::bounds(const Place&, const Step&, const std::vector<Interval>&) const { return {is_ternary() ? -1 : 0, 1}; }

}  // namespace narrow
