#ifndef NARROW_LAYERS_POOLING_H_
#define NARROW_LAYERS_POOLING_H_

#include "layers/elementwise.h"
#include "layers/windows.h"

namespace narrow {

enum class PoolKind : std::uint8_t { kMax, kAverage };

// MaxPooling1D and 2D, AveragePooling1D and 2D: the largest value of each window, or their mean, channel by channel. Padding has no
// part in either.
// hls4ml, io_stream (nnet_pooling_stream.h): t_i = (accum_t) x_i; y = (result_t) max t_i, or (result_t)(accum_t) of raw(tree(t)) / pixels,
// rounded toward zero, where tree adds two parts, the left one the largest power of two below their number, each sum in accum_t.
// With padding, and of images where windows overlap or leave pixels out, it has io_parallel alone (nnet_pooling.h): y = (result_t)(accum_t)
// max x_i; or s = 0; s = (accum_t)(s + x_i); y = (result_t)(accum_t) of raw(s) / (pixels in the input). Of a window that lies partly
// outside, x_i is there the pattern 100..0 of the input's type.
class Pooling final : public Elementwise<Pooling> {
 public:
  Pooling(PoolKind kind, Windows windows) : kind_(kind), windows_(std::move(windows)) {}

  PoolKind kind() const { return kind_; }
  const Windows& windows() const { return windows_; }
  // Whether hls4ml has it with io_parallel alone.
  bool is_parallel(const Shape& input) const;
  bool pads(const Shape& input) const;

  std::string_view keras_class() const override;
  std::vector<Setting> settings() const override;
  // Throws Misfit where a window lies in the padding alone.
  Shape shape(const std::vector<Shape>& inputs) const override;
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return windows_.one_axis() ? "Pooling1D" : "Pooling2D"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return false; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place& place) const override;
  std::vector<Window> pools(const Place& place) const override;
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  PoolKind kind_;
  Windows windows_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_POOLING_H_
