#include "data/npy.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <string_view>
#include <type_traits>

#include "error.h"

namespace narrow {
namespace {

// NumPy's bool: a byte, true where it is not 0.
struct NumpyBool {
  std::uint8_t byte = 0;
  explicit operator float() const { return byte != 0 ? 1 : 0; }
  explicit operator double() const { return byte != 0 ? 1 : 0; }
};

// Whether a number is another one after its conversion. Integers are compared as doubles, which hold those of 32 bits; one of 64 bits
// may round to 2^63, which is not one.
template <class From, class To>
bool changed(From value, To converted) {
  if constexpr (std::is_same_v<From, NumpyBool>) return false;
  else if constexpr (std::is_floating_point_v<From>) return static_cast<From>(converted) != value && value == value;
  else if constexpr (sizeof(From) < 8) return static_cast<double>(converted) != static_cast<double>(value);
  else return static_cast<double>(converted) >= 0x1p63 || static_cast<From>(converted) != value;
}

template <class From, class To>
bool convert(const std::vector<std::byte>& bytes, std::vector<To>& values) {
  bool rounded = false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    From value;
    std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
    values[i] = static_cast<To>(value);
    rounded |= changed(value, values[i]);
  }
  return rounded;
}

template <class To>
bool convert_any(const std::string& kind, const std::vector<std::byte>& bytes, std::vector<To>& values) {
  if (kind == "f4") return convert<float>(bytes, values);
  if (kind == "f8") return convert<double>(bytes, values);
  if (kind == "b1") return convert<NumpyBool>(bytes, values);
  if (kind == "i1") return convert<std::int8_t>(bytes, values);
  if (kind == "i2") return convert<std::int16_t>(bytes, values);
  if (kind == "i4") return convert<std::int32_t>(bytes, values);
  if (kind == "i8") return convert<std::int64_t>(bytes, values);
  if (kind == "u1") return convert<std::uint8_t>(bytes, values);
  if (kind == "u2") return convert<std::uint16_t>(bytes, values);
  return convert<std::uint32_t>(bytes, values);
}

// The header is a Python dict, {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }, padded with blanks.
struct Header {
  std::string type;
  bool fortran_order = false;
  std::vector<std::size_t> shape;
};

class HeaderParser {
 public:
  HeaderParser(const std::string& name, std::string_view text) : name_(name), rest_(text) {}

  Header parse() {
    Header header;
    std::map<std::string, int> seen;
    expect('{');
    while (!take('}')) {
      const std::string key = quoted();
      ++seen[key];
      expect(':');
      if (key == "descr") header.type = type();
      else if (key == "fortran_order") header.fortran_order = truth();
      else if (key == "shape") header.shape = shape();
      else throw damaged();
      if (!take(',') && !next_is('}')) throw damaged();
    }
    skip_blanks();
    if (!rest_.empty() || seen != std::map<std::string, int>{{"descr", 1}, {"fortran_order", 1}, {"shape", 1}}) throw damaged();
    return header;
  }

 private:
  Error damaged() const { return Error(name_ + ": its header is not as NumPy writes it"); }
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size())); }
  bool next_is(char c) {
    skip_blanks();
    return rest_.starts_with(c);
  }
  bool take(char c) {
    if (!next_is(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) throw damaged();
  }
  std::string quoted() {
    const char quote = next_is('"') ? '"' : '\'';
    expect(quote);
    const std::size_t end = rest_.find(quote);
    if (end == std::string_view::npos) throw damaged();
    std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return text;
  }
  std::string type() {
    if (next_is('[')) throw Error(name_ + ": it holds records (a structured type); save one field of them as float32");
    return quoted();
  }
  bool truth() {
    skip_blanks();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"True", true}, {"False", false}}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return value;
    }
    throw damaged();
  }
  std::vector<std::size_t> shape() {
    std::vector<std::size_t> sizes;
    expect('(');
    while (!take(')')) {
      sizes.push_back(number());
      if (!take(',') && !next_is(')')) throw damaged();
    }
    return sizes;
  }
  std::size_t number() {
    skip_blanks();
    std::size_t value = 0;
    std::size_t digits = 0;
    for (; digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9'; ++digits) {
      if (value > std::numeric_limits<std::size_t>::max() / 16) throw damaged();
      value = value * 10 + static_cast<std::size_t>(rest_[digits] - '0');
    }
    if (digits == 0) throw damaged();
    rest_.remove_prefix(digits);
    if (rest_.starts_with('L')) rest_.remove_prefix(1);  // Python 2's long
    return value;
  }

  const std::string& name_;
  std::string_view rest_;
};

// The real types that are read: a byte order, a kind and bytes. Throws Error for the others.
void require_real(const std::string& name, const std::string& type) {
  constexpr std::array<std::string_view, 10> kReal = {"b1", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4"};
  const std::string_view kind = std::string_view(type).substr(std::min<std::size_t>(1, type.size()));
  const bool known =
      std::find(kReal.begin(), kReal.end(), kind) != kReal.end() && std::string_view("<|=>").find(type[0]) != std::string_view::npos;
  if (!known) throw Error(name + ": its type '" + type + "' is not one that narrow reads; save it as float32");
  if (type[0] == '>' && kind.back() != '1') throw Error(name + ": its numbers are big-endian; save it as little-endian");
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
    throw Error(name_ + ": it is not a .npy array");
  }
  if (preamble[6] < 1 || preamble[6] > 3 || preamble[7] != 0) {
    throw Error(name_ + ": it has version " + std::to_string(preamble[6]) + "." + std::to_string(preamble[7]) +
                " of the .npy format; narrow reads 1.0, 2.0 and 3.0");
  }
  std::size_t length = 0;
  const std::string size = text(preamble[6] >= 2 ? 4 : 2);
  for (std::size_t i = 0; i < size.size(); ++i) length |= static_cast<std::size_t>(static_cast<unsigned char>(size[i])) << (8 * i);
  constexpr std::size_t kLongest = 1 << 20;
  if (length > kLongest) throw Error(name_ + ": its header is not as NumPy writes it");
  const std::string header = text(length);
  Header parsed = HeaderParser(name_, header).parse();
  fortran_order_ = parsed.fortran_order && parsed.shape.size() > 1;
  require_real(name_, parsed.type);
  type_ = std::move(parsed.type);
  shape_ = std::move(parsed.shape);
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

void NpyReader::read_bytes(std::byte* to, std::size_t count) {
  if (!fortran_order_) {
    if (stream_->read(to, count) < count) throw Error(name_ + ": it is cut short");
    return;
  }
  if (reordered_.empty()) reorder();
  std::copy_n(reordered_.begin() + static_cast<std::ptrdiff_t>(taken_), count, to);
  taken_ += count;
}

// The whole array, whose first index runs fastest in the file and slowest here.
void NpyReader::reorder() {
  // A step at a time: a damaged header may claim any size.
  constexpr std::size_t kStep = 1 << 20;
  const std::size_t all = values() * item_;
  std::vector<std::byte> bytes;
  while (bytes.size() < all) {
    const std::size_t before = bytes.size();
    const std::size_t step = std::min(kStep, all - before);
    bytes.resize(before + step);
    if (stream_->read(bytes.data() + before, step) < step) throw Error(name_ + ": it is cut short");
  }
  std::vector<std::size_t> strides(shape_.size(), item_);  // in the file
  for (std::size_t d = 1; d < shape_.size(); ++d) strides[d] = strides[d - 1] * shape_[d - 1];
  reordered_.resize(bytes.size());
  std::vector<std::size_t> index(shape_.size(), 0);
  std::size_t from = 0;
  for (std::size_t to = 0; to < all; to += item_) {
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(from), item_, reordered_.begin() + static_cast<std::ptrdiff_t>(to));
    for (std::size_t d = shape_.size(); d-- > 0;) {
      from += strides[d];
      if (++index[d] < shape_[d]) break;
      from -= strides[d] * shape_[d];
      index[d] = 0;
    }
  }
}

template <class T>
std::vector<T> NpyReader::read(std::size_t count) {
  // A step at a time: a damaged header may claim any size.
  constexpr std::size_t kStep = 1 << 20;
  std::vector<T> all;
  for (std::size_t done = 0; done < count; done += kStep) {
    std::vector<std::byte> bytes(std::min(kStep, count - done) * item_);
    read_bytes(bytes.data(), bytes.size());
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
