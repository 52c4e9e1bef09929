#ifndef NARROW_LAYERS_WINDOWS_H_
#define NARROW_LAYERS_WINDOWS_H_

#include <string_view>
#include <vector>

#include "model/operation.h"

namespace narrow {

// How an input is padded for the windows that go over it: not at all; for ceil(size / stride) windows, the odd value behind; by a
// window but one in front (1-D); by numbers of its own.
enum class Padding : std::uint8_t { kValid, kSame, kCausal, kGiven };
std::string_view name_of(Padding padding);

// One axis of an input.
struct WindowAxis {
  int size;    // of the input
  int window;  // values that one window covers
  int stride;
  int before;  // padding in front
  int count;   // windows
  // What of a window lies in the input: [begin, end), counted from the window's first value.
  int begin(int i) const { return std::max(before - i * stride, 0); }
  int end(int i) const { return std::min(window, size + before - i * stride); }
  bool pads() const { return begin(0) > 0 || end(count - 1) < window; }
};

// Windows over (steps, channels), or over (rows, columns, channels).
struct Windows {
  std::vector<int> size;  // of each axis, one or two
  std::vector<int> strides;
  Padding padding = Padding::kValid;
  std::vector<int> given = {};  // of kGiven: zeros in front of each axis and behind it

  int pixels() const;  // of a window
  bool one_axis() const { return size.size() == 1; }
  // Rows and columns; of an input with steps, one row of them. Throws Misfit where it has other axes, or no whole window.
  std::vector<WindowAxis> axes(const Shape& input) const;
  // Of the windows, with so many channels.
  Shape shape(const Shape& input, int channels) const;
};

// For each pixel of the window (i, j) whose values are to be read, calls pixel(in the window, in the input).
template <class Function>
void for_each_pixel(const std::vector<WindowAxis>& axes, int i, int j, const Function& pixel) {
  const WindowAxis& down = axes[0];
  const WindowAxis& across = axes[1];
  for (int u = down.begin(i); u < down.end(i); ++u) {
    for (int v = across.begin(j); v < across.end(j); ++v) {
      pixel(u * across.window + v, (i * down.stride - down.before + u) * across.size + j * across.stride - across.before + v);
    }
  }
}

}  // namespace narrow

#endif  // NARROW_LAYERS_WINDOWS_H_
