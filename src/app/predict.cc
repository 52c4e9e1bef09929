#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>

#include "app/inputs.h"
#include "app/options.h"
#include "app/table.h"
#include "data/text.h"
#include "engine/engine.h"
#include "error.h"
#include "model/inference.h"
#include "study/classes.h"
#include "study/classification.h"
#include "study/metrics.h"
#include "study/resamples.h"

namespace narrow {
namespace {

struct Predict {
  InputArguments inputs;
  PrecisionArguments precision;
  std::string out;
  bool interpreter = false;
};

// Of a classifier, how often its classes are the true ones and, where there are predictions in fixed point, the float model's; else empty.
// Says what is odd about the labels.
std::string of_classes(const Model& model, const Dataset& labels, const std::vector<float>& reference, const std::vector<double>* fixed) {
  const std::optional<Classes> classes = classes_of({}, labels, model);
  if (!classes) return "";
  const Resamples none(labels.size, 0);
  const ClassSamples samples(*classes, model.output_size(), labels.size, {}, {}, none);
  const Classification of_float(samples, std::vector<double>(reference.begin(), reference.end()));
  print_notes(classes->notes, false);
  if (const std::string doubt = doubt_of_labels(samples, of_float); !doubt.empty()) print_notes({doubt}, false);
  const Classification of_fixed(samples, fixed != nullptr ? *fixed : std::vector<double>(reference.begin(), reference.end()));
  const ClassMetrics metrics{samples, of_fixed, of_float};
  const auto per_cent = [](const Estimate& share) { return short_number(share.value) + " %"; };
  const bool has_truth = !classes->truth.empty();
  if (fixed == nullptr) return has_truth ? "; accuracy " + per_cent(metrics.accuracy()) : "";
  std::string text = has_truth ? "; accuracy " + per_cent(metrics.accuracy()) + ", of the float model " +
                                     per_cent(ClassMetrics{samples, of_float, of_float}.accuracy())
                               : "";
  return text + "; the float model's class for " + per_cent(metrics.agreement());
}

void run(const Predict& predict, const Globals& globals) {
  const Model model = predict.inputs.model();
  keep_inputs("--out", {predict.out}, predict.inputs.files());
  keep_inputs("--out", {predict.out}, predict.precision.files());
  if (predict.interpreter && !predict.precision.given()) throw Error("--interpreter runs fixed point: give a precision, as in --v 16,6");
  std::optional<Program> program;
  std::optional<Engine> engine;
  if (predict.precision.given()) {
    program = build_program(predict.precision.resolve_for(model));
    print_notes(program->resolved.notes, globals.quiet);
    if (!predict.interpreter) engine.emplace(*program, EngineOptions{});
  }
  std::vector<float> reference;
  RunResult result;
  Dataset labels;  // what is known of the samples but for their values
  if (program) result.counts.resize(program->model().layers.size());
  predict.inputs.for_blocks(model, globals.quiet, [&](const Dataset& block) {
    const std::vector<float> answers = infer(program ? float_network(model) : model, block.x, block.size);
    if (labels.size == 0) {
      labels.path = block.path;
      labels.targets = block.targets;
      labels.preparation = block.preparation;
    }
    labels.size += block.size;
    labels.y.insert(labels.y.end(), block.y.begin(), block.y.end());
    reference.insert(reference.end(), answers.begin(), answers.end());
    if (!program) return;
    const RunResult part = engine ? engine->run(block.x, block.size).run : interpret(*program, block.x, block.size);
    result.predictions.insert(result.predictions.end(), part.predictions.begin(), part.predictions.end());
    for (std::size_t i = 0; i < result.counts.size(); ++i) result.counts[i] += part.counts[i];
  });
  if (!program) {
    write_file(predict.out, savetxt(reference, model.output_size()));
    if (globals.quiet) return;
    std::printf("%zu predictions of the float model%s\n", reference.size() / model.output_size(),
                of_classes(model, labels, reference, nullptr).c_str());
    return;
  }
  write_file(predict.out, savetxt(result.predictions, model.output_size()));
  if (globals.quiet) return;
  const Metrics metrics = compare(result.predictions, reference);
  if (const std::string classes = of_classes(model, labels, reference, &result.predictions); !classes.empty()) {
    std::printf("%s\n%zu samples%s; MAE of the outputs %s\n", describe_counts(*program, result.counts).c_str(), labels.size,
                classes.c_str(), short_number(metrics.mae).c_str());
    return;
  }
  const std::string mpe = std::isnan(metrics.mpe) ? "unknown" : short_number(metrics.mpe) + " %";
  std::printf("%s\n%zu samples; against the float model, of the network's output: MAE %s, MPE %s",
              describe_counts(*program, result.counts).c_str(), reference.size() / model.output_size(), short_number(metrics.mae).c_str(),
              mpe.c_str());
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
  command->add_option("--out", predict->out, "text file of predictions, one row per sample")->required();
  command->add_flag("--interpreter", predict->interpreter, "run the reference implementation: the same numbers, slower");
  command->callback([predict, &globals] { run(*predict, globals); });
}

}  // namespace narrow
