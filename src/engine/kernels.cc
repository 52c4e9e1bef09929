#include "engine/kernels.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "error.h"

// AVX2, AVX-512 without and with VNNI, and plain C++; the SSE steps between them gain nothing that anyone runs on.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#define HWY_WANT_AVX3_DL 1
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow::HWY_NAMESPACE {

HWY_INLINE std::int32_t load32(const void* p) {
  std::int32_t n = 0;
  std::memcpy(&n, p, sizeof n);
  return n;
}

constexpr std::ptrdiff_t kRegister = 64;  // bytes of a Wide

// Where the sums of a tile go: to memory as they are,
struct SumSink {
  std::int32_t* HWY_RESTRICT sums;
  std::ptrdiff_t stride;

  template <int R, int B>
  HWY_INLINE void put(std::ptrdiff_t row, std::ptrdiff_t block, const Wide (&sum)[R][B]) const {
    for (int r = 0; r < R; ++r) {
      std::int32_t* to = sums + (row + r) * stride + block * kBlock;
      for (int b = 0; b < B; ++b) store(sum[r][b], to + b * kBlock);
    }
  }
};

// or through the relu and its rounding to the next layer's int16 input, while they are in registers.
struct ReluSink {
  std::int16_t* y;
  std::ptrdiff_t stride;
  std::int32_t add;
  int right;
  std::int16_t most[kBlock] = {};   // the largest values
  std::int32_t zeros[kBlock] = {};  // values above 0 that rounding made 0

  template <int R, int B>
  HWY_INLINE void put(std::ptrdiff_t row, std::ptrdiff_t block, const Wide (&sum)[R][B]) {
    // Copies: the compiler must think that a store into y changes the members.
    std::int16_t* const first = y + block * kBlock;
    const std::ptrdiff_t step = stride;
    const int bits = right;
    const std::ptrdiff_t columns = stride - block * kBlock;  // of y from here on
    const Half none = every_half(0);
    const Wide above = every32(add);
    const Wide below = every32(static_cast<std::int32_t>(std::uint32_t{1} << bits));
    Half largest = load_half(most);
    Wide vanished = load(zeros);
    for (int r = 0; r < R; ++r) {
      std::int16_t* to = first + (row + r) * step;
      for (int b = 0; b < B; ++b) {
        const Half value = max16(clamped_halves(shift_right32(sum[r][b], bits)), none);
        largest = max16(largest, value);
        if (bits > 0) vanished = count_between(vanished, above, sum[r][b], below);
        if (columns >= (b + 1) * kBlock) store_half(value, to + b * kBlock);
        else store_some(value, to + b * kBlock, columns - b * kBlock);
      }
    }
    store_half(largest, most);
    store(vanished, zeros);
  }
};

template <class Run>
ReluSeen with_relu_sink(std::int32_t add, int right, std::int16_t* y, std::ptrdiff_t stride, const Run& run) {
  ReluSink sink{y, stride, add, right};
  run(sink);
  ReluSeen seen;
  for (const std::int16_t lane : sink.most) seen.most = lane > seen.most ? lane : seen.most;
  for (const std::int32_t lane : sink.zeros) seen.zeros += static_cast<std::uint64_t>(lane);
  return seen;
}

// The operands of dot16 and dot8: x advances by 4 bytes a step (a pair of int16 or four bytes), `stride` bytes a row; weights
// by one Wide a step, steps Wides a block.
struct Operands {
  const char* x;
  const char* weights;
  const std::int32_t* bias;
  std::ptrdiff_t steps;
  std::ptrdiff_t stride;

  // A pointer a row that the compiler does not compute from another's at each step: the multipliers, not the decoder, must be
  // what limits the loop.
  template <int R>
  HWY_INLINE void rows(std::ptrdiff_t first, const char* (&in)[R]) const {
    const char* at = x + first * stride;
    for (int r = 0; r < R; ++r, at += stride) {
      in[r] = at;
      __asm__("" : "+r"(in[r]));
    }
  }
  HWY_INLINE std::ptrdiff_t at(std::ptrdiff_t k) const { return 4 * k; }
};

// The same of rows that lie anywhere.
struct PlacedOperands : Operands {
  Places places;

  template <int R>
  HWY_INLINE void rows(std::ptrdiff_t first, const char* (&in)[R]) const {
    for (int r = 0; r < R; ++r) in[r] = x + 2 * static_cast<std::ptrdiff_t>(places.rows[first + r]);
  }
  HWY_INLINE std::ptrdiff_t at(std::ptrdiff_t k) const { return 2 * static_cast<std::ptrdiff_t>(places.pairs[k]); }
};

// R rows of x times B blocks of outputs.
template <int R, int B, class Of, class Sink>
HWY_INLINE void dot16_tile(const Of& operands, std::ptrdiff_t row, std::ptrdiff_t block, Sink& sink) {
  const std::ptrdiff_t steps = operands.steps;
  const char* HWY_RESTRICT weights = operands.weights + block * steps * kRegister;
  const char* in[R];
  operands.template rows<R>(row, in);
  Wide sum[R][B];
  for (int r = 0; r < R; ++r) {
    for (int b = 0; b < B; ++b) sum[r][b] = load(operands.bias + (block + b) * kBlock);
  }
  const auto step = [&](std::ptrdiff_t k) HWY_ATTR __attribute__((always_inline)) {
    const std::ptrdiff_t at = operands.at(k);
    Wide w[B];
    for (int b = 0; b < B; ++b) w[b] = load(weights + (b * steps + k) * kRegister);
    for (int r = 0; r < R; ++r) {
      const Wide pair = every32(load32(in[r] + at));
      for (int b = 0; b < B; ++b) sum[r][b] = dot_pairs(sum[r][b], pair, w[b]);
    }
  };
  std::ptrdiff_t k = 0;
  for (; k + 2 <= steps; k += 2) {
    step(k);
    step(k + 1);
  }
  if (k < steps) step(k);
  sink.put(row, block, sum);
}

// Where sums of shifted products go: added to what is there.
struct ShiftedSink {
  std::int32_t* HWY_RESTRICT sums;
  std::ptrdiff_t stride;
  int right;

  template <int R, int B>
  HWY_INLINE void put(std::ptrdiff_t row, std::ptrdiff_t block, const Wide (&sum)[R][B]) const {
    for (int r = 0; r < R; ++r) {
      std::int32_t* to = sums + (row + r) * stride + block * kBlock;
      for (int b = 0; b < B; ++b) store(add32(load(to + b * kBlock), shift_right32(sum[r][b], right)), to + b * kBlock);
    }
  }
};

// A product and what is added to it, less what the shift drops: (p + add) - (p + add) mod 2^drop, a multiple of 2^drop.
template <TermRounding::Kind kKind, int R, int B, class Sink>
HWY_INLINE void rounded_tile(const Operands& operands, const TermRounding& rounding, std::ptrdiff_t row, std::ptrdiff_t block, Sink& sink) {
  using Kind = TermRounding::Kind;
  const std::ptrdiff_t steps = operands.steps;
  const char* HWY_RESTRICT weights = operands.weights + block * steps * kRegister;
  const char* in[R];
  operands.rows<R>(row, in);
  const int drop = rounding.drop;
  const Wide mask = every16(static_cast<std::int16_t>((1 << drop) - 1));
  const Wide one = every16(kKind == Kind::kFloor ? std::int16_t{-1} : std::int16_t{1});
  const Wide add = every16(rounding.add);
  const Wide turn = every16(static_cast<std::int16_t>(rounding.add ^ rounding.add_to_negative));
  Wide sum[R][B];
  for (int r = 0; r < R; ++r) {
    for (int b = 0; b < B; ++b) sum[r][b] = zero();
  }
  for (std::ptrdiff_t k = 0; k < steps; ++k) {
    Wide w[B];
    Wide added[B];
    for (int b = 0; b < B; ++b) {
      w[b] = load(weights + (b * steps + k) * kRegister);
      if constexpr (kKind == Kind::kAdd) added[b] = differing(add, both(turn, shift_right16(w[b], 15)));
      if constexpr (kKind == Kind::kEven) added[b] = add;
    }
    for (int r = 0; r < R; ++r) {
      const Wide pair = every32(load32(in[r] + 4 * k));
      for (int b = 0; b < B; ++b) {
        sum[r][b] = dot_pairs(sum[r][b], pair, w[b]);
        const Wide low = low_half(pair, w[b]);
        if constexpr (kKind == Kind::kFloor) {
          sum[r][b] = dot_pairs(sum[r][b], both(low, mask), one);
        } else {
          Wide more = added[b];
          if constexpr (kKind == Kind::kEven) more = add16(more, both(shift_right16(low, drop), one));
          sum[r][b] = dot_pairs(sum[r][b], sub16(more, both(add16(low, more), mask)), one);
        }
      }
    }
  }
  sink.put(row, block, sum);
}

// kGroup steps are added in 16 bits before they go into the 32-bit sums.
template <int R, int B, int kGroup, class Sink>
HWY_INLINE void dot8_tile(const Operands& operands, std::ptrdiff_t row, std::ptrdiff_t block, Sink& sink) {
  const std::ptrdiff_t steps = operands.steps;
  const char* HWY_RESTRICT weights = operands.weights + block * steps * kRegister;
  const char* in[R];
  operands.rows<R>(row, in);
  Wide sum[R][B];
  for (int r = 0; r < R; ++r) {
    for (int b = 0; b < B; ++b) sum[r][b] = load(operands.bias + (block + b) * kBlock);
  }
#ifdef NARROW_HAS_DOT_FOURS
  for (std::ptrdiff_t k = 0; k < steps; ++k) {
    for (int b = 0; b < B; ++b) {
      const Wide w = load(weights + (b * steps + k) * kRegister);
      for (int r = 0; r < R; ++r) sum[r][b] = dot_fours(sum[r][b], every32(load32(in[r] + 4 * k)), w);
    }
  }
#else
  const Wide ones = every32(0x00010001);
  std::ptrdiff_t k = 0;
  for (; k + kGroup <= steps; k += kGroup) {
    for (int b = 0; b < B; ++b) {
      Wide part[R];
      for (int g = 0; g < kGroup; ++g) {
        const Wide w = load(weights + (b * steps + k + g) * kRegister);
        for (int r = 0; r < R; ++r) {
          const Wide product = dot_bytes(every32(load32(in[r] + 4 * (k + g))), w);
          part[r] = g == 0 ? product : add16(part[r], product);
        }
      }
      for (int r = 0; r < R; ++r) sum[r][b] = dot_pairs(sum[r][b], part[r], ones);
    }
  }
  for (; k < steps; ++k) {
    for (int b = 0; b < B; ++b) {
      const Wide w = load(weights + (b * steps + k) * kRegister);
      for (int r = 0; r < R; ++r) sum[r][b] = dot_pairs(sum[r][b], dot_bytes(every32(load32(in[r] + 4 * k)), w), ones);
    }
  }
#endif
  sink.put(row, block, sum);
}

// Calls tile<rows, blocks>(first row, first block) over all rows and blocks.
template <int kTileRows, int kTileBlocks, class Tile>
HWY_INLINE void for_tiles(std::size_t rows, int blocks, const Tile& tile) {
  std::size_t row = 0;
  for (; row + kTileRows <= rows; row += kTileRows) {
    int block = 0;
    for (; block + kTileBlocks <= blocks; block += kTileBlocks) tile.template operator()<kTileRows, kTileBlocks>(row, block);
    for (; block < blocks; ++block) tile.template operator()<kTileRows, 1>(row, block);
  }
  for (; row + 2 <= rows; row += 2) {
    for (int block = 0; block < blocks; ++block) tile.template operator()<2, 1>(row, block);
  }
  for (; row < rows; ++row) {
    for (int block = 0; block < blocks; ++block) tile.template operator()<1, 1>(row, block);
  }
}

// All rows times all weights, each tile's sums into the sink.
template <class Of, class Sink>
HWY_INLINE void dot16_tiles(const Of& operands, std::size_t rows, int blocks, Sink& sink) {
  for_tiles<kRows, kBlocks>(
      rows, blocks, [&]<int R, int B>(std::size_t row, int block) HWY_ATTR __attribute__((always_inline)) {
        dot16_tile<R, B>(operands, static_cast<std::ptrdiff_t>(row), block, sink);
      });
}
template <class Sink>
void dot16_into(const Weights16& weights, const std::int16_t* x, const Places* places, std::size_t rows, const std::int32_t* bias,
                Sink& sink) {
  const Operands operands{reinterpret_cast<const char*>(x), reinterpret_cast<const char*>(weights.data.data()), bias, weights.pairs(),
                          4 * weights.pairs()};
  if (places == nullptr) dot16_tiles(operands, rows, weights.blocks(), sink);
  else dot16_tiles(PlacedOperands{operands, *places}, rows, weights.blocks(), sink);
}

template <int kGroup, class Sink>
void dot8_group(const Weights8& weights, const std::uint8_t* x, std::size_t rows, const std::int32_t* bias, Sink& sink) {
  const Operands operands{reinterpret_cast<const char*>(x), reinterpret_cast<const char*>(weights.data.data()), bias, weights.fours(),
                          4 * weights.fours()};
  for_tiles<kByteRows, kByteBlocks>(
      rows, weights.blocks(), [&]<int R, int B>(std::size_t row, int block) HWY_ATTR __attribute__((always_inline)) {
        dot8_tile<R, B, kGroup>(operands, static_cast<std::ptrdiff_t>(row), block, sink);
      });
}
template <class Sink>
void dot8_into(const Weights8& weights, const std::uint8_t* x, std::size_t rows, const std::int32_t* bias, int group, Sink& sink) {
  switch (group) {
    case 0: return dot8_group<1>(weights, x, rows, bias, sink);
    case 1: return dot8_group<2>(weights, x, rows, bias, sink);
    case 2: return dot8_group<4>(weights, x, rows, bias, sink);
    default: return dot8_group<8>(weights, x, rows, bias, sink);
  }
}

void dot16_all(const Weights16& weights, const std::int16_t* x, const Places* places, std::size_t rows, const std::int32_t* bias,
               std::int32_t* sums) {
  SumSink sink{sums, static_cast<std::ptrdiff_t>(weights.blocks()) * kBlock};
  dot16_into(weights, x, places, rows, bias, sink);
}
template <TermRounding::Kind kKind>
void rounded_into(const Operands& operands, int blocks, const TermRounding& rounding, std::size_t rows, ShiftedSink& sink) {
  for_tiles<kRoundedRows, kBlocks>(
      rows, blocks, [&]<int R, int B>(std::size_t row, int block) HWY_ATTR __attribute__((always_inline)) {
        rounded_tile<kKind, R, B>(operands, rounding, static_cast<std::ptrdiff_t>(row), block, sink);
      });
}
void dot16_rounded_all(const Weights16& weights, const TermRounding& rounding, const std::int16_t* x, std::size_t stride, std::size_t rows,
                       std::int32_t* sums) {
  const Operands operands{reinterpret_cast<const char*>(x), reinterpret_cast<const char*>(weights.data.data()), nullptr, weights.pairs(),
                          2 * static_cast<std::ptrdiff_t>(stride)};
  ShiftedSink sink{sums, static_cast<std::ptrdiff_t>(weights.blocks()) * kBlock, rounding.drop};
  switch (rounding.kind) {
    case TermRounding::Kind::kFloor: return rounded_into<TermRounding::Kind::kFloor>(operands, weights.blocks(), rounding, rows, sink);
    case TermRounding::Kind::kAdd: return rounded_into<TermRounding::Kind::kAdd>(operands, weights.blocks(), rounding, rows, sink);
    case TermRounding::Kind::kEven: return rounded_into<TermRounding::Kind::kEven>(operands, weights.blocks(), rounding, rows, sink);
  }
}
void dot8_all(const Weights8& weights, const std::uint8_t* x, std::size_t rows, const std::int32_t* bias, int group, std::int32_t* sums) {
  SumSink sink{sums, static_cast<std::ptrdiff_t>(weights.blocks()) * kBlock};
  dot8_into(weights, x, rows, bias, group, sink);
}
ReluSeen dot16_relu_all(const Weights16& weights, const std::int16_t* x, const Places* places, std::size_t rows, const std::int32_t* bias,
                        std::int32_t add, int right, std::int16_t* y) {
  return with_relu_sink(add, right, y, weights.n_out, [&](ReluSink& sink) { dot16_into(weights, x, places, rows, bias, sink); });
}
ReluSeen dot8_relu_all(const Weights8& weights, const std::uint8_t* x, std::size_t rows, const std::int32_t* bias, int group,
                       std::int32_t add, int right, std::int16_t* y) {
  return with_relu_sink(add, right, y, weights.n_out, [&](ReluSink& sink) { dot8_into(weights, x, rows, bias, group, sink); });
}

template <int R>
HWY_INLINE void high16_tile(const std::int16_t* HWY_RESTRICT x, std::ptrdiff_t n_in, const std::int16_t* HWY_RESTRICT weights,
                            const std::int16_t* HWY_RESTRICT bias, std::int16_t* HWY_RESTRICT sums, std::ptrdiff_t sums_stride) {
  Wide sum[R];
  for (int r = 0; r < R; ++r) sum[r] = load(bias);
  for (std::ptrdiff_t k = 0; k < n_in; ++k) {
    const Wide w = load(weights + k * kHighBlock);
    for (int r = 0; r < R; ++r) sum[r] = add16(sum[r], high_half(every16(x[r * n_in + k]), w));
  }
  for (int r = 0; r < R; ++r) store(sum[r], sums + r * sums_stride);
}

void high16_all(const WeightsHigh& weights, const std::int16_t* x, std::size_t rows, const std::int16_t* bias, std::int16_t* sums) {
  const std::ptrdiff_t n_in = weights.n_in;
  const std::ptrdiff_t stride = static_cast<std::ptrdiff_t>(weights.blocks()) * kHighBlock;
  for (std::size_t row = 0; row < rows;) {
    const auto r = static_cast<std::ptrdiff_t>(row);
    const bool full = row + kRows <= rows;
    for (std::ptrdiff_t block = 0; block < weights.blocks(); ++block) {
      const std::int16_t* w = weights.data.data() + block * n_in * kHighBlock;
      const std::ptrdiff_t column = block * kHighBlock;
      if (full) high16_tile<kRows>(x + r * n_in, n_in, w, bias + column, sums + r * stride + column, stride);
      else high16_tile<1>(x + r * n_in, n_in, w, bias + column, sums + r * stride + column, stride);
    }
    row += full ? kRows : 1;
  }
}

void shift_all(const std::int16_t* HWY_RESTRICT x, std::size_t n, int shift, std::int16_t* HWY_RESTRICT y) {
  for (std::size_t i = 0; i < n; ++i) y[i] = static_cast<std::int16_t>(static_cast<std::uint16_t>(x[i]) << shift);
}

// How values get into a type of at most 16 bits.
enum class Into { kCut, kWrap, kClamp };  // kCut: into 16 bits, by leaving the others away

// kRelu: max(sum, 0) first. Values are then above any type's low end.
template <Into kInto, bool kRelu>
Extremes finish_some(const Epilogue& e, const std::int32_t* HWY_RESTRICT sums, std::size_t n, std::int16_t* HWY_RESTRICT y, Extremes seen) {
  const std::int32_t last_floor = e.relu_last ? 0 : std::numeric_limits<std::int32_t>::min();
  const std::int32_t add = e.add;
  const int right = e.right;
  const std::int32_t low = e.low;
  const std::int32_t high = e.high;
  const std::int32_t mask = high - low;
  std::int32_t least = seen.least;
  std::int32_t most = seen.most;
  for (std::size_t i = 0; i < n; ++i) {
    std::int32_t value = sums[i];
    if constexpr (kRelu) value = value < 0 ? 0 : value;
    value = (value + add) >> right;
    if constexpr (!kRelu) least = value < least ? value : least;
    most = value > most ? value : most;
    if constexpr (kInto == Into::kClamp) {
      if constexpr (!kRelu) value = value < low ? low : value;
      value = value > high ? high : value;
    }
    if constexpr (kInto == Into::kWrap) value = ((value - low) & mask) + low;
    auto narrow = static_cast<std::int16_t>(value);
    if constexpr (!kRelu) narrow = narrow < last_floor ? std::int16_t{0} : narrow;
    y[i] = narrow;
  }
  return {least, most};
}

#ifdef NARROW_PLAIN
template <Into kInto, bool kRelu>
Extremes finish_row(const Epilogue& e, const std::int32_t* sums, std::size_t n, std::int16_t* y, Extremes seen) {
  return finish_some<kInto, kRelu>(e, sums, n, y, seen);
}
#else
// Sixteen sums at a time.
template <Into kInto, bool kRelu>
Extremes finish_row(const Epilogue& e, const std::int32_t* HWY_RESTRICT sums, std::size_t n, std::int16_t* HWY_RESTRICT y, Extremes seen) {
  constexpr std::size_t kStep = 16;
  const Wide add = every32(e.add);
  const Wide low = every32(e.low);
  const Wide high = every32(e.high);
  const Half low16 = every_half(e.low);
  const Half mask16 = every_half(e.high - e.low);
  const Half floor16 = every_half(e.relu_last ? 0 : std::numeric_limits<std::int16_t>::min());
  Wide least = every32(seen.least);
  Wide most = every32(seen.most);
  std::size_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    Wide value = load(sums + i);
    if constexpr (kRelu) value = max32(value, zero());
    value = shift_right32(add32(value, add), e.right);
    if constexpr (!kRelu) least = min32(least, value);
    most = max32(most, value);
    if constexpr (kInto == Into::kClamp) {
      if constexpr (!kRelu) value = max32(value, low);
      value = min32(value, high);
    }
    Half narrow = low_halves(value);
    // The same modulo 2^16, of which the type's bits are a part.
    if constexpr (kInto == Into::kWrap) narrow = _mm256_add_epi16(_mm256_and_si256(_mm256_sub_epi16(narrow, low16), mask16), low16);
    if constexpr (!kRelu) narrow = _mm256_max_epi16(narrow, floor16);
    store_half(narrow, y + i);
  }
  std::int32_t lanes[kStep];
  store(least, lanes);
  for (const std::int32_t lane : lanes) seen.least = lane < seen.least ? lane : seen.least;
  store(most, lanes);
  for (const std::int32_t lane : lanes) seen.most = lane > seen.most ? lane : seen.most;
  return i < n ? finish_some<kInto, kRelu>(e, sums + i, n - i, y + i, seen) : seen;
}
#endif

template <Into kInto>
Extremes finish_into(const Epilogue& e, const std::int32_t* sums, std::size_t rows, std::size_t n, std::size_t stride, std::int16_t* y) {
  Extremes seen{std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()};
  for (std::size_t r = 0; r < rows; ++r) {
    seen = e.relu ? finish_row<kInto, true>(e, sums + r * stride, n, y + r * n, seen)
                  : finish_row<kInto, false>(e, sums + r * stride, n, y + r * n, seen);
  }
  return seen;
}

Extremes finish16_all(const Epilogue& e, const std::int32_t* sums, std::size_t rows, std::size_t n, std::size_t stride, std::int16_t* y) {
  if (n == stride) {
    n *= rows;
    rows = 1;
  }
  if (e.clamp) return finish_into<Into::kClamp>(e, sums, rows, n, stride, y);
  const bool sixteen = e.low == std::numeric_limits<std::int16_t>::min() && e.high == std::numeric_limits<std::int16_t>::max();
  return sixteen ? finish_into<Into::kCut>(e, sums, rows, n, stride, y) : finish_into<Into::kWrap>(e, sums, rows, n, stride, y);
}

void finish_high_all(int width, bool relu, const std::int16_t* sums, std::size_t rows, std::size_t n, std::size_t stride, std::int16_t* y) {
  const int unused = 16 - width;
  if (unused == 0) {
    for (std::size_t r = 0; r < rows; ++r) {
      const std::int16_t* HWY_RESTRICT from = sums + r * stride;
      std::int16_t* HWY_RESTRICT to = y + r * n;
      for (std::size_t i = 0; i < n; ++i) to[i] = relu && from[i] < 0 ? std::int16_t{0} : from[i];
    }
    return;
  }
  const std::int16_t floor = relu ? 0 : std::numeric_limits<std::int16_t>::min();
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int16_t* HWY_RESTRICT from = sums + r * stride;
    std::int16_t* HWY_RESTRICT to = y + r * n;
    for (std::size_t i = 0; i < n; ++i) {
      const auto wrapped = static_cast<std::int16_t>(static_cast<std::int16_t>(static_cast<std::uint16_t>(from[i]) << unused) >> unused);
      to[i] = wrapped < floor ? floor : wrapped;
    }
  }
}

void split_all(const std::int64_t* x, std::size_t rows, std::size_t n, std::size_t stride, int shift, std::int64_t mask, std::int16_t* y) {
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int64_t* HWY_RESTRICT from = x + r * n;
    std::int16_t* HWY_RESTRICT to = y + r * stride;
    // The low 16 bits of a logical shift, which is faster, are those of an arithmetic one, up to 48 bits.
    constexpr int kSameBits = 48;
    if (shift > kSameBits) {
      for (std::size_t k = 0; k < n; ++k) to[k] = static_cast<std::int16_t>((from[k] >> shift) & mask);
      continue;
    }
    for (std::size_t k = 0; k < n; ++k)
      to[k] = static_cast<std::int16_t>(static_cast<std::uint64_t>(from[k]) >> shift & static_cast<std::uint64_t>(mask));
  }
}

void add_shifted_all(const std::int32_t* x, std::size_t rows, std::size_t n, std::size_t stride, int shift, std::int64_t* y) {
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int32_t* HWY_RESTRICT from = x + r * stride;
    auto* HWY_RESTRICT to = reinterpret_cast<std::uint64_t*>(y + r * n);
    for (std::size_t j = 0; j < n; ++j) to[j] += static_cast<std::uint64_t>(static_cast<std::int64_t>(from[j])) << shift;
  }
}

template <int kPlanes, bool kClamp>
std::int64_t finish_planes_row(const WideEpilogue& e, const std::int32_t* const* sums, const int* shifts,
                               const std::int64_t* HWY_RESTRICT bias, std::size_t n, std::int64_t* HWY_RESTRICT y, std::int64_t most) {
  const std::int32_t* HWY_RESTRICT s0 = sums[0];
  const std::int32_t* HWY_RESTRICT s1 = sums[kPlanes > 1 ? 1 : 0];
  const std::int32_t* HWY_RESTRICT s2 = sums[kPlanes > 2 ? 2 : 0];
  const int h1 = shifts[kPlanes > 1 ? 1 : 0];
  const int h2 = shifts[kPlanes > 2 ? 2 : 0];
  const std::int64_t mask = e.high - e.low;
  const std::int64_t low = e.low;
  const std::int64_t high = e.high;
  for (std::size_t j = 0; j < n; ++j) {
    std::int64_t value = s0[j];
    if constexpr (kPlanes > 1) value += static_cast<std::int64_t>(s1[j]) << h1;
    if constexpr (kPlanes > 2) value += static_cast<std::int64_t>(s2[j]) << h2;
    value = (value << e.up) + bias[j];
    value = value < 0 ? 0 : value;
    value = static_cast<std::int64_t>(static_cast<std::uint64_t>(value + e.add) >> e.right);
    most = value > most ? value : most;
    if constexpr (kClamp) value = value > high ? high : value;
    else value = ((value - low) & mask) + low;
    y[j] = value;
  }
  return most;
}

std::int64_t finish_planes_all(const WideEpilogue& e, const std::int32_t* const* sums, const int* shifts, int planes,
                               const std::int64_t* bias, std::size_t rows, std::size_t n, std::size_t stride, std::int64_t* y) {
  std::int64_t most = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int32_t* row[3] = {};
    for (int p = 0; p < planes; ++p) row[p] = sums[p] + r * stride;
    const auto run = [&]<int kPlanes>() {
      most = e.clamp ? finish_planes_row<kPlanes, true>(e, row, shifts, bias, n, y + r * n, most)
                     : finish_planes_row<kPlanes, false>(e, row, shifts, bias, n, y + r * n, most);
    };
    if (planes == 1) run.template operator()<1>();
    else if (planes == 2) run.template operator()<2>();
    else run.template operator()<3>();
  }
  return most;
}

void narrow32_all(const std::int32_t* x, std::size_t rows, std::size_t n, std::size_t stride, std::int16_t* y) {
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int32_t* HWY_RESTRICT from = x + r * stride;
    std::int16_t* HWY_RESTRICT to = y + r * n;
    for (std::size_t j = 0; j < n; ++j) to[j] = static_cast<std::int16_t>(from[j]);
  }
}

void widen32_all(const std::int32_t* x, std::size_t rows, std::size_t n, std::size_t stride, std::int64_t* y) {
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int32_t* HWY_RESTRICT from = x + r * stride;
    std::int64_t* HWY_RESTRICT to = y + r * n;
    for (std::size_t j = 0; j < n; ++j) to[j] = from[j];
  }
}

bool narrow64_all(const std::int64_t* x, std::size_t rows, std::size_t n, std::size_t stride, int limit, std::int16_t* y) {
  const std::int64_t most = limit;
  std::int64_t outside = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int64_t* HWY_RESTRICT from = x + r * n;
    std::int16_t* HWY_RESTRICT to = y + r * stride;
    for (std::size_t k = 0; k < n; ++k) {
      outside |= static_cast<std::int64_t>(from[k] > most) | static_cast<std::int64_t>(from[k] < -most);
      to[k] = static_cast<std::int16_t>(from[k]);
    }
    for (std::size_t k = n; k < stride; ++k) to[k] = 0;
  }
  return outside == 0;
}

void add_rows_all(const std::int16_t* HWY_RESTRICT x, std::size_t rows, std::size_t n, std::int32_t* HWY_RESTRICT sums) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < n; ++j) sums[j] += x[r * n + j];
  }
}

std::int64_t quantize_all(const float* HWY_RESTRICT x, std::size_t n, double scale, double add, std::int32_t* HWY_RESTRICT y) {
  constexpr double kLimit = 1 << 30;
  int outside = 0;
  std::int32_t zeros = 0;
  for (std::size_t i = 0; i < n; ++i) {
    // Exact: a float times a power of two, plus 0 or a half, floored, within 2^30.
    const double value = static_cast<double>(x[i]) * scale + add;
    outside |= static_cast<int>(!(value < kLimit)) | static_cast<int>(!(value > -kLimit));
    const auto truncated = static_cast<std::int32_t>(value < kLimit && value > -kLimit ? value : 0);
    const std::int32_t floor = truncated - static_cast<std::int32_t>(static_cast<double>(truncated) > value);
    zeros += static_cast<std::int32_t>(floor == 0) & static_cast<std::int32_t>(x[i] != 0);
    y[i] = floor;
  }
  return outside == 0 ? zeros : -1;
}

std::uint16_t bytes_all(const std::int16_t* x, std::size_t rows, std::size_t n, std::size_t stride, std::uint8_t* y) {
  if (n == stride) {
    n *= rows;
    stride = n;
    rows = 1;
  }
  std::uint16_t most = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::int16_t* HWY_RESTRICT from = x + r * n;
    std::uint8_t* HWY_RESTRICT to = y + r * stride;
    std::size_t k = 0;
#ifndef NARROW_PLAIN
    constexpr std::size_t kStep = 32;
    Half seen = every_half(0);
    for (; k + kStep <= n; k += kStep) {
      const Half a = load_half(from + k);
      const Half b = load_half(from + k + kStep / 2);
      seen = _mm256_max_epu16(seen, _mm256_max_epu16(a, b));
      store_half(_mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8), to + k);
    }
    const __m128i both = _mm_max_epu16(_mm256_castsi256_si128(seen), _mm256_extracti128_si256(seen, 1));
    // The instruction finds the least.
    const auto largest = static_cast<std::uint16_t>(~_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_xor_si128(both, _mm_set1_epi16(-1)))));
    most = largest > most ? largest : most;
#endif
    for (; k < n; ++k) {
      const auto value = static_cast<std::uint16_t>(from[k]);
      most = value > most ? value : most;
      to[k] = static_cast<std::uint8_t>(value);
    }
    for (; k < stride; ++k) to[k] = 0;
  }
  return most;
}

std::string name_of_target() { return hwy::TargetName(HWY_TARGET); }

// Enough independent sums to hide the latency, operands in registers: nothing but the instruction itself.
template <int kSums, bool kBytes>
HWY_NOINLINE double peak_rate() {
  constexpr int kTurns = 2'000'000;
  Wide sum[kSums];
  for (int i = 0; i < kSums; ++i) sum[i] = every32(i);
  Wide a = every32(0x00030001);
  const Wide b = every32(0x00010002);
  const auto start = std::chrono::steady_clock::now();
  for (int turn = 0; turn < kTurns; ++turn) {
    for (int i = 0; i < kSums; ++i) {
      // Keeps the compiler from computing one product for all.
#if HWY_TARGET == HWY_AVX2
      __asm__ volatile("" : "+x"(a.v), "+x"(a.w));
#elif HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
      __asm__ volatile("" : "+v"(a.v));
#else
      __asm__ volatile("" : "+m"(a));
#endif
      if constexpr (kBytes) {
#ifdef NARROW_HAS_DOT_FOURS
        sum[i] = dot_fours(sum[i], a, b);
#else
        sum[i] = add16(sum[i], dot_bytes(a, b));
#endif
      } else {
        sum[i] = dot_pairs(sum[i], a, b);
      }
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  char sink[kRegister];
  for (int i = 0; i < kSums; ++i) {
    store(sum[i], sink);
    __asm__ volatile("" : : "m"(sink) : "memory");
  }
  constexpr double kProducts = kBytes ? 64 : 32;
  return kProducts * kSums * kTurns / seconds;
}

double peak_of(int bits) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  constexpr int kSums = 16;
#else
  constexpr int kSums = 5;  // pairs of registers
#endif
  return bits == 8 ? peak_rate<kSums, true>() : peak_rate<kSums, false>();
}

}  // namespace narrow::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow {

HWY_EXPORT(dot16_all);
HWY_EXPORT(dot16_rounded_all);
HWY_EXPORT(dot8_all);
HWY_EXPORT(dot16_relu_all);
HWY_EXPORT(dot8_relu_all);
HWY_EXPORT(high16_all);
HWY_EXPORT(shift_all);
HWY_EXPORT(finish16_all);
HWY_EXPORT(finish_high_all);
HWY_EXPORT(split_all);
HWY_EXPORT(add_shifted_all);
HWY_EXPORT(finish_planes_all);
HWY_EXPORT(narrow32_all);
HWY_EXPORT(widen32_all);
HWY_EXPORT(narrow64_all);
HWY_EXPORT(add_rows_all);
HWY_EXPORT(quantize_all);
HWY_EXPORT(bytes_all);
HWY_EXPORT(name_of_target);
HWY_EXPORT(peak_of);

Weights8 pack8(int n_in, int n_out, const std::vector<std::int8_t>& weights) {
  Weights8 packed{n_in, n_out, {}, {}};
  const int fours = packed.fours();
  packed.data.resize(static_cast<std::size_t>(packed.blocks()) * static_cast<std::size_t>(fours) * kBlock * 4);
  const auto weight = [&](int i, int j) {
    return i < n_in && j < n_out ? weights[static_cast<std::size_t>(i) * static_cast<std::size_t>(n_out) + static_cast<std::size_t>(j)]
                                 : std::int8_t{0};
  };
  std::size_t at = 0;
  for (int b = 0; b < packed.blocks(); ++b) {
    for (int k = 0; k < 4 * fours; k += 4) {
      for (int j = b * kBlock; j < (b + 1) * kBlock; ++j) {
        for (int i = k; i < k + 4; ++i) packed.data[at++] = weight(i, j);
      }
    }
  }
  constexpr int kGroups = 4;
  for (int g = 0; g < kGroups; ++g) {
    const int steps = 1 << g;
    std::int64_t largest = 0;
    for (int j = 0; j < n_out; ++j) {
      for (int first = 0; first < fours; first += steps) {
        for (int half = 0; half < 2; ++half) {
          std::int64_t sum = 0;
          for (int k = first; k < std::min(first + steps, fours); ++k) {
            sum += std::abs(weight(4 * k + 2 * half, j)) + std::abs(weight(4 * k + 2 * half + 1, j));
          }
          largest = std::max(largest, sum);
        }
      }
    }
    packed.sums_of.push_back(largest);
  }
  return packed;
}

void dot16(const Weights16& weights, const std::int16_t* x, std::size_t rows, const std::int32_t* bias, std::int32_t* sums) {
  HWY_DYNAMIC_DISPATCH(dot16_all)(weights, x, nullptr, rows, bias, sums);
}
void dot16(const Weights16& weights, const std::int16_t* x, const Places& places, std::size_t rows, const std::int32_t* bias,
           std::int32_t* sums) {
  HWY_DYNAMIC_DISPATCH(dot16_all)(weights, x, &places, rows, bias, sums);
}
void dot16_rounded(const Weights16& weights, const TermRounding& rounding, const std::int16_t* x, std::size_t stride, std::size_t rows,
                   std::int32_t* sums) {
  HWY_DYNAMIC_DISPATCH(dot16_rounded_all)(weights, rounding, x, stride, rows, sums);
}
void dot8(const Weights8& weights, const std::uint8_t* x, std::size_t rows, const std::int32_t* bias, int group, std::int32_t* sums) {
  HWY_DYNAMIC_DISPATCH(dot8_all)(weights, x, rows, bias, group, sums);
}
ReluSeen dot16_relu(const Weights16& weights, const std::int16_t* x, std::size_t rows, const std::int32_t* bias, std::int32_t add,
                    int right, std::int16_t* y) {
  return HWY_DYNAMIC_DISPATCH(dot16_relu_all)(weights, x, nullptr, rows, bias, add, right, y);
}
ReluSeen dot16_relu(const Weights16& weights, const std::int16_t* x, const Places& places, std::size_t rows, const std::int32_t* bias,
                    std::int32_t add, int right, std::int16_t* y) {
  return HWY_DYNAMIC_DISPATCH(dot16_relu_all)(weights, x, &places, rows, bias, add, right, y);
}
ReluSeen dot8_relu(const Weights8& weights, const std::uint8_t* x, std::size_t rows, const std::int32_t* bias, int group, std::int32_t add,
                   int right, std::int16_t* y) {
  return HWY_DYNAMIC_DISPATCH(dot8_relu_all)(weights, x, rows, bias, group, add, right, y);
}
void narrow32(const std::int32_t* x, std::size_t rows, std::size_t n, std::size_t stride, std::int16_t* y) {
  HWY_DYNAMIC_DISPATCH(narrow32_all)(x, rows, n, stride, y);
}
void high16(const WeightsHigh& weights, const std::int16_t* x, std::size_t rows, const std::int16_t* bias, std::int16_t* sums) {
  HWY_DYNAMIC_DISPATCH(high16_all)(weights, x, rows, bias, sums);
}
void shift_left16(const std::int16_t* x, std::size_t n, int shift, std::int16_t* y) { HWY_DYNAMIC_DISPATCH(shift_all)(x, n, shift, y); }
Extremes finish16(const Epilogue& epilogue, const std::int32_t* sums, std::size_t rows, std::size_t n, std::size_t stride,
                  std::int16_t* y) {
  return HWY_DYNAMIC_DISPATCH(finish16_all)(epilogue, sums, rows, n, stride, y);
}
void finish_high(int width, bool relu, const std::int16_t* sums, std::size_t rows, std::size_t n, std::size_t stride, std::int16_t* y) {
  HWY_DYNAMIC_DISPATCH(finish_high_all)(width, relu, sums, rows, n, stride, y);
}
void add_shifted32(const std::int32_t* x, std::size_t rows, std::size_t n, std::size_t stride, int shift, std::int64_t* y) {
  HWY_DYNAMIC_DISPATCH(add_shifted_all)(x, rows, n, stride, shift, y);
}
void split_plane(const std::int64_t* x, std::size_t rows, std::size_t n, std::size_t stride, int shift, std::int64_t mask,
                 std::int16_t* y) {
  HWY_DYNAMIC_DISPATCH(split_all)(x, rows, n, stride, shift, mask, y);
}
std::int64_t finish_planes(const WideEpilogue& epilogue, const std::int32_t* const* sums, const int* shifts, int planes,
                           const std::int64_t* bias, std::size_t rows, std::size_t n, std::size_t stride, std::int64_t* y) {
  return HWY_DYNAMIC_DISPATCH(finish_planes_all)(epilogue, sums, shifts, planes, bias, rows, n, stride, y);
}
void widen32(const std::int32_t* x, std::size_t rows, std::size_t n, std::size_t stride, std::int64_t* y) {
  HWY_DYNAMIC_DISPATCH(widen32_all)(x, rows, n, stride, y);
}
bool narrow64(const std::int64_t* x, std::size_t rows, std::size_t n, std::size_t stride, int limit, std::int16_t* y) {
  return HWY_DYNAMIC_DISPATCH(narrow64_all)(x, rows, n, stride, limit, y);
}
void add_rows16(const std::int16_t* x, std::size_t rows, std::size_t n, std::int32_t* sums) {
  HWY_DYNAMIC_DISPATCH(add_rows_all)(x, rows, n, sums);
}
std::optional<std::uint64_t> quantize32(const float* x, std::size_t n, double scale, double add, std::int32_t* y) {
  const std::int64_t zeros = HWY_DYNAMIC_DISPATCH(quantize_all)(x, n, scale, add, y);
  return zeros < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(zeros));
}
std::uint16_t to_bytes(const std::int16_t* x, std::size_t rows, std::size_t n, std::size_t stride, std::uint8_t* y) {
  return HWY_DYNAMIC_DISPATCH(bytes_all)(x, rows, n, stride, y);
}
std::string instruction_set() { return HWY_DYNAMIC_DISPATCH(name_of_target)(); }
std::vector<std::int64_t> kernel_targets() {
  std::vector<std::int64_t> targets = hwy::SupportedAndGeneratedTargets();
  std::erase_if(targets, [](std::int64_t target) { return (target & HWY_TARGETS) == 0; });
  return targets;
}
void restrict_instruction_set(const std::string& name) {
  std::string names;
  for (const std::int64_t target : kernel_targets()) {
    if (name == hwy::TargetName(target)) return hwy::SetSupportedTargetsForTest(hwy::SupportedTargets() & ~(target - 1));
    names += (names.empty() ? "" : ", ") + std::string(hwy::TargetName(target));
  }
  throw Error("this machine does not have the instruction set " + name + "; it has " + names);
}
double measured_peak(int bits) { return HWY_DYNAMIC_DISPATCH(peak_of)(bits); }

}  // namespace narrow
#endif
