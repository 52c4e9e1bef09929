#include "train/checkpoint.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "data/hash.h"
#include "data/hdf5.h"
#include "data/preparation.h"
#include "error.h"
#include "layers/dense.h"
#include "train/settings.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

std::string hash_of(const TrainData& data) {
  Hash hash;
  hash.add(data.vmax);
  hash.add(data.pad);
  hash.add(data.y);
  if (!data.weights.empty()) hash.add(data.weights);
  hash.add(data.rows);
  for (const std::size_t start : data.starts) hash.add(start);
  return hash.text();
}

std::string hash_of(const std::vector<float>& values) {
  Hash hash;
  hash.add(values);
  return hash.text();
}

// The groups of arrays that a state is made of.
template <class State, class Use>
void for_arrays(State& state, const Use& use) {
  use("/weights", state.weights);
  use("/first_moments", state.first_moments);
  use("/second_moments", state.second_moments);
  use("/best_weights", state.best_weights);
}

// What describe_training says only where it differs from this.
const ordered_json& usual_training() {
  static const ordered_json kUsual{{"trainer", 1},         {"double_precision", false}, {"seed_words", 1},
                                   {"activation", "relu"}, {"output", "linear"},        {"class_weights", ""}};
  return kUsual;
}

}  // namespace

std::string describe_training(const Model& model, const TrainData& data, const TrainData& validation, const Family& family, int trainer) {
  ordered_json layers = ordered_json::array();
  for (const Layer& layer : model.layers) {
    if (const auto* dense = as<Dense>(layer)) layers.push_back({layer.name, dense->n_in, dense->n_out, hash_of(dense->kernel)});
  }
  ordered_json training{{"layers", layers}, {"data", hash_of(data)}, {"validation", hash_of(validation)}};
  training["preparation"] = model.preparation ? to_json(*model.preparation) : "";
  for (const TrainSetting& setting : train_settings()) {
    const bool whole = setting.role == TrainSetting::Role::kLength && family.options.schedule != Schedule::kConstant;
    if (usual_training().contains(setting.name) && setting.text(family) == usual_training().at(setting.name)) continue;
    if (whole || setting.role == TrainSetting::Role::kRun) training[setting.name] = setting.text(family);
  }
  training["count_padding"] = family.options.count_padding;
  if (family.options.double_precision) training["double_precision"] = true;
  // What an older narrow wrote does not say these.
  if (trainer != 1) training["trainer"] = trainer;
  constexpr int kWord = 32;
  if (family.options.seed >> kWord != 0) training["seed_words"] = 2;  // of which it shuffled by one
  return training.dump();
}

namespace {

std::string in_words(const ordered_json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

std::string difference_in(const std::string& name, const ordered_json& before, const ordered_json& now) {
  if (name == "layers") return "its layers or their first weights";
  if (name == "data") return "its training samples";
  if (name == "validation") return "its validation samples";
  if (name == "preparation" && !in_words(before).empty() && !in_words(now).empty()) {
    return difference(preparation_from_json(in_words(before)), preparation_from_json(in_words(now)), Agreement::kAll);
  }
  return name + " " + in_words(before) + " and " + in_words(now);
}

}  // namespace

std::string difference_of_trainings(const std::string& before, const std::string& now) try {
  const auto parsed = [](const std::string& text) {
    const std::size_t end = text.rfind('}') + 1;
    ordered_json json = ordered_json::parse(text.substr(0, end), nullptr, false);
    if (!json.is_object()) return json;
    int epochs = 0;
    if (std::sscanf(text.c_str() + end, " epochs %d", &epochs) == 1) json["epochs"] = epochs;
    for (const auto& [name, value] : usual_training().items())
      if (!json.contains(name)) json[name] = value;
    return json;
  };
  const ordered_json a = parsed(before);
  const ordered_json b = parsed(now);
  if (!a.is_object() || a.size() != b.size()) return "";
  std::vector<std::string> parts;
  for (const auto& [name, value] : b.items()) {
    if (!a.contains(name) || a.at(name).type() != value.type()) return "";
    if (a.at(name) == value) continue;
    const std::string part = difference_in(name, a.at(name), value);
    // Samples that are prepared otherwise are others, and another seed makes other first weights.
    if (name == "preparation") std::erase_if(parts, [](const std::string& other) { return other.ends_with("samples"); });
    if (name == "seed") std::erase_if(parts, [](const std::string& other) { return other.ends_with("weights"); });
    if (!part.empty()) parts.push_back(part);
  }
  return parts.empty() ? "" : listed(parts);
} catch (const Error&) {  // a preparation that is not today's
  return "";
}

void write_checkpoint(const std::string& path, const TrainState& state, const std::string& training) {
  Hdf5Writer file(path);
  file.write_attribute("/", "training", training);
  ordered_json epochs = ordered_json::array();
  for (const Epoch& e : state.history) epochs.push_back({e.epoch, e.loss, e.val_loss, e.learning_rate, e.seconds});
  file.write_attribute("/", "state",
                       ordered_json{{"history", epochs},
                                    {"best_loss", state.best_loss},
                                    {"best_epoch", state.best_epoch},
                                    {"reduce_best", state.reduce_best},
                                    {"reduce_wait", state.reduce_wait},
                                    {"stop_wait", state.stop_wait},
                                    {"learning_rate", state.learning_rate},
                                    {"step", state.step}}
                           .dump());
  for_arrays(state, [&](const std::string& group, const std::vector<std::vector<float>>& arrays) {
    for (std::size_t i = 0; i < arrays.size(); ++i) file.write<float>(group + "/" + std::to_string(i), {arrays[i].size()}, arrays[i]);
  });
  file.commit();
}

TrainState read_checkpoint(const std::string& path, const std::string& training) {
  const Hdf5Reader file(path);
  if (file.attribute("/", "training") != training) {
    throw Error(path + ": it is the checkpoint of a training with other data or options; remove it, or give --restart, to begin anew");
  }
  TrainState state;
  try {
    const ordered_json json = ordered_json::parse(file.attribute("/", "state"));
    for (const ordered_json& e : json.at("history")) state.history.push_back({e.at(0), e.at(1), e.at(2), e.at(3), e.at(4)});
    state.best_loss = json.at("best_loss");
    state.best_epoch = json.at("best_epoch");
    state.reduce_best = json.at("reduce_best");
    state.reduce_wait = json.at("reduce_wait");
    state.stop_wait = json.at("stop_wait");
    state.learning_rate = json.at("learning_rate");
    state.step = json.at("step");
  } catch (const nlohmann::json::exception&) {
    throw Error(path + ": it is damaged; remove it, or give --restart, to begin anew");
  }
  for_arrays(state, [&](const std::string& group, std::vector<std::vector<float>>& arrays) {
    const std::size_t count = file.children(group).size();
    for (std::size_t i = 0; i < count; ++i) arrays.push_back(file.read<float>(group + "/" + std::to_string(i)).values);
  });
  return state;
}

std::string history_json(const TrainState& state) {
  ordered_json json;
  for (const Epoch& epoch : state.history) {
    json["loss"].push_back(epoch.loss);
    json["val_loss"].push_back(epoch.val_loss);
    json["learning_rate"].push_back(epoch.learning_rate);
  }
  return json.dump(1) + "\n";
}

std::string history_csv(const TrainState& state) {
  std::string text = "epoch,learning_rate,loss,val_loss,seconds\n";
  for (const Epoch& epoch : state.history) {
    char line[160];
    std::snprintf(line, sizeof line, "%d,%.9g,%.9g,%.9g,%.3f\n", epoch.epoch - 1, epoch.learning_rate, epoch.loss, epoch.val_loss,
                  epoch.seconds);
    text += line;
  }
  return text;
}

}  // namespace narrow
