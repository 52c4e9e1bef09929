#ifndef NARROW_LAYERS_INFERRED_SUM_H_
#define NARROW_LAYERS_INFERRED_SUM_H_

#include <optional>

#include "fixed/format.h"

namespace narrow {

// hls4ml 1.3.0, model/optimizer/passes/infer_precision.py: the type of a sum of products and a bias that loses no bit,
// `width` and `integer` those of the sum of products, cut to `maximum` (docs/numerics.md, auto).
Format inferred_sum(int width, int integer, bool is_signed, const Format& bias, const std::optional<Format>& maximum);

}  // namespace narrow

#endif  // NARROW_LAYERS_INFERRED_SUM_H_
