#ifndef NARROW_ENGINE_PROGRAM_H_
#define NARROW_ENGINE_PROGRAM_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fixed/format.h"
#include "precision/precision.h"

namespace narrow {

// The quantized weights of one array, and what quantizing did to them.
struct QuantizedWeights {
  std::vector<Int128> raw;
  std::size_t overflows = 0;  // did not fit the type
  std::size_t zeros = 0;      // not 0 before, 0 after
};

// A weight's way into its type: hls4ml prints it with max(0, F) decimals, and the C++ program reads that text as a double
// and casts it. `values` are float32 as Keras has them.
QuantizedWeights quantize_weights(const std::vector<float>& values, const Format& format);

// One layer ready to run. `kernel` is a Dense's (n_in, n_out) or a BatchNormalization's scale.
struct Step {
  QuantizedWeights kernel;
  QuantizedWeights bias;
  // Dense: the k in the order in which products are added (numerics.md: Latency 0, 1, 2, ...; Resource by (k mod R, k)).
  std::vector<int> order;
  // Bits, sign included, that hold every exact value when the layer is computed one operation at a time with fixed/cast.h.
  int bits = 0;
  // Bits, sign included, that also hold operands shifted to a common step, room for rounding up, and a whole sum of cast
  // products before it is brought into accum's range: what arithmetic in one machine word needs.
  int word_bits = 0;
};

// A model and its types, ready to run in fixed point.
struct Program {
  Resolved resolved;
  std::vector<Step> steps;  // one a layer

  const Model& model() const { return resolved.model; }
  const Format& format(std::size_t layer) const { return resolved.precision[layer].result; }
};

// Quantized weights by layer and format, for the many programs of a study that share them. For one model only; from one
// thread at a time.
class WeightCache {
 public:
  const QuantizedWeights& get(const std::string& array, const std::vector<float>& values, const Format& format);

 private:
  std::map<std::pair<std::string, std::string>, QuantizedWeights> known_;
};

// A type whose sums may be wrapped once, in the end: AP_WRAP without saturated bits.
bool wraps(const Format& format);
// The steps and the rounding of a type, without its ends.
Format unbounded(const Format& format);
// Whether every tensor and every accumulator fits an int64.
bool fits_int64(const Program& program);

// Quantizes the weights and settles the order of sums. Throws Error, naming the layer, where an exact value would need more
// than kMaxSumWidth bits.
Program build_program(Resolved resolved, WeightCache* cache = nullptr);

}  // namespace narrow

#endif  // NARROW_ENGINE_PROGRAM_H_
