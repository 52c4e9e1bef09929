#include "engine/lane_step.h"

#include "engine/dense/lane_dense.h"
#include "engine/matrix_product.h"

namespace narrow {
namespace {

std::optional<LaneCast> cast_from(const Format& from, const Format& to, const Step& step) {
  return make_lane_cast(from.fraction(), to, step.word_bits, to.is_integer && from.integer <= 0);
}

}  // namespace

LaneStep make_lane_step(const Program& program, std::size_t layer) {
  const Place place = program.place(layer);
  const Step& step = program.steps[layer];
  const Format& result = place.types.result();
  LaneStep lanes{program.model().layers[layer].op->form(place), {}, {}, {}};
  switch (lanes.form) {
    case Form::kMatrixProduct:
      lanes.cast = cast_from(place.types[TypeName::kAccum], result, step);
      lanes.gather = program.model().layers[layer].op->gather(place);
      lanes.dense = make_lane_dense(make_matrix_product(program, layer, std::nullopt, {}));
      if (!lanes.dense || (!lanes.cast && place.types[TypeName::kAccum] != result)) lanes.form = Form::kAny;
      break;
    case Form::kCast:
    case Form::kReluCast:
      lanes.cast = cast_from(place.input(), result, step);
      if (!lanes.cast) lanes.form = Form::kAny;
      break;
    case Form::kRowSum:
      if (result.fraction() >= place.input().fraction()) lanes.cast = cast_from(place.input(), result, step);
      if (!lanes.cast || lanes.cast->fit != Fit::kWrap) lanes.form = Form::kAny;
      break;
    case Form::kRowMean:
    case Form::kInput:
    case Form::kAffine:
    case Form::kPairs:
    case Form::kRows:
    case Form::kMoves:
    case Form::kLargest:
    case Form::kAny: lanes.form = Form::kAny;
  }
  return lanes;
}

}  // namespace narrow
