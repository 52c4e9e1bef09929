#ifndef NARROW_LAYERS_FLATTEN_H_
#define NARROW_LAYERS_FLATTEN_H_

#include <algorithm>

#include "layers/elementwise.h"

namespace narrow {

// (set, n) -> (set * n). hls4ml passes the values on as they are; at an output of the model, y = (result_t) x.
class Flatten final : public Elementwise<Flatten> {
 public:
  std::string_view keras_class() const override { return "Flatten"; }
  std::vector<Setting> settings() const override { return {{"data_format", std::string("channels_last")}}; }
  Shape shape(const std::vector<Shape>& inputs) const override { return {static_cast<int>(size_of(inputs.front()))}; }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "Reshape"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return false; }
  void plan(const Place& place, Step& step) const override { plan_cast(place, step); }
  Form form(const Place&) const override { return Form::kMoves; }
  std::vector<std::ptrdiff_t> sources(const Place& place) const override;
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const {
    if (call.place.input() == call.place.types.result()) std::copy(call.x().begin(), call.x().end(), call.y.begin());
    else compute_cast(call, false);
  }
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_FLATTEN_H_
