#include "data/zip.h"

#include <zip.h>

#include <filesystem>
#include <memory>

#include "error.h"

namespace narrow {

ZipReader::ZipReader(const std::string& path) : path_(path) {
  if (!std::filesystem::exists(path)) throw Error(path + ": there is no such file");
  archive_ = zip_open(path.c_str(), ZIP_RDONLY, nullptr);
  if (archive_ == nullptr) throw Error(path + ": it cannot be read as a zip archive; is it cut short, or something else?");
}

ZipReader::~ZipReader() { zip_discard(archive_); }

bool ZipReader::has(const std::string& member) const { return zip_name_locate(archive_, member.c_str(), 0) >= 0; }

std::vector<std::string> ZipReader::members() const {
  std::vector<std::string> names;
  const zip_int64_t count = zip_get_num_entries(archive_, 0);
  for (zip_int64_t i = 0; i < count; ++i) names.emplace_back(zip_get_name(archive_, static_cast<zip_uint64_t>(i), 0));
  return names;
}

std::vector<std::byte> ZipReader::read(const std::string& member) const {
  if (!has(member)) throw Error(path_ + ": it has no " + member + " inside");
  const auto damaged = [&] { return Error(path_ + ": its " + member + " cannot be unpacked; is the file damaged?"); };
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(zip_fopen(archive_, member.c_str(), 0), zip_fclose);
  if (file == nullptr) throw damaged();
  std::vector<std::byte> bytes;
  constexpr std::size_t kStep = 1 << 20;
  while (true) {
    const std::size_t size = bytes.size();
    bytes.resize(size + kStep);
    const zip_int64_t got = zip_fread(file.get(), bytes.data() + size, kStep);
    if (got < 0) throw damaged();
    bytes.resize(size + static_cast<std::size_t>(got));
    if (got == 0) return bytes;
  }
}

}  // namespace narrow
