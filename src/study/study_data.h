#ifndef NARROW_STUDY_STUDY_DATA_H_
#define NARROW_STUDY_STUDY_DATA_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "study/definition.h"
#include "study/metrics.h"
#include "study/store.h"
#include "study/subject.h"

namespace narrow {

// Data as the models of a study take them: one copy for each shape.
struct FittedData {
  Dataset header;                   // their shape, targets and preparation, without the samples
  std::map<Shape, Dataset> fitted;  // by the model's shape
  std::vector<std::string> notes;   // of the reading, a line each
  std::size_t samples = 0;
  bool all = false;  // the files hold no more
  const Dataset& of(const Model& model) const { return fitted.at(fit_to(header, model).shape); }
};
// Throws Error for data that cannot be read, or do not fit a model.
FittedData read_fitted(const StudyData& of, const std::vector<Subject>& subjects);
// The data's shape, targets and preparation, without the samples.
Dataset header_of(const Dataset& data);
// Those of the samples that weigh something; none where all have the weight 0.
Dataset that_count(Dataset data);

// How targets were prepared, those of the data (as the user says, or they themselves) and those on which the model was trained; where only
// one is known, the other is the same.
// `classes` are those of MetricOptions.
Targets targets_of(const DataOptions& options, const Dataset& data, const Model& model, const std::vector<std::string>& classes);
// Where true values, or a target that the user names, have no part in what is measured: why. Else empty.
std::string unused_targets(const DataOptions& options, const Dataset& data, const Model& model, const Targets& targets);

// What is in the store was measured in the target's own unit: another one would stand beside it under the same names. So would predictions
// undone otherwise, whether or not the data have targets.
struct TargetFact {
  std::string name, value;  // of Store::set
  std::string whose;        // for messages
};
std::vector<TargetFact> target_facts(const StudyData& of, const Subject& subject, const Dataset& data, const Targets& targets);

// What was said of the unit and the classes when the study began, where `metrics` does not say it.
MetricOptions with_known(MetricOptions metrics, const Store& store);

// Throws Error, saying what differs, where the study (null for one that begins) has these data with other samples, another target or
// another unit of it, where models that were trained on different targets are all that tells how it is prepared, and for true values that
// cannot be undone.
void check_study_data(const Store* store, const MetricOptions& metrics, const StudyData& of, const std::vector<Subject>& subjects,
                      const FittedData& data);

}  // namespace narrow

#endif  // NARROW_STUDY_STUDY_DATA_H_
