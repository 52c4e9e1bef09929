#ifndef NARROW_LAYERS_SET_MEAN_H_
#define NARROW_LAYERS_SET_MEAN_H_

#include "layers/set_sum.h"

namespace narrow {

// A sum divided by n, an unsigned int of hls4ml's. AMD's headers divide an ap_fixed, or an ap_int of at least 32 bits, toward zero; they
// make an unsigned number of 33 bits of a narrower ap_int, so that a negative sum gives the low bits of (2^33 + sum) / n.
Int128 quotient(Int128 sum, Int128 n, const Format& accum);

// Of a pooling over all rows of a set, (set, n) -> (n), or over all pixels of an image, (rows, columns, n) -> (n). Throws Misfit for
// others.
Shape pooled_shape(const Shape& input, bool image);
// Rows, or pixels.
int pooled_count(const Shape& input);

// The mean over the set axis (GlobalAveragePooling1D), or over rows and columns (GlobalAveragePooling2D).
// hls4ml: s = 0; for i: s = (accum_t)(s + (accum_t) x[i]); y = (result_t) of raw(s) / set rounded toward zero.
class SetMean final : public Elementwise<SetMean> {
 public:
  explicit SetMean(bool image = false) : image_(image) {}

  std::string_view keras_class() const override { return image_ ? "GlobalAveragePooling2D" : "GlobalAveragePooling1D"; }
  std::vector<Setting> settings() const override { return {{"data_format", std::string("channels_last")}, {"keepdims", false}}; }
  Shape shape(const std::vector<Shape>& inputs) const override { return pooled_shape(inputs.front(), image_); }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return image_ ? "GlobalPooling2D" : "GlobalPooling1D"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return false; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kRowMean; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  bool image_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_SET_MEAN_H_
