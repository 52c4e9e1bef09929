#ifndef NARROW_MODEL_PREPARATION_H_
#define NARROW_MODEL_PREPARATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace narrow {

enum class Logarithm : std::uint8_t { kNone, kNatural, kBase10 };

// A value of a cell, or the target, on its way to the network: its logarithm, where one is wanted, divided. Computed in double
// and rounded to float32 once.
struct Feature {
  std::string name;
  Logarithm logarithm = Logarithm::kNone;
  double divide = 1;
  double prepare(double value) const;
  double undo(double prepared) const;
  bool operator==(const Feature&) const = default;
};

// How clusters become the network's input (vmax, features). It is stored with prepared data and with models, so that training,
// prediction and firmware agree.
struct Preparation {
  std::vector<Feature> features{{"eta"}, {"phi"}, {"layer", Logarithm::kNone, 10}, {"energy", Logarithm::kNatural, 10}};
  std::optional<Feature> target = Feature{"true_energy", Logarithm::kNatural, 10};
  // The feature by which cells are ordered, the largest value first and equal ones as they were; empty leaves them as they are.
  std::string order;
  int vmax = 128;       // of a cluster with more cells the first are kept, after the ordering
  double padding = -6;  // every feature of the rows after the last cell
  std::string weight;   // what samples weigh, in training and in metrics: a value of each cluster; empty where all weigh the same
  std::string select;   // which clusters are samples: an expression of ROOT's; empty for all
  bool operator==(const Preparation&) const = default;
};

// none, log or log10. Throws Error.
Logarithm parse_logarithm(const std::string& name);
std::string to_string(Logarithm logarithm);

// `eta`, `layer/10`, `energy:log/10`, `energy:log10`: a name, a logarithm (natural or base 10), a division. Throws Error.
Feature parse_feature(const std::string& text);
std::string to_string(const Feature& feature);

// One part of a preparation in the words of the command line: `order`, `energy`; `padding`, `-6`; `target`, `none`.
struct PreparationOption {
  std::string name, value;
  bool operator==(const PreparationOption&) const = default;
};
// features, target, order, vmax, padding, weight and select: the whole of a preparation.
std::vector<PreparationOption> options_of(const Preparation& preparation);
// Whether it is of which samples there are and what each weighs (weight, select), rather than of how one is made.
bool says_which_samples(const PreparationOption& option);
// `--features eta,phi --target none ...`
std::string to_string(const std::vector<PreparationOption>& options);

// What has to agree.
enum class Agreement : std::uint8_t {
  kAll,     // everything: samples that are trained on together, or validate each other
  kInputs,  // what a network is given, row by row: neither the target nor vmax, for a network takes the first rows of more, nor
            // which samples there are and what they weigh
};

// In which parts two preparations differ, as `order energy and as-is, padding -6 and 0`; empty where they agree, and where one is
// not known.
std::string difference(const std::optional<Preparation>& a, const std::optional<Preparation>& b, Agreement agreement);

}  // namespace narrow

#endif  // NARROW_MODEL_PREPARATION_H_
