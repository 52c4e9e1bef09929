#ifndef NARROW_STUDY_JSON_NUMBERS_H_
#define NARROW_STUDY_JSON_NUMBERS_H_

#include <string>
#include <vector>

namespace narrow {

// Numbers as the store keeps them: a JSON array, in which null is NaN (or an infinity, which JSON does not have).
std::string json_of(const std::vector<double>& values);
std::vector<double> numbers_of(const std::string& json);

}  // namespace narrow

#endif  // NARROW_STUDY_JSON_NUMBERS_H_
