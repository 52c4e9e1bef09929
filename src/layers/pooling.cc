#include "layers/pooling.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "layers/set_mean.h"
#include "layers/turns.h"

namespace narrow {
namespace {

// The windows over an input, and the pixels that the one at hand covers.
class Covered {
 public:
  explicit Covered(const std::vector<WindowAxis>& axes) : axes_(axes) {}
  std::size_t windows() const { return static_cast<std::size_t>(axes_[0].count) * static_cast<std::size_t>(axes_[1].count); }
  const Window& of(std::size_t window) {
    pixels_.clear();
    const auto across = static_cast<std::size_t>(axes_[1].count);
    for_each_pixel(axes_, static_cast<int>(window / across), static_cast<int>(window % across),
                   [&](int, int pixel) { pixels_.push_back(static_cast<std::size_t>(pixel)); });
    return pixels_;
  }

 private:
  const std::vector<WindowAxis> axes_;
  Window pixels_;
};

// What hls4ml puts where max pooling pads: the sign bit alone, the least value of a type with a sign.
Int128 pad_value(const Format& x) { return x.is_signed ? min_raw(x) : Int128{1} << (x.width - 1); }

// Where each value of x is one of accum's as well: how far it is shifted to the left there.
std::optional<int> lossless_shift(const Format& x, const Format& accum) {
  if (x == accum) return 0;
  const int shift = accum.fraction() - x.fraction();
  constexpr int kMost = 60;
  if (accum.is_integer || shift < 0 || shift > kMost) return std::nullopt;
  const Interval range = range_of(x);
  if ((range.low << shift) < least_raw(accum) || (range.high << shift) > max_raw(accum)) return std::nullopt;
  return shift;
}

// Whether the sums of any of `count` such values, shifted so far, are in accum.
bool sums_stay(const Format& x, int shift, std::size_t count, const Format& accum) {
  const Interval range = range_of(x);
  const auto n = static_cast<Int128>(count);
  return (range.low << shift) >= least_raw(accum) / n && (range.high << shift) <= max_raw(accum) / n;
}

// nnet_common.h, reduce: the left part is the largest power of two below the number of values.
Int128 tree_sum(std::span<const Int128> terms, const Format& accum, Turns& turns) {
  if (terms.size() == 1) return terms.front();
  const std::size_t left = std::bit_floor(terms.size() - 1);
  const Int128 exact = tree_sum(terms.first(left), accum, turns) + tree_sum(terms.subspan(left), accum, turns);
  const Int128 sum = cast(exact, accum.fraction(), accum).raw;
  turns.bring(exact, accum.fraction(), sum);
  return sum;
}
Interval tree_sum(const Interval& term, std::size_t count, const Format& accum) {
  if (count == 1) return term;
  const std::size_t left = std::bit_floor(count - 1);
  return cast_interval(tree_sum(term, left, accum) + tree_sum(term, count - left, accum), accum.fraction(), accum);
}

}  // namespace

Shape Pooling::shape(const std::vector<Shape>& inputs) const {
  for (std::size_t i = 0; windows_.padding == Padding::kGiven && i < windows_.given.size(); ++i) {
    if (windows_.given[i] >= windows_.size[i / 2]) throw Misfit{"pads that are less than the pool_size"};
  }
  return windows_.shape(inputs.front(), inputs.front().back());
}

bool Pooling::pads(const Shape& input) const {
  const std::vector<WindowAxis> axes = windows_.axes(input);
  return axes[0].pads() || axes[1].pads();
}

bool Pooling::is_parallel(const Shape& input) const { return pads(input) || (!windows_.one_axis() && windows_.size != windows_.strides); }

std::string_view Pooling::keras_class() const {
  if (kind_ == PoolKind::kMax) return windows_.one_axis() ? "MaxPooling1D" : "MaxPooling2D";
  return windows_.one_axis() ? "AveragePooling1D" : "AveragePooling2D";
}

std::vector<Setting> Pooling::settings() const {
  return {{"pool_size", std::vector<std::int64_t>(windows_.size.begin(), windows_.size.end())},
          {"strides", std::vector<std::int64_t>(windows_.strides.begin(), windows_.strides.end())},
          {"padding", std::string(name_of(windows_.padding))},
          {"data_format", std::string("channels_last")}};
}

FloatFunction Pooling::float_function() const {
  return [this](const FloatCall& call) {
    Covered covered(windows_.axes(call.shapes.front()));
    const auto channels = static_cast<std::size_t>(call.shapes.front().back());
    const std::size_t size = size_of(call.shapes.front());
    float* y = call.y.data();
    for (std::size_t s = 0; s < call.samples; ++s) {
      const float* x = call.inputs.front().data() + s * size;
      for (std::size_t w = 0; w < covered.windows(); ++w) {
        const Window& pixels = covered.of(w);
        for (std::size_t c = 0; c < channels; ++c) {
          float largest = -std::numeric_limits<float>::infinity();
          float sum = 0;
          for (const std::size_t pixel : pixels) {
            largest = std::max(largest, x[pixel * channels + c]);
            sum += x[pixel * channels + c];
          }
          *y++ = kind_ == PoolKind::kMax ? largest : sum / static_cast<float>(pixels.size());
        }
      }
    }
  };
}

// infer_precision.py, _infer_pooling_precision: the maximum does not cut them.
LayerPrecision Pooling::types(const TypeRequest& request) const {
  LayerPrecision types;
  const Format& x = request.inputs.front();
  Format accum = x;
  if (kind_ == PoolKind::kAverage) {
    const int more = static_cast<int>(std::bit_width(static_cast<unsigned>(windows_.pixels() - 1)));  // ceil(log2 n)
    accum = {.width = x.width + 2 * more, .integer = x.integer + more, .is_signed = x.is_signed};
  }
  types.set(TypeName::kAccum, request.choice(TypeName::kAccum).value_or(accum));
  types.set(TypeName::kResult, request.choice(TypeName::kResult).value_or(x));
  return types;
}

void Pooling::plan(const Place& place, Step& step) const {
  const Format& x = place.input();
  const Format& accum = place.types[TypeName::kAccum];
  const int fraction = std::max(x.fraction(), accum.fraction());
  step.bits = std::max(bits_at(x, fraction), bits_at(accum, fraction)) + 1;
  step.word_bits = kMaxSumWidth;
}

// Of one type, whose least value the padding is.
Form Pooling::form(const Place& place) const {
  const Format& x = place.input();
  const bool one_type = x == place.types[TypeName::kAccum] && x == place.types.result();
  return kind_ == PoolKind::kMax && one_type && (x.is_signed || !pads(*place.shapes.front())) ? Form::kLargest : Form::kAny;
}

std::vector<Window> Pooling::pools(const Place& place) const {
  Covered covered(windows_.axes(*place.shapes.front()));
  std::vector<Window> windows;
  for (std::size_t w = 0; w < covered.windows(); ++w) windows.push_back(covered.of(w));
  return windows;
}

template <class Raw>
void Pooling::compute(const ExactCall<Raw>& call) const {
  const Format& x = call.place.input();
  const Format& accum = call.place.types[TypeName::kAccum];
  const Format& result = call.place.types.result();
  const Shape& shape = *call.place.shapes.front();
  const bool parallel = is_parallel(shape);
  const auto channels = static_cast<std::size_t>(shape.back());
  const auto pixels = static_cast<std::size_t>(windows_.pixels());
  const std::optional<int> shift = lossless_shift(x, accum);
  Covered covered(windows_.axes(shape));
  // The largest is found for all channels together.
  if (form(call.place) == Form::kLargest) {
    for (std::size_t w = 0; w < covered.windows(); ++w) {
      take_largest(covered.of(w), call.x().data(), channels, call.y.data() + w * channels);
    }
    return;
  }
  if (kind_ == PoolKind::kAverage && !parallel && shift && sums_stay(x, *shift, pixels, accum)) {
    for (std::size_t w = 0; w < covered.windows(); ++w) {
      const Window& of_window = covered.of(w);
      for (std::size_t c = 0; c < channels; ++c) {
        Raw sum = 0;
        for (const std::size_t pixel : of_window) sum += call.x()[pixel * channels + c];
        const Raw mean = (sum << *shift) / static_cast<Raw>(pixels);
        const CastResult y = cast(static_cast<Int128>(mean), accum, result);
        count(call.counts, y, sum != 0);
        call.y[w * channels + c] = static_cast<Raw>(y.raw);
      }
    }
    return;
  }
  const AddAssign add(x, accum);
  std::vector<Int128> values;
  std::vector<Int128> terms;
  std::size_t at = 0;
  for (std::size_t w = 0; w < covered.windows(); ++w) {
    const Window& of_window = covered.of(w);
    for (std::size_t c = 0; c < channels; ++c, ++at) {
      values.clear();
      for (const std::size_t pixel : of_window) values.push_back(static_cast<Int128>(call.x()[pixel * channels + c]));
      const std::size_t real = values.size();
      Turns turns(accum);
      bool left = false;  // of a largest value, where no sum tells
      const auto to_accum = [&](Int128 value) {
        if (shift) return value << *shift;
        const CastResult term = cast(value, x, accum);
        if (kind_ == PoolKind::kMax) left |= term.overflow;
        else turns.bring(value, x.fraction(), term.raw);
        return term.raw;
      };
      Int128 y = 0;
      bool was_nonzero = false;
      if (kind_ == PoolKind::kMax) {
        if (real < pixels) values.push_back(pad_value(x));
        if (parallel || shift) {
          y = to_accum(*std::max_element(values.begin(), values.end()));
        } else {
          std::transform(values.begin(), values.end(), values.begin(), to_accum);
          y = *std::max_element(values.begin(), values.end());
        }
        was_nonzero = y != 0;
      } else {
        Int128 sum = 0;
        if (parallel) {
          for (const Int128 value : values) sum = add(sum, value, turns);
          y = quotient(sum, static_cast<Int128>(real), accum);
        } else {
          terms.resize(real);
          std::transform(values.begin(), values.end(), terms.begin(), to_accum);
          sum = tree_sum(terms, accum, turns);
          y = sum / static_cast<Int128>(real);
        }
        was_nonzero = sum != 0;
      }
      call.counts.accum_overflows += left || turns.left_range() ? 1 : 0;
      const CastResult cast_y = cast(y, accum, result);
      count(call.counts, cast_y, was_nonzero);
      call.y[at] = static_cast<Raw>(cast_y.raw);
    }
  }
}
template void Pooling::compute(const ExactCall<std::int64_t>&) const;
template void Pooling::compute(const ExactCall<Int128>&) const;

Interval Pooling::bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const {
  const Format& x = place.input();
  const Format& accum = place.types[TypeName::kAccum];
  const Format& result = place.types.result();
  constexpr int kMaxBits = 100;
  if (step.bits > kMaxBits) return range_of(result);
  const Shape& shape = *place.shapes.front();
  if (kind_ == PoolKind::kMax) {
    Interval values = inputs.front();
    if (pads(shape)) values.high = std::max(values.high, pad_value(x));
    return cast_interval(cast_interval(values, x.fraction(), accum), accum.fraction(), result);
  }
  // The mean in a narrow one is not its sum's (quotient).
  if (accum.is_integer) return range_of(result);
  const auto mean = [&](const Interval& sum, int count) {
    return cast_interval({sum.low / count, sum.high / count}, accum.fraction(), result);
  };
  const int pixels = windows_.pixels();
  if (!is_parallel(shape)) {
    return mean(tree_sum(cast_interval(inputs.front(), x.fraction(), accum), static_cast<std::size_t>(pixels), accum), pixels);
  }
  Interval all = mean(running_sum({}, inputs.front(), x.fraction(), pixels, accum), pixels);
  if (!pads(shape)) return all;
  // Of every number of pixels that a window at the border may have; a sum that is followed step by step goes on from the last.
  Interval sum;
  for (int count = 1; count < pixels; ++count) {
    const bool goes_on = !wraps(accum);
    sum = running_sum(goes_on ? sum : Interval{}, inputs.front(), x.fraction(), goes_on ? 1 : count, accum);
    all = hull(all, mean(sum, count));
  }
  return all;
}

}  // namespace narrow
