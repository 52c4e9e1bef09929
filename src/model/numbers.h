#ifndef NARROW_MODEL_NUMBERS_H_
#define NARROW_MODEL_NUMBERS_H_

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

namespace narrow {

// Trained numbers as NumPy holds them on their way through hls4ml: float32, or double where it computes in those. What is made of two
// arrays is float32 where both are, and double otherwise.
class Numbers {
 public:
  Numbers() = default;
  Numbers(std::vector<float> values) : singles_(std::move(values)) {}  // NOLINT(google-explicit-constructor): most are float32
  Numbers(std::span<const float> values, std::span<const double> doubles)
      : singles_(values.begin(), values.end()), doubles_(doubles.begin(), doubles.end()) {}
  explicit Numbers(std::vector<double> values) : singles_(values.begin(), values.end()), doubles_(std::move(values)) {}

  std::size_t size() const { return singles_.size(); }
  bool empty() const { return singles_.empty(); }
  bool is_double() const { return !doubles_.empty(); }
  double operator[](std::size_t i) const { return is_double() ? doubles_[i] : static_cast<double>(singles_[i]); }

  const std::vector<float>& singles() const { return singles_; }   // the nearest float32 of each
  const std::vector<double>& doubles() const { return doubles_; }  // empty where they are float32

 private:
  std::vector<float> singles_;
  std::vector<double> doubles_;
};

// combine(a[i], b[i]), in the type of both; the shorter one repeats.
template <class Combine>
Numbers combined(const Numbers& a, const Numbers& b, const Combine& combine) {
  const std::size_t size = a.empty() || b.empty() ? 0 : std::max(a.size(), b.size());
  if (a.is_double() || b.is_double()) {
    std::vector<double> values(size);
    for (std::size_t i = 0; i < size; ++i) values[i] = combine(a[i % a.size()], b[i % b.size()]);
    return Numbers(std::move(values));
  }
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i) values[i] = combine(a.singles()[i % a.size()], b.singles()[i % b.size()]);
  return values;
}
// of(a[i]), in the type of the array.
template <class Of>
Numbers each(const Numbers& a, const Of& of) {
  const auto all = [&](auto values) {
    for (auto& value : values) value = of(value);
    return values;
  };
  return a.is_double() ? Numbers(all(a.doubles())) : Numbers(all(a.singles()));
}
inline Numbers product(const Numbers& a, const Numbers& b) {
  return combined(a, b, [](auto x, auto y) { return x * y; });
}
inline Numbers sum(const Numbers& a, const Numbers& b) {
  return combined(a, b, [](auto x, auto y) { return x + y; });
}

}  // namespace narrow

#endif  // NARROW_MODEL_NUMBERS_H_
