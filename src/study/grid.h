#ifndef NARROW_STUDY_GRID_H_
#define NARROW_STUDY_GRID_H_

#include <cstddef>
#include <string>
#include <vector>

namespace narrow {

// Numbers of bits: `16`, `8:20` or `8:20:2`, both ends included, or several of these as in `8,10,16:32:4`; in order, each once. Throws
// Error, naming `option`, for anything else.
std::vector<int> parse_range(const std::string& option, const std::string& text);

// One precision of the study: total and integer bits of the vectors and of the weights and biases.
struct Point {
  int v_full = 0;
  int v_int = 0;
  int wb_full = 0;
  int wb_int = 0;
  bool operator==(const Point&) const = default;
};

// The 4-D grid.
struct Grid {
  std::vector<int> v_full, v_int, wb_full, wb_int;
};

struct GridPoints {
  std::vector<Point> points;  // v_full slowest, wb_int fastest
  std::size_t skipped = 0;    // points with more integer than total bits, of vectors or of weights
};

// Throws Error where no point is left.
GridPoints points_of(const Grid& grid);

// A part of a study for one of several machines: `3/40`, the third of forty.
struct Shard {
  int number = 1;
  int of = 1;
};
inline constexpr int kMaxShards = 100'000;
// Throws Error.
Shard parse_shard(const std::string& text);

// The points of one shard, in the grid's order. Points that may answer each other stay together; the shards are as equal in
// number of points as that allows.
std::vector<Point> points_of(const std::vector<Point>& points, const Shard& shard);

}  // namespace narrow

#endif  // NARROW_STUDY_GRID_H_
