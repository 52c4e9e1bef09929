#include <cstdio>
#include <memory>

#include "app/inputs.h"
#include "app/options.h"
#include "data/hdf5.h"
#include "error.h"

namespace narrow {
namespace {

struct Prepare {
  DataArguments data;
  std::string out;
};

void run(const Prepare& prepare, const Globals& globals) {
  const DataOptions options = prepare.data.options();
  keep_inputs("--out", {prepare.out}, prepare.data.files());
  SampleReader reader(options.source());
  Hdf5Writer file(prepare.out);
  std::size_t samples = 0;
  constexpr std::size_t kBlock = 4096;
  for (std::size_t left = options.limit(); left > 0;) {
    const Dataset block = reader.read(std::min(kBlock, left));
    if (samples == 0 && block.preparation) file.write_attribute("/", "preparation", to_json(*block.preparation));
    std::vector<hsize_t> shape{block.size};
    shape.insert(shape.end(), block.shape.begin(), block.shape.end());
    if (block.size > 0) {
      file.append<float>("/x", shape, block.x);
      if (!block.weights.empty()) file.append<float>("/weight", {block.size}, block.weights);
      if (block.targets > 0) file.append<float>("/y", {block.size, block.targets}, block.y);
    }
    samples += block.size;
    left -= block.size;
    if (block.size < std::min(kBlock, left + block.size)) break;
  }
  print_notes(reader.notes(), globals.quiet);
  if (samples == 0) throw Error(prepare.out + ": nothing is left to write; every cluster was left out");
  file.commit();
  if (!globals.quiet) std::printf("%zu samples in %s\n", samples, prepare.out.c_str());
}

}  // namespace

void add_prepare(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("prepare", "make a network's input from clusters, and write it as HDF5");
  const auto prepare = std::make_shared<Prepare>();
  prepare->data.add_to(*command);
  command->add_option("--out", prepare->out, "prepared samples, .h5")->required();
  command->callback([prepare, &globals] { run(*prepare, globals); });
}

}  // namespace narrow
