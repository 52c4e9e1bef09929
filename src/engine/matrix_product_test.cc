// Every kernel of a matrix product, and every proof that it stands on, against its definition: one operation after the other by
// fixed/cast.h. Products are drawn directly, at the ends of every range, not by way of networks.
#include "engine/matrix_product.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>

#include "engine/dense/high_half.h"
#include "engine/dense/lanes.h"
#include "engine/dense/planes.h"
#include "engine/dense/rounding.h"
#include "engine/dense/saturating.h"
#include "engine/dense/watched.h"
#include "engine/dense/wide.h"
#include "engine/program.h"
#include "engine/random_program.h"
#include "fixed/cast.h"

namespace narrow {
namespace {

// A MatrixProduct with the memory that it refers to.
struct Drawn {
  std::vector<Int128> weights, biases;
  std::vector<int> order;
  MatrixProduct product;

  std::string describe() const {
    std::string text = std::to_string(product.n_in) + " x " + std::to_string(product.n_out);
    const auto add = [&](const char* name, const Format& format) { text += std::string(", ") + name + " " + to_string(format); };
    add("input", product.input);
    add("weight", product.weight);
    add("bias", product.bias);
    add("accum", product.accum);
    add("result", product.result);
    if (product.relu) add("relu", *product.relu);
    return text + ", x from " + std::to_string(static_cast<long long>(product.x.low)) + " to " +
           std::to_string(static_cast<long long>(product.x.high)) + ", word of " + std::to_string(product.word_bits);
  }
};

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed) {}

  int number(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  bool one_in(int n) { return number(1, n) == 1; }
  Int128 between(Int128 low, Int128 high) {
    const Uint128 span = static_cast<Uint128>(high) - static_cast<Uint128>(low);
    const Uint128 drawn = static_cast<Uint128>(random_()) << 64 | random_();
    return static_cast<Int128>(static_cast<Uint128>(low) + (span + 1 == 0 ? drawn : drawn % (span + 1)));
  }
  // Often an end, or beside one, or small.
  Int128 value(const Interval& range) {
    switch (number(0, 7)) {
      case 0: return range.low;
      case 1: return range.high;
      case 2: return std::clamp<Int128>(0, range.low, range.high);
      case 3: return std::clamp<Int128>(number(-3, 3), range.low, range.high);
      default: return between(range.low, range.high);
    }
  }

  Format format(int max_width) {
    Format format;
    format.width = one_in(6) ? number(1, 2) : number(1, max_width);
    format.integer = number(-2, format.width + 2);
    format.is_signed = !one_in(5);
    modes(format);
    if (one_in(20)) format = {format.width, format.width, format.is_signed, true, Rounding::kTrn, Overflow::kWrap, 0};
    return format;
  }
  void modes(Format& format) {
    if (one_in(2)) format.rounding = static_cast<Rounding>(number(0, kRoundings - 1));
    if (one_in(2)) format.overflow = static_cast<Overflow>(number(0, 2));
    if (one_in(20)) format.overflow = format.is_signed ? Overflow::kWrapSm : Overflow::kWrap;
    if (one_in(12) && format.overflow == Overflow::kWrap) format.saturated_bits = number(0, format.width);
  }

  static Format ap_int(int width) { return parse_format("ap_int<" + std::to_string(width) + ">"); }

  // Types for everything: one for all (and other modes in the sums), sums that hold everything or nearly, or any.
  void formats(MatrixProduct& product) {
    const int max_width = one_in(3) ? 33 : one_in(4) ? 64 : 16;  // 32 bits are the most that lanes take
    product.input = format(max_width);
    product.weight = format(max_width);
    product.bias = one_in(2) ? product.weight : format(max_width);
    product.accum = format(max_width + 4);
    if (one_in(3)) {
      product.input.width = number(2, max_width == 64 ? 64 : 24);
      product.input.integer = product.input.is_integer ? product.input.width : number(1, product.input.width);
      product.input.saturated_bits = 0;
      product.weight = product.input;
      product.bias = product.input;
      product.accum = product.input;
      if (!product.accum.is_integer) modes(product.accum);
    } else if (one_in(2)) {
      product.accum.width = std::min(126, product.input.width + product.weight.width + number(-6, 6));
      product.accum.width = std::max(1, product.accum.width);
      const int fraction = product.input.fraction() + product.weight.fraction() + number(0, 1);
      product.accum.integer = product.accum.width - fraction;
      product.accum.is_integer = false;
      product.accum.saturated_bits = std::min(product.accum.saturated_bits, product.accum.width);
    }
    if (one_in(8)) {
      product.input = product.weight = product.bias = product.accum = fixed(number(2, 16), 0);
      for (Format* format : {&product.input, &product.weight, &product.bias, &product.accum}) format->integer = number(0, format->width);
      product.result = product.accum;
      if (one_in(2)) product.relu = product.result;
      return;
    }
    product.result = one_in(4) ? format(max_width) : product.accum;
    // What has no integer bits becomes -1 as an ap_int where it is negative.
    const int fraction = product.input.fraction() + product.weight.fraction();
    if (one_in(20) && fraction > 0 && !product.accum.is_integer) {
      product.accum.width = fraction + number(0, 2);
      product.accum.integer = number(0, 1);
      product.accum.saturated_bits = 0;
      product.result = ap_int(number(1, 8));
    } else if (one_in(20)) {
      product.accum = ap_int(number(1, 8));
      for (Format* format : {&product.input, &product.weight, &product.bias})
        format->integer = format->is_integer ? format->width : number(0, 1);
      product.result = one_in(2) ? product.accum : product.result;
    }
    if (!one_in(3)) product.relu = one_in(3) ? product.result : format(max_width);
  }

  Interval inputs(const Format& format) {
    const Interval all{min_raw(format), max_raw(format)};
    if (one_in(3)) return all;
    if (one_in(4)) {
      const Int128 constant = value(all);
      return {constant, constant};
    }
    const Int128 a = value(all);
    const Int128 b = value(all);
    return one_in(2) ? Interval{std::max<Int128>(0, std::min(a, b)), std::max<Int128>(0, std::max(a, b))}
                     : Interval{std::min(a, b), std::max(a, b)};
  }

  Drawn drawn() {
    Drawn drawn;
    MatrixProduct& product = drawn.product;
    do {
      formats(product);
      if (one_in(6)) wide(product);
      product.n_in = one_in(4) ? number(30, 90) : number(1, 12);
    } while (!fit_128(product));
    product.n_out = one_in(3) ? 16 * number(1, 4) : number(1, 40);
    product.x = inputs(product.input);
    if (one_in(8)) saturating(product);
    // Of few bits, of one sign, or of the whole range; columns of zeros stand for dead nodes.
    Interval weights{min_raw(product.weight), max_raw(product.weight)};
    if (one_in(2)) {
      const int bits = number(1, 12);
      weights = {weights.low >> std::min(bits, product.weight.width), weights.high >> std::min(bits, product.weight.width)};
    }
    if (one_in(5)) weights.low = 0;
    else if (one_in(5)) weights.high = 0;
    if (one_in(10)) weights.high = weights.low;
    if (one_in(8)) bytes(product, weights);
    const bool dead = one_in(6);
    for (int i = 0; i < product.n_in * product.n_out; ++i) drawn.weights.push_back(dead && one_in(2) ? Int128{0} : value(weights));
    Interval biases{min_raw(product.bias), max_raw(product.bias)};
    if (one_in(2)) biases = {biases.low / 64, biases.high / 64};
    const bool none = one_in(4);
    for (int j = 0; j < product.n_out; ++j) drawn.biases.push_back(none ? Int128{0} : value(biases));
    if (one_in(5) && !product.accum.is_integer) push_sums_to_ends(drawn);
    for (int k = 0; k < product.n_in; ++k) drawn.order.push_back(k);
    if (one_in(4)) std::shuffle(drawn.order.begin(), drawn.order.end(), random_);
    settle(drawn);
    return drawn;
  }

  // Products of more than 32 bits, at the edges of 64 and 128, into sums that hold them or that lose some.
  void wide(MatrixProduct& product) {
    const int bits = one_in(2) ? number(60, 68) : number(70, 127);
    const int width = number(std::max(2, bits - 64), std::min(64, bits - 2));
    product.input = fixed(width, number(0, width));
    product.weight = fixed(bits - width, number(0, bits - width));
    product.bias = one_in(2) ? product.weight : format(64);
    const int fraction = product.input.fraction() + product.weight.fraction();
    if (one_in(2)) {  // exact
      product.accum = fixed(std::min(126, bits + number(-2, 8)), 0);
      product.accum.integer = product.accum.width - fraction;
    } else {
      product.accum = fixed(one_in(2) ? number(58, 68) : number(20, 126), 0);
      product.accum.integer = product.accum.width - fraction + number(0, 64);
    }
    if (one_in(2)) product.accum.rounding = static_cast<Rounding>(number(0, kRoundings - 1));
    if (one_in(2)) product.accum.overflow = static_cast<Overflow>(number(0, kOverflows - 1));
    constexpr int kWord = 64;
    if (one_in(3) && product.accum.width <= kWord && product.accum.overflow != Overflow::kWrapSm) product.accum.is_signed = false;
    product.result = product.accum;
    if (one_in(3)) product.result = format(64);
    product.relu = std::nullopt;
    if (one_in(2)) product.relu = one_in(2) ? product.result : format(64);
  }
  // Whether the definition's arithmetic holds the whole sum.
  static bool fit_128(const MatrixProduct& product) {
    constexpr int kMost = 126;
    const int up = product.accum.fraction() - product.input.fraction() - product.weight.fraction();
    const int bias_up = product.accum.fraction() - product.bias.fraction();
    const auto bits = [](const Format& format) { return format.width - (format.is_signed ? 1 : 0); };
    return bits(product.input) + bits(product.weight) + std::max(up, 0) + bits_of(product.n_in) <= kMost && product.accum.width <= kMost &&
           bits(product.bias) + std::max(bias_up, 0) <= kMost - 1 && product.input.width + product.weight.width <= kMost;
  }

  // Sums of at most 16 bits that saturate, with any rounding, of products with some more fractional bits.
  void saturating(MatrixProduct& product) {
    product.input = fixed(number(6, 16), number(0, 6));
    product.weight = fixed(number(6, 16), number(0, 6));
    product.bias = one_in(2) ? product.weight : fixed(number(4, 16), number(0, 8));
    product.accum = fixed(number(2, 16), 0);
    product.accum.integer = product.accum.width - (product.input.fraction() + product.weight.fraction()) + number(0, 18);
    product.accum.rounding = static_cast<Rounding>(number(0, kRoundings - 1));
    product.accum.overflow = one_in(3) ? Overflow::kSatSym : Overflow::kSat;
    product.result = product.accum;
    if (product.relu && one_in(2)) product.relu = product.accum;
    product.x = inputs(product.input);
    if (one_in(2)) product.x = {0, max_raw(product.input)};
  }

  // Inputs that fill a byte, or one more, and weights that fill one with a sign.
  void bytes(MatrixProduct& product, Interval& weights) {
    product.input = fixed(number(10, 16), number(1, 10));
    product.weight = fixed(number(9, 14), number(1, 9));
    const int fraction = product.input.fraction() + product.weight.fraction();
    product.accum = product.result = fixed(number(24, 40), 0);
    product.accum.integer = product.result.integer = product.accum.width - fraction;
    product.x = {0, 255 + number(0, 1)};
    weights = {-127 - number(0, 2), 126 + number(0, 2)};
  }

  // Biases with which the largest or the smallest sum of every output lies at the end of accum's range, of 16 or of 32 bits.
  void push_sums_to_ends(Drawn& drawn) {
    MatrixProduct& product = drawn.product;
    const bool highest = one_in(2);
    const Int128 ends[] = {max_raw(product.accum), (Int128{1} << 31) - 1, (Int128{1} << 15) - 1};
    const Int128 end = ends[number(0, 2)];
    const bool same = one_in(2);
    const int beside = number(-2, 2);
    product.bias = fixed(2, 2 - product.accum.fraction());
    for (std::size_t j = 0; j < drawn.biases.size(); ++j) {
      Int128 sum = 0;
      for (std::size_t i = j; i < drawn.weights.size(); i += drawn.biases.size()) {
        const Int128 w = drawn.weights[i];
        const Int128 exact = w * ((w < 0) == highest ? product.x.low : product.x.high);
        sum += cast(exact, product.input.fraction() + product.weight.fraction(), unbounded(product.accum)).raw;
      }
      drawn.biases[j] = (highest ? end : -end - 1) + (same ? beside : number(-2, 2)) - sum;
      product.bias.width = std::max(product.bias.width, bits_of(magnitude(drawn.biases[j])) + 1);
    }
    product.bias.integer = product.bias.width - product.accum.fraction();
  }

  // What follows from the rest: the spans, and the bits of a word by the rule of layers/dense.cc.
  static void settle(Drawn& drawn) {
    MatrixProduct& product = drawn.product;
    product.product_integer = product.input.integer + product.weight.integer;
    product.weights = drawn.weights;
    product.biases = drawn.biases;
    product.order = drawn.order;
    const int up = product.accum.fraction() - product.input.fraction() - product.weight.fraction();
    const int bias_up = product.accum.fraction() - product.bias.fraction();
    Int128 largest = 0;
    for (int j = 0; j < product.n_out; ++j) {
      Int128 sum = 0;
      for (int k = 0; k < product.n_in; ++k) sum += magnitude(product.at(k, j));
      largest = std::max(largest, sum * Interval{min_raw(product.input), max_raw(product.input)}.magnitude());
    }
    constexpr int kMost = 120;
    if (bits_of(largest) + std::abs(up) > kMost || product.accum.width + std::abs(bias_up) > kMost ||
        product.bias.width + bias_up > kMost) {
      product.word_bits = kMaxSumWidth;
      product.relu_word_bits = product.relu ? cast_bits(product.result, *product.relu) : 0;
      return;
    }
    const auto aligned = [](Int128 value, int shift) { return shift >= 0 ? value << shift : value + 1; };
    Int128 bias = 0;
    for (const Int128 b : drawn.biases) bias = std::max(bias, magnitude(b));
    const Int128 sum =
        aligned(largest, up) + aligned(bias, bias_up) + (up < 0 ? Int128{1} << -up : 0) + product.n_in + (Int128{1} << product.accum.width);
    product.word_bits = std::max(bits_of(sum) + 1, cast_bits(product.accum, product.result));
    product.relu_word_bits = product.relu ? cast_bits(product.result, *product.relu) : 0;
  }

  // Rows whose values are at the ends, anywhere, small, or one value, and those that make the largest sums.
  std::vector<Int128> rows(const MatrixProduct& product, std::size_t count) {
    std::vector<Int128> x;
    while (x.size() < count * static_cast<std::size_t>(product.n_in)) {
      Interval range = product.x;
      if (one_in(2)) {
        const int bits = number(1, 14);
        range = {std::clamp<Int128>(range.low >> bits, product.x.low, product.x.high),
                 std::clamp<Int128>(range.high >> bits, product.x.low, product.x.high)};
      }
      if (one_in(4)) {  // the largest or the smallest sum of an output
        const int j = number(0, product.n_out - 1);
        const bool highest = one_in(2);
        for (int k = 0; k < product.n_in; ++k) x.push_back((product.at(k, j) < 0) == highest ? product.x.low : product.x.high);
        continue;
      }
      const bool same = one_in(4);
      const Int128 one = value(range);
      for (int k = 0; k < product.n_in; ++k) x.push_back(same ? one : value(range));
    }
    return x;
  }

 private:
  static Int128 magnitude(Int128 value) { return value < 0 ? -value : value; }
  static int bits_of(Int128 value) {
    int bits = 0;
    for (; value > 0; value >>= 1) ++bits;
    return bits;
  }
  static int cast_bits(const Format& from, const Format& to) {
    return std::max(from.width + 2 + std::max(0, to.fraction() - from.fraction()), to.width + 1) + 1;
  }
  std::mt19937_64 random_;
};

// The definition.
struct Expected {
  std::vector<Int128> y;
  LayerCounts dense, relu;
  bool overflowed() const { return dense.overflows + dense.accum_overflows + relu.overflows > 0; }
};

// One output of one row; `step` sees every value that is brought into accum, before and after.
using Steps = std::function<void(Int128 raw, int fraction, const CastResult& result)>;
Int128 sum_of(const MatrixProduct& product, const Int128* x, int j, const Steps& step) {
  const Format& accum = product.accum;
  const int fraction = product.input.fraction() + product.weight.fraction();
  const bool no_integer_bits = product.product_integer <= 0;
  const auto bring = [&](Int128 raw, int from, const CastResult& result) {
    step(raw, from, result);
    return result.raw;
  };
  const Int128 bias = product.biases[static_cast<std::size_t>(j)];
  Int128 sum = bring(bias, product.bias.fraction(), cast(bias, product.bias, accum));
  for (const int k : product.order) {
    const Int128 exact = x[k] * product.at(k, j);
    const Int128 term = bring(exact, fraction, cast(exact, fraction, accum, no_integer_bits));
    sum = bring(sum + term, accum.fraction(), cast(sum + term, accum.fraction(), accum));
  }
  return sum;
}

Expected define(const MatrixProduct& product, const std::vector<Int128>& x, std::size_t rows) {
  Expected expected;
  const Format exact_type = unbounded(product.accum);
  const auto count = [](LayerCounts& counts, const CastResult& result, Int128 before) {
    counts.overflows += result.overflow ? 1 : 0;
    counts.zeros += before != 0 && result.raw == 0 && !result.overflow ? 1 : 0;
    return result.raw;
  };
  for (std::size_t r = 0; r < rows; ++r) {
    for (int j = 0; j < product.n_out; ++j) {
      bool changed = false;
      Int128 turned = 0;
      Int128 value = sum_of(product, x.data() + r * static_cast<std::size_t>(product.n_in), j,
                            [&](Int128 raw, int fraction, const CastResult& result) {
                              const CastResult exact = cast(raw, fraction, exact_type);
                              changed |= exact.overflow || exact.raw != result.raw;
                              turned += exact.raw - result.raw;
                            });
      expected.dense.accum_overflows += (wraps(product.accum) ? turned != 0 : changed) ? 1 : 0;
      if (product.accum != product.result) value = count(expected.dense, cast(value, product.accum, product.result), value);
      if (product.relu) {
        const Int128 positive = std::max<Int128>(value, 0);
        value = count(expected.relu, cast(positive, product.result, *product.relu), positive);
      }
      expected.y.push_back(value);
    }
  }
  expected.dense.values = expected.y.size();
  expected.relu.values = product.relu ? expected.y.size() : 0;
  return expected;
}

using Make = std::unique_ptr<DenseKernel> (*)(const MatrixProduct&, const TallyAt&, Counting);
struct Kind {
  const char* name;
  Make make;
};
constexpr Kind kKinds[] = {
    {"planes", make_planes},
    {"rounding", make_rounding},
    {"high_half", make_high_half},
    {"saturating", make_saturating},
    {"wide", make_wide},
    {"large", make_large},
    {"watched", [](const MatrixProduct& product, const TallyAt& at, Counting) { return make_watched(product, at); }},
    {"lanes", [](const MatrixProduct& product, const TallyAt& at, Counting) { return make_lanes(product, at); }},
};

class KernelOn : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { hwy::SetSupportedTargetsForTest(hwy::SupportedTargets() & ~(GetParam() - 1)); }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }
};

void expect_defined(const Kind& kind, const DenseKernel& kernel, Counting counting, const Drawn& drawn, const std::vector<Int128>& values,
                    std::size_t rows, const Expected& expected, const std::string& what) {
  Tensor x;
  x.hold(drawn.product.input);
  x.resize(values.size());
  x.put(0, values.size(), values.data());
  Tensor y;
  Scratch scratch;
  Tally tally;
  tally.counts.resize(2);
  kernel.run(x, rows, y, scratch, tally);
  const std::string where = std::string(kind.name) + " (" + kernel.name() + "), " + what + ": " + drawn.describe();
  for (std::size_t i = 0; i < expected.y.size(); ++i) ASSERT_EQ(y[i], expected.y[i]) << "value " << i << " of " << where;
  if (counting != Counting::kNone) {
    ASSERT_EQ(tally.overflowed, expected.overflowed()) << where;
  }
  if (counting == Counting::kAll) {
    ASSERT_EQ(tally.counts[0], expected.dense) << where;
    ASSERT_EQ(tally.counts[1], expected.relu) << where;
  }
}

TEST_P(KernelOn, GivesTheDefinitionsBits) {
  const std::uint64_t seed = number_from_environment("NARROW_SEED", 1);
  const std::uint64_t cases = number_from_environment("NARROW_CASES", 6000);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::map<std::string, int> made;
  for (std::uint64_t i = 0; i < cases; ++i) {
    Draw draw(seed * 1'000'003 + i);
    const Drawn drawn = draw.drawn();
    const std::size_t rows = draw.one_in(8) ? 50 : static_cast<std::size_t>(draw.number(1, 11));
    const std::vector<Int128> x = draw.rows(drawn.product, rows);
    std::optional<Expected> expected;
    for (const Kind& kind : kKinds) {
      for (const Counting counting : {Counting::kNone, Counting::kOverflow, Counting::kAll}) {
        const TallyAt at{0, drawn.product.relu ? std::optional<std::size_t>(1) : std::nullopt};
        const auto kernel = kind.make(drawn.product, at, counting);
        if (!kernel) continue;
        ++made[kind.name];
        if (!expected) expected = define(drawn.product, x, rows);
        expect_defined(kind, *kernel, counting, drawn, x, rows, *expected, "seed " + std::to_string(seed) + ", case " + std::to_string(i));
        if (HasFatalFailure()) return;
      }
    }
  }
  // Products are drawn so that each kernel is put to the test.
  for (const Kind& kind : kKinds) EXPECT_GT(made[kind.name], static_cast<int>(cases / 100)) << kind.name;
}

INSTANTIATE_TEST_SUITE_P(EveryTarget, KernelOn, testing::ValuesIn(kernel_targets()),
                         [](const auto& target) { return std::string(hwy::TargetName(target.param)); });

// A negative bias into an unsigned sum that saturates: what it loses there does not come back.
TEST(Proof, NegativeBiasLeavesAnUnsignedSum) {
  Drawn drawn;
  MatrixProduct& product = drawn.product;
  product.n_in = 1;
  product.n_out = 1;
  product.input = ufixed(8, 8);
  product.weight = fixed(8, 8);
  product.bias = fixed(8, 8);
  product.accum = ufixed(16, 16);
  product.accum.overflow = Overflow::kSat;
  product.result = product.accum;
  product.x = {100, 200};
  drawn.weights = {1};
  drawn.biases = {-50};
  drawn.order = {0};
  Draw::settle(drawn);
  const std::vector<Int128> x{100};
  const Expected expected = define(product, x, 1);
  EXPECT_EQ(expected.y.front(), 100);
  EXPECT_FALSE(stays_in_accum(product, *prove_sums(product)));
  const auto kernel = choose_dense_kernel(product, {0, std::nullopt}, Counting::kAll);
  ASSERT_NE(kernel, nullptr);
  expect_defined({"chosen", nullptr}, *kernel, Counting::kAll, drawn, x, 1, expected, "negative bias");
}

// 2^31 - 1 fits 32 bits, and half a step more does not.
TEST(Proof, ASumAtTheEndOf32BitsIsRoundedInMore) {
  for (const char* relu : {"ap_fixed<16,24,AP_RND,AP_SAT>", "ap_fixed<20,24,AP_RND_CONV>", "ap_fixed<16,17,AP_RND,AP_SAT>"}) {
    Drawn drawn;
    MatrixProduct& product = drawn.product;
    product.n_in = 2;
    product.n_out = 1;
    product.input = product.weight = fixed(16, 16);
    product.bias = fixed(19, 19);
    product.accum = product.result = fixed(40, 40);
    product.relu = parse_format(relu);
    product.x = {0, 32767};
    drawn.weights = {32767, 32767};
    drawn.biases = {(Int128{1} << 31) - 1 - 2 * 32767 * 32767};
    drawn.order = {0, 1};
    Draw::settle(drawn);
    const std::vector<Int128> x{32767, 32767, 32767, 32766, 0, 0};
    const Expected expected = define(product, x, 3);
    for (const Counting counting : {Counting::kNone, Counting::kOverflow, Counting::kAll}) {
      const auto kernel = choose_dense_kernel(product, {0, 1}, counting);
      ASSERT_NE(kernel, nullptr);
      expect_defined({"chosen", nullptr}, *kernel, counting, drawn, x, 3, expected, relu);
    }
  }
}

// One output, types of whole numbers without modes; the chosen kernel against the definition.
void expect_chosen(const Interval& x, const std::vector<Int128>& weights, Int128 bias, const Format& sum, const std::vector<Int128>& rows,
                   int input_width = 16) {
  Drawn drawn;
  MatrixProduct& product = drawn.product;
  product.n_in = static_cast<int>(weights.size());
  product.n_out = 1;
  product.input = fixed(input_width, input_width);
  product.weight = fixed(16, 16);
  product.bias = fixed(40, 40);
  product.accum = product.result = sum;
  product.x = x;
  drawn.weights = weights;
  drawn.biases = {bias};
  for (int k = 0; k < product.n_in; ++k) drawn.order.push_back(k);
  Draw::settle(drawn);
  const std::size_t count = rows.size() / weights.size();
  const Expected expected = define(product, rows, count);
  for (const Counting counting : {Counting::kNone, Counting::kOverflow, Counting::kAll}) {
    const auto kernel = choose_dense_kernel(product, {0, std::nullopt}, counting);
    ASSERT_NE(kernel, nullptr);
    expect_defined({"chosen", nullptr}, *kernel, counting, drawn, rows, count, expected, "by hand");
  }
}

// One more than the type holds is told, on either side.
TEST(Proof, ASumOneBesideItsTypeIsAnOverflow) {
  expect_chosen({0, 127}, {1}, 1, fixed(8, 8), {127});
  expect_chosen({0, 127}, {1}, 1, fixed(8, 8), {126});
  expect_chosen({-128, 0}, {1}, -1, fixed(8, 8), {-128});
  expect_chosen({-128, 0}, {1}, -1, fixed(8, 8), {-127});
}

// A bias that no 128 bits hold in accum's steps becomes 0, as it does without any range: it has left the range all the same.
TEST(Proof, ABiasFarBeyondASumThatBecomesZeroIsAnOverflow) {
  Drawn drawn;
  MatrixProduct& product = drawn.product;
  product.n_in = product.n_out = 1;
  product.input = fixed(64, 2);
  product.weight = fixed(62, 2);
  product.bias = fixed(8, 8);
  product.accum = product.result = parse_format("ap_fixed<62,-60,AP_TRN,AP_SAT_ZERO>");
  product.x = {0, 0};
  drawn.weights = {1};
  drawn.biases = {16};
  drawn.order = {0};
  Draw::settle(drawn);
  const std::vector<Int128> x{0};
  const Expected expected = define(product, x, 1);
  std::map<std::string, int> made;
  for (const Kind& kind : kKinds) {
    for (const Counting counting : {Counting::kNone, Counting::kOverflow, Counting::kAll}) {
      const auto kernel = kind.make(product, {0, std::nullopt}, counting);
      if (kernel == nullptr) continue;
      ++made[kind.name];
      expect_defined(kind, *kernel, counting, drawn, x, 1, expected, "by hand");
    }
  }
  EXPECT_GT(made["wide"], 0);
}

// Products of 126 bits whose sum no 128 bits are proven to hold before they are rounded.
TEST(Proof, SumsOf128BitsWrapWhenTheyAreRounded) {
  Drawn drawn;
  MatrixProduct& product = drawn.product;
  product.n_in = 4;
  product.n_out = 2;
  product.input = fixed(64, 2);
  product.weight = fixed(61, 1);
  product.bias = product.accum = product.result = fixed(64, 2);
  product.x = {min_raw(product.input), max_raw(product.input)};
  for (int i = 0; i < 8; ++i) drawn.weights.push_back(i % 3 == 0 ? min_raw(product.weight) : max_raw(product.weight) - i);
  drawn.biases = {max_raw(product.bias), -1};
  drawn.order = {0, 1, 2, 3};
  Draw::settle(drawn);
  ASSERT_FALSE(prove_sums(product).has_value());
  std::vector<Int128> x(8, product.x.low);
  for (int i = 3; i < 8; ++i) x[static_cast<std::size_t>(i)] = product.x.high - i;
  const Expected expected = define(product, x, 2);
  for (const Make make : {make_large, make_wide}) {
    const auto kernel = make(product, {0, std::nullopt}, Counting::kAll);
    ASSERT_NE(kernel, nullptr);
    expect_defined({"large", make}, *kernel, Counting::kAll, drawn, x, 2, expected, "by hand");
  }
}

// A product whose 62 lowest bits, which the sum loses, are one more than a half: of a * 2^31 + b, b alone is other than 0.
TEST(Proof, OneMoreThanATieIsNone) {
  constexpr std::uint64_t kLost = std::uint64_t{1} << 62;
  for (std::uint64_t odd = (std::uint64_t{1} << 57) + 1; odd < (std::uint64_t{1} << 57) + 60; odd += 2) {
    std::uint64_t inverse = odd;  // modulo 2^64, by Newton's steps
    for (int i = 0; i < 6; ++i) inverse *= 2 - odd * inverse;
    Drawn drawn;
    MatrixProduct& product = drawn.product;
    product.n_in = product.n_out = 1;
    product.input = fixed(60, 60);
    product.weight = fixed(63, 1);
    product.bias = product.accum = product.result = parse_format("ap_fixed<62,62,AP_RND_CONV>");
    product.x = {0, static_cast<Int128>(odd)};
    drawn.weights = {static_cast<Int128>(inverse * (kLost / 2 + 1) % kLost)};
    drawn.biases = {0};
    drawn.order = {0};
    Draw::settle(drawn);
    const std::vector<Int128> x{static_cast<Int128>(odd)};
    const auto kernel = make_wide(product, {0, std::nullopt}, Counting::kAll);
    ASSERT_NE(kernel, nullptr);
    expect_defined({"wide", make_wide}, *kernel, Counting::kAll, drawn, x, 1, define(product, x, 1), std::to_string(odd));
  }
}

// Terms that their type takes as they are, of sums that leave it: in 32 bits up to 31 bits, not beyond.
TEST(Proof, SumsAtTheEndOf32BitsSaturate) {
  for (int width = 29; width <= 35; ++width) {
    Drawn drawn;
    MatrixProduct& product = drawn.product;
    product.n_in = 8;
    product.n_out = 1;
    product.input = fixed(40, 40);
    product.weight = fixed(40, 8);
    product.accum = parse_format("ap_fixed<" + std::to_string(width) + "," + std::to_string(width) + ",AP_TRN,AP_SAT>");
    product.bias = product.result = product.accum;
    product.x = {min_raw(product.accum) / 2, max_raw(product.accum) / 2};
    for (int k = 0; k < 8; ++k) drawn.weights.push_back(k == 7 ? -(Int128{1} << 32) : Int128{1} << 32);
    drawn.biases = {1};
    drawn.order = {0, 1, 2, 3, 4, 5, 6, 7};
    Draw::settle(drawn);
    const std::vector<Int128> x(8, product.x.high);
    const auto kernel = make_wide(product, {0, std::nullopt}, Counting::kAll);
    ASSERT_NE(kernel, nullptr);
    expect_defined({"wide", make_wide}, *kernel, Counting::kAll, drawn, x, 1, define(product, x, 1), to_string(product.accum));
  }
}

// Rows of small values of a wide type have sums of 32 bits, but for their bias.
TEST(Proof, ABiasOf32BitsIsNotOfSmallInputs) {
  for (const Int128 bias : {(Int128{1} << 31) - 100, Int128{1} << 31, Int128{1} << 32, -(Int128{1} << 33)}) {
    expect_chosen({-8000000, 8000000}, {3}, bias, fixed(45, 45), {50, -50}, 24);
    expect_chosen({-8000000, 8000000}, {3}, bias, fixed(45, 45), {50, -50, 8000000}, 24);
  }
}

TEST(Proof, SumsOfSmallInputsAreWrapped) {
  for (const Format& sum : {fixed(20, 20), fixed(31, 31), ufixed(20, 20), ufixed(40, 40), fixed(45, 40)}) {
    expect_chosen({-8000000, 8000000}, {3000}, -7, sum, {1000, -1000, 0, 32767, -32767}, 24);
    expect_chosen({-8000000, 8000000}, {3000}, -7, sum, {1000, -1000, 0, 8000000}, 24);
  }
}

// Ties behind sums of many parts: 24 is 1.5 steps of 16.
TEST(Proof, TiesOfWideSums) {
  for (int mode = 0; mode < kRoundings; ++mode) {
    Drawn drawn;
    MatrixProduct& product = drawn.product;
    product.n_in = 1;
    product.n_out = 1;
    product.input = fixed(24, 24);
    product.weight = product.bias = fixed(16, 16);
    product.accum = product.result = fixed(45, 45);
    product.relu = fixed(30, 34);
    product.relu->rounding = static_cast<Rounding>(mode);
    product.x = {-8000000, 8000000};
    drawn.weights = {3};
    drawn.biases = {0};
    drawn.order = {0};
    Draw::settle(drawn);
    const std::vector<Int128> x{8, -8, 24, 9, 7, 8000000};
    const Expected expected = define(product, x, x.size());
    for (const Counting counting : {Counting::kNone, Counting::kOverflow, Counting::kAll}) {
      const auto kernel = choose_dense_kernel(product, {0, 1}, counting);
      ASSERT_NE(kernel, nullptr);
      expect_defined({"chosen", nullptr}, *kernel, counting, drawn, x, x.size(), expected, to_string(*product.relu));
    }
  }
}

// 4 * 2^15 * 2^15 does not fit 32 bits, though no weight is above 0.
TEST(Proof, SumsOfNegativeWeightsAreCut) {
  expect_chosen({-32768, 32767}, {-32768, -32768, -32768, -32768}, 0, fixed(40, 40),
                {-32768, -32768, -32768, -32768, 32767, 32767, 32767, 32767});
}

// All kernels, at all roundings of products that lose bits: ties, inputs of -1, weights at the ends of 16 bits and beside them, sums that
// 32 bits do not hold before they are shifted, a bias that they do not hold.
void expect_rounded(const Interval& x, const std::vector<Int128>& weights, Int128 bias, int drop, int width,
                    const std::vector<Int128>& rows) {
  for (int mode = 0; mode < kRoundings; ++mode) {
    for (const Overflow overflow : {Overflow::kWrap, Overflow::kSat, Overflow::kSatSym}) {
      Drawn drawn;
      MatrixProduct& product = drawn.product;
      product.n_in = static_cast<int>(weights.size());
      product.n_out = 1;
      product.input = fixed(16, 16);
      product.weight = fixed(18, 18 - drop);
      product.bias = fixed(40, 40);
      product.accum = fixed(width, width);
      product.accum.rounding = static_cast<Rounding>(mode);
      product.accum.overflow = overflow;
      product.result = product.accum;
      product.x = x;
      drawn.weights = weights;
      drawn.biases = {bias};
      for (int k = 0; k < product.n_in; ++k) drawn.order.push_back(k);
      Draw::settle(drawn);
      const std::size_t count = rows.size() / weights.size();
      const Expected expected = define(product, rows, count);
      for (const Kind& kind : kKinds) {
        for (const Counting counting : {Counting::kNone, Counting::kOverflow, Counting::kAll}) {
          const auto kernel = kind.make(product, {0, std::nullopt}, counting);
          if (kernel) expect_defined(kind, *kernel, counting, drawn, rows, count, expected, "by hand");
          if (testing::Test::HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(Proof, RoundedProductsAtTheEnds) {
  for (const Interval& x : {Interval{-1, 127}, Interval{0, 127}, Interval{-128, 127}}) {
    for (const Int128 w : {8, -8, 7, -7, 9, -9, 24, -24}) {
      for (const int width : {12, 16, 20}) expect_rounded(x, {w}, 1, 4, width, {x.low, 1, 3, 127});
    }
  }
  for (const Int128 w : {-32769, -32768, -32767, 32767, 32768}) {
    for (const int drop : {4, 8, 14, 15}) {
      for (const int width : {14, 16, 24}) expect_rounded({-128, 127}, {w}, 0, drop, width, {-128, -3, 1, 127});
      for (const int width : {14, 16, 24}) expect_rounded({0, 127}, {w}, 0, drop, width, {0, 3, 1, 127});
    }
  }
  const std::vector<Int128> large(3, 32767);
  for (const int width : {16, 20, 31}) expect_rounded({0, 32767}, large, 0, 15, width, {32767, 32767, 32767, 1, 2, 3});
  for (const int width : {16, 20, 31}) expect_rounded({-5, 5}, {3}, (Int128{1} << 32) - 100, 4, width, {-5, 1, 5});
}

// Every partial sum, in any order, of values in the interval lies within what is proven; and where a sum is proven to stay in
// accum's range, no step of the definition changes anything.
TEST(Proof, BoundsHoldEveryStep) {
  const std::uint64_t seed = number_from_environment("NARROW_SEED", 1);
  const std::uint64_t cases = number_from_environment("NARROW_CASES", 20000);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  int staying = 0;
  for (std::uint64_t i = 0; i < cases; ++i) {
    Draw draw(seed * 1'000'003 + i);
    const Drawn drawn = draw.drawn();
    const MatrixProduct& product = drawn.product;
    const std::optional<ProvenSums> proven = prove_sums(product);
    if (!proven || product.accum.is_integer) continue;
    const bool stays = stays_in_accum(product, *proven);
    staying += stays ? 1 : 0;
    const std::vector<Int128> x = draw.rows(product, 3);
    const Format exact_type = unbounded(product.accum);
    for (std::size_t r = 0; r < 3; ++r) {
      for (int j = 0; j < std::min(product.n_out, 3); ++j) {
        const std::string what = "seed " + std::to_string(seed) + ", case " + std::to_string(i) + ": " + drawn.describe();
        const Int128* row = x.data() + r * static_cast<std::size_t>(product.n_in);
        sum_of(product, row, j, [&](Int128, int, const CastResult& result) {
          if (stays) ASSERT_FALSE(result.overflow) << what;
        });
        Int128 sum = cast(product.biases[static_cast<std::size_t>(j)], product.bias.fraction(), exact_type).raw;
        Int128 most = sum < 0 ? -sum : sum;
        bool fell = sum < 0;
        for (const int k : product.order) {
          const Int128 term = cast(row[k] * product.at(k, j), product.input.fraction() + product.weight.fraction(), exact_type).raw;
          sum += term;
          fell |= term < 0;
          most = std::max({most, sum < 0 ? -sum : sum, term < 0 ? -term : term});
        }
        ASSERT_LE(most, proven->magnitude) << what;
        ASSERT_TRUE(sum >= proven->sum.low && sum <= proven->sum.high) << what;
        ASSERT_FALSE(fell && proven->never_falls) << what;
      }
    }
  }
  EXPECT_GT(staying, static_cast<int>(cases / 20));
}

// A cast in words that are said to be enough for it.
template <class Word, class Run>
void expect_cast(Draw& draw, const Format& from, const Format& to, const LaneCast& lanes, const Interval& range, const Run& run,
                 const std::string& what) {
  for (const bool relu : {false, true}) {
    std::vector<Word> x;
    CastCounts expected;
    std::vector<Word> y;
    for (int k = 0; k < 40; ++k) {
      x.push_back(static_cast<Word>(draw.value(range)));
      const Int128 value = relu ? std::max<Int128>(x.back(), 0) : Int128{x.back()};
      const CastResult result = cast(value, from, to);
      expected.overflows += result.overflow ? 1 : 0;
      expected.zeros += value != 0 && result.raw == 0 && !result.overflow ? 1 : 0;
      y.push_back(static_cast<Word>(result.raw));
    }
    const CastCounts seen = run(lanes, relu, x.data(), x.data(), x.size());
    ASSERT_TRUE(x == y) << what;
    ASSERT_EQ(seen.overflows, expected.overflows) << what;
    ASSERT_EQ(seen.zeros, expected.zeros) << what;
  }
}
TEST(Proof, CastsFitTheirWord) {
  const std::uint64_t seed = number_from_environment("NARROW_SEED", 1);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::map<int, int> tried;
  for (std::uint64_t i = 0; i < 60000; ++i) {
    Draw draw(seed * 1'000'003 + i);
    const int widest = draw.one_in(2) ? 33 : draw.one_in(2) ? 65 : 126;
    const Format from = draw.format(widest);
    const Format to = draw.format(widest);
    const auto lanes = take_apart(from.fraction(), to, to.is_integer && from.integer <= 0);
    const Interval range = draw.inputs(from);
    if (!lanes) continue;
    const int bits = lane_cast_bits(*lanes, range);
    const std::string what =
        "seed " + std::to_string(seed) + ", case " + std::to_string(i) + ": " + to_string(from) + " to " + to_string(to);
    if (bits <= 32) ++tried[32], expect_cast<std::int32_t>(draw, from, to, *lanes, range, run_lane_cast32, what);
    else if (bits <= 64) ++tried[64], expect_cast<std::int64_t>(draw, from, to, *lanes, range, run_lane_cast, what);
    else if (bits <= 128) ++tried[128], expect_cast<Int128>(draw, from, to, *lanes, range, run_lane_cast128, what);
    if (testing::Test::HasFatalFailure()) return;
  }
  for (const int word : {32, 64, 128}) EXPECT_GT(tried[word], 4000) << word;
}

}  // namespace
}  // namespace narrow
