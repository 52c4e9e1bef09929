#ifndef NARROW_LAYERS_DOT_H_
#define NARROW_LAYERS_DOT_H_

#include "model/operation.h"

namespace narrow {

// y = (result) sum over k of a[k] * b[k] of two vectors, in accum as a Dense of one node (nnet_merge.h, dot1d). The second vector has the
// part of the weights: where its type is ap_int<2> it counts as signs (layers/product.h).
class Dot final : public ExactOperation<Dot> {
 public:
  explicit Dot(int size) : size_(size) {}  // of each vector

  std::string_view keras_class() const override { return "Dot"; }
  std::vector<Setting> settings() const override { return {{"axes", std::int64_t{1}}, {"normalize", false}}; }
  std::vector<ParameterArray> parameters() const override { return {}; }
  std::size_t inputs() const override { return 2; }
  Shape shape(const std::vector<Shape>& inputs) const override;
  std::size_t multiplications(const Shape&) const override { return static_cast<std::size_t>(size_); }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "Dot"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return false; }
  OperationPtr scaled(const Numbers&, const Numbers&, const Format*) const override { return nullptr; }
  std::vector<WeightArray> weights() const override { return {}; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kAny; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  int size_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_DOT_H_
