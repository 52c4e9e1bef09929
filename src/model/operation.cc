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
