#ifndef NARROW_LAYERS_RELU_MAX_H_
#define NARROW_LAYERS_RELU_MAX_H_

#include "layers/elementwise.h"

namespace narrow {

// Keras' function relu6: y = min(max(x, 0), 6); hls4ml: y = (result_t) 6 where x > 6, else (result_t) max(x, 0) (nnet_activation.h). It has
// relu1 as well, a function of users' own.
class ReluMax final : public Elementwise<ReluMax> {
 public:
  static constexpr int kMost = 6;
  explicit ReluMax(int most = kMost) : most_(most) {}
  std::string name() const { return "relu" + std::to_string(most_); }

  std::string_view keras_class() const override { return "Activation"; }
  std::vector<Setting> settings() const override { return {{"activation", name()}}; }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "Activation"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return true; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kRows; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  int most_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_RELU_MAX_H_
