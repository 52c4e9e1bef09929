#ifndef NARROW_STUDY_GRID_H_
#define NARROW_STUDY_GRID_H_

#include <cstddef>
#include <string>
#include <vector>

namespace narrow {

// A range of bits: `16`, `8:20` or `8:20:2`, both ends included. Throws Error, naming `option`, for anything else.
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

}  // namespace narrow

#endif  // NARROW_STUDY_GRID_H_
