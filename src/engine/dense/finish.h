#ifndef NARROW_ENGINE_DENSE_FINISH_H_
#define NARROW_ENGINE_DENSE_FINISH_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/counting.h"
#include "engine/dense_kernel.h"
#include "engine/lane_kernels.h"
#include "engine/matrix_product.h"
#include "engine/tensor.h"

namespace narrow {

// Where a block of rows goes.
struct Rows {
  std::size_t first;
  std::size_t count;
  Tensor& y;
};

// What follows a matrix product's sums, for every type: into accum's range where they may lie outside, to the result type,
// through the relu. Everything that LayerCounts has is counted. In 32 bits where these are proven to be enough, else in 64 or in 128.
class Finish {
 public:
  // `sums` holds the sums in accum's steps; `wrap` is whether they have still to be wrapped into accum's range. Nothing where
  // some cast is not one of those that lanes do, or needs more than 128 bits.
  static std::optional<Finish> make(const MatrixProduct& product, const TallyAt& at, const Interval& sums, bool wrap);

  // From sums (rows, stride), which are changed; columns from n_out on are 0.
  void run(std::int32_t* sums, std::size_t stride, const Rows& rows, Scratch& scratch, Tally& tally) const;
  // From values (rows, n_out), which are changed.
  void run(std::int64_t* values, const Rows& rows, Scratch& scratch, Tally& tally) const;
  void run(Int128* values, const Rows& rows, Scratch& scratch, Tally& tally) const;

  bool in_32_bits() const { return bits_ <= 32; }

 private:
  template <class Word, class Cast>
  void cast_all(Word* values, std::size_t size, Tally& tally, const Cast& cast) const;

  TallyAt at_;
  std::size_t n_out_ = 0;
  std::optional<LaneCast> fit_accum_, to_result_, to_relu_;
  int bits_ = 0;  // in which the casts can be done
};

// A rounding that is `add` half a step or nothing, then floor. `nonnegative` values have more such modes.
std::optional<int> halves_to_add(const Format& format, bool nonnegative);

// An Epilogue and when it says that some value left its type.
struct CheckedEpilogue {
  Epilogue epilogue;
  bool check = false;  // whether it may see values outside the output's range
  // Sums (rows, stride) to y. Returns whether a value left its type.
  bool run(const std::int32_t* sums, std::size_t stride, std::size_t n_out, const Rows& rows) const;
};

// One pass from int32 sums, which lie in `sums`, to an int16 output: where accum keeps or wraps (`wrap`) the sum, the result
// type takes it as it is, and at most a relu follows. It does not count.
std::optional<CheckedEpilogue> make_epilogue(const MatrixProduct& product, const Interval& sums, bool wrap);

}  // namespace narrow

#endif  // NARROW_ENGINE_DENSE_FINISH_H_
