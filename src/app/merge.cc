#include <cstdio>
#include <memory>

#include "app/options.h"
#include "study/merge.h"

namespace narrow {
namespace {

struct Merge {
  std::string study;
  std::vector<std::string> parts;
};

void run(const Merge& merge, const Globals& globals) {
  const MergeResult result = merge_shards(merge.study, merge.parts);
  if (globals.quiet) return;
  std::printf("%zu of %zu points are done\n", result.finished, result.points);
  if (result.left_out.any()) std::printf("%s\n", result.left_out.sentence(" and are left out; run their shards again").c_str());
  std::string missing;
  for (const int shard : result.missing) missing += (missing.empty() ? "" : ", ") + std::to_string(shard);
  if (!missing.empty()) std::printf("missing of %d shards: %s\n", result.of, missing.c_str());
}

}  // namespace

void add_merge(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("merge", "join the shards of a study, and say what is missing");
  const auto merge = std::make_shared<Merge>();
  command->add_option("study", merge->study, "the study's folder, the sweep's --out")->required();
  command->add_option("parts", merge->parts, "folders of shards (default: all in the study's folder)");
  command->callback([merge, &globals] { run(*merge, globals); });
}

}  // namespace narrow
