#include "engine/dense/saturating.h"

#include <algorithm>

#include "engine/dense/finish.h"
#include "engine/dense/lane_dense.h"
#include "engine/dense/lanes.h"
#include "engine/saturating_kernels.h"
#include "fixed/cast.h"

namespace narrow {
namespace {

constexpr int kBits = 16;

// How accum's rounding of x * w is made of the kernel's: the products that are negated, and of which sign the weights are then.
// Rounding toward or away from 0 looks at the product's sign, which is the weight's where inputs are not negative.
struct TermPlan {
  Saturating16::Term term = Saturating16::Term::kFloor;
  enum class Weights { kAsTheyAre, kNegated, kMagnitude, kNegatedMagnitude } weights = Weights::kAsTheyAre;

  int bits() const { return term == Saturating16::Term::kFloor ? kBits : kBits - 1; }  // that the product loses
  Int128 weight(Int128 w) const {
    const Int128 magnitude = w < 0 ? -w : w;
    switch (weights) {
      case Weights::kAsTheyAre: return w;
      case Weights::kNegated: return -w;
      case Weights::kMagnitude: return magnitude;
      case Weights::kNegatedMagnitude: break;
    }
    return -magnitude;
  }
  bool negates(Int128 w) const { return weight(w) != w; }
};

std::optional<TermPlan> plan_term(const MatrixProduct& product) {
  using Term = Saturating16::Term;
  using Weights = TermPlan::Weights;
  const bool nonnegative = product.x.low >= 0;
  switch (product.accum.rounding) {
    case Rounding::kTrn: return TermPlan{Term::kFloor, Weights::kAsTheyAre};
    case Rounding::kRnd: return TermPlan{Term::kRound, Weights::kAsTheyAre};
    // Ties down: the negated round of the negated product.
    case Rounding::kRndMinInf: return TermPlan{Term::kRound, Weights::kNegated};
    case Rounding::kRndConv: return TermPlan{Term::kRoundEven, Weights::kAsTheyAre};
    case Rounding::kTrnZero: return nonnegative ? std::optional(TermPlan{Term::kFloor, Weights::kMagnitude}) : std::nullopt;
    case Rounding::kRndInf: return nonnegative ? std::optional(TermPlan{Term::kRound, Weights::kMagnitude}) : std::nullopt;
    case Rounding::kRndZero: return nonnegative ? std::optional(TermPlan{Term::kRound, Weights::kNegatedMagnitude}) : std::nullopt;
  }
  return std::nullopt;
}

Int128 largest_weight(const MatrixProduct& product) {
  Int128 largest = 0;
  for (const Int128 w : product.weights) largest = std::max(largest, w < 0 ? -w : w);
  return largest;
}

class Saturating final : public DenseKernel {
 public:
  static std::unique_ptr<DenseKernel> make(const MatrixProduct& product, const TallyAt& at, Counting counting) {
    const Format& accum = product.accum;
    const int drop = product.input.fraction() + product.weight.fraction() - accum.fraction();
    if (!saturates(accum) || !accum.is_signed || accum.is_integer || accum.width < 2 || accum.width > kBits || !fits_small(product.input))
      return nullptr;
    const std::optional<TermPlan> term = plan_term(product);
    const Int128 weight = largest_weight(product);
    if (!term || drop < 0 || drop > term->bits() || weight > kMax16) return nullptr;
    std::optional<LaneDense> lanes = make_lane_dense(product);
    std::optional<Finish> finish = Finish::make(product, at, {min_raw(accum), max_raw(accum)}, false);
    if (!lanes || !finish) return nullptr;
    return std::unique_ptr<DenseKernel>(new Saturating(product, at, counting, *term, drop, weight, std::move(*lanes), *finish));
  }

  std::string name() const override { return "saturating int16"; }

 private:
  Saturating(const MatrixProduct& product, const TallyAt& at, Counting counting, const TermPlan& term, int drop, Int128 weight,
             LaneDense lanes, Finish finish)
      : DenseKernel(product, at),
        watch_(counting != Counting::kNone),
        plain_(product.accum == product.result && product.output() == product.result),
        relu_(product.relu.has_value()),
        stays_(static_cast<int>(std::min(largest_within(product, end_of_accum(product)), kMax16 + 1))),
        lanes_(std::move(lanes)),
        finish_(finish) {
    for (std::size_t k = 0; k < n_in(); ++k) in_order_ &= product.order[k] == static_cast<int>(k);
    order_.assign(product.order.begin(), product.order.end());
    // x << x_up times w << w_up has its `drop` lowest bits where the kernel drops them: weights take what they can.
    int w_up = 0;
    while (w_up < term.bits() - drop && (weight << (w_up + 1)) <= kMax16) ++w_up;
    x_up_ = term.bits() - drop - w_up;
    x_limit_ = static_cast<int>(kMax16 >> x_up_);
    pack(product, term, w_up);
    const Int128 x = std::min<Int128>(product.x.magnitude(), x_limit_);
    product_.clamp_terms = ((x * weight + (Int128{1} << drop)) >> drop) > max_raw(product.accum);
    // A product of 16-bit operands that loses 15 bits fits 16 again.
    if (product.accum.width == kBits && product.accum.overflow == Overflow::kSat) product_.clamp_terms = false;
  }

  void pack(const MatrixProduct& product, const TermPlan& term, int w_up) {
    const Format& accum = product.accum;
    product_.n_in = product.n_in;
    product_.n_out = product.n_out;
    product_.term = term.term;
    product_.has_signs = term.weights != TermPlan::Weights::kAsTheyAre;
    product_.up = kBits - accum.width;
    product_.raised_floor = accum.overflow == Overflow::kSatSym;
    product_.high = static_cast<std::int16_t>(max_raw(accum));
    product_.low = static_cast<std::int16_t>(least_raw(accum));
    const auto in_order = [&](int i, int j) { return product.at(order_[static_cast<std::size_t>(i)], j); };
    product_.weights = pack_high(product.n_in, product.n_out, [&](int i, int j) { return term.weight(in_order(i, j)) << w_up; }).data;
    if (product_.has_signs)
      product_.signs = pack_high(product.n_in, product.n_out, [&](int i, int j) { return term.negates(in_order(i, j)) ? -1 : 0; }).data;
    const auto size = static_cast<std::size_t>(product_.blocks()) * kHighBlock;
    product_.bias.resize(size);
    product_.bias_left.resize(size);
    product_.bias.fill(0);
    product_.bias_left.fill(0);
    for (std::size_t j = 0; j < n_out(); ++j) {
      const CastResult bias = cast(product.biases[j], product.bias, accum);
      product_.bias[j] = static_cast<std::int16_t>(bias.raw << product_.up);
      product_.bias_left[j] = bias.overflow ? -1 : 0;
    }
  }

  void run_rows(const Tensor& x, std::size_t first, std::size_t count, Tensor& y, Scratch& scratch, Tally& tally) const override {
    const Rows rows{first, count, y};
    const std::int16_t* from = ordered(x.s.data() + first * n_in(), count, scratch);
    scratch.pairs.resize(count * n_in());
    const int most = pair_rows(from, count * n_in(), x_up_, scratch.pairs.data());
    if (most > x_limit_) return run_lanes(lanes_, finish_, at(), x, rows, scratch, tally);
    const auto stride = static_cast<std::size_t>(product_.blocks()) * kHighBlock;
    scratch.sums16.resize(count * stride);
    const Saturation saturation = most <= stays_ ? Saturation::kNone : watch_ ? Saturation::kCounted : Saturation::kUncounted;
    const std::uint64_t left = saturate16(product_, scratch.pairs.data(), count, saturation, scratch.sums16.data());
    tally.counts[at().layer].accum_overflows += left;
    tally.overflowed |= left > 0;
    if (plain_) return finish_high(kBits, relu_, scratch.sums16.data(), count, n_out(), stride, y.s.data() + first * n_out());
    scratch.sums[0].resize(count * stride);
    std::copy_n(scratch.sums16.data(), count * stride, scratch.sums[0].data());
    finish_.run(scratch.sums[0].data(), stride, rows, scratch, tally);
  }

  const std::int16_t* ordered(const std::int16_t* x, std::size_t rows, Scratch& scratch) const {
    if (in_order_) return x;
    scratch.x16[0].resize(rows * n_in());
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t k = 0; k < n_in(); ++k) scratch.x16[0][r * n_in() + k] = x[r * n_in() + static_cast<std::size_t>(order_[k])];
    }
    return scratch.x16[0].data();
  }

  bool watch_;
  bool plain_;  // accum, result and output are one type
  bool relu_;
  bool in_order_ = true;
  std::vector<int> order_;
  int x_up_ = 0;
  int x_limit_ = 0;  // of |x|, so that it can be shifted
  int stays_ = 0;    // up to this |x| nothing saturates
  Saturating16 product_;
  LaneDense lanes_;
  Finish finish_;
};

}  // namespace

std::unique_ptr<DenseKernel> make_saturating(const MatrixProduct& product, const TallyAt& at, Counting counting) {
  return Saturating::make(product, at, counting);
}

}  // namespace narrow
