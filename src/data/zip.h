#ifndef NARROW_DATA_ZIP_H_
#define NARROW_DATA_ZIP_H_

#include <cstddef>
#include <string>
#include <vector>

struct zip;

namespace narrow {

// A zip archive to read (.keras, .npz). Failures are Errors that name the file and the member.
class ZipReader {
 public:
  explicit ZipReader(const std::string& path);
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;
  ~ZipReader();

  bool has(const std::string& member) const;
  std::vector<std::string> members() const;
  std::vector<std::byte> read(const std::string& member) const;  // checks the member's CRC

 private:
  std::string path_;
  zip* archive_ = nullptr;
};

}  // namespace narrow

#endif  // NARROW_DATA_ZIP_H_
