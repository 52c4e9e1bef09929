#include "engine/dense/rounding.h"

#include <algorithm>

#include "engine/dense/finish.h"
#include "fixed/cast.h"

namespace narrow {
namespace {

// Accum's rounding of products, or nothing where their signs are not known and decide it.
std::optional<TermRounding> plan_rounding(const MatrixProduct& product, int drop) {
  using Kind = TermRounding::Kind;
  const auto half = static_cast<std::int16_t>(1 << (drop - 1));
  const auto below = static_cast<std::int16_t>(half - 1);
  const auto most = static_cast<std::int16_t>((1 << drop) - 1);
  const bool nonnegative = product.x.low >= 0;  // a product then has its weight's sign
  switch (product.accum.rounding) {
    case Rounding::kTrn: return TermRounding{Kind::kFloor, drop, 0, 0};
    case Rounding::kRnd: return TermRounding{Kind::kAdd, drop, half, half};
    case Rounding::kRndMinInf: return TermRounding{Kind::kAdd, drop, below, below};
    case Rounding::kRndConv: return TermRounding{Kind::kEven, drop, below, below};
    case Rounding::kTrnZero: return nonnegative ? std::optional(TermRounding{Kind::kAdd, drop, 0, most}) : std::nullopt;
    case Rounding::kRndInf: return nonnegative ? std::optional(TermRounding{Kind::kAdd, drop, half, below}) : std::nullopt;
    case Rounding::kRndZero: return nonnegative ? std::optional(TermRounding{Kind::kAdd, drop, below, half}) : std::nullopt;
  }
  return std::nullopt;
}

// The weights of some k, and where these begin.
struct Part {
  std::size_t first = 0;
  Weights16 weights;
};

class RoundingKernel final : public DenseKernel {
 public:
  static std::unique_ptr<DenseKernel> make(const MatrixProduct& product, const TallyAt& at, Counting counting) {
    const Format& accum = product.accum;
    const int drop = product.input.fraction() + product.weight.fraction() - accum.fraction();
    constexpr int kMaxDrop = 15;
    constexpr int kMaxAccum = 31;
    if (drop < 1 || drop > kMaxDrop || accum.is_integer || accum.width > kMaxAccum || !fits_small(product.input)) return nullptr;
    const std::optional<ProvenSums> proven = prove_sums(product);
    if (!proven || proven->magnitude > kMax32) return nullptr;
    const bool stays = stays_in_accum(product, *proven);
    if (!stays && !wraps(accum)) return nullptr;
    const std::optional<TermRounding> rounding = plan_rounding(product, drop);
    std::vector<Part> parts = cut(product, drop);
    if (!rounding || parts.empty()) return nullptr;
    const bool wrap = !proven->sum.within({min_raw(accum), max_raw(accum)});
    std::optional<Finish> finish = Finish::make(product, at, proven->sum, wrap);
    if (!finish) return nullptr;
    auto kernel = std::unique_ptr<RoundingKernel>(new RoundingKernel(product, at, *rounding, std::move(parts), *finish));
    if (counting != Counting::kAll) kernel->epilogue_ = make_epilogue(product, proven->sum, wrap);
    return kernel;
  }

  std::string name() const override { return "rounding int16"; }

 private:
  RoundingKernel(const MatrixProduct& product, const TallyAt& at, const TermRounding& rounding, std::vector<Part> parts, Finish finish)
      : DenseKernel(product, at),
        rounding_(rounding),
        parts_(std::move(parts)),
        bias_(static_cast<std::size_t>(parts_.front().weights.blocks()) * kBlock),
        finish_(finish) {
    bias_.fill(0);
    const Format exact = unbounded(product.accum);
    for (std::size_t j = 0; j < n_out(); ++j) bias_[j] = static_cast<std::int32_t>(cast(product.biases[j], product.bias, exact).raw);
  }

  // As few parts as have sums, times 2^drop, that fit int32; none where a weight has more than 16 bits.
  static std::vector<Part> cut(const MatrixProduct& product, int drop) {
    const auto size_of = [&](Int128 w) { return (w < 0 ? -w : w) * product.x.magnitude() + (Int128{2} << drop); };
    for (const Int128 w : product.weights) {
      if (w > kMax16 || w < -kMax16 - 1) return {};
    }
    constexpr int kMaxParts = 8;
    for (int parts = 1; parts <= kMaxParts; parts *= 2) {
      const int length = (product.n_in + 2 * parts - 1) / (2 * parts) * 2;
      Int128 largest = 0;
      for (int j = 0; j < product.n_out; ++j) {
        for (int first = 0; first < product.n_in; first += length) {
          Int128 sum = Int128{2} << drop;  // for a product of padding
          for (int k = first; k < std::min(first + length, product.n_in); ++k) sum += size_of(product.at(k, j));
          largest = std::max(largest, sum);
        }
      }
      if (largest > kMax32) continue;
      std::vector<Part> found;
      for (int first = 0; first < product.n_in; first += length) {
        found.push_back({static_cast<std::size_t>(first), pack16(std::min(length, product.n_in - first), product.n_out,
                                                                 [&](int i, int j) { return product.at(first + i, j); })});
      }
      return found;
    }
    return {};
  }

  void run_rows(const Tensor& x, std::size_t first, std::size_t count, Tensor& y, Scratch& scratch, Tally& tally) const override {
    const Rows rows{first, count, y};
    scratch.sums[0].resize(count * bias_.size());
    std::int32_t* sums = scratch.sums[0].data();
    for (std::size_t r = 0; r < count; ++r) std::copy_n(bias_.data(), bias_.size(), sums + r * bias_.size());
    const std::int16_t* from = paired_rows(x.s.data() + first * n_in(), count, scratch);
    const std::size_t stride = n_in() + n_in() % 2;
    for (const Part& part : parts_) dot16_rounded(part.weights, rounding_, from + part.first, stride, count, sums);
    if (epilogue_) tally.overflowed |= epilogue_->run(sums, bias_.size(), n_out(), rows);
    else finish_.run(sums, bias_.size(), rows, scratch, tally);
  }

  TermRounding rounding_;
  std::vector<Part> parts_;
  Buffer<std::int32_t> bias_;
  std::optional<CheckedEpilogue> epilogue_;
  Finish finish_;
};

}  // namespace

std::unique_ptr<DenseKernel> make_rounding(const MatrixProduct& product, const TallyAt& at, Counting counting) {
  return RoundingKernel::make(product, at, counting);
}

}  // namespace narrow
