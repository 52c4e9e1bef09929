#ifndef NARROW_LAYERS_INPUT_H_
#define NARROW_LAYERS_INPUT_H_

#include "model/operation.h"

namespace narrow {

// Samples, brought into the result type: the exact value of each number, rounded and wrapped by the type.
class Input final : public ExactOperation<Input> {
 public:
  explicit Input(Shape shape) : shape_(std::move(shape)) {}

  std::string_view keras_class() const override { return "InputLayer"; }
  std::vector<Setting> settings() const override { return {}; }
  std::vector<ParameterArray> parameters() const override { return {}; }
  std::size_t inputs() const override { return 0; }
  Shape shape(const std::vector<Shape>&) const override { return shape_; }
  std::size_t multiplications(const Shape&) const override { return 0; }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "Input"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return false; }
  OperationPtr scaled(const Numbers&, const Numbers&, const Format*) const override { return nullptr; }
  std::vector<WeightArray> weights() const override { return {}; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kInput; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  Shape shape_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_INPUT_H_
