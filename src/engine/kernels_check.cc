// kernels_are_right: every kernel against loops that anyone can read.
#include <algorithm>
#include <cmath>
#include <random>

#include "engine/kernels.h"
#include "engine/saturating_kernels.h"
#include "engine/wide_kernels.h"

namespace narrow {
namespace {

// Random operands of one matrix product, within the bounds that callers keep.
struct Product {
  int n_in, n_out, rows;
  std::vector<int> x, w, bias;

  Product(std::mt19937_64& random, int x_low, int x_high, int w_limit) {
    const auto number = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
    n_in = number(1, 70);
    n_out = number(1, 70);
    rows = number(1, 19);
    for (int i = 0; i < rows * n_in; ++i) x.push_back(number(0, 9) == 0 ? (number(0, 1) == 0 ? x_low : x_high) : number(x_low, x_high));
    for (int i = 0; i < n_in * n_out; ++i)
      w.push_back(number(0, 9) == 0 ? (number(0, 1) == 0 ? -w_limit : w_limit) : number(-w_limit, w_limit));
    for (int j = 0; j < n_out; ++j) bias.push_back(number(-1000, 1000));
  }
  int at(int row, int k) const { return x[static_cast<std::size_t>(row * n_in + k)]; }
  int weight(int k, int j) const { return w[static_cast<std::size_t>(k * n_out + j)]; }
  int sum(int row, int j) const {
    int total = bias[static_cast<std::size_t>(j)];
    for (int k = 0; k < n_in; ++k) total += at(row, k) * weight(k, j);
    return total;
  }
};

// Operands in the kernels' layout: rows of `stride`, padded with 0.
template <class T>
Buffer<T> rows_of(const Product& product, int stride) {
  Buffer<T> rows(static_cast<std::size_t>(product.rows * stride));
  rows.fill(0);
  for (int r = 0; r < product.rows; ++r) {
    for (int k = 0; k < product.n_in; ++k) rows[static_cast<std::size_t>(r * stride + k)] = static_cast<T>(product.at(r, k));
  }
  return rows;
}
template <class T>
Buffer<T> bias_of(const Product& product, int size) {
  Buffer<T> bias(static_cast<std::size_t>(size));
  bias.fill(0);
  for (int j = 0; j < product.n_out; ++j) bias[static_cast<std::size_t>(j)] = static_cast<T>(product.bias[static_cast<std::size_t>(j)]);
  return bias;
}

bool sums_are_right(const Product& product, const Buffer<std::int32_t>& sums, int stride) {
  for (int r = 0; r < product.rows; ++r) {
    for (int j = 0; j < product.n_out; ++j) {
      if (sums[static_cast<std::size_t>(r * stride + j)] != product.sum(r, j)) return false;
    }
  }
  return true;
}

// What is behind the values of y, and must stay.
constexpr std::int16_t kBehind = 77;

Buffer<std::int16_t> relu_values(const Product& product) {
  Buffer<std::int16_t> y(static_cast<std::size_t>(product.rows * product.n_out) + kBlock);
  y.fill(kBehind);
  return y;
}

// y = max(sum >> right, 0), clamped, and the largest of it.
bool relu_is_right(const Product& product, int add, int right, const Buffer<std::int16_t>& y, const ReluSeen& seen) {
  int largest = 0;
  std::uint64_t zeros = 0;
  for (int r = 0; r < product.rows; ++r) {
    for (int j = 0; j < product.n_out; ++j) {
      const int expected = std::clamp(product.sum(r, j) >> right, 0, 32767);
      largest = std::max(largest, expected);
      zeros += product.sum(r, j) > add && expected == 0 ? 1 : 0;
      if (y[static_cast<std::size_t>(r * product.n_out + j)] != expected) return false;
    }
  }
  return seen.most == largest && seen.zeros == zeros &&
         std::all_of(y.data() + y.size() - kBlock, y.data() + y.size(), [](int each) { return each == kBehind; });
}

// The same operands in pairs that lie apart, rows in falling order.
struct Spread {
  Buffer<std::int16_t> x;
  std::vector<std::int32_t> rows, pairs;
  Places places() const { return {rows.data(), pairs.data()}; }

  explicit Spread(const Product& product) {
    constexpr int kApart = 3;
    const int length = kApart * ((product.n_in + 1) / 2);
    x.resize(static_cast<std::size_t>(product.rows * length));
    x.fill(kBehind);
    for (int r = 0; r < product.rows; ++r) {
      rows.push_back((product.rows - 1 - r) * length);
      for (int k = 0; k < product.n_in; ++k)
        x[static_cast<std::size_t>(rows.back() + k / 2 * kApart + k % 2)] = static_cast<std::int16_t>(product.at(r, k));
    }
    for (int k = 0; k < length; k += kApart) pairs.push_back(k);
  }
};

bool dot16_is_right(std::mt19937_64& random, bool relu) {
  const Product product(random, -32768, 32767, 900);
  const auto rows = static_cast<std::size_t>(product.rows);
  const Weights16 weights = pack16(product.n_in, product.n_out, [&](int i, int j) { return product.weight(i, j); });
  const int stride = weights.blocks() * kBlock;
  const Buffer<std::int16_t> x = rows_of<std::int16_t>(product, 2 * weights.pairs());
  const Spread spread(product);
  const Buffer<std::int32_t> bias = bias_of<std::int32_t>(product, stride);
  if (relu) {
    const int right = static_cast<int>(random() % 16);
    const int add = random() % 2 == 0 ? 0 : (1 << right) / 2;
    Buffer<std::int16_t> y = relu_values(product);
    Buffer<std::int16_t> placed = relu_values(product);
    const ReluSeen seen = dot16_relu(weights, x.data(), rows, bias.data(), add, right, y.data());
    const ReluSeen of_placed = dot16_relu(weights, spread.x.data(), spread.places(), rows, bias.data(), add, right, placed.data());
    return relu_is_right(product, add, right, y, seen) && relu_is_right(product, add, right, placed, of_placed);
  }
  Buffer<std::int32_t> sums(static_cast<std::size_t>(product.rows * stride));
  Buffer<std::int32_t> placed(sums.size());
  dot16(weights, x.data(), rows, bias.data(), sums.data());
  dot16(weights, spread.x.data(), spread.places(), rows, bias.data(), placed.data());
  return sums_are_right(product, sums, stride) && sums_are_right(product, placed, stride);
}

bool dot16_rounded_is_right(std::mt19937_64& random) {
  const auto number = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  const Product product(random, -32768, 32767, 900);
  TermRounding rounding;
  rounding.kind = static_cast<TermRounding::Kind>(number(0, 2));
  rounding.drop = number(1, 15);
  const auto most = static_cast<std::int16_t>((1 << rounding.drop) - 1);
  rounding.add = static_cast<std::int16_t>(number(0, 2) == 0 ? most : number(0, most));
  rounding.add_to_negative = static_cast<std::int16_t>(number(0, 1) == 0 ? rounding.add : number(0, most));
  if (rounding.kind == TermRounding::Kind::kEven) rounding.add = static_cast<std::int16_t>(most / 2);
  const Weights16 weights = pack16(product.n_in, product.n_out, [&](int i, int j) { return product.weight(i, j); });
  const int stride = 2 * weights.pairs() + 2 * number(0, 3);
  const Buffer<std::int16_t> x = rows_of<std::int16_t>(product, stride);
  const auto width = static_cast<std::size_t>(weights.blocks()) * kBlock;
  Buffer<std::int32_t> sums(static_cast<std::size_t>(product.rows) * width);
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = static_cast<std::int32_t>(i);
  dot16_rounded(weights, rounding, x.data(), static_cast<std::size_t>(stride), static_cast<std::size_t>(product.rows), sums.data());
  for (int r = 0; r < product.rows; ++r) {
    for (int j = 0; j < product.n_out; ++j) {
      const std::size_t at = static_cast<std::size_t>(r) * width + static_cast<std::size_t>(j);
      auto expected = static_cast<std::int32_t>(at);
      for (int k = 0; k < product.n_in; ++k) {
        const int w = product.weight(k, j);
        const int p = product.at(r, k) * w;
        int add = 0;
        if (rounding.kind == TermRounding::Kind::kAdd) add = w < 0 ? rounding.add_to_negative : rounding.add;
        if (rounding.kind == TermRounding::Kind::kEven) add = rounding.add + ((p >> rounding.drop) & 1);
        expected += (p + add) >> rounding.drop;
      }
      if (sums[at] != expected) return false;
    }
  }
  return true;
}

bool dot8_is_right(std::mt19937_64& random, bool relu, int group) {
  // The largest weights that 16 bits hold for so many products of each pair.
  const int limit = std::min(127, 32767 / 255 / 2 >> group);
  const Product product(random, 0, 255, std::max(1, limit));
  std::vector<std::int8_t> narrow(product.w.begin(), product.w.end());
  const Weights8 weights = pack8(product.n_in, product.n_out, narrow);
  const int stride = weights.blocks() * kBlock;
  const Buffer<std::uint8_t> x = rows_of<std::uint8_t>(product, 4 * weights.fours());
  const Buffer<std::int32_t> bias = bias_of<std::int32_t>(product, stride);
  if (relu) {
    const int right = static_cast<int>(random() % 8);
    Buffer<std::int16_t> y = relu_values(product);
    const int add = random() % 2 == 0 ? 0 : (1 << right) / 2;
    const ReluSeen seen = dot8_relu(weights, x.data(), static_cast<std::size_t>(product.rows), bias.data(), group, add, right, y.data());
    return relu_is_right(product, add, right, y, seen);
  }
  Buffer<std::int32_t> sums(static_cast<std::size_t>(product.rows * stride));
  dot8(weights, x.data(), static_cast<std::size_t>(product.rows), bias.data(), group, sums.data());
  return sums_are_right(product, sums, stride);
}

bool high16_is_right(std::mt19937_64& random) {
  const Product product(random, -32768, 32767, 32767);
  const WeightsHigh weights = pack_high(product.n_in, product.n_out, [&](int i, int j) { return product.weight(i, j); });
  const int stride = weights.blocks() * kHighBlock;
  const Buffer<std::int16_t> rows = rows_of<std::int16_t>(product, product.n_in);
  Buffer<std::int16_t> sums(static_cast<std::size_t>(product.rows * stride));
  high16(weights, rows.data(), static_cast<std::size_t>(product.rows), bias_of<std::int16_t>(product, stride).data(), sums.data());
  for (int r = 0; r < product.rows; ++r) {
    for (int j = 0; j < product.n_out; ++j) {
      int total = product.bias[static_cast<std::size_t>(j)];
      for (int k = 0; k < product.n_in; ++k) total += (product.at(r, k) * product.weight(k, j)) >> 16;
      if (sums[static_cast<std::size_t>(r * stride + j)] != static_cast<std::int16_t>(total)) return false;
    }
  }
  return true;
}

// A sum of some bits that saturates at every step, and whether some step changed it.
struct SaturatingSum {
  const Saturating16& product;
  int sum = 0;
  bool left = false;

  static int round(Saturating16::Term term, int product) {
    if (term == Saturating16::Term::kFloor) return product >> 16;
    const int nearest = (product + (1 << 14)) >> 15;
    const bool tie = (product & 0x7fff) == 1 << 14;
    return term == Saturating16::Term::kRoundEven && tie ? nearest & ~1 : nearest;
  }
  void clamp(int& value) {
    const int fitted = std::clamp<int>(value, product.low, product.high);
    left |= fitted != value;
    value = fitted;
  }
  void add(int x, int w, bool negate) {
    int term = round(product.term, x * w);
    if (negate) term = -term;
    clamp(term);
    sum += term;
    clamp(sum);
  }
};

bool saturate16_is_right(std::mt19937_64& random) {
  const auto number = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  const int width = number(0, 1) == 0 ? 16 : number(2, 16);
  const int limit = (1 << (width - 1)) - 1;
  Saturating16 s;
  s.term = static_cast<Saturating16::Term>(number(0, 2));
  s.has_signs = s.term != Saturating16::Term::kRoundEven && number(0, 1) == 0;
  s.up = 16 - width;
  s.raised_floor = number(0, 2) == 0;
  s.high = static_cast<std::int16_t>(limit);
  s.low = static_cast<std::int16_t>(s.raised_floor ? -limit : -limit - 1);
  // Terms that stay in range, or that have to be brought there; and sums that often saturate, now and then, or never.
  s.clamp_terms = number(0, 1) == 0;
  const Saturation saturation = static_cast<Saturation>(number(0, 2));
  const int kind = number(1, 4);
  const int x_limit = saturation == Saturation::kNone ? limit / 200 : s.clamp_terms ? 32767 : limit / kind;
  const Product product(random, -x_limit, x_limit, 32767);
  s.n_in = product.n_in;
  s.n_out = product.n_out;
  s.weights = pack_high(s.n_in, s.n_out, [&](int i, int j) { return product.weight(i, j); }).data;
  const auto negated = [&](int i, int j) { return s.has_signs && (i * 7 + j) % 3 == 0; };
  s.signs = pack_high(s.n_in, s.n_out, [&](int i, int j) { return negated(i, j) ? -1 : 0; }).data;
  const auto stride = static_cast<std::size_t>(s.blocks()) * kHighBlock;
  s.bias.resize(stride);
  s.bias_left.resize(stride);
  s.bias.fill(0);
  s.bias_left.fill(0);
  for (std::size_t j = 0; j < static_cast<std::size_t>(s.n_out); ++j) {
    s.bias[j] = static_cast<std::int16_t>(number(s.low / 4, s.high / 4) * (1 << s.up));
    if (saturation != Saturation::kNone && number(0, 9) == 0) s.bias_left[j] = -1;
  }
  const Buffer<std::int16_t> x = rows_of<std::int16_t>(product, product.n_in);
  Buffer<std::int32_t> pairs(x.size());
  const int most = pair_rows(x.data(), x.size(), 0, pairs.data());
  int expected_most = 0;
  for (std::size_t i = 0; i < x.size(); ++i) expected_most = std::max(expected_most, std::abs(x[i]));
  const auto rows = static_cast<std::size_t>(product.rows);
  Buffer<std::int16_t> sums(rows * stride);
  const std::uint64_t count = saturate16(s, pairs.data(), rows, saturation, sums.data());
  std::uint64_t expected_count = 0;
  for (int r = 0; r < product.rows; ++r) {
    for (int j = 0; j < product.n_out; ++j) {
      SaturatingSum sum{s, s.bias[static_cast<std::size_t>(j)] >> s.up, s.bias_left[static_cast<std::size_t>(j)] != 0};
      for (int k = 0; k < product.n_in; ++k) sum.add(product.at(r, k), product.weight(k, j), negated(k, j));
      expected_count += sum.left ? 1 : 0;
      if (sums[static_cast<std::size_t>(r) * stride + static_cast<std::size_t>(j)] != sum.sum) return false;
    }
  }
  return most == expected_most && (saturation != Saturation::kCounted || count == expected_count);
}

// p / 2^62, rounded.
std::int64_t wide_term(const WideProducts& products, std::int64_t x, std::int64_t w) {
  using Term = WideProducts::Term;
  constexpr Int128 kHalf = Int128{1} << (WideProducts::kLost - 1);
  const Int128 p = static_cast<Int128>(x) * w;
  const Int128 magnitude = p < 0 ? -p : p;
  Int128 add = 0;
  if (products.term == Term::kHalfUp) add = kHalf;
  if (products.term == Term::kHalfDown) add = kHalf - 1;
  if (products.term == Term::kMagnitude) add = (static_cast<Int128>(products.add.rest) << WideProducts::kLowBits) + products.add.low;
  if (products.term == Term::kEven) add = kHalf - 1 + ((magnitude >> WideProducts::kLost) & 1);
  if (!products.of_magnitudes()) return static_cast<std::int64_t>((p + add) >> WideProducts::kLost);
  const auto term = static_cast<std::int64_t>((magnitude + add) >> WideProducts::kLost);
  return p < 0 ? -term : term;
}

bool wide_is_right(std::mt19937_64& random) {
  const auto number = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  // The ends, or anything; ties are products of powers of two.
  const auto operand = [&](int bits) {
    const std::int64_t most = (std::int64_t{1} << bits) - 1;
    switch (number(0, 5)) {
      case 0: return number(0, 1) == 0 ? most : -most;
      case 1: return std::int64_t{number(0, 1) == 0 ? 1 : -1} << number(0, bits - 1);
      default: return static_cast<std::int64_t>(random()) % (most + 1);
    }
  };
  WideProducts products;
  products.n_in = number(1, 9);
  products.n_out = number(1, 20);
  products.term = static_cast<WideProducts::Term>(number(0, 4));
  const std::int64_t low = (std::int64_t{1} << WideProducts::kLowBits) - 1;
  const auto part = [&] { return number(0, 1) == 0 ? low : static_cast<std::int64_t>(random()) & low; };
  products.add = {part(), part()};
  const Fit fit = static_cast<Fit>(number(0, kFits - 1));
  // Sums that fit 63 bits by themselves, or that are kept in a range.
  const bool small = fit != Fit::kWrap && number(0, 1) == 0;
  const int bits = small ? 45 : fit == Fit::kWrap ? 58 : 62;
  const int width = small ? number(25, 30) : number(10, 61);
  products.most = (std::int64_t{1} << width) - 1;
  products.least = -products.most - 1;
  const auto n_in = static_cast<std::size_t>(products.n_in);
  const auto n_out = static_cast<std::size_t>(products.n_out);
  const std::size_t rows = static_cast<std::size_t>(number(1, 9));
  const std::size_t columns = static_cast<std::size_t>(products.blocks()) * WideProducts::kOutputs;
  std::vector<std::int64_t> w(n_in * n_out);
  const bool multiples = number(0, 1) == 0;
  for (auto& value : w) value = multiples ? operand(bits - WideProducts::kLowBits) << WideProducts::kLowBits : operand(bits);
  std::vector<std::int64_t> x(rows * n_in);
  const int up = number(0, 3);
  const bool positive = number(0, 1) == 0;
  for (auto& value : x) value = positive ? std::abs(operand(bits - up)) : operand(bits - up);
  std::int64_t largest_x = 0;
  for (const std::int64_t value : x) largest_x = std::max(largest_x, std::abs(value) << up);
  set_wide_weights(products, w.data());
  products.bias.resize(columns);
  products.bias_left.resize(columns);
  for (std::size_t j = 0; j < columns; ++j) {
    products.bias[j] = j < n_out ? operand(9) : 0;
    products.bias_left[j] = j < n_out && number(0, 9) == 0 ? -1 : 0;
  }
  std::vector<std::int64_t> parts(rows * products.row_size());
  split_wide(products, x.data(), rows, up, parts.data());
  std::vector<std::int64_t> sums(rows * columns);
  const std::uint64_t count =
      add_wide_products(products, fit, {!positive, terms_are_small(products, largest_x)}, parts.data(), rows, sums.data());
  std::uint64_t expected_count = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < n_out; ++j) {
      std::int64_t sum = products.bias[j];
      bool left = products.bias_left[j] != 0;
      const auto bring = [&](std::int64_t value) {
        std::int64_t fitted = value;
        if (fit == Fit::kClamp) fitted = std::clamp(value, products.least, products.most);
        if (fit == Fit::kZero && (value < products.least || value > products.most)) fitted = 0;
        left |= fitted != value;
        return fitted;
      };
      for (std::size_t k = 0; k < n_in; ++k) sum = bring(sum + bring(wide_term(products, x[r * n_in + k] << up, w[k * n_out + j])));
      expected_count += left ? 1 : 0;
      if (sums[r * columns + j] != sum) return false;
    }
  }
  return fit == Fit::kWrap || count == expected_count;
}

bool finish16_is_right(std::mt19937_64& random) {
  const auto number = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  Epilogue e;
  const int width = number(2, 16);
  e.relu = number(0, 1) == 0;
  e.relu_last = !e.relu && number(0, 1) == 0;
  e.clamp = number(0, 1) == 0;
  e.right = number(0, 12);
  e.add = number(0, 1) == 0 ? 0 : (1 << e.right) / 2;
  e.low = -(1 << (width - 1));
  e.high = (1 << (width - 1)) - 1;
  const std::size_t n = static_cast<std::size_t>(number(1, 70));
  Buffer<std::int32_t> sums(n);
  for (std::size_t i = 0; i < n; ++i) sums[i] = number(-(1 << 28), 1 << 28) >> number(0, 20);
  Buffer<std::int16_t> y(n);
  const Extremes seen = finish16(e, sums.data(), 1, n, n, y.data());
  for (std::size_t i = 0; i < n; ++i) {
    const int value = ((e.relu ? std::max(sums[i], 0) : sums[i]) + e.add) >> e.right;
    int expected = e.clamp ? std::clamp(value, e.low, e.high) : ((value - e.low) & (e.high - e.low)) + e.low;
    if (e.relu_last) expected = std::max(expected, 0);
    if (y[i] != expected || value > seen.most || (!e.relu && value < seen.least)) return false;
  }
  return true;
}

bool finish_planes_is_right(std::mt19937_64& random) {
  const auto number = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  const int planes = number(1, 3);
  const std::size_t n = static_cast<std::size_t>(number(1, 70));
  std::vector<Buffer<std::int32_t>> sums(3);
  std::vector<const std::int32_t*> pointers;
  std::vector<int> shifts{0, number(8, 15), number(16, 24)};
  for (auto& plane : sums) {
    plane.resize(n);
    for (std::size_t i = 0; i < n; ++i) plane[i] = number(-(1 << 30), 1 << 30) >> number(0, 25);
    pointers.push_back(plane.data());
  }
  std::vector<std::int64_t> bias(n);
  for (auto& b : bias) b = number(-100000, 100000);
  const int width = number(17, 30);
  WideEpilogue e{
      number(0, 3), 0, number(0, 20), number(0, 1) == 0, -(std::int64_t{1} << (width - 1)), (std::int64_t{1} << (width - 1)) - 1};
  e.add = e.right > 0 && number(0, 1) == 0 ? std::int64_t{1} << (e.right - 1) : 0;
  Buffer<std::int64_t> y(n);
  finish_planes(e, pointers.data(), shifts.data(), planes, bias.data(), 1, n, n, y.data());
  for (std::size_t i = 0; i < n; ++i) {
    std::int64_t value = 0;
    for (int p = 0; p < planes; ++p)
      value += static_cast<std::int64_t>(sums[static_cast<std::size_t>(p)][i]) * (std::int64_t{1} << shifts[static_cast<std::size_t>(p)]);
    value = (std::max<std::int64_t>(value * (std::int64_t{1} << e.up) + bias[i], 0) + e.add) >> e.right;
    const std::int64_t expected = e.clamp ? std::min(value, e.high) : ((value - e.low) & (e.high - e.low)) + e.low;
    if (y[i] != expected) return false;
  }
  return true;
}

bool small_steps_are_right(std::mt19937_64& random) {
  const auto number = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  const std::size_t n = static_cast<std::size_t>(number(1, 70));
  constexpr std::size_t kRows = 5;
  Buffer<std::int16_t> x(kRows * n);
  for (std::size_t i = 0; i < kRows * n; ++i) x[i] = static_cast<std::int16_t>(i < n ? number(0, 255) : number(-32768, 32767));
  Buffer<std::int32_t> sums(n);
  sums.fill(7);
  add_rows16(x.data(), kRows, n, sums.data());
  const std::size_t stride = n + static_cast<std::size_t>(number(0, 3));
  Buffer<std::uint8_t> bytes(kRows * stride);
  const std::uint16_t most = to_bytes(x.data(), 1, n, stride, bytes.data());
  if (most != *std::max_element(x.data(), x.data() + n)) return false;
  std::uint16_t expected_most = 0;
  for (std::size_t i = 0; i < kRows * n; ++i) expected_most = std::max(expected_most, static_cast<std::uint16_t>(x[i]));
  if (to_bytes(x.data(), kRows, n, stride, bytes.data()) != expected_most) return false;
  Buffer<std::int32_t> widened(kRows * stride);
  for (std::size_t i = 0; i < kRows * stride; ++i) widened[i] = number(-32768, 32767);
  Buffer<std::int16_t> narrowed(kRows * n);
  narrow32(widened.data(), kRows, n, stride, narrowed.data());
  for (std::size_t i = 0; i < kRows * n; ++i) {
    if (narrowed[i] != widened[i / n * stride + i % n]) return false;
  }
  for (std::size_t i = 0; i < kRows * stride; ++i) widened[i] = number(-(1 << 30), 1 << 30);
  Buffer<std::int64_t> wider(kRows * n);
  widen32(widened.data(), kRows, n, stride, wider.data());
  for (std::size_t i = 0; i < kRows * n; ++i) {
    if (wider[i] != widened[i / n * stride + i % n]) return false;
  }
  Buffer<std::int16_t> wrapped(n);
  const int width = number(1, 16);
  finish_high(width, false, x.data(), 1, n, n, wrapped.data());
  std::vector<std::int64_t> wide(n);
  for (auto& value : wide) value = (static_cast<std::int64_t>(number(-(1 << 30), 1 << 30)) << 32) + number(0, 1 << 30);
  Buffer<std::int16_t> plane(n);
  const int shift = number(0, 63);
  const std::int64_t mask = number(0, 1) == 0 ? 0x7fff : -1;
  split_plane(wide.data(), 1, n, n, shift, mask, plane.data());
  std::vector<std::int64_t> added(kRows * n, 5);
  add_shifted32(widened.data(), kRows, n, stride, shift, added.data());
  for (std::size_t i = 0; i < kRows * n; ++i) {
    const auto more = static_cast<std::uint64_t>(static_cast<std::int64_t>(widened[i / n * stride + i % n])) << shift;
    if (added[i] != static_cast<std::int64_t>(5 + more)) return false;
  }
  std::vector<float> floats(n);
  for (auto& value : floats) value = std::ldexp(static_cast<float>(number(-(1 << 24), 1 << 24)), -number(10, 24));
  Buffer<std::int32_t> quantized(n);
  if (number(0, 3) == 0) floats[0] = std::ldexp(1.F, -12);
  std::uint64_t zeros = 0;
  for (const float value : floats) zeros += value != 0 && std::floor(value * 256.0 + 0.5) == 0 ? 1 : 0;
  if (quantize32(floats.data(), n, 256, 0.5, quantized.data()) != zeros) return false;
  const int limit = number(1, 32767);
  const bool fits = number(0, 1) == 0;
  std::vector<std::int64_t> few(n);
  for (auto& value : few) value = number(-limit, limit);
  if (!fits) few[static_cast<std::size_t>(number(0, static_cast<int>(n) - 1))] = number(0, 1) == 0 ? limit + 1 : -limit - 1;
  Buffer<std::int16_t> fitted(stride);
  if (narrow64(few.data(), 1, n, stride, limit, fitted.data()) != fits) return false;
  for (std::size_t i = 0; fits && i < stride; ++i) {
    if (fitted[i] != (i < n ? few[i] : 0)) return false;
  }
  for (std::size_t j = 0; j < n; ++j) {
    int total = 7;
    for (std::size_t r = 0; r < kRows; ++r) total += x[r * n + j];
    const int cut = static_cast<int>(static_cast<unsigned>(x[j]) << (32 - width)) >> (32 - width);
    if (sums[j] != total || bytes[j] != static_cast<std::uint8_t>(x[j]) || wrapped[j] != cut ||
        plane[j] != static_cast<std::int16_t>((wide[j] >> shift) & mask) ||
        quantized[j] != static_cast<std::int32_t>(std::floor(floats[j] * 256.0 + 0.5))) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool kernels_are_right(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  bool right = true;
  for (int i = 0; i < 4; ++i) {
    right &= dot16_is_right(random, false) && dot16_is_right(random, true);
    right &= dot8_is_right(random, false, i) && dot8_is_right(random, true, i);
    right &= saturate16_is_right(random) && saturate16_is_right(random) && saturate16_is_right(random);
    right &= dot16_rounded_is_right(random) && dot16_rounded_is_right(random) && dot16_rounded_is_right(random);
    right &= high16_is_right(random) && small_steps_are_right(random);
    right &= wide_is_right(random) && wide_is_right(random) && wide_is_right(random);
    for (int k = 0; k < 8; ++k) right &= finish16_is_right(random) && finish_planes_is_right(random);
  }
  return right;
}

}  // namespace narrow
