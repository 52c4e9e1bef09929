#ifndef NARROW_SEARCH_EVALUATOR_H_
#define NARROW_SEARCH_EVALUATOR_H_

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "search/tensors.h"

namespace narrow {

// Runs assignments on one set of samples, exactly, many side by side. What the layers in front of the first changed type make is kept of
// one assignment, from which most others differ in one or two types.
class Evaluator {
 public:
  // `x` holds n samples, and is referred to. `reference` are the float model's predictions for them.
  Evaluator(const Tensors& tensors, std::span<const float> x, std::size_t n, std::vector<double> reference, bool is_relative = false);
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  // Keeps the layers' values under this assignment, for those to come; at most kKept bytes.
  static constexpr std::size_t kKept = std::size_t{1} << 30;
  void start_from(const Assignment& types);

  // (n, outputs), as hls4ml would compute them.
  std::vector<double> predictions(const Assignment& types);
  // Mean of (fixed - float)^2 over samples and outputs, in units of relative_scales where it is relative; infinite where it is not a
  // number, or the types are too wide to be computed.
  double deviation(const Assignment& types);
  // Of each, on all cores.
  std::vector<double> deviations(const std::vector<Assignment>& all);

  const std::vector<double>& reference() const { return reference_; }

 private:
  class Caches;
  Engine engine(const Assignment& types);

  const Tensors& tensors_;
  std::span<const float> x_;
  std::size_t n_;
  std::vector<double> reference_;
  std::vector<double> scales_;  // of each value of reference_; empty where deviations are absolute
  // Of later and later layers, the samples first.
  struct Kept {
    std::size_t layer;
    std::shared_ptr<const PreparedInput> values;
  };
  std::vector<Kept> kept_;
  std::unique_ptr<Caches> caches_;
};

// Mean of the squared differences, each in units of its scale; `scales` may be empty, for 1.
double mean_squared(std::span<const double> fixed, std::span<const double> reference, std::span<const double> scales);

// Of what metrics of relative errors feel: |value|, and of values near 0 a part of their root mean square.
std::vector<double> relative_scales(std::span<const double> reference);

}  // namespace narrow

#endif  // NARROW_SEARCH_EVALUATOR_H_
