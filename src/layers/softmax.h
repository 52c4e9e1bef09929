#ifndef NARROW_LAYERS_SOFTMAX_H_
#define NARROW_LAYERS_SOFTMAX_H_

#include "layers/elementwise.h"

namespace narrow {

// exp(x_i) / sum over the last axis of exp(x_j), by one of hls4ml's four ways (SoftmaxKind; docs/numerics.md, Softmax; nnet_activation.h
// and nnet_activation_stream.h).
class Softmax final : public Elementwise<Softmax> {
 public:
  // `function`: Keras' activation function, on its own or of another layer, not keras.layers.Softmax.
  explicit Softmax(bool function) : function_(function) {}

  bool is_function() const { return function_; }
  // hls4ml's default type of its tables and sums.
  static Format default_type() { return {.width = 18, .integer = 8, .rounding = Rounding::kRnd, .overflow = Overflow::kSat}; }
  // log2 of the step between entries of the exp table: of the scores that count as different. Requires a kind with such a table.
  static int step_exponent(const LayerPrecision& types, const Format& input);

  std::string_view keras_class() const override { return function_ ? "Activation" : "Softmax"; }
  std::vector<Setting> settings() const override {
    if (function_) return {{"activation", std::string("softmax")}};
    return {{"axis", std::int64_t{-1}}};
  }
  std::size_t multiplications(const Shape& shape) const override { return size_of(shape); }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "Softmax"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return true; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kRows; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  bool function_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_SOFTMAX_H_
