#include "layers/merge.h"

#include <algorithm>
#include <cstdlib>

#include "layers/elementwise.h"
#include "layers/product.h"
#include "layers/turns.h"

namespace narrow {
namespace {

// The same type, as hls4ml compares types: an ap_int is no ap_fixed.
bool same_type(const Format& a, const Format& b) { return a == b; }

int sum_integer(const Format& a, const Format& b) {
  return std::max(a.integer + (b.is_signed && !a.is_signed ? 1 : 0), b.integer + (a.is_signed && !b.is_signed ? 1 : 0)) + 1;
}

bool compares(MergeKind kind) { return kind == MergeKind::kMaximum || kind == MergeKind::kMinimum; }

// Whether the first one is taken: ties take the second.
bool takes_first(MergeKind kind, Int128 a, Int128 b, bool as_unsigned) {
  if (as_unsigned && (a < 0) != (b < 0)) return (kind == MergeKind::kMaximum) == (a < 0);
  return kind == MergeKind::kMaximum ? a > b : a < b;
}

// AP_SAT_SYM's -1 in one bit, brought to smaller steps in a type that saturates as well, becomes the value above it there.
bool raises_low_end(const Format& a, const Format& b) {
  return b.width == 1 && b.is_signed && b.overflow == Overflow::kSatSym && b.fraction() < a.fraction();
}

// Of types brought to one step, as OP_CMP_AF does it.
int compared_width(const Format& from, const Format& other, bool first) {
  const int more = other.fraction() - from.fraction();
  return more <= 0 ? from.width : std::max(from.width + more + (first ? 1 : 0), 1);
}

}  // namespace

Format capped(Format format, const std::optional<Format>& maximum) {
  if (!maximum) return format;
  format.width = std::min(format.width, maximum->width);
  format.integer = std::min(format.integer, maximum->integer);
  return format;
}

Format format_of_both(const Format& a, const Format& b) {
  const bool is_signed = a.is_signed || b.is_signed;
  const auto integer = [&](const Format& each) { return each.integer + (is_signed && !each.is_signed ? 1 : 0); };
  Format both{.integer = std::max(integer(a), integer(b)), .is_signed = is_signed};
  both.width = both.integer + std::max(a.fraction(), b.fraction());
  return both;
}

bool Merge::compares_values(const Format& a, const Format& b) { return !compares_unsigned(a, b) && !raises_low_end(a, b); }

bool Merge::compares_unsigned(const Format& a, const Format& b) {
  if (a.is_signed == b.is_signed) return false;
  const int first = compared_width(a, b, true);
  const int second = compared_width(b, a, false);
  constexpr int kInt = 32;
  return std::max(first, second) >= kInt && (a.is_signed ? second >= first : first >= second);
}

std::string_view Merge::keras_class() const {
  switch (kind_) {
    case MergeKind::kAdd: return "Add";
    case MergeKind::kSubtract: return "Subtract";
    case MergeKind::kMultiply: return "Multiply";
    case MergeKind::kAverage: return "Average";
    case MergeKind::kMaximum: return "Maximum";
    case MergeKind::kMinimum: break;
  }
  return "Minimum";
}

Shape Merge::shape(const std::vector<Shape>& inputs) const {
  const bool first = size_of(inputs[0]) >= size_of(inputs[1]);
  const Shape& larger = inputs[first ? 0 : 1];
  const Shape& smaller = inputs[first ? 1 : 0];
  if (larger == smaller) return larger;
  const auto begin = std::find_if(smaller.begin(), smaller.end(), [](int d) { return d != 1; });
  const auto rest = smaller.end() - begin;
  const bool fits =
      smaller.size() <= larger.size() && size_of(smaller) < size_of(larger) && std::equal(begin, smaller.end(), larger.end() - rest);
  // hls4ml reads element i of a small input at i modulo its size.
  if (!fits) throw Misfit{"two inputs of one shape, or one that repeats over leading axes, such as 3x4 and 1x4: hls4ml has no other"};
  return larger;
}

FloatFunction Merge::float_function() const {
  return [kind = kind_](const FloatCall& call) {
    const std::size_t size = call.y.size() / call.samples;
    const std::size_t sizes[] = {size_of(call.shapes[0]), size_of(call.shapes[1])};
    for (std::size_t s = 0; s < call.samples; ++s) {
      const float* a = call.inputs[0].data() + s * sizes[0];
      const float* b = call.inputs[1].data() + s * sizes[1];
      float* y = call.y.data() + s * size;
      const auto each = [&](const auto& f) {
        for (std::size_t i = 0; i < size; ++i) y[i] = f(a[i % sizes[0]], b[i % sizes[1]]);
      };
      switch (kind) {
        case MergeKind::kAdd: each([](float p, float q) { return p + q; }); break;
        case MergeKind::kSubtract: each([](float p, float q) { return p - q; }); break;
        case MergeKind::kMultiply: each([](float p, float q) { return p * q; }); break;
        case MergeKind::kAverage: each([](float p, float q) { return (p + q) / 2.F; }); break;
        case MergeKind::kMaximum: each([](float p, float q) { return std::max(p, q); }); break;
        case MergeKind::kMinimum: each([](float p, float q) { return std::min(p, q); }); break;
      }
    }
  };
}

// infer_precision.py, _infer_merge_precision.
LayerPrecision Merge::types(const TypeRequest& request) const {
  LayerPrecision types;
  if (const auto choice = request.choice(TypeName::kResult)) {
    types.set(TypeName::kResult, *choice);
    return types;
  }
  const Format& a = request.inputs[0];
  const Format& b = request.inputs[1];
  Format result;
  if (compares(kind_)) {
    result = same_type(a, b) ? a : format_of_both(a, b);  // the maximum does not cut it
  } else if (kind_ == MergeKind::kMultiply) {
    result =
        capped({.width = a.width + b.width, .integer = a.integer + b.integer, .is_signed = a.is_signed || b.is_signed}, request.maximum);
  } else {
    const int integer = sum_integer(a, b);
    result = capped({.width = integer + std::max(a.fraction(), b.fraction()),
                     .integer = integer,
                     .is_signed = a.is_signed || b.is_signed || kind_ == MergeKind::kSubtract},
                    request.maximum);
  }
  types.set(TypeName::kResult, result);
  return types;
}

Pairing Merge::pairing(const Place& place) const {
  const Format& a = *place.inputs[0];
  const Format& b = *place.inputs[1];
  Pairing pairing;
  if (kind_ == MergeKind::kMultiply) {
    pairing.kind = Pairing::Kind::kProduct;
    pairing.fraction = a.fraction() + b.fraction();
    pairing.no_integer_bits = a.integer + b.integer <= 0;
    return pairing;
  }
  const int fraction = std::max(a.fraction(), b.fraction());
  pairing.kind = kind_ == MergeKind::kMaximum    ? Pairing::Kind::kLarger
                 : kind_ == MergeKind::kMinimum  ? Pairing::Kind::kSmaller
                 : kind_ == MergeKind::kSubtract ? Pairing::Kind::kDifference
                                                 : Pairing::Kind::kSum;
  pairing.shifts[0] = fraction - a.fraction();
  pairing.shifts[1] = fraction - b.fraction();
  pairing.fraction = fraction + (kind_ == MergeKind::kAverage ? 1 : 0);
  pairing.no_integer_bits = compares(kind_) ? a.integer <= 0 : sum_integer(a, b) <= 0;
  return pairing;
}

void Merge::plan(const Place& place, Step& step) const {
  const Format& a = *place.inputs[0];
  const Format& b = *place.inputs[1];
  const Pairing pairing = this->pairing(place);
  step.bits = kind_ == MergeKind::kMultiply
                  ? a.width + b.width + 1
                  : std::max(bits_at(a, a.fraction() + pairing.shifts[0]), bits_at(b, b.fraction() + pairing.shifts[1])) + 1;
  step.word_bits = cast_bits(step.bits, pairing.fraction, place.types.result());
}

Form Merge::form(const Place& place) const {
  const Format& a = *place.inputs[0];
  const Format& b = *place.inputs[1];
  if (*place.shapes[0] != *place.shapes[1]) return Form::kAny;
  if (compares(kind_)) {
    // Which of both is cast decides how it becomes an ap_int.
    const bool alike = !place.types.result().is_integer || (a.integer <= 0) == (b.integer <= 0);
    if (!alike || !compares_values(a, b)) return Form::kAny;
  }
  const Pairing pairing = this->pairing(place);
  return std::max(pairing.shifts[0], pairing.shifts[1]) <= kMaxAffineShift ? Form::kPairs : Form::kAny;
}

template <class Raw>
void Merge::compute(const ExactCall<Raw>& call) const {
  const Format& a = *call.place.inputs[0];
  const Format& b = *call.place.inputs[1];
  const Format& to = call.place.types.result();
  const Pairing pairing = this->pairing(call.place);
  const bool as_unsigned = compares_unsigned(a, b);
  const bool raises = raises_low_end(a, b);
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const auto first = static_cast<Int128>(call.inputs[0][i % call.inputs[0].size()]);
    const auto second = static_cast<Int128>(call.inputs[1][i % call.inputs[1].size()]);
    const Int128 p = first << pairing.shifts[0];
    const Int128 q = second << pairing.shifts[1];
    CastResult y;
    bool was_nonzero = true;
    if (compares(kind_)) {
      const bool takes = takes_first(kind_, p, q + (raises && q < 0 ? 1 : 0), as_unsigned);
      y = takes ? cast(first, a, to) : cast(second, b, to);
      was_nonzero = (takes ? first : second) != 0;
    } else {
      const Int128 exact = kind_ == MergeKind::kMultiply ? p * q : kind_ == MergeKind::kSubtract ? p - q : p + q;
      y = cast(exact, pairing.fraction, to, pairing.no_integer_bits);
      was_nonzero = exact != 0;
    }
    count(call.counts, y, was_nonzero);
    call.y[i] = static_cast<Raw>(y.raw);
  }
}
template void Merge::compute(const ExactCall<std::int64_t>&) const;
template void Merge::compute(const ExactCall<Int128>&) const;

Interval Merge::bounds(const Place& place, const Step&, const std::vector<Interval>& inputs) const {
  const Format& to = place.types.result();
  const Interval& a = inputs[0];
  const Interval& b = inputs[1];
  if (compares(kind_) && !compares_values(*place.inputs[0], *place.inputs[1])) {
    return hull(cast_interval(a, place.inputs[0]->fraction(), to), cast_interval(b, place.inputs[1]->fraction(), to));
  }
  const Pairing pairing = this->pairing(place);
  return cast_interval(paired(pairing, a, b), pairing.fraction, to);
}

}  // namespace narrow
