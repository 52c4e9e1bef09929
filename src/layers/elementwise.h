#ifndef NARROW_LAYERS_ELEMENTWISE_H_
#define NARROW_LAYERS_ELEMENTWISE_H_

#include "model/operation.h"

namespace narrow {

// What layers without weights that compute each value from one value of their input have in common.
template <class Self>
class Elementwise : public ExactOperation<Self> {
 public:
  std::vector<Setting> settings() const override { return {}; }
  std::vector<ParameterArray> parameters() const override { return {}; }
  std::size_t inputs() const override { return 1; }
  Shape shape(const std::vector<Shape>& inputs) const override { return inputs.front(); }
  std::size_t multiplications(const Shape&) const override { return 0; }
  OperationPtr scaled(const Numbers&, const Numbers&, const Format*) const override { return nullptr; }
  std::vector<WeightArray> weights() const override { return {}; }
};

// `result` alone, the default precision where it is left to `auto`.
inline LayerPrecision result_alone(const TypeRequest& request) {
  LayerPrecision types;
  types.set(TypeName::kResult, request.asked(TypeName::kResult));
  return types;
}

// y = (result) x, or (result) max(x, 0): the parts that every layer which only casts shares.
void plan_cast(const Place& place, Step& step);
template <class Raw>
void compute_cast(const ExactCall<Raw>& call, bool relu);

}  // namespace narrow

#endif  // NARROW_LAYERS_ELEMENTWISE_H_
