#include "engine/dense/lanes.h"

#include "engine/dense/finish.h"
#include "engine/dense/lane_dense.h"

namespace narrow {
namespace {

class LanesKernel final : public DenseKernel {
 public:
  LanesKernel(const MatrixProduct& product, const TallyAt& at, LaneDense dense, Finish finish)
      : DenseKernel(product, at), dense_(std::move(dense)), finish_(finish) {}

  std::string name() const override { return "lanes"; }

 private:
  void run_rows(const Tensor& x, std::size_t first, std::size_t count, Tensor& y, Scratch& scratch, Tally& tally) const override {
    run_lanes(dense_, finish_, at(), x, {first, count, y}, scratch, tally);
  }

  LaneDense dense_;
  Finish finish_;
};

}  // namespace

void run_lanes(const LaneDense& dense, const Finish& finish, const TallyAt& at, const Tensor& x, const Rows& rows, Scratch& scratch,
               Tally& tally) {
  const auto n_in = static_cast<std::size_t>(dense.n_in);
  const std::int64_t* from = x.wide(rows.first * n_in, rows.count * n_in, scratch.wide[1]);
  scratch.wide[0].resize(rows.count * static_cast<std::size_t>(dense.n_out));
  const std::uint64_t overflows = run_lane_dense(dense, from, rows.count, scratch.wide[0].data());
  tally.counts[at.layer].accum_overflows += overflows;
  tally.overflowed |= overflows > 0;
  finish.run(scratch.wide[0].data(), rows, scratch, tally);
}

std::unique_ptr<DenseKernel> make_lanes(const MatrixProduct& product, const TallyAt& at) {
  std::optional<LaneDense> dense = make_lane_dense(product);
  if (!dense) return nullptr;
  std::optional<Finish> finish = Finish::make(product, at, {min_raw(product.accum), max_raw(product.accum)}, false);
  if (!finish) return nullptr;
  return std::make_unique<LanesKernel>(product, at, std::move(*dense), *finish);
}

}  // namespace narrow
