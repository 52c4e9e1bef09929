#include "engine/dense/high_half.h"

#include <algorithm>
#include <vector>

#include "engine/program.h"
#include "fixed/cast.h"

namespace narrow {
namespace {

// How x and w are shifted, and what of the weights does not fit int16 then: w << w_up = rest * 2^16 + low.
struct Shifted {
  const MatrixProduct& product;
  int x_up = 0;
  int w_up = 0;

  Shifted(const MatrixProduct& of, int up) : product(of) {
    while (x_up < up && (product.x.high << (x_up + 1)) <= kMax16 && (product.x.low << (x_up + 1)) >= -kMax16 - 1) ++x_up;
    w_up = up - x_up;
  }
  Int128 low(int i, int j) const { return static_cast<std::int16_t>(product.at(i, j) << w_up); }
  Int128 rest(int i, int j) const { return ((product.at(i, j) << w_up) - low(i, j)) >> 16; }

  // Inputs with a weight that has a rest.
  std::vector<int> rest_inputs() const {
    std::vector<int> inputs;
    for (int i = 0; i < product.n_in; ++i) {
      int j = 0;
      while (j < product.n_out && rest(i, j) == 0) ++j;
      if (j < product.n_out) inputs.push_back(i);
    }
    return inputs;
  }

  // Whether sums of inputs times rests fit int32.
  bool rests_fit(const std::vector<int>& inputs) const {
    for (int j = 0; j < product.n_out; ++j) {
      Int128 column = 0;
      for (const int i : inputs) column += rest(i, j) < 0 ? -rest(i, j) : rest(i, j);
      if (column * (kMax16 + 1) > kMax32) return false;
    }
    return true;
  }
};

class HighHalf final : public DenseKernel {
 public:
  static std::unique_ptr<DenseKernel> make(const MatrixProduct& product, const TallyAt& at, Counting counting) {
    const Format& accum = product.accum;
    const int drop = product.input.fraction() + product.weight.fraction() - accum.fraction();
    constexpr int kBits = 16;
    constexpr int kMaxBias = 32;
    if (counting != Counting::kNone || drop < 1 || drop >= kBits || accum.width > kBits || !accum.is_signed || accum.is_integer ||
        accum.rounding != Rounding::kTrn || !wraps(accum) || accum != product.result || product.output() != product.result ||
        !fits_small(product.input) || product.weight.width > kBits || !product.weight.is_signed ||
        product.bias.fraction() > accum.fraction() || product.bias.width > kMaxBias) {
      return nullptr;
    }
    const Shifted shifted(product, kBits - drop);
    std::vector<int> rest_inputs = shifted.rest_inputs();
    if (!shifted.rests_fit(rest_inputs)) return nullptr;
    return std::unique_ptr<DenseKernel>(new HighHalf(product, at, shifted, std::move(rest_inputs)));
  }

  std::string name() const override { return "high half"; }

 private:
  HighHalf(const MatrixProduct& product, const TallyAt& at, const Shifted& shifted, std::vector<int> rest_inputs)
      : DenseKernel(product, at),
        width_(product.accum.width),
        relu_(product.relu.has_value()),
        x_up_(shifted.x_up),
        weights_(pack_high(product.n_in, product.n_out, [&](int i, int j) { return shifted.low(i, j); })),
        bias_(static_cast<std::size_t>(weights_.blocks()) * kHighBlock),
        rest_inputs_(std::move(rest_inputs)) {
    bias_.fill(0);
    for (std::size_t j = 0; j < n_out(); ++j)
      bias_[j] = static_cast<std::int16_t>(cast(product.biases[j], product.bias, product.accum).raw);
    if (rest_inputs_.empty()) return;
    rest_ = pack16(static_cast<int>(rest_inputs_.size()), product.n_out,
                   [&](int i, int j) { return shifted.rest(rest_inputs_[static_cast<std::size_t>(i)], j); });
    no_bias_.resize(static_cast<std::size_t>(rest_->blocks()) * kBlock);
    no_bias_.fill(0);
  }

  void run_rows(const Tensor& x, std::size_t first, std::size_t rows, Tensor& y, Scratch& scratch, Tally&) const override {
    const auto stride = static_cast<std::size_t>(weights_.blocks()) * kHighBlock;
    const std::int16_t* from = x.s.data() + first * n_in();
    const std::int16_t* shifted = from;
    if (x_up_ > 0) {
      scratch.x16[1].resize(rows * n_in());
      shift_left16(from, rows * n_in(), x_up_, scratch.x16[1].data());
      shifted = scratch.x16[1].data();
    }
    scratch.sums16.resize(rows * stride);
    high16(weights_, shifted, rows, bias_.data(), scratch.sums16.data());
    if (rest_) add_rest(from, rows, scratch);
    finish_high(width_, relu_, scratch.sums16.data(), rows, n_out(), stride, y.s.data() + first * n_out());
  }

  void add_rest(const std::int16_t* x, std::size_t rows, Scratch& scratch) const {
    const auto sums16 = static_cast<std::size_t>(weights_.blocks()) * kHighBlock;
    const auto stride = static_cast<std::size_t>(rest_->pairs()) * 2;
    const auto sums = static_cast<std::size_t>(rest_->blocks()) * kBlock;
    scratch.x16[0].resize(rows * stride);
    scratch.sums[0].resize(rows * sums);
    for (std::size_t r = 0; r < rows; ++r) {
      std::int16_t* to = scratch.x16[0].data() + r * stride;
      for (std::size_t k = 0; k < rest_inputs_.size(); ++k)
        to[k] = static_cast<std::int16_t>(x[r * n_in() + static_cast<std::size_t>(rest_inputs_[k])] << x_up_);
      if (stride != rest_inputs_.size()) to[stride - 1] = 0;
    }
    dot16(*rest_, scratch.x16[0].data(), rows, no_bias_.data(), scratch.sums[0].data());
    for (std::size_t r = 0; r < rows; ++r) {
      std::int16_t* to = scratch.sums16.data() + r * sums16;
      const std::int32_t* rest = scratch.sums[0].data() + r * sums;
      for (std::size_t j = 0; j < n_out(); ++j) to[j] = static_cast<std::int16_t>(to[j] + rest[j]);
    }
  }

  int width_;
  bool relu_;
  int x_up_;
  WeightsHigh weights_;
  Buffer<std::int16_t> bias_;
  std::optional<Weights16> rest_;
  std::vector<int> rest_inputs_;
  Buffer<std::int32_t> no_bias_;
};

}  // namespace

std::unique_ptr<DenseKernel> make_high_half(const MatrixProduct& product, const TallyAt& at, Counting counting) {
  return HighHalf::make(product, at, counting);
}

}  // namespace narrow
