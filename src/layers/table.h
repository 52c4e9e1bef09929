#ifndef NARROW_LAYERS_TABLE_H_
#define NARROW_LAYERS_TABLE_H_

#include <memory>

#include <algorithm>
#include <optional>

#include "model/operation.h"

namespace narrow {

// The tables of hls4ml's activations. Its C++ program fills them when they are first used, in float32 arithmetic, and casts each entry
// to the table's type; the formulas are those of nnet_activation.h. Programs share tables: each is computed once for its function, size
// and types.

enum class TableFunction : std::uint8_t { kSigmoid, kTanh, kSoftplus, kSoftsign, kElu, kSelu, kLegacyExp, kLegacyInverse };

inline constexpr int kTableSize = 1024;                 // hls4ml's default
inline constexpr int kLargestTable = 1 << 20;           // of a configuration
inline Format default_table() { return fixed(18, 8); }  // hls4ml's default type of an activation's table

using Table = std::shared_ptr<const QuantizedWeights>;

// `size` values of a function at equal steps over the range that hls4ml gives it: (-8, 8), of tanh (-4, 4), of elu and selu (-8, 0] from
// the end, of a legacy inverse [0, 64).
Table function_table(TableFunction function, int size, const Format& format);

// Entry i is exp(v), exp(-v) or 1 / v, v being the value of the type `of` that has i in its top bits and zeros below. `size` is a power of
// two, of at most as many bits as the type. 1 / 0 is infinite, which a type takes as a power of two above its range.
Table exp_table(const Format& of, bool negated, int size, const Format& format);
Table inverse_table(const Format& of, int size, const Format& format);

// How a function's table is indexed: (int) (x * size / span), rounded toward zero, plus `offset`, brought into the table. hls4ml's int has
// 32 bits, which wrap.
struct TableIndex {
  TableIndex(TableFunction function, int entries);
  int size;
  int span;
  int offset;

  int of(Int128 raw, const Format& format) const;
  // The same for values of a type in words of 64 bits, of which `raw * size` takes at most 62: index(raw) is of(raw, format). Nothing where
  // it is not so simple.
  struct Fast {
    int size, offset, shift;
    bool negated;
    int operator()(std::int64_t raw) const {
      const std::int64_t product = raw * size;
      const std::int64_t toward_zero = product < 0 ? (std::int64_t{1} << shift) - 1 : 0;
      const std::int64_t whole = (product + toward_zero) >> shift;
      const auto index =
          static_cast<std::int32_t>(static_cast<std::uint32_t>(negated ? -whole : whole) + static_cast<std::uint32_t>(offset));
      return std::clamp(index, 0, size - 1);
    }
  };
  std::optional<Fast> fast(const Format& format) const;
  // Of values in an interval: the lowest and the highest index that any has.
  std::pair<int, int> range(const Interval& values, const Format& format) const;
  // Bits, sign included, that hold x * size.
  int bits(const Format& format) const;
};

}  // namespace narrow

#endif  // NARROW_LAYERS_TABLE_H_
