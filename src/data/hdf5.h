#ifndef NARROW_DATA_HDF5_H_
#define NARROW_DATA_HDF5_H_

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "data/partial_file.h"

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
  bool close();  // false where that fails: what was to be written may be lost
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

// How an HDF5 file is read. Debian's HDF5 1.10 crashes on some damaged files, so a file is read in a process of its own, unless its
// content is known to be narrow's (by a hash, say). `$NARROW_ISOLATE=0` reads all in this process, for debuggers and fuzzers.
enum class Hdf5Trust { kNone, kOwn };

// What is asked of an HDF5 file, in this process (hdf5_file.h) or in another (hdf5_child.h); Hdf5Reader says what each means.
class Hdf5Source {
 public:
  Hdf5Source() = default;
  Hdf5Source(const Hdf5Source&) = delete;
  Hdf5Source& operator=(const Hdf5Source&) = delete;
  virtual ~Hdf5Source() = default;
  virtual bool has(const std::string& object) const = 0;
  virtual bool has_attribute(const std::string& object, const std::string& attribute) const = 0;
  virtual std::vector<std::string> children(const std::string& group) const = 0;
  virtual std::vector<hsize_t> shape(const std::string& dataset) const = 0;
  virtual bool is_wide(const std::string& dataset) const = 0;
  virtual Hdf5Array<float> read_floats(const std::string& dataset, hsize_t first, hsize_t rows) const = 0;
  virtual Hdf5Array<double> read_doubles(const std::string& dataset, hsize_t first, hsize_t rows) const = 0;
  virtual std::vector<std::string> attributes(const std::string& object, const std::string& attribute) const = 0;
};

// An HDF5 file to read. Every failure is an Error that names the file and the object in it: a crash of HDF5 too, where the file is
// not trusted. Not for use while another thread uses HDF5: Debian's is not built for that.
class Hdf5Reader {
 public:
  explicit Hdf5Reader(const std::string& path, Hdf5Trust trust = Hdf5Trust::kNone);
  // A file held in memory, such as a member of a zip archive; `name` is for messages.
  Hdf5Reader(std::string name, std::vector<std::byte> bytes, Hdf5Trust trust = Hdf5Trust::kNone);

  bool has(const std::string& object) const { return source_->has(object); }
  bool has_attribute(const std::string& object, const std::string& attribute) const { return source_->has_attribute(object, attribute); }
  std::vector<std::string> children(const std::string& group) const { return source_->children(group); }  // in the order of their names
  std::vector<hsize_t> shape(const std::string& dataset) const { return source_->shape(dataset); }
  // Of a type that has numbers that float32 has not.
  bool is_wide(const std::string& dataset) const { return source_->is_wide(dataset); }

  // Whole datasets, converted from whatever number type the file has. T is float or double.
  template <class T>
  Hdf5Array<T> read(const std::string& dataset) const {
    return read_rows<T>(dataset, 0, HSIZE_UNDEF);
  }
  // At most `rows` entries of the first axis, from entry `first` on.
  template <class T>
  Hdf5Array<T> read_rows(const std::string& dataset, hsize_t first, hsize_t rows) const {
    if constexpr (std::is_same_v<T, float>) return source_->read_floats(dataset, first, rows);
    else return source_->read_doubles(dataset, first, rows);
  }

  // A text attribute, or each text of an array attribute. An empty array may have any type.
  std::string attribute(const std::string& object, const std::string& attribute) const;
  std::vector<std::string> attributes(const std::string& object, const std::string& attribute) const {
    return source_->attributes(object, attribute);
  }

 private:
  std::string name_;
  std::unique_ptr<Hdf5Source> source_;
};

// An HDF5 file to write. It takes its name only when `commit` is called; until then it is `path` + ".partial", removed
// again by the destructor.
class Hdf5Writer {
 public:
  explicit Hdf5Writer(const std::string& path);
  Hdf5Writer();  // a file in memory, for `image`
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;
  ~Hdf5Writer() = default;

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
  std::optional<PartialFile> partial_;  // not of a file in memory; removed when file_ is closed
  Hdf5Id file_;
};

}  // namespace narrow

#endif  // NARROW_DATA_HDF5_H_
