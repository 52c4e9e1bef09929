#ifndef NARROW_STUDY_PROFILE_H_
#define NARROW_STUDY_PROFILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "model/model.h"
#include "precision/precision.h"

namespace narrow {

// How the float model's values of one kind are distributed in a layer: what a type has to hold.
struct Profile {
  std::string layer;
  std::string kind;               // output, weight or bias; of BatchNormalization scale and bias
  std::vector<double> quantiles;  // of the magnitudes above 0, at kProfileShares; empty where there is none
  double zeros = 0;               // share of values that are 0
  bool negative = false;          // whether any is below 0
};

inline constexpr double kProfileShares[] = {0, 0.05, 0.25, 0.5, 0.75, 0.95, 1};

// Of each layer's outputs for the first `samples` samples, the largest and smallest exact, those between from at most 50,000 values
// a layer; and of its weights. A layer that takes in a BatchNormalization in `resolved` has the values that its types are to hold: the
// outputs behind the normalization, and the scaled weights.
std::vector<Profile> profile(const Model& model, const Resolved& resolved, const Dataset& data, std::size_t samples);

// Every how many of `values` to take at most `most` of them. It shares no factor with their number, so that of a layer's values, node
// after node, all nodes are met.
std::size_t stride_for(std::size_t values, std::size_t most);

}  // namespace narrow

#endif  // NARROW_STUDY_PROFILE_H_
