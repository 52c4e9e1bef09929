#ifndef NARROW_LAYERS_BATCH_NORMALIZATION_H_
#define NARROW_LAYERS_BATCH_NORMALIZATION_H_

#include "model/numbers.h"
#include "model/operation.h"
#include "model/quantizer.h"

namespace narrow {

// A scale or a bias, and what quantizes it where something does: hls4ml combines normalizations by their numbers before that, and looks at
// those for what changes nothing.
struct GivenNumbers {
  Numbers given;
  std::optional<TrainedQuantizer> trained = {};  // QKeras'
  std::optional<Format> type = {};               // of a Quant of QONNX
  bool is_quantized() const { return trained || type; }
  // What the quantizer makes of them, which is what hls4ml writes. A bias has no `columns`.
  Numbers written(std::size_t columns) const;
};

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
  // What hls4ml makes of other things: of the scale of a layer's quantized weights and their bias, of the threshold of a ternary
  // activation, as a factor, and of ONNX's nodes.
  struct Origin {
    std::string_view hls4ml_class = "ApplyAlpha";
    bool is_made = false;        // by hls4ml, no layer of the model
    bool is_open = false;        // its types are inferred, whatever the configuration says
    bool of_all_values = false;  // hls4ml holds a number of each for every value of a sample
  };
  // By its scale and bias themselves, which stand for gamma and beta.
  BatchNormalization(GivenNumbers scale, GivenNumbers bias, Origin origin);

  const std::vector<float> gamma, beta, mean, variance;
  const float epsilon;
  const Training training;
  const GivenNumbers given_scale, given_bias;
  const Numbers scale_numbers, bias_numbers;  // as hls4ml writes them
  const Origin origin{.hls4ml_class = "BatchNormalization"};
  const std::vector<float>& scale() const { return scale_numbers.singles(); }
  const std::vector<float>& bias() const { return bias_numbers.singles(); }

  std::string_view keras_class() const override { return "BatchNormalization"; }
  std::vector<Setting> settings() const override;
  std::vector<ParameterArray> parameters() const override;
  std::size_t inputs() const override { return 1; }
  Shape shape(const std::vector<Shape>& inputs) const override;
  std::size_t multiplications(const Shape& shape) const override { return size_of(shape); }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return origin.hls4ml_class; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return true; }
  OperationPtr scaled(const Numbers&, const Numbers&, const Format*) const override { return nullptr; }
  std::vector<WeightArray> weights() const override {
    return {{TypeName::kScale, scale(), scale_numbers.doubles()}, {TypeName::kBias, bias(), bias_numbers.doubles()}};
  }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place& place) const override;
  Affine affine(const Place& place, const Step& step) const override;
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  const std::optional<FloatForm> float_form_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_BATCH_NORMALIZATION_H_
