#ifndef NARROW_LAYERS_FIXED_QUANTIZER_H_
#define NARROW_LAYERS_FIXED_QUANTIZER_H_

#include "layers/elementwise.h"

namespace narrow {

// The bits of a FixedPointQuantizer of HGQ's proxy models, as its file has them: whether negative values are kept (0 or 1), bits in all and
// integer bits, the sign included in both, for each value of a sample; along an axis of size 1, or of no axis, they are the same.
struct QuantizerBits {
  Shape shape;  // empty: one entry for the whole tensor
  std::vector<int> keep_negative, bits, integers;
  bool operator==(const QuantizerBits&) const = default;
};

// For each value of a sample of a shape the entry of bits of another, which has as many axes, of the same size or of 1, or none. Throws
// Misfit where it has others.
std::vector<std::size_t> bit_entries(const Shape& shape, const Shape& bits);
// To a whole number in float32, as HGQ and HGQ2 do it.
float rounded_float(float x, Rounding rounding);
// The rest of a division toward minus infinity.
float floor_mod(float x, float y);

// y_j = x_j in a type of its own, ap_[u]fixed<bits_j, integers_j> with the quantizer's modes; 0 where bits_j is 0. hls4ml (a function that
// it generates, backends/fpga/passes/hgq_proxy_model.py, io_parallel alone): y_j = (result_t) of that. Where all values have one type,
// bit_exact makes it that of the layer before (precision/bit_exact.h).
class FixedQuantizer final : public Elementwise<FixedQuantizer> {
 public:
  // `shape`: of a sample. Throws Misfit where the bits have other axes.
  FixedQuantizer(Shape shape, QuantizerBits bits, Rounding rounding, Overflow overflow);

  const QuantizerBits& bits() const { return bits_; }
  Rounding rounding() const { return rounding_; }
  Overflow overflow() const { return overflow_; }
  // For each value of a sample the entry of its bits.
  const std::vector<std::size_t>& entries() const { return entries_; }
  std::shared_ptr<const FixedQuantizer> with(QuantizerBits bits) const {
    return std::make_shared<FixedQuantizer>(shape_, std::move(bits), rounding_, overflow_);
  }

  std::string_view keras_class() const override { return "FixedPointQuantizer"; }
  std::vector<Setting> settings() const override;
  Shape shape(const std::vector<Shape>& inputs) const override;
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override { return "FixedPointQuantizer"; }
  LayerPrecision types(const TypeRequest& request) const override { return result_alone(request); }
  bool takes_linear() const override { return false; }
  void plan(const Place& place, Step& step) const override;
  Form form(const Place&) const override { return Form::kAny; }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  Format format(std::size_t entry) const;

  Shape shape_;
  QuantizerBits bits_;
  Rounding rounding_;
  Overflow overflow_;
  std::vector<std::size_t> entries_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_FIXED_QUANTIZER_H_
