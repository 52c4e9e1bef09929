#ifndef NARROW_LAYERS_SET_MEAN_H_
#define NARROW_LAYERS_SET_MEAN_H_

#include "layers/set_sum.h"

namespace narrow {

// (set, n) -> (n): mean over the set axis (GlobalAveragePooling1D).
// hls4ml: s = 0; for i: s = (accum_t)(s + (accum_t) x[i]); y = (result_t) of raw(s) / set rounded toward zero.
class SetMean final : public Elementwise<SetMean> {
 public:
  std::string_view keras_class() const override { return "GlobalAveragePooling1D"; }
  std::vector<Setting> settings() const override { return {{"data_format", std::string("channels_last")}, {"keepdims", false}}; }
  Shape shape(const std::vector<Shape>& inputs) const override { return row_shape(inputs); }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "GlobalPooling1D"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return false; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kRowMean; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_SET_MEAN_H_
