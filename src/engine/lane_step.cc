#include "engine/lane_step.h"

#include "fixed/cast.h"
#include "layers/product.h"

namespace narrow {
namespace {

bool fits_int32(const Format& format) { return format.width + (format.is_signed ? 0 : 1) <= 32; }

std::optional<LaneCast> cast_from(const Format& from, const Format& to, const Step& step) {
  return make_lane_cast(from.fraction(), to, step.word_bits, to.is_integer && from.integer <= 0);
}

std::optional<LaneDense> lane_dense(const Place& place, const Step& step) {
  const Format& input = place.input();
  const Format& weight = place.types[TypeName::kWeight];
  const Format& accum = place.types[TypeName::kAccum];
  const Format& bias_type = place.types[TypeName::kBias];
  const bool no_integer_bits = accum.is_integer && (product_integer(input, weight) <= 0 || bias_type.integer <= 0);
  const auto product = make_lane_cast(input.fraction() + weight.fraction(), accum, step.word_bits, no_integer_bits);
  if (!product || !fits_int32(input) || !fits_int32(weight)) return std::nullopt;
  const int n_in = place.shapes.front()->back();
  const int n_out = place.shape.back();
  LaneDense dense;
  dense.n_in = n_in;
  dense.n_out = n_out;
  dense.wide = step.word_bits > 32;
  dense.product = *product;
  dense.order = step.order;
  constexpr int kLanes = LaneDense::kLanes;
  const int blocks = (n_out + kLanes - 1) / kLanes;
  dense.weights.assign(static_cast<std::size_t>(blocks) * static_cast<std::size_t>(n_in * kLanes), 0);
  dense.bias.assign(static_cast<std::size_t>(blocks) * kLanes, 0);
  dense.bias_left = dense.bias;
  // A wrapping accum takes the bias with all its bits, so that the exact sum can be told from its wrapped value.
  Format bias_format = accum;
  if (product->fit == Fit::kWrap) bias_format.width = kMaxSumWidth;
  bias_format.integer = bias_format.width - accum.fraction();
  if (accum.is_integer) bias_format.rounding = Rounding::kTrnZero, bias_format.is_integer = false;
  for (int j = 0; j < n_out; ++j) {
    for (int k = 0; k < n_in; ++k) {
      const auto to = static_cast<std::size_t>(((j / kLanes) * n_in + k) * kLanes + j % kLanes);
      const auto from = static_cast<std::size_t>(dense.order[static_cast<std::size_t>(k)] * n_out + j);
      dense.weights[to] = static_cast<std::int32_t>(step[TypeName::kWeight].raw[from]);
    }
    const CastResult bias = cast(step[TypeName::kBias].raw[static_cast<std::size_t>(j)], bias_type, bias_format);
    dense.bias[static_cast<std::size_t>(j)] = static_cast<std::int64_t>(bias.raw);
    dense.bias_left[static_cast<std::size_t>(j)] = bias.overflow ? 1 : 0;
  }
  return dense;
}

}  // namespace

LaneStep make_lane_step(const Program& program, std::size_t layer) {
  const Place place = program.place(layer);
  const Step& step = program.steps[layer];
  const Format& result = place.types.result();
  LaneStep lanes{program.model().layers[layer].op->form(place), {}, {}};
  switch (lanes.form) {
    case Form::kMatrixProduct:
      lanes.cast = cast_from(place.types[TypeName::kAccum], result, step);
      lanes.dense = lane_dense(place, step);
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
    case Form::kInput:
    case Form::kAny: lanes.form = Form::kAny;
  }
  return lanes;
}

}  // namespace narrow
