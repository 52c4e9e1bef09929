#include "study/grid.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "error.h"
#include "fixed/format.h"
#include "number.h"

namespace narrow {

namespace {

// `16`, `8:20` or `8:20:2`.
std::vector<int> one_range(const std::string& option, const std::string& text) {
  const auto complain = [&](const std::string& why) { return Error(option + " " + text + ": " + why); };
  std::vector<int> numbers;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t end = std::min(text.find(':', from), text.size());
    const std::optional<int> number = whole_int(std::string_view(text).substr(from, end - from), -kMaxWidth, kMaxWidth);
    if (!number || numbers.size() == 3) {
      throw complain("it should be a number of bits, a range as in 8:20 or 8:20:2, or several of them as in 8,10,12; types have at most " +
                     std::to_string(kMaxWidth) + " bits");
    }
    numbers.push_back(*number);
    from = end + 1;
  }
  const int first = numbers.front();
  const int last = numbers.size() > 1 ? numbers[1] : first;
  const int step = numbers.size() > 2 ? numbers[2] : 1;
  if (step < 1) throw complain("the step must be at least 1");
  if (last < first) throw complain("the range is empty: its end is below its start");
  std::vector<int> values;
  for (std::int64_t value = first; value <= last; value += step) values.push_back(static_cast<int>(value));
  return values;
}

}  // namespace

std::vector<int> parse_range(const std::string& option, const std::string& text) {
  std::set<int> values;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t end = std::min(text.find(',', from), text.size());
    const std::vector<int> more = one_range(option, text.substr(from, end - from));
    values.insert(more.begin(), more.end());
    from = end + 1;
  }
  return {values.begin(), values.end()};
}

GridPoints points_of(const Grid& grid) {
  GridPoints result;
  for (const int v_full : grid.v_full) {
    for (const int v_int : grid.v_int) {
      for (const int wb_full : grid.wb_full) {
        for (const int wb_int : grid.wb_int) {
          if (v_int > v_full || wb_int > wb_full || v_full < 1 || wb_full < 1) ++result.skipped;
          else result.points.push_back({v_full, v_int, wb_full, wb_int});
        }
      }
    }
  }
  if (result.points.empty()) {
    throw Error("the grid is empty: each of its " + std::to_string(result.skipped) +
                " points has more integer than total bits; raise --v-full or --wb-full");
  }
  return result;
}

Shard parse_shard(const std::string& text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::optional<int> of = whole_int(std::string_view(text).substr(std::min(slash + 1, text.size())), 1, kMaxShards);
  const std::optional<int> number = of ? whole_int(std::string_view(text).substr(0, slash), 1, *of) : std::nullopt;
  if (!number) {
    throw Error("--shard " + text + ": it should be like 3/40, the third of forty; there are at most " + std::to_string(kMaxShards));
  }
  return {*number, *of};
}

std::vector<Point> points_of(const std::vector<Point>& points, const Shard& shard) {
  const auto fractions = [](const Point& p) { return std::pair(p.v_full - p.v_int, p.wb_full - p.wb_int); };
  std::map<std::pair<int, int>, std::size_t> sizes;
  for (const Point& point : points) ++sizes[fractions(point)];
  std::vector<std::pair<std::pair<int, int>, std::size_t>> groups(sizes.begin(), sizes.end());
  std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  // The largest first, each to the shard that has least.
  std::vector<std::size_t> load(static_cast<std::size_t>(shard.of));
  std::map<std::pair<int, int>, int> owner;
  for (const auto& [group, size] : groups) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += size;
    owner[group] = static_cast<int>(least - load.begin()) + 1;
  }
  std::vector<Point> own;
  std::copy_if(points.begin(), points.end(), std::back_inserter(own), [&](const Point& p) { return owner[fractions(p)] == shard.number; });
  return own;
}

}  // namespace narrow
