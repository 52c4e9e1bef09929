#include "study/kept.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/hash.h"
#include "data/hdf5.h"
#include "data/text.h"
#include "error.h"
#include "study/trace.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// HDF5 is not for two threads.
std::mutex hdf5;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

constexpr const char* kKeras = "keras_predictions.txt";
constexpr const char* kHls = "hls_predictions.txt";
constexpr const char* kTrace = "hls_trace.h5";
constexpr const char* kFloatTrace = ".keras_trace.h5";
constexpr const char* kFloat = ".keras.h5";

const char* layout_name(Keep::Layout layout) { return layout == Keep::Layout::kText ? "text" : "hdf5"; }

// What the store knows of a point's files: `text predictions,trace:1 0123456789abcdef`.
struct Kept {
  std::string layout, what, hash;
};

Kept parse(const std::string& text) {
  Kept kept;
  std::istringstream(text) >> kept.layout >> kept.what >> kept.hash;
  return kept;
}

bool holds(const std::string& what, const std::string& part) { return ("," + what + ",").find("," + part + ",") != std::string::npos; }
bool holds_trace(const std::string& what) { return ("," + what).find(",trace:") != std::string::npos; }

std::string file_of(const std::string& point, const std::string& layout, const std::string& name) {
  return layout == "hdf5" ? point + ".h5" : point + ".model/" + name;
}

// Of a point's files, behind its own name.
std::vector<std::string> names(const std::string& layout, const std::string& what) {
  if (layout == "hdf5") return {""};
  std::vector<std::string> names;
  if (holds(what, "predictions")) names = {kKeras, kHls};
  if (holds_trace(what)) names.emplace_back(kTrace);
  return names;
}

std::vector<double> numbers_of(const std::string& text) {
  std::vector<double> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    double number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) break;
    numbers.push_back(number);
    at = next + 1;
  }
  return numbers;
}

}  // namespace

std::vector<std::string> files_of(const std::string& label, const StoredPoint& point) {
  const Kept kept = parse(point.kept);
  std::vector<std::string> files;
  for (const std::string& name : names(kept.layout, kept.what)) files.push_back(file_of(point_name(label, point), kept.layout, name));
  return files;
}

double kept_bytes(const Keep& keep, const Model& model, std::size_t samples) {
  const bool text = keep.layout == Keep::Layout::kText;
  constexpr double kTextValue = 25.5;  // of savetxt, with a sign or without
  constexpr double kDataset = 4000;    // what HDF5 needs for each, about
  double bytes = 0;
  const auto values = static_cast<double>(samples * model.output_size());
  if (keep.predictions) bytes += text ? 2 * kTextValue * values : sizeof(double) * values + kDataset;
  const std::size_t traced = std::min(keep.traced, samples);
  if (!keep.trace || traced == 0) return bytes;
  for (const Layer& layer : model.layers) bytes += kDataset + static_cast<double>(sizeof(double) * traced * size_of(layer.shape));
  return bytes;
}

std::vector<std::string> files_of(const Scan& scan) { return {kTargets, scan.label + kFloatTrace, scan.label + kFloat}; }

std::string point_name(const std::string& label, const StoredPoint& stored) {
  if (!stored.point) return label + "." + stored.label;
  const Point& point = *stored.point;
  return label + "." + std::to_string(point.v_full) + "." + std::to_string(point.v_int) + ".wb_" + std::to_string(point.wb_full) + "." +
         std::to_string(point.wb_int);
}

// Samples of the trace in a file; 0 where there is none.
static std::size_t traced_in(const std::string& path) {
  if (!fs::exists(path)) return 0;
  try {
    const std::scoped_lock lock(hdf5);
    const Hdf5Reader file(path);
    const std::vector<std::string> layers = file.children("trace");
    return layers.empty() ? 0 : file.shape("trace/" + layers.front()).front();
  } catch (const Error&) {
    return 0;  // corrupted: it is written anew
  }
}

static bool has_predictions(const std::string& path) {
  if (!fs::exists(path)) return false;
  try {
    const std::scoped_lock lock(hdf5);
    return Hdf5Reader(path).has("predictions");
  } catch (const Error&) {
    return false;
  }
}

KeptFiles::KeptFiles(std::string folder, std::string label, const Keep& keep, const Model& model, const Dataset& data,
                     const std::vector<float>& reference)
    : folder_(std::move(folder)), label_(std::move(label)), keep_(keep), model_(model), data_(data), reference_(reference) {
  keep_.traced = std::min(keep_.traced, data.size);
  keep_.trace = keep_.trace && keep_.traced > 0;
  if (keep_.predictions && keep_.layout == Keep::Layout::kText) keras_text_ = savetxt(reference_, model_.output_size());
}

void KeptFiles::write_float() const {
  const bool text = keep_.layout == Keep::Layout::kText;
  if (text ? !keep_.trace : !any()) return;
  // Points of earlier runs may have more samples, or more of what is kept, which is compared with this.
  const std::string path = folder_ + "/" + label_ + (text ? kFloatTrace : kFloat);
  const std::size_t traced = std::min(data_.size, std::max(keep_.trace ? keep_.traced : 0, traced_in(path)));
  if (text) return write_float_trace(path, model_, data_, traced);
  const bool predictions = keep_.predictions || has_predictions(path);
  Hdf5Writer file(path);
  if (predictions) file.write<float>("predictions", {data_.size, model_.output_size()}, reference_);
  if (traced > 0) add_float_trace(file, "trace", model_, data_, traced);
  file.commit();
}

std::string KeptFiles::image(const Resolved& resolved, std::span<const double> predictions,
                             const std::vector<std::vector<double>>& trace) const {
  const std::scoped_lock lock(hdf5);
  Hdf5Writer file;
  if (!predictions.empty()) file.write<double>("predictions", {data_.size, model_.output_size()}, predictions);
  if (keep_.trace) add_fixed_trace(file, "trace", resolved, trace, keep_.traced);
  return file.image();
}

std::string KeptFiles::path_of(const StoredPoint& point, const std::string& layout, const std::string& name) const {
  return folder_ + "/" + file_of(point_name(label_, point), layout, name);
}

std::string KeptFiles::write(const StoredPoint& point, const Program& program, std::span<const double> predictions) const {
  if (!any()) return "";
  RunResult run;
  const std::size_t size = size_of(data_.shape);
  if (keep_.trace) run = interpret(program, std::span(data_.x).first(keep_.traced * size), keep_.traced, {.traced = keep_.traced});
  return write(point, program.resolved, predictions, run.trace);
}

std::optional<std::string> KeptFiles::follow(const StoredPoint& point, const Resolved& resolved, const StoredPoint& leader) const {
  if (!any()) return "";
  if (!holds_all(leader.kept)) return std::nullopt;
  const auto files = read(leader);
  if (!files) return std::nullopt;
  std::vector<std::vector<double>> trace;
  if (keep_.trace) {
    const File& file = files->back();
    const auto* data = reinterpret_cast<const std::byte*>(file.bytes.data());
    const std::scoped_lock lock(hdf5);
    const Hdf5Reader reader(file.name, {data, data + file.bytes.size()}, Hdf5Trust::kOwn);
    for (const Layer& layer : resolved.model.layers) trace.push_back(reader.read<double>("trace/" + layer.name).values);
  }
  return write(point, resolved, keep_.predictions ? predictions_in(*files, leader.kept) : std::vector<double>(), trace);
}

std::string KeptFiles::write(const StoredPoint& point, const Resolved& resolved, std::span<const double> predictions,
                             const std::vector<std::vector<double>>& trace) const {
  std::vector<File> files;
  if (keep_.layout == Keep::Layout::kHdf5) {
    files = {{"", image(resolved, keep_.predictions ? predictions : std::span<const double>(), trace)}};
  } else {
    if (keep_.predictions) files = {{kKeras, keras_text_}, {kHls, savetxt(predictions, model_.output_size())}};
    if (keep_.trace) files.push_back({kTrace, image(resolved, {}, trace)});
  }
  const std::string layout = layout_name(keep_.layout);
  Hash hash;
  for (const File& file : files) {
    const std::string path = path_of(point, layout, file.name);
    make_folder(fs::path(path).parent_path().string());
    write_file(path, file.bytes);
    hash.add(file.bytes);
  }
  std::string what = keep_.predictions ? "predictions" : "";
  if (keep_.trace) what += (what.empty() ? "trace:" : ",trace:") + std::to_string(keep_.traced);
  return layout + " " + what + " " + hash.text();
}

std::optional<std::vector<KeptFiles::File>> KeptFiles::read(const StoredPoint& point) const {
  const Kept kept = parse(point.kept);
  if (kept.hash.empty()) return std::nullopt;
  std::vector<File> files;
  Hash hash;
  for (const std::string& name : names(kept.layout, kept.what)) {
    const std::string path = path_of(point, kept.layout, name);
    if (!fs::exists(path)) return std::nullopt;
    files.push_back({path, read_file(path)});
    hash.add(files.back().bytes);
  }
  if (hash.text() != kept.hash) return std::nullopt;
  return files;
}

bool KeptFiles::holds_all(const std::string& text) const {
  const Kept kept = parse(text);
  return kept.layout == layout_name(keep_.layout) && (!keep_.predictions || holds(kept.what, "predictions")) &&
         (!keep_.trace || holds(kept.what, "trace:" + std::to_string(keep_.traced)));
}

bool KeptFiles::whole(const StoredPoint& point) const { return !any() || (holds_all(point.kept) && read(point).has_value()); }

std::optional<std::vector<double>> KeptFiles::predictions(const StoredPoint& point) const {
  if (!holds(parse(point.kept).what, "predictions")) return std::nullopt;
  const auto files = read(point);
  if (!files) return std::nullopt;
  std::vector<double> values = predictions_in(*files, point.kept);
  if (values.size() != reference_.size()) return std::nullopt;
  return values;
}

std::vector<double> KeptFiles::predictions_in(const std::vector<File>& files, const std::string& text) {
  if (parse(text).layout == "text") return numbers_of(files[1].bytes);
  const File& file = files.front();
  const auto* data = reinterpret_cast<const std::byte*>(file.bytes.data());
  const std::scoped_lock lock(hdf5);
  return Hdf5Reader(file.name, {data, data + file.bytes.size()}, Hdf5Trust::kOwn).read<double>("predictions").values;
}

const std::string& KeptTrace::float_layer(const std::string& layer) const {
  const auto other = float_layers.find(layer);
  return other == float_layers.end() ? layer : other->second;
}

KeptTrace kept_trace(const std::string& folder, const std::string& label, const StoredPoint& point, bool fixed) {
  const Kept kept = parse(point.kept);
  if (!holds_trace(kept.what)) return {};
  const std::string stem = folder + "/" + point_name(label, point);
  const bool text = kept.layout == "text";
  std::string path = text ? stem + ".model/" + kTrace : stem + ".h5";
  if (!fixed) path = folder + "/" + label + (text ? kFloatTrace : kFloat);
  if (!fs::exists(path)) return {};
  KeptTrace trace;
  const std::scoped_lock lock(hdf5);
  const Hdf5Reader file(path);
  if (fixed) {
    if (!file.has_attribute("/", "float_layers")) return {};
    const auto known = nlohmann::json::parse(file.attribute("/", "float_layers"), nullptr, false);
    if (!known.is_object()) throw Error(path + ": its attribute float_layers is damaged");
    for (const auto& [layer, other] : known.items()) trace.float_layers[layer] = other.is_string() ? other.get<std::string>() : "";
  }
  for (const std::string& layer : file.children("trace")) {
    auto array = file.read<double>("trace/" + layer);
    trace.samples = array.shape.empty() ? 0 : array.shape.front();
    trace.widths[layer] = array.shape.size() < 2 ? 1 : array.shape.back();
    trace.layers[layer] = std::move(array.values);
  }
  return trace;
}

}  // namespace narrow
