#ifndef NARROW_STUDY_SUBJECT_H_
#define NARROW_STUDY_SUBJECT_H_

#include <string>
#include <vector>

#include "data/dataset.h"
#include "model/model.h"
#include "study/definition.h"
#include "study/store.h"

namespace narrow {

// A model that a study is about.
struct Subject {
  Model model;
  std::string label;  // {nodes} of the study's layout
};

using KnownModels = std::vector<Store::KnownModel>;

// The models with the weights they have, or will have when they are trained. Those that the study knows keep their labels. Throws Error for
// a model that cannot be read or is still to be `trained`, and for two of one label.
std::vector<Subject> all_models(const Definition& definition, bool trained, const KnownModels& known);

// Where samples for all the models come from: prepared in one way, but for the number of rows, of which the largest, for the same inputs.
// Throws Error where the models differ.
DataSource source_for(const DataOptions& options, const std::vector<Subject>& subjects);

}  // namespace narrow

#endif  // NARROW_STUDY_SUBJECT_H_
