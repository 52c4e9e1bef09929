#ifndef NARROW_ENGINE_DENSE_PLANES_H_
#define NARROW_ENGINE_DENSE_PLANES_H_

#include <memory>

#include "engine/dense_kernel.h"

namespace narrow {

// Sums of int16 products, for exact products: inputs and weights are cut into int16 planes where they are wider, with a product in
// int32 for each pair of planes; weights of 8 bits are multiplied as bytes where a block's inputs turn out to be bytes.
// Nothing where that is not proven to give the product's bits.
std::unique_ptr<DenseKernel> make_planes(const MatrixProduct& product, const TallyAt& at, Counting counting);

}  // namespace narrow

#endif  // NARROW_ENGINE_DENSE_PLANES_H_
