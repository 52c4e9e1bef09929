#ifndef NARROW_LAYERS_BATCH_NORMALIZATION_H_
#define NARROW_LAYERS_BATCH_NORMALIZATION_H_

#include "model/operation.h"

namespace narrow {

// y = x * scale + bias on the last axis, scale = gamma / sqrt(variance + epsilon), bias = beta - mean * scale, each step in
// float32 as hls4ml computes them. hls4ml: y = (result_t)(x * scale + bias), product and sum exact.
class BatchNormalization final : public ExactOperation<BatchNormalization> {
 public:
  // What Keras keeps of it that does not change its numbers.
  struct Training {
    bool center = true, scale = true;  // without, beta or gamma is no parameter; it is all 0, or all 1
    double momentum = 0.99;
  };
  // All of one length.
  BatchNormalization(std::vector<float> gamma, std::vector<float> beta, std::vector<float> mean, std::vector<float> variance,
                     float epsilon = 1e-3F, Training training = {true, true, 0.99});

  const std::vector<float> gamma, beta, mean, variance;
  const float epsilon;
  const Training training;
  const std::vector<float> scale, bias;

  std::string_view keras_class() const override { return "BatchNormalization"; }
  std::vector<Setting> settings() const override;
  std::vector<ParameterArray> parameters() const override;
  std::size_t inputs() const override { return 1; }
  Shape shape(const std::vector<Shape>& inputs) const override;
  std::size_t multiplications(const Shape& shape) const override { return size_of(shape); }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "BatchNormalization"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return true; }
  OperationPtr scaled(std::span<const float>, std::span<const float>) const override { return nullptr; }
  std::vector<WeightArray> weights() const override { return {{TypeName::kScale, scale}, {TypeName::kBias, bias}}; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place& place) const override;
  Affine affine(const Place& place, const Step& step) const override;
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_BATCH_NORMALIZATION_H_
