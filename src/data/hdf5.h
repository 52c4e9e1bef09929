#ifndef NARROW_DATA_HDF5_H_
#define NARROW_DATA_HDF5_H_

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace narrow {

// An HDF5 identifier that closes itself.
class Hdf5Id {
 public:
  Hdf5Id() = default;
  Hdf5Id(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Hdf5Id(const Hdf5Id&) = delete;
  Hdf5Id& operator=(const Hdf5Id&) = delete;
  Hdf5Id(Hdf5Id&& other) noexcept;
  Hdf5Id& operator=(Hdf5Id&& other) noexcept;
  ~Hdf5Id();
  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

 private:
  hid_t id_ = -1;
  herr_t (*close_)(hid_t) = nullptr;
};

template <class T>
struct Hdf5Array {
  std::vector<hsize_t> shape;
  std::vector<T> values;
};

// An HDF5 file to read. Every failure is an Error that names the file and the object in it. Not for use from two threads
// at once: Debian's HDF5 is not built for that.
class Hdf5Reader {
 public:
  explicit Hdf5Reader(const std::string& path);
  // A file held in memory, such as a member of a zip archive; `name` is for messages.
  Hdf5Reader(std::string name, std::vector<std::byte> bytes);

  bool has(const std::string& object) const;
  bool has_attribute(const std::string& object, const std::string& attribute) const;
  std::vector<std::string> children(const std::string& group) const;  // in the order of their names
  std::vector<hsize_t> shape(const std::string& dataset) const;
  bool is_double(const std::string& dataset) const;  // a floating-point type wider than float32

  // Whole datasets, converted from whatever number type the file has. T is float or double.
  template <class T>
  Hdf5Array<T> read(const std::string& dataset) const;
  // At most `rows` entries of the first axis, from entry `first` on.
  template <class T>
  Hdf5Array<T> read_rows(const std::string& dataset, hsize_t first, hsize_t rows) const;

  // A text attribute, or each text of an array attribute. An empty array may have any type.
  std::string attribute(const std::string& object, const std::string& attribute) const;
  std::vector<std::string> attributes(const std::string& object, const std::string& attribute) const;

 private:
  Hdf5Id open_dataset(const std::string& dataset) const;
  hsize_t most_values(const Hdf5Id& dataset) const;  // that the file can have of it

  std::string name_;
  Hdf5Id file_;
};

// An HDF5 file to write. It takes its name only when `commit` is called; until then it is `path` + ".partial", removed
// again by the destructor.
class Hdf5Writer {
 public:
  explicit Hdf5Writer(std::string path);
  Hdf5Writer();  // a file in memory, for `image`
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;
  ~Hdf5Writer();

  // Missing groups of `dataset`'s path are made. Compressed datasets are chunked by their first axis.
  template <class T>
  void write(const std::string& dataset, const std::vector<hsize_t>& shape, std::span<const T> values, bool compress = false);
  // Appends entries along the first axis of a dataset that grows, made with the first of them; shape[0] is their number.
  template <class T>
  void append(const std::string& dataset, const std::vector<hsize_t>& shape, std::span<const T> values);
  void write_attribute(const std::string& object, const std::string& attribute, const std::string& text);
  void write_attributes(const std::string& object, const std::string& attribute, const std::vector<std::string>& texts);
  void make_group(const std::string& group);  // and those above it; nothing where it exists
  void commit();
  std::string image();  // the bytes of the file so far

 private:
  void put_texts(const std::string& object, const std::string& attribute, const std::vector<std::string>& texts, const Hdf5Id& space);

  std::string path_;
  Hdf5Id file_;
};

}  // namespace narrow

#endif  // NARROW_DATA_HDF5_H_
