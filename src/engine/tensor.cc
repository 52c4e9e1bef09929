#include "engine/tensor.h"

#include <algorithm>

namespace narrow {

void Tensor::put(std::size_t at, std::size_t count, const std::int64_t* values) {
  if (small) {
    std::transform(values, values + count, s.data() + at, [](std::int64_t v) { return static_cast<std::int16_t>(v); });
  } else {
    std::copy_n(values, count, w.data() + at);
  }
}

void Tensor::get(std::size_t at, std::size_t count, std::int64_t* values) const {
  if (small) {
    std::copy_n(s.data() + at, count, values);
  } else {
    std::copy_n(w.data() + at, count, values);
  }
}

bool fits_small(const Format& format) { return format.width + (format.is_signed ? 0 : 1) <= 16; }

}  // namespace narrow
