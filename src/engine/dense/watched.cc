#include "engine/dense/watched.h"

#include <algorithm>

#include "engine/dense/finish.h"
#include "engine/dense/lane_dense.h"
#include "fixed/cast.h"

namespace narrow {
namespace {

class Watched final : public DenseKernel {
 public:
  static std::unique_ptr<DenseKernel> make(const MatrixProduct& product, const TallyAt& at) {
    const std::optional<LaneCast> fit = take_apart(product.accum.fraction(), product.accum, false);
    if (product.accum.is_integer || !fit || fit->fit != Fit::kOther) return nullptr;
    MatrixProduct saturating = product;
    saturating.accum.overflow = Overflow::kSat;
    saturating.accum.saturated_bits = 0;
    std::optional<LaneDense> lanes = make_lane_dense(saturating);
    std::optional<Finish> finish = Finish::make(product, at, range_of(product.accum), false);
    if (!lanes || !finish) return nullptr;
    return std::unique_ptr<DenseKernel>(new Watched(product, at, std::move(*lanes), *finish));
  }

  std::string name() const override { return "watched lanes"; }

 private:
  Watched(const MatrixProduct& product, const TallyAt& at, LaneDense lanes, Finish finish)
      : DenseKernel(product, at),
        weights_(product.weights.begin(), product.weights.end()),
        biases_(product.biases.begin(), product.biases.end()),
        bias_(product.bias),
        accum_(product.accum),
        fraction_(product.input.fraction() + product.weight.fraction()),
        lanes_(std::move(lanes)),
        finish_(finish) {}

  void run_rows(const Tensor& x, std::size_t first, std::size_t count, Tensor& y, Scratch& scratch, Tally& tally) const override {
    Buffer<std::int64_t>& values = scratch.wide[1];
    values.resize(count * n_in());
    x.get(first * n_in(), count * n_in(), values.data());
    scratch.wide[0].resize(count * n_out());
    scratch.marks.resize(count * n_out());
    std::int64_t* sums = scratch.wide[0].data();
    const std::uint64_t left = run_lane_dense(lanes_, values.data(), count, sums, scratch.marks.data());
    for (std::size_t i = 0; left > 0 && i < count * n_out(); ++i) {
      if (scratch.marks[i] != 0) sums[i] = static_cast<std::int64_t>(sum_of(values.data() + i / n_out() * n_in(), i % n_out()));
    }
    tally.counts[at().layer].accum_overflows += left;
    tally.overflowed |= left > 0;
    finish_.run(sums, {first, count, y}, scratch, tally);
  }

  Int128 sum_of(const std::int64_t* x, std::size_t j) const {
    Int128 sum = cast(biases_[j], bias_, accum_).raw;
    for (const int k : lanes_.order) {
      const auto i = static_cast<std::size_t>(k);
      const Int128 term = cast(x[i] * weights_[i * n_out() + j], fraction_, accum_).raw;
      sum = cast(sum + term, accum_.fraction(), accum_).raw;
    }
    return sum;
  }

  std::vector<Int128> weights_;  // (n_in, n_out)
  std::vector<Int128> biases_;
  Format bias_, accum_;
  int fraction_;  // of a product
  LaneDense lanes_;
  Finish finish_;
};

}  // namespace

std::unique_ptr<DenseKernel> make_watched(const MatrixProduct& product, const TallyAt& at) { return Watched::make(product, at); }

}  // namespace narrow
