#include "data/hdf5.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "data/hdf5_child.h"
#include "data/hdf5_file.h"
#include "error.h"

namespace narrow {
namespace {

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

bool isolated(Hdf5Trust trust) {
  const char* const asked = std::getenv("NARROW_ISOLATE");
  return trust == Hdf5Trust::kNone && (asked == nullptr || std::string(asked) != "0");
}

}  // namespace

bool Hdf5Id::close() {
  const hid_t id = std::exchange(id_, -1);
  return id < 0 || close_ == nullptr || close_(id) >= 0;
}

Hdf5Reader::Hdf5Reader(const std::string& path, Hdf5Trust trust) : name_(path) {
  if (!std::filesystem::exists(path)) throw Error(path + ": no such file");
  const auto open = [&]() -> std::unique_ptr<Hdf5File> { return std::make_unique<Hdf5File>(path); };
  if (isolated(trust)) source_ = std::make_unique<Hdf5Child>(path, open);
  else source_ = open();
}

Hdf5Reader::Hdf5Reader(std::string name, std::vector<std::byte> bytes, Hdf5Trust trust) : name_(std::move(name)) {
  const auto open = [&]() -> std::unique_ptr<Hdf5File> { return std::make_unique<Hdf5File>(name_, std::move(bytes)); };
  if (isolated(trust)) source_ = std::make_unique<Hdf5Child>(name_, open);
  else source_ = open();
}

std::string Hdf5Reader::attribute(const std::string& object, const std::string& attribute) const {
  const std::vector<std::string> texts = attributes(object, attribute);
  if (texts.size() != 1) throw Error(name_ + ": the attribute " + attribute + " of " + object + " should be one text");
  return texts.front();
}

Hdf5Writer::Hdf5Writer(const std::string& path) : path_(path), partial_(std::in_place, path) {
  silence_hdf5();
  file_ = Hdf5Id(H5Fcreate(partial_->name().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  partial_->opened(static_cast<bool>(file_));
}

Hdf5Writer::Hdf5Writer() : path_("a file in memory") {
  silence_hdf5();
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
  const Hdf5Id id(H5Dcreate2(file_.get(), dataset.c_str(), hdf5_type<T>(), space.get(), links.get(), options.get(), H5P_DEFAULT), H5Dclose);
  if (!id || (!values.empty() && H5Dwrite(id.get(), hdf5_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0)) {
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
    const Hdf5Id made(H5Dcreate2(file_.get(), dataset.c_str(), hdf5_type<T>(), space.get(), H5P_DEFAULT, options.get(), H5P_DEFAULT),
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
  if (H5Dwrite(id.get(), hdf5_type<T>(), memory.get(), space.get(), H5P_DEFAULT, values.data()) < 0) throw failed();
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
  if (H5Fflush(file_.get(), H5F_SCOPE_GLOBAL) < 0 || !file_.close()) throw partial_->failed();
  partial_->commit();
}

}  // namespace narrow
