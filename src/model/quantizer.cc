#include "model/quantizer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <sstream>

namespace narrow {
namespace {

constexpr float kEpsilon = 1e-7F;             // of Keras
constexpr float kLog2 = 0.6931471805599453F;  // np.log(2.0)
constexpr double kThreshold = 0.33;           // of ternary

float power_of_two(int exponent) { return std::ldexp(1.F, exponent); }
float sign(float x) { return x > 0 ? 1.F : x < 0 ? -1.F : x; }
// tf.sign, with 1 for 0.
float sign_or_one(float x) {
  const float s = sign(x);
  return s + (1.F - std::abs(s));
}
// x + stop_gradient(-x + q): q, but for the rounding of both sums.
float straight_through(float x, float q) { return x + (-x + q); }
float rounded(float x) { return straight_through(x, std::nearbyint(x)); }
float hard_sigmoid(float x) { return std::clamp(0.5F * x + 0.5F, 0.F, 1.F); }

// quantized_bits without a scale.
float bits_of(const TrainedQuantizer& q, float x) {
  const int unsigned_bits = q.bits - (q.keep_negative ? 1 : 0);
  if (unsigned_bits <= 0) {
    const float s = sign_or_one(x);
    return q.keep_negative ? s : (s + 1.F) / 2.F;
  }
  const float m = power_of_two(unsigned_bits);
  const float whole = power_of_two(q.integer);
  const float low = q.keep_negative ? -m + (q.symmetric ? 1.F : 0.F) : 0.F;
  return whole * std::clamp(rounded(x * m / whole), low, m - 1.F) / m;
}

float relu(const TrainedQuantizer& q, float x) {
  const auto slope = static_cast<float>(q.negative_slope);
  const int bits = q.bits - (slope != 0 ? 1 : 0);
  const float m = power_of_two(bits);
  const float whole = power_of_two(q.integer);
  const float most = whole - power_of_two(q.integer - bits);
  const float plain = x > most ? most : x < 0 ? slope * x : x;
  const float p = x * m / whole;
  float y = whole * std::clamp(rounded(p) / m, 0.F, 1.F - 1.F / m);
  if (slope > 0) y = y + whole * slope * std::clamp(rounded(p * slope) * (1.F / (slope * m)), -1.F, 0.F);
  return straight_through(plain, y);
}

float tanh_or_sigmoid(const TrainedQuantizer& q, float x) {
  const bool is_tanh = q.kind == TrainedQuantizer::Kind::kTanh;
  const float m = power_of_two(is_tanh ? q.bits - 1 : q.bits);
  const float least = (is_tanh ? -1.F : 0.F) + (q.symmetric ? 1.F : 0.F) / m;
  const float p = is_tanh ? (q.real ? std::tanh(x) : 2.F * hard_sigmoid(x) - 1.F) : q.real ? 1.F / (1.F + std::exp(-x)) : hard_sigmoid(x);
  return std::clamp(rounded(p * m) / m, least, 1.F - 1.F / m);
}

// _clip_power_of_two: the exponent for a number of at least 0.
float exponent_of(const TrainedQuantizer& q, float magnitude) {
  const bool signed_exponent = !q.max_value || *q.max_value > 1;
  const int sign_bits = (q.kind == TrainedQuantizer::Kind::kPowerOfTwo ? 1 : 0) + (signed_exponent ? 1 : 0);
  const float range = std::pow(2.F, static_cast<float>(q.bits - sign_bits));
  const float least = -range;
  const float most = q.even ? 2.F * std::floor((range - 1.F) / 2.F) : range - 1.F;
  if (magnitude < kEpsilon) return least;
  const float bound = q.max_value ? std::min(magnitude, static_cast<float>(*q.max_value)) : magnitude;
  const float log = std::log(q.even ? std::sqrt(bound) : bound) / kLog2;
  const float whole = q.floors ? straight_through(log, std::floor(log)) : rounded(log);
  return (q.even ? 2.F : 1.F) * std::clamp(whole, least, most);
}

float power(const TrainedQuantizer& q, float x) { return straight_through(x, sign_or_one(x) * std::pow(2.F, exponent_of(q, std::abs(x)))); }

float relu_power(const TrainedQuantizer& q, float x) {
  const float positive = std::max(x, 0.F);
  const float cut = q.max_value && x > static_cast<float>(*q.max_value) ? static_cast<float>(*q.max_value) : positive;
  return straight_through(cut, std::pow(2.F, exponent_of(q, positive)));
}

// Of ternary, without a scale.
float third(const TrainedQuantizer& q, float x) {
  return std::abs(x) >= static_cast<float>(q.threshold.value_or(kThreshold)) ? sign(x) : 0.F * x;
}

float number_of(const Alpha& alpha) { return alpha.kind == Alpha::Kind::kNumber ? static_cast<float>(alpha.number) : 1.F; }

float rounded_power(float scale) { return std::pow(2.F, std::nearbyint(std::log(scale + kEpsilon) / kLog2)); }

// What `of` makes of an array whose scales come from it: q without a scale, and a scale for each column.
class Scaled {
 public:
  Scaled(const TrainedQuantizer& quantizer, std::span<const float> x, std::size_t columns)
      : quantizer_(quantizer), x_(x), one_axis_(columns == 0), columns_(one_axis_ ? 1 : columns) {}

  QuantizedArray array() {
    q_.resize(x_.size());
    switch (quantizer_.kind) {
      case TrainedQuantizer::Kind::kBits: return bits();
      case TrainedQuantizer::Kind::kBinary: return binary();
      default: return ternary();
    }
  }

 private:
  std::vector<float> largest() const {
    std::vector<float> most(columns_, 0.F);
    for (std::size_t i = 0; i < x_.size(); ++i) most[i % columns_] = std::max(most[i % columns_], std::abs(x_[i]));
    return most;
  }

  // _get_scale: least squares of x by q. A bias has one for each value.
  std::vector<float> least_squares(std::span<const float> x) const {
    std::vector<float> scales(one_axis_ ? x.size() : columns_);
    if (one_axis_) {
      for (std::size_t i = 0; i < x.size(); ++i) scales[i] = x[i] * q_[i] / (q_[i] * q_[i] + kEpsilon);
    } else {
      const std::vector<float> xq = means([&](std::size_t i) { return x[i] * q_[i]; });
      const std::vector<float> qq = means([&](std::size_t i) { return q_[i] * q_[i]; });
      for (std::size_t j = 0; j < columns_; ++j) scales[j] = xq[j] / (qq[j] + kEpsilon);
    }
    if (quantizer_.alpha.kind == Alpha::Kind::kAutoPowerOfTwo) {
      for (float& scale : scales) scale = rounded_power(scale);
    }
    return scales;
  }

  // The mean of each column, summed up as TensorFlow does.
  template <class Value>
  std::vector<float> means(const Value& value) const {
    const std::size_t rows = x_.size() / columns_;
    std::vector<float> sums(columns_);
    for (std::size_t j = 0; j < columns_; ++j) {
      const auto at = [&](std::size_t row) { return value(row * columns_ + j); };
      sums[j] = column_sum(rows, j, at) / static_cast<float>(rows);
    }
    return sums;
  }
  // Eigen sums up the columns of whole packets of 8 in four parts where there are 16 rows or more, all others row by row.
  template <class At>
  float column_sum(std::size_t rows, std::size_t column, const At& at) const {
    constexpr std::size_t kPacket = 8;
    constexpr std::size_t kParts = 4;
    constexpr std::size_t kFewest = 16;
    std::array<float, kParts> parts{};
    const bool in_packet = column < columns_ / kPacket * kPacket;
    const std::size_t in_parts = in_packet && rows >= kFewest ? rows / kParts * kParts : 0;
    for (std::size_t row = 0; row < in_parts; ++row) parts[row % kParts] += at(row);
    float sum = parts[0];
    for (std::size_t part = 1; part < kParts; ++part) sum += parts[part];
    for (std::size_t row = in_parts; row < rows; ++row) sum += at(row);
    return sum;
  }

  QuantizedArray with(const std::vector<float>& scales, const std::vector<float>& x) const {
    QuantizedArray array{std::vector<float>(x_.size()), {scales.begin(), scales.end()}, false};
    for (std::size_t i = 0; i < x_.size(); ++i) array.values[i] = straight_through(x[i], scales[i % scales.size()] * q_[i]);
    return array;
  }

  QuantizedArray bits() {
    const float m = power_of_two(quantizer_.bits - (quantizer_.keep_negative ? 1 : 0));
    const float whole = power_of_two(quantizer_.integer);
    const auto levels = static_cast<float>(((std::int64_t{1} << (quantizer_.bits - 1)) - 1) * 2);
    std::vector<float> x(x_.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = x_[i] / whole;
    std::vector<float> scales = largest();
    for (float& scale : scales) scale = scale / whole * 2.F / levels;
    const auto levels_of = [&] {
      for (std::size_t i = 0; i < x.size(); ++i) {
        const float v = std::floor(std::abs(x[i]) / scales[i % scales.size()] + 0.5F);
        q_[i] = sign(x[i]) * (v < levels / 2 ? v : levels / 2);
      }
    };
    if (quantizer_.alpha.kind == Alpha::Kind::kAutoPowerOfTwo) {
      for (float& scale : scales) scale = rounded_power(scale);
      constexpr int kTimes = 5;
      for (int time = 0; time < kTimes; ++time) {
        levels_of();
        scales = least_squares(x);
      }
    } else {
      levels_of();
    }
    for (float& scale : scales) scale = scale * m;
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = whole * x[i];
      q_[i] = whole * q_[i] / m;
    }
    return with(scales, x);
  }

  QuantizedArray binary() {
    for (std::size_t i = 0; i < q_.size(); ++i) q_[i] = sign_or_one(x_[i]);
    return with(least_squares(x_), {x_.begin(), x_.end()});
  }

  QuantizedArray ternary() {
    std::vector<float> scales = largest();
    for (float& scale : scales) scale = 2.F * scale / 3.F;
    if (quantizer_.alpha.kind == Alpha::Kind::kAutoPowerOfTwo) {
      for (float& scale : scales) scale = rounded_power(scale);
    }
    for (int time = 0; time < quantizer_.unrolls; ++time) {
      for (std::size_t i = 0; i < q_.size(); ++i) {
        const float scale = scales[i % scales.size()];
        q_[i] = (std::abs(scale * rounded(x_[i] / scale)) >= scale / 2.F ? 1.F : 0.F) * sign(x_[i]);
      }
      scales = least_squares(x_);
    }
    return with(scales, {x_.begin(), x_.end()});
  }

  const TrainedQuantizer& quantizer_;
  std::span<const float> x_;
  bool one_axis_;
  std::size_t columns_;
  std::vector<float> q_;
};

Format integers(int width, bool is_signed) { return {.width = width, .integer = width, .is_signed = is_signed, .is_integer = true}; }

}  // namespace

Format activation_format(const TrainedQuantizer& q) {
  // utils/config.py, _get_precision_from_quantizer.
  constexpr int kTernaryBits = 2;
  int integer = q.integer + 1;
  bool is_signed = true;
  Overflow overflow = Overflow::kSat;
  switch (q.kind) {
    case TrainedQuantizer::Kind::kSign:
    case TrainedQuantizer::Kind::kBinary:
    case TrainedQuantizer::Kind::kTernary: return integers(kTernaryBits, true);
    case TrainedQuantizer::Kind::kRelu:
      is_signed = q.negative_slope != 0;
      if (!is_signed) integer = q.integer;
      break;
    case TrainedQuantizer::Kind::kTanh:
      integer = 1;
      if (q.symmetric) overflow = Overflow::kSatSym;
      break;
    case TrainedQuantizer::Kind::kSigmoid:
      integer = 0;
      is_signed = false;
      break;
    default: break;
  }
  if (q.bits <= integer) return integers(integer, is_signed);
  return {.width = q.bits, .integer = integer, .is_signed = is_signed, .rounding = Rounding::kRndConv, .overflow = overflow};
}

Format weight_format(const TrainedQuantizer& q, bool of_kernel) {
  constexpr int kTernaryBits = 2;
  Format sign_bit = integers(1, false);
  sign_bit.meaning = Meaning::kSign;
  switch (q.kind) {
    case TrainedQuantizer::Kind::kBits:
      if (q.bits != q.integer) return fixed(q.bits, q.integer + 1);
      return q.bits == 1 ? sign_bit : integers(q.bits, true);
    case TrainedQuantizer::Kind::kBinary: return of_kernel && q.bits == 1 ? sign_bit : integers(kTernaryBits, true);
    case TrainedQuantizer::Kind::kSign: return q.bits == 1 ? sign_bit : integers(kTernaryBits, true);  // of QONNX's BipolarQuant one bit
    case TrainedQuantizer::Kind::kPowerOfTwo: {
      Format exponent = integers(q.bits, true);
      exponent.meaning = Meaning::kExponent;
      return exponent;
    }
    default: return integers(kTernaryBits, true);
  }
}

std::string to_text(const TrainedQuantizer& quantizer) {
  // A member that is added does not compile until it is said here.
  const auto& [kind, name, bits, integer, symmetric, keep_negative, real, negative_slope, alpha, threshold, unrolls, max_value, even,
               floors] = quantizer;
  const auto& [alpha_kind, alpha_number] = alpha;
  std::ostringstream text;
  text << std::hexfloat << name << " " << static_cast<int>(kind) << " " << bits << " " << integer << " " << symmetric << keep_negative
       << real << even << floors << " " << negative_slope << " alpha " << static_cast<int>(alpha_kind) << " " << alpha_number << " "
       << unrolls;
  if (threshold) text << " threshold " << *threshold;
  if (max_value) text << " max_value " << *max_value;
  return text.str();
}

float quantized(const TrainedQuantizer& q, float x) {
  assert(!q.alpha.from_weights());
  const float scale = number_of(q.alpha);
  constexpr float kHalf = 0.5F;
  switch (q.kind) {
    case TrainedQuantizer::Kind::kBits: return straight_through(x, scale * bits_of(q, x));
    case TrainedQuantizer::Kind::kRelu: return relu(q, x);
    case TrainedQuantizer::Kind::kTanh:
    case TrainedQuantizer::Kind::kSigmoid: return tanh_or_sigmoid(q, x);
    case TrainedQuantizer::Kind::kBinary: {
      const float s = sign_or_one(x);
      return straight_through(q.alpha.kind == Alpha::Kind::kNone ? std::tanh(x) : x, scale * s);
    }
    case TrainedQuantizer::Kind::kTernary:
      return straight_through(q.alpha.kind == Alpha::Kind::kNone ? std::tanh(x) : x, scale * third(q, x));
    case TrainedQuantizer::Kind::kPowerOfTwo: return power(q, x);
    case TrainedQuantizer::Kind::kReluPower: return relu_power(q, x);
    case TrainedQuantizer::Kind::kSign: return x >= 0 ? scale : -scale;
    case TrainedQuantizer::Kind::kThirds: return x > kHalf * scale ? scale : x <= -kHalf * scale ? -scale : 0.F;
  }
  return x;
}

QuantizedArray quantized(const TrainedQuantizer& quantizer, std::span<const float> values, std::size_t columns) {
  if (quantizer.alpha.from_weights()) return Scaled(quantizer, values, columns).array();
  QuantizedArray array{std::vector<float>(values.size()), {quantizer.alpha.kind == Alpha::Kind::kNumber ? quantizer.alpha.number : 1.0}};
  std::transform(values.begin(), values.end(), array.values.begin(), [&](float x) { return quantized(quantizer, x); });
  return array;
}

}  // namespace narrow
