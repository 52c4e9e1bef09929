#ifndef NARROW_LAYERS_SET_MAX_H_
#define NARROW_LAYERS_SET_MAX_H_

#include "layers/elementwise.h"

namespace narrow {

// The largest value of each column of a set (GlobalMaxPooling1D), or of each channel of an image (GlobalMaxPooling2D).
// hls4ml, io_stream: y = (result_t) max over i of (accum_t) x[i].
class SetMax final : public Elementwise<SetMax> {
 public:
  explicit SetMax(bool image) : image_(image) {}

  std::string_view keras_class() const override { return image_ ? "GlobalMaxPooling2D" : "GlobalMaxPooling1D"; }
  std::vector<Setting> settings() const override { return {{"data_format", std::string("channels_last")}, {"keepdims", false}}; }
  Shape shape(const std::vector<Shape>& inputs) const override;
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return image_ ? "GlobalPooling2D" : "GlobalPooling1D"; }
  // Throws Error for an accum with saturated bits, of which hls4ml does not know the least value, from which it starts.
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return false; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kAny; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  bool image_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_SET_MAX_H_
