#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "app/inputs.h"
#include "app/options.h"
#include "app/table.h"
#include "error.h"
#include "files/model_file.h"
#include "hls4ml/project.h"
#include "keras/reader.h"
#include "study/best.h"
#include "study/definition.h"
#include "study/layout.h"
#include "study/outdated.h"
#include "study/scan.h"
#include "study/trace.h"

namespace narrow {
namespace {

struct Export {
  InputArguments inputs;
  PrecisionArguments precision;
  std::string study, data, kind, metric, below, out;
  std::vector<int> at;
  Question question;
};

std::string described(const Scan& scan) {
  return scan.label + (scan.data_name.empty() ? "" : " on " + scan.data_name) + ", " + scan.options;
}

// The one scan of this model in the study that the options leave.
Scan scan_of(const Export& wanted, const Store& store, const Model& model) {
  const std::string hash = content_hash(model);
  std::vector<Scan> found;
  std::vector<std::string> labels;
  for (const Store::KnownModel& known : store.models()) {
    if (known.hash == hash) labels.push_back(known.label);
  }
  if (labels.empty()) throw Error(wanted.study + ": model " + model.name + " is not one of the study's models, or was changed since");
  std::string choices;
  for (const Scan& scan : store.scans()) {
    if (std::find(labels.begin(), labels.end(), scan.label) == labels.end()) continue;
    choices += (choices.empty() ? "" : "; ") + described(scan);
    if (!wanted.data.empty() && scan.data_name != wanted.data) continue;
    if (!wanted.kind.empty() && scan.options != wanted.kind) continue;
    found.push_back(scan);
  }
  if (found.empty()) throw Error(wanted.study + ": it has nothing of that --data and --kind; it has " + choices);
  if (found.size() > 1) throw Error(wanted.study + ": choose one of " + choices + " with --data or --kind");
  return found.front();
}

StoredPoint point_at(const Export& wanted, const std::vector<StoredPoint>& points) {
  const Point point{wanted.at[0], wanted.at[1], wanted.at[2], wanted.at[3]};
  for (const StoredPoint& each : points) {
    if (each.finished && each.point == point) return each;
  }
  throw Error(wanted.study + ": it has no finished point --at " + std::to_string(point.v_full) + "," + std::to_string(point.v_int) + "," +
              std::to_string(point.wb_full) + "," + std::to_string(point.wb_int) + " (v_full,v_int,wb_full,wb_int)");
}

// The point that `best` recommends for the scan.
StoredPoint point_below(const Export& wanted, const Store& store, const Scan& scan, bool quiet) {
  Question question = wanted.question;
  question.bounds = parse_bounds(wanted.below, wanted.metric, store.metrics());
  const Answer answer = best_of(store, scan, question);
  if (!answer.point) {
    std::string why;
    for (const std::string& sentence : answer.said) why += (why.empty() ? "" : "; ") + sentence;
    throw Error(wanted.study + ": no point of " + described(scan) + " is recommended within these bounds" +
                (why.empty() ? "" : ": " + why));
  }
  print_notes(answer.said, quiet);
  return *answer.point;
}

// The types of the chosen point, as the study's run had them.
Resolved resolve_point(const Export& wanted, const Model& model, bool quiet) {
  const Store store(wanted.study, Store::Mode::kRead);
  const Scan scan = scan_of(wanted, store, model);
  const StoredPoint point = wanted.at.empty() ? point_below(wanted, store, scan, quiet) : point_at(wanted, store.points(scan, {}));
  if (!point.point) throw Error(wanted.study + ": point " + point.label + " has no coordinates; give its types with --precision");
  Outdated outdated;
  outdated.add(point);
  if (outdated.any()) print_notes({outdated.sentence()}, quiet);
  Resolved resolved = resolve(model, config_at(model, options_described(scan.options), *point.point));
  if (types_json(resolved) != store.types(point)) {
    throw Error(wanted.study + ": this narrow infers other types for " + types_of(point) +
                " than the one that ran the study; run it again");
  }
  if (!quiet) std::printf("%s: %s\n", described(scan).c_str(), types_of(point).c_str());
  return resolved;
}

void run(const Export& wanted, const Globals& globals) {
  const Model model = wanted.inputs.model();
  if (wanted.study.empty() != wanted.precision.given()) {
    throw Error("export: give a precision (--v 16,6 or --precision FILE), or a study's point (--study FOLDER with --below or --at)");
  }
  if (!wanted.study.empty() && wanted.below.empty() == wanted.at.empty()) {
    throw Error("--study: choose its point with --below BOUND or with --at V_FULL,V_INT,WB_FULL,WB_INT");
  }
  if (is_onnx(wanted.inputs.path())) {
    throw Error(wanted.inputs.path() +
                ": hls4ml reads an ONNX file itself; give it the types that `narrow show --save` writes (docs/onnx.md)");
  }
  const Resolved resolved = wanted.study.empty() ? wanted.precision.resolve_for(model) : resolve_point(wanted, model, globals.quiet);
  write_project(resolved, wanted.out);
  // What is to be said of the network as it is written; of what was folded hls4ml sees nothing.
  const Model written = read_keras(wanted.out + "/model.h5");
  print_notes(resolve(written, read_config(wanted.out + "/hls4ml_config.yml", written)).notes, globals.quiet);
  if (!globals.quiet) std::printf("%s: `python convert.py` there makes the hls4ml model\n", wanted.out.c_str());
}

}  // namespace

void add_export(CLI::App& app, const Globals& globals) {
  auto* command =
      app.add_subcommand("export", "write a folder from which hls4ml computes the same bits, for a precision or a study's point");
  const auto wanted = std::make_shared<Export>();
  wanted->inputs.add_model_to(*command);
  wanted->precision.add_to(*command);
  auto* study = command->add_option("--study", wanted->study, "take the precision from this study of the model");
  auto* below =
      command->add_option("--below", wanted->below, "the point that `best` recommends within this bound, or several")->check(bounds());
  auto* metric = command->add_option("--metric", wanted->metric, "what --below bounds; as for `best`");
  auto* any = command->add_flag("--any", wanted->question.any, "the fewest bits within the bounds, recommended or not; as for `best`");
  constexpr int kCoordinates = 4;
  auto* at = command->add_option("--at", wanted->at, "the study's point with these bits: V_FULL,V_INT,WB_FULL,WB_INT")
                 ->delimiter(',')
                 ->expected(kCoordinates);
  auto* data = command->add_option("--data", wanted->data, "of a study with several data sets, the name of one");
  auto* kind =
      command->add_option("--kind", wanted->kind, "of a study with several kinds of types, one as `best` shows it: auto, uniform, ...");
  for (CLI::Option* option : {below, at, data, kind}) option->needs(study);
  for (CLI::Option* option : {metric, any}) option->needs(below);
  at->excludes(below);
  command->add_option("--out", wanted->out, "the folder to make")->required();
  command->callback([wanted, &globals] { run(*wanted, globals); });
}

}  // namespace narrow
