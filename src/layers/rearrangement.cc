#include "layers/rearrangement.h"

#include <algorithm>
#include <numeric>

#include "layers/turns.h"

namespace narrow {

std::string_view Rearrangement::keras_class() const {
  switch (move_) {
    case Move::kReshape: return "Reshape";
    case Move::kPermute:
    case Move::kTakenForLast: return "Permute";
    case Move::kZeroPad: return axes() == 1 ? "ZeroPadding1D" : "ZeroPadding2D";
    case Move::kCrop: return axes() == 1 ? "Cropping1D" : "Cropping2D";
    case Move::kRepeat: break;
  }
  return axes() == 1 ? "UpSampling1D" : "UpSampling2D";
}

std::string_view Rearrangement::hls4ml_class(const std::vector<Shape>&) const {
  switch (move_) {
    case Move::kReshape: return "Reshape";
    case Move::kPermute:
    case Move::kTakenForLast: return "Transpose";
    case Move::kZeroPad: return axes() == 1 ? "ZeroPadding1D" : "ZeroPadding2D";
    case Move::kCrop: return axes() == 1 ? "Cropping1D" : "Cropping2D";
    case Move::kRepeat: break;
  }
  return "Resize";
}

std::vector<Setting> Rearrangement::settings() const {
  const std::vector<std::int64_t> all(numbers_.begin(), numbers_.end());
  switch (move_) {
    case Move::kReshape: return {{"target_shape", all}};
    case Move::kPermute: return {{"dims", all}};
    case Move::kTakenForLast: return {{"dims", all}, {"taken", true}};
    case Move::kZeroPad:
    case Move::kCrop: {
      const std::string_view name = move_ == Move::kCrop ? "cropping" : "padding";
      if (axes() == 1) return {{name, all}};
      return {{name, std::vector<std::vector<std::int64_t>>{{all[0], all[1]}, {all[2], all[3]}}},
              {"data_format", std::string("channels_last")}};
    }
    case Move::kRepeat: break;
  }
  if (axes() == 1) return {{"size", all.front()}};
  return {{"size", all}, {"data_format", std::string("channels_last")}, {"interpolation", std::string("nearest")}};
}

namespace {

// Of a shape's axes; throws Misfit where no sample is so large.
std::int64_t product(const Shape& shape) {
  constexpr std::int64_t kMost = 1 << 30;
  std::int64_t size = 1;
  for (const int d : shape) {
    size *= d;
    if (size > kMost) throw Misfit{"a smaller output: a sample has at most 2^28 values"};
  }
  return size;
}

}  // namespace

Shape Rearrangement::shape(const std::vector<Shape>& inputs) const {
  const Shape& input = inputs.front();
  Shape shape = numbers_;
  switch (move_) {
    case Move::kReshape: {
      const auto open = std::find(shape.begin(), shape.end(), -1);
      if (open != shape.end()) {
        *open = 1;
        *open = static_cast<int>(product(input) / product(shape));
      }
      if (product(shape) != product(input)) throw Misfit{"as many values as " + to_string(shape)};
      return shape;
    }
    case Move::kPermute:
    case Move::kTakenForLast:
      if (input.size() != numbers_.size()) throw Misfit{std::to_string(numbers_.size()) + " axes"};
      for (int& axis : shape) axis = input[static_cast<std::size_t>(axis - 1)];
      return shape;
    case Move::kZeroPad:
    case Move::kCrop:
    case Move::kRepeat: break;
  }
  if (input.size() != axes() + 1)
    throw Misfit{axes() == 1 ? "steps of channels, such as 100x3" : "rows and columns of channels, such as 28x28x3"};
  shape = input;
  for (std::size_t i = 0; i < axes(); ++i) {
    if (has_sides()) shape[i] += added(i, 0) + added(i, 1);
    else shape[i] = static_cast<int>(product({shape[i], numbers_[i]}));
    if (shape[i] < 1) throw Misfit{"more than the " + std::to_string(input[i] - shape[i]) + " values that are cut off along an axis"};
  }
  return shape;
}

std::vector<std::ptrdiff_t> Rearrangement::sources(const Shape& input, bool in_float) const {
  const Shape output = shape({input});
  std::vector<std::ptrdiff_t> sources(size_of(output));
  if (move_ == Move::kReshape || (move_ == Move::kTakenForLast && !in_float)) {
    std::iota(sources.begin(), sources.end(), 0);
    return sources;
  }
  // Values from one place of an axis to the next.
  std::vector<std::ptrdiff_t> steps(input.size(), 1);
  for (std::size_t i = input.size() - 1; i > 0; --i) steps[i - 1] = steps[i] * input[i];
  for (std::size_t at = 0; at < sources.size(); ++at) {
    auto rest = static_cast<std::ptrdiff_t>(at);
    std::ptrdiff_t source = 0;
    bool inside = true;
    for (std::size_t i = output.size(); i-- > 0;) {
      std::ptrdiff_t place = rest % output[i];
      rest /= output[i];
      std::size_t axis = i;
      if (move_ == Move::kPermute || move_ == Move::kTakenForLast) axis = static_cast<std::size_t>(numbers_[i] - 1);
      else if (i < axes() && move_ == Move::kRepeat) place /= numbers_[i];
      else if (i < axes()) place -= added(i, 0);
      inside &= place >= 0 && place < input[axis];
      source += place * steps[axis];
    }
    sources[at] = inside ? source : -1;
  }
  return sources;
}

FloatFunction Rearrangement::float_function() const {
  return [this](const FloatCall& call) {
    const std::vector<std::ptrdiff_t> from = sources(call.shapes.front(), true);
    const std::size_t size = size_of(call.shapes.front());
    for (std::size_t s = 0; s < call.samples; ++s)
      move_values<float>(from, call.inputs.front().data() + s * size, call.y.data() + s * from.size());
  };
}

LayerPrecision Rearrangement::types(const TypeRequest& request) const {
  LayerPrecision types;
  const Format& open = move_ == Move::kCrop ? request.fallback : request.inputs.front();
  // hls4ml has no layer of its own for channels that it takes for the last.
  const bool fixed = move_ == Move::kTakenForLast;
  types.set(TypeName::kResult, fixed ? open : request.choice(TypeName::kResult).value_or(open));
  return types;
}

template <class Raw>
void Rearrangement::compute(const ExactCall<Raw>& call) const {
  const Format& x = call.place.input();
  const Format& result = call.place.types.result();
  move_values(sources(*call.place.shapes.front(), false), call.x().data(), call.y.data());
  if (x == result) return;
  for (Raw& value : call.y) {
    const CastResult y = cast(static_cast<Int128>(value), x, result);
    count(call.counts, y, value != 0);
    value = static_cast<Raw>(y.raw);
  }
}
template void Rearrangement::compute(const ExactCall<std::int64_t>&) const;
template void Rearrangement::compute(const ExactCall<Int128>&) const;

Interval Rearrangement::bounds(const Place& place, const Step&, const std::vector<Interval>& inputs) const {
  const Interval values = move_ == Move::kZeroPad ? hull(inputs.front(), {}) : inputs.front();
  return place.input() == place.types.result() ? values : cast_interval(values, place.input().fraction(), place.types.result());
}

}  // namespace narrow
