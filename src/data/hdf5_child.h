#ifndef NARROW_DATA_HDF5_CHILD_H_
#define NARROW_DATA_HDF5_CHILD_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/hdf5_file.h"

namespace narrow {

// An HDF5 file that a process of its own reads, forked here: if HDF5 crashes on it, asks for more memory than there is reason for, or
// does not come to an end, that process ends, and the caller has an Error. Answers come through a socket; values in pieces, so
// that the other process never holds more than some 64 MB of them, or one chunk.
//
// What remains: it protects from accidents, not from an attack, for the other process may do what this one may. It is a fork without
// exec: it uses nothing but HDF5 and memory, which glibc keeps usable, and no other thread may be inside HDF5 meanwhile.
class Hdf5Child : public Hdf5Source {
 public:
  // `open` is called in the other process.
  Hdf5Child(std::string name, const std::function<std::unique_ptr<Hdf5File>()>& open);
  Hdf5Child(const Hdf5Child&) = delete;
  Hdf5Child& operator=(const Hdf5Child&) = delete;
  ~Hdf5Child() override;

  bool has(const std::string& object) const override;
  bool has_attribute(const std::string& object, const std::string& attribute) const override;
  std::vector<std::string> children(const std::string& group) const override;
  std::vector<hsize_t> shape(const std::string& dataset) const override;
  bool is_wide(const std::string& dataset) const override;
  Hdf5Array<float> read_floats(const std::string& dataset, hsize_t first, hsize_t rows) const override;
  Hdf5Array<double> read_doubles(const std::string& dataset, hsize_t first, hsize_t rows) const override;
  std::vector<std::string> attributes(const std::string& object, const std::string& attribute) const override;

 private:
  struct Channel;
  enum class Request : std::uint8_t;
  // What the other process answers: a T, or an Error. `what` is for the message where there is no answer.
  template <class T>
  T ask(const std::string& what, Request request, const std::string& object, const std::string& attribute = "") const;
  template <class T>
  Hdf5Array<T> read_rows(Request request, const std::string& dataset, hsize_t first, hsize_t rows) const;
  [[noreturn]] void gone(const std::string& what) const;

  std::string name_;
  std::unique_ptr<Channel> channel_;
  mutable pid_t child_ = -1;
};

}  // namespace narrow

#endif  // NARROW_DATA_HDF5_CHILD_H_
