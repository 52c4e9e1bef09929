#ifndef NARROW_LAYERS_RELU_H_
#define NARROW_LAYERS_RELU_H_

#include "layers/elementwise.h"

namespace narrow {

// y = max(x, 0); hls4ml: y = (result_t)(x > 0 ? x : 0).
class Relu final : public Elementwise<Relu> {
 public:
  // `parametrized`: hls4ml's class for keras.layers.ReLU, which it takes for a thresholded one of theta 0.
  explicit Relu(bool parametrized = false) : parametrized_(parametrized) {}
  // A ReLU of Keras 2 with a maximum, which hls4ml's reader of Keras 2 leaves out; it has it in float.
  static std::shared_ptr<const Relu> with_maximum(float most) {
    auto relu = std::make_shared<Relu>();
    relu->most_ = most;
    return relu;
  }

  std::string_view keras_class() const override { return parametrized_ || most_ ? "ReLU" : "Activation"; }
  std::vector<Setting> settings() const override {
    if (parametrized_) return {{"negative_slope", 0.0}, {"threshold", 0.0}};
    if (most_) return {{"max_value", static_cast<double>(*most_)}};
    return {{"activation", std::string("relu")}};
  }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override {
    return parametrized_ ? "ParametrizedActivation" : "Activation";
  }
  LayerPrecision types(const TypeRequest& request) const override { return result_alone(request); }
  bool takes_linear() const override { return true; }
  void plan(const Place& place, Step& step) const override { plan_cast(place, step); }
  Form form(const Place&) const override { return Form::kReluCast; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const {
    compute_cast(call, true);
  }
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  bool parametrized_;
  std::optional<float> most_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_RELU_H_
