#ifndef NARROW_LAYERS_FLOAT_KERNELS_H_
#define NARROW_LAYERS_FLOAT_KERNELS_H_

#include <cstddef>
#include <span>
#include <vector>

namespace narrow {

// Float32 sums in the order in which Keras' TensorFlow backend makes them, so that predictions agree to the last digits
// where a network amplifies rounding: a Dense fuses multiplication and addition, k = 0, 1, ..., and adds the bias last; a
// sum over a set keeps four sums, of every fourth row, and adds them in turn. (Found by comparing with TensorFlow 2.17 on
// the models of golden/: every value of every phi layer and of KSum is equal on a machine with FMA.)

// A Dense's kernel with its columns padded with zeros, as the kernels read it.
struct PackedKernel {
  int n_in = 0;
  int n_out = 0;
  std::vector<float> weights;  // (columns / kColumns, n_in, kColumns)
  static constexpr int kColumns = 16;
};
PackedKernel pack(int n_in, int n_out, std::span<const float> kernel);  // (n_in, n_out)

// y (rows, n_out) = x (rows, n_in) * kernel + bias; `bias` may be empty.
void dense_float(const PackedKernel& kernel, std::span<const float> bias, const float* x, std::size_t rows, float* y);

// y (n) = sum over the rows of x (set, n).
void set_sum_float(const float* x, std::size_t set, std::size_t n, float* y);

}  // namespace narrow

#endif  // NARROW_LAYERS_FLOAT_KERNELS_H_
