#ifndef NARROW_ENGINE_DENSE_TRUNCATING_H_
#define NARROW_ENGINE_DENSE_TRUNCATING_H_

#include <memory>

#include "engine/dense_kernel.h"

namespace narrow {

// Products cut off below accum's last bit, floor(x * w / 2^drop), summed exactly: with x = xh * 2^drop + xl each is
// xh * w + floor(xl * w / 2^drop). The first part is a plain product; the second is the high half of a 16-bit one.
// Nothing where that is not proven to give the product's bits.
std::unique_ptr<DenseKernel> make_truncating(const MatrixProduct& product, const TallyAt& at, Counting counting);

}  // namespace narrow

#endif  // NARROW_ENGINE_DENSE_TRUNCATING_H_
