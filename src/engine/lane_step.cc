#include "engine/lane_step.h"

#include "fixed/cast.h"

namespace narrow {
namespace {

bool fits_int32(const Format& format) { return format.width + (format.is_signed ? 0 : 1) <= 32; }

class LaneStepBuilder {
 public:
  LaneStepBuilder(const Program& program, std::size_t index)
      : layer_(program.model().layers[index]),
        step_(program.steps[index]),
        types_(program.resolved.precision[index]),
        input_(layer_.inputs.empty() ? types_.result : program.format(static_cast<std::size_t>(layer_.inputs.front()))) {}

  LaneStep build() {
    if (const auto* dense = as<DenseOp>(layer_)) return {cast_from(types_.accum), lane_dense(*dense)};
    if (as<ReluOp>(layer_) != nullptr || as<LinearOp>(layer_) != nullptr || as<FlattenOp>(layer_) != nullptr)
      return {cast_from(input_), {}};
    if (as<SetSumOp>(layer_) != nullptr && types_.result.fraction() >= input_.fraction()) return {cast_from(input_), {}};
    return {};
  }

 private:
  std::optional<LaneCast> cast_from(const Format& from) const {
    return make_lane_cast(from.fraction(), types_.result, step_.word_bits, types_.result.is_integer && from.integer <= 0);
  }

  std::optional<LaneDense> lane_dense(const DenseOp& op) const {
    const int fraction = input_.fraction() + types_.weight.fraction();
    const bool no_integer_bits = types_.accum.is_integer && (input_.integer + types_.weight.integer <= 0 || types_.bias.integer <= 0);
    const auto product = make_lane_cast(fraction, types_.accum, step_.word_bits, no_integer_bits);
    if (!product || !fits_int32(input_) || !fits_int32(types_.weight)) return std::nullopt;
    LaneDense dense;
    dense.n_in = op.n_in;
    dense.n_out = op.n_out;
    dense.wide = step_.word_bits > 32;
    dense.product = *product;
    dense.order = step_.order;
    constexpr int kLanes = LaneDense::kLanes;
    const int blocks = (op.n_out + kLanes - 1) / kLanes;
    dense.weights.assign(static_cast<std::size_t>(blocks) * static_cast<std::size_t>(op.n_in * kLanes), 0);
    dense.bias.assign(static_cast<std::size_t>(blocks) * kLanes, 0);
    dense.bias_left = dense.bias;
    // A wrapping accum takes the bias with all its bits, so that the exact sum can be told from its wrapped value.
    Format bias_format = types_.accum;
    if (product->fit == Fit::kWrap) bias_format.width = kMaxSumWidth;
    bias_format.integer = bias_format.width - types_.accum.fraction();
    if (types_.accum.is_integer) bias_format.rounding = Rounding::kTrnZero, bias_format.is_integer = false;
    for (int j = 0; j < op.n_out; ++j) {
      for (int k = 0; k < op.n_in; ++k) {
        const auto to = static_cast<std::size_t>(((j / kLanes) * op.n_in + k) * kLanes + j % kLanes);
        const auto from = static_cast<std::size_t>(dense.order[static_cast<std::size_t>(k)] * op.n_out + j);
        dense.weights[to] = static_cast<std::int32_t>(step_.kernel.raw[from]);
      }
      const CastResult bias = cast(step_.bias.raw[static_cast<std::size_t>(j)], types_.bias, bias_format);
      dense.bias[static_cast<std::size_t>(j)] = static_cast<std::int64_t>(bias.raw);
      dense.bias_left[static_cast<std::size_t>(j)] = bias.overflow ? 1 : 0;
    }
    return dense;
  }

  const Layer& layer_;
  const Step& step_;
  const LayerPrecision& types_;
  Format input_;
};

}  // namespace

LaneStep make_lane_step(const Program& program, std::size_t layer) { return LaneStepBuilder(program, layer).build(); }

}  // namespace narrow
