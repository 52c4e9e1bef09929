#ifndef NARROW_SEARCH_TENSOR_PROFILE_H_
#define NARROW_SEARCH_TENSOR_PROFILE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "model/model.h"
#include "precision/precision.h"
#include "search/range.h"

namespace narrow {

// Shares of a tensor's values, in thousandths, for which a profile has the |value| that they do not exceed: the least of its |values| that
// at least so many are no larger than (NumPy's `inverted_cdf`). Exact.
inline constexpr std::array<int, 4> kProfileThousandths = {500, 990, 999, 1000};

// How the values of a tensor are distributed in the float model.
struct Distribution {
  std::uint64_t values = 0, zeros = 0;
  double low = 0, high = 0;                                                   // the least and the largest; 0 where there are no values
  std::array<double, kProfileThousandths.size()> percentiles{};               // of |value|
  std::array<std::uint64_t, Range::kHighest - Range::kLowest + 1> octaves{};  // as in Range
  std::array<std::uint64_t, Range::kHighest - Range::kLowest + 1> octaves_above{};  // of values above 0

  bool is_negative() const { return low < 0; }
  bool is_zero() const { return values == zeros; }
  // Fewest integer bits that hold the range whatever the steps, the sign included where a value is below 0; nothing where all are 0.
  std::optional<int> integer_bits() const;
  // The power of two e for which at least `share` of the values other than 0 are below 2^(e + 1) in magnitude.
  int octave_at(double share) const;
  // Of all values, those that are not 0 (or are above 0) and below 2^e in magnitude.
  double share_below(int exponent, bool above_zero) const;
};

// What a type does to values.
struct TypeEffect {
  std::uint64_t values = 0;
  std::uint64_t overflows = 0;  // did not fit
  std::uint64_t above = 0;      // of these, the ones above 0; of casts alone
  std::uint64_t zeros = 0;      // not 0 before, 0 after
  // Sums of squares: of the float values, and of what they lose. Nothing where there is nothing to compare.
  bool compared = false;
  double signal = 0, noise = 0;

  // 10 log10(signal / noise) in dB: infinite without noise, minus infinite without a signal.
  double snr() const;
  double overflow_share() const { return share(overflows); }
  double zero_share() const { return share(zeros); }
  double share(std::uint64_t part) const { return values == 0 ? 0 : static_cast<double>(part) / static_cast<double>(values); }
};

// One tensor: a layer's results on all samples (an input is a layer too), or one of its arrays of trained numbers.
struct TensorProfile {
  std::string name;  // `phi1.weight`, `activation.result`
  std::string layer;
  TypeName kind = TypeName::kResult;
  bool is_weight() const { return kind != TypeName::kResult; }

  // Nothing where the float model has no values of this meaning: thresholds in place of a normalization and a sign.
  std::optional<Distribution> in_float;

  // With a precision.
  std::optional<Format> type;
  TypeEffect effect;  // of results as the network computes them, errors from before them included; the counts are those of `predict`
  TypeEffect alone;   // of results: of the type alone, on the float model's values
  double fixed_low = 0, fixed_high = 0;  // of the values in fixed point
  std::optional<Format> sum_type;
  bool is_sum = false;               // of products, whose exact value is the result before its cast
  std::uint64_t sum_overflows = 0;   // results whose sum left its type (LayerCounts::accum_overflows)
  bool is_free = false;              // hls4ml takes the type from the configuration; it is neither inferred nor the file's
  bool pads_a_maximum = false;       // precision/precision.h: without a sign the maximum is another
  bool is_in_front_of_relu = false;  // its type saturates at 0, and so do all that read it
};

// Profiles a model from blocks of samples, which are shown twice: memory does not grow with their number. Layers are those of the network
// as it is resolved, with BatchNormalization fused as hls4ml does; a layer that took one in is compared with the float values behind it.
// The same numbers, whatever the number of cores; sums of squares depend in their last digits on where blocks end.
class TensorProfiler {
 public:
  // With `precision`, in these types too; without one the model's float values alone.
  TensorProfiler(const Model& model, std::optional<Resolved> precision);
  TensorProfiler(const TensorProfiler&) = delete;
  TensorProfiler& operator=(const TensorProfiler&) = delete;
  ~TensorProfiler();

  // n samples, (n, model.input_size()). Throws Error where the float model's values are not finite.
  void add(std::span<const float> x, std::size_t n);
  // After all samples were added, the same again: for percentiles.
  void add_again(std::span<const float> x, std::size_t n);
  // In the order of the layers, of each its weights before its results.
  std::vector<TensorProfile> tensors() const;
  const std::vector<std::string>& notes() const;  // of the precision

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The type with so many integer bits and the same steps.
Format with_integer_bits(const Format& type, int integer);
// Fewest integer bits with which a type of these steps and modes takes `low` and `high` without overflow; at least one bit in all. Nothing
// where narrow has no such type.
std::optional<int> integer_bits_to_hold(double low, double high, const Format& type);

}  // namespace narrow

#endif  // NARROW_SEARCH_TENSOR_PROFILE_H_
