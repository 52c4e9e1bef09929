#include "layers/batch_normalization.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <sstream>

#include "layers/inferred_sum.h"
#include "layers/product.h"
#include "layers/quantize.h"
#include "layers/turns.h"

namespace narrow {
namespace {

std::vector<float> scale_of(const std::vector<float>& gamma, const std::vector<float>& variance, float epsilon) {
  std::vector<float> result(gamma.size());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = gamma[i] / std::sqrt(variance[i] + epsilon);
  return result;
}

std::vector<float> bias_of(const std::vector<float>& scale, const std::vector<float>& beta, const std::vector<float>& mean) {
  std::vector<float> result(beta.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    const float shift = scale[i] * mean[i];
    result[i] = beta[i] - shift;
  }
  return result;
}

// The number of the fewest digits that is this float32: 0.001, as Keras has it, not 0.0010000000474974513.
double decimal(float value) {
  std::array<char, 32> text{};
  char* const end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  double number = 0;
  std::from_chars(text.data(), end, number);
  return number;
}

std::string text_of(const std::vector<float>& values) {
  std::ostringstream text;
  text << std::hexfloat;
  for (const float value : values) text << value << ' ';
  return text.str();
}

// x * scale + bias, exact, at `fraction` fractional bits.
struct Sum {
  explicit Sum(const Place& place) {
    const Format& scale = place.types[TypeName::kScale];
    const Format& bias = place.types[TypeName::kBias];
    const int product = product_fraction(place.input(), scale);
    fraction = std::max(product, bias.fraction());
    product_up = fraction - product;
    bias_up = fraction - bias.fraction();
    no_integer_bits = std::max(product_integer(place.input(), scale), bias.integer) + 1 <= 0;
  }
  Int128 operator()(const Place& place, Int128 x, Int128 scale, Int128 bias) const {
    return (product_of(place.input(), place.types[TypeName::kScale], x, scale) << product_up) + (bias << bias_up);
  }

  int fraction = 0, product_up = 0, bias_up = 0;
  bool no_integer_bits = false;
};

}  // namespace

BatchNormalization::BatchNormalization(std::vector<float> gamma_, std::vector<float> beta_, std::vector<float> mean_,
                                       std::vector<float> variance_, float epsilon_, Training training_,
                                       std::optional<FloatForm> float_form)
    : gamma(std::move(gamma_)),
      beta(std::move(beta_)),
      mean(std::move(mean_)),
      variance(std::move(variance_)),
      epsilon(epsilon_),
      training(training_),
      given_scale{scale_of(gamma, variance, epsilon)},
      given_bias{bias_of(given_scale.given.singles(), beta, mean)},
      scale_numbers(given_scale.given),
      bias_numbers(given_bias.given),
      float_form_(std::move(float_form)) {}

BatchNormalization::BatchNormalization(GivenNumbers scale, GivenNumbers bias, Origin origin_)
    : gamma(scale.given.singles()),
      beta(bias.given.singles()),
      mean(gamma.size(), 0.F),
      variance(gamma.size(), 1.F),
      epsilon(0),
      training{},
      given_scale(std::move(scale)),
      given_bias(std::move(bias)),
      scale_numbers(given_scale.written(gamma.size())),
      bias_numbers(given_bias.written(0)),
      origin(origin_) {}

Numbers GivenNumbers::written(std::size_t columns) const {
  if (type) return quantized_as_trained(given, *type);
  return trained ? quantized(*trained, given.singles(), columns).values : given;
}

std::vector<Setting> BatchNormalization::settings() const {
  std::vector<Setting> settings{{"axis", std::int64_t{-1}},
                                {"momentum", training.momentum},
                                {"epsilon", decimal(epsilon)},
                                {"center", training.center},
                                {"scale", training.scale}};
  if (given_scale.type) settings.push_back({"scale_type", to_string(*given_scale.type)});
  if (given_bias.type) settings.push_back({"bias_type", to_string(*given_bias.type)});
  if (given_scale.trained) settings.push_back({"scale_quantizer", to_text(*given_scale.trained)});
  if (given_bias.trained) settings.push_back({"bias_quantizer", to_text(*given_bias.trained)});
  if (float_form_) {
    settings.push_back({"float_scale", text_of(float_form_->scale)});
    settings.push_back({"float_bias", text_of(float_form_->bias)});
  }
  return settings;
}

std::vector<ParameterArray> BatchNormalization::parameters() const {
  const Shape shape{static_cast<int>(gamma.size())};
  std::vector<ParameterArray> arrays;
  if (training.scale) arrays.push_back({"gamma", shape, gamma});
  if (training.center) arrays.push_back({"beta", shape, beta});
  arrays.push_back({"moving_mean", shape, mean});
  arrays.push_back({"moving_variance", shape, variance});
  return arrays;
}

Shape BatchNormalization::shape(const std::vector<Shape>& inputs) const {
  if (static_cast<std::size_t>(inputs.front().back()) != gamma.size()) {
    throw Misfit{std::to_string(gamma.size()) + " features, the length of its weights"};
  }
  return inputs.front();
}

FloatFunction BatchNormalization::float_function() const {
  return [this](const FloatCall& call) {
    const std::span<const float> x = call.inputs.front();
    const std::vector<float>& factors = float_form_ ? float_form_->scale : scale();
    const std::vector<float>& summands = float_form_ ? float_form_->bias : bias();
    for (std::size_t i = 0; i < x.size(); ++i) call.y[i] = x[i] * factors[i % factors.size()] + summands[i % summands.size()];
  };
}

LayerPrecision BatchNormalization::types(const TypeRequest& request) const {
  LayerPrecision types;
  const auto type_of = [&](const GivenNumbers& numbers, TypeName type) {
    if (numbers.trained) return weight_format(*numbers.trained, false);
    return numbers.type ? *numbers.type : request.asked(type);
  };
  const Format scale_type = type_of(given_scale, TypeName::kScale);
  const Format bias_type = type_of(given_bias, TypeName::kBias);
  types.set(TypeName::kScale, scale_type);
  types.set(TypeName::kBias, bias_type);
  const Format& x = request.inputs.front();
  // _infer_bn_precision.
  const bool numbers = is_number(x) && is_number(scale_type) && is_number(bias_type);
  const Format inferred = numbers ? inferred_sum(x.width + scale_type.width, x.integer + scale_type.integer,
                                                 x.is_signed || scale_type.is_signed, bias_type, request.maximum)
                                  : request.fallback;
  types.set(TypeName::kResult, request.choice(TypeName::kResult).value_or(inferred));
  return types;
}

void BatchNormalization::plan(const Place& place, Step& step) const {
  const Format& scale_type = place.types[TypeName::kScale];
  read_weights(step, TypeName::kScale, place.input(), scale_type);
  const Sum sum(place);
  step.bits =
      std::max(product_bits(place.input(), scale_type) + 1 + sum.product_up, bits_at(place.types[TypeName::kBias], sum.fraction)) + 1;
  step.word_bits = cast_bits(step.bits, sum.fraction, place.types.result());
}

Form BatchNormalization::form(const Place& place) const {
  const Sum sum(place);
  if (!is_plain(place.input(), place.types[TypeName::kScale])) return Form::kAny;
  // A number for each value of a sample.
  if (scale_numbers.size() > 1 && scale_numbers.size() != static_cast<std::size_t>(place.shape.back())) return Form::kAny;
  return std::max(sum.product_up, sum.bias_up) <= kMaxAffineShift ? Form::kAffine : Form::kAny;
}

Affine BatchNormalization::affine(const Place& place, const Step& step) const {
  const Sum sum(place);
  Affine affine{.fraction = sum.fraction, .no_integer_bits = sum.no_integer_bits, .factors = {}, .other_factors = {}, .summands = {}};
  for (const Int128 each : step[TypeName::kScale].raw) affine.factors.push_back(each << sum.product_up);
  for (const Int128 each : step[TypeName::kBias].raw) affine.summands.push_back(each << sum.bias_up);
  affine.other_factors = affine.factors;
  return affine;
}

template <class Raw>
void BatchNormalization::compute(const ExactCall<Raw>& call) const {
  const Sum sum(call.place);
  const std::vector<Int128>& scales = call.step[TypeName::kScale].raw;
  const std::vector<Int128>& biases = call.step[TypeName::kBias].raw;
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const Int128 exact = sum(call.place, static_cast<Int128>(call.x()[i]), scales[i % scales.size()], biases[i % scales.size()]);
    const CastResult result = cast(exact, sum.fraction, call.place.types.result(), sum.no_integer_bits);
    count(call.counts, result, exact != 0);
    call.y[i] = static_cast<Raw>(result.raw);
  }
}
template void BatchNormalization::compute(const ExactCall<std::int64_t>&) const;
template void BatchNormalization::compute(const ExactCall<Int128>&) const;

Interval BatchNormalization::bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const {
  if (!is_plain(place.input(), place.types[TypeName::kScale])) return range_of(place.types.result());
  const Sum sum(place);
  const std::vector<Int128>& scales = step[TypeName::kScale].raw;
  const std::vector<Int128>& biases = step[TypeName::kBias].raw;
  Interval all;
  for (std::size_t i = 0; i < scales.size(); ++i) {
    const Int128 a = sum(place, inputs.front().low, scales[i], biases[i]);
    const Int128 b = sum(place, inputs.front().high, scales[i], biases[i]);
    const Interval value{std::min(a, b), std::max(a, b)};
    all = i == 0 ? value : hull(all, value);
  }
  return cast_interval(all, sum.fraction, place.types.result());
}

}  // namespace narrow
