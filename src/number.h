#ifndef NARROW_NUMBER_H_
#define NARROW_NUMBER_H_

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace narrow {

// `text`, all of it, as a whole number from `least` to `most`; nothing where it is anything else.
inline std::optional<std::int64_t> whole_number(std::string_view text, std::int64_t least, std::int64_t most) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || next != end || number < least || number > most) return std::nullopt;
  return number;
}

// The same for an int.
inline std::optional<int> whole_int(std::string_view text, int least, int most) {
  const auto number = whole_number(text, least, most);
  return number ? std::optional(static_cast<int>(*number)) : std::nullopt;
}

// `text`, all of it, as a finite number; nothing where it is anything else.
inline std::optional<double> real_number(std::string_view text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || next != end || !std::isfinite(number)) return std::nullopt;
  return number;
}

// The fewest digits that read back as the same number.
inline std::string exact_text(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

}  // namespace narrow

#endif  // NARROW_NUMBER_H_
