#include "data/hdf5_file.h"

#include <hdf5_hl.h>

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "error.h"

namespace narrow {
// HDF5 prints its error stack to stderr unless told not to; narrow says what went wrong itself. And at the end of the program
// it would close once more what could not be closed on a full disk, and crash.
void silence_hdf5() {
  static const herr_t kOnce = H5dont_atexit();
  static_cast<void>(kOnce);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

// The largest number there is for a shape whose values nobody could count.
hsize_t count_of(const std::vector<hsize_t>& shape) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  hsize_t count = 1;
  for (const hsize_t d : shape) {
    if (__builtin_mul_overflow(count, d, &count)) return std::numeric_limits<hsize_t>::max();
  }
  return count;
}

std::vector<hsize_t> shape_of(const Hdf5Id& space) {
  const int rank = H5Sget_simple_extent_ndims(space.get());
  std::vector<hsize_t> shape(rank > 0 ? static_cast<std::size_t>(rank) : 0);
  H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  return shape;
}

Hdf5Id::Hdf5Id(Hdf5Id&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
Hdf5Id& Hdf5Id::operator=(Hdf5Id&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(close_, other.close_);
  return *this;
}
Hdf5Id::~Hdf5Id() {
  if (id_ >= 0) close_(id_);
}

Hdf5File::Hdf5File(const std::string& path) : name_(path) {
  silence_hdf5();
  file_ = Hdf5Id(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!file_) throw Error(path + ": it cannot be read as HDF5; is it cut short, or something else?");
}

Hdf5File::Hdf5File(std::string name, std::vector<std::byte> bytes) : name_(std::move(name)) {
  silence_hdf5();
  // HDF5 takes a copy: what it keeps of a caller's own memory it never gives back (1.10).
  file_ = Hdf5Id(H5LTopen_file_image(bytes.data(), bytes.size(), 0), H5Fclose);
  if (!file_) throw Error(name_ + ": it cannot be read as HDF5; is it cut short, or something else?");
}

bool Hdf5File::has(const std::string& object) const {
  if (object == "/") return true;
  // Every step of the path must exist before HDF5 may be asked for the next.
  for (std::size_t slash = object.find('/', 1);; slash = object.find('/', slash + 1)) {
    if (H5Lexists(file_.get(), object.substr(0, slash).c_str(), H5P_DEFAULT) <= 0) return false;
    if (slash == std::string::npos) return true;
  }
}

bool Hdf5File::has_attribute(const std::string& object, const std::string& attribute) const {
  return has(object) && H5Aexists_by_name(file_.get(), object.c_str(), attribute.c_str(), H5P_DEFAULT) > 0;
}

std::vector<std::string> Hdf5File::children(const std::string& group) const {
  std::vector<std::string> names;
  const Hdf5Id id(H5Gopen2(file_.get(), group.c_str(), H5P_DEFAULT), H5Gclose);
  if (!id) throw Error(name_ + ": it has no group " + group);
  H5G_info_t info;
  if (H5Gget_info(id.get(), &info) < 0) throw Error(name_ + ": its group " + group + " is damaged");
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const ssize_t length = H5Lget_name_by_idx(id.get(), ".", H5_INDEX_NAME, H5_ITER_INC, i, nullptr, 0, H5P_DEFAULT);
    if (length < 0) throw Error(name_ + ": its group " + group + " is damaged");
    std::string name(static_cast<std::size_t>(length), '\0');
    H5Lget_name_by_idx(id.get(), ".", H5_INDEX_NAME, H5_ITER_INC, i, name.data(), name.size() + 1, H5P_DEFAULT);
    names.push_back(std::move(name));
  }
  return names;
}

Hdf5Id Hdf5File::open_dataset(const std::string& dataset) const {
  if (!has(dataset)) throw Error(name_ + ": it has no dataset " + dataset);
  Hdf5Id id(H5Dopen2(file_.get(), dataset.c_str(), H5P_DEFAULT), H5Dclose);
  if (!id) throw Error(name_ + ": " + dataset + " should be a dataset");
  return id;
}

std::vector<hsize_t> Hdf5File::shape(const std::string& dataset) const {
  const Hdf5Id id = open_dataset(dataset);
  return shape_of(Hdf5Id(H5Dget_space(id.get()), H5Sclose));
}

hsize_t Hdf5File::most_values(const Hdf5Id& dataset) const {
  hsize_t stored = 0;
  H5Fget_filesize(file_.get(), &stored);
  constexpr hsize_t kLargestCompression = 1100;  // deflate's limit is 1032
  return (std::min(stored, H5Dget_storage_size(dataset.get())) + 1) * kLargestCompression;
}

hsize_t Hdf5File::rows_of_chunk(const std::string& dataset) const {
  const Hdf5Id id = open_dataset(dataset);
  const Hdf5Id options(H5Dget_create_plist(id.get()), H5Pclose);
  std::vector<hsize_t> chunk(H5S_MAX_RANK, 1);
  if (H5Pget_layout(options.get()) != H5D_CHUNKED || H5Pget_chunk(options.get(), H5S_MAX_RANK, chunk.data()) < 1) return 1;
  return std::max<hsize_t>(1, chunk.front());
}

bool Hdf5File::is_wide(const std::string& dataset) const {
  const Hdf5Id id = open_dataset(dataset);
  const Hdf5Id type(H5Dget_type(id.get()), H5Tclose);
  const H5T_class_t kind = H5Tget_class(type.get());
  return (kind == H5T_FLOAT && H5Tget_size(type.get()) > sizeof(float)) ||
         (kind == H5T_INTEGER && H5Tget_size(type.get()) >= sizeof(float));
}

std::vector<hsize_t> Hdf5File::shape_of_rows(const std::string& dataset, hsize_t first, hsize_t rows) const {
  const Hdf5Id id = open_dataset(dataset);
  const Hdf5Id type(H5Dget_type(id.get()), H5Tclose);
  const H5T_class_t kind = H5Tget_class(type.get());
  if (kind != H5T_FLOAT && kind != H5T_INTEGER) throw Error(name_ + ": " + dataset + " should hold numbers");
  const Hdf5Id space(H5Dget_space(id.get()), H5Sclose);
  if (H5Sget_simple_extent_type(space.get()) == H5S_NULL) throw Error(name_ + ": " + dataset + " is empty; it should hold numbers");
  std::vector<hsize_t> shape = narrow::shape_of(space);
  if (!shape.empty()) shape.front() = std::min(rows, shape.front() - std::min(first, shape.front()));
  // Asked of the file before memory is taken: a damaged header may claim any size.
  if (count_of(shape) > most_values(id)) throw Error(name_ + ": " + dataset + " is cut short");
  return shape;
}

template <class T>
Hdf5Array<T> Hdf5File::read_rows(const std::string& dataset, hsize_t first, hsize_t rows) const {
  const Hdf5Id id = open_dataset(dataset);
  const Hdf5Id type(H5Dget_type(id.get()), H5Tclose);
  if constexpr (std::is_same_v<T, double>) {
    // HDF5's own conversion takes longer than the reading.
    if (H5Tequal(type.get(), H5T_NATIVE_FLOAT) > 0) {
      const Hdf5Array<float> narrow = read_rows<float>(dataset, first, rows);
      return {narrow.shape, {narrow.values.begin(), narrow.values.end()}};
    }
  }
  Hdf5Array<T> array{shape_of_rows(dataset, first, rows), {}};
  const Hdf5Id space(H5Dget_space(id.get()), H5Sclose);
  hid_t memory = H5S_ALL;
  Hdf5Id memory_space;
  if (array.shape != shape_of(space)) {
    std::vector<hsize_t> start(array.shape.size(), 0);
    start.front() = first;
    H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, array.shape.data(), nullptr);
    memory_space = Hdf5Id(H5Screate_simple(static_cast<int>(array.shape.size()), array.shape.data(), nullptr), H5Sclose);
    memory = memory_space.get();
  }
  array.values.resize(count_of(array.shape));
  if (H5Dread(id.get(), hdf5_type<T>(), memory, memory == H5S_ALL ? H5S_ALL : space.get(), H5P_DEFAULT, array.values.data()) < 0) {
    throw Error(name_ + ": " + dataset + " cannot be read; is the file cut short?");
  }
  return array;
}

Hdf5Array<float> Hdf5File::read_floats(const std::string& dataset, hsize_t first, hsize_t rows) const {
  return read_rows<float>(dataset, first, rows);
}
Hdf5Array<double> Hdf5File::read_doubles(const std::string& dataset, hsize_t first, hsize_t rows) const {
  return read_rows<double>(dataset, first, rows);
}

std::vector<std::string> Hdf5File::attributes(const std::string& object, const std::string& attribute) const {
  const auto complain = [&] { return Error(name_ + ": the attribute " + attribute + " of " + object + " is missing or no text"); };
  if (!has_attribute(object, attribute)) throw complain();
  const Hdf5Id id(H5Aopen_by_name(file_.get(), object.c_str(), attribute.c_str(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const Hdf5Id space(H5Aget_space(id.get()), H5Sclose);
  const Hdf5Id type(H5Aget_type(id.get()), H5Tclose);
  const hssize_t points = H5Sget_simple_extent_npoints(space.get());
  std::vector<std::string> texts;
  if (points == 0) return texts;
  // Attributes are in the file's headers, where 64 kB are much.
  constexpr hssize_t kMost = 1 << 20;
  constexpr std::size_t kLongest = 1 << 30;
  if (points < 0 || points > kMost || H5Tget_class(type.get()) != H5T_STRING) throw complain();
  const auto count = static_cast<std::size_t>(points);
  if (H5Tis_variable_str(type.get()) > 0) {
    std::vector<char*> pointers(count);
    if (H5Aread(id.get(), type.get(), static_cast<void*>(pointers.data())) < 0) throw complain();
    for (const char* pointer : pointers) texts.emplace_back(pointer == nullptr ? "" : pointer);
    H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, static_cast<void*>(pointers.data()));
    return texts;
  }
  const std::size_t size = H5Tget_size(type.get());
  if (size == 0 || size > kLongest / count) throw complain();
  std::vector<char> buffer(size * count);
  if (H5Aread(id.get(), type.get(), buffer.data()) < 0) throw complain();
  for (std::size_t i = 0; i < count; ++i) {
    std::string text(buffer.data() + i * size, size);
    text.erase(std::min(text.find('\0'), text.size()));
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace narrow
