#ifndef NARROW_ENGINE_DENSE_SATURATING_H_
#define NARROW_ENGINE_DENSE_SATURATING_H_

#include <memory>

#include "engine/dense_kernel.h"

namespace narrow {

// Sums of at most 16 bits that saturate at every step, of products that are rounded to them (uniform types with AP_SAT), one
// operation after the other but 32 outputs at a time. Blocks of rows whose inputs are too large for the shifts go through
// the interpreter's loops. Nothing where that is not proven to give the product's bits.
std::unique_ptr<DenseKernel> make_saturating(const MatrixProduct& product, const TallyAt& at, Counting counting);

}  // namespace narrow

#endif  // NARROW_ENGINE_DENSE_SATURATING_H_
