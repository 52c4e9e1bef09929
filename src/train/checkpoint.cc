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
