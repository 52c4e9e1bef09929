#ifndef NARROW_DATA_NPY_H_
#define NARROW_DATA_NPY_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "data/stream.h"

namespace narrow {

// An array of NumPy's .npy format (numpy.lib.format, versions 1 to 3), read from its beginning to its end. `name` is for
// messages. Throws Error for what is not a .npy array, is cut short, or holds anything but little-endian real
// numbers and bools. An array in Fortran order is read as a whole first.
class NpyReader {
 public:
  NpyReader(std::string name, std::unique_ptr<ByteStream> stream);

  const std::vector<std::size_t>& shape() const { return shape_; }
  std::size_t values() const;  // of the whole array
  // The next `count` values, row major; there must be so many left. T is float or double.
  template <class T>
  std::vector<T> read(std::size_t count);
  bool rounded() const { return rounded_; }  // some value so far was not a T

 private:
  std::string name_;
  std::unique_ptr<ByteStream> stream_;
  std::vector<std::size_t> shape_;
  std::string type_;
  void read_bytes(std::byte* to, std::size_t count);
  void reorder();

  std::size_t item_ = 0;
  bool fortran_order_ = false;
  std::vector<std::byte> reordered_;  // what was in Fortran order, row major
  std::size_t taken_ = 0;             // bytes of it
  bool rounded_ = false;
};

// The bytes of a .npy file before the values: little-endian, row major. `type` as in `<f4`.
std::string npy_header(const std::string& type, const std::vector<std::size_t>& shape);

}  // namespace narrow

#endif  // NARROW_DATA_NPY_H_
