#ifndef NARROW_ENGINE_DENSE_HIGH_HALF_H_
#define NARROW_ENGINE_DENSE_HIGH_HALF_H_

#include <memory>

#include "engine/dense_kernel.h"

namespace narrow {

// Where nothing is counted and every type is one of at most 16 bits that wraps, the sum may be kept modulo 2^16: the high
// half of (x << a) * (w << b), a + b = 16 - drop, is floor(x * w / 2^drop) modulo 2^16.
// Nothing where that is not proven to give the product's bits.
std::unique_ptr<DenseKernel> make_high_half(const MatrixProduct& product, const TallyAt& at, Counting counting);

}  // namespace narrow

#endif  // NARROW_ENGINE_DENSE_HIGH_HALF_H_
