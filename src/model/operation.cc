#include "model/operation.h"

#include <algorithm>
#include <numeric>

namespace narrow {

std::size_t size_of(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, [](std::size_t n, int d) { return n * static_cast<std::size_t>(d); });
}

std::string to_string(const Shape& shape) {
  std::string text;
  for (const int d : shape) text += (text.empty() ? "" : "x") + std::to_string(d);
  return text;
}

const QuantizedWeights& Step::operator[](TypeName type) const {
  const auto found = std::find_if(weights.begin(), weights.end(), [&](const auto& each) { return each.first == type; });
  assert(found != weights.end());
  return *found->second;
}

Interval paired(const Pairing& pairing, const Interval& a, const Interval& b) {
  const Interval p{a.low << pairing.shifts[0], a.high << pairing.shifts[0]};
  const Interval q{b.low << pairing.shifts[1], b.high << pairing.shifts[1]};
  switch (pairing.kind) {
    case Pairing::Kind::kSum: return p + q;
    case Pairing::Kind::kDifference: return {p.low - q.high, p.high - q.low};
    case Pairing::Kind::kProduct: {
      const auto [low, high] = std::minmax({p.low * q.low, p.low * q.high, p.high * q.low, p.high * q.high});
      return {low, high};
    }
    case Pairing::Kind::kLarger: return {std::max(p.low, q.low), std::max(p.high, q.high)};
    case Pairing::Kind::kSmaller: return {std::min(p.low, q.low), std::min(p.high, q.high)};
    case Pairing::Kind::kBeside: break;
  }
  return hull(p, q);
}

bool same(const Operation& a, const Operation& b) {
  if (&a == &b) return true;
  if (a.keras_class() != b.keras_class() || a.settings() != b.settings()) return false;
  const std::vector<ParameterArray> ours = a.parameters();
  const std::vector<ParameterArray> theirs = b.parameters();
  return std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(), [](const ParameterArray& x, const ParameterArray& y) {
    return x.name == y.name && x.shape == y.shape && std::equal(x.values.begin(), x.values.end(), y.values.begin(), y.values.end());
  });
}

}  // namespace narrow
