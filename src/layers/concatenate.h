#ifndef NARROW_LAYERS_CONCATENATE_H_
#define NARROW_LAYERS_CONCATENATE_H_

#include "model/operation.h"

namespace narrow {

// The values of two layers one behind the other along an axis, each cast to the result type (nnet_merge.h).
class Concatenate final : public ExactOperation<Concatenate> {
 public:
  // As Keras counts them: 0 is the batch, -1 the last one.
  explicit Concatenate(int axis) : axis_(axis) {}

  std::string_view keras_class() const override { return "Concatenate"; }
  std::vector<Setting> settings() const override { return {{"axis", std::int64_t{axis_}}}; }
  std::vector<ParameterArray> parameters() const override { return {}; }
  std::size_t inputs() const override { return 2; }
  Shape shape(const std::vector<Shape>& inputs) const override;
  std::size_t multiplications(const Shape&) const override { return 0; }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "Concatenate"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return false; }
  OperationPtr scaled(const Numbers&, const Numbers&, const Format*) const override { return nullptr; }
  std::vector<WeightArray> weights() const override { return {}; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place& place) const override;
  Pairing pairing(const Place& place) const override;
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  // Of the shape of a sample; negative where there is no such axis.
  int axis_of(const Shape& shape) const;

  int axis_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_CONCATENATE_H_
