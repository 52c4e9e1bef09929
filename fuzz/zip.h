#ifndef NARROW_FUZZ_ZIP_H_
#define NARROW_FUZZ_ZIP_H_

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

// For fuzzers of archives: a changed byte inside a stored member would be refused for its checksum, and nothing behind that be seen.

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace narrow {

// Puts checksums right, of the members that are stored and lie inside the file.
inline void repair_checksums(std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kCentral = 46;  // bytes of a member's entry in the directory, and of its header before its bytes
  constexpr std::size_t kLocal = 30;
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::size_t value = 0;
    for (std::size_t i = bytes; i-- > 0;) value = value << 8 | data[at + i];
    return value;
  };
  for (std::size_t at = 0; at + kCentral <= size; ++at) {
    if (std::memcmp(data + at, "PK\x01\x02", 4) != 0 || number(at + 10, 2) != 0) continue;
    const std::size_t header = number(at + 42, 4);
    if (header + kLocal > size) continue;
    const std::size_t begin = header + kLocal + number(header + 26, 2) + number(header + 28, 2);
    const std::size_t count = number(at + 20, 4);
    if (begin > size || count > size - begin) continue;
    const auto checksum = static_cast<std::uint32_t>(crc32(0, data + begin, static_cast<uInt>(count)));
    std::memcpy(data + at + 16, &checksum, sizeof checksum);
    std::memcpy(data + header + 14, &checksum, sizeof checksum);
  }
}

}  // namespace narrow

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 != 0) narrow::repair_checksums(data, size);
  return size;
}

#endif  // NARROW_FUZZ_ZIP_H_
