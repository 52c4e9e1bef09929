#include "data/generate.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "app/inputs.h"
#include "app/options.h"
#include "app/progress.h"
#include "error.h"

namespace narrow {
namespace {

constexpr std::uint64_t kDefaultSeed = 1;

struct Generate {
  GeneratedFile file;
  std::optional<std::uint64_t> seed;
};

void run(const Generate& arguments, const Globals& globals) {
  GeneratedFile file = arguments.file;
  file.seed = arguments.seed.value_or(kDefaultSeed);
  const std::string what = file.kind == "jets" ? "jets" : "clusters";
  Progress progress(what, globals.quiet);
  write_generated(file, [&](std::size_t done) { progress.show({.done = done, .all = file.samples}); });
  if (!arguments.seed) {
    print_notes({"seed " + std::to_string(file.seed) + ", as none was given: another file of this seed has the same " + what +
                 "; give data to test a model on a --seed of their own"},
                globals.quiet);
  }
}

}  // namespace

void add_generate(CLI::App& app, const Globals& globals) {
  auto* command =
      app.add_subcommand("generate", "make clusters of calorimeter cells, with the true energy as target, or jets of five classes");
  const auto arguments = std::make_shared<Generate>();
  command->add_option("out", arguments->file.path, "file of clusters: .h5, .npz or .root; of jets .h5 or .npz")->required();
  command
      ->add_option("--kind", arguments->file.kind,
                   "showers (a parametric calorimeter), uniform (random numbers), or jets (five classes by 16 features)")
      ->check(CLI::IsMember(generator_kinds()))
      ->capture_default_str();
  command->add_option("--samples", arguments->file.samples, "clusters, or jets")->check(positive())->capture_default_str();
  command->add_option("--seed", arguments->seed, "the same seed makes the same samples on any machine")
      ->default_str(std::to_string(kDefaultSeed));
  command->add_option("--vmax", arguments->file.vmax, "uniform clusters have from 4 to vmax - 1 cells")
      ->check(CLI::Range(5, 100000))
      ->capture_default_str();
  command->callback([arguments, &globals] { run(*arguments, globals); });
}

}  // namespace narrow
