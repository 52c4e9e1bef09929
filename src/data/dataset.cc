#include "data/dataset.h"

#include <algorithm>
#include <cmath>

#include "data/hdf5.h"
#include "data/npy.h"
#include "data/stream.h"
#include "data/zip.h"
#include "error.h"

namespace narrow {
namespace {

constexpr const char* kRounded = "x is wider than float32; it is rounded to float32, as Keras does";

// One file.
class SampleFile {
 public:
  SampleFile() = default;
  SampleFile(const SampleFile&) = delete;
  SampleFile& operator=(const SampleFile&) = delete;
  virtual ~SampleFile() = default;
  // Nothing at the end. Sets size, shape, x, targets and y.
  virtual void read(std::size_t limit, Dataset& block) = 0;
  virtual std::optional<std::size_t> remaining() const = 0;
  std::vector<std::string> notes;
  std::string no_targets;  // that there are none, and what may be meant to be; empty where there are, or nothing may be
  std::optional<Preparation> preparation;
};

// Of arrays that nobody reads, with their shapes: those that have a row for each sample may be targets.
template <class Sizes>
std::string without_targets(const std::string& path, const std::vector<std::pair<std::string, Sizes>>& others, std::size_t samples) {
  std::string found;
  for (const auto& [name, shape] : others) {
    if (shape.empty() || shape.size() > 2 || shape[0] != samples) continue;
    found += (found.empty() ? "" : ", ") + name + " (" + std::to_string(shape[0]) +
             (shape.size() == 1 ? "" : "x" + std::to_string(shape[1])) + ")";
  }
  if (found.empty()) return "";
  return path +
         " has no y, which is where targets are read from, so there are none; of its other arrays these have a row for each sample: " +
         found + "; store the targets as y";
}

constexpr const char* kWeight = "weight";

// The dataset of weights: as the user calls it, who must be right, or narrow does where there is one; empty for none.
template <class Has>
std::string weight_dataset(const std::string& path, const std::string& asked, const Has& has) {
  if (asked.empty()) return has(kWeight) ? kWeight : "";
  if (has(asked)) return asked;
  throw Error(path + ": it has no weights called " + asked);
}

template <class Sizes>
void check_weights(const std::string& path, const Sizes& x, const std::string& name, const Sizes& weights) {
  if (!weights.empty() && weights[0] == x[0] && (weights.size() == 1 || (weights.size() == 2 && weights[1] == 1))) return;
  throw Error(path + ": " + name + " should hold one number for each of the " + std::to_string(x[0]) + " samples of x");
}

template <class Sizes>
void check_input(const std::string& path, const std::string& name, const Sizes& x) {
  if (x.size() < 2) throw Error(path + ": " + name + " should have the shape (samples, " + (name == "x" ? "vmax, features)" : "...)"));
  if (x[0] == 0) throw Error(path + ": " + name + " has no samples");
  Shape shape;
  constexpr auto kLongest = static_cast<std::size_t>(std::numeric_limits<int>::max());
  for (std::size_t i = 1; i < x.size(); ++i) {
    if (x[i] > kLongest) throw Error(path + ": it is cut short");
    shape.push_back(static_cast<int>(x[i]));
  }
  if (size_of(shape) == 0)
    throw Error(path + ": " + name + " has samples without values: its shape is " + std::to_string(x[0]) + "x" + to_string(shape));
}

template <class Sizes>
void check_target(const std::string& path, const std::string& name, const Sizes& x, const Sizes& y) {
  if (!y.empty() && y.size() <= 2 && y[0] == x[0]) return;
  throw Error(path + ": y should have one row for each of the " + std::to_string(x[0]) + " samples of " + name);
}

template <class Sizes>
void check_as_long(const std::string& path, const std::string& first, const Sizes& x, const std::string& name, const Sizes& other) {
  if (other[0] == x[0]) return;
  throw Error(path + ": " + name + " has " + std::to_string(other[0]) + " samples and " + first + " " + std::to_string(x[0]));
}

// Which arrays are the inputs: `x`, or one for each input of a model with several.
std::vector<std::string> arrays_of(const std::vector<std::string>& inputs) {
  return inputs.empty() ? std::vector<std::string>{"x"} : inputs;
}
bool is_input(const std::vector<std::string>& inputs, const std::string& name) {
  return std::find(inputs.begin(), inputs.end(), name) != inputs.end();
}

Error lacks_input(const std::string& path, const std::string& what, const std::string& name, const std::vector<std::string>& inputs,
                  const std::vector<std::string>& has) {
  const std::string why = inputs.empty() ? "" : ", and the model takes the inputs " + listed(inputs);
  return Error(path + ": it has no " + what + " " + name + why + "; it has " + listed(has));
}

// Samples of several inputs, (n, shape) of each, into rows that hold all of them side by side.
void put_side_by_side(const std::vector<std::vector<float>>& values, Dataset& block) {
  if (values.size() == 1) {
    block.x = values.front();
    return;
  }
  block.x.reserve(block.size * size_of(block.shape));
  for (std::size_t s = 0; s < block.size; ++s) {
    for (std::size_t k = 0; k < values.size(); ++k) {
      const auto size = static_cast<std::ptrdiff_t>(size_of(block.inputs[k].second));
      const auto sample = values[k].begin() + static_cast<std::ptrdiff_t>(s) * size;
      block.x.insert(block.x.end(), sample, sample + size);
    }
  }
}

// What a block holds of these inputs' arrays, whose samples have these shapes.
void set_shape(const std::vector<std::string>& inputs, const std::vector<Shape>& shapes, Dataset& block) {
  block.shape = shapes.front();
  if (inputs.empty()) return;
  std::size_t all = 0;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    block.inputs.emplace_back(inputs[k], shapes[k]);
    all += size_of(shapes[k]);
  }
  block.shape = {static_cast<int>(all)};
}

// `x` and perhaps `y` as NpyReaders: alone in a file, one for each input in a file of its own, or members of an archive.
class NpySamples : public SampleFile {
 public:
  NpySamples(const std::string& path, bool archive, const std::string& asked, const std::vector<std::string>& inputs) : inputs_(inputs) {
    const std::vector<std::string> arrays = arrays_of(inputs);
    if (archive) {
      zip_.emplace(path);
      for (const std::string& name : arrays) {
        if (!zip_->has(name + ".npy")) throw lacks_input(path, "array", name, inputs, zip_->members());
        x_.emplace_back(path + ", " + name, zip_->open(name + ".npy"));
      }
      if (zip_->has("y.npy") && !is_input(inputs, "y")) y_.emplace(path + ", y", zip_->open("y.npy"));
      const std::string weight =
          weight_dataset(path, asked, [&](const std::string& name) { return zip_->has(name + ".npy") && !is_input(inputs, name); });
      if (!weight.empty()) weight_.emplace(path + ", " + weight, zip_->open(weight + ".npy"));
    } else {
      weight_dataset(path, asked, [](const std::string&) { return false; });
      for (const std::string& file : inputs.empty() ? std::vector<std::string>{path} : files_of_list(path))
        x_.emplace_back(file, open_file(file));
      if (x_.size() != arrays.size()) {
        std::string all;
        for (const std::string& name : inputs) all += (all.empty() ? "" : ",") + name + ".npy";
        throw Error(path + ": the model takes the inputs " + listed(inputs) + "; give an array for each, in this order, as in " + all);
      }
    }
    for (std::size_t k = 0; k < x_.size(); ++k) {
      check_input(path, arrays[k], x_[k].shape());
      check_as_long(path, arrays[0], x_[0].shape(), arrays[k], x_[k].shape());
    }
    if (y_) check_target(path, arrays[0], x_[0].shape(), y_->shape());
    else if (archive) no_targets = without_targets(path, other_arrays(path, arrays), x_[0].shape()[0]);
    if (weight_) check_weights(path, x_[0].shape(), asked.empty() ? kWeight : asked, weight_->shape());
  }
  void read(std::size_t limit, Dataset& block) override {
    block.size = std::min(limit, x_[0].shape()[0] - next_);
    std::vector<Shape> shapes;
    std::vector<std::vector<float>> values;
    for (NpyReader& x : x_) {
      shapes.emplace_back(x.shape().begin() + 1, x.shape().end());
      values.push_back(x.read<float>(block.size * size_of(shapes.back())));
      if (x.rounded() && notes.empty()) notes.emplace_back(kRounded);
    }
    set_shape(inputs_, shapes, block);
    put_side_by_side(values, block);
    if (y_) {
      block.targets = y_->shape().size() == 1 ? 1 : y_->shape()[1];
      block.y = y_->read<float>(block.size * block.targets);
    }
    if (weight_) block.weights = weight_->read<float>(block.size);
    next_ += block.size;
  }
  std::optional<std::size_t> remaining() const override { return x_[0].shape()[0] - next_; }

 private:
  // Members that are read as nothing else. What is no array of numbers is left to who asks for it.
  std::vector<std::pair<std::string, std::vector<std::size_t>>> other_arrays(const std::string& path,
                                                                             const std::vector<std::string>& read) const {
    std::vector<std::pair<std::string, std::vector<std::size_t>>> others;
    for (const std::string& member : zip_->members()) {
      if (!member.ends_with(".npy")) continue;
      const std::string name = member.substr(0, member.size() - 4);
      if (name == kWeight || std::find(read.begin(), read.end(), name) != read.end()) continue;
      try {
        others.emplace_back(name, NpyReader(path + ", " + name, zip_->open(member)).shape());
      } catch (const Error&) {
        continue;
      }
    }
    return others;
  }

  std::vector<std::string> inputs_;
  std::optional<ZipReader> zip_;
  std::vector<NpyReader> x_;
  std::optional<NpyReader> y_, weight_;
  std::size_t next_ = 0;
};

class Hdf5Samples : public SampleFile {
 public:
  Hdf5Samples(const std::string& path, const std::string& asked, const std::vector<std::string>& inputs)
      : inputs_(inputs), arrays_(arrays_of(inputs)), file_(path) {
    for (const std::string& name : arrays_) {
      if (!file_.has("/" + name)) throw lacks_input(path, "dataset", name, inputs, file_.children("/"));
      const std::vector<hsize_t> shape = file_.shape("/" + name);
      check_input(path, name, shape);
      if (shape_.empty()) shape_ = shape;
      check_as_long(path, arrays_[0], shape_, name, shape);
    }
    has_y_ = file_.has("/y") && !is_input(inputs, "y");
    if (has_y_) check_target(path, arrays_[0], shape_, file_.shape("/y"));
    else no_targets = without_targets(path, other_arrays(), static_cast<std::size_t>(shape_[0]));
    if (file_.has_attribute("/", "preparation")) {
      const std::string text = file_.attribute("/", "preparation");
      try {
        preparation = preparation_from_json(text);
      } catch (const Error& error) {
        throw Error(path + ": " + error.what());
      }
    }
    // What narrow prepared has weights by one name, whatever they are of.
    weight_ = weight_dataset(path, preparation ? "" : asked,
                             [&](const std::string& name) { return file_.has("/" + name) && !is_input(inputs, name); });
    if (!weight_.empty()) check_weights(path, shape_, weight_, file_.shape("/" + weight_));
    else if (preparation && !preparation->weight.empty()) throw Error(path + ": it lacks the weights that it was prepared with");
  }
  void read(std::size_t limit, Dataset& block) override {
    std::vector<Shape> shapes;
    std::vector<std::vector<float>> values;
    for (const std::string& name : arrays_) {
      auto x = file_.read_rows<float>("/" + name, next_, limit);
      block.size = x.shape[0];
      shapes.emplace_back(x.shape.begin() + 1, x.shape.end());
      values.push_back(std::move(x.values));
      if (!file_.is_wide("/" + name) || !notes.empty()) continue;
      const auto exact = file_.read_rows<double>("/" + name, next_, limit);
      const bool same = std::equal(exact.values.begin(), exact.values.end(), values.back().begin(),
                                   [](double a, float b) { return a == b || std::isnan(a); });
      if (!same) notes.emplace_back(kRounded);
    }
    set_shape(inputs_, shapes, block);
    put_side_by_side(values, block);
    if (has_y_) {
      auto y = file_.read_rows<float>("/y", next_, limit);
      block.targets = y.shape.size() == 1 ? 1 : y.shape[1];
      block.y = std::move(y.values);
    }
    if (!weight_.empty()) block.weights = file_.read_rows<float>("/" + weight_, next_, limit).values;
    next_ += block.size;
  }

  std::optional<std::size_t> remaining() const override { return shape_[0] - next_; }

 private:
  std::vector<std::pair<std::string, std::vector<hsize_t>>> other_arrays() const {
    std::vector<std::pair<std::string, std::vector<hsize_t>>> others;
    for (const std::string& name : file_.children("/")) {
      if (name == kWeight || is_input(arrays_, name)) continue;
      try {
        others.emplace_back(name, file_.shape("/" + name));
      } catch (const Error&) {
        continue;  // no dataset
      }
    }
    return others;
  }

  std::vector<std::string> inputs_, arrays_;
  Hdf5Reader file_;
  std::vector<hsize_t> shape_;  // of the first
  bool has_y_ = false;
  std::string weight_;  // the dataset
  std::size_t next_ = 0;
};

// How many clusters passed the selection.
struct Selected {
  std::size_t clusters = 0, of = 0;
};

// A name that is given another branch, and that nobody looks up, is misspelt.
void require_columns(const std::map<std::string, std::string>& branches, const ClusterColumns& columns) {
  std::vector<std::string> known = columns.features;
  for (const std::string& name : {columns.target, columns.weight}) {
    if (!name.empty()) known.push_back(name);
  }
  for (const auto& [name, branch] : branches) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    throw Error("--branches: " + name + " is not among what is read: " + listed(known));
  }
}

// Clusters, prepared on the way.
class ClusterSamples : public SampleFile {
 public:
  ClusterSamples(const std::string& path, const DataSource& source, Unfit& unfit, Selected& selected)
      : source_(source), unfit_(unfit), selected_(selected) {
    ClusterColumns columns = columns_of(source.preparation);
    require_columns(source.branches, columns);
    columns.branches = source.branches;
    columns.tree = source.tree;
    columns.counts = source.counts;
    columns.indices = source.indices;
    reader_ = open_clusters(path, columns);
    preparation = source.preparation;
    if (!source.assumed.empty()) {
      notes.push_back("the model does not say how its inputs were prepared; clusters are prepared with " + to_string(source.assumed));
    }
  }
  void read(std::size_t limit, Dataset& block) override {
    block.shape = {source_.preparation.vmax, static_cast<int>(source_.preparation.features.size())};
    block.targets = source_.preparation.target ? 1 : 0;
    // A block of clusters may leave no samples; that is not yet the end.
    while (block.size == 0) {
      const std::size_t seen = reader_->seen();
      const Clusters clusters = reader_->read(limit);
      selected_.of += reader_->seen() - seen;
      selected_.clusters += clusters.size();
      if (clusters.size() == 0) return;
      PreparedBlock prepared = prepare(clusters, source_.preparation, source_.drop_unfit, unfit_);
      block.size = prepared.size;
      block.x = std::move(prepared.x);
      block.y = std::move(prepared.y);
      block.weights = std::move(prepared.weights);
    }
  }

  std::optional<std::size_t> remaining() const override { return reader_->remaining(); }

 private:
  const DataSource& source_;
  Unfit& unfit_;
  Selected& selected_;
  std::unique_ptr<ClusterReader> reader_;
};

void require_finite(const Dataset& data, std::size_t first, const std::vector<float>& values, std::string what) {
  const auto bad = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  if (bad == values.end()) return;
  const std::size_t width = values.size() / data.size;
  const auto at = static_cast<std::size_t>(bad - values.begin());
  const std::size_t row = first + at / width;
  std::size_t end = 0;
  for (const auto& [name, shape] : data.inputs) {
    if (&values != &data.x || at % width < end) break;
    end += size_of(shape);
    what = name;
  }
  throw Error(data.path + ": row " + std::to_string(row) + " of " + what + " holds " + (std::isnan(*bad) ? "NaN" : "an infinite value") +
              " (rows count from 0); every value must be finite");
}

}  // namespace

class SampleReader::Impl {
 public:
  explicit Impl(DataSource source) : source_(std::move(source)), files_(expand_files(source_.paths)) {}

  Dataset read(std::size_t limit) {
    Dataset data;
    while (data.size < limit) {
      if (!file_) {
        if (next_ == files_.size()) break;
        open(files_[next_++].path);
        of_files_.push_back(0);
        row_ = 0;
      }
      Dataset block;
      block.path = files_[next_ - 1].path;
      // Clusters may be many to a sample's memory: no more at once than make a good block.
      constexpr std::size_t kBlock = 1 << 14;
      file_->read(std::min(limit - data.size, kBlock), block);
      if (block.size == 0) {
        notes_.insert(notes_.end(), file_->notes.begin(), file_->notes.end());
        file_.reset();
        continue;
      }
      require_finite(block, row_, block.x, "x");
      require_finite(block, row_, block.y, "y");
      block.preparation = file_->preparation;
      weigh(block, files_[next_ - 1].weight);
      require_finite(block, row_, block.weights, "the weights");
      row_ += block.size;
      of_files_.back() += block.size;
      if (prepared_) take_target(block);
      append(data, std::move(block));
    }
    return data;
  }

  std::vector<std::string> notes() const {
    std::vector<std::string> all = notes_;
    if (file_) all.insert(all.end(), file_->notes.begin(), file_->notes.end());
    if (const std::string& select = source_.preparation.select; !select.empty() && selected_.of > 0) {
      all.push_back(std::to_string(selected_.clusters) + " of " + std::to_string(selected_.of) + " clusters pass --select '" + select +
                    "'");
    }
    const std::vector<std::string> left_out = unfit_.notes();
    all.insert(all.end(), left_out.begin(), left_out.end());
    return all;
  }

  const std::vector<std::size_t>& of_files() const { return of_files_; }
  std::vector<DataFile> unread() const { return {files_.begin() + static_cast<std::ptrdiff_t>(next_), files_.end()}; }

  std::optional<std::size_t> remaining() const {
    const std::optional<std::size_t> first = file_ ? file_->remaining() : std::optional<std::size_t>(0);
    if (!first) return std::nullopt;
    std::size_t sum = *first;
    for (std::size_t i = next_; i < files_.size(); ++i) {
      try {
        Unfit unfit;
        Selected selected;
        const auto own = sample_file(files_[i].path, unfit, selected)->remaining();
        if (!own) return std::nullopt;
        sum += *own;
      } catch (const Error&) {
        return std::nullopt;  // who reads it will say why
      }
    }
    return sum;
  }

 private:
  std::unique_ptr<SampleFile> sample_file(const std::string& path, Unfit& unfit, Selected& selected) const {
    const std::vector<std::string>& inputs = source_.inputs;
    const std::vector<std::string> files = files_of_list(path);
    if (inputs.empty() && files.size() > 1) throw Error(path + ": these are arrays for several inputs, and samples here have one");
    if (is_of_clusters(path)) {
      if (inputs.empty()) return std::make_unique<ClusterSamples>(path, source_, unfit, selected);
      throw Error(path + ": it holds clusters, which become one input; the model takes " + listed(inputs) +
                  ": give .npz or .h5 with an array for each");
    }
    const std::string magic = first_bytes(files.front());
    if (magic.starts_with("PK") && files.size() == 1) return std::make_unique<NpySamples>(path, true, asked_weight(), inputs);
    if (magic == "\x89HDF\r\n\x1a\n" && files.size() == 1) return std::make_unique<Hdf5Samples>(path, asked_weight(), inputs);
    if (magic.starts_with("\x93NUMPY")) return std::make_unique<NpySamples>(path, false, asked_weight(), inputs);
    if (files.size() > 1)
      throw Error(files.front() + ": it is no .npy file; arrays for several inputs are .npy files each, or all in one .npz or .h5");
    throw Error(
        path +
        ": it is not a kind of file that narrow reads; give .npy, .npz or .h5 with x of shape (samples, vmax, features), or clusters as "
        ".root, .h5 or .npz");
  }

  static bool is_of_clusters(const std::string& path) { return files_of_list(path).size() == 1 && holds_clusters(path); }

  void open(const std::string& path) {
    file_ = sample_file(path, unfit_, selected_);
    prepared_ = !is_of_clusters(path);
    if (prepared_) refuse_preparing(path);
    if (!file_->no_targets.empty() && (source_.preparation.target || !given("target"))) notes_.push_back(file_->no_targets);
  }

  bool given(const std::string& option) const {
    return std::find(source_.given.begin(), source_.given.end(), option) != source_.given.end();
  }
  std::string asked_weight() const { return source_.preparation.weight; }

  // Weights left out where that is asked for, and those of a file multiplied by its own.
  void weigh(Dataset& block, const std::optional<double>& factor) const {
    if (prepared_ && given("weight") && source_.preparation.weight.empty()) {
      block.weights.clear();
      if (block.preparation) block.preparation->weight.clear();
    }
    if (!factor) return;
    if (block.weights.empty()) block.weights.assign(block.size, 1.0F);
    for (float& weight : block.weights) weight = static_cast<float>(static_cast<double>(weight) * *factor);
  }

  // Options that would do nothing to samples that are prepared.
  void refuse_preparing(const std::string& path) const {
    const auto refuse = [&](const std::string& option, const std::string& why) {
      throw Error(path + ": its samples are already prepared, " + why + "; leave out " + option);
    };
    if (!source_.branches.empty()) refuse("branches", "so no names are looked up");
    if (!source_.tree.empty()) refuse("tree", "and not in a tree");
    if (!source_.counts.empty()) refuse("counts", "each from its cells");
    if (!source_.indices.empty()) refuse("indices", "each from its cells");
    if (source_.drop_unfit) refuse("unfit", "so none is left out");
    const std::vector<PreparationOption> wanted = options_of(source_.preparation);
    const std::vector<PreparationOption> own = file_->preparation ? options_of(*file_->preparation) : std::vector<PreparationOption>();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto& [name, value] = wanted[i];
      if (!given(name)) continue;
      if ((name == "target" || name == "weight") && (own.empty() || value == "none")) continue;
      if (own.empty()) refuse(name, "in a way that the file does not say");
      if (own[i].value != value) refuse(name + " " + value, "with " + name + " " + own[i].value);
    }
  }

  // y left out, where that is asked for.
  void take_target(Dataset& block) const {
    if (source_.preparation.target || !given("target")) return;
    block.targets = 0;
    block.y.clear();
    if (block.preparation) block.preparation->target.reset();
  }

  // The first block moves; more of the same kind follow it.
  void append(Dataset& data, Dataset block) {
    if (shape_.empty()) {
      first_ = block.path;
      shape_ = block.shape;
      inputs_ = block.inputs;
      targets_ = block.targets;
      weighted_ = !block.weights.empty();
      preparation_ = block.preparation;
    }
    if (block.inputs != inputs_) throw Error(block.path + ": its inputs have other shapes than those of " + first_);
    if (block.shape != shape_ || block.targets != targets_) {
      throw Error(block.path + ": its samples have the shape " + to_string(block.shape) + " and " + std::to_string(block.targets) +
                  " targets, those of " + first_ + " " + to_string(shape_) + " and " + std::to_string(targets_));
    }
    if (block.weights.empty() == weighted_) {
      const auto& [with, without] = weighted_ ? std::pair(first_, block.path) : std::pair(block.path, first_);
      throw Error(with + ": its samples have weights, those of " + without + " none; give that one a weight, as " + without + ":weight=1");
    }
    const std::string different = difference(block.preparation, preparation_, Agreement::kAll);
    if (!different.empty() || block.preparation.has_value() != preparation_.has_value()) {
      throw Error(block.path + ": its samples were prepared in another way than those of " + first_ + ": " +
                  (different.empty() ? "of one of them it is not known" : different));
    }
    if (data.size == 0) {
      data = std::move(block);
      data.path = first_;
      return;
    }
    data.size += block.size;
    data.x.insert(data.x.end(), block.x.begin(), block.x.end());
    data.y.insert(data.y.end(), block.y.begin(), block.y.end());
    data.weights.insert(data.weights.end(), block.weights.begin(), block.weights.end());
  }

  DataSource source_;
  std::vector<DataFile> files_;
  std::size_t next_ = 0;  // file
  std::vector<std::size_t> of_files_;
  std::unique_ptr<SampleFile> file_;
  bool prepared_ = false;  // of the file: samples rather than clusters
  std::size_t row_ = 0;    // of the file
  std::string first_;
  Shape shape_;
  std::vector<std::pair<std::string, Shape>> inputs_;
  std::size_t targets_ = 0;
  bool weighted_ = false;
  std::optional<Preparation> preparation_;
  std::vector<std::string> notes_;
  Unfit unfit_;
  Selected selected_;
};

SampleReader::SampleReader(DataSource source) : impl_(std::make_unique<Impl>(std::move(source))) {}
SampleReader::SampleReader(SampleReader&&) noexcept = default;
SampleReader& SampleReader::operator=(SampleReader&&) noexcept = default;
SampleReader::~SampleReader() = default;
Dataset SampleReader::read(std::size_t limit) { return impl_->read(limit); }
std::vector<std::string> SampleReader::notes() const { return impl_->notes(); }
std::optional<std::size_t> SampleReader::remaining() const { return impl_->remaining(); }
const std::vector<std::size_t>& SampleReader::of_files() const { return impl_->of_files(); }
std::vector<DataFile> SampleReader::unread() const { return impl_->unread(); }

Dataset read_dataset(const DataSource& source, std::size_t limit) {
  SampleReader reader(source);
  Dataset data = reader.read(limit);
  data.notes = reader.notes();
  data.of_files = reader.of_files();
  if (limit > 1) {  // a single one is asked for to see the data's form
    data.left = reader.remaining();
    const std::vector<DataFile> unread = reader.unread();
    data.unread = unread.size();
    if (std::any_of(unread.begin(), unread.end(), [](const DataFile& file) { return file.weight.has_value(); })) {
      throw Error(unread.front().path + ": none of its samples is among the first " + std::to_string(data.size) +
                  " of these files, which have weights of their own; ask for all samples, or for enough to reach each file");
    }
  }
  if (data.size == 0) throw Error(source.paths.front() + ": it has no samples");
  return data;
}

std::string samples_in_words(const DataOptions& asked, std::size_t usual, const Dataset& data) {
  if (asked.samples == 0) return "";
  const std::size_t used = data.size;
  const std::string names = listed(asked.paths);
  const std::string unread =
      data.unread == 0 ? "" : ", none of the last " + (data.unread == 1 ? "file" : std::to_string(data.unread) + " files") + " among them";
  if (data.left && *data.left > 0) {
    return "of the " + std::to_string(used + *data.left) + " samples of " + names + " the first " + std::to_string(used) + " are used" +
           unread;
  }
  if (!data.left && used == asked.samples) return "the first " + std::to_string(used) + " samples of " + names + " are used" + unread;
  if (asked.samples == usual || used >= asked.samples) return "";
  return std::to_string(asked.samples) + " samples are asked for, and " + names + " has " + std::to_string(used) + ": all are used";
}

namespace {

void require_inputs(const Dataset& data, const Model& model) {
  const std::vector<std::string> names = names_of_inputs(model);
  std::vector<std::string> own(data.inputs.size());
  std::transform(data.inputs.begin(), data.inputs.end(), own.begin(), [](const auto& input) { return input.first; });
  if (own != names) {
    throw Error(data.path + ": it was read for " + (own.empty() ? "one input" : "the inputs " + listed(own)) + ", and model " + model.name +
                " takes " + (names.empty() ? "one" : listed(names)));
  }
  for (std::size_t k = 0; k < names.size(); ++k) {
    const Shape& wanted = model.layers[static_cast<std::size_t>(model.inputs()[k])].shape;
    if (data.inputs[k].second == wanted) continue;
    throw Error(data.path + ": the samples of " + names[k] + " have the shape " + to_string(data.inputs[k].second) + ", model " +
                model.name + " takes " + to_string(wanted) + ": the shapes must be the same");
  }
}

}  // namespace

std::vector<std::string> names_of_inputs(const Model& model) {
  const std::vector<int> inputs = model.inputs();
  std::vector<std::string> names(inputs.size() > 1 ? inputs.size() : 0);
  for (std::size_t k = 0; k < names.size(); ++k) names[k] = model.layers[static_cast<std::size_t>(inputs[k])].name;
  return names;
}

Dataset fit_to(Dataset data, const Model& model) {
  const std::vector<int> inputs = model.inputs();
  const Shape& wanted = model.layers[static_cast<std::size_t>(inputs.front())].shape;
  const std::string different = difference(data.preparation, model.preparation, Agreement::kInputs);
  if (!different.empty()) {
    throw Error(data.path + ": it was prepared in another way than what model " + model.name + " was trained on: " + different);
  }
  if (inputs.size() > 1 || !data.inputs.empty()) {
    require_inputs(data, model);
    return data;
  }
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

namespace {

// The options of a preparation that were given.
std::vector<std::string> given_of(const DataOptions& options) {
  std::vector<std::string> given;
  if (!options.features.empty()) given.emplace_back("features");
  if (!options.target.empty()) given.emplace_back("target");
  if (!options.order.empty()) given.emplace_back("order");
  if (options.vmax > 0) given.emplace_back("vmax");
  if (options.padding) given.emplace_back("padding");
  if (!options.weight.empty()) given.emplace_back("weight");
  if (!options.select.empty()) given.emplace_back("select");
  return given;
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

DataSource DataOptions::source() const { return source_for(Preparation()); }

DataSource DataOptions::source_for(const Model& model) const {
  DataSource source = source_for(model.preparation);
  source.inputs = names_of_inputs(model);
  return source;
}

DataSource DataOptions::source_for(const std::optional<Preparation>& of_model) const {
  DataSource source;
  source.paths = paths;
  source.given = given_of(*this);
  Preparation& preparation = source.preparation;
  if (of_model) preparation = *of_model;
  if (!features.empty()) {
    preparation.features.clear();
    for (const std::string& feature : features) preparation.features.push_back(parse_feature(feature));
  }
  if (target == "none") preparation.target.reset();
  else if (!target.empty()) preparation.target = parse_feature(target);
  if (!order.empty()) preparation.order = order == "as-is" ? "" : order;
  if (vmax > 0) preparation.vmax = vmax;
  if (padding) preparation.padding = *padding;
  preparation.weight = weight == "none" ? "" : weight;
  preparation.select = select;
  if (!of_model) {
    for (PreparationOption& option : options_of(preparation)) {
      if (!holds(source.given, option.name) && !says_which_samples(option)) source.assumed.push_back(std::move(option));
    }
  }
  source.branches = branches;
  source.tree = tree;
  source.counts = counts;
  source.indices = indices;
  source.drop_unfit = drop_unfit;
  return source;
}

}  // namespace narrow
