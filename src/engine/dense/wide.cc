#include "engine/dense/wide.h"

#include <algorithm>
#include <limits>

#include "engine/dense/finish.h"
#include "engine/dense/one_by_one.h"
#include "engine/wide_kernels.h"
#include "fixed/cast.h"

namespace narrow {
namespace {

constexpr int kOperandBits = 62;  // without the sign
constexpr int kSumBits = 62;
constexpr Int128 kMaxOperand = (Int128{1} << kOperandBits) - 1;
constexpr Int128 kMaxSum = (Int128{1} << kSumBits) - 1;

int bits_of_largest(std::span<const Int128> values) {
  Uint128 largest = 0;
  for (const Int128 value : values) largest = std::max(largest, magnitude_of(value));
  return bits_of(largest);
}

// How floor(p / 2^62) becomes accum's rounding.
void set_rounding(const Format& accum, WideProducts& products) {
  using Term = WideProducts::Term;
  constexpr std::int64_t kLow = (std::int64_t{1} << WideProducts::kLowBits) - 1;
  constexpr std::int64_t kHalf = std::int64_t{1} << (WideProducts::kLowBits - 1);
  switch (accum.rounding) {
    case Rounding::kTrn: products.term = Term::kFloor; return;
    case Rounding::kRnd: products.term = Term::kHalfUp; return;
    case Rounding::kRndConv: products.term = Term::kEven; return;
    case Rounding::kTrnZero: products.term = Term::kMagnitude; return;
    case Rounding::kRndInf: products.term = Term::kMagnitude, products.add = {kHalf, 0}; return;
    case Rounding::kRndZero: products.term = Term::kMagnitude, products.add = {kHalf - 1, kLow}; return;
    case Rounding::kRndMinInf: products.term = Term::kHalfDown; return;
  }
}

// The rows in the order of the sum.
const std::int64_t* in_order(const Tensor& x, const Rows& rows, std::span<const int> order, Buffer<std::int64_t>& to) {
  const std::size_t n_in = order.size();
  to.resize(rows.count * n_in);
  if (std::is_sorted(order.begin(), order.end())) {
    x.get(rows.first * n_in, rows.count * n_in, to.data());
    return to.data();
  }
  for (std::size_t r = 0; r < rows.count; ++r) {
    for (std::size_t k = 0; k < n_in; ++k)
      to[r * n_in + k] = static_cast<std::int64_t>(x[(rows.first + r) * n_in + static_cast<std::size_t>(order[k])]);
  }
  return to.data();
}

// The bias of an output in accum's steps, with which its sum starts: as it is where sums are brought into range once, at the end.
struct Start {
  Int128 sum;
  bool left;  // the range, also that of 127 bits
};
Start start_of(const MatrixProduct& product, int output, Fit fit) {
  const Int128 bias = product.biases[static_cast<std::size_t>(output)];
  const CastResult exact = cast(bias, product.bias, unbounded(product.accum));
  const Int128 sum = fit == Fit::kWrap ? exact.raw : cast(bias, product.bias, product.accum).raw;
  return {sum, exact.overflow || exact.raw != sum};
}

// Between which sums of products up to `term` and a bias lie, in accum's steps; nothing where 128 bits might not hold them.
std::optional<Interval> sums_of(const MatrixProduct& product, Int128 term) {
  constexpr int kMostBits = 118;
  const auto n_in = static_cast<Uint128>(product.n_in);
  if (bits_of(magnitude_of(term)) + bits_of(n_in) > kMostBits) return std::nullopt;
  Int128 largest = 0;
  for (int j = 0; j < product.n_out; ++j) {
    const Start start = start_of(product, j, Fit::kWrap);
    if (start.left || bits_of(magnitude_of(start.sum)) > kMostBits) return std::nullopt;
    largest = std::max(largest, start.sum < 0 ? -start.sum : start.sum);
  }
  const Int128 end = term * product.n_in + largest;
  return Interval{-end, end};
}

class Large final : public DenseKernel {
 public:
  static std::unique_ptr<Large> make(const MatrixProduct& product, const TallyAt& at) {
    constexpr int kWord = 128;
    constexpr int kMaxAccum = 126;
    constexpr int kWeightBits = 63;
    const Format& accum = product.accum;
    const int fraction = product.input.fraction() + product.weight.fraction();
    const bool no_integer_bits = accum.is_integer && (product.product_integer <= 0 || product.bias.integer <= 0);
    const int weight_bits = bits_of_largest(product.weights);
    std::optional<LaneCast> cast = take_apart(fraction, accum, no_integer_bits);
    if (!cast || !fits_word(product.input) || weight_bits > kWeightBits) return nullptr;
    // Sums that leave the range of such a type are told by one that saturates.
    const bool watched = cast->fit == Fit::kOther;
    if (watched) {
      if (accum.is_integer) return nullptr;
      cast = take_apart(fraction, saturating(accum), false);
    }
    const int x_bits = bits_of(magnitude_of(product.x.magnitude()));
    const Int128 largest = static_cast<Int128>((Uint128{1} << (x_bits + weight_bits)) - 1);
    if (x_bits + weight_bits >= kWord - 1 || lane_cast_bits(*cast, {-largest, largest}) > kWord || accum.width > kMaxAccum) return nullptr;
    const std::optional<ProvenSums> proven = prove_sums(product);
    const bool stays = proven && stays_in_accum(product, *proven);
    const bool wrap = cast->fit == Fit::kWrap && !stays;
    // Of a product in accum's steps.
    const Int128 term = (cast->align == Align::kUp ? largest << cast->shift : largest >> cast->shift) + 1;
    const std::optional<Interval> wrapping = proven ? proven->sum : sums_of(product, term);
    if (wrap && !wrapping) return nullptr;
    std::optional<Finish> finish = Finish::make(product, at, wrap ? *wrapping : range_of(accum), wrap);
    if (!finish) return nullptr;
    auto kernel = std::unique_ptr<Large>(new Large(product, at, *cast, *finish));
    if (watched) kernel->one_by_one_.emplace(product);
    constexpr Int128 kMax64 = std::numeric_limits<std::int64_t>::max();
    kernel->dense_.words = term <= kMax64 && cast->low >= -kMax64 - 1 && cast->high <= kMax64;
    return kernel;
  }

  std::string name() const override { return "128-bit lanes"; }

 private:
  friend class Wide;

  Large(const MatrixProduct& product, const TallyAt& at, const LaneCast& to_accum, Finish finish)
      : DenseKernel(product, at), order_(product.order.begin(), product.order.end()), finish_(finish) {
    dense_.n_in = product.n_in;
    dense_.n_out = product.n_out;
    dense_.product = to_accum;
    for (int j = 0; j < product.n_out; ++j) {
      for (const int k : order_) dense_.weights.push_back(static_cast<std::int64_t>(product.at(k, j)));
      const Start start = start_of(product, j, to_accum.fit);
      dense_.bias.push_back(start.sum);
      dense_.bias_left.push_back(start.left);
    }
  }

  void run_rows(const Tensor& x, std::size_t first, std::size_t count, Tensor& y, Scratch& scratch, Tally& tally) const override {
    const Rows rows{first, count, y};
    const std::int64_t* from = in_order(x, rows, order_, scratch.wide[1]);
    scratch.large.resize(count * n_out());
    scratch.marks.resize(count * n_out());
    const std::uint64_t left = run_large_dense(dense_, from, count, scratch.large.data(), one_by_one_ ? scratch.marks.data() : nullptr);
    if (one_by_one_ && left > 0) correct(x, rows, scratch);
    tally.counts[at().layer].accum_overflows += left;
    tally.overflowed |= left > 0;
    finish_.run(scratch.large.data(), rows, scratch, tally);
  }

  void correct(const Tensor& x, const Rows& rows, Scratch& scratch) const {
    std::vector<std::int64_t> row(n_in());
    for (std::size_t i = 0; i < rows.count * n_out(); ++i) {
      if (scratch.marks[i] == 0) continue;
      x.get((rows.first + i / n_out()) * n_in(), n_in(), row.data());
      scratch.large[i] = one_by_one_->sum(row.data(), i % n_out());
    }
  }

  LargeDense dense_;
  std::vector<int> order_;
  std::optional<OneByOne> one_by_one_;  // where accum does with sums that leave its range what no lanes do
  Finish finish_;
};

class Wide final : public DenseKernel {
 public:
  static std::unique_ptr<DenseKernel> make(const MatrixProduct& product, const TallyAt& at) {
    const Format& accum = product.accum;
    const int up = WideProducts::kLost - (product.input.fraction() + product.weight.fraction() - accum.fraction());
    if (up < 0 || up > WideProducts::kLost || accum.is_integer || !fits_word(product.input)) return nullptr;
    // Weights take what they can of the shift.
    const int weight_bits = bits_of_largest(product.weights);
    const int w_up = std::min(up, kOperandBits - weight_bits);
    const int x_up = up - w_up;
    if (w_up < 0) return nullptr;
    const std::optional<LaneCast> fit = take_apart(accum.fraction(), accum, false);
    const Int128 stays = largest_within(product, std::min(end_of_accum(product), kMaxSum));
    Int128 limit = kMaxOperand >> x_up;
    Fit steps = Fit::kWrap;
    if (wraps(accum)) limit = std::min(limit, largest_within(product, kMaxSum));
    else if (fit && fit->fit != Fit::kOther && accum.width <= kSumBits) steps = fit->fit;
    else limit = std::min(limit, stays);
    std::unique_ptr<Large> otherwise;
    if (product.x.magnitude() > limit && !(otherwise = Large::make(product, at))) return nullptr;
    const bool wrap = wraps(accum) && std::min(product.x.magnitude(), limit) > stays;
    std::optional<Finish> finish = Finish::make(product, at, wrap ? Interval{-kMaxSum, kMaxSum} : range_of(accum), wrap);
    if (!finish) return nullptr;
    auto kernel = std::unique_ptr<Wide>(new Wide(product, at, *finish, x_up));
    kernel->otherwise_ = std::move(otherwise);
    kernel->limit_ = static_cast<std::int64_t>(limit);
    kernel->stays_ = static_cast<std::int64_t>(stays);
    kernel->fit_ = steps;
    if (steps != Fit::kWrap) {
      kernel->products_.least = static_cast<std::int64_t>(fit->low);
      kernel->products_.most = static_cast<std::int64_t>(fit->high);
    }
    kernel->pack(product, w_up);
    return kernel;
  }

  std::string name() const override { return "wide lanes"; }

 private:
  Wide(const MatrixProduct& product, const TallyAt& at, Finish finish, int x_up)
      : DenseKernel(product, at), order_(product.order.begin(), product.order.end()), x_up_(x_up), finish_(finish) {}

  void pack(const MatrixProduct& product, int w_up) {
    products_.n_in = product.n_in;
    products_.n_out = product.n_out;
    set_rounding(product.accum, products_);
    std::vector<std::int64_t> weights;
    for (const int k : order_) {
      for (int j = 0; j < product.n_out; ++j) weights.push_back(static_cast<std::int64_t>(product.at(k, j) << w_up));
    }
    set_wide_weights(products_, weights.data());
    const std::size_t columns = products_.excess.size();
    products_.bias.resize(columns);
    products_.bias.fill(0);
    products_.bias_left.resize(columns);
    products_.bias_left.fill(0);
    for (std::size_t j = 0; j < n_out(); ++j) {
      const Start start = start_of(product, static_cast<int>(j), fit_);
      products_.bias[j] = static_cast<std::int64_t>(start.sum);
      products_.bias_left[j] = start.left ? -1 : 0;
    }
  }

  void run_rows(const Tensor& x, std::size_t first, std::size_t count, Tensor& y, Scratch& scratch, Tally& tally) const override {
    const Rows rows{first, count, y};
    const std::int64_t* from = in_order(x, rows, order_, scratch.wide[1]);
    std::int64_t least = 0;
    std::int64_t most = 0;
    for (std::size_t i = 0; i < count * n_in(); ++i) {
      least = std::min(least, from[i]);
      most = std::max(most, from[i]);
    }
    if (most > limit_ || least < -limit_) return otherwise_->run_rows(x, first, count, y, scratch, tally);
    const Fit fit = most <= stays_ && least >= -stays_ ? Fit::kWrap : fit_;
    const WideRows known{least < 0, terms_are_small(products_, std::max(most, -least) << x_up_)};
    scratch.groups[0].resize(count * products_.row_size());
    split_wide(products_, from, count, x_up_, scratch.groups[0].data());
    const std::size_t stride = products_.bias.size();
    scratch.wide[0].resize(count * stride);
    std::int64_t* sums = scratch.wide[0].data();
    const std::uint64_t left = add_wide_products(products_, fit, known, scratch.groups[0].data(), count, sums);
    tally.counts[at().layer].accum_overflows += left;
    tally.overflowed |= left > 0;
    for (std::size_t r = 1; r < count && stride != n_out(); ++r) std::copy_n(sums + r * stride, n_out(), sums + r * n_out());
    finish_.run(sums, rows, scratch, tally);
  }

  WideProducts products_;
  std::vector<int> order_;
  int x_up_;
  Fit fit_ = Fit::kWrap;     // of each step where |x| is beyond stays_; kWrap: nothing
  std::int64_t limit_ = 0;   // of |x|; others go through 128-bit lanes
  std::int64_t stays_ = -1;  // up to this |x| no sum leaves accum's range
  std::unique_ptr<Large> otherwise_;
  Finish finish_;
};

}  // namespace

std::unique_ptr<DenseKernel> make_wide(const MatrixProduct& product, const TallyAt& at, Counting) { return Wide::make(product, at); }
std::unique_ptr<DenseKernel> make_large(const MatrixProduct& product, const TallyAt& at, Counting) { return Large::make(product, at); }

}  // namespace narrow
