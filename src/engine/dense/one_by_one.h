#ifndef NARROW_ENGINE_DENSE_ONE_BY_ONE_H_
#define NARROW_ENGINE_DENSE_ONE_BY_ONE_H_

#include <cstdint>
#include <vector>

#include "engine/matrix_product.h"

namespace narrow {

// Single sums of a product by its definition, for those that kernels find to leave the range of a type that does with them what no lanes
// do. Products must fit 128 bits.
class OneByOne {
 public:
  explicit OneByOne(const MatrixProduct& product);
  // Of the row x, in accum's format.
  Int128 sum(const std::int64_t* x, std::size_t output) const;

 private:
  std::size_t n_out_;
  std::vector<Int128> weights_;  // (n_in, n_out)
  std::vector<Int128> biases_;
  std::vector<int> order_;
  Format bias_, accum_;
  int fraction_;  // of a product
};

// The type of the same width that saturates: it changes what leaves its range, and tells it so.
Format saturating(Format format);

}  // namespace narrow

#endif  // NARROW_ENGINE_DENSE_ONE_BY_ONE_H_
