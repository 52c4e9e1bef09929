#include "layers/concatenate.h"

#include <algorithm>
#include <cstdlib>

#include "layers/merge.h"
#include "layers/product.h"
#include "layers/turns.h"

namespace narrow {
namespace {

// Values of a shape from an axis on: what follows one another without a value of the other layer.
std::size_t run_of(const Shape& shape, int axis) { return size_of({shape.begin() + axis, shape.end()}); }

}  // namespace

int Concatenate::axis_of(const Shape& shape) const {
  const auto rank = static_cast<int>(shape.size());
  const int axis = axis_ > 0 ? axis_ - 1 : axis_ + rank;  // a sample has no batch axis
  return axis_ == 0 || axis >= rank ? -1 : axis;
}

Shape Concatenate::shape(const std::vector<Shape>& inputs) const {
  Shape shape = inputs[0];
  const int axis = axis_of(shape);
  constexpr std::size_t kMostAxes = 3;
  bool fits = axis >= 0 && shape.size() == inputs[1].size() && shape.size() <= kMostAxes;
  for (std::size_t i = 0; fits && i < shape.size(); ++i) fits = static_cast<int>(i) == axis || shape[i] == inputs[1][i];
  if (!fits) {
    throw Misfit{"two inputs of at most 3 axes, of one shape but for axis " + std::to_string(axis_) + ", which is not the batch's"};
  }
  shape[static_cast<std::size_t>(axis)] += inputs[1][static_cast<std::size_t>(axis)];
  return shape;
}

FloatFunction Concatenate::float_function() const {
  return [this](const FloatCall& call) {
    const std::size_t runs[] = {run_of(call.shapes[0], axis_of(call.shapes[0])), run_of(call.shapes[1], axis_of(call.shapes[1]))};
    const float* from[] = {call.inputs[0].data(), call.inputs[1].data()};
    for (float* to = call.y.data(); to != call.y.data() + call.y.size();) {
      for (std::size_t k = 0; k < 2; ++k) {
        to = std::copy_n(from[k], runs[k], to);
        from[k] += runs[k];
      }
    }
  };
}

// infer_precision.py, _infer_cat_precision.
LayerPrecision Concatenate::types(const TypeRequest& request) const {
  LayerPrecision types;
  const Format& a = request.inputs[0];
  const Format& b = request.inputs[1];
  Format inferred = a;
  if (a != b) {
    inferred = capped(format_of_both(a, b), request.maximum);
    inferred.rounding = a.rounding != Rounding::kTrn ? a.rounding : b.rounding;
    inferred.overflow = a.overflow != Overflow::kWrap ? a.overflow : b.overflow;
    inferred.saturated_bits = a.saturated_bits != 0 ? a.saturated_bits : b.saturated_bits;
  }
  types.set(TypeName::kResult, request.choice(TypeName::kResult).value_or(inferred));
  return types;
}

Pairing Concatenate::pairing(const Place& place) const {
  const Format& a = *place.inputs[0];
  const Format& b = *place.inputs[1];
  Pairing pairing;
  pairing.kind = Pairing::Kind::kBeside;
  pairing.fraction = std::max(a.fraction(), b.fraction());
  pairing.shifts[0] = pairing.fraction - a.fraction();
  pairing.shifts[1] = pairing.fraction - b.fraction();
  pairing.no_integer_bits = a.integer <= 0;
  return pairing;
}

void Concatenate::plan(const Place& place, Step& step) const {
  for (const Format* from : place.inputs) {
    step.bits = std::max(step.bits, bits_at(*from, from->fraction()));
    step.word_bits = std::max(step.word_bits, cast_bits(step.bits, from->fraction(), place.types.result()));
  }
}

Form Concatenate::form(const Place& place) const {
  const Pairing pairing = this->pairing(place);
  const bool by_row = axis_of(place.shape) == static_cast<int>(place.shape.size()) - 1;
  // Which of both is cast decides how it becomes an ap_int.
  const bool alike = !place.types.result().is_integer || (place.inputs[0]->integer <= 0) == (place.inputs[1]->integer <= 0);
  return by_row && alike && std::max(pairing.shifts[0], pairing.shifts[1]) <= kMaxAffineShift ? Form::kPairs : Form::kAny;
}

template <class Raw>
void Concatenate::compute(const ExactCall<Raw>& call) const {
  const int axis = axis_of(call.place.shape);
  std::size_t at = 0;
  std::size_t read[] = {0, 0};
  while (at < call.y.size()) {
    for (std::size_t k = 0; k < 2; ++k) {
      for (std::size_t i = run_of(*call.place.shapes[k], axis); i > 0; --i) {
        const Raw value = call.inputs[k][read[k]++];
        const CastResult y = cast(value, *call.place.inputs[k], call.place.types.result());
        count(call.counts, y, value != 0);
        call.y[at++] = static_cast<Raw>(y.raw);
      }
    }
  }
}
template void Concatenate::compute(const ExactCall<std::int64_t>&) const;
template void Concatenate::compute(const ExactCall<Int128>&) const;

Interval Concatenate::bounds(const Place& place, const Step&, const std::vector<Interval>& inputs) const {
  const Format& to = place.types.result();
  return hull(cast_interval(inputs[0], place.inputs[0]->fraction(), to), cast_interval(inputs[1], place.inputs[1]->fraction(), to));
}

}  // namespace narrow
