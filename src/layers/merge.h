#ifndef NARROW_LAYERS_MERGE_H_
#define NARROW_LAYERS_MERGE_H_

#include "model/operation.h"

namespace narrow {

enum class MergeKind : std::uint8_t { kAdd, kSubtract, kMultiply, kAverage, kMaximum, kMinimum };
inline constexpr int kMergeKinds = 6;

// y = a + b, a - b, a * b, (a + b) / 2, the larger or the smaller of a and b: value by value of two layers (nnet_merge.h). The exact value
// is cast to the result type. Both have one shape, or the smaller one repeats over leading axes: (3, 4) and (1, 4), or (4).
class Merge final : public ExactOperation<Merge> {
 public:
  explicit Merge(MergeKind kind) : kind_(kind) {}

  MergeKind kind() const { return kind_; }
  // Whether AMD's headers compare two numbers of these types by their values. A type with a sign and one without they compare as C++ does:
  // as numbers without a sign where one has 32 bits or more, at a common step, and the one without a sign is no narrower; a negative one
  // is large then (ap_fixed_base.h, OP_CMP_AF; ap_private.h, operator>).
  static bool compares_values(const Format& a, const Format& b);

  std::string_view keras_class() const override;
  std::vector<Setting> settings() const override { return {}; }
  std::vector<ParameterArray> parameters() const override { return {}; }
  std::size_t inputs() const override { return 2; }
  Shape shape(const std::vector<Shape>& inputs) const override;
  std::size_t multiplications(const Shape& shape) const override { return kind_ == MergeKind::kMultiply ? size_of(shape) : 0; }
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "Merge"; }
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return false; }
  OperationPtr scaled(const Numbers&, const Numbers&, const Format*) const override { return nullptr; }
  std::vector<WeightArray> weights() const override { return {}; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place& place) const override;
  Pairing pairing(const Place& place) const override;
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  static bool compares_unsigned(const Format& a, const Format& b);

  MergeKind kind_;
};

// The type that holds values of both without loss, as hls4ml infers it for a maximum, a minimum and a concatenation: an unsigned one
// takes another integer bit where the other is signed.
Format format_of_both(const Format& a, const Format& b);
Format capped(Format format, const std::optional<Format>& maximum);

}  // namespace narrow

#endif  // NARROW_LAYERS_MERGE_H_
