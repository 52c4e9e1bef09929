#ifndef NARROW_STUDY_KEPT_H_
#define NARROW_STUDY_KEPT_H_

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "engine/interpreter.h"
#include "study/definition.h"
#include "study/store.h"

namespace narrow {

// The targets of a scan's data, in its folder.
inline constexpr const char* kTargets = "regression_targets.txt";

// `64.16.6.wb_12.3`, or `64.label` of a point without coordinates: its name in the study's layout.
std::string point_name(const std::string& label, const StoredPoint& point);

// The files of a scan's points: what is kept of them besides the store. Layout::kText is the study's own:
//   {name}.model/keras_predictions.txt, hls_predictions.txt   as numpy.savetxt writes them
//   {name}.model/hls_trace.h5                                 `trace/LAYER` and the attribute `types`
//   {nodes}.keras_trace.h5                                    the float model's layers, `trace/LAYER`
// Layout::kHdf5 has a file a point, {name}.h5 with `predictions`, `trace/LAYER` and `types`, and {nodes}.keras.h5 with the float
// model's. A point's files are told in the store by a text that holds their hash, so that files which a power cut spoiled, or which
// are gone, are noticed.
//
// For any thread.
class KeptFiles {
 public:
  // Files of `data`'s first samples are traced; `reference` are the float model's predictions.
  KeptFiles(std::string folder, std::string label, const Keep& keep, const Model& model, const Dataset& data,
            const std::vector<float>& reference);

  bool any() const { return keep_.predictions || keep_.trace; }
  void write_float() const;
  // Writes a point's files and returns their text for the store.
  std::string write(const StoredPoint& point, const Program& program, std::span<const double> predictions) const;
  // The same for a point that follows another: the leader's values, the point's own types. Nothing where the leader's files are not as
  // they were written.
  std::optional<std::string> follow(const StoredPoint& point, const Resolved& resolved, const StoredPoint& leader) const;
  // Whether all that is asked for is there, as it was written.
  bool whole(const StoredPoint& point) const;
  // A point's predictions, where they are there as they were written.
  std::optional<std::vector<double>> predictions(const StoredPoint& point) const;

 private:
  struct File {
    std::string name;
    std::string bytes;
  };
  std::optional<std::vector<File>> read(const StoredPoint& point) const;
  std::string image(const Resolved& resolved, std::span<const double> predictions, const std::vector<std::vector<double>>& trace) const;
  std::string write(const StoredPoint& point, const Resolved& resolved, std::span<const double> predictions,
                    const std::vector<std::vector<double>>& trace) const;
  static std::vector<double> predictions_in(const std::vector<File>& files, const std::string& kept);
  bool holds_all(const std::string& kept) const;  // that is asked for, in its layout
  std::string path_of(const StoredPoint& point, const std::string& layout, const std::string& name) const;

  std::string folder_, label_;
  Keep keep_;
  const Model& model_;
  const Dataset& data_;
  const std::vector<float>& reference_;
  std::string keras_text_;
};

// How many bytes the files of a point have, about.
double kept_bytes(const Keep& keep, const Model& model, std::size_t samples);

// The files of one point, and those of a scan as a whole (the float model's, the targets), in the scan's folder; as far as they are there.
std::vector<std::string> files_of(const std::string& label, const StoredPoint& point);
std::vector<std::string> files_of(const Scan& scan);

// Values of the first samples, layer by layer, one sample behind the other.
struct KeptTrace {
  std::size_t samples = 0;
  std::map<std::string, std::vector<double>> layers;
  std::map<std::string, std::size_t> widths;        // nodes of each: the last of its axes
  std::map<std::string, std::string> float_layers;  // of layers that took in a BatchNormalization: the one to compare with

  // The float layer whose values are those of `layer`.
  const std::string& float_layer(const std::string& layer) const;
};

// What a point's files have of the fixed-point program, or of the float model (`fixed` false). Empty where no trace is kept, or it is
// gone, and where an older narrow kept it, which does not tell which layers took in a BatchNormalization.
KeptTrace kept_trace(const std::string& folder, const std::string& label, const StoredPoint& point, bool fixed);

}  // namespace narrow

#endif  // NARROW_STUDY_KEPT_H_
