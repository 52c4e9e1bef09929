#include "study/study_data.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "data/text.h"
#include "error.h"
#include "study/classes.h"

namespace narrow {
namespace {

// Where the model alone says how its target was prepared, the data's may be in another form: 20 GeV taken as log(E)/10 are e^200.
void check_truth(const Dataset& data, const Targets& targets) {
  if (!targets.assumed) return;
  for (std::size_t i = 0; i < targets.truth.size(); ++i) {
    if (std::isfinite(targets.of_data.undo(targets.truth[i]))) continue;
    throw Error(data.path + ": target " + short_text(targets.truth[i]) + " of row " + std::to_string(i) +
                " is infinite when undone as the model's, " + to_string(targets.of_data) +
                "; say with --target how the data's is prepared");
  }
}

}  // namespace

FittedData read_fitted(const StudyData& of, const std::vector<Subject>& subjects) {
  Dataset data = read_dataset(source_for(of.options, subjects), of.options.limit());
  if (!data.weights.empty() && std::all_of(data.weights.begin(), data.weights.end(), [](float weight) { return weight == 0; })) {
    throw Error(data.path + ": every sample has the weight 0");
  }
  FittedData result;
  result.notes = std::move(data.notes);
  data.notes.clear();
  if (std::string used = samples_in_words(of.options, kDefaultSamples, data); !used.empty()) result.notes.push_back(std::move(used));
  result.header = header_of(data);
  result.samples = data.size;
  result.all = data.size < of.options.limit() || data.left == std::optional<std::size_t>(0);
  for (const Subject& subject : subjects) {
    const Shape shape = fit_to(result.header, subject.model).shape;
    if (result.fitted.contains(shape)) continue;
    Dataset own = fit_to(data, subject.model);
    result.notes.insert(result.notes.end(), own.notes.begin(), own.notes.end());
    result.fitted.emplace(shape, std::move(own));
  }
  return result;
}

Dataset header_of(const Dataset& data) {
  Dataset header;
  header.path = data.path;
  header.shape = data.shape;
  header.inputs = data.inputs;
  header.targets = data.targets;
  header.preparation = data.preparation;
  return header;
}

Dataset that_count(Dataset data) {
  if (std::find(data.weights.begin(), data.weights.end(), 0.F) == data.weights.end()) return data;
  Dataset own = header_of(data);
  const auto take = [](std::vector<float>& to, const std::vector<float>& from, std::size_t sample, std::size_t per_sample) {
    const auto begin = from.begin() + static_cast<std::ptrdiff_t>(sample * per_sample);
    to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(per_sample));
  };
  for (std::size_t s = 0; s < data.size; ++s) {
    if (data.weights[s] == 0) continue;
    take(own.x, data.x, s, data.x.size() / data.size);
    take(own.y, data.y, s, data.targets);
    own.weights.push_back(data.weights[s]);
  }
  own.size = own.weights.size();
  return own;
}

Targets targets_of(const DataOptions& options, const Dataset& data, const Model& model, const std::vector<std::string>& classes) {
  const auto known = [](const std::optional<Preparation>& preparation) { return preparation ? preparation->target : std::nullopt; };
  std::optional<Feature> of_data = known(data.preparation);
  if (!options.target.empty() && options.target != "none") of_data = parse_feature(options.target);
  const std::optional<Feature> of_model = known(model.preparation);
  Targets targets;
  targets.outputs = model.output_size();
  targets.weights = data.weights;
  targets.of_model = of_model ? of_model : of_data;
  if (of_data || of_model) targets.of_data = of_data ? *of_data : *of_model;
  targets.assumed = !of_data && of_model;
  targets.classes = classes_of(classes, data, model);
  if (targets.outputs != 1 || targets.classes) {
    targets.of_model.reset();
    targets.assumed = false;
  } else if (data.targets == 1) {
    targets.truth = data.y;
    if (!targets.of_model) targets.of_model = targets.of_data;
  }
  return targets;
}

std::string unused_targets(const DataOptions& options, const Dataset& data, const Model& model, const Targets& targets) {
  if (targets.classes) return "";  // (It says itself where true classes are not known.)
  const std::size_t outputs = model.output_size();
  if (data.targets > 0 && (data.targets > 1 || outputs > 1)) {
    return data.path + " has " + std::to_string(data.targets) + " targets a sample and model " + model.name + " " +
           std::to_string(outputs) + " outputs: they are not compared; resolution, linearity and turn-on are of one target and one output" +
           (outputs > 1 ? ", and accuracy and ROC curves of classes: is it a classifier? (--classes)" : "");
  }
  if (data.targets == 0 && !options.target.empty() && options.target != "none") {
    return data.path + " has no targets (y): with --target " + options.target +
           " predictions are undone, but there is nothing to compare them with";
  }
  return "";
}

std::vector<TargetFact> target_facts(const StudyData& of, const Subject& subject, const Dataset& data, const Targets& targets) {
  std::vector<TargetFact> facts;
  if (!targets.of_model) return facts;
  if (!targets.truth.empty()) facts.push_back({fact_of_target(of.name), to_string(targets.of_data), data.path});
  facts.push_back({fact_of_model_target(subject.label, of.name), to_string(*targets.of_model), "model " + subject.model.name});
  return facts;
}

MetricOptions with_known(MetricOptions metrics, const Store& store) {
  if (metrics.unit.empty()) metrics.unit = store.known(kUnitFact);
  if (metrics.classes.empty()) metrics.classes = classes_in_line(store.known(kClassesFact));
  return metrics;
}

void check_study_data(const Store* store, const MetricOptions& metrics, const StudyData& of, const std::vector<Subject>& subjects,
                      const FittedData& data) {
  const auto known_of = [&](const std::string& fact) { return store == nullptr ? "" : store->known(fact); };
  std::map<std::string, std::pair<std::string, std::string>> asked;  // of each fact its value, and whose model has it
  if (const std::string known = known_of(kClassesFact), classes = in_one_line(metrics.classes);
      !known.empty() && !classes.empty() && known != classes) {
    throw Error("--classes " + classes + ": the classes of this study are " + known + "; give another --out, or the same classes");
  }
  for (const Subject& subject : subjects) {
    const Dataset& own = data.of(subject.model);
    const Targets targets = targets_of(of.options, own, subject.model, metrics.classes);
    check_truth(own, targets);
    for (const TargetFact& fact : target_facts(of, subject, own, targets)) {
      const auto [same, is_new] = asked.emplace(fact.name, std::pair(fact.value, subject.model.name));
      if (same->second.first != fact.value) {
        throw Error(own.path + ": it does not say how its target is prepared, and the models were trained on different ones (" +
                    same->second.second + ": " + same->second.first + ", " + subject.model.name + ": " + fact.value +
                    "); say it with target: or --target");
      }
      const std::string known = known_of(fact.name);
      if (known.empty() || known == fact.value) continue;
      throw Error(fact.whose + ": the target of this study is " + known + ", and " + fact.value +
                  " is asked for; give another --out, or the same target");
    }
  }
  const std::string& unit = metrics.unit;
  const std::string known = !asked.empty() && !unit.empty() ? known_of(kUnitFact) : "";
  if (!known.empty() && unit != known) {
    throw Error("--unit " + unit + ": the unit of the target in this study is " + known + "; give another --out, or the same unit");
  }
  for (const auto& [shape, own] : data.fitted) {
    if (store == nullptr || !store->has_other(own, of.name)) continue;
    const std::string began = known_of(fact_of_reading(of.name));
    throw other_data(own, began.empty() ? "" : difference(began, of.options));
  }
}

}  // namespace narrow
