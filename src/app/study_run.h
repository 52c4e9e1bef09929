#ifndef NARROW_APP_STUDY_RUN_H_
#define NARROW_APP_STUDY_RUN_H_

#include <string>

#include "app/options.h"
#include "study/run.h"

namespace narrow {

// Runs a study with all that a user sees of it: training, a bar with the best point so far, what came out. Ctrl-C ends it after the
// points that are being run. `shard` is --shard's text, empty for the whole study.
void run_and_show(Definition definition, RunOptions options, const std::string& shard, const Globals& globals);

// Prints what run_and_show would do: models to train, points of each scan, samples, files; computes and writes nothing.
void show_plan(Definition definition, RunOptions options, const std::string& shard);

// Begins a study, as begin_study does, and writes what is to be computed into `file`.
void begin_and_show(const Definition& definition, const RunOptions& options, const std::string& file, const Globals& globals);

}  // namespace narrow

#endif  // NARROW_APP_STUDY_RUN_H_
