#ifndef NARROW_STUDY_OUTDATED_H_
#define NARROW_STUDY_OUTDATED_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "study/store.h"

namespace narrow {

// Points whose results are of another arithmetic than this narrow's (engine/arithmetic.h), counted by its version.
class Outdated {
 public:
  void add(const StoredPoint& point);
  void add(const std::vector<StoredPoint>& points);
  bool any() const { return !points_.empty(); }
  // `3 points were computed by an older arithmetic (1, now 2)`, and what follows from that. Requires any().
  std::string sentence(const std::string& rest = "; the same narrow run or sweep computes them again") const;

 private:
  std::map<int, std::size_t> points_;
};

}  // namespace narrow

#endif  // NARROW_STUDY_OUTDATED_H_
