#include "data/npy.h"

#include <cstdint>
#include <cstring>
#include <regex>

#include "error.h"

namespace narrow {
namespace {

template <class T>
void convert(std::span<const std::byte> bytes, NpyArray& array) {
  for (std::size_t i = 0; i < array.values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    array.values[i] = static_cast<float>(value);
    array.rounded |= static_cast<T>(array.values[i]) != value && value == value;
  }
}

}  // namespace

NpyArray read_npy(const std::string& name, std::span<const std::byte> bytes, std::size_t rows) {
  constexpr std::size_t kPreamble = 10;
  const auto text = [&](std::size_t from, std::size_t count) {
    return std::string(reinterpret_cast<const char*>(bytes.data()) + from, count);
  };
  if (bytes.size() < kPreamble + 2 || text(0, 6) != "\x93NUMPY") throw Error(name + ": it is no .npy array");
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(bytes[i]); };
  const bool long_header = byte(6) >= 2;
  const std::size_t start = long_header ? 12 : 10;
  const std::size_t length = byte(8) | byte(9) << 8 | (long_header ? byte(10) << 16 | byte(11) << 24 : 0);
  if (bytes.size() < start + length) throw Error(name + ": its header is cut short");
  const std::string header = text(start, length);
  std::smatch descr;
  std::smatch shape;
  if (!std::regex_search(header, descr, std::regex("'descr': *'([^']*)'")) ||
      !std::regex_search(header, shape, std::regex("'shape': *\\(([0-9, ]*)\\)"))) {
    throw Error(name + ": its header is not as NumPy writes it");
  }
  if (header.find("'fortran_order': True") != std::string::npos)
    throw Error(name + ": it is in Fortran order; save it with numpy.ascontiguousarray");
  NpyArray array;
  const std::string dimensions = shape[1];
  const std::regex number("[0-9]+");
  for (auto it = std::sregex_iterator(dimensions.begin(), dimensions.end(), number); it != std::sregex_iterator(); ++it) {
    array.shape.push_back(std::stoull(it->str()));
  }
  const std::string type = descr[1];
  const std::size_t item = type.size() == 3 ? static_cast<std::size_t>(type[2] - '0') : 0;
  const auto values = bytes.subspan(start + length);
  std::size_t count = 1;
  for (const std::size_t d : array.shape) {
    // Also keeps the product of damaged dimensions from overflowing.
    if (d != 0 && count > values.size() / d) throw Error(name + ": it is cut short");
    count *= d;
  }
  if (item == 0 || count > values.size() / item) throw Error(name + ": it is cut short, or its type '" + type + "' is none narrow reads");
  if (!array.shape.empty() && rows < array.shape.front()) {
    count = count / array.shape.front() * rows;
    array.shape.front() = rows;
  }
  array.values.resize(count);
  const std::string kind = type.substr(1);
  if (type.front() == '>') throw Error(name + ": its numbers are big-endian; save it as little-endian");
  if (kind == "f4") convert<float>(values, array);
  else if (kind == "f8") convert<double>(values, array);
  else if (kind == "i1") convert<std::int8_t>(values, array);
  else if (kind == "i2") convert<std::int16_t>(values, array);
  else if (kind == "i4") convert<std::int32_t>(values, array);
  else if (kind == "i8") convert<std::int64_t>(values, array);
  else if (kind == "u1") convert<std::uint8_t>(values, array);
  else if (kind == "u2") convert<std::uint16_t>(values, array);
  else if (kind == "u4") convert<std::uint32_t>(values, array);
  else throw Error(name + ": its type '" + type + "' is none narrow reads; save it as float32");
  return array;
}

}  // namespace narrow
