#include "engine/dense/planes.h"

#include <algorithm>
#include <array>
#include <limits>

#include "engine/dense/finish.h"
#include "engine/program.h"
#include "fixed/cast.h"
#include "model/operation.h"

namespace narrow {
namespace {

constexpr int kMaxByte = std::numeric_limits<std::uint8_t>::max();
// int16 planes of wider values: bits of each, and how many of them are still worth it.
constexpr int kPlaneBits = 15;
constexpr int kLeastPlaneBits = 8;
constexpr std::size_t kMaxPlanes = 12;
constexpr std::size_t kMaxProducts = 64;
constexpr std::size_t kFewProducts = 6;  // so many are not worth a search for fewer
// Sums of up to so many bits are put together in 64.
constexpr int kWordSum = 62;
// Others in groups of products whose shifts differ by less than this: kMaxProducts sums of 31 bits, shifted, fit 64.
constexpr int kGroupBits = 26;
constexpr std::size_t kMaxGroups = 6;

// A value cut into parts: value = sum of part p << shifts[p]. All but the last have no sign.
struct Cut {
  std::vector<int> shifts{0};
  std::size_t size() const { return shifts.size(); }
  int width(std::size_t p) const { return shifts[p + 1] - shifts[p]; }  // of all parts but the last
  Int128 part(Int128 value, std::size_t p) const {
    const Int128 rest = value >> shifts[p];
    return p + 1 == size() ? rest : rest & ((static_cast<Int128>(1) << width(p)) - 1);
  }
};

// Int16 parts for the values of the interval, `bits` in each; the last takes what is left, at most `top`, and the sign.
Cut cut(const Interval& values, int bits, Int128 top) {
  Cut cut;
  const Int128 least = top == kMax16 ? -top - 1 : -top;  // of the last part
  while ((values.high >> cut.shifts.back() > top || values.low >> cut.shifts.back() < least) && cut.size() <= kMaxPlanes) {
    cut.shifts.push_back(cut.shifts.back() + bits);
  }
  return cut;
}

// The cuts of inputs and weights with which each pair of parts has sums in int32, whatever the order.
struct Cuts {
  Cut x, weights;
  Int128 column = 0;  // the largest sum of |part of w| over an output's weights
  std::size_t products() const { return x.size() * weights.size(); }
  int shift(std::size_t product) const { return x.shifts[product / weights.size()] + weights.shifts[product % weights.size()]; }
};

Int128 largest_column(const MatrixProduct& product, const Cut& cut) {
  Int128 largest = 0;
  if (cut.size() == 1) {
    for (const Interval& column : column_sums(product)) largest = std::max(largest, column.high - column.low);
    return largest;
  }
  std::vector<Int128> columns(static_cast<std::size_t>(product.n_out));
  for (std::size_t q = 0; q < cut.size(); ++q) {
    std::fill(columns.begin(), columns.end(), 0);
    for (std::size_t i = 0; i < product.weights.size(); ++i) {
      const Int128 w = cut.part(product.weights[i], q);
      columns[i % columns.size()] += w < 0 ? -w : w;
    }
    largest = std::max(largest, *std::max_element(columns.begin(), columns.end()));
  }
  return largest;
}

// With weights cut as they are, inputs in planes of as many bits as these allow.
std::optional<Cuts> cut_inputs(const MatrixProduct& product, Cut weights) {
  Cuts cuts;
  cuts.weights = std::move(weights);
  if (cuts.weights.size() > kMaxPlanes) return std::nullopt;
  cuts.column = largest_column(product, cuts.weights);
  for (int bits = kPlaneBits; bits >= kLeastPlaneBits; --bits) {
    cuts.x = cut(product.x, bits, std::min(kMax16, kMax32 / std::max<Int128>(cuts.column, 1)));
    if (cuts.x.size() > kMaxPlanes || cuts.products() > kMaxProducts) continue;
    const Int128 low_parts = cuts.x.size() > 1 ? (static_cast<Int128>(1) << bits) - 1 : 0;
    const Int128 top_part = std::max(product.x.high >> cuts.x.shifts.back(), -(product.x.low >> cuts.x.shifts.back()));
    if (cuts.column * std::max(low_parts, top_part) <= kMax32) return cuts;
  }
  return std::nullopt;
}

// As few products as there can be: where they are many, weights in planes of fewer bits may leave inputs planes of more.
std::optional<Cuts> find_cuts(const MatrixProduct& product, const Interval& weights) {
  std::optional<Cuts> best = cut_inputs(product, cut(weights, kPlaneBits, kMax16));
  for (int bits = kPlaneBits - 1; bits >= kLeastPlaneBits && (!best || best->products() > kFewProducts); --bits) {
    std::optional<Cuts> cuts = cut_inputs(product, cut(weights, bits, (Int128{1} << bits) - 1));
    if (cuts && (!best || cuts->products() < best->products())) best = std::move(cuts);
  }
  return best;
}

Interval range_of_weights(const MatrixProduct& product) {
  Interval weights;
  for (const Int128 w : product.weights) weights = {std::min(weights.low, w), std::max(weights.high, w)};
  return weights;
}

// The bias with accum's fractional bits, rounded as accum rounds but never brought into its range.
Int128 wide_bias(const MatrixProduct& product, std::size_t j) {
  return cast(product.biases[j], product.bias, unbounded(product.accum)).raw;
}

// The weights as bytes, and for each group of dot8 the largest input for which so many products may be added in 16 bits.
struct Bytes {
  Weights8 weights;
  std::vector<int> limits;
};

Bytes make_bytes(const MatrixProduct& product) {
  std::vector<std::int8_t> narrow(product.weights.size());
  std::transform(product.weights.begin(), product.weights.end(), narrow.begin(), [](Int128 w) { return static_cast<std::int8_t>(w); });
  Bytes bytes{pack8(product.n_in, product.n_out, narrow), {}};
  for (const std::int64_t sum : bytes.weights.sums_of)
    bytes.limits.push_back(static_cast<int>(std::min<std::int64_t>(kMax16 / std::max<std::int64_t>(sum, 1), kMaxByte)));
  return bytes;
}

// The relu of one sum whose inputs and outputs are int16, for whole blocks of outputs: the sums never go to memory.
struct InRegisters {
  Buffer<std::int32_t> bias;  // with half a step for the relu's rounding
  std::int32_t add = 0;       // that half step
  int right = 0;
  std::int32_t high = 0;  // of the output's type
};

// Rows that are read where they lie in a sample, all alike: the weights in the order in which the values lie there, with zeros where a
// run of them has no second value of its last pair.
struct InPlace {
  std::vector<std::int32_t> rows;  // where each row begins in a sample; -1 for one of which some values are no sample's
  std::vector<std::int32_t> pairs;
  Weights16 weights;
};

// Nothing where no row is whole.
std::optional<InPlace> make_in_place(const MatrixProduct& product) {
  const Gather& gather = *product.gather;
  const auto runs_of = [&](std::size_t row) {
    return std::span(gather.runs).subspan(gather.first[row], gather.first[row + 1] - gather.first[row]);
  };
  std::span<const Gather::Run> first;  // the first such row's
  InPlace plan;
  for (std::size_t row = 0; row < gather.rows(); ++row) {
    plan.rows.push_back(-1);
    if (!gather.is_whole(row)) continue;
    const std::span<const Gather::Run> runs = runs_of(row);
    if (first.empty()) first = runs;
    const auto alike = [&](const Gather::Run& a, const Gather::Run& b) {
      return a.to == b.to && a.count == b.count && a.from - runs.front().from == b.from - first.front().from;
    };
    if (std::equal(runs.begin(), runs.end(), first.begin(), first.end(), alike)) plan.rows.back() = runs.front().from;
  }
  if (first.empty()) return std::nullopt;
  std::vector<int> values;  // of a row, in the order of the pairs; -1 for none
  for (const Gather::Run& run : first) {
    for (int i = 0; i < run.count; i += 2) {
      plan.pairs.push_back(run.from - first.front().from + i);
      values.push_back(run.to + i);
      values.push_back(i + 1 < run.count ? run.to + i + 1 : -1);
    }
  }
  plan.weights = pack16(static_cast<int>(values.size()), product.n_out, [&](int i, int j) {
    const int k = values[static_cast<std::size_t>(i)];
    return k < 0 ? Int128{0} : product.at(k, j);
  });
  return plan;
}

// Blocks of rows of a wide type whose inputs turn out to be small: one product, sums that are whole in int32.
struct SmallInputs {
  int limit = 0;  // of |x|
  Buffer<std::int32_t> bias;
  Finish finish;
};

class Planes final : public DenseKernel {
 public:
  static std::unique_ptr<DenseKernel> make(const MatrixProduct& product, const TallyAt& at, Counting counting) {
    const int up = product.accum.fraction() - product.input.fraction() - product.weight.fraction();
    if (up < 0 || product.accum.is_integer) return nullptr;
    const std::optional<ProvenSums> sums = prove_sums(product);
    if (!sums) return nullptr;
    // A saturating sum must stay in range at every step; a wrapping one is brought into range in the end.
    const bool stays = stays_in_accum(product, *sums);
    if (!stays && !wraps(product.accum)) return nullptr;
    const Interval weights = range_of_weights(product);
    std::optional<Finish> finish = Finish::make(product, at, sums->sum, !stays);
    if (!finish) return nullptr;
    std::optional<Cuts> cuts = find_cuts(product, weights);
    if (!cuts || (cuts->shift(cuts->products() - 1) + up) / kGroupBits >= static_cast<int>(kMaxGroups)) return nullptr;
    auto kernel = std::unique_ptr<Planes>(new Planes(product, at, std::move(*cuts), *finish));
    kernel->up_ = up;
    kernel->pack(product);
    if (kernel->cuts_.products() == 1 && up == 0 && sums->magnitude <= kMax32) {
      kernel->plan_one_sum(product, *sums, !stays, counting, weights);
      if (product.gather != nullptr && fits_small(product.input)) kernel->in_place_ = make_in_place(product);
    } else {
      kernel->plan_many_sums(product, *sums, !stays, counting);
      kernel->plan_small_inputs(product, at, !stays);
    }
    return kernel;
  }

  std::string name() const override {
    if (bytes_) return "int8 or int16";
    return cuts_.products() == 1 ? "int16" : "int16 x " + std::to_string(cuts_.products());
  }

 private:
  Planes(const MatrixProduct& product, const TallyAt& at, Cuts cuts, Finish finish)
      : DenseKernel(product, at), cuts_(std::move(cuts)), finish_(finish) {}

  void pack(const MatrixProduct& product) {
    for (std::size_t q = 0; q < cuts_.weights.size(); ++q) {
      planes_.push_back(pack16(product.n_in, product.n_out, [&](int i, int j) { return cuts_.weights.part(product.at(i, j), q); }));
    }
    bias32_.resize(static_cast<std::size_t>(planes_.front().blocks()) * kBlock);
    bias32_.fill(0);
  }

  // Sums that are whole in int32, bias and all.
  void plan_one_sum(const MatrixProduct& product, const ProvenSums& sums, bool wrap, Counting counting, const Interval& weights) {
    for (std::size_t j = 0; j < n_out(); ++j) bias32_[j] = static_cast<std::int32_t>(wide_bias(product, j));
    if (weights.low >= std::numeric_limits<std::int8_t>::min() && weights.high <= std::numeric_limits<std::int8_t>::max() &&
        fits_small(product.input)) {
      bytes_ = make_bytes(product);
    }
    const std::optional<CheckedEpilogue> epilogue = make_epilogue(product, sums.sum, wrap);
    if (!epilogue) return;
    if (epilogue->epilogue.relu && fits_small(product.input) && sums.magnitude + epilogue->epilogue.add <= kMax32) {
      // (max(s, 0) + add) >> right is max((s + add) >> right, 0): add is less than a step.
      InRegisters plan;
      plan.add = epilogue->epilogue.add;
      plan.right = epilogue->epilogue.right;
      plan.high = epilogue->epilogue.high;
      plan.bias.resize(bias32_.size());
      std::transform(bias32_.data(), bias32_.data() + bias32_.size(), plan.bias.data(), [&](std::int32_t b) { return b + plan.add; });
      in_registers_ = std::move(plan);
    }
    if (counting != Counting::kAll) epilogue_ = epilogue;
  }

  // Sums of which each holds a part, or a part of the bits: put together in 64 bits.
  void plan_many_sums(const MatrixProduct& product, const ProvenSums& sums, bool wrap, Counting counting) {
    for (std::size_t j = 0; j < n_out(); ++j) large_bias_.push_back(wide_bias(product, j));
    if (bits_of(magnitude_of(sums.magnitude)) > kWordSum) return;
    bias_.assign(large_bias_.begin(), large_bias_.end());
    large_bias_.clear();
    constexpr std::size_t kMaxSums = 3;
    constexpr int kMaxBits = 62;
    if (!product.relu || product.relu->width > kMaxBits || product.accum != product.result || wrap || cuts_.products() > kMaxSums) return;
    const Format& output = *product.relu;
    const int shift = product.result.fraction() - output.fraction();
    const std::optional<int> halves = halves_to_add(output, true);
    const Int128 add = shift > 0 && halves == 1 ? static_cast<Int128>(1) << (shift - 1) : 0;
    const Int128 range = static_cast<Int128>(1) << output.width;
    if (shift < 0 || shift > kMaxBits || (shift > 0 && !halves) || !(wraps(output) || saturates(output)) || counting == Counting::kAll ||
        sums.magnitude + add + range > (static_cast<Int128>(1) << kMaxBits))
      return;
    wide_epilogue_ = WideEpilogue{up_,
                                  static_cast<std::int64_t>(add),
                                  shift,
                                  saturates(output),
                                  static_cast<std::int64_t>(min_raw(output)),
                                  static_cast<std::int64_t>(max_raw(output))};
  }

  void plan_small_inputs(const MatrixProduct& product, const TallyAt& at, bool wrap) {
    if (up_ != 0 || cuts_.weights.size() != 1 || fits_small(product.input) || !fits_word(product.input) || bias_.empty()) return;
    constexpr Int128 kMaxSum = Int128{1} << 30;
    Int128 bias = 0;
    for (const std::int64_t b : bias_) bias = std::max<Int128>(bias, b < 0 ? -static_cast<Int128>(b) : b);
    const Int128 limit = std::min(kMax16, (kMaxSum - bias) / std::max<Int128>(cuts_.column, 1));
    if (limit < kMaxByte) return;
    // Such sums are in the range of a wide accum.
    const bool wrap_small = wrap && !(product.accum.is_signed && max_raw(product.accum) >= kMaxSum);
    std::optional<Finish> finish = Finish::make(product, at, {-kMaxSum, kMaxSum}, wrap_small);
    if (!finish || !finish->in_32_bits()) return;
    SmallInputs small{static_cast<int>(limit), Buffer<std::int32_t>(bias32_.size()), *finish};
    small.bias.fill(0);
    std::transform(bias_.begin(), bias_.end(), small.bias.data(), [](std::int64_t b) { return static_cast<std::int32_t>(b); });
    small_inputs_ = std::move(small);
  }

  void run_rows(const Tensor& x, std::size_t first, std::size_t count, Tensor& y, Scratch& scratch, Tally& tally) const override {
    const Rows rows{first, count, y};
    if (in_registers_ && !scratch.left[at().layer]) {
      if (run_in_registers(x, rows, scratch, tally)) return;
      scratch.left[at().layer] = true;
    }
    if (small_inputs_ && run_small_inputs(x, rows, scratch, tally)) return;
    if (!bias_.empty() && !wide_epilogue_) return put_together(x, rows, scratch, tally);
    if (!large_bias_.empty()) return put_groups_together(x, rows, scratch, tally);
    multiply(x, rows, scratch);
    if (wide_epilogue_) finish_many_sums(rows, scratch, tally);
    else finish_one_sum(rows, scratch, tally);
  }

  void run_gathered(const Gather& gather, const Tensor& x, std::size_t size, std::size_t samples, Tensor& y, Scratch& scratch,
                    Tally& tally) const override {
    if (!in_place_) return DenseKernel::run_gathered(gather, x, size, samples, y, scratch, tally);
    begin(samples * gather.rows(), y, scratch, tally);
    const std::vector<std::int32_t>& starts = in_place_->rows;
    for (std::size_t s = 0; s < samples; ++s) {
      for (std::size_t row = 0; row < starts.size();) {
        // Rows of one kind.
        std::size_t end = row + 1;
        while (end < starts.size() && end < row + kChunk && (starts[end] < 0) == (starts[row] < 0)) ++end;
        const Rows rows{s * starts.size() + row, end - row, y};
        if (starts[row] < 0) run_window(gather, x, size, rows.first, rows.count, y, scratch, tally);
        else run_in_place(x.s.data() + s * size, {starts.data() + row, in_place_->pairs.data()}, rows, scratch, tally);
        row = end;
      }
    }
  }

  void run_in_place(const std::int16_t* x, const Places& places, const Rows& rows, Scratch& scratch, Tally& tally) const {
    const Weights16& weights = in_place_->weights;
    if (in_registers_ && !scratch.left[at().layer]) {
      const InRegisters& plan = *in_registers_;
      std::int16_t* to = rows.y.s.data() + rows.first * n_out();
      if (took(dot16_relu(weights, x, places, rows.count, plan.bias.data(), plan.add, plan.right, to), tally)) return;
      scratch.left[at().layer] = true;
    }
    scratch.sums[0].resize(rows.count * sums_stride());
    dot16(weights, x, places, rows.count, bias32_.data(), scratch.sums[0].data());
    finish_one_sum(rows, scratch, tally);
  }

  void finish_one_sum(const Rows& rows, Scratch& scratch, Tally& tally) const {
    std::int32_t* sums = scratch.sums[0].data();
    if (epilogue_) tally.overflowed |= epilogue_->run(sums, sums_stride(), n_out(), rows);
    else finish_.run(sums, sums_stride(), rows, scratch, tally);
  }

  std::size_t x_stride() const { return static_cast<std::size_t>(planes_.front().pairs()) * 2; }
  std::size_t sums_stride() const { return static_cast<std::size_t>(planes_.front().blocks()) * kBlock; }

  // False where a value leaves the output's type; y is then of no use.
  bool run_in_registers(const Tensor& x, const Rows& rows, Scratch& scratch, Tally& tally) const {
    const std::int16_t* from = x.s.data() + rows.first * n_in();
    std::int16_t* to = rows.y.s.data() + rows.first * n_out();
    const InRegisters& plan = *in_registers_;
    const std::optional<int> group = pack_bytes(from, rows.count, scratch);
    return took(
        group ? dot8_relu(bytes_->weights, scratch.x8.data(), rows.count, plan.bias.data(), *group, plan.add, plan.right, to)
              : dot16_relu(planes_.front(), paired_rows(from, rows.count, scratch), rows.count, plan.bias.data(), plan.add, plan.right, to),
        tally);
  }

  // False where a value was beyond the output's type.
  bool took(const ReluSeen& seen, Tally& tally) const {
    if (seen.most > in_registers_->high || seen.most >= kMax16) return false;
    tally.counts[*at().relu].zeros += seen.zeros;
    return true;
  }

  // False where an input is too large for it.
  bool run_small_inputs(const Tensor& x, const Rows& rows, Scratch& scratch, Tally& tally) const {
    scratch.x16[0].resize(rows.count * x_stride());
    if (!narrow64(x.w.data() + rows.first * n_in(), rows.count, n_in(), x_stride(), small_inputs_->limit, scratch.x16[0].data()))
      return false;
    scratch.sums[0].resize(rows.count * sums_stride());
    dot16(planes_.front(), scratch.x16[0].data(), rows.count, small_inputs_->bias.data(), scratch.sums[0].data());
    small_inputs_->finish.run(scratch.sums[0].data(), sums_stride(), rows, scratch, tally);
    return true;
  }

  // The rows as bytes, where all of them fit: how many products of each pair may then be added in 16 bits, as a power of two.
  std::optional<int> pack_bytes(const std::int16_t* x, std::size_t rows, Scratch& scratch) const {
    if (!bytes_) return std::nullopt;
    const auto stride = static_cast<std::size_t>(bytes_->weights.fours()) * 4;
    scratch.x8.resize(rows * stride);
    const std::uint16_t most = to_bytes(x, rows, n_in(), stride, scratch.x8.data());
    std::optional<int> group;
    for (std::size_t i = 0; i < bytes_->limits.size() && most <= bytes_->limits[i]; ++i) group = static_cast<int>(i);
    return group;
  }

  // All pairs of parts into scratch.sums.
  void multiply(const Tensor& x, const Rows& rows, Scratch& scratch) const {
    for (std::size_t i = 0; i < cuts_.products(); ++i) scratch.sums[i].resize(rows.count * sums_stride());
    if (x.small && cuts_.x.size() == 1) {
      const std::int16_t* from = x.s.data() + rows.first * n_in();
      if (const std::optional<int> group = pack_bytes(from, rows.count, scratch))
        return dot8(bytes_->weights, scratch.x8.data(), rows.count, bias32_.data(), *group, scratch.sums[0].data());
    }
    for (std::size_t p = 0; p < cuts_.x.size(); ++p) {
      const std::int16_t* part = part_of(x, p, rows, scratch);
      for (std::size_t q = 0; q < planes_.size(); ++q)
        dot16(planes_[q], part, rows.count, bias32_.data(), scratch.sums[p * planes_.size() + q].data());
    }
  }

  // The rows' part p, in pairs.
  const std::int16_t* part_of(const Tensor& x, std::size_t p, const Rows& rows, Scratch& scratch) const {
    const std::size_t at = rows.first * n_in();
    const std::size_t size = rows.count * n_in();
    if (x.small && cuts_.x.size() == 1) return paired_rows(x.s.data() + at, rows.count, scratch);
    Buffer<std::int16_t>& part = scratch.x16[0];
    part.resize(rows.count * x_stride());
    const int shift = cuts_.x.shifts[p];
    const std::int64_t mask = p + 1 == cuts_.x.size() ? -1 : (std::int64_t{1} << cuts_.x.width(p)) - 1;
    if (x.large) {
      for (std::size_t i = 0; i < size; ++i)
        part[i / n_in() * x_stride() + i % n_in()] = static_cast<std::int16_t>(static_cast<std::int64_t>(x.l[at + i] >> shift) & mask);
    } else {
      // The rows' first part has left them in the buffer.
      const std::int64_t* from = x.small && p > 0 ? scratch.wide[1].data() : x.wide(at, size, scratch.wide[1]);
      split_plane(from, rows.count, n_in(), x_stride(), shift, mask, part.data());
    }
    if (x_stride() != n_in()) {
      for (std::size_t r = 0; r < rows.count; ++r) part[r * x_stride() + n_in()] = 0;
    }
    return part.data();
  }

  // All pairs of parts, one after the other: take(shift of its sums, sums).
  template <class Take>
  void for_products(const Tensor& x, const Rows& rows, Scratch& scratch, const Take& take) const {
    scratch.sums[0].resize(rows.count * sums_stride());
    for (std::size_t p = 0; p < cuts_.x.size(); ++p) {
      const std::int16_t* part = part_of(x, p, rows, scratch);
      for (std::size_t q = 0; q < planes_.size(); ++q) {
        dot16(planes_[q], part, rows.count, bias32_.data(), scratch.sums[0].data());
        take(cuts_.x.shifts[p] + cuts_.weights.shifts[q] + up_, scratch.sums[0].data());
      }
    }
  }

  void finish_many_sums(const Rows& rows, Scratch& scratch, Tally& tally) const {
    const std::size_t products = cuts_.products();
    std::array<const std::int32_t*, 3> sums{};
    std::array<int, 3> shifts{};
    for (std::size_t i = 0; i < products; ++i) {
      sums[i] = scratch.sums[i].data();
      shifts[i] = cuts_.shift(i);
    }
    scratch.wide[0].resize(rows.count * n_out());
    std::int64_t* to = rows.y.small ? scratch.wide[0].data() : rows.y.w.data() + rows.first * n_out();
    const std::int64_t most = finish_planes(*wide_epilogue_, sums.data(), shifts.data(), static_cast<int>(products), bias_.data(),
                                            rows.count, n_out(), sums_stride(), to);
    if (rows.y.small) rows.y.put(rows.first * n_out(), rows.count * n_out(), to);
    tally.overflowed |= most > wide_epilogue_->high;
  }

  // Modulo 2^64, which holds the whole sum.
  void put_together(const Tensor& x, const Rows& rows, Scratch& scratch, Tally& tally) const {
    constexpr int kWord = 64;
    scratch.wide[0].resize(rows.count * n_out());
    std::int64_t* to = scratch.wide[0].data();
    for (std::size_t r = 0; r < rows.count; ++r) std::copy(bias_.begin(), bias_.end(), to + r * n_out());
    for_products(x, rows, scratch, [&](int shift, const std::int32_t* sums) {
      if (shift < kWord) add_shifted32(sums, rows.count, n_out(), sums_stride(), shift, to);
    });
    finish_.run(to, rows, scratch, tally);
  }

  void put_groups_together(const Tensor& x, const Rows& rows, Scratch& scratch, Tally& tally) const {
    const std::size_t size = rows.count * n_out();
    const auto groups = static_cast<std::size_t>((cuts_.shift(cuts_.products() - 1) + up_) / kGroupBits + 1);
    for (std::size_t g = 0; g < groups; ++g) {
      scratch.groups[g].resize(size);
      scratch.groups[g].fill(0);
    }
    for_products(x, rows, scratch, [&](int shift, const std::int32_t* sums) {
      add_shifted32(sums, rows.count, n_out(), sums_stride(), shift % kGroupBits,
                    scratch.groups[static_cast<std::size_t>(shift / kGroupBits)].data());
    });
    scratch.large.resize(size);
    for (std::size_t i = 0; i < size; ++i) {
      Uint128 sum = 0;
      for (std::size_t g = groups; g-- > 0;) sum = (sum << kGroupBits) + static_cast<Uint128>(static_cast<Int128>(scratch.groups[g][i]));
      scratch.large[i] = static_cast<Int128>(sum + static_cast<Uint128>(large_bias_[i % n_out()]));
    }
    finish_.run(scratch.large.data(), rows, scratch, tally);
  }

  Cuts cuts_;
  std::vector<Weights16> planes_;   // of the weights
  Buffer<std::int32_t> bias32_;     // goes into the sums, where one sum is all
  std::vector<std::int64_t> bias_;  // else it is added to the 64-bit sum; empty where one sum is all
  std::vector<Int128> large_bias_;  // or to the 128-bit sum
  int up_ = 0;                      // accum's fractional bits less the product's
  std::optional<Bytes> bytes_;
  std::optional<InRegisters> in_registers_;
  std::optional<InPlace> in_place_;
  std::optional<CheckedEpilogue> epilogue_;    // of one sum
  std::optional<WideEpilogue> wide_epilogue_;  // of many
  Finish finish_;                              // of either, for everything else
  std::optional<SmallInputs> small_inputs_;
};

}  // namespace

std::unique_ptr<DenseKernel> make_planes(const MatrixProduct& product, const TallyAt& at, Counting counting) {
  return Planes::make(product, at, counting);
}

}  // namespace narrow
