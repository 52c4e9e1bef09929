#include "data/generate.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/options.h"
#include "app/progress.h"
#include "error.h"

namespace narrow {
namespace {

struct Generate {
  std::string out, kind = "showers";
  std::size_t samples = 10000;
  std::uint64_t seed = 1;
  int vmax = 128;
};

void run(const Generate& arguments, const Globals& globals) {
  const GeneratorKind kind = arguments.kind == "uniform" ? GeneratorKind::kUniform : GeneratorKind::kShowers;
  const std::unique_ptr<ClusterWriter> writer = create_clusters(arguments.out, generated_columns());
  Progress progress("clusters", globals.quiet);
  constexpr std::size_t kBlock = 1000;
  for (std::size_t done = 0; done < arguments.samples; done += kBlock) {
    const std::size_t count = std::min(kBlock, arguments.samples - done);
    writer->write(generate(kind, arguments.seed, done, count, arguments.vmax));
    progress.show({.done = done + count, .all = arguments.samples});
  }
  writer->commit();
}

}  // namespace

void add_generate(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("generate", "make clusters of calorimeter cells, with the true energy as target");
  const auto arguments = std::make_shared<Generate>();
  command->add_option("out", arguments->out, "file of clusters: .h5, .npz or .root")->required();
  command->add_option("--kind", arguments->kind, "showers (a parametric calorimeter) or uniform (random numbers)")
      ->check(CLI::IsMember({"showers", "uniform"}))
      ->capture_default_str();
  command->add_option("--samples", arguments->samples, "clusters")->check(positive())->capture_default_str();
  command->add_option("--seed", arguments->seed, "the same seed makes the same clusters on any machine")->capture_default_str();
  command->add_option("--vmax", arguments->vmax, "uniform clusters have from 4 to vmax - 1 cells")
      ->check(CLI::Range(5, 100000))
      ->capture_default_str();
  command->callback([arguments, &globals] { run(*arguments, globals); });
}

}  // namespace narrow
