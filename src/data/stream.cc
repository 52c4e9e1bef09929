#include "data/stream.h"

#include <filesystem>
#include <fstream>

#include "error.h"

namespace narrow {
namespace {

class FileStream : public ByteStream {
 public:
  explicit FileStream(const std::string& path) : path_(path), stream_(path, std::ios::binary) {
    if (!stream_ || std::filesystem::is_directory(path)) throw Error(path + ": no such file, or no permission to read it");
  }
  std::size_t read(void* to, std::size_t count) override {
    stream_.read(static_cast<char*>(to), static_cast<std::streamsize>(count));
    if (stream_.bad()) throw Error(path_ + ": it cannot be read");
    return static_cast<std::size_t>(stream_.gcount());
  }

 private:
  std::string path_;
  std::ifstream stream_;
};

}  // namespace

std::unique_ptr<ByteStream> open_file(const std::string& path) { return std::make_unique<FileStream>(path); }

std::string first_bytes(const std::string& path) {
  constexpr std::size_t kCount = 8;
  std::string bytes(kCount, '\0');
  bytes.resize(open_file(path)->read(bytes.data(), kCount));
  return bytes;
}

}  // namespace narrow
