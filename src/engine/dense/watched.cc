#include "engine/dense/watched.h"

#include <algorithm>

#include "engine/dense/finish.h"
#include "engine/dense/lane_dense.h"
#include "engine/dense/one_by_one.h"

namespace narrow {
namespace {

class Watched final : public DenseKernel {
 public:
  static std::unique_ptr<DenseKernel> make(const MatrixProduct& product, const TallyAt& at) {
    const std::optional<LaneCast> fit = take_apart(product.accum.fraction(), product.accum, false);
    if (product.accum.is_integer || !fit || fit->fit != Fit::kOther) return nullptr;
    MatrixProduct told = product;
    told.accum = saturating(product.accum);
    std::optional<LaneDense> lanes = make_lane_dense(told);
    std::optional<Finish> finish = Finish::make(product, at, range_of(product.accum), false);
    if (!lanes || !finish) return nullptr;
    return std::unique_ptr<DenseKernel>(new Watched(product, at, std::move(*lanes), *finish));
  }

  std::string name() const override { return "watched lanes"; }

 private:
  Watched(const MatrixProduct& product, const TallyAt& at, LaneDense lanes, Finish finish)
      : DenseKernel(product, at), one_by_one_(product), lanes_(std::move(lanes)), finish_(finish) {}

  void run_rows(const Tensor& x, std::size_t first, std::size_t count, Tensor& y, Scratch& scratch, Tally& tally) const override {
    Buffer<std::int64_t>& values = scratch.wide[1];
    values.resize(count * n_in());
    x.get(first * n_in(), count * n_in(), values.data());
    scratch.wide[0].resize(count * n_out());
    scratch.marks.resize(count * n_out());
    std::int64_t* sums = scratch.wide[0].data();
    const std::uint64_t left = run_lane_dense(lanes_, values.data(), count, sums, scratch.marks.data());
    for (std::size_t i = 0; left > 0 && i < count * n_out(); ++i) {
      if (scratch.marks[i] != 0) sums[i] = static_cast<std::int64_t>(one_by_one_.sum(values.data() + i / n_out() * n_in(), i % n_out()));
    }
    tally.counts[at().layer].accum_overflows += left;
    tally.overflowed |= left > 0;
    finish_.run(sums, {first, count, y}, scratch, tally);
  }

  OneByOne one_by_one_;
  LaneDense lanes_;
  Finish finish_;
};

}  // namespace

std::unique_ptr<DenseKernel> make_watched(const MatrixProduct& product, const TallyAt& at) { return Watched::make(product, at); }

}  // namespace narrow
