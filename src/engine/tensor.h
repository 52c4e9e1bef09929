#ifndef NARROW_ENGINE_TENSOR_H_
#define NARROW_ENGINE_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/interpreter.h"
#include "engine/kernels.h"
#include "fixed/format.h"

namespace narrow {

// A tensor of some rows: int16 where its type fits, int64 otherwise.
struct Tensor {
  bool small = false;
  Buffer<std::int16_t> s;
  Buffer<std::int64_t> w;
  void resize(std::size_t size) { small ? s.resize(size) : w.resize(size); }
  std::int64_t operator[](std::size_t i) const { return small ? s[i] : w[i]; }
  // Values [at, at + count) from `values`, which fit, or to them.
  void put(std::size_t at, std::size_t count, const std::int64_t* values);
  void get(std::size_t at, std::size_t count, std::int64_t* values) const;
};
bool fits_small(const Format& format);

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
  std::vector<bool> left;  // layers whose values have left their type: the way that needs them inside is not tried again
};

}  // namespace narrow

#endif  // NARROW_ENGINE_TENSOR_H_
