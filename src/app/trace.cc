#include <cstdio>
#include <memory>

#include "app/inputs.h"
#include "app/options.h"
#include "data/text.h"
#include "engine/engine.h"
#include "model/inference.h"
#include "study/trace.h"

namespace narrow {
namespace {

struct Trace {
  InputArguments inputs;
  PrecisionArguments precision;
  std::string out, layout = "hdf5";
};

constexpr const char* kFloatDict = "keras_trace_dict.npz";
constexpr const char* kFixedDict = "hls_trace_dict.npz";

std::vector<std::string> outputs(const Trace& trace) {
  if (trace.layout == "hdf5") return {trace.out};
  return {trace.out + "/" + kFloatDict, trace.out + "/" + kFixedDict};
}

// The dictionaries of arrays that the study's scripts keep as .pkl.
void write_dicts(const Trace& trace, const Model& model, const Dataset& data, const Globals& globals) {
  const auto write_float = [&] {
    make_folder(trace.out);
    write_trace_dict(trace.out + "/" + kFloatDict, model, float_trace(model, data, data.size), data.size);
  };
  if (!trace.precision.given()) return write_float();
  const Program program = build_program(trace.precision.resolve_for(model));
  print_notes(program.resolved.notes, globals.quiet);
  const RunResult result = Engine(program, {.dedup = false, .fuse = false}).trace(data.x, data.size).run;
  write_float();
  write_trace_dict(trace.out + "/" + kFixedDict, program.model(), result.trace, data.size);
  if (!globals.quiet) std::printf("%s", describe_counts(program, result.counts).c_str());
}

// `input`, or of several inputs `input/NAME`.
void add_inputs(Hdf5Writer& file, const Dataset& data) {
  std::vector<std::pair<std::string, Shape>> inputs;
  for (const auto& [name, shape] : data.inputs) inputs.emplace_back("input/" + name, shape);
  if (inputs.empty()) inputs.emplace_back("input", data.shape);
  else file.make_group("input");
  const std::size_t width = size_of(data.shape);
  std::size_t offset = 0;
  for (const auto& [name, shape] : inputs) {
    const std::size_t size = size_of(shape);
    std::vector<float> values;
    for (std::size_t s = 0; s < data.size; ++s) {
      const auto sample = data.x.begin() + static_cast<std::ptrdiff_t>(s * width + offset);
      values.insert(values.end(), sample, sample + static_cast<std::ptrdiff_t>(size));
    }
    offset += size;
    std::vector<hsize_t> sizes{data.size};
    sizes.insert(sizes.end(), shape.begin(), shape.end());
    file.write<float>(name, sizes, values, true);
  }
}

void run(const Trace& trace, const Globals& globals) {
  const Model model = trace.inputs.model();
  keep_inputs("--out", outputs(trace), trace.inputs.files());
  keep_inputs("--out", outputs(trace), trace.precision.files());
  const Dataset data = trace.inputs.data(model, globals.quiet);
  if (trace.layout == "npz") return write_dicts(trace, model, data, globals);
  Hdf5Writer file(trace.out);
  add_inputs(file, data);
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
  command
      ->add_option("--out", trace->out,
                   "HDF5 file: input (of several inputs input/NAME), float, predictions, trace/LAYER, float_trace/LAYER; of npz a folder")
      ->required();
  command
      ->add_option("--layout", trace->layout,
                   "hdf5, one file; npz, a folder with keras_trace_dict.npz and hls_trace_dict.npz, dictionaries of arrays by layer")
      ->check(CLI::IsMember({"hdf5", "npz"}))
      ->capture_default_str();
  command->callback([trace, &globals] { run(*trace, globals); });
}

}  // namespace narrow
