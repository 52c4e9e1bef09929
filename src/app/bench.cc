#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/inputs.h"
#include "app/options.h"
#include "engine/engine.h"
#include "engine/kernels.h"
#include "error.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct Bench {
  InputArguments inputs;
  PrecisionArguments precision;
  bool no_dedup = false;
  bool interpreter = false;
  std::string counting = "none";
  int rounds = 5;
  std::string instruction_set;
};

double seconds_of(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Counting counting_of(const std::string& name) {
  return name == "none" ? Counting::kNone : name == "overflow" ? Counting::kOverflow : Counting::kAll;
}

// Multiplications of the layers, as they run, for n samples, when a share of the rows of sets is counted instead of computed.
double multiplications_done(const Model& model, double n, double counted_rows) {
  double all = 0;
  for (const Layer& layer : model.layers)
    all += static_cast<double>(multiplications(layer)) * (layer.shape.size() > 1 ? 1 - counted_rows : 1);
  return all * n;
}

// A layer alone: rows through its Dense until some time has passed.
ordered_json bench_layer(const Program& program, const Engine& engine, std::size_t index, double peak) {
  const Layer& layer = program.model().layers[index];
  ordered_json entry = {{"layer", layer.name}, {"kernel", engine.kernels()[index]}};
  if (layer.shape.size() < 2) return entry;
  const double rate = engine.layer_rate(index);
  if (rate > 0) {
    entry["multiplications_per_s"] = rate;
    entry["share_of_peak"] = rate / peak;
  }
  return entry;
}

void run(const Bench& bench, const Globals& globals) {
  if (!bench.instruction_set.empty()) restrict_instruction_set(bench.instruction_set);
  const Model model = bench.inputs.model();
  const Dataset data = bench.inputs.data(model, globals.quiet);
  if (!bench.precision.given()) throw Error("bench measures fixed point: give a precision, as in --v 16,6");
  const Program program = build_program(bench.precision.resolve_for(model));
  print_notes(program.resolved.notes, globals.quiet);
  const EngineOptions options{.counting = counting_of(bench.counting), .dedup = !bench.no_dedup};
  const Engine engine(program, options);
  EngineResult result;
  const auto once = [&] {
    if (bench.interpreter) interpret(program, data.x, data.size);
    else result = engine.run(data.x, data.size);
  };
  once();
  std::vector<double> seconds;
  seconds.reserve(static_cast<std::size_t>(bench.rounds));
  std::vector<double> cpu_seconds;
  cpu_seconds.reserve(seconds.capacity());
  for (int i = 0; i < bench.rounds; ++i) {
    const std::clock_t start = std::clock();
    seconds.push_back(seconds_of(once));
    cpu_seconds.push_back(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  const double typical = median(seconds);
  const double peak16 = measured_peak(16);
  ordered_json out = {
      {"model", model.name},
      {"samples", data.size},
      {"threads", globals.threads > 0 ? globals.threads : static_cast<int>(std::thread::hardware_concurrency())},
      {"instruction_set", instruction_set()},
      {"samples_per_s", static_cast<double>(data.size) / typical},
      {"samples_per_cpu_s", static_cast<double>(data.size) / median(cpu_seconds)},
      {"multiplications_per_s", multiplications_done(program.model(), static_cast<double>(data.size), result.counted_rows) / typical},
      {"counted_rows", result.counted_rows},
      {"peak_int16_per_core", peak16},
      {"peak_int8_per_core", measured_peak(8)},
      {"layers", ordered_json::array()}};
  if (bench.interpreter) {
    out["layers"].push_back("interpreter");
  } else {
    for (std::size_t i = 0; i < program.model().layers.size(); ++i) out["layers"].push_back(bench_layer(program, engine, i, peak16));
  }
  std::printf("%s\n", out.dump(2).c_str());
}

}  // namespace

void add_bench(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("bench", "measure samples a second, as JSON, with the kernel of each layer");
  const auto bench = std::make_shared<Bench>();
  bench->inputs.add_model_to(*command);
  bench->inputs.add_data_to(*command);
  bench->precision.add_to(*command);
  command->add_flag("--no-dedup", bench->no_dedup, "compute repeated rows (padding) like any others");
  command->add_flag("--interpreter", bench->interpreter, "measure the interpreter instead");
  command->add_option("--count", bench->counting, "what is counted on the way: none, overflow (as sweep does), all (as predict does)")
      ->check(CLI::IsMember({"none", "overflow", "all"}))
      ->capture_default_str();
  command->add_option("--rounds", bench->rounds, "runs of which the median counts, after one to warm up")
      ->check(positive())
      ->capture_default_str();
  command->add_option("--instruction-set", bench->instruction_set,
                      "AVX3_DL (AVX-512 with VNNI), AVX3, AVX2 or EMU128 (plain C++); default: the machine's best");
  command->callback([bench, &globals] { run(*bench, globals); });
}

}  // namespace narrow
