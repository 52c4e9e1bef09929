#ifndef NARROW_MODEL_QUANTIZER_H_
#define NARROW_MODEL_QUANTIZER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fixed/format.h"

namespace narrow {

// What a trained scale of a quantizer is: none, a number, or made from the weights (QKeras' alpha).
struct Alpha {
  enum class Kind : std::uint8_t { kNone, kNumber, kAuto, kAutoPowerOfTwo } kind = Kind::kNone;
  double number = 1;
  bool from_weights() const { return kind == Kind::kAuto || kind == Kind::kAutoPowerOfTwo; }
  // Whether hls4ml takes the scale out of the weights.
  bool scales() const { return from_weights() || (kind == Kind::kNumber && number != 1); }
  bool operator==(const Alpha&) const = default;
};

// A quantizer of QKeras 0.9 (qkeras/quantizers.py), or of a BinaryDense or TernaryDense as hls4ml has them (model/quantizers.py), at
// inference.
struct TrainedQuantizer {
  enum class Kind : std::uint8_t {
    kBits,        // quantized_bits
    kRelu,        // quantized_relu
    kTanh,        // quantized_tanh
    kSigmoid,     // quantized_sigmoid
    kBinary,      // binary, stochastic_binary
    kTernary,     // ternary, stochastic_ternary
    kPowerOfTwo,  // quantized_po2
    kReluPower,   // quantized_relu_po2, of a normalization's parameters
    kSign,        // of a BinaryDense: -1 or 1; of an activation QKeras' function binary_tanh
    kThirds,      // of a TernaryDense: -1, 0 or 1
  };
  Kind kind = Kind::kBits;
  std::string name;  // as QKeras calls it, for messages
  int bits = 8;
  int integer = 0;
  bool symmetric = false;
  bool keep_negative = true;
  bool real = false;  // tanh or sigmoid itself, not the line that is cut
  double negative_slope = 0;
  Alpha alpha;
  std::optional<double> threshold;  // of ternary; 0.33 where it is not given
  int unrolls = 5;                  // of ternary's search for a scale
  std::optional<double> max_value;  // of powers of two
  bool even = false;                // powers of two have even exponents
  bool floors = false;              // powers of two are rounded down
  bool operator==(const TrainedQuantizer&) const = default;
};

// All of it, so that two that differ have two texts.
std::string to_text(const TrainedQuantizer& quantizer);

// The type that hls4ml's configuration of granularity `name` gives the result of an activation.
Format activation_format(const TrainedQuantizer& quantizer);

// The type in which hls4ml keeps what the quantizer makes of weights (`of_kernel`), or of a bias.
Format weight_format(const TrainedQuantizer& quantizer, bool of_kernel);

// y = the quantized x, in float32 as QKeras computes it. Requires an alpha that does not come from weights.
float quantized(const TrainedQuantizer& quantizer, float x);

struct QuantizedArray {
  std::vector<float> values;   // as QKeras computes with, the scale multiplied in
  std::vector<double> scales;  // one for each column, or one for all
  bool one_scale = true;       // a number of the configuration, float64 for hls4ml
};
// An array of trained numbers, `columns` in a row; of a bias, which has one axis, columns is 0.
QuantizedArray quantized(const TrainedQuantizer& quantizer, std::span<const float> values, std::size_t columns);

}  // namespace narrow

#endif  // NARROW_MODEL_QUANTIZER_H_
