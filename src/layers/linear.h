#ifndef NARROW_LAYERS_LINEAR_H_
#define NARROW_LAYERS_LINEAR_H_

#include "layers/elementwise.h"

namespace narrow {

// y = x: a linear activation or a Dropout, which hls4ml keeps as a cast to its result type. Of a network that was trained with a
// quantizer there, the float values are brought to its type.
class Linear final : public Elementwise<Linear> {
 public:
  Linear() = default;
  explicit Linear(const Format& quantizer) : quantizer_(quantizer) {}

  std::string_view keras_class() const override { return "Activation"; }
  std::vector<Setting> settings() const override;
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "Activation"; }
  LayerPrecision types(const TypeRequest& request) const override { return result_alone(request); }
  bool takes_linear() const override { return true; }
  void plan(const Place& place, Step& step) const override { plan_cast(place, step); }
  Form form(const Place&) const override { return Form::kCast; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const {
    compute_cast(call, false);
  }
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  std::optional<Format> quantizer_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_LINEAR_H_
