#ifndef NARROW_DATA_ZIP_H_
#define NARROW_DATA_ZIP_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/partial_file.h"
#include "data/stream.h"

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
  // The same a piece at a time. The archive must outlive the stream.
  std::unique_ptr<ByteStream> open(const std::string& member) const;

 private:
  std::string path_;
  zip* archive_ = nullptr;
};

// A zip archive to write: members stand in it as they are, without a date. It takes its name only when `commit` is called;
// until then it is `path` + ".partial", removed again by the destructor.
class ZipWriter {
 public:
  explicit ZipWriter(std::string path);
  ZipWriter(const ZipWriter&) = delete;
  ZipWriter& operator=(const ZipWriter&) = delete;
  ~ZipWriter();

  void add(const std::string& member, std::string_view bytes);        // keeps a copy until commit
  void add_file(const std::string& member, const std::string& path);  // the file must stay until commit
  void commit();

 private:
  void add_source(const std::string& member, void* source);

  PartialFile file_;
  zip* archive_ = nullptr;
};

}  // namespace narrow

#endif  // NARROW_DATA_ZIP_H_
