#include "engine/dense/one_by_one.h"

#include "fixed/cast.h"

namespace narrow {

OneByOne::OneByOne(const MatrixProduct& product)
    : n_out_(static_cast<std::size_t>(product.n_out)),
      weights_(product.weights.begin(), product.weights.end()),
      biases_(product.biases.begin(), product.biases.end()),
      order_(product.order.begin(), product.order.end()),
      bias_(product.bias),
      accum_(product.accum),
      fraction_(product.input.fraction() + product.weight.fraction()) {}

Int128 OneByOne::sum(const std::int64_t* x, std::size_t output) const {
  Int128 sum = cast(biases_[output], bias_, accum_).raw;
  for (const int k : order_) {
    const auto i = static_cast<std::size_t>(k);
    const Int128 term = cast(x[i] * weights_[i * n_out_ + output], fraction_, accum_).raw;
    sum = cast(sum + term, accum_.fraction(), accum_).raw;
  }
  return sum;
}

Format saturating(Format format) {
  format.overflow = Overflow::kSat;
  format.saturated_bits = 0;
  return format;
}

}  // namespace narrow
