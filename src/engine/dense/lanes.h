#ifndef NARROW_ENGINE_DENSE_LANES_H_
#define NARROW_ENGINE_DENSE_LANES_H_

#include <memory>

#include "engine/dense/finish.h"
#include "engine/dense_kernel.h"
#include "engine/lane_kernels.h"

namespace narrow {

// The interpreter's loops (engine/lane_kernels.h): every rounding, and every overflow that lanes know.
// Nothing where that is not proven to give the product's bits.
std::unique_ptr<DenseKernel> make_lanes(const MatrixProduct& product, const TallyAt& at);

// Some rows of such a product, for kernels that have no other way for them.
void run_lanes(const LaneDense& dense, const Finish& finish, const TallyAt& at, const Tensor& x, const Rows& rows, Scratch& scratch,
               Tally& tally);

}  // namespace narrow

#endif  // NARROW_ENGINE_DENSE_LANES_H_
