// Reading clusters and preparing them, from each kind of file: clusters a second are items_per_second.
//
//     build/reading_bench
#include <benchmark/benchmark.h>

#include <filesystem>
#include <memory>

#include <unistd.h>

#include "data/dataset.h"
#include "data/generate.h"
#include "error.h"

namespace narrow {
namespace {

constexpr std::size_t kClusters = 50000;

void read_clusters(benchmark::State& state, const char* ending) {
  const std::string path = std::filesystem::temp_directory_path() / ("narrow_" + std::to_string(getpid()) + ending);
  try {
    const auto writer = create_clusters(path, generated_columns());
    constexpr std::size_t kBlock = 1000;
    for (std::size_t i = 0; i < kClusters; i += kBlock) writer->write(generate(GeneratorKind::kShowers, 1, i, kBlock, 128));
    writer->commit();
  } catch (const Error& error) {
    state.SkipWithError(error.what());
    return;
  }
  for (auto _ : state) {
    DataSource source;
    source.paths = {path};
    SampleReader reader(source);
    while (reader.read(4096).size > 0) {
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kClusters));
  std::filesystem::remove(path);
}

BENCHMARK_CAPTURE(read_clusters, root, ".root")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_clusters, hdf5, ".h5")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_clusters, npz, ".npz")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace narrow

BENCHMARK_MAIN();
