#ifndef NARROW_ENGINE_DENSE_ROUNDING_H_
#define NARROW_ENGINE_DENSE_ROUNDING_H_

#include <memory>

#include "engine/dense_kernel.h"

namespace narrow {

// Sums of 16-bit products that are each rounded to accum's steps, of sums that wrap or stay in accum's range: uniform types, watched
// for overflow. A rounded product is the product and what its mode adds, less the bits that are dropped; their sums are plain ones.
// Nothing where that is not proven to give the product's bits.
std::unique_ptr<DenseKernel> make_rounding(const MatrixProduct& product, const TallyAt& at, Counting counting);

}  // namespace narrow

#endif  // NARROW_ENGINE_DENSE_ROUNDING_H_
