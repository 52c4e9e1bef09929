#ifndef NARROW_ENGINE_DENSE_KERNEL_H_
#define NARROW_ENGINE_DENSE_KERNEL_H_

#include <optional>
#include <string>
#include <vector>

#include "engine/bounds.h"
#include "engine/engine.h"
#include "engine/kernels.h"
#include "engine/lane_step.h"

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

// Where a layer's counts go while rows are computed.
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

// A Dense layer, with the relu behind it where that is fused: rows in, rows out.
class DenseKernel {
 public:
  // `relu` is the fused layer's index, or nothing.
  DenseKernel(const Program& program, std::size_t layer, std::optional<std::size_t> relu, const Interval& input, Counting counting);

  // Whether this can run at all; otherwise the machine computes the layer sample by sample.
  bool usable() const { return family_ != Family::kNone; }
  std::string name() const;
  std::size_t layer() const { return layer_; }
  std::size_t output_layer() const { return relu_.value_or(layer_); }

  void run(const Tensor& x, std::size_t rows, Tensor& y, Scratch& scratch, Tally& tally) const;

 private:
  enum class Family { kNone, kPlanes, kTruncating, kHigh, kLanes };

  bool try_planes(const Program& program, const Interval& input);
  bool try_truncating(const Program& program, const Interval& input);
  bool try_high(const Program& program, const Interval& input);
  bool try_lanes(const Program& program);
  bool plan_epilogue(const Interval& sum);
  void plan_wide_epilogue(Int128 magnitude);

  void run_planes(const Tensor& x, std::size_t first, std::size_t rows, Scratch& scratch) const;
  void run_truncating(const Tensor& x, std::size_t first, std::size_t rows, Scratch& scratch) const;
  void run_high(const Tensor& x, std::size_t first, std::size_t rows, Tensor& y, Scratch& scratch) const;
  std::optional<int> pack_bytes(const std::int16_t* x, std::size_t rows, Scratch& scratch) const;
  bool run_relu(const Tensor& x, std::size_t first, std::size_t rows, Tensor& y, Scratch& scratch) const;
  const std::int16_t* paired_rows(const std::int16_t* x, std::size_t rows, Scratch& scratch) const;
  void finish_wide(std::size_t first, std::size_t rows, Tensor& y, Scratch& scratch, Tally& tally) const;

  Family family_ = Family::kNone;
  std::size_t layer_;
  std::optional<std::size_t> relu_;
  Counting counting_;
  int n_in_ = 0;
  int n_out_ = 0;
  Format input_, accum_, result_, output_;

  // Sums of int16 products. x is cut into planes x = sum of plane[p] << x_shift_[p], the weights into such planes as well;
  // sums are int32 for each pair of planes.
  std::vector<int> x_shift_, w_shift_;
  std::vector<Weights16> planes_;
  std::optional<Weights8> bytes_;
  std::vector<int> byte_limits_;    // the largest x for which dot8 may add 2^i products of each pair
  Buffer<std::int32_t> bias32_;     // goes into the sums of the first planes, where it fits
  Buffer<std::int32_t> relu_bias_;  // the same with half a step added, where the sums go through the relu in registers; or empty
  std::vector<std::int64_t> bias_;  // else it is added to the 64-bit sum, after `up_`
  int up_ = 0;                      // accum's fractional bits less the product's

  // Products cut off below accum's last bit: x = (xh << drop_) + xl.
  int drop_ = 0;
  std::optional<WeightsHigh> high_;
  std::optional<Weights16> high_rest_;  // of weights that do not fit when shifted, for the inputs in rest_inputs_
  std::vector<int> rest_inputs_;
  int x_up_ = 0;
  Buffer<std::int16_t> bias16_;

  std::optional<Epilogue> epilogue_;           // int32 sums straight to the int16 output
  std::optional<WideEpilogue> wide_epilogue_;  // sums of planes to an int64 output, through a relu
  bool check_extremes_ = false;                // whether the epilogue may see values outside the output's range
  // The way of 64-bit sums: into accum's range (where they may leave it), to the result type, through the relu.
  std::optional<LaneCast> fit_accum_, to_result_, to_relu_;
  std::optional<LaneDense> lanes_;
};

}  // namespace narrow

#endif  // NARROW_ENGINE_DENSE_KERNEL_H_
