#include "engine/dense_kernel.h"

#include <algorithm>

#include "engine/dense/high_half.h"
#include "engine/dense/lanes.h"
#include "engine/dense/planes.h"
#include "engine/dense/rounding.h"
#include "engine/dense/saturating.h"
#include "engine/dense/watched.h"
#include "engine/dense/wide.h"

namespace narrow {

DenseKernel::DenseKernel(const MatrixProduct& product, const TallyAt& at)
    : at_(at), n_in_(static_cast<std::size_t>(product.n_in)), n_out_(static_cast<std::size_t>(product.n_out)), output_(product.output()) {}

void DenseKernel::begin(std::size_t rows, Tensor& y, Scratch& scratch, Tally& tally) const {
  y.hold(output_);
  y.resize(rows * n_out_);
  if (scratch.left.size() <= at_.layer) scratch.left.resize(at_.layer + 1);
  tally.counts[at_.layer].values += rows * n_out_;
  if (at_.relu) tally.counts[*at_.relu].values += rows * n_out_;
}

void DenseKernel::run(const Tensor& x, std::size_t rows, Tensor& y, Scratch& scratch, Tally& tally) const {
  begin(rows, y, scratch, tally);
  for (std::size_t first = 0; first < rows; first += kChunk) run_rows(x, first, std::min(kChunk, rows - first), y, scratch, tally);
}

void DenseKernel::run_gathered(const Gather& gather, const Tensor& x, std::size_t size, std::size_t samples, Tensor& y, Scratch& scratch,
                               Tally& tally) const {
  const std::size_t rows = samples * gather.rows();
  begin(rows, y, scratch, tally);
  for (std::size_t first = 0; first < rows; first += kChunk)
    run_window(gather, x, size, first, std::min(kChunk, rows - first), y, scratch, tally);
}

void DenseKernel::run_window(const Gather& gather, const Tensor& x, std::size_t size, std::size_t first, std::size_t count, Tensor& y,
                             Scratch& scratch, Tally& tally) const {
  Tensor& window = scratch.window;
  Tensor& part = scratch.part;
  window.small = x.small;
  window.large = x.large;
  part.hold(output_);
  window.resize(count * n_in_);
  part.resize(count * n_out_);
  for (std::size_t done = 0; done < count;) {
    const std::size_t row = (first + done) % gather.rows();
    const std::size_t some = std::min(count - done, gather.rows() - row);
    window.gather(gather, x, (first + done) / gather.rows() * size, row, some, done * n_in_);
    done += some;
  }
  run_rows(window, 0, count, part, scratch, tally);
  y.copy(part, 0, count * n_out_, first * n_out_);
}

const std::int16_t* DenseKernel::paired_rows(const std::int16_t* x, std::size_t rows, Scratch& scratch) const {
  if (n_in_ % 2 == 0) return x;
  scratch.x16[0].resize(rows * (n_in_ + 1));
  std::int16_t* to = scratch.x16[0].data();
  for (std::size_t r = 0; r < rows; ++r, to += n_in_ + 1) {
    std::copy_n(x + r * n_in_, n_in_, to);
    to[n_in_] = 0;
  }
  return scratch.x16[0].data();
}

std::unique_ptr<DenseKernel> choose_dense_kernel(const MatrixProduct& product, const TallyAt& at, Counting counting) {
  if (auto kernel = make_high_half(product, at, counting)) return kernel;
  if (auto kernel = make_planes(product, at, counting)) return kernel;
  if (auto kernel = make_saturating(product, at, counting)) return kernel;
  if (auto kernel = make_rounding(product, at, counting)) return kernel;
  // Of 64 bits, bringing each step into range costs lanes more than the products.
  constexpr int kNarrow = 32;
  if (product.word_bits <= kNarrow || wraps(product.accum)) {
    if (auto kernel = make_lanes(product, at)) return kernel;
  }
  if (auto kernel = make_watched(product, at)) return kernel;
  if (auto kernel = make_wide(product, at, counting)) return kernel;
  if (auto kernel = make_lanes(product, at)) return kernel;
  return make_large(product, at, counting);
}

}  // namespace narrow
