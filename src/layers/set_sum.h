#ifndef NARROW_LAYERS_SET_SUM_H_
#define NARROW_LAYERS_SET_SUM_H_

#include "layers/elementwise.h"
#include "layers/turns.h"

namespace narrow {

// One step of hls4ml's `s += x`: the exact sum, brought into the type of s; of an ap_int s, x becomes an ap_int before it is added
// (ap_fixed_base.h, AF_ASSIGN_OP_WITH_AP_INT).
class AddAssign {
 public:
  AddAssign(const Format& x, const Format& sum);
  Int128 operator()(Int128 total, Int128 x, Turns& turns) const;

 private:
  Format x_;
  Format sum_;
  int fraction_;  // of the exact sum
};

// The shape of a sum or mean over a set of rows: (set, n) -> (n). Throws Misfit for anything else.
Shape row_shape(const std::vector<Shape>& inputs);

// (set, n) -> (n): sum over the set axis, padded rows included (KSum).
// hls4ml: s = 0; for i: s = (result_t)(s + x[i]).
class SetSum final : public Elementwise<SetSum> {
 public:
  std::string_view keras_class() const override { return "KSum"; }
  Shape shape(const std::vector<Shape>& inputs) const override { return row_shape(inputs); }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "HSum"; }
  LayerPrecision types(const TypeRequest& request) const override { return result_alone(request); }
  bool takes_linear() const override { return false; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kRowSum; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_SET_SUM_H_
