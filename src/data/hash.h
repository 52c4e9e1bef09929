#ifndef NARROW_DATA_HASH_H_
#define NARROW_DATA_HASH_H_

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace narrow {

// Tells data and models apart by their content: FNV-1a, 64 bits, a word at a time. Not meant to withstand forgery.
class Hash {
 public:
  void add(std::uint64_t word) { value_ = (value_ ^ word) * 0x100000001b3; }
  void add(const std::string& text) {
    for (const char c : text) add(static_cast<unsigned char>(c));
    add(text.size());
  }
  void add(const std::vector<float>& values) {
    for (const float value : values) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &value, sizeof bits);
      add(bits);
    }
    add(values.size());
  }
  std::string text() const {
    std::array<char, 17> hex{};
    std::snprintf(hex.data(), hex.size(), "%016llx", static_cast<unsigned long long>(value_));
    return hex.data();
  }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace narrow

#endif  // NARROW_DATA_HASH_H_
