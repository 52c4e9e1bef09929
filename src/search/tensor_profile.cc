#include "search/tensor_profile.h"

#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>
#include <map>

#include "error.h"
#include "fixed/cast.h"
#include "layers/quantize.h"
#include "model/inference.h"
#include "precision/config.h"
#include "search/tensors.h"
#include "study/trace.h"

namespace narrow {
namespace {

// The bits of a float: a sign, 8 of the exponent, 23 of the mantissa. Values are counted by the upper half, and where a percentile lies,
// by the lower half too.
constexpr int kHalf = 16;
constexpr std::uint32_t kHalfMask = 0xffff;
constexpr std::uint32_t kMagnitude = 0x7fffffff;
constexpr std::uint32_t kUpperSign = 0x8000;
constexpr int kExponentShift = 7;  // in the upper half
constexpr std::uint32_t kExponent = 0xff;
constexpr int kBias = 127;

class Counter {
 public:
  Counter() : upper_(std::size_t{1} << kHalf) {}

  void add(std::span<const float> values) {
    for (const float value : values) {
      ++upper_[std::bit_cast<std::uint32_t>(value) >> kHalf];
      negative_zeros_ += value == 0 && std::signbit(value) ? 1 : 0;
      low_ = std::min(low_, value);
      high_ = std::max(high_, value);
    }
    zeros_ += static_cast<std::uint64_t>(std::count(values.begin(), values.end(), 0.0F));
    values_ += values.size();
  }

  bool is_finite() const {
    for (std::size_t at = 0; at < upper_.size(); ++at) {
      if (((at >> kExponentShift) & kExponent) == kExponent && upper_[at] > 0) return false;
    }
    return true;
  }

  // After the last value was added: where the percentiles lie.
  void look_closer() {
    lower_.clear();
    for (const int thousandths : kProfileThousandths) {
      std::uint64_t rank = rank_of(thousandths);
      std::uint32_t bin = 0;
      while (bin + 1 < kUpperSign && rank > magnitudes(bin)) rank -= magnitudes(bin++);
      lower_[bin].resize(std::size_t{1} << kHalf);
    }
  }

  void add_again(std::span<const float> values) {
    for (const float value : values) {
      const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(value) & kMagnitude;
      const auto bin = lower_.find(magnitude >> kHalf);
      if (bin != lower_.end()) ++bin->second[magnitude & kHalfMask];
    }
  }

  Distribution result() const {
    Distribution own;
    if (values_ == 0) return own;
    own.values = values_;
    own.zeros = zeros_;
    own.low = static_cast<double>(low_);
    own.high = static_cast<double>(high_);
    for (std::uint32_t bin = 0; bin < kUpperSign; ++bin) {
      const int exponent = static_cast<int>((bin >> kExponentShift) & kExponent) - kBias;
      const auto octave = static_cast<std::size_t>(std::clamp(exponent, Range::kLowest, Range::kHighest) - Range::kLowest);
      own.octaves[octave] += magnitudes(bin);
      own.octaves_above[octave] += upper_[bin];
    }
    own.octaves.front() -= zeros_;
    own.octaves_above.front() -= zeros_ - negative_zeros_;
    for (std::size_t i = 0; i < kProfileThousandths.size(); ++i) own.percentiles[i] = percentile(kProfileThousandths[i]);
    return own;
  }

 private:
  std::uint64_t magnitudes(std::uint32_t bin) const { return upper_[bin] + upper_[bin | kUpperSign]; }
  std::uint64_t rank_of(int thousandths) const {
    constexpr std::uint64_t kAll = 1000;
    return std::max<std::uint64_t>(1, (values_ * static_cast<std::uint64_t>(thousandths) + kAll - 1) / kAll);
  }
  double percentile(int thousandths) const {
    std::uint64_t rank = rank_of(thousandths);
    std::uint32_t bin = 0;
    while (bin + 1 < kUpperSign && rank > magnitudes(bin)) rank -= magnitudes(bin++);
    const auto lower = lower_.find(bin);
    assert(lower != lower_.end());
    std::uint32_t rest = 0;
    while (rest < kHalfMask && rank > lower->second[rest]) rank -= lower->second[rest++];
    return static_cast<double>(std::bit_cast<float>((bin << kHalf) | rest));
  }

  std::vector<std::uint64_t> upper_;
  std::map<std::uint32_t, std::vector<std::uint64_t>> lower_;  // by the upper half
  std::uint64_t values_ = 0, zeros_ = 0, negative_zeros_ = 0;
  float low_ = std::numeric_limits<float>::infinity(), high_ = -std::numeric_limits<float>::infinity();
};

Distribution distribution_of(std::span<const float> values) {
  Counter counter;
  counter.add(values);
  counter.look_closer();
  counter.add_again(values);
  return counter.result();
}

// Casts of float values to one type by fixed/cast.h; in its usual modes, where nothing overflows, by the same formula in double.
class FloatCast {
 public:
  explicit FloatCast(const Format& type)
      : type_(type),
        is_plain_(!type.is_integer && type.width <= kPlainWidth && std::abs(type.fraction()) <= kPlainShift &&
                  (type.rounding == Rounding::kTrn || type.rounding == Rounding::kRnd)),
        half_(type.rounding == Rounding::kRnd ? 0.5 : 0),
        low_(static_cast<double>(least_raw(type))),
        high_(static_cast<double>(max_raw(type))),
        scale_(is_plain_ ? std::ldexp(1.0, type.fraction()) : 0),
        step_(is_plain_ ? std::ldexp(1.0, -type.fraction()) : 0),
        to_double_(type.fraction()) {}

  void add(std::span<const float> values, TypeEffect& effect) const {
    for (const float each : values) {
      const auto value = static_cast<double>(each);
      double after = 0;
      bool fits = true;
      const double raw = is_plain_ ? std::floor(value * scale_ + half_) : 0;
      if (is_plain_ && raw >= low_ && raw <= high_) {
        after = raw * step_;
      } else {
        const CastResult result = cast(value, type_);
        after = to_double_(result.raw);
        fits = !result.overflow;
        effect.overflows += fits ? 0 : 1;
        effect.above += result.overflow && value > 0 ? 1 : 0;
      }
      effect.zeros += fits && value != 0 && after == 0 ? 1 : 0;
      effect.signal += value * value;
      effect.noise += (after - value) * (after - value);
    }
    effect.values += values.size();
    effect.compared = true;
  }

 private:
  // Value * scale_ is then exact, and so is what rounding adds to it, as far as floor can tell.
  static constexpr int kPlainWidth = 32;
  static constexpr int kPlainShift = 200;
  Format type_;
  bool is_plain_;
  double half_, low_, high_, scale_, step_;
  ToDouble to_double_;
};

// Numbers of a layer of the network, and what is behind them.
struct Result {
  std::optional<std::size_t> float_layer;
  Counter counter;
  std::optional<FloatCast> cast;
  TypeEffect effect, alone;
  double fixed_low = std::numeric_limits<double>::infinity(), fixed_high = -std::numeric_limits<double>::infinity();
};

void compare(std::span<const float> reference, std::span<const double> values, TypeEffect& effect) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto before = static_cast<double>(reference[i]);
    effect.signal += before * before;
    effect.noise += (values[i] - before) * (values[i] - before);
  }
  effect.compared = true;
}

// Types of the float model alone decide what is fused: hls4ml's usual ones.
Resolved usual_types(const Model& model) { return resolve(model, make_config(model, {})); }

}  // namespace

std::optional<int> Distribution::integer_bits() const {
  if (is_zero()) return std::nullopt;
  constexpr int kFine = 60;  // fractional bits
  Range range;
  range.low = std::min(low, 0.0);
  range.high = std::max(high, 0.0);
  return narrow::integer_bits(range, is_negative(), kFine, 0);
}

int Distribution::octave_at(double share) const {
  const double wanted = share * static_cast<double>(values - zeros);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < octaves.size(); ++i) {
    seen += octaves[i];
    if (seen > 0 && static_cast<double>(seen) >= wanted) return static_cast<int>(i) + Range::kLowest;
  }
  return Range::kHighest;
}

double Distribution::share_below(int exponent, bool above_zero) const {
  const auto& counts = above_zero ? octaves_above : octaves;
  const auto end = static_cast<std::ptrdiff_t>(std::clamp(exponent, Range::kLowest, Range::kHighest + 1) - Range::kLowest);
  std::uint64_t below = 0;
  for (std::ptrdiff_t i = 0; i < end; ++i) below += counts[static_cast<std::size_t>(i)];
  return values == 0 ? 0 : static_cast<double>(below) / static_cast<double>(values);
}

double TypeEffect::snr() const {
  constexpr double kDecibel = 10;
  if (noise == 0) return std::numeric_limits<double>::infinity();
  return kDecibel * std::log10(signal / noise);
}

Format with_integer_bits(const Format& type, int integer) {
  Format other = type;
  other.width = type.fraction() + integer;
  other.integer = integer;
  return other;
}

std::optional<int> integer_bits_to_hold(double low, double high, const Format& type) {
  for (int width = 1; width <= kMaxWidth; ++width) {
    const Format other = with_integer_bits(type, width - type.fraction());
    if (!cast(low, other).overflow && !cast(high, other).overflow) return other.integer;
  }
  return std::nullopt;
}

class TensorProfiler::Impl {
 public:
  Impl(const Model& model, std::optional<Resolved> precision) : model_(model), has_types_(precision.has_value()) {
    Resolved resolved = precision ? std::move(*precision) : usual_types(model);
    if (has_types_) {
      program_ = build_program(resolved);
      engine_.emplace(*program_, EngineOptions{.dedup = false, .fuse = false});
      counts_.resize(resolved.model.layers.size());
    }
    resolved_ = std::move(resolved);
    const std::map<std::string, std::string> other = float_layers(resolved_);
    for (std::size_t i = 0; i < layers().size(); ++i) {
      Result& result = results_.emplace_back();
      const auto named = other.find(layers()[i].name);
      const int found = model_.find(named == other.end() ? layers()[i].name : named->second);
      if (found >= 0 && size_of(model_.layers[static_cast<std::size_t>(found)].shape) == size_of(layers()[i].shape))
        result.float_layer = static_cast<std::size_t>(found);
      if (has_types_ && result.float_layer && program_->format(i).meaning == Meaning::kNumber) result.cast.emplace(program_->format(i));
    }
    std::size_t values = 1;  // of a sample, kept at once
    for (const Layer& layer : model_.layers) values += size_of(layer.shape);
    if (has_types_) {
      for (const Layer& layer : layers()) values += 2 * size_of(layer.shape);
    }
    constexpr std::size_t kKept = std::size_t{1} << 24;
    at_once_ = std::clamp<std::size_t>(kKept / values, 1, 1 << 12);
  }

  void add(std::span<const float> x, std::size_t n) {
    in_parts(x, n, [&](std::span<const float> part, std::size_t size, const std::vector<std::vector<float>>& floats) {
      RunResult run;
      if (engine_) {
        run = engine_->trace(part, size).run;
        for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += run.counts[i];
      }
      oneapi::tbb::parallel_for(std::size_t{0}, results_.size(), [&](std::size_t i) { add(i, floats, run); });
    });
    for (const Result& result : results_) {
      if (result.counter.is_finite()) continue;
      throw Error("model " + model_.name + ": layer " + model_.layers[*result.float_layer].name +
                  " of the float model computes values that are not finite, which no type holds");
    }
  }

  void add_again(std::span<const float> x, std::size_t n) {
    if (!looked_closer_) {
      for (Result& result : results_) result.counter.look_closer();
      looked_closer_ = true;
    }
    in_parts(x, n, [&](std::span<const float>, std::size_t, const std::vector<std::vector<float>>& floats) {
      oneapi::tbb::parallel_for(std::size_t{0}, results_.size(), [&](std::size_t i) {
        if (results_[i].float_layer) results_[i].counter.add_again(floats[*results_[i].float_layer]);
      });
    });
  }

  std::vector<TensorProfile> tensors() const {
    std::vector<TensorProfile> all;
    for (std::size_t i = 0; i < layers().size(); ++i) {
      for (const WeightArray& array : layers()[i].op->weights()) {
        if (!is_of_table(array.type)) all.push_back(weights(i, array));
      }
      all.push_back(result(i));
    }
    return all;
  }

  const std::vector<std::string>& notes() const { return resolved_.notes; }

 private:
  const std::vector<Layer>& layers() const { return resolved_.model.layers; }

  // Calls use(samples, their number, the float model's layers) for parts whose layers fit into memory.
  template <class Use>
  void in_parts(std::span<const float> x, std::size_t n, const Use& use) {
    const std::size_t width = model_.input_size();
    std::vector<std::vector<float>> floats(model_.layers.size());
    for (std::size_t first = 0; first < n; first += at_once_) {
      const std::size_t size = std::min(at_once_, n - first);
      const std::span<const float> part = x.subspan(first * width, size * width);
      for (std::size_t i = 0; i < floats.size(); ++i) floats[i].resize(size * size_of(model_.layers[i].shape));
      infer(model_, part, size, [&](std::size_t from, std::size_t count, std::size_t layer, std::span<const float> values) {
        std::copy(values.begin(), values.end(), floats[layer].begin() + static_cast<std::ptrdiff_t>(from * (values.size() / count)));
      });
      use(part, size, floats);
    }
  }

  void add(std::size_t i, const std::vector<std::vector<float>>& floats, const RunResult& run) {
    Result& result = results_[i];
    if (result.float_layer) result.counter.add(floats[*result.float_layer]);
    if (!has_types_) return;
    const std::vector<double>& fixed = run.trace[i];
    for (const double value : fixed) {
      result.fixed_low = std::min(result.fixed_low, value);
      result.fixed_high = std::max(result.fixed_high, value);
    }
    if (!result.cast) return;
    const std::vector<float>& reference = floats[*result.float_layer];
    // What is not finite is refused once the block is done.
    if (!std::all_of(reference.begin(), reference.end(), [](float value) { return std::isfinite(value); })) return;
    compare(reference, fixed, result.effect);
    result.cast->add(reference, result.alone);
  }

  TensorProfile weights(std::size_t i, const WeightArray& array) const {
    const Layer& layer = layers()[i];
    TensorProfile own;
    own.name = layer.name + "." + std::string(name_of(array.type));
    own.layer = layer.name;
    own.kind = array.type;
    own.in_float = distribution_of(array.values);
    if (!has_types_) return own;
    const Format& type = resolved_.precision[i][array.type];
    own.type = type;
    own.is_free = layer.own_type(array.type) == nullptr;
    // Depthwise convolutions keep theirs among zeros.
    const QuantizedWeights& kept = program_->steps[i][array.type];
    const QuantizedWeights quantized = kept.raw.size() == array.values.size() ? kept : quantize_weights(array, type);
    own.effect.values = array.values.size();
    own.effect.overflows = quantized.overflows;
    own.effect.zeros = quantized.zeros;
    if (type.meaning != Meaning::kNumber) return own;
    own.effect.compared = true;
    const ToDouble to_double(type.fraction());
    for (std::size_t k = 0; k < array.values.size(); ++k) {
      const double before = array.doubles.empty() ? static_cast<double>(array.values[k]) : array.doubles[k];
      const double after = to_double(quantized.raw[k]);
      own.effect.signal += before * before;
      own.effect.noise += (after - before) * (after - before);
      own.fixed_low = k == 0 ? after : std::min(own.fixed_low, after);
      own.fixed_high = k == 0 ? after : std::max(own.fixed_high, after);
    }
    return own;
  }

  TensorProfile result(std::size_t i) const {
    const Layer& layer = layers()[i];
    const Result& result = results_[i];
    TensorProfile own;
    own.name = layer.name + ".result";
    own.layer = layer.name;
    if (result.float_layer) own.in_float = result.counter.result();
    if (!has_types_) return own;
    const LayerPrecision& types = resolved_.precision[i];
    own.type = types.result();
    own.effect = result.effect;
    own.effect.values = counts_[i].values;
    own.effect.overflows = counts_[i].overflows;
    own.effect.zeros = counts_[i].zeros;
    own.alone = result.alone;
    own.fixed_low = result.fixed_low;
    own.fixed_high = result.fixed_high;
    own.sum_overflows = counts_[i].accum_overflows;
    if (types.has(TypeName::kAccum)) own.sum_type = types[TypeName::kAccum];
    own.is_sum = layer.op->form(program_->place(i)) == Form::kMatrixProduct;
    own.is_free = layer.own_type(TypeName::kResult) == nullptr && !layer.quantizer && is_asked(i);
    own.pads_a_maximum = pads_a_maximum(resolved_.model, i);
    own.is_in_front_of_relu = is_in_front_of_relu(*program_, i);
    return own;
  }

  // Whether hls4ml takes the type of a layer's result from the configuration: it is another with another default.
  bool is_asked(std::size_t i) const {
    if (layers()[i].inputs.empty()) return true;
    const Format& type = resolved_.precision[i].result();
    std::vector<Format> inputs;
    for (const Format* input : program_->place(i).inputs) inputs.push_back(*input);
    constexpr int kOther = 16, kAnother = 17, kInteger = 6;
    return takes_type_from_default(layers()[i], resolved_.precision[i], std::move(inputs),
                                   fixed(type.width == kOther ? kAnother : kOther, kInteger), resolved_.maximum);
  }

  Model model_;
  bool has_types_;
  Resolved resolved_;
  std::optional<Program> program_;
  std::optional<Engine> engine_;
  std::vector<LayerCounts> counts_;
  std::vector<Result> results_;  // of each layer of the resolved model
  std::size_t at_once_ = 1;      // samples
  bool looked_closer_ = false;
};

TensorProfiler::TensorProfiler(const Model& model, std::optional<Resolved> precision)
    : impl_(std::make_unique<Impl>(model, std::move(precision))) {}
TensorProfiler::~TensorProfiler() = default;
void TensorProfiler::add(std::span<const float> x, std::size_t n) { impl_->add(x, n); }
void TensorProfiler::add_again(std::span<const float> x, std::size_t n) { impl_->add_again(x, n); }
std::vector<TensorProfile> TensorProfiler::tensors() const { return impl_->tensors(); }
const std::vector<std::string>& TensorProfiler::notes() const { return impl_->notes(); }

}  // namespace narrow
