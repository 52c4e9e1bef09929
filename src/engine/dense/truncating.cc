#include "engine/dense/truncating.h"

#include <algorithm>
#include <limits>

#include "engine/dense/finish.h"
#include "engine/program.h"

namespace narrow {
namespace {

constexpr Int128 kMax16 = std::numeric_limits<std::int16_t>::max();
constexpr Int128 kMax32 = std::numeric_limits<std::int32_t>::max();

class Truncating final : public DenseKernel {
 public:
  static std::unique_ptr<DenseKernel> make(const MatrixProduct& product, const TallyAt& at, Counting counting) {
    const Format& accum = product.accum;
    const int drop = product.input.fraction() + product.weight.fraction() - accum.fraction();
    const int bias_up = accum.fraction() - product.bias.fraction();
    constexpr int kMaxDrop = 15;
    constexpr int kMaxBiasUp = 20;
    constexpr int kMaxBiasBits = 30;
    constexpr int kMaxAccum = 31;
    constexpr int kMaxWordBits = 62;
    if (drop < 1 || drop > kMaxDrop || accum.rounding != Rounding::kTrn || accum.is_integer || !wraps(accum) || accum.width > kMaxAccum ||
        !fits_small(product.input) || product.word_bits > kMaxWordBits || bias_up < 0 || bias_up > kMaxBiasUp ||
        product.bias.width + bias_up > kMaxBiasBits) {
      return nullptr;
    }
    const std::optional<Int128> largest = largest_sum(product, drop, bias_up);
    if (!largest) return nullptr;
    const Interval sums{-*largest, *largest};
    const bool wrap = *largest > max_raw(accum) || !accum.is_signed;
    std::optional<Finish> finish = Finish::make(product, at, sums, wrap);
    if (!finish) return nullptr;
    auto kernel = std::unique_ptr<Truncating>(new Truncating(product, at, *finish, drop, bias_up));
    if (counting != Counting::kAll) kernel->epilogue_ = make_epilogue(product, sums, wrap);
    return kernel;
  }

  std::string name() const override { return "truncating int16"; }

 private:
  Truncating(const MatrixProduct& product, const TallyAt& at, Finish finish, int drop, int bias_up)
      : DenseKernel(product, at),
        drop_(drop),
        high_(pack16(product.n_in, product.n_out, [&](int i, int j) { return product.at(i, j); })),
        low_(pack_high(product.n_in, product.n_out, [&](int i, int j) { return 2 * product.at(i, j); })),
        bias_(static_cast<std::size_t>(high_.blocks()) * kBlock),
        no_bias_(static_cast<std::size_t>(low_.blocks()) * kHighBlock),
        finish_(finish) {
    bias_.fill(0);
    no_bias_.fill(0);
    for (std::size_t j = 0; j < n_out(); ++j) bias_[j] = static_cast<std::int32_t>(product.biases[j] << bias_up);
  }

  // Of any partial sum, or nothing where 16 bits do not hold the weights doubled or the sums of the low parts, or 32 not all.
  static std::optional<Int128> largest_sum(const MatrixProduct& product, int drop, int bias_up) {
    constexpr Int128 kMaxWeight = 1 << 14;
    const Int128 x_high = std::max(product.x.high >> drop, -(product.x.low >> drop));
    Int128 largest = 0;
    for (int j = 0; j < product.n_out; ++j) {
      Int128 column = 0;
      for (int i = 0; i < product.n_in; ++i) {
        const Int128 w = product.at(i, j) < 0 ? -product.at(i, j) : product.at(i, j);
        if (w >= kMaxWeight) return std::nullopt;
        column += w;
      }
      if (column + product.n_in > kMax16) return std::nullopt;
      const Int128 bias = product.biases[static_cast<std::size_t>(j)] << bias_up;
      largest = std::max(largest, column * (x_high + 1) + product.n_in + (bias < 0 ? -bias : bias));
    }
    return largest <= kMax32 ? std::optional(largest) : std::nullopt;
  }

  void run_rows(const Tensor& x, std::size_t first, std::size_t count, Tensor& y, Scratch& scratch, Tally& tally) const override {
    const Rows rows{first, count, y};
    multiply(x, rows, scratch);
    const auto stride = static_cast<std::size_t>(high_.blocks()) * kBlock;
    if (epilogue_) tally.overflowed |= epilogue_->run(scratch.sums[0].data(), stride, n_out(), rows);
    else finish_.run(scratch.sums[0].data(), stride, rows, scratch, tally);
  }

  void multiply(const Tensor& x, const Rows& rows, Scratch& scratch) const {
    const auto stride = static_cast<std::size_t>(high_.pairs()) * 2;
    const auto sums = static_cast<std::size_t>(high_.blocks()) * kBlock;
    const auto sums16 = static_cast<std::size_t>(low_.blocks()) * kHighBlock;
    scratch.x16[0].resize(rows.count * stride);
    scratch.x16[1].resize(rows.count * n_in());
    const std::int16_t* from = x.s.data() + rows.first * n_in();
    const int mask = (1 << drop_) - 1;
    constexpr int kTop = 15;
    for (std::size_t r = 0; r < rows.count; ++r) {
      std::int16_t* to = scratch.x16[0].data() + r * stride;
      for (std::size_t k = 0; k < n_in(); ++k) to[k] = static_cast<std::int16_t>(from[r * n_in() + k] >> drop_);
      if (stride != n_in()) to[n_in()] = 0;
    }
    for (std::size_t i = 0; i < rows.count * n_in(); ++i) scratch.x16[1][i] = static_cast<std::int16_t>((from[i] & mask) << (kTop - drop_));
    scratch.sums[0].resize(rows.count * sums);
    scratch.sums16.resize(rows.count * sums16);
    dot16(high_, scratch.x16[0].data(), rows.count, bias_.data(), scratch.sums[0].data());
    high16(low_, scratch.x16[1].data(), rows.count, no_bias_.data(), scratch.sums16.data());
    for (std::size_t r = 0; r < rows.count; ++r) {
      std::int32_t* to = scratch.sums[0].data() + r * sums;
      const std::int16_t* low = scratch.sums16.data() + r * sums16;
      for (std::size_t j = 0; j < sums; ++j) to[j] += low[j];
    }
  }

  int drop_;
  Weights16 high_;
  WeightsHigh low_;
  Buffer<std::int32_t> bias_;
  Buffer<std::int16_t> no_bias_;
  std::optional<CheckedEpilogue> epilogue_;
  Finish finish_;
};

}  // namespace

std::unique_ptr<DenseKernel> make_truncating(const MatrixProduct& product, const TallyAt& at, Counting counting) {
  return Truncating::make(product, at, counting);
}

}  // namespace narrow
