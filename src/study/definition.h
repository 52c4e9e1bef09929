#ifndef NARROW_STUDY_DEFINITION_H_
#define NARROW_STUDY_DEFINITION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/generate.h"
#include "precision/config.h"
#include "study/grid.h"
#include "study/metrics.h"
#include "train/family.h"

namespace narrow {

// A data set of a study; `name` tells it from the others, and may be empty where it is alone.
struct StudyData {
  std::string name;
  DataOptions options;
};

// Precisions, and how types follow from a point's bits: `precision` with vector's and weight's bits set by the grid.
struct StudyGrid {
  Grid grid;
  PrecisionOptions precision;
};

// What is kept of a point besides what the store has: by default what the study's scripts read, whether it is swept or run from a file.
struct Keep {
  enum class Layout : std::uint8_t { kText, kHdf5 };
  bool predictions = true, trace = true;
  std::size_t traced = 1;  // samples whose layers are in a trace
  Layout layout = Layout::kText;
};

// A search for a type for each tensor of each model, after the grids. What it searches on are samples of its own; those of the study judge.
struct StudySearch {
  DataOptions data;
  std::string below;  // bounds, as `narrow search --below` takes them
  std::string cost = "bits";
  int most = 24;      // bits of a tensor
  double sigmas = 1;  // by how many errors a bound is to be met
  double margin = 0;  // headroom of results above the largest value, per cent
};

// What a study is to compute: every model at every point of every grid on all data. `narrow sweep` makes it from its command line,
// `narrow run` reads it from a file; the store keeps it as text.
struct Definition {
  std::string out;                       // the study's folder
  std::vector<GeneratedFile> generated;  // files that are made first, where they are not there
  std::vector<StudyData> data;           // samples: 1000 where nothing is said
  std::vector<std::string> models;       // files, as read_model takes them
  std::vector<Family> training;          // models that are trained first
  std::vector<StudyGrid> grids;
  MetricOptions metrics;
  Keep keep;
  std::optional<StudySearch> search;
  std::size_t counted = 100;  // samples of each point whose overflows are counted layer by layer; 0 for none
};

inline constexpr std::size_t kDefaultSamples = 1000;

// Reads YAML as docs/study.md describes it. Throws Error, with `path` and the line, for anything that it does not know.
Definition read_definition(const std::string& path);
Definition parse_definition(const std::string& text, const std::string& path);
// The same as YAML, everything said and in one order: two definitions of one meaning have one text.
std::string to_yaml(const Definition& definition);

// The same of the options of data.
std::string to_yaml(const DataOptions& options);
// In which options data were read otherwise `before` (to_yaml) than now: `select: not given then, energy > 5 now`; empty where in none.
std::string difference(const std::string& before, const DataOptions& now);

// `auto`, `uniform relu:AP_RND,AP_SAT`: how types follow from the bits, in words.
std::string describe(const PrecisionOptions& options);
// The options behind such words; their types of vectors and weights are left to the grid. Throws Error for other words.
PrecisionOptions options_described(const std::string& words);

// `predictions,trace` or `none`, in the place of the default. Throws Error, naming `option`.
void parse_keep(const std::string& option, const std::string& text, Keep& keep);

// Throws Error for a negative tolerance, values that stand twice, and edges that do not rise.
void check_metrics(const MetricOptions& options);

}  // namespace narrow

#endif  // NARROW_STUDY_DEFINITION_H_
