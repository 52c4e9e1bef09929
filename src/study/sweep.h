#ifndef NARROW_STUDY_SWEEP_H_
#define NARROW_STUDY_SWEEP_H_

#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "model/model.h"
#include "precision/config.h"
#include "study/grid.h"
#include "study/metrics.h"

namespace narrow {

// A grid of precisions for some models on one data set.
struct Sweep {
  std::vector<std::string> models;  // paths, as read_keras takes them
  // The data, given how the models' inputs were prepared (JSON, or empty where not known).
  std::function<DataSource(const std::string& preparation)> data;
  Grid grid;
  PrecisionOptions precision;  // vector and weight are set by the grid, with the modes that stand here
  std::size_t samples = 1000;  // at most
  std::size_t traced = 1;      // samples whose layers are written, for each point
  bool share = true;           // answer points by others that must give the same bits
  bool dedup = true;           // compute repeated rows once
  std::string out;             // folder of the study; made where it is missing. A study that was stopped goes on.
  Shard shard;                 // which points of the grid
  std::function<bool()> stop;  // asked before each point; where it says so, run_sweep throws Interrupted
};

// The study was stopped by its user; everything that is done is kept.
class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "interrupted"; }
};

struct SweepPoint {
  Point point;
  Metrics metrics;
  // The point whose run answers this one too (see answers_for), as an index of SweepModel::points; its own where it was run.
  std::size_t computed_as = 0;
};

struct SweepModel {
  std::string name;   // the model's
  std::string label;  // {nodes} of the study's layout, or the model's name
  std::vector<SweepPoint> points;
  std::size_t best(double Metrics::*metric) const;  // index of the least; ties go to the fewest bits
};

struct SweepResult {
  std::vector<SweepModel> models;
  std::size_t samples = 0;
  std::size_t found = 0;    // points that were done before, by an earlier run
  std::size_t skipped = 0;  // points of the grid with more integer than total bits
  std::vector<std::string> notes;
};

// Called from time to time with the points done and all points.
using SweepProgress = std::function<void(std::size_t done, std::size_t all)>;

// Computes every point and writes the study's layout into `out`:
//   regression_targets.txt                                      the data's targets, where it has them
//   {nodes}.keras_trace.h5                                      float outputs of every layer for the traced samples
//   {nodes}.{v_full}.{v_int}.wb_{wb_full}.{wb_int}.model/       a folder a point
//       keras_predictions.txt, hls_predictions.txt              as numpy.savetxt writes them
//       hls_trace.h5                                            fixed-point outputs of every layer
//   results_{nodes}_mpe.txt, results_{nodes}_mae.txt            the best precision, then every precision's value
//   points_{nodes}.txt                                          which points were run and which follow from another
//   heatmap_{nodes}_mpe.html and .vl.json                       integer by total bits, and the same for _mae
// {nodes} is the width of the hidden layers; for a model with unequal ones, and for models that would share it, the
// model's name. Everything is checked before the first point runs.
SweepResult run_sweep(const Sweep& sweep, const SweepProgress& progress = {});

// What joining the shards of a study came to.
struct MergeResult {
  std::size_t points = 0, finished = 0;
  std::vector<int> missing;  // shards that are not there
  int of = 0;
};

// Joins the shards below `folder` (shard-3-of-40), or those in `parts` where some are named, into the study `folder`: store,
// kept files, and the results of each model. Throws Error where they do not belong together.
MergeResult merge_shards(const std::string& folder, std::vector<std::string> parts);

}  // namespace narrow

#endif  // NARROW_STUDY_SWEEP_H_
