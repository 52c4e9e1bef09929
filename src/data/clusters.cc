#include "data/clusters.h"

#include <glob.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>

#include "data/hdf5.h"
#include "data/npy.h"
#include "data/partial_file.h"
#include "data/root.h"
#include "data/stream.h"
#include "data/zip.h"
#include "error.h"
#include "number.h"

namespace narrow {
namespace {

constexpr const char* kOffsets = "offsets";
constexpr const char* kHdf5 = "\x89HDF\r\n\x1a\n";

std::vector<std::string> all_columns(const ClusterColumns& columns) {
  std::vector<std::string> names = columns.features;
  if (!columns.target.empty()) names.push_back(columns.target);
  if (!columns.weight.empty()) names.push_back(columns.weight);
  return names;
}

// Flat columns and offsets; what HDF5 and npz share.
class FlatReader : public ClusterReader {
 public:
  Clusters read(std::size_t limit) override {
    Clusters clusters;
    clusters.path = path_;
    clusters.first = next_;
    const std::size_t count = std::min(limit, size_ - next_);
    const std::vector<double> offsets = read_offsets(count);
    std::size_t cell = cell_;
    for (const double offset : offsets) {
      if (!(offset >= static_cast<double>(cell) && offset <= static_cast<double>(cells_)) || offset != std::floor(offset)) {
        throw Error(path_ + ": offsets should rise from 0 to the number of cells, " + std::to_string(cells_) + "; cluster " +
                    std::to_string(next_ + clusters.size()) + " ends at " + std::to_string(offset));
      }
      const auto at = static_cast<std::size_t>(offset);
      clusters.starts.push_back(at - cell_);
      cell = at;
    }
    if (next_ + count == size_ && cell != cells_) {
      throw Error(path_ + ": its offsets end at " + std::to_string(cell) + ", it has " + std::to_string(cells_) + " cells");
    }
    for (std::size_t i = 0; i < columns_.features.size(); ++i) clusters.cells.push_back(read_cells(i, cell - cell_));
    if (!columns_.target.empty()) clusters.target = read_target(count);
    if (!columns_.weight.empty()) clusters.weight = read_weight(count);
    clusters.uneven.assign(count, false);
    cell_ = cell;
    next_ += count;
    return clusters;
  }
  std::optional<std::size_t> remaining() const override { return size_ - next_; }

 protected:
  FlatReader(std::string path, ClusterColumns columns) : path_(std::move(path)), columns_(std::move(columns)) {}
  virtual std::vector<double> read_offsets(std::size_t count) = 0;  // the ends of the next clusters
  virtual std::vector<double> read_cells(std::size_t feature, std::size_t count) = 0;
  virtual std::vector<double> read_target(std::size_t count) = 0;
  virtual std::vector<double> read_weight(std::size_t count) = 0;

  // To be called when the shapes are known.
  void check(const std::vector<std::size_t>& offsets, const std::vector<std::vector<std::size_t>>& features,
             const std::optional<std::vector<std::size_t>>& target, const std::optional<std::vector<std::size_t>>& weight) {
    if (offsets.size() != 1 || offsets[0] == 0) throw Error(path_ + ": offsets should be one number a cluster and one more");
    size_ = offsets[0] - 1;
    for (std::size_t i = 0; i < features.size(); ++i) {
      if (features[i].size() != 1 || features[i] != features.front()) {
        throw Error(path_ + ": " + columns_.branch(columns_.features[i]) + " should hold one number a cell, as many as " +
                    columns_.branch(columns_.features.front()));
      }
    }
    cells_ = features.front()[0];
    check_numbers(columns_.target, target);
    check_numbers(columns_.weight, weight);
  }

  void check_numbers(const std::string& name, const std::optional<std::vector<std::size_t>>& shape) const {
    if (shape && (shape->empty() || (*shape)[0] != size_ || shape->size() > 2 || (shape->size() == 2 && (*shape)[1] != 1))) {
      throw Error(path_ + ": " + columns_.branch(name) + " should hold one number for each of the " + std::to_string(size_) + " clusters");
    }
  }

  std::string path_;
  ClusterColumns columns_;
  std::size_t size_ = 0;   // clusters in the file
  std::size_t cells_ = 0;  // cells in the file
  std::size_t next_ = 0;   // cluster
  std::size_t cell_ = 0;   // where it begins
};

class Hdf5Clusters : public FlatReader {
 public:
  Hdf5Clusters(const std::string& path, const ClusterColumns& columns) : FlatReader(path, columns), file_(path) {
    for (const std::string& name : all_columns(columns_)) {
      if (!file_.has(dataset(name))) {
        throw Error(path + ": it has no dataset " + columns_.branch(name) + "; it has " + listed(file_.children("/")));
      }
    }
    const auto shape = [&](const std::string& name) {
      const std::vector<hsize_t> dimensions = file_.shape(name);
      return std::vector<std::size_t>(dimensions.begin(), dimensions.end());
    };
    std::vector<std::vector<std::size_t>> features;
    for (const std::string& name : columns_.features) features.push_back(shape(dataset(name)));
    const auto of_number = [&](const std::string& name) { return name.empty() ? std::nullopt : std::optional(shape(dataset(name))); };
    check(shape("/offsets"), features, of_number(columns_.target), of_number(columns_.weight));
  }

 private:
  std::string dataset(const std::string& name) const { return "/" + columns_.branch(name); }
  std::vector<double> read_offsets(std::size_t count) override {
    if (next_ == 0 && file_.read_rows<double>("/offsets", 0, 1).values.front() != 0) throw Error(path_ + ": offsets should begin with 0");
    return file_.read_rows<double>("/offsets", next_ + 1, count).values;
  }
  std::vector<double> read_cells(std::size_t feature, std::size_t count) override {
    return file_.read_rows<double>(dataset(columns_.features[feature]), cell_, count).values;
  }
  std::vector<double> read_target(std::size_t count) override {
    return file_.read_rows<double>(dataset(columns_.target), next_, count).values;
  }
  std::vector<double> read_weight(std::size_t count) override {
    return file_.read_rows<double>(dataset(columns_.weight), next_, count).values;
  }

  Hdf5Reader file_;
};

class NpzClusters : public FlatReader {
 public:
  NpzClusters(const std::string& path, const ClusterColumns& columns) : FlatReader(path, columns), zip_(path), offsets_(open(kOffsets)) {
    std::vector<std::vector<std::size_t>> shapes;
    for (const std::string& name : columns_.features) {
      features_.push_back(open(columns_.branch(name)));
      shapes.push_back(features_.back().shape());
    }
    if (!columns_.target.empty()) target_.emplace(open(columns_.branch(columns_.target)));
    if (!columns_.weight.empty()) weight_.emplace(open(columns_.branch(columns_.weight)));
    const auto shape_of = [](const std::optional<NpyReader>& numbers) { return numbers ? std::optional(numbers->shape()) : std::nullopt; };
    check(offsets_.shape(), shapes, shape_of(target_), shape_of(weight_));
    if (offsets_.read<double>(1).front() != 0) throw Error(path_ + ": offsets should begin with 0");
  }

 private:
  NpyReader open(const std::string& name) const {
    if (!zip_.has(name + ".npy")) throw Error(path_ + ": it has no array " + name + "; it has " + listed(zip_.members()));
    return {path_ + ", " + name, zip_.open(name + ".npy")};
  }
  std::vector<double> read_offsets(std::size_t count) override { return offsets_.read<double>(count); }
  std::vector<double> read_cells(std::size_t feature, std::size_t count) override { return features_[feature].read<double>(count); }
  std::vector<double> read_target(std::size_t count) override { return target_->read<double>(count); }
  std::vector<double> read_weight(std::size_t count) override { return weight_->read<double>(count); }

  ZipReader zip_;
  NpyReader offsets_;
  std::vector<NpyReader> features_;
  std::optional<NpyReader> target_, weight_;
};

std::vector<float> rounded(const std::vector<double>& values) { return {values.begin(), values.end()}; }

class Hdf5ClusterWriter : public ClusterWriter {
 public:
  Hdf5ClusterWriter(const std::string& path, ClusterColumns columns) : columns_(std::move(columns)), file_(path) {
    file_.append<std::int64_t>("/offsets", {1}, std::vector<std::int64_t>{0});
  }
  void write(const Clusters& clusters) override {
    std::vector<std::int64_t> ends;
    for (std::size_t i = 1; i < clusters.starts.size(); ++i) ends.push_back(static_cast<std::int64_t>(cells_ + clusters.starts[i]));
    file_.append<std::int64_t>("/offsets", {ends.size()}, ends);
    for (std::size_t i = 0; i < columns_.features.size(); ++i) {
      file_.append<float>("/" + columns_.branch(columns_.features[i]), {clusters.cells[i].size()}, rounded(clusters.cells[i]));
    }
    if (!columns_.target.empty()) {
      file_.append<float>("/" + columns_.branch(columns_.target), {clusters.target.size()}, rounded(clusters.target));
    }
    cells_ += clusters.starts.back();
  }
  void commit() override { file_.commit(); }

 private:
  ClusterColumns columns_;
  Hdf5Writer file_;
  std::size_t cells_ = 0;
};

// Values gather in a file of their own for each array until their number is known.
class NpzClusterWriter : public ClusterWriter {
 public:
  NpzClusterWriter(const std::string& path, ClusterColumns columns) : path_(path), columns_(std::move(columns)), zip_(path) {
    add(kOffsets, "<i8");
    for (const std::string& name : columns_.features) add(columns_.branch(name), "<f4");
    if (!columns_.target.empty()) add(columns_.branch(columns_.target), "<f4");
    const std::int64_t zero = 0;
    put(parts_.front(), &zero, 1);
  }
  NpzClusterWriter(const NpzClusterWriter&) = delete;
  NpzClusterWriter& operator=(const NpzClusterWriter&) = delete;
  ~NpzClusterWriter() override = default;
  void write(const Clusters& clusters) override {
    std::vector<std::int64_t> ends;
    for (std::size_t i = 1; i < clusters.starts.size(); ++i) ends.push_back(static_cast<std::int64_t>(cells_ + clusters.starts[i]));
    put(parts_.front(), ends.data(), ends.size());
    std::size_t part = 1;
    for (const std::vector<double>& values : clusters.cells) {
      const std::vector<float> floats = rounded(values);
      put(parts_[part++], floats.data(), floats.size());
    }
    if (!columns_.target.empty()) {
      const std::vector<float> floats = rounded(clusters.target);
      put(parts_[part], floats.data(), floats.size());
    }
    cells_ += clusters.starts.back();
  }
  void commit() override {
    for (Part& part : parts_) {
      part.stream.seekp(0);
      part.stream.write(header(part).data(), kHeader);
      part.stream.close();
      if (!part.stream) throw part.file->failed();
      zip_.add_file(part.name + ".npy", part.file->name());
    }
    zip_.commit();
  }

 private:
  static constexpr std::size_t kHeader = 128;
  struct Part {
    std::string name, type;
    std::unique_ptr<PartialFile> file;  // never committed: it is a part of the archive
    std::ofstream stream;
    std::size_t count = 0;
  };
  static std::string header(const Part& part) { return npy_header(part.type, {part.count}); }
  void add(const std::string& name, const std::string& type) {
    auto file = std::make_unique<PartialFile>(path_ + "." + name);
    std::ofstream stream(file->name(), std::ios::binary);
    file->opened(stream.is_open());
    parts_.push_back({name, type, std::move(file), std::move(stream), 0});
    parts_.back().stream.write(header(parts_.back()).data(), kHeader);
  }
  template <class T>
  void put(Part& part, const T* values, std::size_t count) {
    part.stream.write(reinterpret_cast<const char*>(values), static_cast<std::streamsize>(count * sizeof(T)));
    if (!part.stream) throw part.file->failed();
    part.count += count;
  }

  std::string path_;
  ClusterColumns columns_;
  ZipWriter zip_;
  std::vector<Part> parts_;
  std::size_t cells_ = 0;
};

}  // namespace

DataPattern parse_pattern(const std::string& text) {
  constexpr std::string_view kWeight = ":weight=";
  const std::size_t at = text.rfind(kWeight);
  if (at == std::string::npos || std::filesystem::exists(text)) return {text, std::nullopt};
  const std::string number = text.substr(at + kWeight.size());
  const std::optional<double> weight = real_number(number);
  if (!weight || !std::isfinite(*weight)) throw Error(text + ": the weight of a file should be a number, as in signal.root:weight=0.5");
  return {text.substr(0, at), weight};
}

std::vector<DataFile> expand_files(const std::vector<std::string>& patterns) {
  std::vector<DataFile> files;
  bool weighted = false;
  for (const std::string& text : patterns) {
    const DataPattern pattern = parse_pattern(text);
    weighted |= pattern.weight.has_value();
    if (files_of_list(pattern.path).size() > 1) files.push_back(pattern);
    else
      for (const std::string& path : expand_paths({pattern.path})) files.push_back({path, pattern.weight});
  }
  for (DataFile& file : files) {
    if (weighted && !file.weight) file.weight = 1;
  }
  return files;
}

std::vector<std::string> files_of_list(const std::string& path) {
  if (path.find(',') == std::string::npos || std::filesystem::exists(path)) return {path};
  std::vector<std::string> files;
  std::size_t at = 0;
  for (std::size_t comma = 0; comma != std::string::npos; at = comma + 1) {
    comma = path.find(',', at);
    files.push_back(path.substr(at, comma == std::string::npos ? comma : comma - at));
  }
  return files;
}

std::vector<std::string> expand_paths(const std::vector<std::string>& patterns) {
  std::vector<std::string> paths;
  for (const std::string& text : patterns) {
    const std::string pattern = parse_pattern(text).path;
    if (std::filesystem::exists(pattern)) {
      paths.push_back(pattern);
      continue;
    }
    if (const std::vector<std::string> files = files_of_list(pattern); files.size() > 1) {
      for (const std::string& file : files) {
        if (!std::filesystem::exists(file)) throw Error(file + ": no such file, or no permission to read it");
        paths.push_back(file);
      }
      continue;
    }
    glob_t found;
    const int status = glob(pattern.c_str(), 0, nullptr, &found);
    if (status == 0) paths.insert(paths.end(), found.gl_pathv, found.gl_pathv + found.gl_pathc);
    globfree(&found);
    if (status != 0) throw Error(pattern + ": no such file, or no permission to read it");
  }
  return paths;
}

bool holds_clusters(const std::string& path) {
  const std::string magic = first_bytes(path);
  if (magic.starts_with("root")) return true;
  if (magic == kHdf5) return Hdf5Reader(path).has("/offsets");
  return magic.starts_with("PK") && ZipReader(path).has(std::string(kOffsets) + ".npy");
}

std::unique_ptr<ClusterReader> open_clusters(const std::string& path, const ClusterColumns& columns) {
  const std::string magic = first_bytes(path);
  if (magic.starts_with("root")) return open_root(path, columns);
  for (const auto& [option, value] :
       {std::pair("counts", columns.counts), std::pair("indices", columns.indices), std::pair("select", columns.select)}) {
    if (!value.empty()) throw Error(path + ": --" + option + " is of ROOT files; leave it out");
  }
  if (magic == kHdf5) return std::make_unique<Hdf5Clusters>(path, columns);
  if (magic.starts_with("PK")) return std::make_unique<NpzClusters>(path, columns);
  throw Error(path + ": it is not a file of clusters; give .root, or .h5 or .npz with offsets and a dataset for each feature");
}

std::unique_ptr<ClusterWriter> create_clusters(const std::string& path, const ClusterColumns& columns) {
  if (path.ends_with(".root")) return create_root(path, columns);
  if (path.ends_with(".h5") || path.ends_with(".hdf5")) return std::make_unique<Hdf5ClusterWriter>(path, columns);
  if (path.ends_with(".npz")) return std::make_unique<NpzClusterWriter>(path, columns);
  throw Error(path + ": clusters are written as .h5, .npz or .root");
}

}  // namespace narrow
