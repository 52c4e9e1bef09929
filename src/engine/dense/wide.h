#ifndef NARROW_ENGINE_DENSE_WIDE_H_
#define NARROW_ENGINE_DENSE_WIDE_H_

#include <memory>

#include "engine/dense_kernel.h"

namespace narrow {

// Products of up to 126 bits that are each rounded to sums of up to 62, of every rounding and of sums that wrap, saturate or become 0
// (uniform types of more than 32 bits), one operation after the other in 64-bit lanes. Nothing where that is not proven to give the
// product's bits.
std::unique_ptr<DenseKernel> make_wide(const MatrixProduct& product, const TallyAt& at, Counting counting);

// The same of any sums that 128 bits hold, one output at a time.
std::unique_ptr<DenseKernel> make_large(const MatrixProduct& product, const TallyAt& at, Counting counting);

}  // namespace narrow

#endif  // NARROW_ENGINE_DENSE_WIDE_H_
