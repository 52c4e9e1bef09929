#ifndef NARROW_LAYERS_EXPONENTIAL_UNIT_H_
#define NARROW_LAYERS_EXPONENTIAL_UNIT_H_

#include "layers/elementwise.h"
#include "layers/table.h"

namespace narrow {

// ELU and SELU, linear above 0 and with a table below (layers/table.h, nnet_activation_stream.h). hls4ml:
//   elu:  y = (result_t)(x >= 0 ? x : (param_t) alpha * table[i])
//   selu: y = (result_t)(x >= 0 ? (input_t) 1.0507... * x : table[i])
class ExponentialUnit final : public Elementwise<ExponentialUnit> {
 public:
  // An ELU, alpha from 0 to 2^30 as the slope of a LeakyRelu; by default a SELU.
  ExponentialUnit() = default;
  explicit ExponentialUnit(double alpha) : alpha_(alpha) {}
  // A SELU as with io_parallel, where hls4ml has its factor in ap_ufixed<16,1>.
  struct InParallel {};
  explicit ExponentialUnit(InParallel) : parallel_(true) {}

  bool is_selu() const { return !alpha_; }

  std::string_view keras_class() const override { return alpha_ ? "ELU" : "Activation"; }
  std::vector<Setting> settings() const override;
  std::size_t multiplications(const Shape& shape) const override { return size_of(shape); }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return alpha_ ? "ParametrizedActivation" : "Activation"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return true; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kRows; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  TableFunction function() const { return alpha_ ? TableFunction::kElu : TableFunction::kSelu; }
  struct Factors;
  Factors factors(const Place& place, const Step& step) const;

  std::optional<double> alpha_;  // nothing: a SELU
  bool parallel_ = false;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_EXPONENTIAL_UNIT_H_
