#ifndef NARROW_LAYERS_CONVOLUTION_H_
#define NARROW_LAYERS_CONVOLUTION_H_

#include "layers/dense.h"
#include "layers/windows.h"
#include "model/model.h"

namespace narrow {

// Conv1D, (steps, channels) -> (steps', filters), and Conv2D, (rows, columns, channels) -> (rows', columns', filters): a Dense over each
// window, whose values are in the order (row, column, channel), zeros of the padding among them.
class Convolution : public ExactOperation<Convolution> {
 public:
  // kernel (size..., channels, filters), row major; bias (filters), or empty where the layer has none.
  Convolution(Windows windows, int channels, int filters, const Numbers& kernel, const Numbers& bias, Quantizers quantizers = {});

  const Windows& windows() const { return windows_; }
  const Dense& dense() const { return dense_; }  // over a window
  virtual Quantizers quantizers() const { return dense_.quantizers; }
  int channels() const { return channels_; }  // of the input
  // The same with other numbers.
  std::shared_ptr<const Convolution> with(const Numbers& kernel, const Numbers& bias, Quantizers quantizers = {}) const;

  std::string_view keras_class() const override { return windows_.one_axis() ? "Conv1D" : "Conv2D"; }
  std::vector<Setting> settings() const override;
  std::vector<ParameterArray> parameters() const override;
  std::size_t inputs() const override { return 1; }
  Shape shape(const std::vector<Shape>& inputs) const override;
  bool pads(const Shape& input) const;
  std::size_t multiplications(const Shape& shape) const override { return dense_.multiplications(shape); }
  FloatFunction float_function() const override;
  // A pointwise one has the types of the Conv1D or Conv2D that it was.
  std::string_view hls4ml_class(const std::vector<Shape>&) const override {
    return dense_.quantizers.folded ? "Conv2DBatchnorm" : keras_class();
  }
  LayerPrecision types(const TypeRequest& request) const override { return dense_.types(request); }
  bool takes_linear() const override { return true; }
  OperationPtr scaled(const Numbers& scale, const Numbers& shift, const Format* bias_type) const override;
  std::vector<WeightArray> weights() const override { return dense_.weights(); }
  void plan(const Place& place, Step& step) const override { dense_.plan(place, step); }
  Form form(const Place& place) const override { return dense_.form(place); }
  std::optional<Gather> gather(const Place& place) const override;
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  bool is_pointwise() const { return windows_.pixels() == 1; }
  Gather gather_from(const Shape& input) const;

  Windows windows_;
  int channels_;
  Dense dense_;
};

// The matrix of a Dense, or of a convolution over its windows (of a depthwise one too); null for other layers.
const Dense* matrix_of(const Layer& layer);
// Before its arrays; none for layers without a matrix.
Quantizers quantizers_of(const Layer& layer);
// The layer's operation with other numbers. Requires matrix_of(layer).
OperationPtr with_numbers(const Layer& layer, const Numbers& kernel, const Numbers& bias, Quantizers quantizers = {});

}  // namespace narrow

#endif  // NARROW_LAYERS_CONVOLUTION_H_
