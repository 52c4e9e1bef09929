#ifndef NARROW_ENGINE_MACHINE_H_
#define NARROW_ENGINE_MACHINE_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "engine/interpreter.h"
#include "engine/lane_step.h"

namespace narrow {

// Runs single samples; one a thread. Raw holds every tensor's values.
template <class Raw>
class Machine {
 public:
  Machine(const Program& program, const std::vector<LaneStep>& lanes)
      : program_(program), lanes_(lanes), values_(lanes.size()), counts_(lanes.size()) {
    std::size_t offset = 0;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      values_[i].resize(size_of(program.model().layers[i].shape));
      places_.push_back(program.place(i));
      if (program.model().layers[i].inputs.empty()) offset += values_[i].size();
      ends_.push_back(offset);
    }
  }

  void run(std::span<const float> x) {
    sample_ = x;
    for (std::size_t i = 0; i < values_.size(); ++i) run_layer(i);
  }

  // One layer alone, from the values of the layers before it.
  void run_layer(std::size_t layer) {
    counts_[layer].values += values_[layer].size();
    if (run_in_lanes(layer)) return;
    const Layer& at = program_.model().layers[layer];
    ExactCall<Raw> call{places_[layer], program_.steps[layer], {}, {}, values_[layer], counts_[layer]};
    if (at.inputs.empty()) call.sample = sample_.subspan(ends_[layer] - values_[layer].size(), values_[layer].size());
    for (const int input : at.inputs) call.inputs.emplace_back(values_[static_cast<std::size_t>(input)]);
    at.op->exact(call);
  }

  const std::vector<Raw>& values(std::size_t layer) const { return values_[layer]; }
  std::vector<Raw>& values(std::size_t layer) { return values_[layer]; }
  const std::vector<LayerCounts>& all_counts() const { return counts_; }

 private:
  // In lanes where the layer has such a step and the values are machine words; false where it has not.
  bool run_in_lanes(std::size_t layer) {
    if constexpr (std::is_same_v<Raw, std::int64_t>) {
      const LaneStep& step = lanes_[layer];
      const auto from =
          static_cast<std::size_t>(program_.model().layers[layer].inputs.empty() ? 0 : program_.model().layers[layer].inputs.front());
      const std::vector<Raw>& x = values_[from];
      switch (step.form) {
        case Form::kMatrixProduct: run_dense(step, layer, x); return true;
        case Form::kCast: cast_all(*step.cast, false, layer, x); return true;
        case Form::kReluCast: cast_all(*step.cast, true, layer, x); return true;
        case Form::kRowSum: run_row_sum(*step.cast, layer, x); return true;
        case Form::kRowMean:
        case Form::kInput:
        case Form::kAffine:
        case Form::kPairs:
        case Form::kRows:
        case Form::kMoves:
        case Form::kLargest:
        case Form::kAny: break;
      }
    }
    return false;
  }

  void cast_all(const LaneCast& cast, bool relu, std::size_t layer, const std::vector<Raw>& from) {
    const CastCounts seen = run_lane_cast(cast, relu, from.data(), values_[layer].data(), from.size());
    counts_[layer].overflows += seen.overflows;
    counts_[layer].zeros += seen.zeros;
  }

  void run_dense(const LaneStep& step, std::size_t layer, const std::vector<Raw>& x) {
    sums_.resize(values_[layer].size());
    const Raw* from = x.data();
    if (step.gather) {
      rows_.resize(step.gather->rows() * step.gather->width);
      gather_rows(*step.gather, from, 0, step.gather->rows(), rows_.data());
      from = rows_.data();
    }
    const std::size_t rows = sums_.size() / static_cast<std::size_t>(step.dense->n_out);
    counts_[layer].accum_overflows += run_lane_dense(*step.dense, from, rows, sums_.data());
    // The same type takes every value as it is.
    const LayerPrecision& types = program_.resolved.precision[layer];
    if (types[TypeName::kAccum] == types.result()) {
      std::copy(sums_.begin(), sums_.end(), values_[layer].begin());
    } else {
      cast_all(*step.cast, false, layer, sums_);
    }
  }

  // A wrapping sum whose type only shifts its operands to the left is the wrapped exact sum.
  void run_row_sum(const LaneCast& cast, std::size_t layer, const std::vector<Raw>& x) {
    const std::size_t width = values_[layer].size();
    sums_.assign(width, 0);
    for (std::size_t i = 0; i < x.size(); i += width) {
      for (std::size_t j = 0; j < width; ++j) sums_[j] += x[i + j];
    }
    counts_[layer].overflows += run_lane_cast(cast, false, sums_.data(), values_[layer].data(), width).overflows;
  }

  const Program& program_;
  const std::vector<LaneStep>& lanes_;
  std::vector<Place> places_;
  std::vector<std::size_t> ends_;  // in a sample, of the inputs up to each layer
  std::vector<std::vector<Raw>> values_;
  std::vector<Raw> sums_;
  std::vector<Raw> rows_;  // that are gathered
  std::vector<LayerCounts> counts_;
  std::span<const float> sample_;
};

}  // namespace narrow

#endif  // NARROW_ENGINE_MACHINE_H_
