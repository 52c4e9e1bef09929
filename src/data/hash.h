#ifndef NARROW_DATA_HASH_H_
#define NARROW_DATA_HASH_H_

#include <xxhash.h>

#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

namespace narrow {

// Tells data and models apart by their content: XXH3, 128 bits, of each value's bytes and, for texts and arrays, their length. Not meant
// to withstand forgery.
class Hash {
 public:
  Hash() : state_(XXH3_createState()) {
    if (state_ == nullptr || XXH3_128bits_reset(state_.get()) == XXH_ERROR) throw std::bad_alloc();
  }
  void add(std::uint64_t word) { add_bytes(&word, sizeof word); }
  void add(const std::string& text) {
    add(text.size());
    add_bytes(text.data(), text.size());
  }
  void add(const std::vector<float>& values) {
    add(values.size());
    add_bytes(values.data(), values.size() * sizeof(float));
  }
  // 32 hexadecimal digits, the same on any machine.
  std::string text() const {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    std::string hex;
    for (const unsigned char byte : canonical.digest) {
      for (const int digit : {byte >> 4, byte & 15}) hex += "0123456789abcdef"[digit];
    }
    return hex;
  }

 private:
  void add_bytes(const void* bytes, std::size_t size) { XXH3_128bits_update(state_.get(), bytes, size); }

  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

// 64 bits of the same kind, of the values' bytes alone.
inline std::uint64_t hash_of_values(std::span<const float> values) { return XXH3_64bits(values.data(), values.size_bytes()); }

}  // namespace narrow

#endif  // NARROW_DATA_HASH_H_
