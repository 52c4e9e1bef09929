#ifndef NARROW_STUDY_STORE_H_
#define NARROW_STUDY_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "model/model.h"
#include "study/grid.h"
#include "study/metrics.h"

namespace narrow {

// What one point of a study came to.
struct StoredPoint {
  std::int64_t id = 0;
  Point point;
  bool finished = false;
  Metrics metrics;
  std::int64_t computed_as = 0;  // the point whose run answers this one; its own id where it was run
  bool clean = false;            // it was run and watched, and nothing overflowed anywhere
  double seconds = 0;
};

// A study in one SQLite file, STUDY/study.db: models and data by the hash of their content, every point that is planned, and of
// those that are done the types, metrics, kernels, time and narrow's version. A point is in it whole or not at all,
// whenever the program ends. docs/study.md has the tables and views.
//
// Throws Error for a file that is no study, damaged, of a newer version, or held by another narrow that writes to it.
class Store {
 public:
  enum class Mode : std::uint8_t { kRead, kWrite };  // one writer at a time; readers whenever they like
  // `folder` is the study's; kWrite makes what is missing.
  Store(const std::string& folder, Mode mode);
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store();

  // Throws Error where the study has a model of this label, or data, with another content.
  std::int64_t add_model(const Model& model, const std::string& label);
  std::int64_t add_data(const Dataset& data);
  // All points of a model on some data with the same options (how types follow from the point's bits, as text), old and new ones.
  std::vector<StoredPoint> plan(std::int64_t model, std::int64_t data, const std::vector<Point>& points, const std::string& options);
  // May be called from any thread.
  void finish(const StoredPoint& point, const std::string& types, const std::string& kernels);

  // Facts of the study as a whole, by name; `known` gives "" for one that is not there.
  void set(const std::string& name, const std::string& value);
  std::string known(const std::string& name) const;

  // Takes over everything of another study: its points where this one has not finished them. Throws Error, and takes
  // nothing, where models or data of one name are not the same.
  void take(const std::string& folder);

  struct ModelRow {
    std::int64_t id = 0;
    std::string label, name;
    std::size_t parameters = 0;
    std::size_t samples = 0;  // of the data that its points were run on; the most where there are several
  };
  std::vector<ModelRow> models() const;
  // Of all data and options, by id.
  std::vector<StoredPoint> points(std::int64_t model) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace narrow

#endif  // NARROW_STUDY_STORE_H_
