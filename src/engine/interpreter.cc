#include "engine/interpreter.h"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/enumerable_thread_specific.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>

#include "engine/machine.h"
#include "error.h"
#include "fixed/cast.h"

namespace narrow {
namespace {

template <class Raw>
RunResult run(const Program& program, std::span<const float> x, std::size_t n, const InterpretOptions& options) {
  const Model& model = program.model();
  std::vector<LaneStep> lanes;
  for (std::size_t i = 0; i < model.layers.size(); ++i) lanes.push_back(options.one_by_one ? LaneStep{} : make_lane_step(program, i));
  const std::size_t input_size = model.input_size();
  const std::size_t output_size = model.output_size();
  const std::size_t traced = std::min(options.traced, n);
  RunResult result{std::vector<double>(n * output_size), std::vector<std::vector<double>>(model.layers.size()),
                   std::vector<LayerCounts>(model.layers.size())};
  for (std::size_t i = 0; i < model.layers.size(); ++i) result.trace[i].resize(traced * size_of(model.layers[i].shape));

  tbb::enumerable_thread_specific<Machine<Raw>> machines([&] { return Machine<Raw>(program, lanes); });
  tbb::parallel_for(tbb::blocked_range<std::size_t>(0, n), [&](const tbb::blocked_range<std::size_t>& range) {
    Machine<Raw>& machine = machines.local();
    for (std::size_t s = range.begin(); s < range.end(); ++s) {
      machine.run(x.subspan(s * input_size, input_size));
      double* prediction = result.predictions.data() + s * output_size;
      for (const int output : model.outputs) {
        const auto layer = static_cast<std::size_t>(output);
        for (const Raw raw : machine.values(layer)) *prediction++ = to_double(raw, program.format(layer).fraction());
      }
      if (s >= traced) continue;
      for (std::size_t i = 0; i < model.layers.size(); ++i) {
        double* value = result.trace[i].data() + s * machine.values(i).size();
        for (const Raw raw : machine.values(i)) *value++ = to_double(raw, program.format(i).fraction());
      }
    }
  });
  for (const Machine<Raw>& machine : machines) {
    for (std::size_t i = 0; i < model.layers.size(); ++i) {
      result.counts[i] += machine.all_counts()[i];
    }
  }
  return result;
}

}  // namespace

void check_samples(const Program& program, std::size_t values, std::size_t n) {
  const Model& model = program.model();
  const std::size_t size = model.input_size();
  if (values == n * size) return;
  throw Error("model " + model.name + " takes " + std::to_string(size) + " values per sample; " + std::to_string(values) +
              " values are not " + std::to_string(n) + " samples");
}

RunResult interpret(const Program& program, std::span<const float> x, std::size_t n, const InterpretOptions& options) {
  check_samples(program, x.size(), n);
  return fits_int64(program) ? run<std::int64_t>(program, x, n, options) : run<Int128>(program, x, n, options);
}

}  // namespace narrow
