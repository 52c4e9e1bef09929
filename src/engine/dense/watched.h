#ifndef NARROW_ENGINE_DENSE_WATCHED_H_
#define NARROW_ENGINE_DENSE_WATCHED_H_

#include <memory>

#include "engine/dense_kernel.h"

namespace narrow {

// Sums that leave their type's range as no lanes do (AP_WRAP_SM, AP_WRAP with saturated bits): lanes that saturate tell which outputs
// leave it at some step, and these alone are computed again, one operation at a time. Nothing where lanes do not do the rest.
std::unique_ptr<DenseKernel> make_watched(const MatrixProduct& product, const TallyAt& at);

}  // namespace narrow

#endif  // NARROW_ENGINE_DENSE_WATCHED_H_
