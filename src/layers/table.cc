#include "layers/table.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <mutex>

#include "fixed/cast.h"

namespace narrow {
namespace {

constexpr Format kInt{32, 32, true, true, Rounding::kTrn, Overflow::kWrap, 0};

// Where the function of a table is taken at entry i: hls4ml computes in double and rounds to float32.
float argument(TableFunction function, int i, int entries) {
  const double size = entries;
  switch (function) {
    case TableFunction::kTanh: return static_cast<float>(2 * 4.0 * (i - size / 2.0) / size);
    case TableFunction::kElu:
    case TableFunction::kSelu: return static_cast<float>(-8.0 * i / size);
    case TableFunction::kLegacyInverse: return static_cast<float>(64.0 * i / size);
    case TableFunction::kSigmoid:
    case TableFunction::kSoftplus:
    case TableFunction::kSoftsign:
    case TableFunction::kLegacyExp: break;
  }
  return static_cast<float>(2 * 8.0 * (i - size / 2.0) / size);
}

// float and double as hls4ml's C++ mixes them.
double value(TableFunction function, float x) {
  switch (function) {
    case TableFunction::kSigmoid: return static_cast<float>(1.0 / (1 + std::exp(-x)));
    case TableFunction::kTanh: return std::tanh(x);
    case TableFunction::kSoftplus: return static_cast<float>(std::log(std::exp(x) + 1.));
    case TableFunction::kSoftsign: return static_cast<float>(x / (std::abs(x) + 1.));
    case TableFunction::kElu: return static_cast<float>(std::exp(x) - 1.);
    case TableFunction::kSelu:
      return static_cast<float>(1.0507009873554804934193349852946 * (1.6732632423543772848170429916717 * (std::exp(x) - 1.)));
    case TableFunction::kLegacyExp: return std::exp(x);
    case TableFunction::kLegacyInverse: break;
  }
  return x > 0 ? 1.0 / x : 0.0;
}

// AMD's headers take an infinite double for 2^1024: every type wraps or saturates as for any power of two far above its range.
double finite(double value) {
  constexpr int kHuge = 1023;
  return std::isinf(value) ? std::copysign(std::ldexp(1.0, kHuge), value) : value;
}

// The table of this key, computed where no program has it.
Table shared(const std::string& key, int size, const Format& format, const std::function<double(int)>& entry) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<const QuantizedWeights>> known;
  const std::scoped_lock lock(mutex);
  std::weak_ptr<const QuantizedWeights>& found = known[key + " " + std::to_string(size) + " " + to_string(format)];
  Table table = found.lock();
  if (table != nullptr) return table;
  QuantizedWeights made;
  made.raw.reserve(static_cast<std::size_t>(size));
  for (int i = 0; i < size; ++i) made.raw.push_back(cast(finite(entry(i)), format).raw);
  table = std::make_shared<const QuantizedWeights>(std::move(made));
  found = table;
  return table;
}

// The value of a type with i in the top bits of its pattern, as float32.
float from_top_bits(int i, int size, const Format& of) {
  Int128 raw = static_cast<Int128>(i) << (of.width - std::countr_zero(static_cast<unsigned>(size)));
  if (of.is_signed && raw > max_raw(of)) raw -= static_cast<Int128>(1) << of.width;
  return static_cast<float>(to_double(raw, of.fraction()));
}

}  // namespace

Table function_table(TableFunction function, int size, const Format& format) {
  return shared("function " + std::to_string(static_cast<int>(function)), size, format,
                [&](int i) { return value(function, argument(function, i, size)); });
}

Table exp_table(const Format& of, bool negated, int size, const Format& format) {
  return shared((negated ? "exp - " : "exp ") + to_string(of), size, format, [&](int i) {
    const float x = from_top_bits(i, size, of);
    return std::exp(negated ? -x : x);
  });
}

Table inverse_table(const Format& of, int size, const Format& format) {
  return shared("inverse " + to_string(of), size, format, [&](int i) { return 1 / from_top_bits(i, size, of); });
}

TableIndex::TableIndex(TableFunction function, int entries) : size(entries), span(16), offset(8 * entries / 16) {
  if (function == TableFunction::kTanh) span = 8, offset = 4 * entries / 8;
  if (function == TableFunction::kElu || function == TableFunction::kSelu) span = -8, offset = 0;
  if (function == TableFunction::kLegacyInverse) span = 64, offset = 0;
}

int TableIndex::of(Int128 raw, const Format& format) const {
  // In hls4ml's C++ a product with an unsigned int and a quotient by an int, both with an integer bit more than they need.
  const bool no_integer_bits = !format.is_integer && format.integer + kInt.width + 1 <= 0;
  const Int128 whole = cast(raw * size / span, format.fraction(), kInt, no_integer_bits).raw;
  const auto index = static_cast<std::int32_t>(static_cast<std::uint32_t>(whole) + static_cast<std::uint32_t>(offset));
  return std::clamp(index, 0, size - 1);
}

std::optional<TableIndex::Fast> TableIndex::fast(const Format& format) const {
  constexpr int kMost = 62;
  const int shift = std::countr_zero(static_cast<unsigned>(std::abs(span))) + format.fraction();
  const bool no_integer_bits = !format.is_integer && format.integer + kInt.width + 1 <= 0;
  // The quotient is cut to the steps of x, which are wider than 1 where its type has fewer than 0 fractional bits.
  if (no_integer_bits || format.fraction() < 0 || shift > kMost || bits(format) > kMost) return std::nullopt;
  return Fast{size, offset, shift, span < 0};
}

std::pair<int, int> TableIndex::range(const Interval& values, const Format& format) const {
  // Below this many integer bits nothing wraps, and the index climbs or falls with x.
  const int integer = format.integer + static_cast<int>(std::bit_width(static_cast<unsigned>(size)));
  if (integer >= kInt.width) return {0, size - 1};
  const int a = of(values.low, format);
  const int b = of(values.high, format);
  return {std::min(a, b), std::max(a, b)};
}

int TableIndex::bits(const Format& format) const {
  return bits_at(format, format.fraction()) + static_cast<int>(std::bit_width(static_cast<unsigned>(size)));
}

}  // namespace narrow
