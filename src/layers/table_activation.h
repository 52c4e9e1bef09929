#ifndef NARROW_LAYERS_TABLE_ACTIVATION_H_
#define NARROW_LAYERS_TABLE_ACTIVATION_H_

#include "layers/elementwise.h"
#include "layers/table.h"

namespace narrow {

// sigmoid, tanh, softplus and softsign; hls4ml: y = (result_t) table[i], i from x (layers/table.h, nnet_activation.h).
class TableActivation final : public Elementwise<TableActivation> {
 public:
  // One of the four functions.
  explicit TableActivation(TableFunction function) : function_(function) {}

  std::string_view keras_class() const override { return "Activation"; }
  std::vector<Setting> settings() const override { return {{"activation", std::string(name())}}; }
  std::string_view name() const;  // of Keras' function
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
  TableFunction function_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_TABLE_ACTIVATION_H_
