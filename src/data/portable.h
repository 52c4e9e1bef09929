#ifndef NARROW_DATA_PORTABLE_H_
#define NARROW_DATA_PORTABLE_H_

#include <cmath>
#include <cstdint>
#include <random>

namespace narrow {

// Functions and random numbers that are the same on any machine: the C++ standard fixes std::mt19937_64 but none of its
// distributions, and log and exp differ in the last bit from one libm, or one CPU, to the next. Made of additions,
// multiplications, divisions and square roots, which IEEE 754 fixes.

// Natural logarithm of x > 0, to 1e-15: x = m 2^e, log m = 2 atanh((m - 1) / (m + 1)).
inline double portable_log(double x) {
  constexpr double kLog2 = 0.693147180559945309417;
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < 0.70710678118654752440) {
    m *= 2;
    --exponent;
  }
  const double z = (m - 1) / (m + 1);
  const double square = z * z;
  constexpr int kTerms = 12;  // z is below 0.172
  double sum = 0;
  for (int k = kTerms; k >= 0; --k) sum = sum * square + 1.0 / (2 * k + 1);
  return 2 * z * sum + exponent * kLog2;
}

// e^x, to 1e-15: x = n log 2 + r, e^r as its series.
inline double portable_exp(double x) {
  constexpr double kLog2 = 0.693147180559945309417;
  const double n = std::floor(x / kLog2 + 0.5);
  const double r = x - n * kLog2;
  constexpr int kTerms = 16;  // |r| is below 0.35
  double sum = 1;
  for (int k = kTerms; k >= 1; --k) sum = sum * r / k + 1;
  return std::ldexp(sum, static_cast<int>(n));
}

class PortableRandom {
 public:
  explicit PortableRandom(std::uint64_t seed) : engine_(seed) {}

  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }  // in [0, 1)
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  // In [low, high].
  std::uint64_t integer(std::uint64_t low, std::uint64_t high) {
    return low + static_cast<std::uint64_t>(uniform() * static_cast<double>(high - low + 1));
  }
  // A point on the unit circle, without trigonometry.
  void direction(double& x, double& y) {
    double square = 0;
    do {
      x = uniform(-1, 1);
      y = uniform(-1, 1);
      square = x * x + y * y;
    } while (square >= 1 || square < 1e-6);
    const double length = std::sqrt(square);
    x /= length;
    y /= length;
  }
  // Marsaglia's polar method.
  double normal() {
    double x = 0;
    double y = 0;
    double square = 0;
    do {
      x = uniform(-1, 1);
      y = uniform(-1, 1);
      square = x * x + y * y;
    } while (square >= 1 || square == 0);
    return x * std::sqrt(-2 * portable_log(square) / square);
  }
  // Marsaglia and Tsang 2000, for shapes above 1/3.
  double gamma(double shape) {
    const double d = shape - 1.0 / 3;
    const double c = 1 / std::sqrt(9 * d);
    while (true) {
      const double z = normal();
      const double v = 1 + c * z;
      if (v <= 0) continue;
      const double cube = v * v * v;
      if (portable_log(1 - uniform()) < 0.5 * z * z + d - d * cube + d * portable_log(cube)) return d * cube;
    }
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace narrow

#endif  // NARROW_DATA_PORTABLE_H_
