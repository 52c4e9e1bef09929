#ifndef NARROW_LAYERS_PRELU_H_
#define NARROW_LAYERS_PRELU_H_

#include "layers/elementwise.h"
#include "layers/sloped.h"

namespace narrow {

// y[i] = x[i] > 0 ? x[i] : alpha[i] * x[i], a trained slope for each value of a sample (layers/sloped.h).
class PRelu final : public Elementwise<PRelu> {
 public:
  // As many slopes as the sample has values, row major.
  PRelu(Shape shape, std::vector<float> alpha);

  std::string_view keras_class() const override { return "PReLU"; }
  std::vector<ParameterArray> parameters() const override { return {{"alpha", shape_, alpha_}}; }
  Shape shape(const std::vector<Shape>& inputs) const override;
  std::size_t multiplications(const Shape& shape) const override { return size_of(shape); }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "PReLU"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return true; }
  std::vector<WeightArray> weights() const override { return {{TypeName::kParam, alpha_}}; }
  void plan(const Place& place, Step& step) const override { plan_sloped(place, step); }
  Form form(const Place& place) const override { return sloped_form(place, alpha_.size()); }
  Affine affine(const Place& place, const Step& step) const override { return sloped_affine(place, step[TypeName::kParam].raw); }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const {
    compute_sloped(call, call.step[TypeName::kParam].raw);
  }
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override {
    return sloped_bounds(place, step[TypeName::kParam].raw, inputs.front());
  }

 private:
  Shape shape_;
  std::vector<float> alpha_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_PRELU_H_
