#include "train/settings.h"

#include <limits>
#include <sstream>
#include <utility>

#include "error.h"
#include "number.h"

namespace narrow {
namespace {

using Role = TrainSetting::Role;
using Kind = TrainSetting::Kind;

constexpr int kMost = std::numeric_limits<int>::max();

int whole(const std::string& text, int least) {
  const auto number = whole_int(text, least, kMost);
  if (!number) throw Error("'" + text + "' should be a whole number, at least " + std::to_string(least) + ", and at most 2147483647");
  return *number;
}

// Where a family keeps a setting of type T.
template <class T>
using Member = std::function<T&(Family&)>;

template <class T>
const T& value_of(const Member<T>& member, const Family& family) {
  return member(const_cast<Family&>(family));
}

TrainSetting integer(std::string name, Role role, const Member<int>& member, int least, std::string help) {
  return {std::move(name),
          std::move(help),
          role,
          Kind::kValue,
          [member](const Family& family) { return std::to_string(value_of(member, family)); },
          [member, least](Family& family, const std::string& text) { member(family) = whole(text, least); }};
}

TrainSetting integers(std::string name, const Member<std::vector<int>>& member, std::string help) {
  const auto text_of = [member](const Family& family) {
    std::string text;
    for (const int each : value_of(member, family)) text += (text.empty() ? "" : ",") + std::to_string(each);
    return text;
  };
  const auto parse = [member](Family& family, const std::string& text) {
    member(family).clear();
    std::istringstream stream(text);
    for (std::string item; std::getline(stream, item, ',');) member(family).push_back(whole(item, 1));
    if (member(family).empty() || text.ends_with(',')) throw Error("'" + text + "' should be whole numbers with commas, as 64,32,16");
  };
  return {std::move(name), std::move(help), Role::kShape, Kind::kList, text_of, parse};
}

TrainSetting reals(std::string name, Role role, const Member<std::vector<double>>& member, std::string help) {
  const auto text_of = [member](const Family& family) {
    std::string text;
    for (const double each : value_of(member, family)) text += (text.empty() ? "" : ",") + exact_text(each);
    return text;
  };
  const auto parse = [member](Family& family, const std::string& text) {
    member(family).clear();
    std::istringstream stream(text);
    for (std::string item; std::getline(stream, item, ',');) {
      const auto number = real_number(item);
      if (!number || *number < 0) throw Error("'" + item + "' should be a number, at least 0");
      member(family).push_back(*number);
    }
    if (member(family).empty() || text.ends_with(',')) throw Error("'" + text + "' should be numbers with commas, as 1,1,2.5");
  };
  return {std::move(name), std::move(help), role, Kind::kList, text_of, parse};
}

// From `least` to `most`, or above `least`.
TrainSetting real(std::string name, Role role, const Member<double>& member, double least, bool open, double most, std::string help) {
  const auto parse = [=](Family& family, const std::string& text) {
    const auto number = real_number(text);
    if (!number || *number < least || (open && *number == least) || *number > most) {
      const std::string range = most < std::numeric_limits<double>::max() ? "from " + exact_text(least) + " to " + exact_text(most)
                                                                          : (open ? "greater than " : "at least ") + exact_text(least);
      throw Error("'" + text + "' should be a number, " + range);
    }
    member(family) = *number;
  };
  return {std::move(name),
          std::move(help),
          role,
          Kind::kValue,
          [member](const Family& family) { return exact_text(value_of(member, family)); },
          parse};
}

template <class T>
TrainSetting choice(std::string name, Role role, Member<T> member, std::vector<std::pair<std::string, T>> choices, std::string help) {
  const auto text_of = [member, choices](const Family& family) {
    for (const auto& [text, value] : choices) {
      if (value == value_of(member, family)) return text;
    }
    return std::string();
  };
  const auto parse = [member, choices](Family& family, const std::string& text) {
    std::vector<std::string> names;
    for (const auto& [choice_name, value] : choices) {
      names.push_back(choice_name);
      if (choice_name != text) continue;
      member(family) = value;
      return;
    }
    throw Error("'" + text + "' is not one of " + listed(names));
  };
  return {std::move(name), std::move(help), role, Kind::kValue, text_of, parse};
}

std::vector<TrainSetting> make_settings() {
  constexpr double kNoMost = std::numeric_limits<double>::max();
  const auto option = [](auto TrainOptions::*member) {
    return [member](Family & family) -> auto& { return family.options.*member; };
  };
  const auto own = [](auto Family::*member) {
    return [member](Family & family) -> auto& { return family.*member; };
  };
  using Options = TrainOptions;
  const auto role = Role::kRun;
  return {
      {"validation_data", "validation samples of their own", Role::kSamples, Kind::kValue,
       [](const Family& family) { return family.validation; }, [](Family& family, const std::string& text) { family.validation = text; }},
      real("validation_split", Role::kSamples, option(&Options::validation_split), 0, false, 1, "else the last share of the data"),
      integers("nodes", own(&Family::nodes), "nodes of every layer; several train a family of sizes"),
      integer("phi_layers", Role::kShape, own(&Family::phi_layers), 1, "layers before the sum over cells"),
      integer("phi_nodes", Role::kShape, own(&Family::phi_nodes), 1, "nodes of each"),
      integer("rho_layers", Role::kShape, own(&Family::rho_layers), 0, "layers behind the sum"),
      integer("rho_nodes", Role::kShape, own(&Family::rho_nodes), 1, "nodes of each"),
      integers("phi", own(&Family::phi), "nodes of the layers before the sum, one by one, as 64,32,16"),
      integers("rho", own(&Family::rho), "nodes of the layers behind the sum, one by one"),
      integers("layers", own(&Family::layers), "instead, a dense network on vectors: nodes of its layers but the last, as 64,32,32"),
      choice<Nonlinearity>("activation", role, option(&Options::activation),
                           {{"relu", Nonlinearity::kRelu}, {"tanh", Nonlinearity::kTanh}, {"sigmoid", Nonlinearity::kSigmoid}},
                           "of the hidden layers: relu, tanh or sigmoid"),
      choice<Nonlinearity>("output", role, option(&Options::output),
                           {{"linear", Nonlinearity::kLinear}, {"sigmoid", Nonlinearity::kSigmoid}, {"softmax", Nonlinearity::kSoftmax}},
                           "behind the last layer: linear, sigmoid or softmax"),
      integer("epochs", Role::kLength, option(&Options::epochs), 1, "at most"),
      integer("batch", role, option(&Options::batch_size), 1, "samples of a batch"),
      choice<Loss>("loss", role, option(&Options::loss),
                   {{"mse", Loss::kMse},
                    {"mae", Loss::kMae},
                    {"huber", Loss::kHuber},
                    {"categorical_crossentropy", Loss::kCategoricalCrossentropy},
                    {"binary_crossentropy", Loss::kBinaryCrossentropy}},
                   "mse, mae or huber; categorical_crossentropy behind a softmax, binary_crossentropy behind a sigmoid"),
      reals("class_weights", role, option(&Options::class_weights),
            "of a classifier: what the losses of samples of each class are multiplied by, one a class"),
      real("learning_rate", role, option(&Options::learning_rate), 0, true, kNoMost, "of Adam, to begin with"),
      choice<Schedule>("learning_rate_schedule", role, option(&Options::schedule),
                       {{"constant", Schedule::kConstant}, {"cosine_decay", Schedule::kCosineDecay}},
                       "constant, or cosine_decay: to 0 over all epochs, as keras.optimizers.schedules.CosineDecay"),
      real("reduce_factor", role, option(&Options::reduce_factor), 0, false, 1, "ReduceLROnPlateau: the learning rate times so much"),
      integer("reduce_patience", role, option(&Options::reduce_patience), 0,
              "after so many epochs without a better val_loss; 0 for never, as it must be with cosine_decay"),
      real("reduce_min_delta", role, option(&Options::reduce_min_delta), 0, false, kNoMost, "better by more than this"),
      real("min_learning_rate", role, option(&Options::min_learning_rate), 0, false, kNoMost, "but no lower than this"),
      integer("stop_patience", role, option(&Options::stop_patience), 0, "EarlyStopping: epochs without a better val_loss; 0 for never"),
      {"shuffle", "take the samples of each epoch as they come", role, Kind::kSwitch,
       [](const Family& family) { return std::string(family.options.shuffle ? "true" : "false"); },
       [](Family& family, const std::string& text) {
         if (text != "true" && text != "false") throw Error("'" + text + "' should be true or false");
         family.options.shuffle = text == "true";
       }},
      {"seed", "of the first weights and of the order of samples", role, Kind::kValue,
       [](const Family& family) { return std::to_string(family.options.seed); },
       [](Family& family, const std::string& text) {
         const auto number = whole_number(text, 0, std::numeric_limits<std::int64_t>::max());
         if (!number) throw Error("'" + text + "' should be a whole number, 0 or more");
         family.options.seed = static_cast<std::uint64_t>(*number);
       }},
      choice<std::string>("device", role, option(&Options::device), {{"cpu", "cpu"}, {"cuda", "cuda"}},
                          "cpu, or cuda where libtorch has it"),
  };
}

}  // namespace

const std::vector<TrainSetting>& train_settings() {
  static const std::vector<TrainSetting> kSettings = make_settings();
  return kSettings;
}

void check_settings(const Family& family) {
  const TrainOptions& options = family.options;
  if (!family.layers.empty() && !(family.nodes.empty() && family.phi.empty() && family.rho.empty()))
    throw Error("layers are those of a dense network, nodes, phi and rho those of a DeepSets network: they exclude each other");
  if (options.loss == Loss::kCategoricalCrossentropy && options.output != Nonlinearity::kSoftmax)
    throw Error("the loss categorical_crossentropy needs the output softmax");
  if (options.loss == Loss::kBinaryCrossentropy && options.output != Nonlinearity::kSigmoid)
    throw Error("the loss binary_crossentropy needs the output sigmoid");
  // Keras refuses them together too: the optimizer's learning rate is the schedule's.
  if (family.options.schedule != Schedule::kConstant && family.options.reduce_patience > 0) {
    throw Error("a schedule of the learning rate and ReduceLROnPlateau exclude each other: with cosine_decay give a reduce-patience of 0");
  }
}

}  // namespace narrow
