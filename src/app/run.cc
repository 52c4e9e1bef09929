#include <filesystem>
#include <memory>

#include "app/options.h"
#include "app/progress.h"
#include "app/study_run.h"
#include "data/generate.h"
#include "error.h"

namespace narrow {
namespace {

struct Run {
  std::string file, out, shard;
  bool plan = false;
  RunOptions options;
};

void run(const Run& run, const Globals& globals) {
  Definition definition = read_definition(run.file);
  if (!run.out.empty()) definition.out = run.out;
  for (const GeneratedFile& file : definition.generated) {
    if (std::filesystem::exists(file.path)) continue;
    if (run.plan) throw Error(file.path + ": it is not generated yet; narrow run does so, and so does narrow generate");
    Progress progress("samples of " + file.path, globals.quiet);
    write_generated(file, [&](std::size_t done) { progress.show({.done = done, .all = file.samples}); });
  }
  RunOptions options = run.options;
  options.command = globals.command;
  if (run.plan) show_plan(std::move(definition), std::move(options), run.shard);
  else run_and_show(std::move(definition), std::move(options), run.shard, globals);
}

}  // namespace

void add_run(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("run", "train and study everything that a file defines");
  const auto arguments = std::make_shared<Run>();
  command->add_option("file", arguments->file, "study.yml: data, models, grids, metrics, what to keep")->required();
  command->add_option("--out", arguments->out, "folder of the study, instead of the file's");
  command->add_flag("--train-only", arguments->options.train_only, "train the models and stop; shards need them trained");
  command->add_flag("--plan", arguments->plan, "print what would be trained, computed and written, and do nothing");
  command->add_option("--shard", arguments->shard,
                      "3/40: the third of forty parts of the points, into OUT/shard-3-of-40; narrow merge joins them");
  command->callback([arguments, &globals] { run(*arguments, globals); });
}

}  // namespace narrow
