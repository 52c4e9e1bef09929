#include "data/text.h"

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "error.h"

namespace narrow {
namespace {

template <class T>
std::string rows(std::span<const T> values, std::size_t columns) {
  constexpr int kDigits = 18;
  std::string text;
  text.reserve(values.size() * 26);
  std::array<char, 64> buffer{};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), static_cast<double>(values[i]), std::chars_format::scientific, kDigits)
            .ptr;
    text.append(buffer.data(), end);
    text += (i + 1) % columns == 0 ? '\n' : ' ';
  }
  return text;
}

}  // namespace

std::string savetxt(std::span<const double> values, std::size_t columns) { return rows(values, columns); }
std::string savetxt(std::span<const float> values, std::size_t columns) { return rows(values, columns); }

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error(path + ": it cannot be read; does it exist?");
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (stream.bad()) throw Error(path + ": reading failed");
  return text;
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || !std::filesystem::is_directory(path)) {
    throw Error(path + ": the folder cannot be made: " + (error ? error.message() : "something else has its name"));
  }
}

void write_file(const std::string& path, std::string_view text) {
  const std::string partial = path + ".partial";
  std::ofstream stream(partial, std::ios::binary);
  if (!stream) throw Error(path + ": it cannot be written; does its folder exist, and do you have permission to write there?");
  stream << text;
  stream.close();
  std::error_code error;
  if (!stream) {
    std::filesystem::remove(partial, error);
    throw Error(path + ": writing failed; is the disk full?");
  }
  std::filesystem::rename(partial, path, error);
  if (error) throw Error(path + ": it cannot be written: " + error.message());
}

}  // namespace narrow
