#ifndef NARROW_LAYERS_BATCH_NORMALIZATION_H_
#define NARROW_LAYERS_BATCH_NORMALIZATION_H_

#include "model/operation.h"
#include "model/quantizer.h"

namespace narrow {

// Numbers that numpy has in float64 where hls4ml makes them, or in float32.
struct NumpyArray {
  std::vector<double> values;
  bool is_double = false;
  std::vector<float> floats() const { return {values.begin(), values.end()}; }
};
// As numpy computes: in float32 where both are.
NumpyArray times(const NumpyArray& a, const NumpyArray& b);
NumpyArray plus(const NumpyArray& a, const NumpyArray& b);

// y = x * scale + bias on the last axis, scale = gamma / sqrt(variance + epsilon), bias = beta - mean * scale, each step in
// float32 as hls4ml computes them. hls4ml: y = (result_t)(x * scale + bias), product and sum exact.
class BatchNormalization final : public ExactOperation<BatchNormalization> {
 public:
  // What Keras keeps of it that does not change its numbers.
  struct Training {
    bool center = true, scale = true;  // without, beta or gamma is no parameter; it is all 0, or all 1
    double momentum = 0.99;
  };
  // Of a QBatchNormalization, whose quantizers hls4ml leaves out: what it computes with in float32.
  struct FloatForm {
    std::vector<float> scale, bias;
  };
  // All of one length.
  BatchNormalization(std::vector<float> gamma, std::vector<float> beta, std::vector<float> mean, std::vector<float> variance,
                     float epsilon = 1e-3F, Training training = {true, true, 0.99}, std::optional<FloatForm> float_form = {});
  // By its scale and bias themselves. `of_all_values`: hls4ml holds a number of each for every value of a sample.
  BatchNormalization(const Numbers& scale, const Numbers& bias, bool of_all_values);

  // hls4ml's ApplyAlpha: the scale that it takes out of a layer's quantized weights, and the bias; or the threshold of a ternary
  // activation, as a factor.
  struct Extracted {
    NumpyArray scale, bias;
    std::optional<TrainedQuantizer> scale_quantizer, bias_quantizer;
    bool is_open = false;  // its types are inferred, whatever the configuration says
  };
  // Of a layer that a BatchNormalization took such a one in, the class is its own.
  explicit BatchNormalization(Extracted extracted, std::string_view hls4ml_class = "ApplyAlpha");
  bool is_extracted() const { return extracted_.has_value(); }
  bool is_made() const { return hls4ml_class_ == "ApplyAlpha"; }  // by hls4ml, not a layer of the model
  const std::optional<Extracted>& extracted() const { return extracted_; }
  // As hls4ml has them: of quantized ones what the quantizer makes of them, or what it was given.
  NumpyArray written_scale() const;
  NumpyArray written_bias() const;
  NumpyArray given_scale() const;
  NumpyArray given_bias() const;

  const std::vector<float> gamma, beta, mean, variance;
  const float epsilon;
  const Training training;
  const std::vector<float> scale, bias;
  const bool of_all_values = false;
  Numbers scale_numbers() const { return {scale, wide_scale_}; }
  Numbers bias_numbers() const { return {bias, wide_bias_}; }

  std::string_view keras_class() const override { return "BatchNormalization"; }
  std::vector<Setting> settings() const override;
  std::vector<ParameterArray> parameters() const override;
  std::size_t inputs() const override { return 1; }
  Shape shape(const std::vector<Shape>& inputs) const override;
  std::size_t multiplications(const Shape& shape) const override { return size_of(shape); }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return hls4ml_class_; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return true; }
  OperationPtr scaled(const Numbers&, const Numbers&) const override { return nullptr; }
  std::vector<WeightArray> weights() const override {
    return {{TypeName::kScale, scale, wide_scale_}, {TypeName::kBias, bias, wide_bias_}};
  }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place& place) const override;
  Affine affine(const Place& place, const Step& step) const override;
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  const std::optional<FloatForm> float_form_;
  const std::string_view hls4ml_class_ = "BatchNormalization";
  const std::optional<Extracted> extracted_;
  const std::vector<double> wide_scale_, wide_bias_;  // where they are float64
};

}  // namespace narrow

#endif  // NARROW_LAYERS_BATCH_NORMALIZATION_H_
