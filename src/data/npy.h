#ifndef NARROW_DATA_NPY_H_
#define NARROW_DATA_NPY_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace narrow {

// An array of NumPy's .npy format (numpy.lib.format, versions 1 to 3), rounded to float32.
struct NpyArray {
  std::vector<std::size_t> shape;
  std::vector<float> values;  // row major
  bool rounded = false;       // some value was not a float32
};

// Reads at most `rows` entries of the first axis from a file's bytes. `name` is for messages. Throws Error for what is no
// .npy, is cut short, is in Fortran order, or holds anything but little-endian real numbers.
NpyArray read_npy(const std::string& name, std::span<const std::byte> bytes, std::size_t rows);

}  // namespace narrow

#endif  // NARROW_DATA_NPY_H_
