#ifndef NARROW_LAYERS_DENSE_H_
#define NARROW_LAYERS_DENSE_H_

#include "model/operation.h"
#include "model/quantizer.h"

namespace narrow {

// Of a layer that is trained with quantized weights (QKeras): what stands before its arrays. hls4ml gives them the quantizers' types,
// whatever the configuration says.
struct Quantizers {
  std::optional<TrainedQuantizer> kernel, bias;
  bool bias_moved = false;  // to the layer behind it; zeros are left
  bool folded = false;      // its numbers are those of a QConv2DBatchnorm, which has taken in a normalization
  bool any() const { return kernel || bias; }
  void add_to(std::vector<Setting>& settings) const;
};

// y[j] = bias[j] + sum over i of x[i] * kernel[i * n_out + j], on the last axis.
// hls4ml: sum = (accum_t) bias; for k in order: sum = (accum_t)(sum + (accum_t)(x[k] * w[k])); y = (result_t) sum.
class Dense final : public ExactOperation<Dense> {
 public:
  // kernel (n_in, n_out), row major; bias (n_out), or empty where the layer has none.
  Dense(int n_in, int n_out, const Numbers& kernel, const Numbers& bias, Quantizers quantizers = {});

  const int n_in, n_out;
  const std::vector<float> kernel, bias;  // as trained
  const Quantizers quantizers;
  Numbers kernel_numbers() const { return {kernel, wide_kernel_}; }
  const Numbers& added() const { return added_; }  // the bias as hls4ml has it, zeros where there is none

  // What the layer computes with in float32: the kernel and bias, quantized.
  std::span<const float> float_kernel() const { return kernel_ ? kernel_->values : kernel; }
  std::span<const float> float_bias() const { return bias_ ? bias_->values : bias; }
  std::shared_ptr<const Dense> with(Quantizers other) const { return std::make_shared<Dense>(n_in, n_out, kernel, bias, std::move(other)); }

  // Of a layer whose quantizers have a scale (qkeras.py, QKerasFactorizeAlpha): the kernel without it, and what is done with the sums:
  // y * scales + bias. hls4ml has numpy's float64 in scales that are a number of the configuration.
  struct Factors {
    std::vector<float> kernel;
    std::vector<double> scales;  // one for each output
    bool scales_are_double;
    std::vector<float> bias;
  };
  bool has_scale() const;
  Factors factors() const;

  std::string_view keras_class() const override { return "Dense"; }
  std::vector<Setting> settings() const override;
  std::vector<ParameterArray> parameters() const override;
  std::size_t inputs() const override { return 1; }
  Shape shape(const std::vector<Shape>& inputs) const override;
  std::size_t multiplications(const Shape& shape) const override { return size_of(shape) * static_cast<std::size_t>(n_in); }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>& inputs) const override;
  LayerPrecision types(const TypeRequest& request) const override { return types(request, n_in); }
  // Where a sum has `terms` products, and the others of its n_in are none.
  LayerPrecision types(const TypeRequest& request, int terms) const;
  bool takes_linear() const override { return true; }
  OperationPtr scaled(const Numbers& scale, const Numbers& shift, const Format* bias_type) const override;
  Numbers scaled_bias(const Numbers& scale, const Numbers& shift, const Format* bias_type) const;
  std::vector<WeightArray> weights() const override;
  void plan(const Place& place, Step& step) const override;
  Form form(const Place& place) const override;
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  // What a quantizer makes of an array.
  struct Typed {
    Format type;
    std::vector<float> values;   // as QKeras has them
    std::vector<float> written;  // as hls4ml has them: a binary kernel's -1 is 0
    std::vector<double> scales;
    bool one_scale = true;
  };
  static std::optional<Typed> typed(const std::optional<TrainedQuantizer>& quantizer, const std::vector<float>& values, int columns);

  int word_bits(const Place& place, const Step& step) const;
  const std::optional<Typed> kernel_, bias_;
  const Numbers added_;
  const std::vector<double> wide_kernel_;  // where it is no float32
};

// Of what the layer accumulates, with accum's steps and in its range: a wrapping sum is the wrapped exact sum; any other is
// followed step by step, in hls4ml's order.
Interval accumulated(const Dense& dense, const Place& place, const Step& step, const Interval& input);

}  // namespace narrow

#endif  // NARROW_LAYERS_DENSE_H_
