#ifndef NARROW_ENGINE_TENSOR_H_
#define NARROW_ENGINE_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/kernels.h"
#include "fixed/format.h"
#include "model/operation.h"

namespace narrow {

// A tensor of some rows: in int16 where its type fits, else in int64, and in 128 bits where that is not enough.
struct Tensor {
  bool small = false;
  bool large = false;
  Buffer<std::int16_t> s;
  Buffer<std::int64_t> w;
  Buffer<Int128> l;
  void hold(const Format& format);  // from now on values of this type
  void resize(std::size_t size) { small ? s.resize(size) : large ? l.resize(size) : w.resize(size); }
  Int128 operator[](std::size_t i) const { return small ? s[i] : large ? l[i] : w[i]; }
  // Values [at, at + count) from `values`, which fit, or to them.
  void put(std::size_t at, std::size_t count, const std::int32_t* values);
  void put(std::size_t at, std::size_t count, const std::int64_t* values);
  void put(std::size_t at, std::size_t count, const Int128* values);
  void get(std::size_t at, std::size_t count, std::int32_t* values) const;
  void get(std::size_t at, std::size_t count, std::int64_t* values) const;
  void get(std::size_t at, std::size_t count, Int128* values) const;
  // The same as int64: where they lie, or in `buffer`.
  const std::int64_t* wide(std::size_t at, std::size_t count, Buffer<std::int64_t>& buffer) const;
  // Values [from, from + count) of another tensor of the same type.
  void copy(const Tensor& other, std::size_t from, std::size_t count, std::size_t at);
  // Some rows of one sample, which begins at `sample` in the other tensor of the same type, behind one another from `at` on.
  void gather(const Gather& gather, const Tensor& other, std::size_t sample, std::size_t row, std::size_t count, std::size_t at);
};
bool fits_small(const Format& format);
bool fits_word(const Format& format);  // int64

// Where layers' counts go while rows are computed.
struct Tally {
  std::vector<LayerCounts> counts;
  bool overflowed = false;
};

// Working memory of one thread.
struct Scratch {
  Buffer<std::int16_t> x16[3];
  Buffer<std::uint8_t> x8;
  Buffer<std::int32_t> pairs;
  Buffer<std::int32_t> sums[6];
  Buffer<std::int16_t> sums16;
  Buffer<std::int64_t> wide[2];
  Buffer<std::int64_t> groups[6];
  Buffer<Int128> large;
  Buffer<Int128> more_large[2];
  Tensor window;  // rows that are gathered, and what is made of them
  Tensor part;
  std::vector<char> marks;
  std::vector<bool> left;  // layers whose values have left their type: the way that needs them inside is not tried again
};

}  // namespace narrow

#endif  // NARROW_ENGINE_TENSOR_H_
