#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "error.h"
#include "study/grid.h"
#include "study/layout.h"
#include "study/metrics.h"

namespace narrow {
namespace {

TEST(Range, BothEndsAreIncluded) {
  EXPECT_EQ(parse_range("--v", "16"), std::vector<int>{16});
  EXPECT_EQ(parse_range("--v", "8:11"), (std::vector<int>{8, 9, 10, 11}));
  EXPECT_EQ(parse_range("--v", "8:13:2"), (std::vector<int>{8, 10, 12}));
  EXPECT_EQ(parse_range("--v", "-2:1"), (std::vector<int>{-2, -1, 0, 1}));
}

TEST(Range, AnythingElseIsRefused) {
  for (const char* bad : {"", "a", "8:", "8-12", "12:8", "8:12:0", "8:12:2:1", "8:99", "8,9"})
    EXPECT_THROW(parse_range("--v-full", bad), Error) << bad;
}

TEST(Grid, PointsWithMoreIntegerThanTotalBitsAreSkippedAndCounted) {
  const GridPoints grid = points_of({{4, 8}, {3, 6}, {8}, {2}});
  EXPECT_EQ(grid.points, (std::vector<Point>{{4, 3, 8, 2}, {8, 3, 8, 2}, {8, 6, 8, 2}}));
  EXPECT_EQ(grid.skipped, 1U);
  EXPECT_THROW(points_of({{4}, {6}, {8}, {2}}), Error);
}

TEST(Shards, AreAPartitionThatKeepsFractionsTogether) {
  const std::vector<Point> all = points_of({{8, 9, 10, 11, 12, 13}, {2, 3, 4, 5}, {8, 9, 10}, {1, 2, 3}}).points;
  for (const int of : {1, 2, 3, 7, 40, 500}) {
    std::vector<Point> joined;
    std::map<std::pair<int, int>, int> owner;
    std::size_t most = 0;
    for (int i = 1; i <= of; ++i) {
      const std::vector<Point> own = points_of(all, {i, of});
      most = std::max(most, own.size());
      for (const Point& p : own) {
        EXPECT_EQ(owner.try_emplace({p.v_full - p.v_int, p.wb_full - p.wb_int}, i).first->second, i);
        joined.push_back(p);
      }
    }
    EXPECT_EQ(joined.size(), all.size());
    for (const Point& p : all) EXPECT_EQ(std::count(joined.begin(), joined.end(), p), 1);
    EXPECT_LE(most, all.size() / static_cast<std::size_t>(of) + 12) << "of " << of;
  }
}

TEST(Metrics, AreTheMeansOfTheStudy) {
  const std::vector<double> fixed = {1.1, 1.5, 0.25, -3};
  const std::vector<float> reference = {1, 2, 0, -4};
  const Metrics metrics = compare(fixed, reference);
  EXPECT_NEAR(metrics.mae, (0.1 + 0.5 + 0.25 + 1) / 4, 1e-12);
  EXPECT_NEAR(metrics.mpe, (0.1 + 0.25 + 0.25) / 3 * 100, 1e-12);
  EXPECT_EQ(metrics.left_out, 1U);
  EXPECT_NEAR(metrics.bias, (0.1 - 0.5 + 0.25 + 1) / 4, 1e-12);
  EXPECT_NEAR(metrics.rmse, std::sqrt((0.01 + 0.25 + 0.0625 + 1) / 4), 1e-12);
  EXPECT_EQ(metrics.largest, 1.0);
  EXPECT_TRUE(std::isnan(compare(std::vector<double>{1}, std::vector<float>{0}).mpe));
}

SweepModel three_points() {
  const double nan = std::nan("");
  return {"ds16",
          "16",
          {{{8, 4, 8, 2}, {nan, 3, 0, 0, 0, 0}, 0}, {{12, 4, 8, 2}, {0.5, 1, 0, 0, 0, 0}, 1}, {{10, 4, 8, 2}, {0.5, 2, 0, 0, 0, 0}, 1}}};
}

TEST(Results, TheBestComesFirst) {
  const SweepModel model = three_points();
  EXPECT_EQ(model.best(&Metrics::mpe), 2U);  // as good as the second, with fewer bits
  EXPECT_EQ(model.best(&Metrics::mae), 1U);
  const std::string text = results_text(model, &Metrics::mpe, "mpe", 7);
  EXPECT_EQ(text,
            "# best: vectors ap_fixed<10,4>, weights ap_fixed<8,2>: mpe 0.5 %\n"
            "# model ds16, 7 samples; predictions of 0 by the float model are left out: 0\n"
            "# v_full v_int wb_full wb_int mpe\n8 4 8 2 nan\n12 4 8 2 0.5\n10 4 8 2 0.5\n");
}

TEST(Results, FollowersAreNamed) {
  EXPECT_NE(points_text(three_points()).find("\n12 4 8 2 computed\n10 4 8 2 follows 12 4 8 2\n"), std::string::npos);
}

TEST(Results, FoldersAreTheStudys) { EXPECT_EQ(point_folder("64", {16, 6, 12, 3}), "64.16.6.wb_12.3.model"); }

}  // namespace
}  // namespace narrow
