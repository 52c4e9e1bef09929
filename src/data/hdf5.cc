#include "data/hdf5.h"

#include <hdf5_hl.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <type_traits>
#include <utility>

#include "error.h"

namespace narrow {
namespace {

// HDF5 prints its error stack to stderr unless told not to; narrow says what went wrong itself. And at the end of the program
// it would close once more what could not be closed on a full disk, and crash.
void silence() {
  static const herr_t kOnce = H5dont_atexit();
  static_cast<void>(kOnce);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

template <class T>
hid_t native();
template <>
hid_t native<float>() {
  return H5T_NATIVE_FLOAT;
}
template <>
hid_t native<double>() {
  return H5T_NATIVE_DOUBLE;
}
template <>
hid_t native<std::int64_t>() {
  return H5T_NATIVE_INT64;
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

// Some 64k values.
std::vector<hsize_t> chunk_of(std::vector<hsize_t> shape) {
  shape.front() = 1;
  shape.front() = std::max<hsize_t>(1, (hsize_t{1} << 16) / std::max<hsize_t>(1, count_of(shape)));
  return shape;
}

void set_compressed(const Hdf5Id& options, const std::vector<hsize_t>& chunk) {
  H5Pset_chunk(options.get(), static_cast<int>(chunk.size()), chunk.data());
  H5Pset_shuffle(options.get());
  H5Pset_deflate(options.get(), 1);
}

}  // namespace

Hdf5Id::Hdf5Id(Hdf5Id&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
Hdf5Id& Hdf5Id::operator=(Hdf5Id&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(close_, other.close_);
  return *this;
}
Hdf5Id::~Hdf5Id() {
  if (id_ >= 0) close_(id_);
}

Hdf5Reader::Hdf5Reader(const std::string& path) : name_(path) {
  silence();
  if (!std::filesystem::exists(path)) throw Error(path + ": no such file");
  file_ = Hdf5Id(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!file_) throw Error(path + ": it cannot be read as HDF5; is it cut short, or something else?");
}

Hdf5Reader::Hdf5Reader(std::string name, std::vector<std::byte> bytes) : name_(std::move(name)) {
  silence();
  // HDF5 takes a copy: what it keeps of a caller's own memory it never gives back (1.10).
  file_ = Hdf5Id(H5LTopen_file_image(bytes.data(), bytes.size(), 0), H5Fclose);
  if (!file_) throw Error(name_ + ": it cannot be read as HDF5; is it cut short, or something else?");
}

bool Hdf5Reader::has(const std::string& object) const {
  if (object == "/") return true;
  // Every step of the path must exist before HDF5 may be asked for the next.
  for (std::size_t slash = object.find('/', 1);; slash = object.find('/', slash + 1)) {
    if (H5Lexists(file_.get(), object.substr(0, slash).c_str(), H5P_DEFAULT) <= 0) return false;
    if (slash == std::string::npos) return true;
  }
}

bool Hdf5Reader::has_attribute(const std::string& object, const std::string& attribute) const {
  return has(object) && H5Aexists_by_name(file_.get(), object.c_str(), attribute.c_str(), H5P_DEFAULT) > 0;
}

std::vector<std::string> Hdf5Reader::children(const std::string& group) const {
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

Hdf5Id Hdf5Reader::open_dataset(const std::string& dataset) const {
  if (!has(dataset)) throw Error(name_ + ": it has no dataset " + dataset);
  Hdf5Id id(H5Dopen2(file_.get(), dataset.c_str(), H5P_DEFAULT), H5Dclose);
  if (!id) throw Error(name_ + ": " + dataset + " should be a dataset");
  return id;
}

std::vector<hsize_t> Hdf5Reader::shape(const std::string& dataset) const {
  const Hdf5Id id = open_dataset(dataset);
  return shape_of(Hdf5Id(H5Dget_space(id.get()), H5Sclose));
}

hsize_t Hdf5Reader::most_values(const Hdf5Id& dataset) const {
  hsize_t stored = 0;
  H5Fget_filesize(file_.get(), &stored);
  constexpr hsize_t kLargestCompression = 1100;  // deflate's limit is 1032
  return (std::min(stored, H5Dget_storage_size(dataset.get())) + 1) * kLargestCompression;
}

bool Hdf5Reader::is_double(const std::string& dataset) const {
  const Hdf5Id id = open_dataset(dataset);
  const Hdf5Id type(H5Dget_type(id.get()), H5Tclose);
  return H5Tget_class(type.get()) == H5T_FLOAT && H5Tget_size(type.get()) > sizeof(float);
}

template <class T>
Hdf5Array<T> Hdf5Reader::read_rows(const std::string& dataset, hsize_t first, hsize_t rows) const {
  const Hdf5Id id = open_dataset(dataset);
  const Hdf5Id type(H5Dget_type(id.get()), H5Tclose);
  if constexpr (std::is_same_v<T, double>) {
    // HDF5's own conversion takes longer than the reading.
    if (H5Tequal(type.get(), H5T_NATIVE_FLOAT) > 0) {
      const Hdf5Array<float> narrow = read_rows<float>(dataset, first, rows);
      return {narrow.shape, {narrow.values.begin(), narrow.values.end()}};
    }
  }
  const H5T_class_t kind = H5Tget_class(type.get());
  if (kind != H5T_FLOAT && kind != H5T_INTEGER) throw Error(name_ + ": " + dataset + " should hold numbers");
  const Hdf5Id space(H5Dget_space(id.get()), H5Sclose);
  if (H5Sget_simple_extent_type(space.get()) == H5S_NULL) throw Error(name_ + ": " + dataset + " is empty; it should hold numbers");
  Hdf5Array<T> array{shape_of(space), {}};
  hid_t memory = H5S_ALL;
  Hdf5Id memory_space;
  if (!array.shape.empty() && (first > 0 || rows < array.shape.front())) {
    array.shape.front() = std::min(rows, array.shape.front() - std::min(first, array.shape.front()));
    std::vector<hsize_t> start(array.shape.size(), 0);
    start.front() = first;
    H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, array.shape.data(), nullptr);
    memory_space = Hdf5Id(H5Screate_simple(static_cast<int>(array.shape.size()), array.shape.data(), nullptr), H5Sclose);
    memory = memory_space.get();
  }
  // Asked of the file before memory is taken: a damaged header may claim any size.
  if (count_of(array.shape) > most_values(id)) throw Error(name_ + ": " + dataset + " is cut short");
  array.values.resize(count_of(array.shape));
  if (H5Dread(id.get(), native<T>(), memory, memory == H5S_ALL ? H5S_ALL : space.get(), H5P_DEFAULT, array.values.data()) < 0) {
    throw Error(name_ + ": " + dataset + " cannot be read; is the file cut short?");
  }
  return array;
}

template <class T>
Hdf5Array<T> Hdf5Reader::read(const std::string& dataset) const {
  return read_rows<T>(dataset, 0, HSIZE_UNDEF);
}

template Hdf5Array<float> Hdf5Reader::read(const std::string&) const;
template Hdf5Array<double> Hdf5Reader::read(const std::string&) const;
template Hdf5Array<float> Hdf5Reader::read_rows(const std::string&, hsize_t, hsize_t) const;
template Hdf5Array<double> Hdf5Reader::read_rows(const std::string&, hsize_t, hsize_t) const;

std::string Hdf5Reader::attribute(const std::string& object, const std::string& attribute) const {
  const std::vector<std::string> texts = attributes(object, attribute);
  if (texts.size() != 1) throw Error(name_ + ": the attribute " + attribute + " of " + object + " should be one text");
  return texts.front();
}

std::vector<std::string> Hdf5Reader::attributes(const std::string& object, const std::string& attribute) const {
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

Hdf5Writer::Hdf5Writer(std::string path) : path_(std::move(path)) {
  silence();
  file_ = Hdf5Id(H5Fcreate((path_ + ".partial").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  if (!file_) throw Error(path_ + ": it cannot be written; does its folder exist, and do you have permission to write there?");
}

Hdf5Writer::Hdf5Writer() : path_("a file in memory") {
  silence();
  const Hdf5Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  constexpr std::size_t kGrowth = 1 << 20;
  H5Pset_fapl_core(access.get(), kGrowth, false);
  file_ = Hdf5Id(H5Fcreate("narrow", H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose);
  if (!file_) throw std::bad_alloc();
}

std::string Hdf5Writer::image() {
  H5Fflush(file_.get(), H5F_SCOPE_GLOBAL);
  std::string bytes(static_cast<std::size_t>(H5Fget_file_image(file_.get(), nullptr, 0)), '\0');
  H5Fget_file_image(file_.get(), bytes.data(), bytes.size());
  return bytes;
}

void Hdf5Writer::make_group(const std::string& group) {
  for (std::size_t slash = group.find('/', 1);; slash = group.find('/', slash + 1)) {
    const std::string part = group.substr(0, slash);
    if (H5Lexists(file_.get(), part.c_str(), H5P_DEFAULT) <= 0) {
      const Hdf5Id made(H5Gcreate2(file_.get(), part.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
      if (!made) throw Error(path_ + ": writing " + part + " failed; is the disk full?");
    }
    if (slash == std::string::npos) return;
  }
}

Hdf5Writer::~Hdf5Writer() {
  if (!file_) return;
  file_ = Hdf5Id();
  std::error_code ignored;
  std::filesystem::remove(path_ + ".partial", ignored);
}

template <class T>
void Hdf5Writer::write(const std::string& dataset, const std::vector<hsize_t>& shape, std::span<const T> values, bool compress) {
  const Hdf5Id links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.get(), 1);
  const Hdf5Id options(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_obj_track_times(options.get(), false);  // the same content is the same file
  if (compress && count_of(shape) > 0) {
    std::vector<hsize_t> chunk = chunk_of(shape);
    chunk.front() = std::min(chunk.front(), shape.front());
    set_compressed(options, chunk);
  }
  const Hdf5Id space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
  const Hdf5Id id(H5Dcreate2(file_.get(), dataset.c_str(), native<T>(), space.get(), links.get(), options.get(), H5P_DEFAULT), H5Dclose);
  if (!id || (!values.empty() && H5Dwrite(id.get(), native<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0)) {
    throw Error(path_ + ": writing " + dataset + " failed; is the disk full?");
  }
}
template void Hdf5Writer::write(const std::string&, const std::vector<hsize_t>&, std::span<const float>, bool);
template void Hdf5Writer::write(const std::string&, const std::vector<hsize_t>&, std::span<const double>, bool);

template <class T>
void Hdf5Writer::append(const std::string& dataset, const std::vector<hsize_t>& shape, std::span<const T> values) {
  const auto failed = [&] { return Error(path_ + ": writing " + dataset + " failed; is the disk full?"); };
  if (H5Lexists(file_.get(), dataset.c_str(), H5P_DEFAULT) <= 0) {
    const Hdf5Id options(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_obj_track_times(options.get(), false);
    set_compressed(options, chunk_of(shape));
    std::vector<hsize_t> none = shape;
    std::vector<hsize_t> most = shape;
    none.front() = 0;
    most.front() = H5S_UNLIMITED;
    const Hdf5Id space(H5Screate_simple(static_cast<int>(shape.size()), none.data(), most.data()), H5Sclose);
    const Hdf5Id made(H5Dcreate2(file_.get(), dataset.c_str(), native<T>(), space.get(), H5P_DEFAULT, options.get(), H5P_DEFAULT),
                      H5Dclose);
    if (!made) throw failed();
  }
  if (values.empty()) return;
  const Hdf5Id id(H5Dopen2(file_.get(), dataset.c_str(), H5P_DEFAULT), H5Dclose);
  std::vector<hsize_t> extent = shape_of(Hdf5Id(H5Dget_space(id.get()), H5Sclose));
  std::vector<hsize_t> start(extent.size(), 0);
  start.front() = extent.front();
  extent.front() += shape.front();
  if (H5Dset_extent(id.get(), extent.data()) < 0) throw failed();
  const Hdf5Id space(H5Dget_space(id.get()), H5Sclose);
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, shape.data(), nullptr);
  const Hdf5Id memory(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
  if (H5Dwrite(id.get(), native<T>(), memory.get(), space.get(), H5P_DEFAULT, values.data()) < 0) throw failed();
}
template void Hdf5Writer::append(const std::string&, const std::vector<hsize_t>&, std::span<const float>);
template void Hdf5Writer::append(const std::string&, const std::vector<hsize_t>&, std::span<const std::int64_t>);

void Hdf5Writer::write_attribute(const std::string& object, const std::string& attribute, const std::string& text) {
  put_texts(object, attribute, {text}, Hdf5Id(H5Screate(H5S_SCALAR), H5Sclose));
}

void Hdf5Writer::write_attributes(const std::string& object, const std::string& attribute, const std::vector<std::string>& texts) {
  const hsize_t count = texts.size();
  put_texts(object, attribute, texts, Hdf5Id(H5Screate_simple(1, &count, nullptr), H5Sclose));
}

void Hdf5Writer::put_texts(const std::string& object, const std::string& attribute, const std::vector<std::string>& texts,
                           const Hdf5Id& space) {
  const Hdf5Id type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), H5T_VARIABLE);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  const Hdf5Id id(
      H5Acreate_by_name(file_.get(), object.c_str(), attribute.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
      H5Aclose);
  std::vector<const char*> pointers;
  pointers.reserve(texts.size());
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  if (!id || (!pointers.empty() && H5Awrite(id.get(), type.get(), static_cast<const void*>(pointers.data())) < 0)) {
    throw Error(path_ + ": writing failed; is the disk full?");
  }
}

void Hdf5Writer::commit() {
  if (H5Fflush(file_.get(), H5F_SCOPE_GLOBAL) < 0) throw Error(path_ + ": writing failed; is the disk full?");
  file_ = Hdf5Id();
  std::error_code error;
  std::filesystem::rename(path_ + ".partial", path_, error);
  if (error) throw Error(path_ + ": it cannot be written: " + error.message());
}

}  // namespace narrow
