#ifndef NARROW_LAYERS_SIGN_THRESHOLDS_H_
#define NARROW_LAYERS_SIGN_THRESHOLDS_H_

#include "layers/batch_normalization.h"

namespace narrow {

// hls4ml's BatchNormalizationQuantizedTanh: a normalization and the binary or ternary activation behind it, as thresholds of what stands
// before both, in its type. y = x >= t, as a sign (Meaning::kSign), or x > high ? 1 : x <= low ? -1 : 0 in an ap_int<2>
// (backends/fpga/fpga_layers.py, nnet_batchnorm.h).
class SignThresholds final : public ExactOperation<SignThresholds> {
 public:
  // Of y = x * scale + bias, cut to steps of 2^-fraction; `threshold` is that of a ternary activation.
  SignThresholds(const Numbers& scale, const Numbers& bias, std::optional<double> threshold, int fraction);
  // The same in whole numbers, behind a layer that counts signs.
  std::shared_ptr<const SignThresholds> whole() const;
  bool is_ternary() const { return !low_.empty(); }

  std::string_view keras_class() const override { return "BatchNormalization"; }
  std::vector<Setting> settings() const override { return {}; }
  std::vector<ParameterArray> parameters() const override;
  std::size_t inputs() const override { return 1; }
  Shape shape(const std::vector<Shape>& inputs) const override { return inputs.front(); }
  std::size_t multiplications(const Shape&) const override { return 0; }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "BatchNormalizationQuantizedTanh"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return false; }
  OperationPtr scaled(const Numbers&, const Numbers&, const Format*) const override { return nullptr; }
  std::vector<WeightArray> weights() const override;
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kRows; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  SignThresholds(Numbers high, Numbers low);
  const Numbers high_, low_;  // of a binary one high alone
};

}  // namespace narrow

#endif  // NARROW_LAYERS_SIGN_THRESHOLDS_H_
