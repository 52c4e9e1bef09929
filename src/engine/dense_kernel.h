#ifndef NARROW_ENGINE_DENSE_KERNEL_H_
#define NARROW_ENGINE_DENSE_KERNEL_H_

#include <memory>
#include <optional>
#include <string>

#include "engine/counting.h"
#include "engine/matrix_product.h"
#include "engine/tensor.h"

namespace narrow {

// The layers whose counts a kernel's values go into.
struct TallyAt {
  std::size_t layer = 0;
  std::optional<std::size_t> relu;
  std::size_t output() const { return relu.value_or(layer); }
};

// A way to compute a MatrixProduct: rows in, rows out. Each kind (engine/dense/) keeps what it alone needs, and exists only for
// products of which it is proven to give the bits of the definition.
class DenseKernel {
 public:
  virtual ~DenseKernel() = default;
  DenseKernel(const DenseKernel&) = delete;
  DenseKernel& operator=(const DenseKernel&) = delete;

  virtual std::string name() const = 0;
  const TallyAt& at() const { return at_; }

  // y is the tensor of the output, of any size before.
  void run(const Tensor& x, std::size_t rows, Tensor& y, Scratch& scratch, Tally& tally) const;
  // The same on rows that are gathered from samples of x, of `size` values each: a few at a time, so that no more of them is ever held.
  virtual void run_gathered(const Gather& gather, const Tensor& x, std::size_t size, std::size_t samples, Tensor& y, Scratch& scratch,
                            Tally& tally) const;

 protected:
  DenseKernel(const MatrixProduct& product, const TallyAt& at);

  // Rows at a time: their operands and sums stay in the first cache.
  static constexpr std::size_t kChunk = 48;

  void begin(std::size_t rows, Tensor& y, Scratch& scratch, Tally& tally) const;
  // Rows [first, first + count) of all samples', at most kChunk.
  void run_window(const Gather& gather, const Tensor& x, std::size_t size, std::size_t first, std::size_t count, Tensor& y,
                  Scratch& scratch, Tally& tally) const;
  // Rows [first, first + rows), at most kChunk.
  virtual void run_rows(const Tensor& x, std::size_t first, std::size_t rows, Tensor& y, Scratch& scratch, Tally& tally) const = 0;

  std::size_t n_in() const { return n_in_; }
  std::size_t n_out() const { return n_out_; }
  // Rows of int16 as dot16 reads them, in pairs: with a 0 behind an odd number of inputs, in scratch.x16[0] then.
  const std::int16_t* paired_rows(const std::int16_t* x, std::size_t rows, Scratch& scratch) const;

 private:
  TallyAt at_;
  std::size_t n_in_;
  std::size_t n_out_;
  Format output_;
};

// The fastest kernel that is proven exact, or nothing: then one operation after the other has to be done.
std::unique_ptr<DenseKernel> choose_dense_kernel(const MatrixProduct& product, const TallyAt& at, Counting counting);

}  // namespace narrow

#endif  // NARROW_ENGINE_DENSE_KERNEL_H_
