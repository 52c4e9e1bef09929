#ifndef NARROW_ENGINE_KERNELS_H_
#define NARROW_ENGINE_KERNELS_H_

#include <hwy/aligned_allocator.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace narrow {

// The inner loops of the fast path: matrix products of small integers, compiled for each instruction set and chosen at run
// time. They know nothing of types; engine/engine.cc chooses one for a layer where its result is proven exact.

// Outputs at a time; weights are padded with zeros to a multiple of it.
inline constexpr int kBlock = 16;

// Memory for SIMD: aligned and padded at the end, so that a vector may be read beyond the last element.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) { resize(size); }
  // Contents are lost where it grows.
  void resize(std::size_t size) {
    if (size > capacity_) {
      constexpr std::size_t kPadding = 64;
      capacity_ = size;
      data_ = hwy::AllocateAligned<T>(size + kPadding / sizeof(T) + 1);
    }
    size_ = size;
  }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_.get()[i]; }
  const T& operator[](std::size_t i) const { return data_.get()[i]; }
  void fill(T value) {
    for (std::size_t i = 0; i < size_; ++i) data_.get()[i] = value;
  }

 private:
  hwy::AlignedFreeUniquePtr<T[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// Weights for dot16: int16 in pairs along k, (blocks, pairs, kBlock, 2).
struct Weights16 {
  int n_in = 0;
  int n_out = 0;
  Buffer<std::int16_t> data;
  int pairs() const { return (n_in + 1) / 2; }
  int blocks() const { return (n_out + kBlock - 1) / kBlock; }
};

// Weights for dot8: int8 in fours along k, (blocks, fours, kBlock, 4).
struct Weights8 {
  int n_in = 0;
  int n_out = 0;
  Buffer<std::int8_t> data;
  // sums_of[g]: the largest sum of |w| over the two k of a pair in 2^g consecutive fours, over all outputs. Where it times
  // the largest x stays below 2^15, so many products may be added in 16 bits.
  std::vector<std::int64_t> sums_of;
  int fours() const { return (n_in + 3) / 4; }
  int blocks() const { return (n_out + kBlock - 1) / kBlock; }
};

// Weights for high16: int16, (blocks, n_in, kHighBlock).
inline constexpr int kHighBlock = 32;
struct WeightsHigh {
  int n_in = 0;
  int n_out = 0;
  Buffer<std::int16_t> data;
  int blocks() const { return (n_out + kHighBlock - 1) / kHighBlock; }
};

// `weight(i, j)` is the value for input i and output j, 0 beyond the ends.
template <class Weight>
Weights16 pack16(int n_in, int n_out, const Weight& weight) {
  Weights16 packed{n_in, n_out, {}};
  packed.data.resize(static_cast<std::size_t>(packed.blocks()) * static_cast<std::size_t>(packed.pairs()) * kBlock * 2);
  std::size_t at = 0;
  for (int b = 0; b < packed.blocks(); ++b) {
    for (int k = 0; k < 2 * packed.pairs(); k += 2) {
      for (int j = b * kBlock; j < (b + 1) * kBlock; ++j) {
        for (int i = k; i < k + 2; ++i)
          packed.data[at++] = i < n_in && j < n_out ? static_cast<std::int16_t>(weight(i, j)) : std::int16_t{0};
      }
    }
  }
  return packed;
}
template <class Weight>
WeightsHigh pack_high(int n_in, int n_out, const Weight& weight) {
  WeightsHigh packed{n_in, n_out, {}};
  packed.data.resize(static_cast<std::size_t>(packed.blocks()) * static_cast<std::size_t>(n_in) * kHighBlock);
  std::size_t at = 0;
  for (int b = 0; b < packed.blocks(); ++b) {
    for (int i = 0; i < n_in; ++i) {
      for (int j = b * kHighBlock; j < (b + 1) * kHighBlock; ++j)
        packed.data[at++] = j < n_out ? static_cast<std::int16_t>(weight(i, j)) : std::int16_t{0};
    }
  }
  return packed;
}
Weights8 pack8(int n_in, int n_out, const std::vector<std::int8_t>& weights);  // (n_in, n_out) row major

// sums (rows, blocks * kBlock) = bias + x * weights, in int32; the caller has proven that no partial sum overflows. x (rows,
// 2 * pairs), where n_in is odd padded with one 0; bias (blocks * kBlock).
void dot16(const Weights16& weights, const std::int16_t* x, std::size_t rows, const std::int32_t* bias, std::int32_t* sums);

// Rows that lie anywhere in x, all alike: where each begins, and where each pair of values lies behind that, in values.
struct Places {
  const std::int32_t* rows = nullptr;
  const std::int32_t* pairs = nullptr;
};
void dot16(const Weights16& weights, const std::int16_t* x, const Places& places, std::size_t rows, const std::int32_t* bias,
           std::int32_t* sums);

// How a product p = x * w is brought to steps of 2^drop, 1 <= drop <= 15: floor((p + add) / 2^drop), with another number to add where w
// is negative; kEven adds 1 more where floor(p / 2^drop) is odd, for ties that go to the even number. 0 <= add < 2^drop.
struct TermRounding {
  enum class Kind : std::uint8_t { kFloor, kAdd, kEven } kind = Kind::kFloor;  // kFloor: nothing is added
  int drop = 1;
  std::int16_t add = 0;
  std::int16_t add_to_negative = 0;
};

// sums (rows, blocks * kBlock) += the sum over k of the rounded products, in int32. Rows of x are `stride` int16 apart, an even number
// of them read. The caller has proven that 2^drop times any partial sum of rounded products, and of products with what is added,
// fits int32.
void dot16_rounded(const Weights16& weights, const TermRounding& rounding, const std::int16_t* x, std::size_t stride, std::size_t rows,
                   std::int32_t* sums);

// The same as dot16 for x from 0 to 255, (rows, 4 * fours) padded with 0, adding 2^group products of each pair in 16 bits.
void dot8(const Weights8& weights, const std::uint8_t* x, std::size_t rows, const std::int32_t* bias, int group, std::int32_t* sums);

// sums (rows, blocks * kHighBlock) = bias + sum over k of floor(x[k] * w[k] / 2^16), modulo 2^16. x is (rows, n_in).
void high16(const WeightsHigh& weights, const std::int16_t* x, std::size_t rows, const std::int16_t* bias, std::int16_t* sums);

// y[i] = x[i] << shift, modulo 2^16.
void shift_left16(const std::int16_t* x, std::size_t n, int shift, std::int16_t* y);

// How an int32 sum becomes the next layer's int16 input: max(s, 0) where `relu`, (s + add) >> right, into the range, max(s, 0)
// where `relu_last`.
struct Epilogue {
  bool relu = false;
  bool relu_last = false;
  bool clamp = false;    // into [low, high]; else wrapped into it
  std::int32_t add = 0;  // half a step for AP_RND
  int right = 0;
  std::int32_t low = 0;  // of the type
  std::int32_t high = 0;
};

struct Extremes {  // of the values before they are brought into range
  std::int32_t least = 0;
  std::int32_t most = 0;
};

// y (rows, n) from sums (rows, stride).
Extremes finish16(const Epilogue& epilogue, const std::int32_t* sums, std::size_t rows, std::size_t n, std::size_t stride, std::int16_t* y);

// What a relu in registers saw.
struct ReluSeen {
  std::int16_t most = 0;    // the largest y: below 32767 nothing was clamped
  std::uint64_t zeros = 0;  // sums above 0 that became 0 by rounding
};

// dot16 or dot8 and a relu with its rounding in one: y (rows, n_out) = max(sum >> right, 0), clamped into int16; `add`, half a step for
// AP_RND, is in the bias already. The bias of outputs beyond n_out is not above `add`, so that they are counted nowhere.
ReluSeen dot16_relu(const Weights16& weights, const std::int16_t* x, std::size_t rows, const std::int32_t* bias, std::int32_t add,
                    int right, std::int16_t* y);
ReluSeen dot16_relu(const Weights16& weights, const std::int16_t* x, const Places& places, std::size_t rows, const std::int32_t* bias,
                    std::int32_t add, int right, std::int16_t* y);
ReluSeen dot8_relu(const Weights8& weights, const std::uint8_t* x, std::size_t rows, const std::int32_t* bias, int group, std::int32_t add,
                   int right, std::int16_t* y);

// y (rows, n), of values that fit int16, from x (rows, stride).
void narrow32(const std::int32_t* x, std::size_t rows, std::size_t n, std::size_t stride, std::int16_t* y);

// The parts of values that are cut into planes: y[i] = (x[i] >> shift) & mask, (rows, n) to (rows, stride). The mask leaves at most
// 16 bits; -1 is for the top part, which fits them.
void split_plane(const std::int64_t* x, std::size_t rows, std::size_t n, std::size_t stride, int shift, std::int64_t mask, std::int16_t* y);

// y (rows, n) += x (rows, stride) << shift, modulo 2^64; shift < 64.
void add_shifted32(const std::int32_t* x, std::size_t rows, std::size_t n, std::size_t stride, int shift, std::int64_t* y);

// Sums of `planes` planes put together, and a relu with its cast: v = (sum of sums[p] << shifts[p] << up) + bias,
// y = fit((max(v, 0) + add) >> right). y (rows, n) from sums (rows, stride) and bias (n). Returns the largest value before
// it is brought into range.
struct WideEpilogue {
  int up = 0;
  std::int64_t add = 0;
  int right = 0;
  bool clamp = false;
  std::int64_t low = 0;
  std::int64_t high = 0;
};
std::int64_t finish_planes(const WideEpilogue& epilogue, const std::int32_t* const* sums, const int* shifts, int planes,
                           const std::int64_t* bias, std::size_t rows, std::size_t n, std::size_t stride, std::int64_t* y);

// The same of 16-bit sums that wrap to `width` bits, sign-extended, and then relu.
void finish_high(int width, bool relu, const std::int16_t* sums, std::size_t rows, std::size_t n, std::size_t stride, std::int16_t* y);

// The same to int64, of any values.
void widen32(const std::int32_t* x, std::size_t rows, std::size_t n, std::size_t stride, std::int64_t* y);

// y (rows, stride), padded with 0, from x (rows, n). Returns whether no |x| is above `limit`, which fits int16; y is of no use
// otherwise.
bool narrow64(const std::int64_t* x, std::size_t rows, std::size_t n, std::size_t stride, int limit, std::int16_t* y);

// sums (n, 32 bits) = sum over the rows of x (rows, n), added to what is there.
void add_rows16(const std::int16_t* x, std::size_t rows, std::size_t n, std::int32_t* sums);

// y[i] = floor(x[i] * scale + add), as int32. Returns how many x other than 0 became 0, or nothing where some value does not fit
// 31 bits; y is then of no use.
std::optional<std::uint64_t> quantize32(const float* x, std::size_t n, double scale, double add, std::int32_t* y);

// x (rows, n) as bytes (rows, stride), padded with 0. Returns the largest x read without its sign: up to 255 the bytes are
// all of x.
std::uint16_t to_bytes(const std::int16_t* x, std::size_t rows, std::size_t n, std::size_t stride, std::uint8_t* y);

// Whether each kernel above gives the sums that plain loops give, on random operands (a millisecond). Engine asks once in a
// process before it trusts an instruction set: not every one can be had where narrow is tested.
bool kernels_are_right(std::uint64_t seed);

// The instruction set in use, as Highway names it: AVX3_DL (with VNNI), AVX3, AVX2, EMU128 (plain C++).
std::string instruction_set();
// Leaves the instruction sets that are better than the named one out, for measuring. Throws Error where the machine or the name
// is not one.
void restrict_instruction_set(const std::string& name);
// Highway's numbers of the instruction sets that the kernels are compiled for and this machine has, for tests.
std::vector<std::int64_t> kernel_targets();

// Multiplications a second of one core in a loop of nothing but the instruction that dot16 (bits 16) or dot8 (bits 8) lives
// from, measured now.
double measured_peak(int bits);

}  // namespace narrow

#endif  // NARROW_ENGINE_KERNELS_H_
