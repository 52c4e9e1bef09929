#ifndef NARROW_ENGINE_MACHINE_H_
#define NARROW_ENGINE_MACHINE_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>
#include <variant>
#include <vector>

#include "engine/interpreter.h"
#include "engine/lane_step.h"
#include "fixed/cast.h"

namespace narrow {

// Whether a sum left its type's range: for a wrapping type whether the exact sum, never wrapped, lies outside, which is told
// from how often the terms went around; for any other type whether any step was changed.
class Turns {
 public:
  explicit Turns(const Format& accum) : accum_(accum), unbounded_(unbounded(accum)), wraps_(wraps(accum)) {}
  // A step turned raw * 2^-fraction into `result` of the accum type.
  void bring(Int128 raw, int fraction, Int128 result) {
    const CastResult exact = cast(raw, fraction, unbounded_);
    left_ |= exact.overflow || (!wraps_ && exact.raw != result);
    if (wraps_) turns_ += (exact.raw - result) >> accum_.width;
  }
  bool left_range() const { return left_ || turns_ != 0; }

 private:
  const Format& accum_;
  Format unbounded_;  // accum's steps without its ends
  bool wraps_ = false;
  bool left_ = false;
  Int128 turns_ = 0;
};

// Runs single samples; one a thread. Raw holds every tensor's values.
template <class Raw>
class Machine {
 public:
  Machine(const Program& program, const std::vector<LaneStep>& lanes)
      : program_(program), lanes_(lanes), values_(lanes.size()), counts_(lanes.size()) {
    for (std::size_t i = 0; i < values_.size(); ++i) values_[i].resize(size_of(program.model().layers[i].shape));
  }

  void run(std::span<const float> x) {
    sample_ = x;
    for (std::size_t i = 0; i < values_.size(); ++i) run_layer(i);
  }

  // One layer alone, from the values of the layers before it.
  void run_layer(std::size_t layer) {
    index_ = layer;
    counts().values += values_[layer].size();
    std::visit(*this, this->layer().op);
  }

  const std::vector<Raw>& values(std::size_t layer) const { return values_[layer]; }
  std::vector<Raw>& values(std::size_t layer) { return values_[layer]; }
  const std::vector<LayerCounts>& all_counts() const { return counts_; }

  void operator()(const InputOp&) {
    for (std::size_t i = 0; i < y().size(); ++i) {
      const CastResult result = cast(static_cast<double>(sample_[i]), types().result);
      count(result, sample_[i] != 0);
      y()[i] = static_cast<Raw>(result.raw);
    }
  }

  void operator()(const ReluOp&) { cast_all(x(), input(), true); }
  void operator()(const LinearOp&) { cast_all(x(), input(), false); }
  void operator()(const FlattenOp&) { cast_all(x(), input(), false); }

  void operator()(const DenseOp& dense) {
    sums_.resize(y().size());
    const auto& lanes = lanes_[index_].dense;
    if (!lanes || !run_in_lanes(*lanes)) {
      const std::size_t rows = y().size() / static_cast<std::size_t>(dense.n_out);
      for (std::size_t r = 0; r < rows; ++r) dense_row(dense, r);
    }
    // The same type takes every value as it is.
    if (types().accum == types().result) {
      std::copy(sums_.begin(), sums_.end(), y().begin());
    } else {
      cast_all(sums_, types().accum, false);
    }
  }

  void operator()(const SetSumOp&) {
    if (run_set_sum_in_lanes()) return;
    const Format& sum = types().result;
    const int fraction = std::max(input().fraction(), sum.fraction());
    const auto width = y().size();
    for (std::size_t j = 0; j < width; ++j) {
      Int128 total = 0;
      Turns turns(sum);
      for (std::size_t i = j; i < x().size(); i += width) {
        // The exact sum has both operands' bits: its type has integer bits unless neither operand has.
        const Int128 exact = (total << (fraction - sum.fraction())) + (static_cast<Int128>(x()[i]) << (fraction - input().fraction()));
        total = cast(exact, fraction, sum, std::max(input().integer, sum.integer) + 1 <= 0).raw;
        turns.bring(exact, fraction, total);
      }
      y()[j] = static_cast<Raw>(total);
      counts().overflows += turns.left_range() ? 1 : 0;
    }
  }

  void operator()(const SetMeanOp&) {
    const Format& accum = types().accum;
    const auto width = y().size();
    const auto set = static_cast<Int128>(x().size() / width);
    for (std::size_t j = 0; j < width; ++j) {
      Int128 total = 0;
      bool overflow = false;
      for (std::size_t i = j; i < x().size(); i += width) {
        const CastResult term = cast(static_cast<Int128>(x()[i]), input(), accum);
        const CastResult sum = cast(total + term.raw, accum.fraction(), accum);
        total = sum.raw;
        overflow |= term.overflow || sum.overflow;
      }
      counts().accum_overflows += overflow ? 1 : 0;
      const CastResult mean = cast(total / set, accum, types().result);  // C++ divides toward zero, as ap_fixed does
      count(mean, total != 0);
      y()[j] = static_cast<Raw>(mean.raw);
    }
  }

  void operator()(const BatchNormOp&) {
    const Step& step = program_.steps[index_];
    const int product_fraction = input().fraction() + types().scale.fraction();
    const int fraction = std::max(product_fraction, types().bias.fraction());
    const bool no_integer_bits = std::max(input().integer + types().scale.integer, types().bias.integer) + 1 <= 0;
    const std::size_t width = step.kernel.raw.size();
    for (std::size_t i = 0; i < y().size(); ++i) {
      const Int128 product = static_cast<Int128>(x()[i]) * step.kernel.raw[i % width];
      const Int128 exact = (product << (fraction - product_fraction)) + (step.bias.raw[i % width] << (fraction - types().bias.fraction()));
      const CastResult result = cast(exact, fraction, types().result, no_integer_bits);
      count(result, exact != 0);
      y()[i] = static_cast<Raw>(result.raw);
    }
  }

 private:
  const Layer& layer() const { return program_.model().layers[index_]; }
  const LayerPrecision& types() const { return program_.resolved.precision[index_]; }
  std::size_t input_index() const { return static_cast<std::size_t>(layer().inputs.front()); }
  const Format& input() const { return program_.format(input_index()); }
  const std::vector<Raw>& x() const { return values_[input_index()]; }
  std::vector<Raw>& y() { return values_[index_]; }
  LayerCounts& counts() { return counts_[index_]; }

  void count(const CastResult& result, bool was_nonzero) {
    counts().overflows += result.overflow ? 1 : 0;
    counts().zeros += was_nonzero && result.raw == 0 && !result.overflow ? 1 : 0;
  }

  void cast_all(const std::vector<Raw>& from, const Format& format, bool relu) {
    if constexpr (std::is_same_v<Raw, std::int64_t>) {
      if (const auto& lanes = lanes_[index_].cast) {
        const CastCounts seen = run_lane_cast(*lanes, relu, from.data(), y().data(), from.size());
        counts().overflows += seen.overflows;
        counts().zeros += seen.zeros;
        return;
      }
    }
    for (std::size_t i = 0; i < from.size(); ++i) {
      const Int128 value = relu && from[i] < 0 ? 0 : static_cast<Int128>(from[i]);
      const CastResult result = cast(value, format, types().result);
      count(result, value != 0);
      y()[i] = static_cast<Raw>(result.raw);
    }
  }

  bool run_in_lanes(const LaneDense& dense) {
    if constexpr (std::is_same_v<Raw, std::int64_t>) {
      counts().accum_overflows += run_lane_dense(dense, x().data(), y().size() / static_cast<std::size_t>(dense.n_out), sums_.data());
      return true;
    }
    return false;
  }

  // Where the sum's type only shifts its operands to the left, a wrapping sum is the wrapped exact sum.
  bool run_set_sum_in_lanes() {
    if constexpr (std::is_same_v<Raw, std::int64_t>) {
      const auto& lanes = lanes_[index_].cast;
      if (!lanes || lanes->align != Align::kUp || lanes->fit != Fit::kWrap) return false;
      const std::size_t width = y().size();
      sums_.assign(width, 0);
      for (std::size_t i = 0; i < x().size(); i += width) {
        for (std::size_t j = 0; j < width; ++j) sums_[j] += x()[i + j];
      }
      counts().overflows += run_lane_cast(*lanes, false, sums_.data(), y().data(), width).overflows;
      return true;
    }
    return false;
  }

  void dense_row(const DenseOp& dense, std::size_t row) {
    const Step& step = program_.steps[index_];
    const Format& accum = types().accum;
    const int fraction = input().fraction() + types().weight.fraction();
    const bool no_integer_bits = input().integer + types().weight.integer <= 0;
    const auto n_out = static_cast<std::size_t>(dense.n_out);
    for (std::size_t j = 0; j < n_out; ++j) {
      Int128 sum = cast(step.bias.raw[j], types().bias, accum).raw;
      Turns turns(accum);
      turns.bring(step.bias.raw[j], types().bias.fraction(), sum);
      for (const int k : step.order) {
        const auto i = static_cast<std::size_t>(k);
        const Int128 product = static_cast<Int128>(x()[row * static_cast<std::size_t>(dense.n_in) + i]) * step.kernel.raw[i * n_out + j];
        const Int128 term = cast(product, fraction, accum, no_integer_bits).raw;
        turns.bring(product, fraction, term);
        const Int128 exact = sum + term;
        sum = cast(exact, accum.fraction(), accum).raw;
        turns.bring(exact, accum.fraction(), sum);
      }
      sums_[row * n_out + j] = static_cast<Raw>(sum);
      counts().accum_overflows += turns.left_range() ? 1 : 0;
    }
  }

  const Program& program_;
  const std::vector<LaneStep>& lanes_;
  std::vector<std::vector<Raw>> values_;
  std::vector<Raw> sums_;
  std::vector<LayerCounts> counts_;
  std::span<const float> sample_;
  std::size_t index_ = 0;
};

}  // namespace narrow

#endif  // NARROW_ENGINE_MACHINE_H_
