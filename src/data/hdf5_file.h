#ifndef NARROW_DATA_HDF5_FILE_H_
#define NARROW_DATA_HDF5_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "data/hdf5.h"

namespace narrow {

// HDF5's name of a type in this machine's memory.
template <class T>
hid_t hdf5_type() {
  if constexpr (std::is_same_v<T, float>) return H5T_NATIVE_FLOAT;
  if constexpr (std::is_same_v<T, double>) return H5T_NATIVE_DOUBLE;
  if constexpr (std::is_same_v<T, std::int64_t>) return H5T_NATIVE_INT64;
}

// An HDF5 file that this process reads.
class Hdf5File : public Hdf5Source {
 public:
  explicit Hdf5File(const std::string& path);
  Hdf5File(std::string name, std::vector<std::byte> bytes);

  bool has(const std::string& object) const override;
  bool has_attribute(const std::string& object, const std::string& attribute) const override;
  std::vector<std::string> children(const std::string& group) const override;
  std::vector<hsize_t> shape(const std::string& dataset) const override;
  bool is_wide(const std::string& dataset) const override;
  Hdf5Array<float> read_floats(const std::string& dataset, hsize_t first, hsize_t rows) const override;
  Hdf5Array<double> read_doubles(const std::string& dataset, hsize_t first, hsize_t rows) const override;
  std::vector<std::string> attributes(const std::string& object, const std::string& attribute) const override;

  // What read_floats and read_doubles give with the same arguments, or their Error, without reading.
  std::vector<hsize_t> shape_of_rows(const std::string& dataset, hsize_t first, hsize_t rows) const;
  // Entries of the first axis that are stored together, so that reading multiples of them unpacks nothing twice; 1 where there is
  // no such thing.
  hsize_t rows_of_chunk(const std::string& dataset) const;

 private:
  Hdf5Id open_dataset(const std::string& dataset) const;
  hsize_t most_values(const Hdf5Id& dataset) const;  // that the file can have of it
  template <class T>
  Hdf5Array<T> read_rows(const std::string& dataset, hsize_t first, hsize_t rows) const;

  std::string name_;
  Hdf5Id file_;
};

// HDF5 says nothing itself; whoever opens a file calls it.
void silence_hdf5();
// The product; the largest number there is for a shape whose values nobody could count.
hsize_t count_of(const std::vector<hsize_t>& shape);
std::vector<hsize_t> shape_of(const Hdf5Id& space);

}  // namespace narrow

#endif  // NARROW_DATA_HDF5_FILE_H_
