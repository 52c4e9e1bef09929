#ifndef NARROW_NUMBER_H_
#define NARROW_NUMBER_H_

#include <charconv>
#include <cstdint>
#include <optional>
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

}  // namespace narrow

#endif  // NARROW_NUMBER_H_
