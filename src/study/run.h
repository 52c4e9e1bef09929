#ifndef NARROW_STUDY_RUN_H_
#define NARROW_STUDY_RUN_H_

#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "study/definition.h"
#include "study/part.h"
#include "study/store.h"

namespace narrow {

// How a study is run; none of it changes a number.
struct RunOptions {
  Shard shard;              // which points of each scan
  bool share = true;        // answer points by others that must give the same bits
  bool dedup = true;        // compute repeated rows once
  bool train_only = false;  // stop when the models are trained
  bool begin_only = false;  // stop when the store has all points as planned ones, and everything else that is known without running them
  std::optional<StudyPart>
      part;                    // compute these points alone, in a folder of their own for Store::take, which does not keep the definition
  std::string command;         // what the user typed, for the store
  std::function<bool()> stop;  // asked before each point; where it says so, run_study throws Interrupted
};

// The study was stopped by its user; everything that is done is kept.
class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "interrupted"; }
};

struct RunProgress {
  std::size_t done = 0, all = 0;  // points
  std::size_t found = 0;          // of those done, the ones that an earlier run did
  std::size_t samples = 0;        // computed so far, by this run
  std::string best;               // the point of the least MPE (accuracy loss of a classifier) so far, in words; empty before the first
};

// Progress callbacks.
struct RunWatch {
  FamilyWatch& training;
  std::function<void(const std::vector<std::string>&)> notes;
  std::function<void(const RunProgress&)> progress;  // from any thread, one at a time
};

// How one scan's points were answered.
struct ScanResult {
  Scan scan;
  std::size_t points = 0;
  std::size_t found = 0;     // done before, by an earlier run
  std::size_t computed = 0;  // run
  std::size_t followed = 0;  // answered by another point's run
  std::size_t measured = 0;  // done before; new metrics were taken from the predictions that are kept
  std::size_t skipped = 0;   // of the grid, with more integer than total bits
};

// A training's history (history_json), a fact of the study in its store: a study that is copied has it.
std::string fact_of_history(const std::string& model_path);

// What a study will do, as far as it is known before anything is computed.
struct PlannedTraining {
  std::string path;
  bool done = false;     // by an earlier run, on the same data with the same options
  std::string training;  // describe_training, with its epochs
};
struct PlannedScan {
  std::string label, data_name, options;
  std::size_t samples = 0;
  std::size_t points = 0;
  std::size_t skipped = 0;          // of the grid, with more integer than total bits
  std::size_t found = 0;            // done by an earlier run
  std::size_t measured = 0;         // of those, the ones that lack a metric
  std::size_t least = 0;            // of the rest, points that are run in any case
  std::size_t most = 0;             // all of the rest: those that are run if each overflows, so that none answers another
  std::size_t multiplications = 0;  // of the model, for a sample
  bool has_targets = false;         // of the data
  double kept = 0;                  // bytes of the files that are kept of the points to come, about
  std::vector<Point> to_run{};      // `most` of them
};
struct StudyPlan {
  std::vector<PlannedTraining> trainings;
  std::vector<PlannedScan> scans;
  std::vector<std::string> files;  // that will be written, in words
};

// Checks everything, as run_study does, reads what the study has, and writes nothing.
StudyPlan plan_study(const Definition& definition, const RunOptions& options);

// Runs or resumes a study in the folder definition.out: trains what is to be trained, then computes every point that
// the store has not, and writes for each scan, into its folder,
//   regression_targets.txt                              the data's targets, where it has them
//   what is kept                                        study/kept.h
//   results_{nodes}_mpe.txt, results_{nodes}_mae.txt    the best precision, then every precision's value
//   points_{nodes}.txt                                  which points were run and which follow from another
// {nodes} is the width of the hidden layers; for a model with unequal ones, and for models that would share it, the model's name.
// Everything is checked before the first point runs; a training that would replace a model of which the study has results is refused before
// anything is trained. A scan's files are published when its points are done.
std::vector<ScanResult> run_study(const Definition& definition, const RunOptions& options, const RunWatch& watch);

// Begins a study of one data set and one grid whose points are computed elsewhere, part by part, and returns what is to be computed.
// (Of points that lack a metric alone, the next run_study computes it.)
StudyPart begin_study(const Definition& definition, RunOptions options, const RunWatch& watch);

}  // namespace narrow

#endif  // NARROW_STUDY_RUN_H_
