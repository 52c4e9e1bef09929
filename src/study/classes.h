#ifndef NARROW_STUDY_CLASSES_H_
#define NARROW_STUDY_CLASSES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "model/model.h"

namespace narrow {

// What a classifier's outputs are, and which class each sample is of. A sample is taken to be of the class whose output is largest, the
// first of equal ones (as numpy.argmax); where there is one output, of class 1 if that lies above `cut`, else of class 0 (as Keras'
// BinaryAccuracy).
struct Classes {
  std::vector<std::string> names;    // of the outputs, in their order; of a single output those of class 0 and class 1
  bool probabilities = false;        // the outputs are: of a softmax, or a single sigmoid
  double cut = 0;                    // 0.5 behind a sigmoid
  std::vector<std::uint16_t> truth;  // of each sample; empty where it is not known
  std::string recognised;            // how it was seen that this is a classifier, where the user did not say it
  std::vector<std::string> notes;    // what else a user should know of them
};

// As --classes takes them.
std::string in_one_line(const std::vector<std::string>& classes);
// The names again; none for an empty line.
std::vector<std::string> classes_in_line(const std::string& line);
// Of --classes: the names alone, or `none`. Throws Error for names that are empty, stand twice, or cannot be in a metric's name.
void check_classes(const std::vector<std::string>& asked);

// Whether the model is a classifier: as the user says, or, where nothing is said, where it ends in a softmax over several outputs, or in
// one sigmoid and its targets are all 0 or 1. Targets are classes where there are as many as outputs, one of them 1 and the others 0, or
// one, a whole number from 0 up. Throws Error where `asked` does not fit the model or its targets are no classes; where nothing is asked,
// the latter is a note, and there is no truth.
std::optional<Classes> classes_of(const std::vector<std::string>& asked, const Dataset& data, const Model& model);

}  // namespace narrow

#endif  // NARROW_STUDY_CLASSES_H_
