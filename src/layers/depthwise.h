#ifndef NARROW_LAYERS_DEPTHWISE_H_
#define NARROW_LAYERS_DEPTHWISE_H_

#include "layers/convolution.h"

namespace narrow {

// DepthwiseConv1D and 2D, of one filter for each channel: a convolution whose other weights are zeros, which change no sum. It computes as
// one, so C channels cost what C filters do.
class Depthwise final : public Convolution {
 public:
  // kernel (size..., channels), row major; bias (channels), or empty where the layer has none. hls4ml keeps a scale of the quantizers in
  // the numbers, whatever their type has room for.
  Depthwise(Windows windows, int channels, const Numbers& kernel, const Numbers& bias, const Quantizers& quantizers = {});

  const Dense& column() const { return kernel_; }  // the kernel, as a quantizer of (size..., channels, 1) takes it
  Quantizers quantizers() const override { return {kernel_.quantizers.kernel, dense().quantizers.bias}; }

  std::string_view keras_class() const override { return windows().one_axis() ? "DepthwiseConv1D" : "DepthwiseConv2D"; }
  std::vector<Setting> settings() const override;
  std::vector<ParameterArray> parameters() const override;
  std::size_t multiplications(const Shape& shape) const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return keras_class(); }
  LayerPrecision types(const TypeRequest& request) const override;
  OperationPtr scaled(const Numbers& scale, const Numbers& shift, const Format* bias_type) const override;
  std::vector<WeightArray> weights() const override;
  void plan(const Place& place, Step& step) const override;

 private:
  Dense kernel_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_DEPTHWISE_H_
