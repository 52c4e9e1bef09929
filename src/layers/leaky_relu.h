#ifndef NARROW_LAYERS_LEAKY_RELU_H_
#define NARROW_LAYERS_LEAKY_RELU_H_

#include "layers/elementwise.h"
#include "layers/sloped.h"

namespace narrow {

// y = x > 0 ? x : slope * x (layers/sloped.h).
class LeakyRelu final : public Elementwise<LeakyRelu> {
 public:
  // From 0 to 2^30; hls4ml has no finite rule for larger ones.
  explicit LeakyRelu(double slope) : slope_(slope) {}

  std::string_view keras_class() const override { return "LeakyReLU"; }
  std::vector<Setting> settings() const override { return {{"negative_slope", slope_}}; }
  std::size_t multiplications(const Shape& shape) const override { return size_of(shape); }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "ParametrizedActivation"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return true; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place& place) const override { return sloped_form(place, 1); }
  Affine affine(const Place& place, const Step& step) const override { return sloped_affine(place, step[TypeName::kParam].raw); }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const {
    compute_sloped(call, call.step[TypeName::kParam].raw);
  }
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override {
    return sloped_bounds(place, step[TypeName::kParam].raw, inputs.front());
  }

 private:
  double slope_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_LEAKY_RELU_H_
