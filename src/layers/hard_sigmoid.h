#ifndef NARROW_LAYERS_HARD_SIGMOID_H_
#define NARROW_LAYERS_HARD_SIGMOID_H_

#include "layers/elementwise.h"

namespace narrow {

// A line through (0, 0.5), cut at 0 and 1. hls4ml: v = slope * x + shift, exact, with slope 0.2 in ap_ufixed<16,0> and shift 0.5 whatever
// Keras has; y = (result_t) min(max(v, 0), 1) (nnet_activation.h, model/layers.py: HardActivation).
class HardSigmoid final : public Elementwise<HardSigmoid> {
 public:
  // Keras' slope, by its version.
  static constexpr double kKeras2 = 0.2;
  static constexpr double kKeras3 = 1.0 / 6;
  // The setting that holds it, which Keras itself does not write: the version of the file says it.
  static constexpr std::string_view kSlope = "slope";
  explicit HardSigmoid(double slope) : slope_(slope) {}
  // QKeras' quantized_sigmoid and quantized_tanh: slope 0.5 in ap_ufixed<2,0>; tanh is 2 v - 1.
  static constexpr double kQKeras = 0.5;
  static std::shared_ptr<const HardSigmoid> of_quantizer(bool tanh) {
    auto made = std::make_shared<HardSigmoid>(kQKeras);
    made->tanh_ = tanh;
    return made;
  }
  bool is_keras2() const { return slope_ == kKeras2; }

  std::string_view keras_class() const override { return "Activation"; }
  std::vector<Setting> settings() const override {
    return {{"activation", std::string(tanh_ ? "hard_tanh" : "hard_sigmoid")}, {kSlope, slope_}};
  }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "HardActivation"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return true; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kRows; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  double slope_;
  bool tanh_ = false;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_HARD_SIGMOID_H_
