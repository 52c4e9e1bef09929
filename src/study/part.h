#ifndef NARROW_STUDY_PART_H_
#define NARROW_STUDY_PART_H_

#include <string>
#include <vector>

#include "study/grid.h"
#include "study/store.h"

namespace narrow {

// What is to be computed of a study, or a part of that which one machine computes (RunOptions::part). As JSON:
//   {"files": ["ds16.keras", "clusters.h5"],
//    "models": [{"label": "16", "name": "ds16", "hash": "...", "points": [[v_full, v_int, wb_full, wb_int], ...]}, ...]}
struct StudyPart {
  struct Of {
    Store::KnownModel model;  // as the whole study knows it
    std::vector<Point> points;
  };
  std::vector<std::string> files;  // that the study reads; empty where nobody asked
  std::vector<Of> models;

  std::vector<Store::KnownModel> known() const;
  // The points of a model; none where the part has none of it.
  std::vector<Point> points_of(const std::string& label) const;
};

std::string to_json(const StudyPart& part);
// Throws Error, naming the file, for anything that is not as above.
StudyPart read_part(const std::string& path);

}  // namespace narrow

#endif  // NARROW_STUDY_PART_H_
