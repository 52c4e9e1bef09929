#ifndef NARROW_LAYERS_DENSE_H_
#define NARROW_LAYERS_DENSE_H_

#include "model/operation.h"

namespace narrow {

// y[j] = bias[j] + sum over i of x[i] * kernel[i * n_out + j], on the last axis.
// hls4ml: sum = (accum_t) bias; for k in order: sum = (accum_t)(sum + (accum_t)(x[k] * w[k])); y = (result_t) sum.
class Dense final : public ExactOperation<Dense> {
 public:
  // kernel (n_in, n_out), row major; bias (n_out), or empty where the layer has none.
  Dense(int n_in, int n_out, std::vector<float> kernel, std::vector<float> bias);

  const int n_in, n_out;
  const std::vector<float> kernel, bias;

  std::string_view keras_class() const override { return "Dense"; }
  std::vector<Setting> settings() const override;
  std::vector<ParameterArray> parameters() const override;
  std::size_t inputs() const override { return 1; }
  Shape shape(const std::vector<Shape>& inputs) const override;
  std::size_t multiplications(const Shape& shape) const override { return size_of(shape) * static_cast<std::size_t>(n_in); }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>& inputs) const override;
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return true; }
  OperationPtr scaled(std::span<const float> scale, std::span<const float> shift) const override;
  std::vector<WeightArray> weights() const override;
  void plan(const Place& place, Step& step) const override;
  Form form(const Place& place) const override;
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  int word_bits(const Place& place, const Step& step) const;
  const std::vector<float> added_;  // the bias, zeros where there is none
};

// Of what the layer accumulates, with accum's steps and in its range: a wrapping sum is the wrapped exact sum; any other is
// followed step by step, in hls4ml's order.
Interval accumulated(const Dense& dense, const Place& place, const Step& step, const Interval& input);

}  // namespace narrow

#endif  // NARROW_LAYERS_DENSE_H_
