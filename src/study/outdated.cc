#include "study/outdated.h"

#include "engine/arithmetic.h"

namespace narrow {

void Outdated::add(const StoredPoint& point) {
  if (point.outdated()) ++points_[point.arithmetic];
}

void Outdated::add(const std::vector<StoredPoint>& points) {
  for (const StoredPoint& point : points) add(point);
}

std::string Outdated::sentence(const std::string& rest) const {
  std::size_t all = 0;
  std::string versions;
  for (const auto& [version, count] : points_) {
    all += count;
    versions += (versions.empty() ? "" : " and ") + std::to_string(version);
  }
  const bool older = points_.rbegin()->first < kArithmetic;
  return std::to_string(all) + (all == 1 ? " point was" : " points were") + " computed by " + (older ? "an older" : "another") +
         " arithmetic (" + versions + ", now " + std::to_string(kArithmetic) + ")" + rest;
}

}  // namespace narrow
