#ifndef NARROW_ENGINE_DENSE_LANE_DENSE_H_
#define NARROW_ENGINE_DENSE_LANE_DENSE_H_

#include <optional>

#include "engine/lane_kernels.h"
#include "engine/matrix_product.h"

namespace narrow {

// The product as the interpreter's loops compute it, or nothing where they do not.
std::optional<LaneDense> make_lane_dense(const MatrixProduct& product);

}  // namespace narrow

#endif  // NARROW_ENGINE_DENSE_LANE_DENSE_H_
