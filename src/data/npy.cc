#include "data/npy.h"

#include <cstdint>
#include <cstring>
#include <regex>

#include "error.h"

namespace narrow {
namespace {

template <class From, class To>
bool convert(const std::vector<std::byte>& bytes, std::vector<To>& values) {
  bool rounded = false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    From value;
    std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
    values[i] = static_cast<To>(value);
    rounded |= static_cast<From>(values[i]) != value && value == value;
  }
  return rounded;
}

template <class To>
bool convert_any(const std::string& kind, const std::vector<std::byte>& bytes, std::vector<To>& values) {
  if (kind == "f4") return convert<float>(bytes, values);
  if (kind == "f8") return convert<double>(bytes, values);
  if (kind == "i1") return convert<std::int8_t>(bytes, values);
  if (kind == "i2") return convert<std::int16_t>(bytes, values);
  if (kind == "i4") return convert<std::int32_t>(bytes, values);
  if (kind == "i8") return convert<std::int64_t>(bytes, values);
  if (kind == "u1") return convert<std::uint8_t>(bytes, values);
  if (kind == "u2") return convert<std::uint16_t>(bytes, values);
  return convert<std::uint32_t>(bytes, values);
}

}  // namespace

NpyReader::NpyReader(std::string name, std::unique_ptr<ByteStream> stream) : name_(std::move(name)), stream_(std::move(stream)) {
  constexpr std::size_t kPreamble = 8;
  const auto text = [&](std::size_t count) {
    std::string bytes(count, '\0');
    if (stream_->read(bytes.data(), count) < count) throw Error(name_ + ": its header is cut short");
    return bytes;
  };
  std::string preamble(kPreamble, '\0');
  if (stream_->read(preamble.data(), kPreamble) < kPreamble || !preamble.starts_with("\x93NUMPY")) {
    throw Error(name_ + ": it is no .npy array");
  }
  std::size_t length = 0;
  const std::string size = text(preamble[6] >= 2 ? 4 : 2);
  for (std::size_t i = 0; i < size.size(); ++i) length |= static_cast<std::size_t>(static_cast<unsigned char>(size[i])) << (8 * i);
  constexpr std::size_t kLongest = 1 << 20;
  if (length > kLongest) throw Error(name_ + ": its header is not as NumPy writes it");
  const std::string header = text(length);
  std::smatch descr;
  std::smatch shape;
  if (!std::regex_search(header, descr, std::regex("'descr': *'([^']*)'")) ||
      !std::regex_search(header, shape, std::regex("'shape': *\\(([0-9, ]*)\\)"))) {
    throw Error(name_ + ": its header is not as NumPy writes it");
  }
  if (header.find("'fortran_order': True") != std::string::npos)
    throw Error(name_ + ": it is in Fortran order; save it with numpy.ascontiguousarray");
  type_ = descr[1];
  const std::string dimensions = shape[1];
  const std::regex number("[0-9]{1,18}");
  for (auto it = std::sregex_iterator(dimensions.begin(), dimensions.end(), number); it != std::sregex_iterator(); ++it) {
    shape_.push_back(std::stoull(it->str()));
  }
  if (type_.front() == '>') throw Error(name_ + ": its numbers are big-endian; save it as little-endian");
  if (!std::regex_match(type_, std::regex("[<|=](f[48]|i[1248]|u[124])"))) {
    throw Error(name_ + ": its type '" + type_ + "' is none narrow reads; save it as float32");
  }
  item_ = static_cast<std::size_t>(type_[2] - '0');
  std::size_t count = 1;
  constexpr std::size_t kMost = std::size_t{1} << 60;
  for (const std::size_t d : shape_) {
    if (d != 0 && count > kMost / d) throw Error(name_ + ": it is cut short");
    count *= d;
  }
}

std::size_t NpyReader::values() const {
  std::size_t count = 1;
  for (const std::size_t d : shape_) count *= d;
  return count;
}

template <class T>
std::vector<T> NpyReader::read(std::size_t count) {
  // A step at a time: a damaged header may claim any size.
  constexpr std::size_t kStep = 1 << 20;
  std::vector<T> all;
  for (std::size_t done = 0; done < count; done += kStep) {
    std::vector<std::byte> bytes(std::min(kStep, count - done) * item_);
    if (stream_->read(bytes.data(), bytes.size()) < bytes.size()) throw Error(name_ + ": it is cut short");
    std::vector<T> values(bytes.size() / item_);
    rounded_ |= convert_any(type_.substr(1), bytes, values);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}
template std::vector<float> NpyReader::read(std::size_t);
template std::vector<double> NpyReader::read(std::size_t);

std::string npy_header(const std::string& type, const std::vector<std::size_t>& shape) {
  std::string dimensions;
  for (const std::size_t d : shape) dimensions += std::to_string(d) + (shape.size() == 1 ? "," : ", ");
  if (shape.size() > 1) dimensions.resize(dimensions.size() - 2);
  std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + dimensions + "), }";
  // The values begin at a multiple of 64 bytes.
  constexpr std::size_t kAlign = 64;
  constexpr std::size_t kPreamble = 10;
  header.append((kAlign - (kPreamble + header.size() + 1) % kAlign) % kAlign, ' ');
  header += '\n';
  std::string bytes = "\x93NUMPY";
  bytes += {'\x01', '\x00', static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  return bytes + header;
}

}  // namespace narrow
