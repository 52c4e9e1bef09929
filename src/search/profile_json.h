#ifndef NARROW_SEARCH_PROFILE_JSON_H_
#define NARROW_SEARCH_PROFILE_JSON_H_

#include <string>
#include <vector>

#include "search/findings.h"
#include "search/tensor_profile.h"

namespace narrow {

// A profile of `samples` samples as a JSON document, that of `narrow profile --json` (docs/search.md); without types there are no findings.
std::string profile_json(const Model& model, std::size_t samples, const std::vector<TensorProfile>& tensors,
                         const std::vector<Finding>& found, bool has_types);

}  // namespace narrow

#endif  // NARROW_SEARCH_PROFILE_JSON_H_
