#include "engine/lane_step.h"

#include "engine/dense/lane_dense.h"
#include "engine/matrix_product.h"

namespace narrow {
namespace {

class LaneStepBuilder {
 public:
  LaneStepBuilder(const Program& program, std::size_t index)
      : program_(program),
        index_(index),
        layer_(program.model().layers[index]),
        step_(program.steps[index]),
        types_(program.resolved.precision[index]),
        input_(layer_.inputs.empty() ? types_.result : program.format(static_cast<std::size_t>(layer_.inputs.front()))) {}

  LaneStep build() {
    if (as<DenseOp>(layer_) != nullptr)
      return {cast_from(types_.accum), make_lane_dense(make_matrix_product(program_, index_, std::nullopt, {}))};
    if (as<ReluOp>(layer_) != nullptr || as<LinearOp>(layer_) != nullptr || as<FlattenOp>(layer_) != nullptr)
      return {cast_from(input_), {}};
    if (as<SetSumOp>(layer_) != nullptr && types_.result.fraction() >= input_.fraction()) return {cast_from(input_), {}};
    return {};
  }

 private:
  std::optional<LaneCast> cast_from(const Format& from) const {
    return make_lane_cast(from.fraction(), types_.result, step_.word_bits, types_.result.is_integer && from.integer <= 0);
  }

  const Program& program_;
  std::size_t index_;
  const Layer& layer_;
  const Step& step_;
  const LayerPrecision& types_;
  Format input_;
};

}  // namespace

LaneStep make_lane_step(const Program& program, std::size_t layer) { return LaneStepBuilder(program, layer).build(); }

}  // namespace narrow
