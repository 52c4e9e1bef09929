#ifndef NARROW_TRAIN_SETTINGS_H_
#define NARROW_TRAIN_SETTINGS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "train/family.h"

namespace narrow {

// Something that a user may say of a training: `narrow train` has it as --phi-layers, the `train:` of a study as `phi_layers`.
struct TrainSetting {
  // What depends on it. What is trained depends on the samples and the first weights too, which have hashes of their own.
  enum class Role : std::uint8_t {
    kShape,    // the first weights
    kSamples,  // the samples
    kRun,      // how they are trained: a checkpoint of another value is of another training
    kLength,   // how long: training may resume for longer than was first asked for
  };
  enum class Kind : std::uint8_t { kValue, kList, kSwitch };

  std::string name;
  std::string help;
  Role role;
  Kind kind;
  // What is set, as `parse` takes it; lists with commas, empty where there is none.
  std::function<std::string(const Family&)> text;
  // Throws Error for anything but what the setting allows, saying what that is.
  std::function<void(Family&, const std::string&)> parse;
};

// All of them, in the order in which they are listed to users. A setting that is added here is read, checked, written and, where it
// matters, part of what tells two trainings apart.
const std::vector<TrainSetting>& train_settings();

// Throws Error where settings exclude each other.
void check_settings(const Family& family);

}  // namespace narrow

#endif  // NARROW_TRAIN_SETTINGS_H_
