#include "layers/float_kernels.h"

#include <algorithm>

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "layers/float_kernels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace narrow::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// kRows rows of x against one block of columns.
template <int kRows>
void dense_block(const float* HWY_RESTRICT x, const float* HWY_RESTRICT weights, int n_in, float* HWY_RESTRICT sums) {
  const hn::CappedTag<float, PackedKernel::kColumns> d;
  const auto lanes = static_cast<int>(hn::Lanes(d));
  for (int column = 0; column < PackedKernel::kColumns; column += lanes) {
    auto sum0 = hn::Zero(d), sum1 = hn::Zero(d), sum2 = hn::Zero(d), sum3 = hn::Zero(d);
    for (int k = 0; k < n_in; ++k) {
      const auto w = hn::LoadU(d, weights + k * PackedKernel::kColumns + column);
      sum0 = hn::MulAdd(hn::Set(d, x[k]), w, sum0);
      if constexpr (kRows == 4) {
        sum1 = hn::MulAdd(hn::Set(d, x[n_in + k]), w, sum1);
        sum2 = hn::MulAdd(hn::Set(d, x[2 * n_in + k]), w, sum2);
        sum3 = hn::MulAdd(hn::Set(d, x[3 * n_in + k]), w, sum3);
      }
    }
    hn::StoreU(sum0, d, sums + column);
    if constexpr (kRows == 4) {
      hn::StoreU(sum1, d, sums + PackedKernel::kColumns + column);
      hn::StoreU(sum2, d, sums + 2 * PackedKernel::kColumns + column);
      hn::StoreU(sum3, d, sums + 3 * PackedKernel::kColumns + column);
    }
  }
}

template <int kRows>
void dense_rows(const PackedKernel& kernel, std::span<const float> bias, const float* x, float* y) {
  constexpr int kColumns = PackedKernel::kColumns;
  float sums[kRows * kColumns];
  for (int first = 0; first < kernel.n_out; first += kColumns) {
    dense_block<kRows>(x, kernel.weights.data() + static_cast<std::ptrdiff_t>(first) * kernel.n_in, kernel.n_in, sums);
    const int columns = HWY_MIN(kColumns, kernel.n_out - first);
    for (int r = 0; r < kRows; ++r) {
      for (int j = 0; j < columns; ++j) {
        y[r * kernel.n_out + first + j] = sums[r * kColumns + j] + (bias.empty() ? 0.F : bias[static_cast<std::size_t>(first + j)]);
      }
    }
  }
}

void dense_all(const PackedKernel& kernel, std::span<const float> bias, const float* x, std::size_t rows, float* y) {
  for (; rows >= 4; rows -= 4, x += 4 * kernel.n_in, y += 4 * kernel.n_out) dense_rows<4>(kernel, bias, x, y);
  for (; rows > 0; --rows, x += kernel.n_in, y += kernel.n_out) dense_rows<1>(kernel, bias, x, y);
}

}  // namespace narrow::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow {

HWY_EXPORT(dense_all);

PackedKernel pack(int n_in, int n_out, std::span<const float> kernel) {
  constexpr int kColumns = PackedKernel::kColumns;
  const int blocks = (n_out + kColumns - 1) / kColumns;
  PackedKernel packed{n_in, n_out, std::vector<float>(static_cast<std::size_t>(blocks * n_in) * kColumns, 0.F)};
  for (int k = 0; k < n_in; ++k) {
    for (int j = 0; j < n_out; ++j) {
      const auto to = static_cast<std::size_t>(((j / kColumns) * n_in + k) * kColumns + j % kColumns);
      packed.weights[to] = kernel[static_cast<std::size_t>(k * n_out + j)];
    }
  }
  return packed;
}

void dense_float(const PackedKernel& kernel, std::span<const float> bias, const float* x, std::size_t rows, float* y) {
  HWY_DYNAMIC_DISPATCH(dense_all)(kernel, bias, x, rows, y);
}

void set_sum_float(const float* x, std::size_t set, std::size_t n, float* y) {
  constexpr std::size_t kSums = 4;
  std::vector<float> sums(kSums * n, 0.F);
  const std::size_t whole = set / kSums * kSums;
  for (std::size_t i = 0; i < set; ++i) {
    // Rows that do not fill a group of four join the first sum.
    float* sum = sums.data() + (i < whole ? i % kSums : 0) * n;
    for (std::size_t j = 0; j < n; ++j) sum[j] += x[i * n + j];
  }
  for (std::size_t j = 0; j < n; ++j) y[j] = ((sums[j] + sums[n + j]) + sums[2 * n + j]) + sums[3 * n + j];
}

}  // namespace narrow
#endif
