#ifndef NARROW_ENGINE_QUANTIZER_H_
#define NARROW_ENGINE_QUANTIZER_H_

#include <cstddef>
#include <optional>

#include "engine/counting.h"
#include "engine/lane_kernels.h"
#include "engine/tensor.h"
#include "fixed/format.h"

namespace narrow {

// Float samples into the input's type.
class Quantizer {
 public:
  explicit Quantizer(const Format& format);

  // y must have room for n values.
  void run(const float* x, std::size_t n, Tensor& y, Scratch& scratch, LayerCounts& counts, bool& overflowed, Counting counting) const;

 private:
  // False where a value needs more than quantize32 has.
  bool run_fast(const float* x, std::size_t n, Tensor& y, Scratch& scratch, LayerCounts& counts, bool& overflowed, Counting counting) const;

  Format format_;
  std::optional<LaneCast> range_;
  double scale_ = 1;
  double add_ = 0;
};

}  // namespace narrow

#endif  // NARROW_ENGINE_QUANTIZER_H_
