#include "data/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "data/partial_file.h"
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

std::string number_text(double value, int digits) {
  if (std::isnan(value)) return "unknown";
  if (std::isinf(value)) return value > 0 ? "infinite" : "-infinite";
  constexpr int kSmallest = -4;
  constexpr int kLargest = 6;
  std::array<char, 64> text{};
  const auto print = [&](const char* format, int precision, double number) {
    std::snprintf(text.data(), text.size(), format, precision, number);
    return std::string(text.data());
  };
  // The exponent after rounding: 99.96 has two digits before the point, 100.
  const std::string rounded = print("%.*e", digits - 1, value);
  const int exponent = std::atoi(rounded.c_str() + rounded.find('e') + 1);
  if (exponent < kSmallest || exponent >= kLargest) return print("%.*g", digits, value);
  std::string plain = print("%.*f", std::max(0, digits - 1 - exponent), std::strtod(rounded.c_str(), nullptr));
  if (plain.find('.') != std::string::npos) {
    plain.erase(plain.find_last_not_of('0') + 1);
    if (plain.back() == '.') plain.pop_back();
  }
  return plain == "-0" ? "0" : plain;
}

std::string short_text(double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

std::string count_text(double value) {
  std::array<char, 400> digits{};
  std::snprintf(digits.data(), digits.size(), "%.0f", value);
  std::string text = digits.data();
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

double rounded_to(double value, int digits) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.*e", digits - 1, value);
  return std::strtod(text.data(), nullptr);
}

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
  PartialFile file(path);
  std::ofstream stream(file.name(), std::ios::binary);
  file.opened(stream.is_open());
  stream << text;
  stream.close();
  if (!stream) throw file.failed();
  file.commit();
}

}  // namespace narrow
