#include "recover/recover.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "app/inputs.h"
#include "app/options.h"
#include "app/progress.h"
#include "app/table.h"
#include "data/text.h"
#include "error.h"
#include "files/model_file.h"
#include "keras/writer.h"
#include "model/inference.h"
#include "recover/written.h"
#include "search/halves.h"
#include "search/search.h"
#include "study/study_data.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

// Fewer samples do not tell an error that stays from one that comes and goes.
constexpr std::size_t kFewestSamples = 20;

struct Recover {
  InputArguments inputs;
  PrecisionArguments precision;
  MetricOptions metrics;
  std::string out, json;
  std::size_t searched = 0;
  bool bias = false, equalise = false, round = false;
};

// A network beside the others, on the samples that judge.
struct Line {
  std::string name;
  const Attempt& attempt;
  std::vector<double> deviations;  // squared, of each sample
  Estimate deviation;              // their mean
  Estimate gain;                   // against the network as it was
  std::vector<Estimate> metrics;
};

class RecoverText {
 public:
  RecoverText(const Model& model, const RecoverResult& result, const MeasuredSamples& judge)
      : model_(model), result_(result), judge_(judge) {
    add("as it was", result.before);
    for (const Attempt& each : result.alone) add(each.name() + " alone", each);
    add(result.best.recoveries.empty() ? "written: unchanged" : "written: " + result.best.name(), result.best);
  }

  std::string text() const {
    std::vector<std::string> header{"", result_.is_relative ? "relative rms deviation" : "rms deviation", "on unseen samples"};
    std::vector<std::size_t> shown;
    for (std::size_t i = 0; i < judge_.measure.names().size(); ++i) {
      const std::string& name = judge_.measure.names()[i].name;
      for (const char* each : {"mae", "bias", "resolution_loss", "accuracy_loss", "disagreement"}) {
        if (name == each) shown.push_back(i);
      }
    }
    for (const std::size_t i : shown) header.push_back(judge_.measure.names()[i].name);
    Table table(header);
    for (const Line& line : lines_) {
      std::vector<std::string> row{line.name, rms(line.attempt.deviation), rms(line.deviation)};
      for (const std::size_t i : shown) {
        const Metric& metric = judge_.measure.names()[i];
        // What is worked on is a bias with its sign, of which a study's words say the size.
        row.push_back(metric.name == "bias" ? short_number(line.metrics[i].value) + " +- " + short_number(line.metrics[i].error)
                                            : in_words(metric, line.metrics[i]));
      }
      table.add(row);
    }
    return table.text();
  }

  // What does not help, a sentence each.
  std::vector<std::string> said() const {
    std::vector<std::string> said;
    const auto changes = [](const Estimate& gain) {
      return std::string(gain.value < 0 ? "raises" : "lowers") + " the mean squared deviation by " + short_number(std::abs(gain.value)) +
             " +- " + short_number(gain.error);
    };
    for (const Attempt& each : result_.alone) {
      if (each.helps()) continue;
      said.push_back(each.name() + " alone does not help: on the calibration samples it " +
                     (each.changed.empty() ? "changes nothing" : changes(each.gain)));
    }
    const Line& written = lines_.back();
    if (!written.attempt.recoveries.empty() && !(written.gain.value > written.gain.error)) {
      said.push_back("what was written helps on the calibration samples, and not surely on the others, where it " + changes(written.gain));
    }
    if (written.attempt.recoveries.empty()) said.push_back("nothing helps: the network that was written has the weights that it had");
    return said;
  }

  ordered_json json() const {
    ordered_json document{{"deviations_are_relative", result_.is_relative}, {"results", ordered_json::array()}};
    for (const Line& line : lines_) {
      ordered_json own{{"recoveries", ordered_json::array()}, {"changed_layers", changed_layers(line.attempt)}};
      for (const Recovery each : line.attempt.recoveries) own["recoveries"].push_back(name_of(each));
      own["working"] = {{"mean_squared_deviation", entry(line.attempt.deviation)}, {"gain", entry(line.attempt.gain)}};
      own["judged"] = {{"mean_squared_deviation", entry(line.deviation)}, {"gain", entry(line.gain)}};
      for (std::size_t i = 0; i < line.metrics.size(); ++i)
        own["judged"]["metrics"][judge_.measure.names()[i].name] = entry(line.metrics[i]);
      document["results"].push_back(std::move(own));
    }
    return document;
  }

 private:
  void add(const std::string& name, const Attempt& attempt) {
    const std::vector<double> predictions = exact_predictions(attempt.network, judge_.data);
    Line line{name, attempt, squared_deviations(predictions, judge_.reference, attempt.network.model.output_size()), {}, {}, {}};
    line.deviation = mean_of(line.deviations, judge_.data.weights);
    line.gain = gain_of(lines_.empty() ? line.deviations : lines_.front().deviations, line.deviations, judge_.data.weights);
    line.metrics = judge_.measure.measure(predictions).metrics;
    lines_.push_back(std::move(line));
  }
  // Those that differ in the file, of which some may only have taken in a normalization.
  std::vector<std::string> changed_layers(const Attempt& attempt) const {
    return attempt.recoveries.empty() ? std::vector<std::string>() : layers_that_differ(model_, attempt.network.model);
  }
  static std::string rms(const Estimate& squares) {
    const double value = std::sqrt(squares.value);
    return short_number(value) + " +- " + short_number(value > 0 ? squares.error / (2 * value) : 0);
  }
  static ordered_json entry(const Estimate& estimate) { return {{"value", estimate.value}, {"error", estimate.error}}; }

  const Model& model_;  // as it was
  const RecoverResult& result_;
  const MeasuredSamples& judge_;
  std::vector<Line> lines_;
};

std::string text_of(const std::vector<SumError>& before, const std::vector<SumError>& after) {
  Table table({"summed error of the rows", "padded rows", "of padded rows", "of the others", "of all"});
  for (const auto& [what, errors] : {std::pair(" as it was", &before), std::pair(" as written", &after)}) {
    for (const SumError& each : *errors) {
      constexpr double kPerCent = 100;
      table.add({each.layer + what, number_text(kPerCent * each.share, 3) + " %", short_number(each.padded), short_number(each.others),
                 short_number(each.all)});
    }
  }
  return table.text();
}

ordered_json json_of(const std::vector<SumError>& errors) {
  ordered_json all = ordered_json::array();
  for (const SumError& each : errors) {
    all.push_back({{"layer", each.layer},
                   {"share_of_padded_rows", each.share},
                   {"rms_padded_rows", each.padded},
                   {"rms_other_rows", each.others},
                   {"rms", each.all}});
  }
  return all;
}

void require_writable(const Recover& recover, const Model& model) {
  require_model_path(recover.out);
  if (is_onnx(recover.inputs.path()))
    throw Error(recover.inputs.path() + ": recover writes networks of Keras; narrow does not write ONNX, nor what hls4ml makes of it");
  require_trained_in_float(model);
  if (is_keras2(model) && !recover.out.ends_with(".h5"))
    throw Error("--out " + recover.out + ": a network of Keras 2 is written as .h5; give such a name");
}

// A .json's weights are a file of their own, with one network's.
bool keeps_float_network(const std::string& path) { return !path.ends_with(".json"); }

// The file computes what was judged, and knows what it stands for.
void require_same(const Recover& recover, const std::string& path, const Network& network, const MeasuredSamples& judge) {
  const Model written = read_model(path);
  const Network again{written, written, recover.precision.resolve_for(written)};
  const Dataset& data = judge.data;
  const bool in_float =
      !network.model.stands_for || !keeps_float_network(recover.out) || infer(float_network(written), data.x, data.size) == judge.reference;
  if (!in_float || exact_predictions(again, data) != exact_predictions(network, data))
    throw std::logic_error(recover.out + " was not written, for it would compute something else than what was judged");
}

void run(const Recover& recover, const Globals& globals) {
  const Model model = recover.inputs.model();
  if (!recover.precision.given()) throw UsageError("give the types that the network is to have: --v and --wb, or --precision FILE");
  require_writable(recover, model);
  std::vector<std::string> inputs = recover.inputs.files();
  for (const std::string& file : recover.precision.files()) inputs.push_back(file);
  keep_inputs("--out", files_written(recover.out), inputs);
  keep_inputs("--json", {recover.json}, inputs);
  for (const std::string& file : files_written(recover.out)) {
    if (recover.json == file) throw Error("--json " + recover.json + ": it is a file that --out names; give another file");
  }
  const Dataset data = recover.inputs.data_that_counts(model, globals.quiet);
  const std::size_t searched = recover.searched == 0 ? data.size / 2 : recover.searched;
  if (searched < kFewestSamples || searched >= data.size) {
    throw Error("--search: some of the " + std::to_string(data.size) +
                " samples are to be worked on and the others to judge the result; at least " + std::to_string(kFewestSamples) +
                " are needed to work on, and one to judge");
  }
  const Targets targets = targets_of(recover.inputs.data_options(), data, model, recover.metrics.classes);
  const Dataset working = part(data, 0, searched);
  const MeasuredSamples judge(part(data, searched, data.size - searched), model, recover.metrics,
                              part(targets, searched, data.size - searched));
  print_notes(judge.measure.notes(), globals.quiet);
  print_notes(recover.precision.resolve_for(model).notes, globals.quiet);
  RecoverOptions options;
  const bool all = !recover.bias && !recover.equalise && !recover.round;
  if (all || recover.equalise) options.recoveries.push_back(Recovery::kEqualise);
  if (all || recover.round) options.recoveries.push_back(Recovery::kRound);
  if (all || recover.bias) options.recoveries.push_back(Recovery::kBias);
  Progress progress("steps", globals.quiet);
  std::size_t steps = 0;
  options.progress = [&](const std::string& what) { progress.show({++steps, 0, 0, 0, what}); };
  const std::vector<float> reference = infer(float_network(model), working.x, working.size);
  RecoverResult result = narrow::recover(
      model, [&](const Model& changed) { return recover.precision.resolve_for(changed); }, {working, reference}, options);
  if (!result.best.recoveries.empty()) result.best.network.model.stands_for = std::make_shared<const Model>(float_network(model));
  write_checked(result.best.network.model, recover.out,
                [&](const std::string& path) { require_same(recover, path, result.best.network, judge); });
  const auto sums_of = [&](const Attempt& attempt) {
    const Dataset& on = judge.data;
    return sum_errors(attempt.network, on.x, on.size, on.weights, on.preparation ? std::optional(on.preparation->padding) : std::nullopt);
  };
  const std::vector<SumError> before = sums_of(result.before);
  const std::vector<SumError> after = sums_of(result.best);
  const RecoverText shown(model, result, judge);
  if (!recover.json.empty()) {
    ordered_json document = shown.json();
    document["sums_before"] = json_of(before);
    document["sums_after"] = json_of(after);
    write_file(recover.json, document.dump(2) + "\n");
  }
  if (globals.quiet) return;
  std::printf("%s\n", shown.text().c_str());
  if (!before.empty()) std::printf("%s\n", text_of(before, after).c_str());
  std::printf("calibrated on %zu samples, judged on %zu others; %s: %s\n", working.size, judge.data.size, recover.out.c_str(),
              result.best.recoveries.empty() ? "the network as it was" : result.best.name().c_str());
  print_notes(result.notes, false);
  if (!keeps_float_network(recover.out)) {
    print_notes({recover.out +
                 " does not hold the first network, as .keras and .h5 do: metrics are against the float predictions of its own weights"},
                false);
  }
  print_notes(shown.said(), false);
}

}  // namespace

void add_recover(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("recover", "change a trained network's weights so that it loses less accuracy in given types");
  const auto recover = std::make_shared<Recover>();
  recover->inputs.add_model_to(*command);
  recover->inputs.add_data_to(*command);
  recover->precision.add_to(*command);
  command->add_option("--out", recover->out, "the network with other weights: .keras, .h5, or .json with its weights beside it")
      ->required();
  command->add_option("--json", recover->json, "everything that is shown, as JSON");
  command->add_option("--search", recover->searched, "calibration samples, the first ones; the others judge the result (default: half)")
      ->check(positive());
  command->add_flag("--equalise", recover->equalise,
                    "scale channels by powers of two between layers (without any of the three: all of them)");
  command->add_flag("--round", recover->round, "round weights up or down so that each layer keeps its output");
  command->add_flag("--bias", recover->bias, "change biases by what each layer lacks on average");
  command->add_option("--classes", recover->metrics.classes, "names of a classifier's classes, or none")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->callback([recover, &globals] { run(*recover, globals); });
}

}  // namespace narrow
