#include "data/dataset.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "data/hdf5.h"
#include "data/npy.h"
#include "data/zip.h"
#include "error.h"

namespace narrow {
namespace {

constexpr const char* kRounded = "x is wider than float32; it is rounded to float32, as Keras does";

std::vector<std::byte> read_bytes(const std::string& path) {
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream) throw Error(path + ": there is no such file, or it may not be read");
  std::vector<std::byte> bytes(static_cast<std::size_t>(stream.tellg()));
  stream.seekg(0);
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!stream) throw Error(path + ": it cannot be read");
  return bytes;
}

template <class Sizes>
void set_x(Dataset& data, const Sizes& shape, std::vector<float> values) {
  if (shape.size() < 2) throw Error(data.path + ": x should have the shape (samples, vmax, features)");
  data.size = static_cast<std::size_t>(shape[0]);
  for (std::size_t i = 1; i < shape.size(); ++i) data.shape.push_back(static_cast<int>(shape[i]));
  if (data.size == 0) throw Error(data.path + ": x has no samples");
  if (size_of(data.shape) == 0)
    throw Error(data.path + ": x has samples without values: its shape is " + std::to_string(data.size) + "x" + to_string(data.shape));
  data.x = std::move(values);
}

template <class Sizes>
void set_y(Dataset& data, const Sizes& shape, std::vector<float> values) {
  if (shape.empty() || shape.size() > 2 || static_cast<std::size_t>(shape[0]) != data.size) {
    throw Error(data.path + ": y should have one row for each of the " + std::to_string(data.size) + " samples of x");
  }
  data.targets = shape.size() == 1 ? 1 : static_cast<std::size_t>(shape[1]);
  data.y = std::move(values);
}

void read_zip(Dataset& data, std::size_t limit) {
  const ZipReader zip(data.path);
  if (!zip.has("x.npy")) {
    std::string found;
    for (const std::string& name : zip.members()) found += (found.empty() ? "" : ", ") + name;
    throw Error(data.path + ": it has no array x (x.npy inside); it has " + (found.empty() ? "nothing" : found));
  }
  NpyArray x = read_npy(data.path + ", x", zip.read("x.npy"), limit);
  if (x.rounded) data.notes.emplace_back(kRounded);
  set_x(data, x.shape, std::move(x.values));
  if (!zip.has("y.npy")) return;
  NpyArray y = read_npy(data.path + ", y", zip.read("y.npy"), limit);
  set_y(data, y.shape, std::move(y.values));
}

void read_hdf5(Dataset& data, std::size_t limit) {
  const Hdf5Reader file(data.path);
  if (!file.has("/x")) {
    std::string found;
    for (const std::string& name : file.children("/")) found += (found.empty() ? "" : ", ") + name;
    throw Error(data.path + ": it has no dataset x; it has " + (found.empty() ? "nothing" : found));
  }
  auto x = file.read_rows<float>("/x", limit);
  if (file.is_double("/x")) {
    const auto exact = file.read_rows<double>("/x", limit);
    const bool same =
        std::equal(exact.values.begin(), exact.values.end(), x.values.begin(), [](double a, float b) { return a == b || std::isnan(a); });
    if (!same) data.notes.emplace_back(kRounded);
  }
  set_x(data, x.shape, std::move(x.values));
  if (!file.has("/y")) return;
  auto y = file.read_rows<float>("/y", limit);
  set_y(data, y.shape, std::move(y.values));
}

void read_array(Dataset& data, std::size_t limit) {
  NpyArray x = read_npy(data.path, read_bytes(data.path), limit);
  if (x.rounded) data.notes.emplace_back(kRounded);
  set_x(data, x.shape, std::move(x.values));
}

void require_finite(const Dataset& data, const std::vector<float>& values, const char* what) {
  const auto bad = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  if (bad == values.end()) return;
  const std::size_t row = static_cast<std::size_t>(bad - values.begin()) / (values.size() / data.size);
  throw Error(data.path + ": row " + std::to_string(row) + " of " + what + " holds " + (std::isnan(*bad) ? "NaN" : "an infinite value") +
              " (rows count from 0); every value must be finite");
}

}  // namespace

Dataset read_dataset(const std::string& path, std::size_t limit) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream || std::filesystem::is_directory(path)) throw Error(path + ": there is no such file, or it may not be read");
  std::string magic(8, '\0');
  stream.read(magic.data(), static_cast<std::streamsize>(magic.size()));
  Dataset data;
  data.path = path;
  if (magic.starts_with("PK")) read_zip(data, limit);
  else if (magic == "\x89HDF\r\n\x1a\n") read_hdf5(data, limit);
  else if (magic.starts_with("\x93NUMPY")) read_array(data, limit);
  else throw Error(path + ": it is none of the files narrow reads; give .npy, .npz or .h5 with x of shape (samples, vmax, features)");
  require_finite(data, data.x, "x");
  require_finite(data, data.y, "y");
  return data;
}

Dataset fit_to(Dataset data, const Model& model) {
  const std::vector<int> inputs = model.inputs();
  const Shape& wanted = model.layers[static_cast<std::size_t>(inputs.front())].shape;
  if (data.shape == wanted) return data;
  const auto complain = [&](const std::string& why) {
    return Error(data.path + ": its samples have the shape " + to_string(data.shape) + ", model " + model.name + " takes " +
                 to_string(wanted) + ": " + why);
  };
  if (data.shape.size() != wanted.size() || wanted.size() != 2) throw complain("the shapes must be the same");
  if (data.shape.back() != wanted.back()) {
    throw complain("the data have " + std::to_string(data.shape.back()) + " features a row and the model " + std::to_string(wanted.back()));
  }
  if (data.shape.front() < wanted.front()) throw complain("pad the samples to " + std::to_string(wanted.front()) + " rows");
  const std::size_t kept = size_of(wanted);
  const std::size_t before = size_of(data.shape);
  for (std::size_t i = 1; i < data.size; ++i)
    std::copy_n(data.x.begin() + static_cast<std::ptrdiff_t>(i * before), kept, data.x.begin() + static_cast<std::ptrdiff_t>(i * kept));
  data.x.resize(data.size * kept);
  data.notes.push_back("of " + std::to_string(data.shape.front()) + " rows a sample the first " + std::to_string(wanted.front()) +
                       " are kept, vmax of model " + model.name);
  data.shape = wanted;
  return data;
}

}  // namespace narrow
