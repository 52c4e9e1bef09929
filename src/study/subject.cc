#include "study/subject.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "error.h"
#include "files/model_file.h"
#include "keras/reader.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// A model that the study knows keeps its label, whatever else is run; its file may have another name than before, unless that is the
// label of another one of these models.
std::set<std::string> keep_labels(std::vector<Subject>& subjects, const KnownModels& known) {
  std::set<std::string> kept;
  for (const bool of_its_name : {true, false}) {
    for (Subject& subject : subjects) {
      if (!subject.label.empty()) continue;
      const std::string hash = content_hash(subject.model);
      const auto same = std::find_if(known.begin(), known.end(), [&](const Store::KnownModel& each) {
        return each.hash == hash && (each.name == subject.model.name || !of_its_name) && !kept.contains(each.label);
      });
      if (same != known.end()) kept.insert(subject.label = same->label);
    }
  }
  return kept;
}

// A new model's: its width (`usual`) where no other model has it, or its name. `kept` are those of models that are among the subjects.
std::string new_label(const std::string& name, const std::string& usual, bool alone, const KnownModels& known,
                      const std::set<std::string>& kept) {
  for (const Store::KnownModel& each : known) {
    // Its file has changed, whatever its width now is, which Store::add_model refuses, or an older narrow did not say what was in it.
    if (each.name == name && !kept.contains(each.label)) return each.label;
    if (each.label == usual && !each.hash.empty()) alone = false;
  }
  return alone ? usual : name;
}

void give_labels(std::vector<Subject>& subjects, const KnownModels& known) {
  const std::set<std::string> kept = keep_labels(subjects, known);
  const auto usual = [](const Subject& subject) {
    const int width = common_width(subject.model);
    return width > 0 ? std::to_string(width) : subject.model.name;
  };
  std::map<std::string, int> uses;
  for (const Subject& subject : subjects) ++uses[usual(subject)];
  std::set<std::string> labels;
  for (Subject& subject : subjects) {
    const std::string label = usual(subject);
    if (subject.label.empty()) subject.label = new_label(subject.model.name, label, uses[label] == 1, known, kept);
    if (!labels.insert(subject.label).second)
      throw Error("two models are called " + subject.label + ": their results would share files; rename one");
  }
}

}  // namespace

std::vector<Subject> all_models(const Definition& definition, bool trained, const KnownModels& known) {
  std::vector<Subject> subjects;
  for (const std::string& path : definition.models) subjects.push_back({read_model(path), {}});
  for (const Family& family : definition.training) {
    if (trained) {
      for (const std::string& path : paths_of(family)) {
        if (!fs::exists(path)) throw Error(path + ": the model has not been trained; train it first, with narrow run --train-only");
        subjects.push_back({read_keras(path), {}});
      }
    } else {
      for (Model& model : untrained(family)) subjects.push_back({std::move(model), {}});
    }
  }
  give_labels(subjects, known);
  return subjects;
}

namespace {

// In one way, but for the number of rows, of which the largest.
std::optional<Preparation> common_preparation(const std::vector<Subject>& subjects) {
  std::optional<Preparation> common;
  for (const Subject& subject : subjects) {
    const std::optional<Preparation>& own = subject.model.preparation;
    if (!own) continue;
    if (!common) common = own;
    common->vmax = std::max(common->vmax, own->vmax);
    const std::string different = difference(own, common, Agreement::kInputs);
    if (!different.empty()) {
      throw Error("model " + subject.model.name +
                  " was trained on data that were prepared differently from those of the models before it (" + different +
                  "); study it separately");
    }
  }
  return common;
}

}  // namespace

DataSource source_for(const DataOptions& options, const std::vector<Subject>& subjects) {
  DataSource source = options.source_for(common_preparation(subjects));
  for (const Subject& subject : subjects) {
    const std::vector<std::string> inputs = names_of_inputs(subject.model);
    if (&subject == &subjects.front()) source.inputs = inputs;
    if (inputs == source.inputs) continue;
    throw Error("model " + subject.model.name + " takes other inputs than model " + subjects.front().model.name + "; study it separately");
  }
  return source;
}

}  // namespace narrow
