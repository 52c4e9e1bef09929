#ifndef NARROW_DATA_SEEN_H_
#define NARROW_DATA_SEEN_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "model/model.h"
#include "model/seen.h"

namespace narrow {

SeenSamples seen_samples(const Dataset& training, const Dataset& validation);

// As JSON: hashes as 8 characters of 6 bits each. Reading throws Error for anything but what writing makes.
std::string to_json(const SeenSamples& seen);
SeenSamples seen_from_json(const std::string& json);

// How many samples a model has seen before.
class SeenCount {
 public:
  explicit SeenCount(const Model& model) : name_(model.name), seen_(model.seen) {}
  // `data` as the model takes them (fit_to).
  void add(const Dataset& data);
  // A line where the model has seen some, else nothing.
  std::vector<std::string> notes() const;

 private:
  std::string name_;
  std::optional<SeenSamples> seen_;
  std::size_t samples_ = 0;
  std::size_t compared_ = 0;  // that the model's record would have, had it seen them
  std::size_t trained_ = 0, validated_ = 0;
};

}  // namespace narrow

#endif  // NARROW_DATA_SEEN_H_
