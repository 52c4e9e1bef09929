#ifndef NARROW_LAYERS_SIGN_ACTIVATION_H_
#define NARROW_LAYERS_SIGN_ACTIVATION_H_

#include "layers/elementwise.h"

namespace narrow {

// binary_tanh: -1 or 1; hls4ml: x >= 0 ? 1 : -1, in an ap_uint<1> 1 or 0. ternary_tanh: -1, 0 or 1; hls4ml with io_parallel:
// d = (input_t)(2 x); d > 1 ? 1 : d > -1 ? 0 : -1 (nnet_activation.h).
class SignActivation final : public Elementwise<SignActivation> {
 public:
  // A quantizer of QKeras has a threshold, which hls4ml takes out of it (qkeras.py, ExtractTernaryThreshold); the function has 0.5.
  static constexpr double kHalf = 0.5;
  explicit SignActivation(bool ternary, bool is_quantizer = false, double threshold = kHalf)
      : ternary_(ternary), is_quantizer_(is_quantizer), threshold_(threshold) {}
  bool is_ternary() const { return ternary_; }
  double threshold() const { return threshold_; }
  bool is_quantizer() const { return is_quantizer_; }
  std::string_view name() const { return ternary_ ? "ternary_tanh" : "binary_tanh"; }

  std::string_view keras_class() const override { return "Activation"; }
  std::vector<Setting> settings() const override {
    std::vector<Setting> settings{{"activation", std::string(name())}, {"threshold", threshold_}};
    if (is_quantizer_) settings.push_back({"is_quantizer", true});
    return settings;
  }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override {
    return ternary_ && is_quantizer_ ? "TernaryTanh" : "Activation";
  }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return true; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kRows; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  bool ternary_;
  bool is_quantizer_;
  double threshold_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_SIGN_ACTIVATION_H_
