#ifndef NARROW_DATA_STREAM_H_
#define NARROW_DATA_STREAM_H_

#include <cstddef>
#include <memory>
#include <string>

namespace narrow {

// Bytes that come one after the other: of a file, or of a member of a zip archive.
class ByteStream {
 public:
  ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  virtual ~ByteStream() = default;
  // Fewer than `count` only at the end.
  virtual std::size_t read(void* to, std::size_t count) = 0;
};

// Throws Error where the file cannot be read.
std::unique_ptr<ByteStream> open_file(const std::string& path);

// The first bytes of a file, by which its kind is told. Throws Error where it cannot be read.
std::string first_bytes(const std::string& path);

}  // namespace narrow

#endif  // NARROW_DATA_STREAM_H_
