#include "layers/product.h"

#include <algorithm>

namespace narrow {

void read_ternary(Step& step, TypeName type, const Format& format) {
  if (!is_ternary(format)) return;
  for (auto& [name, weights] : step.weights) {
    if (name != type || std::find(weights->raw.begin(), weights->raw.end(), -2) == weights->raw.end()) continue;
    QuantizedWeights read = *weights;
    std::replace(read.raw.begin(), read.raw.end(), Int128{-2}, Int128{1});
    weights = std::make_shared<const QuantizedWeights>(std::move(read));
  }
}

int cast_bits(int bits, int fraction, const Format& to) { return std::max(bits + std::max(0, to.fraction() - fraction), to.width + 1) + 1; }

}  // namespace narrow
