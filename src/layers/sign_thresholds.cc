#include "layers/sign_thresholds.h"

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
Numbers thresholds(const Numbers& scale, const Numbers& bias, double shift, int fraction) {
  const Numbers middle = combined(bias, scale, [](auto b, auto s) { return -b / s; });
  if (shift == 0) return each(middle, [&](auto value) { return floored(value, fraction); });
  // A scale in float32 divides in float32.
  const Numbers away = each(scale, [&](auto s) { return static_cast<decltype(s)>(shift) / s; });
  return combined(away, middle, [&](auto a, auto m) { return floored(a + m, fraction); });
}

}  // namespace

SignThresholds::SignThresholds(const Numbers& scale, const Numbers& bias, std::optional<double> threshold, int fraction)
    : SignThresholds(thresholds(scale, bias, threshold.value_or(0), fraction),
                     threshold ? thresholds(scale, bias, -*threshold, fraction) : Numbers()) {}

SignThresholds::SignThresholds(Numbers high, Numbers low) : high_(std::move(high)), low_(std::move(low)) {}

std::shared_ptr<const SignThresholds> SignThresholds::whole() const {
  const auto floor = [](auto value) { return std::floor(value); };
  return std::shared_ptr<const SignThresholds>(new SignThresholds(each(high_, floor), each(low_, floor)));
}

std::vector<ParameterArray> SignThresholds::parameters() const {
  const Shape shape{static_cast<int>(high_.size())};
  std::vector<ParameterArray> arrays{{"threshold", shape, high_.singles()}};
  if (is_ternary()) arrays.push_back({"threshold_lo", shape, low_.singles()});
  return arrays;
}

FloatFunction SignThresholds::float_function() const {
  return [this](const FloatCall& call) {
    const std::span<const float> x = call.inputs.front();
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t k = i % high_.size();
      if (is_ternary()) call.y[i] = x[i] > high_.singles()[k] ? 1.F : x[i] <= low_.singles()[k] ? -1.F : 0.F;
      else call.y[i] = x[i] >= high_.singles()[k] ? 1.F : -1.F;
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
  if (!is_ternary()) return {{TypeName::kThreshold, high_.singles(), high_.doubles()}};
  return {{TypeName::kThresholdHigh, high_.singles(), high_.doubles()}, {TypeName::kThresholdLow, low_.singles(), low_.doubles()}};
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
