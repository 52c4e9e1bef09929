#ifndef NARROW_ENGINE_ROW_SUMS_H_
#define NARROW_ENGINE_ROW_SUMS_H_

#include <cstddef>
#include <optional>

#include "engine/lane_kernels.h"
#include "engine/program.h"
#include "engine/tensor.h"
#include "model/interval.h"

namespace narrow {

// Sums and means over the rows of a set, in any type that rounds each row as if it were alone. A sum never leaves its range where neither
// what is above 0 nor what is below adds up to more; the others are made step by step.
class RowSums {
 public:
  // Of a layer whose form is kRowSum or kRowMean and whose inputs lie in the interval; nothing where its roundings depend on the sum, or
  // 128 bits are not enough.
  static std::optional<RowSums> make(const Program& program, std::size_t layer, const Interval& x);

  // Row `to` of y from rows [first, first + count) of x, a whole set.
  void run(const Tensor& x, std::size_t first, std::size_t count, Tensor& y, std::size_t to, Scratch& scratch, LayerCounts& counts) const;

 private:
  template <class Word, class Cast>
  void run_in(Buffer<Word>& values, const Cast& cast, const Tensor& x, std::size_t first, std::size_t count, Tensor& y, std::size_t to,
              LayerCounts& counts) const;
  template <class Word>
  Word fitted(Word value) const;
  template <class Word>
  Word step_by_step(const Word* column, std::size_t count, bool& left) const;
  template <class Word, class Cast>
  void divide(Word* sums, std::size_t count, const Cast& cast, LayerCounts& counts) const;

  std::size_t width_ = 0;
  bool in_128_bits_ = false;
  std::optional<LaneCast> to_steps_;   // of x to the sum's steps, without its range
  LaneCast fit_;                       // into the sum's range
  std::optional<LaneCast> to_result_;  // of a mean
};

}  // namespace narrow

#endif  // NARROW_ENGINE_ROW_SUMS_H_
