#include "layers/windows.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace narrow {
namespace {

WindowAxis axis_of(int size, int window, int stride, Padding padding, int before, int behind) {
  const int whole = (size + stride - 1) / stride;  // windows where padding makes up for what is missing
  switch (padding) {
    case Padding::kValid:
      if (size < window) throw Misfit{"at least the " + std::to_string(window) + " values of a window along its axis"};
      return {size, window, stride, 0, (size - window) / stride + 1};
    case Padding::kSame: return {size, window, stride, std::max((whole - 1) * stride + window - size, 0) / 2, whole};
    case Padding::kGiven:
      if (size + before + behind < window) throw Misfit{"at least the " + std::to_string(window) + " values of a window along its axis"};
      return {size, window, stride, before, (size + before + behind - window) / stride + 1};
    case Padding::kCausal: break;
  }
  return {size, window, stride, window - 1, whole};
}

}  // namespace

std::string_view name_of(Padding padding) {
  switch (padding) {
    case Padding::kValid: return "valid";
    case Padding::kSame: return "same";
    case Padding::kGiven: return "given";
    case Padding::kCausal: break;
  }
  return "causal";
}

int Windows::pixels() const { return std::accumulate(size.begin(), size.end(), 1, std::multiplies<>()); }

std::vector<WindowAxis> Windows::axes(const Shape& input) const {
  if (input.size() != size.size() + 1) {
    throw Misfit{one_axis() ? "steps of channels, such as 100x3" : "rows and columns of channels, such as 28x28x3"};
  }
  std::vector<WindowAxis> axes;
  if (one_axis()) axes.push_back({1, 1, 1, 0, 1});
  for (std::size_t i = 0; i < size.size(); ++i) {
    const bool by_numbers = padding == Padding::kGiven;
    axes.push_back(axis_of(input[i], size[i], strides[i], padding, by_numbers ? given[2 * i] : 0, by_numbers ? given[2 * i + 1] : 0));
  }
  return axes;
}

Shape Windows::shape(const Shape& input, int channels) const {
  const std::vector<WindowAxis> both = axes(input);
  if (one_axis()) return {both[1].count, channels};
  return {both[0].count, both[1].count, channels};
}

}  // namespace narrow
