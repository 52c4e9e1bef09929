#include "layers/fixed_quantizer.h"

#include <algorithm>
#include <cmath>

#include "layers/product.h"
#include "layers/turns.h"

namespace narrow {

std::vector<std::size_t> bit_entries(const Shape& shape, const Shape& bits) {
  std::vector<std::size_t> entries(size_of(shape), 0);
  if (bits.empty()) return entries;
  const bool fits = bits.size() == shape.size() && std::equal(bits.begin(), bits.end(), shape.begin(),
                                                              [](int of_bits, int size) { return of_bits == size || of_bits == 1; });
  if (!fits) throw Misfit{"values of shape " + to_string(bits) + ", which its bits have, or as many axes with a 1 for any of them"};
  for (std::size_t value = 0; value < entries.size(); ++value) {
    std::size_t rest = value;
    std::size_t stride = 1;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      const auto size = static_cast<std::size_t>(shape[axis]);
      if (bits[axis] > 1) entries[value] += rest % size * stride;
      stride *= static_cast<std::size_t>(bits[axis]);
      rest /= size;
    }
  }
  return entries;
}

// HGQ/proxy/fixed_point_quantizer.py, in float32.
float rounded_float(float x, Rounding rounding) {
  const float sign = x > 0.F ? 1.F : x < 0.F ? -1.F : 0.F;
  switch (rounding) {
    case Rounding::kRnd: return std::floor(x + 0.5F);
    case Rounding::kRndZero: return -std::floor(-std::abs(x) + 0.5F) * sign;
    case Rounding::kRndMinInf: return -std::floor(-x + 0.5F);
    case Rounding::kRndInf: return std::floor(std::abs(x) + 0.5F) * sign;
    case Rounding::kRndConv: return std::nearbyint(x);
    case Rounding::kTrnZero: return std::floor(std::abs(x)) * sign;
    default: return std::floor(x);
  }
}

float floor_mod(float x, float y) {
  const float rest = std::fmod(x, y);
  return rest < 0.F ? rest + y : rest;
}

namespace {

float into_range(float x, float low, float high, Overflow overflow) {
  switch (overflow) {
    case Overflow::kSat: return std::clamp(x, low, high);
    case Overflow::kSatZero: return x <= high && x >= low ? x : 0.F;
    case Overflow::kSatSym: return std::clamp(x, low == 0.F ? 0.F : -high, high);
    case Overflow::kWrap: return floor_mod(x - low, high - low + 1.F) + low;
    default: break;
  }
  const float interval = (high - low + 1.F) * 2.F;  // kWrapSm: mirrored at the ends
  return std::abs(floor_mod(x - high - 1.F, interval) - interval / 2.F + 0.5F) - 0.5F + low;
}

}  // namespace

FixedQuantizer::FixedQuantizer(Shape shape, QuantizerBits bits, Rounding rounding, Overflow overflow)
    : shape_(std::move(shape)),
      bits_(std::move(bits)),
      rounding_(rounding),
      overflow_(overflow),
      entries_(bit_entries(shape_, bits_.shape)) {}

Format FixedQuantizer::format(std::size_t entry) const {
  return {.width = bits_.bits[entry],
          .integer = bits_.integers[entry],
          .is_signed = bits_.keep_negative[entry] != 0,
          .rounding = rounding_,
          .overflow = overflow_};
}

std::vector<Setting> FixedQuantizer::settings() const {
  const auto list = [](const std::vector<int>& values) { return std::vector<std::int64_t>(values.begin(), values.end()); };
  return {{"RND", to_string(rounding_)}, {"SAT", to_string(overflow_)},
          {"shape", list(bits_.shape)},  {"keep_negative", list(bits_.keep_negative)},
          {"bits", list(bits_.bits)},    {"integers", list(bits_.integers)}};
}

Shape FixedQuantizer::shape(const std::vector<Shape>& inputs) const {
  if (inputs.front() != shape_) throw Misfit{"values of shape " + to_string(shape_)};
  return shape_;
}

FloatFunction FixedQuantizer::float_function() const {
  struct Range {
    float scale, low, high;
  };
  std::vector<Range> ranges;
  for (std::size_t i = 0; i < bits_.bits.size(); ++i) {
    const float high = std::exp2(static_cast<float>(bits_.bits[i] - bits_.keep_negative[i])) - 1.F;
    ranges.push_back({bits_.bits[i] == 0 ? 0.F : std::exp2(static_cast<float>(bits_.bits[i] - bits_.integers[i])),
                      bits_.keep_negative[i] != 0 ? -(high + 1.F) : 0.F, high});
  }
  return [ranges = std::move(ranges), entries = entries_, rounding = rounding_, overflow = overflow_](const FloatCall& call) {
    for (std::size_t i = 0; i < call.y.size(); ++i) {
      const auto& [scale, low, high] = ranges[entries[i % entries.size()]];
      call.y[i] = scale == 0.F ? 0.F : into_range(rounded_float(call.inputs.front()[i] * scale, rounding), low, high, overflow) / scale;
    }
  };
}

void FixedQuantizer::plan(const Place& place, Step& step) const {
  const Format& x = place.input();
  step.bits = bits_at(x, x.fraction());
  step.word_bits = step.bits;
  for (std::size_t i = 0; i < bits_.bits.size(); ++i) {
    if (bits_.bits[i] == 0) continue;
    const Format own = format(i);
    const int bits = bits_at(own, own.fraction());
    step.word_bits =
        std::max({step.word_bits, cast_bits(step.bits, x.fraction(), own), cast_bits(bits, own.fraction(), place.types.result())});
  }
}

template <class Raw>
void FixedQuantizer::compute(const ExactCall<Raw>& call) const {
  const Format& from = call.place.input();
  const Format& to = call.place.types.result();
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const auto x = static_cast<Int128>(call.x()[i]);
    if (bits_.bits[entries_[i]] == 0) {
      call.counts.zeros += x != 0 ? 1 : 0;
      call.y[i] = 0;
      continue;
    }
    const Format own = format(entries_[i]);
    const CastResult between = cast(x, from, own);
    CastResult y = cast(between.raw, own, to);
    y.overflow |= between.overflow;
    count(call.counts, y, x != 0);
    call.y[i] = static_cast<Raw>(y.raw);
  }
}
template void FixedQuantizer::compute(const ExactCall<std::int64_t>&) const;
template void FixedQuantizer::compute(const ExactCall<Int128>&) const;

Interval FixedQuantizer::bounds(const Place& place, const Step&, const std::vector<Interval>& inputs) const {
  std::optional<Interval> all;
  for (std::size_t i = 0; i < bits_.bits.size(); ++i) {
    const Format own = format(i);
    const Interval values = bits_.bits[i] == 0 ? Interval{}
                                               : cast_interval(cast_interval(inputs.front(), place.input().fraction(), own), own.fraction(),
                                                               place.types.result());
    all = all ? hull(*all, values) : values;
  }
  return *all;
}

}  // namespace narrow
