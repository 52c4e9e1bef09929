#ifndef NARROW_LAYERS_THRESHOLDED_RELU_H_
#define NARROW_LAYERS_THRESHOLDED_RELU_H_

#include "layers/elementwise.h"

namespace narrow {

// y = x > theta ? x : 0; hls4ml: y = (result_t)(x > (param_t) theta ? x : 0) (nnet_activation.h). keras.layers.ReLU(threshold=theta), and
// ThresholdedReLU of Keras 2.
class ThresholdedRelu final : public Elementwise<ThresholdedRelu> {
 public:
  // At least 0, as Keras has it.
  explicit ThresholdedRelu(double theta) : theta_(theta) {}

  std::string_view keras_class() const override { return "ReLU"; }
  std::vector<Setting> settings() const override { return {{"negative_slope", 0.0}, {"threshold", theta_}}; }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "ParametrizedActivation"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return true; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kRows; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  double theta_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_THRESHOLDED_RELU_H_
