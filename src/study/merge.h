#ifndef NARROW_STUDY_MERGE_H_
#define NARROW_STUDY_MERGE_H_

#include <string>
#include <vector>

#include "study/outdated.h"

namespace narrow {

// The result of joining the shards of a study.
struct MergeResult {
  std::size_t points = 0, finished = 0;  // outdated points do not count as finished
  Outdated left_out;                     // points of the shards that are not taken
  std::vector<int> missing;              // shards that are not there
  int of = 0;
};

// Joins the shards below `folder` (shard-3-of-40), or those in `parts` where some are named, into the study `folder`: store,
// kept files, and the results of each scan. Throws Error where they do not belong together.
MergeResult merge_shards(const std::string& folder, std::vector<std::string> parts);

// The folder of one shard of a study: `study/shard-3-of-40`.
std::string shard_folder(const std::string& study, int number, int of);

}  // namespace narrow

#endif  // NARROW_STUDY_MERGE_H_
