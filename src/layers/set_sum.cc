#include "layers/set_sum.h"

#include <algorithm>
#include <bit>

#include "layers/float_kernels.h"

namespace narrow {
namespace {

std::size_t set_size(const Place& place) { return static_cast<std::size_t>(place.shapes.front()->front()); }

constexpr Format kWholeNumbers{.width = kMaxSumWidth, .integer = kMaxSumWidth, .is_signed = true, .is_integer = true};

}  // namespace

AddAssign::AddAssign(const Format& x, const Format& sum)
    : x_(x), sum_(sum), fraction_(sum.is_integer ? 0 : std::max(x.fraction(), sum.fraction())) {}

Int128 AddAssign::operator()(Int128 total, Int128 x, Turns& turns) const {
  const Int128 term = sum_.is_integer ? cast(x, x_, kWholeNumbers).raw : x << (fraction_ - x_.fraction());
  const Int128 exact = (total << (fraction_ - sum_.fraction())) + term;
  const Int128 next = cast(exact, fraction_, sum_).raw;
  turns.bring(exact, fraction_, next);
  return next;
}

Shape row_shape(const std::vector<Shape>& inputs) {
  if (inputs.front().size() != 2) throw Misfit{"a set of rows, such as 128x64"};
  return {inputs.front().back()};
}

FloatFunction SetSum::float_function() const {
  return [](const FloatCall& call) {
    const auto set = static_cast<std::size_t>(call.shapes.front().front());
    const auto width = static_cast<std::size_t>(call.shapes.front().back());
    for (std::size_t i = 0; i < call.samples; ++i) {
      set_sum_float(call.inputs.front().data() + i * set * width, set, width, call.y.data() + i * width);
    }
  };
}

void SetSum::plan(const Place& place, Step& step) const {
  const Format& x = place.input();
  const Format& sum = place.types.result();
  const int fraction = std::max(x.fraction(), sum.fraction());
  step.bits = std::max(bits_at(x, fraction), bits_at(sum, fraction)) + 1;
  step.word_bits = std::max(step.bits, bits_at(x, fraction) + static_cast<int>(std::bit_width(set_size(place))) + 2);
}

template <class Raw>
void SetSum::compute(const ExactCall<Raw>& call) const {
  const Format& sum = call.place.types.result();
  const AddAssign add(call.place.input(), sum);
  const std::size_t width = call.y.size();
  for (std::size_t j = 0; j < width; ++j) {
    Int128 total = 0;
    Turns turns(sum);
    for (std::size_t i = j; i < call.x().size(); i += width) total = add(total, static_cast<Int128>(call.x()[i]), turns);
    call.y[j] = static_cast<Raw>(total);
    call.counts.overflows += turns.left_range() ? 1 : 0;
  }
}
template void SetSum::compute(const ExactCall<std::int64_t>&) const;
template void SetSum::compute(const ExactCall<Int128>&) const;

Interval SetSum::bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const {
  constexpr int kMaxBits = 120;
  if (step.word_bits > kMaxBits) return range_of(place.types.result());
  return running_sum({}, inputs.front(), place.input().fraction(), static_cast<int>(set_size(place)), place.types.result());
}

}  // namespace narrow
