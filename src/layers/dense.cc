#include "layers/dense.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <numeric>

#include "layers/float_kernels.h"
#include "layers/inferred_sum.h"
#include "layers/product.h"
#include "layers/quantize.h"
#include "layers/reuse_factor.h"
#include "layers/turns.h"

namespace narrow {
namespace {

Int128 magnitude(Int128 value) { return value < 0 ? -value : value; }
int bits_of(Int128 value) { return narrow::bits_of(static_cast<Uint128>(value)); }

// The products of a place, as C++ types them.
struct Product {
  explicit Product(const Place& place)
      : x(place.input()),
        w(place.types[TypeName::kWeight]),
        fraction(product_fraction(x, w)),
        no_integer_bits(product_integer(x, w) <= 0) {}
  Int128 of(Int128 value, Int128 weight) const { return product_of(x, w, value, weight); }
  const Format& x;
  const Format& w;
  int fraction;
  bool no_integer_bits;
};

Interval times(const Interval& x, Int128 w) { return w < 0 ? Interval{x.high * w, x.low * w} : Interval{x.low * w, x.high * w}; }

}  // namespace

// model/quantizers.py and Layer.add_weights_variable.
std::optional<Dense::Typed> Dense::typed(const std::optional<TrainedQuantizer>& quantizer, const std::vector<float>& values, int columns) {
  if (!quantizer || values.empty()) return std::nullopt;
  QuantizedArray array = quantized(*quantizer, values, static_cast<std::size_t>(columns));
  Typed typed{weight_format(*quantizer, columns > 0), std::move(array.values), {}, std::move(array.scales), array.one_scale};
  typed.written = typed.values;
  const bool binary = quantizer->kind == TrainedQuantizer::Kind::kBinary || quantizer->kind == TrainedQuantizer::Kind::kSign;
  const float low = typed.type.meaning == Meaning::kSign ? 0.F : -1.F;
  for (float& value : typed.written) {
    if (binary) value = value >= 0 ? 1.F : low;
    else if (quantizer->kind == TrainedQuantizer::Kind::kThirds) value = value > 0 ? 1.F : value < 0 ? -1.F : 0.F;
  }
  return typed;
}

Dense::Dense(int n_in_, int n_out_, const Numbers& kernel_values, const Numbers& bias_values, Quantizers quantizers_)
    : n_in(n_in_),
      n_out(n_out_),
      kernel(kernel_values.singles()),
      bias(bias_values.singles()),
      quantizers(std::move(quantizers_)),
      kernel_(typed(quantizers.kernel, kernel, n_out)),
      bias_(typed(quantizers.bias, bias, 0)),
      added_(bias.empty() || quantizers.bias_moved ? Numbers(std::vector<float>(static_cast<std::size_t>(n_out), 0.F))
             : bias_                               ? Numbers(bias_->written)
                                                   : bias_values),
      wide_kernel_(kernel_values.doubles()) {
  assert(kernel.size() == static_cast<std::size_t>(n_in) * static_cast<std::size_t>(n_out));
  assert(added_.size() == static_cast<std::size_t>(n_out));
}

bool Dense::has_scale() const {
  // Those of a BinaryDense and of powers of two have no scale for hls4ml.
  const auto scales = [](const std::optional<TrainedQuantizer>& quantizer) {
    if (!quantizer || !quantizer->alpha.scales()) return false;
    const TrainedQuantizer::Kind kind = quantizer->kind;
    return kind == TrainedQuantizer::Kind::kBits || kind == TrainedQuantizer::Kind::kBinary || kind == TrainedQuantizer::Kind::kTernary;
  };
  return scales(quantizers.kernel) || scales(quantizers.bias);
}

Dense::Factors Dense::factors() const {
  assert(kernel_);
  const auto outputs = static_cast<std::size_t>(n_out);
  Factors factors{kernel_->values, kernel_->scales, kernel_->one_scale, bias_ ? bias_->written : bias};
  if (factors.scales.size() == 1) factors.scales.assign(outputs, factors.scales.front());
  if (factors.bias.empty()) factors.bias.assign(outputs, 0.F);
  for (std::size_t k = 0; k < factors.kernel.size(); ++k) {
    const double scale = factors.scales[k % outputs];
    // 1 / scale is made in the scale's own type, the product in float32.
    const float unscale = factors.scales_are_double ? static_cast<float>(1.0 / scale) : 1.F / static_cast<float>(scale);
    factors.kernel[k] = unscale * factors.kernel[k];
  }
  return factors;
}

void Quantizers::add_to(std::vector<Setting>& settings) const {
  if (kernel) settings.push_back({"kernel_quantizer", to_text(*kernel)});
  if (bias) settings.push_back({"bias_quantizer", to_text(*bias)});
  if (bias_moved) settings.push_back({"bias_moved", true});
  if (folded) settings.push_back({"folded", true});
}

std::vector<Setting> Dense::settings() const {
  std::vector<Setting> settings{{"units", std::int64_t{n_out}}, {"use_bias", !bias.empty()}};
  quantizers.add_to(settings);
  return settings;
}

std::vector<ParameterArray> Dense::parameters() const {
  std::vector<ParameterArray> arrays{{"kernel", {n_in, n_out}, kernel}};
  if (!bias.empty()) arrays.push_back({"bias", {n_out}, bias});
  return arrays;
}

Shape Dense::shape(const std::vector<Shape>& inputs) const {
  Shape shape = inputs.front();
  constexpr std::size_t kMostAxes = 3;
  if (shape.size() > kMostAxes) throw Misfit{"at most 3 axes, as in hls4ml 1.3.0"};
  if (shape.back() != n_in) throw Misfit{std::to_string(n_in) + " features, the rows of its kernel"};
  shape.back() = n_out;
  return shape;
}

FloatFunction Dense::float_function() const {
  return [this, packed = pack(n_in, n_out, float_kernel())](const FloatCall& call) {
    const std::span<const float> x = call.inputs.front();
    dense_float(packed, float_bias(), x.data(), x.size() / static_cast<std::size_t>(n_in), call.y.data());
  };
}

std::string_view Dense::hls4ml_class(const std::vector<Shape>& inputs) const {
  constexpr std::array<std::string_view, 3> kClasses = {"Dense", "Conv1D", "Conv2D"};
  return kClasses[std::min(inputs.front().size() - 1, kClasses.size() - 1)];
}

LayerPrecision Dense::types(const TypeRequest& request, int terms) const {
  LayerPrecision types;
  const Format weight = kernel_ ? kernel_->type : request.asked(TypeName::kWeight);
  const Format bias_type = bias.empty() ? parse_format("uint<1>") : bias_ ? bias_->type : request.asked(TypeName::kBias);
  types.set(TypeName::kWeight, weight);
  types.set(TypeName::kBias, bias_type);
  // _infer_common_precision.
  const Format& x = request.inputs.front();
  const int log = log2_ceil(static_cast<std::size_t>(terms));
  const bool numbers = is_number(weight) && is_number(x) && is_number(bias_type);
  const Format inferred = !numbers ? request.fallback
                                   : inferred_sum(weight.width + x.width + log, weight.integer + x.integer + log,
                                                  weight.is_signed || x.is_signed, bias_type, request.maximum);
  types.set(TypeName::kAccum, request.choice(TypeName::kAccum).value_or(inferred));
  types.set(TypeName::kResult, request.choice(TypeName::kResult).value_or(inferred));
  types.strategy = request.strategy;
  types.reuse_factor = request.reuse_factor;
  if (request.strategy == Strategy::kLatency) return types;
  types.reuse_factor = closest_reuse_factor(n_in, n_out, n_in * n_out, request.reuse_factor);
  if (types.reuse_factor != request.reuse_factor) {
    request.notes.push_back("layer " + request.layer + ": reuse factor " + std::to_string(types.reuse_factor) + " instead of " +
                            std::to_string(request.reuse_factor) + ", which does not fit " + std::to_string(n_in) + "x" +
                            std::to_string(n_out) + " weights, as hls4ml does");
  }
  return types;
}

OperationPtr Dense::scaled(const Numbers& scale, const Numbers& shift, const Format* bias_type) const {
  if (quantizers.any()) return nullptr;
  return std::make_shared<Dense>(n_in, n_out, product(kernel_numbers(), scale), scaled_bias(scale, shift, bias_type));
}

Numbers Dense::scaled_bias(const Numbers& scale, const Numbers& shift, const Format* bias_type) const {
  Numbers sums = sum(product(scale, added_), shift);
  return bias_type != nullptr ? quantized_as_trained(sums, *bias_type) : sums;
}

std::vector<WeightArray> Dense::weights() const {
  return {{TypeName::kWeight, kernel_ ? kernel_->written : kernel, wide_kernel_}, {TypeName::kBias, added_.singles(), added_.doubles()}};
}

void Dense::plan(const Place& place, Step& step) const {
  const LayerPrecision& types = place.types;
  read_weights(step, TypeName::kWeight, place.input(), types[TypeName::kWeight]);
  step.order.resize(static_cast<std::size_t>(n_in));
  std::iota(step.order.begin(), step.order.end(), 0);
  // A reuse factor above n_in is a multiple of it (valid_reuse_factor), which leaves the order as it is.
  if (types.strategy == Strategy::kResource) {
    std::stable_sort(step.order.begin(), step.order.end(), [&](int a, int b) { return a % types.reuse_factor < b % types.reuse_factor; });
  }
  const Format& accum = types[TypeName::kAccum];
  const Format& weight = types[TypeName::kWeight];
  const int product = product_bits(place.input(), weight);
  // A binary network's sum is doubled, with whole numbers in its steps.
  const int doubled = is_binary(place.input(), weight) ? 1 + std::max(0, -accum.fraction()) : 0;
  step.bits = std::max(product, accum.width + 2 + doubled);
  step.word_bits = std::max(word_bits(place, step), cast_bits(accum.width + 1, accum.fraction(), types.result()));
}

// From the largest input and the weights as they are: no sum is larger than the largest |x| times the sum of the |w|.
int Dense::word_bits(const Place& place, const Step& step) const {
  const Format& accum = place.types[TypeName::kAccum];
  if (!is_plain(place.input(), place.types[TypeName::kWeight])) return kMaxSumWidth;
  const int up = accum.fraction() - Product(place).fraction;
  if (up > kMaxSumWidth || -up > kMaxSumWidth || step.bits > kMaxSumWidth / 2) return kMaxSumWidth;
  const Int128 x = std::max(max_raw(place.input()), -min_raw(place.input()));
  const Int128 range = static_cast<Int128>(1) << accum.width;
  const std::vector<Int128>& weights = step[TypeName::kWeight].raw;
  std::vector<Int128> columns(static_cast<std::size_t>(n_out));
  Int128 largest = 0;
  for (std::size_t i = 0; i < weights.size();) {
    for (Int128& column : columns) {
      const Int128 weight = magnitude(weights[i++]);
      largest = std::max(largest, weight);
      column += weight;
    }
  }
  const Int128 product = x * largest;
  const Int128 whole_sum = x * *std::max_element(columns.begin(), columns.end());
  Int128 largest_bias = 0;
  for (const Int128 b : step[TypeName::kBias].raw) largest_bias = std::max(largest_bias, magnitude(b));
  const int bias_up = accum.fraction() - place.types[TypeName::kBias].fraction();
  const int operand_bits = std::max(bits_of(product) + std::max(0, up), bits_of(largest_bias) + std::max(0, bias_up));
  if (operand_bits + log2_ceil(static_cast<std::size_t>(n_in) + 1) >= kMaxSumWidth) return kMaxSumWidth;
  const auto align = [](Int128 value, int shift) { return shift >= 0 ? value << shift : (value >> std::min(-shift, 127)) + 1; };
  const Int128 rounding = up < 0 ? static_cast<Int128>(1) << -up : 0;
  const Int128 aligned_bias = align(largest_bias, bias_up);
  const bool wrapped_once = accum.overflow == Overflow::kWrap;
  // Each product rounds up by less than one step. `range` is what bringing a value into range adds to it on the way.
  const Int128 sum = wrapped_once ? align(whole_sum, up) + n_in + aligned_bias : std::max(align(product, up), range);
  return bits_of(std::max({product + rounding, align(product, up), aligned_bias, sum + range})) + 1;
}

Form Dense::form(const Place& place) const {
  const Format& weight = place.types[TypeName::kWeight];
  return is_binary(place.input(), weight) || !is_plain(place.input(), weight) ? Form::kAny : Form::kMatrixProduct;
}

template <class Raw>
void Dense::compute(const ExactCall<Raw>& call) const {
  const Place& place = call.place;
  const Format& accum = place.types[TypeName::kAccum];
  const Format& result = place.types.result();
  const Format& bias_type = place.types[TypeName::kBias];
  const Product product(place);
  const bool binary = is_binary(place.input(), place.types[TypeName::kWeight]);
  const Format count_of_ones{.width = log2_ceil(static_cast<std::size_t>(n_in)) + 2,
                             .integer = log2_ceil(static_cast<std::size_t>(n_in)) + 2,
                             .is_signed = true,
                             .is_integer = true};
  const std::vector<Int128>& weights = call.step[TypeName::kWeight].raw;
  const std::vector<Int128>& biases = call.step[TypeName::kBias].raw;
  const auto outputs = static_cast<std::size_t>(n_out);
  const auto inputs = static_cast<std::size_t>(n_in);
  for (std::size_t at = 0; at < call.y.size(); ++at) {
    const std::size_t j = at % outputs;
    const Raw* x = call.x().data() + at / outputs * inputs;
    Int128 sum = cast(biases[j], bias_type, accum).raw;
    Turns turns(accum);
    turns.bring(biases[j], bias_type.fraction(), sum);
    for (const int k : call.step.order) {
      const auto i = static_cast<std::size_t>(k);
      const Int128 exact = product.of(static_cast<Int128>(x[i]), weights[i * outputs + j]);
      const Int128 term = cast(exact, product.fraction, accum, product.no_integer_bits).raw;
      turns.bring(exact, product.fraction, term);
      const Int128 next = sum + term;
      sum = cast(next, accum.fraction(), accum).raw;
      turns.bring(next, accum.fraction(), sum);
    }
    call.counts.accum_overflows += turns.left_range() ? 1 : 0;
    if (binary) {
      // (ap_int)(2 * sum - n_in): n_in is a whole number, the sum may have fractional bits, or steps larger than one.
      const int fraction = std::max(accum.fraction(), 0);
      const Int128 twice = (sum << (fraction - accum.fraction() + 1)) - (static_cast<Int128>(n_in) << fraction);
      const CastResult ones = cast(twice, fraction, count_of_ones);
      CastResult y = cast(ones.raw, count_of_ones, result);
      y.overflow |= ones.overflow;
      count(call.counts, y, twice != 0);
      call.y[at] = static_cast<Raw>(y.raw);
    } else if (accum == result) {
      call.y[at] = static_cast<Raw>(sum);  // the same type takes every value as it is
    } else {
      const CastResult y = cast(sum, accum, result);
      count(call.counts, y, sum != 0);
      call.y[at] = static_cast<Raw>(y.raw);
    }
  }
}
template void Dense::compute(const ExactCall<std::int64_t>&) const;
template void Dense::compute(const ExactCall<Int128>&) const;

Interval Dense::bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const {
  const Format& accum = place.types[TypeName::kAccum];
  const Format& result = place.types.result();
  if (form(place) == Form::kAny) return range_of(result);
  const Interval sum = accumulated(*this, place, step, inputs.front());
  return accum == result ? sum : cast_interval(sum, accum.fraction(), result);
}

Interval accumulated(const Dense& dense, const Place& place, const Step& step, const Interval& input) {
  const Format& accum = place.types[TypeName::kAccum];
  const Format& bias_type = place.types[TypeName::kBias];
  const Product product(place);
  const int up = accum.fraction() - product.fraction;
  constexpr int kMaxBits = 100;
  constexpr int kMaxShift = 60;
  // An ap_int has rules of its own for what it is made from (fixed/cast.h).
  if (accum.is_integer || step.word_bits > kMaxBits || std::abs(up) > kMaxShift) return range_of(accum);
  const Format free = unbounded(accum);
  // A product with accum's steps: rounding keeps the order of values.
  const auto aligned = [&](const Interval& exact) {
    if (up >= 0) return Interval{exact.low << up, exact.high << up};
    return Interval{cast(exact.low, product.fraction, free).raw, cast(exact.high, product.fraction, free).raw};
  };
  const Interval range = cast_interval(range_of(free), free.fraction(), accum);  // AP_SAT_SYM's low end is raised
  const std::vector<Int128>& weights = step[TypeName::kWeight].raw;
  const std::vector<Int128>& biases = step[TypeName::kBias].raw;
  const auto n_out = static_cast<std::size_t>(dense.n_out);
  std::vector<Interval> terms(static_cast<std::size_t>(dense.n_in));
  Interval all;
  for (std::size_t j = 0; j < n_out; ++j) {
    const Int128 start = cast(biases[j], bias_type.fraction(), wraps(accum) ? free : accum).raw;
    Interval sum{start, start};
    Interval reached = sum;  // by any partial sum, in any order
    bool inside = true;      // every product is in accum's range
    for (std::size_t k = 0; k < terms.size(); ++k) {
      terms[k] = aligned(times(input, weights[k * n_out + j]));
      sum = sum + terms[k];
      reached.low += std::min<Int128>(terms[k].low, 0);
      reached.high += std::max<Int128>(terms[k].high, 0);
      inside &= terms[k].within(range);
    }
    if (wraps(accum)) {
      sum = cast_interval(sum, accum.fraction(), accum);
    } else if (!inside || !reached.within(range)) {
      sum = {start, start};
      for (const int k : step.order) {
        const Interval term = cast_interval(terms[static_cast<std::size_t>(k)], accum.fraction(), accum);
        sum = cast_interval(sum + term, accum.fraction(), accum);
      }
    }
    all = j == 0 ? sum : hull(all, sum);
  }
  return all;
}

}  // namespace narrow
