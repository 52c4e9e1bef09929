#ifndef NARROW_LAYERS_UNARY_LUT_H_
#define NARROW_LAYERS_UNARY_LUT_H_

#include "layers/elementwise.h"

namespace narrow {

// A function that HGQ keeps as a table of its values, an entry for each pattern of bits of x: y = table[x * 2^fraction modulo the number of
// entries]. hls4ml (nnet_activation.h, unary_lut): y = (result_t)(table_t) table[the bits of x as its type has them].
class UnaryLut final : public Elementwise<UnaryLut> {
 public:
  // `fraction`: fractional bits of x. The number of entries is a power of two.
  UnaryLut(int fraction, std::vector<float> table) : fraction_(fraction), table_(std::move(table)) {}

  const std::vector<float>& table() const { return table_; }
  int fraction() const { return fraction_; }

  std::string_view keras_class() const override { return "UnaryLUT"; }
  std::vector<Setting> settings() const override { return {{"fraction", std::int64_t{fraction_}}}; }
  std::vector<ParameterArray> parameters() const override;
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "UnaryLUT"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return false; }
  std::vector<WeightArray> weights() const override { return {{TypeName::kTable, table_}}; }
  // Requires that the type of x has no more patterns than the table has entries.
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kRows; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  int fraction_;
  std::vector<float> table_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_UNARY_LUT_H_
