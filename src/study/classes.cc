#include "study/classes.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <set>
#include <sstream>
#include <string_view>

#include "data/text.h"
#include "error.h"

namespace narrow {
namespace {

std::string last_activation(const Model& model) {
  if (model.outputs.size() != 1) return "";
  const Layer& last = model.layers[static_cast<std::size_t>(model.outputs.front())];
  if (last.op->keras_class() == "Softmax") return "softmax";
  for (const Setting& setting : last.op->settings()) {
    if (setting.name == "activation" && std::holds_alternative<std::string>(setting.value)) return std::get<std::string>(setting.value);
  }
  return "";
}

// Outputs of one layer without further axes.
bool has_scores(const Model& model) {
  return model.outputs.size() == 1 && model.layers[static_cast<std::size_t>(model.outputs.front())].shape.size() == 1;
}

// The class of a row of targets; nothing where it is none.
std::optional<std::uint16_t> class_of(const float* row, std::size_t targets, std::size_t classes) {
  if (targets == 1) {
    if (!(*row >= 0 && *row < static_cast<float>(classes)) || *row != static_cast<float>(static_cast<int>(*row))) return std::nullopt;
    return static_cast<std::uint16_t>(*row);
  }
  std::optional<std::uint16_t> found;
  for (std::size_t i = 0; i < targets; ++i) {
    if (row[i] == 0) continue;
    if (row[i] != 1 || found) return std::nullopt;
    found = static_cast<std::uint16_t>(i);
  }
  return found;
}

// Why targets are no classes; empty where they are, and `truth` then has them.
std::string fill_truth(Classes& classes, const Dataset& data, std::size_t outputs) {
  const std::size_t targets = data.targets;
  if (targets == 0) return "";
  const std::size_t count = classes.names.size();
  if (targets != 1 && targets != outputs) {
    return data.path + " has " + std::to_string(targets) + " targets a sample; those of " + std::to_string(count) +
           " classes are as many (a 1 and zeros), or one (the class, from 0 to " + std::to_string(count - 1) + ")";
  }
  const std::size_t samples = data.y.size() / targets;
  std::vector<std::uint16_t> truth;
  truth.reserve(samples);
  for (std::size_t i = 0; i < samples; ++i) {
    const float* row = data.y.data() + i * targets;
    const std::optional<std::uint16_t> own = class_of(row, targets, count);
    if (!own) {
      std::string values;
      for (std::size_t k = 0; k < targets; ++k) values += (k == 0 ? "" : " ") + short_text(row[k]);
      return data.path + ": the targets of row " + std::to_string(i) + " are no class: " + values + "; " +
             (targets == 1 ? "a class is a whole number from 0 to " + std::to_string(count - 1) : "one of them should be 1, the others 0");
    }
    truth.push_back(*own);
  }
  classes.truth = std::move(truth);
  return "";
}

std::string no_truth(const Dataset& data) {
  return "the true classes are not known, because " + data.path +
         " has no targets (y): only the agreement with the float model is measured, no accuracy and no ROC curves";
}

bool has_only_0_and_1(const Dataset& data) {
  return data.targets == 1 && !data.y.empty() && std::all_of(data.y.begin(), data.y.end(), [](float y) { return y == 0 || y == 1; });
}

}  // namespace

std::string in_one_line(const std::vector<std::string>& classes) {
  std::string text;
  for (const std::string& name : classes) text += (text.empty() ? "" : ",") + name;
  return text;
}

std::vector<std::string> classes_in_line(const std::string& line) {
  std::vector<std::string> classes;
  std::istringstream stream(line);
  for (std::string name; std::getline(stream, name, ',');) classes.push_back(name);
  return classes;
}

void check_classes(const std::vector<std::string>& asked) {
  std::set<std::string> seen;
  for (const std::string& name : asked) {
    const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '+' || c == '.'; };
    if (name.empty() || !std::all_of(name.begin(), name.end(), fits))
      throw Error("classes: '" + name + "' cannot be a class's name: it has letters, digits, _, -, + and .");
    if (!seen.insert(name).second) throw Error("classes: " + name + " is given twice");
  }
  if (asked.size() == 1 && asked.front() != "none") {
    throw Error("classes: " + asked.front() +
                " is one class; give all, in the order of the outputs (of a single output background,signal)");
  }
  if (asked.size() > std::numeric_limits<std::uint16_t>::max()) throw Error("classes: there are too many");
}

std::optional<Classes> classes_of(const std::vector<std::string>& asked, const Dataset& data, const Model& model) {
  if (asked == std::vector<std::string>{"none"}) return std::nullopt;
  const std::size_t outputs = model.output_size();
  const std::string activation = last_activation(model);
  const bool sigmoid = activation == "sigmoid" || activation == "hard_sigmoid";
  const std::size_t count = outputs == 1 ? 2 : outputs;
  Classes classes;
  classes.probabilities = activation == "softmax" ? outputs > 1 : sigmoid && outputs == 1;
  classes.cut = sigmoid ? 0.5 : 0;  // NOLINT(readability-magic-numbers)
  if (!asked.empty()) {
    if (!has_scores(model)) throw Error("classes: model " + model.name + " has no single row of outputs, one a class");
    if (asked.size() != count) {
      throw Error("classes: " + std::to_string(asked.size()) + " are given (" + in_one_line(asked) + "), and model " + model.name +
                  " has " +
                  (outputs == 1 ? "one output, of two classes: background,signal" : std::to_string(outputs) + " outputs, one a class"));
    }
    classes.names = asked;
    if (const std::string why = fill_truth(classes, data, outputs); !why.empty()) throw Error(why);
    if (classes.truth.empty()) classes.notes.push_back(no_truth(data));
    return classes;
  }
  if (!has_scores(model)) return std::nullopt;
  const bool plain = !data.preparation || !data.preparation->target ||
                     (data.preparation->target->logarithm == Logarithm::kNone && data.preparation->target->divide == 1);
  const bool recognised = outputs > 1 ? activation == "softmax" : sigmoid && plain && has_only_0_and_1(data);
  if (!recognised) return std::nullopt;
  for (std::size_t i = 0; i < count; ++i) classes.names.push_back(std::to_string(i));
  const std::string why = fill_truth(classes, data, outputs);
  classes.recognised = "treated as a classifier of " + std::to_string(count) + " classes, " + classes.names.front() + " to " +
                       classes.names.back() + ", because it ends in a " + activation +
                       (outputs == 1 ? " and its targets are 0 and 1" : "") +
                       "; --classes names them, --classes none compares its outputs alone";
  if (!why.empty()) classes.notes.push_back("the true classes are not known: " + why);
  else if (classes.truth.empty()) classes.notes.push_back(no_truth(data));
  return classes;
}

}  // namespace narrow
