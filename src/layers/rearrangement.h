#ifndef NARROW_LAYERS_REARRANGEMENT_H_
#define NARROW_LAYERS_REARRANGEMENT_H_

#include "layers/elementwise.h"

namespace narrow {

// kTakenForLast: channels that stand first, for a layer which hls4ml has read them as if they stood last, so that (c, h, w) values are
// those of (h, w, c) as they lie there. In float they are what they should be.
enum class Move : std::uint8_t { kReshape, kPermute, kZeroPad, kCrop, kRepeat, kTakenForLast };

// Reshape, Permute, ZeroPadding1D and 2D, Cropping1D and 2D, UpSampling1D and 2D (nearest): values move, and compute nothing.
// y[i] = (result_t) x[j], or 0. hls4ml: result_t is the input's type where that is inferred, and of a Cropping the default precision.
class Rearrangement final : public Elementwise<Rearrangement> {
 public:
  // Of a Reshape the shape, one of which may be -1; of a Permute its axes, from 1 on; zeros in front and behind each of one or two axes,
  // or what is cut off there; how often values are repeated along each.
  Rearrangement(Move move, std::vector<int> numbers) : move_(move), numbers_(std::move(numbers)) {}

  Move move() const { return move_; }
  const std::vector<int>& numbers() const { return numbers_; }

  std::string_view keras_class() const override;
  std::vector<Setting> settings() const override;
  Shape shape(const std::vector<Shape>& inputs) const override;
  FloatFunction float_function() const override;
  std::string_view hls4ml_class(const std::vector<Shape>&) const override;
  LayerPrecision types(const TypeRequest& request) const override;
  bool takes_linear() const override { return false; }
  void plan(const Place& place, Step& step) const override { plan_cast(place, step); }
  Form form(const Place&) const override { return Form::kMoves; }
  std::vector<std::ptrdiff_t> sources(const Place& place) const override { return sources(*place.shapes.front(), false); }
  template <class Raw>
  void compute(const ExactCall<Raw>& call) const;
  Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const override;

 private:
  bool has_sides() const { return move_ == Move::kZeroPad || move_ == Move::kCrop; }
  std::size_t axes() const { return has_sides() ? numbers_.size() / 2 : numbers_.size(); }
  // Of the output in front of the input's first value (side 0), or behind its last, along an axis.
  int added(std::size_t axis, std::size_t side) const { return (move_ == Move::kCrop ? -1 : 1) * numbers_[2 * axis + side]; }
  // Of each value of the output where it lies in the input; -1 for 0.
  std::vector<std::ptrdiff_t> sources(const Shape& input, bool in_float) const;

  Move move_;
  std::vector<int> numbers_;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_REARRANGEMENT_H_
