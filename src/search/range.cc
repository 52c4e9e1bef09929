#include "search/range.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace narrow {

void Range::add(std::span<const float> more) {
  constexpr int kMantissa = 23;
  constexpr int kBias = 127;
  constexpr std::uint32_t kExponent = 0xff;
  for (const float value : more) {
    const int exponent = static_cast<int>((std::bit_cast<std::uint32_t>(value) >> kMantissa) & kExponent) - kBias;
    ++octaves[static_cast<std::size_t>(std::clamp(exponent, kLowest, kHighest) - kLowest)];
    low = std::min(low, static_cast<double>(value));
    high = std::max(high, static_cast<double>(value));
  }
  const auto own = static_cast<std::uint64_t>(std::count(more.begin(), more.end(), 0.0F));
  octaves.front() -= own;
  zeros += own;
  values += more.size();
}

Range& Range::operator+=(const Range& more) {
  low = std::min(low, more.low);
  high = std::max(high, more.high);
  values += more.values;
  zeros += more.zeros;
  for (std::size_t i = 0; i < octaves.size(); ++i) octaves[i] += more.octaves[i];
  return *this;
}

int integer_bits(const Range& range, bool is_signed, int fraction, int least_width) {
  const double step = std::ldexp(1.0, -fraction);
  int bits = least_width - fraction;
  const auto holds = [&](int integer) {
    const double end = std::ldexp(1.0, integer - (is_signed ? 1 : 0));
    return range.high < end - step / 2 && range.low >= -end - step / 2;
  };
  while (!holds(bits)) ++bits;
  return bits;
}

}  // namespace narrow
