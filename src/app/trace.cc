#include <cstdio>
#include <memory>

#include "app/inputs.h"
#include "app/options.h"
#include "engine/engine.h"
#include "model/inference.h"
#include "study/trace.h"

namespace narrow {
namespace {

struct Trace {
  InputArguments inputs;
  PrecisionArguments precision;
  std::string out;
};

void run(const Trace& trace, const Globals& globals) {
  const Model model = trace.inputs.model();
  keep_inputs("--out", {trace.out}, trace.inputs.files());
  keep_inputs("--out", {trace.out}, trace.precision.files());
  const Dataset data = trace.inputs.data(model, globals.quiet);
  Hdf5Writer file(trace.out);
  std::vector<hsize_t> shape{data.size};
  shape.insert(shape.end(), data.shape.begin(), data.shape.end());
  file.write<float>("input", shape, data.x, true);
  const std::vector<float> reference = infer(model, data.x, data.size);
  file.write<float>("float", {data.size, model.output_size()}, reference);
  add_float_trace(file, "float_trace", model, data, data.size);
  if (trace.precision.given()) {
    const Program program = build_program(trace.precision.resolve_for(model));
    print_notes(program.resolved.notes, globals.quiet);
    const RunResult result = Engine(program, {.dedup = false, .fuse = false}).trace(data.x, data.size).run;
    file.write<double>("predictions", {data.size, model.output_size()}, result.predictions);
    add_fixed_trace(file, "trace", program.resolved, result.trace, data.size);
    if (!globals.quiet) std::printf("%s", describe_counts(program, result.counts).c_str());
  }
  file.commit();
}

}  // namespace

void add_trace(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("trace", "write the output of every layer, float and fixed, as HDF5");
  const auto trace = std::make_shared<Trace>();
  trace->inputs.add_model_to(*command);
  trace->inputs.add_data_to(*command);
  trace->precision.add_to(*command);
  command->add_option("--out", trace->out, "HDF5 file: input, float, predictions, trace/LAYER, float_trace/LAYER")->required();
  command->callback([trace, &globals] { run(*trace, globals); });
}

}  // namespace narrow
