#include <cstdio>
#include <memory>

#include "app/inputs.h"
#include "app/options.h"
#include "engine/engine.h"
#include "model/inference.h"
#include "report/text.h"
#include "study/metrics.h"

namespace narrow {
namespace {

struct Predict {
  InputArguments inputs;
  PrecisionArguments precision;
  std::string out;
  bool interpreter = false;
};

void run(const Predict& predict, const Globals& globals) {
  const Model model = predict.inputs.model();
  const Dataset data = predict.inputs.data(model, globals.quiet);
  const std::vector<float> reference = infer(model, data.x, data.size);
  if (!predict.precision.given()) {
    write_file(predict.out, savetxt(reference, model.output_size()));
    return;
  }
  const Program program = build_program(predict.precision.resolve_for(model));
  print_notes(program.resolved.notes, globals.quiet);
  const RunResult result = predict.interpreter ? interpret(program, data.x, data.size) : Engine(program, {}).run(data.x, data.size).run;
  write_file(predict.out, savetxt(result.predictions, model.output_size()));
  if (globals.quiet) return;
  const Metrics metrics = compare(result.predictions, reference);
  std::printf("%s\n%zu samples; against the float model: MAE %.4g, MPE %.4g %%", describe_counts(program, result.counts).c_str(), data.size,
              metrics.mae, metrics.mpe);
  if (metrics.left_out > 0) std::printf(" (%zu predictions of 0 left out)", metrics.left_out);
  std::printf("\n");
}

}  // namespace

void add_predict(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("predict", "run a model, in fixed point where a precision is given, and write its predictions");
  const auto predict = std::make_shared<Predict>();
  predict->inputs.add_model_to(*command);
  predict->inputs.add_data_to(*command);
  predict->precision.add_to(*command);
  command->add_option("--out", predict->out, "text file of predictions, a row a sample")->required();
  command->add_flag("--interpreter", predict->interpreter, "run the reference implementation: the same numbers, slower");
  command->callback([predict, &globals] { run(*predict, globals); });
}

}  // namespace narrow
