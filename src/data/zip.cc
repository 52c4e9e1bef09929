#include "data/zip.h"

#include <zip.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>

#include "error.h"

namespace narrow {

ZipReader::ZipReader(const std::string& path) : path_(path) {
  if (!std::filesystem::exists(path)) throw Error(path + ": no such file");
  archive_ = zip_open(path.c_str(), ZIP_RDONLY, nullptr);
  if (archive_ == nullptr) throw Error(path + ": it cannot be read as a zip archive; is it cut short, or something else?");
}

ZipReader::~ZipReader() { zip_discard(archive_); }

bool ZipReader::has(const std::string& member) const { return zip_name_locate(archive_, member.c_str(), 0) >= 0; }

std::vector<std::string> ZipReader::members() const {
  std::vector<std::string> names;
  const zip_int64_t count = zip_get_num_entries(archive_, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    if (const char* name = zip_get_name(archive_, static_cast<zip_uint64_t>(i), 0); name != nullptr) names.emplace_back(name);
  }
  return names;
}

namespace {

class MemberStream : public ByteStream {
 public:
  MemberStream(zip* archive, const std::string& path, const std::string& member)
      : name_(path + ": its " + member), file_(zip_fopen(archive, member.c_str(), 0), zip_fclose) {
    if (file_ == nullptr) throw damaged();
  }
  std::size_t read(void* to, std::size_t count) override {
    std::size_t done = 0;
    while (done < count) {
      const zip_int64_t got = zip_fread(file_.get(), static_cast<char*>(to) + done, count - done);
      if (got < 0) throw damaged();
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  Error damaged() const { return Error(name_ + " cannot be unpacked; is the file damaged?"); }

  std::string name_;
  std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file_;
};

}  // namespace

std::unique_ptr<ByteStream> ZipReader::open(const std::string& member) const {
  if (!has(member)) throw Error(path_ + ": it has no " + member + " inside");
  return std::make_unique<MemberStream>(archive_, path_, member);
}

std::vector<std::byte> ZipReader::read(const std::string& member) const {
  const std::unique_ptr<ByteStream> stream = open(member);
  std::vector<std::byte> bytes;
  constexpr std::size_t kStep = 1 << 20;
  constexpr std::size_t kLargestMember = 1 << 30;  // a few bytes may claim to be any number
  while (true) {
    const std::size_t size = bytes.size();
    bytes.resize(size + kStep);
    const std::size_t got = stream->read(bytes.data() + size, kStep);
    bytes.resize(size + got);
    if (bytes.size() > kLargestMember) throw Error(path_ + ": its " + member + " is larger than 1 GiB when unpacked");
    if (got < kStep) return bytes;
  }
}

ZipWriter::ZipWriter(std::string path) : file_(std::move(path)) {
  archive_ = zip_open(file_.name().c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  file_.opened(archive_ != nullptr);
}

ZipWriter::~ZipWriter() {
  if (archive_ != nullptr) zip_discard(archive_);
}

void ZipWriter::add(const std::string& member, std::string_view bytes) {
  char* copy = static_cast<char*>(std::malloc(std::max<std::size_t>(bytes.size(), 1)));
  if (copy == nullptr) throw std::bad_alloc();
  std::memcpy(copy, bytes.data(), bytes.size());
  add_source(member, zip_source_buffer(archive_, copy, bytes.size(), 1));
}

void ZipWriter::add_file(const std::string& member, const std::string& path) {
  add_source(member, zip_source_file(archive_, path.c_str(), 0, -1));
}

void ZipWriter::add_source(const std::string& member, void* source) {
  const zip_int64_t index = zip_file_add(archive_, member.c_str(), static_cast<zip_source_t*>(source), ZIP_FL_OVERWRITE);
  // Stored, not packed, as Keras and numpy.savez do; and the earliest date that zip has, for the same bytes every time.
  constexpr zip_uint16_t kFirstOfJanuary1980 = (1 << 5) + 1;
  if (index < 0 || zip_set_file_compression(archive_, static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0) < 0 ||
      zip_file_set_dostime(archive_, static_cast<zip_uint64_t>(index), 0, kFirstOfJanuary1980, 0) < 0) {
    throw Error(file_.path() + ": writing " + member + " failed");
  }
}

void ZipWriter::commit() {
  const int failed = zip_close(archive_);
  if (failed < 0) {
    const std::string why = zip_error_strerror(zip_get_error(archive_));
    zip_discard(archive_);
    archive_ = nullptr;
    throw file_.failed(why);
  }
  archive_ = nullptr;
  file_.commit();
}

}  // namespace narrow
