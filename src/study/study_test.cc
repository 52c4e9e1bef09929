#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "error.h"
#include "layers/batch_normalization.h"
#include "layers/dense.h"
#include "layers/input.h"
#include "layers/linear.h"
#include "precision/precision.h"
#include "study/best.h"
#include "study/classes.h"
#include "study/classification.h"
#include "study/database.h"
#include "study/definition.h"
#include "study/grid.h"
#include "study/kept.h"
#include "study/layout.h"
#include "study/metrics.h"
#include "study/nan.h"
#include "study/store.h"
#include "study/trace.h"

namespace narrow {
namespace {

TEST(Range, BothEndsAreIncluded) {
  EXPECT_EQ(parse_range("--v", "16"), std::vector<int>{16});
  EXPECT_EQ(parse_range("--v", "8:11"), (std::vector<int>{8, 9, 10, 11}));
  EXPECT_EQ(parse_range("--v", "8:13:2"), (std::vector<int>{8, 10, 12}));
  EXPECT_EQ(parse_range("--v", "-2:1"), (std::vector<int>{-2, -1, 0, 1}));
}

TEST(Range, AnythingElseIsRefused) {
  for (const char* bad : {"", "a", "8:", "8-12", "12:8", "8:12:0", "8:12:2:1", "8:99", "8,,9", "8,", ",8", "8:20:2147483647", "99999999999",
                          "8:20:99999999999999999999", "+8", " 8", "8 ", ":8", "::"})
    EXPECT_THROW(parse_range("--v-full", bad), Error) << bad;
}

TEST(Grid, PointsWithMoreIntegerThanTotalBitsAreSkippedAndCounted) {
  const GridPoints grid = points_of({{4, 8}, {3, 6}, {8}, {2}});
  EXPECT_EQ(grid.points, (std::vector<Point>{{4, 3, 8, 2}, {8, 3, 8, 2}, {8, 6, 8, 2}}));
  EXPECT_EQ(grid.skipped, 1U);
  EXPECT_THROW(points_of({{4}, {6}, {8}, {2}}), Error);
}

TEST(Shards, AnythingElseIsRefused) {
  EXPECT_EQ(parse_shard("3/40").number, 3);
  EXPECT_EQ(parse_shard("3/40").of, 40);
  for (const char* bad :
       {"", "/", "3", "3/", "/3", "0/3", "4/3", "-1/3", "1/2/3", "a/b", "1/ 2", "1/2147483647", "1/99999999999", "99999999999/3"})
    EXPECT_THROW(parse_shard(bad), Error) << bad;
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

// Showers of 10 % resolution: what is done to the predictions is what the metrics say.
TEST(Metrics, AgainstTheTargetSayWhatWasDoneToThePredictions) {
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937_64 random(seed);
  const Feature target{"true_energy", Logarithm::kNatural, 10};
  constexpr double kThreshold = 30;
  std::uniform_real_distribution<double> energies(std::log(5.0), std::log(150.0));
  std::normal_distribution<double> noise(0, 0.1);
  std::vector<float> truth;
  std::vector<float> reference;
  for (int i = 0; i < 20000; ++i) {
    const double energy = std::exp(energies(random));
    truth.push_back(static_cast<float>(target.prepare(energy)));
    reference.push_back(static_cast<float>(target.prepare(energy * std::max(0.3, 1 + noise(random)))));
  }
  const Measure measure({{}, {kThreshold}, {}}, {reference.begin(), reference.end()}, {truth, target, target});
  const auto metric = [&](const std::string& name, const std::vector<double>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (measure.names()[i].name == name) return values[i];
    }
    ADD_FAILURE() << name;
    return 0.0;
  };
  const std::vector<double> own = measure.values(std::vector<double>(reference.begin(), reference.end()));
  EXPECT_NEAR(metric("resolution", own), 10, 0.4);
  EXPECT_NEAR(metric("resolution_68", own), 10, 0.4);
  EXPECT_LT(metric("linearity", own), 1.5);
  EXPECT_NEAR(metric("turn_on@30", own), kThreshold, 0.7);
  for (const char* name : {"resolution_loss", "turn_on_shift@30", "rate_change@30", "mpe"}) EXPECT_EQ(metric(name, own), 0) << name;
  // Everything 5 % too high: the threshold is reached 5 % earlier, the resolution is as good as before.
  std::vector<double> high;
  for (const float prepared : reference) high.push_back(prepared + std::log(1.05) / 10);
  const std::vector<double> raised = measure.values(high);
  EXPECT_NEAR(metric("turn_on_shift@30", raised), kThreshold / 1.05 - kThreshold, 0.7);
  EXPECT_NEAR(metric("resolution_loss", raised), 0, 1e-3);
  EXPECT_NEAR(metric("linearity", raised), 5, 1.5);
  EXPECT_GT(metric("rate_change@30", raised), 2);
  // Blurred by another 10 %: sqrt(2) times as wide.
  std::vector<double> blurred;
  for (const float prepared : reference) blurred.push_back(target.prepare(target.undo(prepared) * std::max(0.3, 1 + noise(random))));
  EXPECT_NEAR(metric("resolution_loss", measure.values(blurred)), 41, 6);
  // Stuck at one value: no output that any of these may praise.
  const std::vector<double> stuck = measure.values(std::vector<double>(reference.size(), -60));
  EXPECT_FALSE(metric("resolution_loss", stuck) < 100);
  EXPECT_TRUE(std::isnan(metric("turn_on@30", stuck)));
  EXPECT_EQ(metric("rate@30", stuck), 0);
}

StoredPoint finished(std::int64_t id, const Point& point, double mpe, double mae, std::int64_t computed_as) {
  return {id, point, true, true, computed_as, false, "", {mpe, mae, 0}};
}

std::vector<StoredPoint> three_points() {
  return {finished(1, {8, 4, 8, 2}, std::nan(""), 3, 1), finished(2, {12, 4, 8, 2}, 0.5, 1, 2), finished(3, {10, 4, 8, 2}, 0.5, 2, 2)};
}

TEST(Results, TheBestComesFirst) {
  const std::vector<StoredPoint> points = three_points();
  EXPECT_EQ(least(points, 0), 2U);  // as good as the second, with fewer bits
  EXPECT_EQ(least(points, 1), 1U);
  Scan scan;
  scan.model = "ds16";
  scan.samples = 7;
  EXPECT_EQ(results_text(scan, points, "mpe"),
            "# best: vectors ap_fixed<10,4>, weights ap_fixed<8,2>: mpe 0.5 %\n"
            "# model ds16, 7 samples; predictions of 0 by the float model are left out: 0\n"
            "# v_full v_int wb_full wb_int mpe\n8 4 8 2 nan\n12 4 8 2 0.5\n10 4 8 2 0.5\n");
}

TEST(Results, FollowersAreNamed) {
  EXPECT_NE(points_text(three_points()).find("\n12 4 8 2 computed\n10 4 8 2 follows 12 4 8 2\n"), std::string::npos);
}

TEST(Results, FilesAreTheStudys) {
  StoredPoint point;
  point.point = {16, 6, 12, 3};
  EXPECT_EQ(point_name("64", point), "64.16.6.wb_12.3");
  point.point.reset();
  point.label = "search-1";
  EXPECT_EQ(point_name("64", point), "64.search-1");
}

// --- what a model is known by

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("narrow-study-" + std::to_string(std::random_device()()))) {
    std::filesystem::create_directory(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

OperationPtr dense(int n_in, int n_out, std::vector<float> kernel, std::vector<float> bias) {
  return std::make_shared<Dense>(n_in, n_out, std::move(kernel), std::move(bias));
}

Model small_model() {
  Model model;
  model.name = "m";
  model.layers = {{"in", "InputLayer", std::make_shared<Input>(Shape{2, 3}), {}, {2, 3}},
                  {"a", "Dense", dense(3, 2, {1, 2, 3, 4, 5, 6}, {}), {0}, {2, 2}},
                  {"b", "Dense", dense(3, 2, {1, 2, 3, 4, 5, 6}, {}), {0}, {2, 2}}};
  model.outputs = {1};
  return model;
}

// Two models that differ in one number of a quantizer are two.
TEST(Store, AModelIsKnownByEveryNumberOfItsQuantizers) {
  const std::vector<TrainedQuantizer> all = {{},
                                             {.kind = TrainedQuantizer::Kind::kBinary},
                                             {.name = "quantized_bits"},
                                             {.bits = 4},
                                             {.integer = 1},
                                             {.symmetric = true},
                                             {.keep_negative = false},
                                             {.real = true},
                                             {.negative_slope = 0.25},
                                             {.alpha = {Alpha::Kind::kAuto}},
                                             {.alpha = {Alpha::Kind::kNumber, 1}},
                                             {.alpha = {Alpha::Kind::kNumber, std::nextafter(1.0, 2.0)}},
                                             {.threshold = 0.5},
                                             {.unrolls = 4},
                                             {.max_value = 0.5},
                                             {.even = true},
                                             {.floors = true}};
  using Place = std::function<void(Layer&, const TrainedQuantizer&)>;
  const std::vector<float> kernel{1, 2, 3, 4, 5, 6};
  const GivenNumbers one{std::vector<float>{1}};
  const std::map<std::string, Place> places = {
      {"activation", [](Layer& layer, const TrainedQuantizer& quantizer) { layer.quantizer = quantizer; }},
      {"kernel",
       [&](Layer& layer, const TrainedQuantizer& q) {
         layer.op = std::make_shared<Dense>(3, 2, kernel, std::vector<float>{}, Quantizers{q, {}});
       }},
      {"bias",
       [&](Layer& layer, const TrainedQuantizer& q) {
         layer.op = std::make_shared<Dense>(3, 2, kernel, std::vector<float>{}, Quantizers{{}, q});
       }},
      {"scale",
       [&](Layer& layer, const TrainedQuantizer& q) {
         layer.op = std::make_shared<BatchNormalization>(GivenNumbers{one.given, q}, one, BatchNormalization::Origin{});
       }},
      {"shift", [&](Layer& layer, const TrainedQuantizer& q) {
         layer.op = std::make_shared<BatchNormalization>(one, GivenNumbers{one.given, q}, BatchNormalization::Origin{});
       }}};
  std::map<std::string, std::string> known;
  for (const auto& [where, put] : places) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      Model model = small_model();
      put(model.layers[1], all[i]);
      const std::string what = where + " " + std::to_string(i);
      const auto [same, is_new] = known.emplace(content_hash(model), what);
      EXPECT_TRUE(is_new) << what << " and " << same->second;
    }
  }
}

TEST(Store, AModelIsKnownByEverythingThatDecidesItsResults) {
  const Folder folder;
  Store store(folder.path(), Store::Mode::kWrite);
  store.add_model(small_model(), "m");
  EXPECT_NO_THROW(store.add_model(small_model(), "m"));
  const std::map<std::string, std::function<void(Model&)>> changes = {
      {"a weight",
       [](Model& m) {
         m.layers[1].op = dense(3, 2, {1, 2, 3, 4, 5, 7}, {});
       }},
      {"the kernel's shape",
       [](Model& m) {
         m.layers[1].op = dense(2, 3, {1, 2, 3, 4, 5, 6}, {});
       }},
      {"a bias",
       [](Model& m) {
         m.layers[1].op = dense(3, 2, {1, 2, 3, 4, 5, 6}, {0, 0});
       }},
      {"the kind of layer", [](Model& m) { m.layers[1].op = std::make_shared<Linear>(); }},
      {"the wiring", [](Model& m) { m.layers[2].inputs = {1}; }},
      // The same numbers one behind the other.
      {"inputs or shape",
       [](Model& m) {
         m.layers[2].inputs = {0, 2}, m.layers[2].shape = {2};
       }},
      {"the output", [](Model& m) { m.outputs = {2}; }},
      {"linear activations of Keras 2", [](Model& m) { m.linear = {m.layers[1].name}; }},
      {"the order of outputs",
       [](Model& m) {
         m.outputs = {1, 2};
       }},
      {"a layer's name, by which types are given", [](Model& m) { m.layers[1].name = "c"; }},
      {"a layer less", [](Model& m) { m.layers.pop_back(); }},
      {"an activation's quantizer", [](Model& m) { m.layers[1].quantizer = TrainedQuantizer{.bits = 4}; }},
      {"a node's name, by which types are given", [](Model& m) { m.layers[1].configured_as = "node"; }}};
  for (const auto& [what, change] : changes) {
    Model other = small_model();
    change(other);
    EXPECT_THROW(store.add_model(other, "m"), Error) << what;
  }
}

// --- points that are any assignment of types

Dataset small_data() {
  Dataset data;
  data.path = "data.h5";
  data.shape = {2, 3};
  data.size = 1;
  data.x.assign(6, 0);
  return data;
}

Scan small_scan(Store& store) { return store.add_scan(store.add_model(small_model(), "m"), store.add_data(small_data(), ""), "auto"); }

// The types of small_model at a point, with others at one layer.
std::string types_with(const std::string& layer, const Format& format) {
  const Model model = small_model();
  PrecisionConfig config = make_config(model, {.vector = fixed(12, 5), .weight = fixed(10, 2)});
  config.by_name[layer].types["weight"] = format;
  return types_json(resolve(model, config));
}

PointResult result_of(const StoredPoint& point, double mpe, const std::string& types) {
  PointResult result;
  result.id = result.computed_as = point.id;
  result.values = {{"mpe", {mpe, mpe / 100}}, {"mae", {mpe / 10, 0}}, {"left_out", {0, 0}}};
  result.types = types;
  return result;
}

TEST(Store, APointIsAnAssignmentOfTypes) {
  const Folder folder;
  const std::string plain = types_with("a", fixed(10, 2));
  const std::string other = types_with("a", fixed(9, 2));
  ASSERT_NE(plain, other);
  std::int64_t first = 0;
  {
    Store store(folder.path(), Store::Mode::kWrite);
    const Scan scan = small_scan(store);
    store.add_metric_names({metric_named("mpe"), metric_named("mae"), metric_named("left_out")});
    const auto planned = store.plan(scan, {grid_point({12, 5, 10, 2}, plain), labelled_point("search-1", other)}, {"mpe"});
    ASSERT_EQ(planned.size(), 2U);
    EXPECT_EQ(planned[0].point, (Point{12, 5, 10, 2}));
    EXPECT_FALSE(planned[1].point);
    EXPECT_EQ(planned[1].label, "search-1");
    first = planned[1].id;
    EXPECT_EQ(store.types(planned[1]), other) << "what is planned can be run by whoever reads the store";
    store.finish(result_of(planned[0], 4, plain));
    store.finish(result_of(planned[1], 2, other));
    // The same types are the same point, whatever it is called.
    const auto again = store.plan(scan, {labelled_point("search-2", other), labelled_point("search-3", plain)}, {"mpe"});
    EXPECT_EQ(again[0].id, first);
    EXPECT_TRUE(again[0].finished && again[0].measured);
    EXPECT_EQ(again[1].id, planned[0].id);
    EXPECT_FALSE(store.plan(scan, {labelled_point("search-2", other)}, {"mpe", "rmse"})[0].measured);
    // Labels are names of files.
    EXPECT_THROW(store.plan(scan, {labelled_point("search-1", types_with("a", fixed(8, 2)))}, {}), Error);
    for (const char* bad : {"", "a/b", "..", "16.6.wb_12.3", "a b"})
      EXPECT_THROW(store.plan(scan, {labelled_point(bad, types_with("a", fixed(7, 2)))}, {}), Error) << bad;
  }
  const Store store(folder.path(), Store::Mode::kRead);
  const Scan scan = store.scans().front();
  const std::vector<StoredPoint> points = store.points(scan, {"mpe", "mae", "left_out"});
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[0].point, (Point{12, 5, 10, 2}));
  EXPECT_EQ(points[1].label, "search-1");
  EXPECT_EQ(points[1].values, (std::vector<double>{2, 0.2, 0}));
  // What is made of studies carries it under its label.
  EXPECT_EQ(least(points, 0), 1U);
  EXPECT_EQ(types_of(points[1]), "search-1");
  EXPECT_EQ(results_text(scan, points, "mpe"),
            "# best: search-1: mpe 2 %\n# model m, 1 samples; predictions of 0 by the float model are left out: 0\n"
            "# v_full v_int wb_full wb_int mpe\n12 5 10 2 4\n# search-1 2\n");
  const Question question{{{metric_named("mpe"), 5, 0}}};
  const std::vector<double> bits = bits_without_coordinates(store, points);
  EXPECT_DOUBLE_EQ(bits[1], bits_in(other));
  EXPECT_LT(bits[1], bits_in(plain)) << "one weight is a bit narrower";
  EXPECT_EQ(pareto_front(points, question, {0, 30}).points.size(), 2U);
  EXPECT_EQ(pareto_front(points, question, {0, 20}).points.size(), 1U) << "fewer bits and a smaller error";
  EXPECT_EQ(best_of(points, question, 1, true, {0, 20}).point->id, points[1].id) << "labelled points are ranked by the bits of their types";
  EXPECT_EQ(best_of(points, question, 1, true, {0, 30}).point->id, points[0].id);
  const Answer strict = best_of(points, {{{metric_named("mpe"), 3, 0}}}, 1, true, {0, 30});
  EXPECT_EQ(strict.point->id, points[1].id);
  EXPECT_FALSE(strict.doubted || strict.worse) << "points without coordinates have no neighbours";
  write_results(folder.path(), store, scan);
}

// --- which precision is best

// A study of 1,000 samples whose points have mpe and turn_on_shift@20, each with an error of a tenth.
class Grid2 {
 public:
  StoredPoint& add(const Point& point, double mpe, double shift, double overflow = 0) {
    StoredPoint each = finished(static_cast<std::int64_t>(points.size() + 1), point, mpe, 0, 0);
    each.values = {mpe, shift};
    each.errors = {mpe / 10, std::abs(shift) / 10};
    each.overflow = WorstOverflow{overflow > 0 ? "KSum" : "", WorstOverflow::Of::kValues, overflow, 100};
    points.push_back(each);
    return points.back();
  }
  Answer answer(const std::string& below, bool any = false, double most_overflow = kMostOverflow) const {
    return best_of(points, {parse_bounds(below, "", {metric_named("mpe"), metric_named("turn_on_shift@20")}), most_overflow, any}, 1000,
                   true);
  }
  std::vector<StoredPoint> points;
};

std::string joined(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += sentence + "\n";
  return text;
}

// As the default study's network of 32 nodes: its largest precision has a small turn-on shift by chance, an MPE of 267 % and sums that
// overflow in 44 % of their values.
TEST(Best, ABrokenNetworkIsNotRecommended) {
  Grid2 grid;
  for (int v_int = 4; v_int <= 8; v_int += 2) {
    for (int v_full = 16; v_full <= 24; v_full += 4) {
      for (int wb_full = 8; wb_full <= 16; wb_full += 4) {
        const bool breaks = v_int == 4;
        const double error = wb_full == 8 ? 20 : 2.0 / (v_full - v_int);
        grid.add({v_full, v_int, wb_full, 4}, breaks ? 267 : error,
                 breaks && v_full == 24 && wb_full == 16 ? 0.3
                 : breaks                                ? -9
                                                         : error,
                 breaks ? 44 : 0);
      }
    }
  }
  const Answer answer = grid.answer("turn_on_shift@20=0.5");
  ASSERT_TRUE(answer.point);
  EXPECT_EQ(answer.point->point, (Point{16, 6, 12, 4}));
  const Answer any = grid.answer("turn_on_shift@20=0.12,mpe=300", true);
  EXPECT_EQ(any.point->point, (Point{24, 6, 12, 4}));
  // Nothing but the broken one is within this bound.
  Grid2 broken;
  for (const StoredPoint& point : grid.points) {
    if (point.point->v_int == 4) broken.points.push_back(point);
  }
  const Answer none = broken.answer("turn_on_shift@20=0.5");
  EXPECT_FALSE(none.point);
  EXPECT_EQ(none.doubt, Doubt::kOverflow);
  EXPECT_EQ(none.doubted->point, (Point{24, 4, 16, 4}));
  EXPECT_NE(joined(none.said).find("KSum overflows in 44 % of its values (of 100 samples), more than 1 %"), std::string::npos)
      << joined(none.said);
  // Where so much may overflow, it is at the end of the grid.
  const Answer edge = broken.answer("turn_on_shift@20=0.5", false, 50);
  EXPECT_FALSE(edge.point);
  EXPECT_EQ(edge.doubt, Doubt::kEdge);
  EXPECT_EQ(edge.extend, (std::vector<std::string>{"--v-full 16:28:4", "--wb-full 8:20:4"}));
  EXPECT_EQ(broken.answer("turn_on_shift@20=0.5", true).point->point, (Point{24, 4, 16, 4})) << "on request";
}

TEST(Best, BoundsOfAClassifier) {
  const std::vector<Metric> metrics{metric_named("mpe"), metric_named("accuracy"), metric_named("accuracy_loss"),
                                    metric_named("efficiency_loss@t,1"), metric_named("auc_loss@t")};
  const std::vector<Bound> usual = parse_bounds("", "", metrics);
  ASSERT_EQ(usual.size(), 1U);
  EXPECT_EQ(usual[0].metric.name, "accuracy_loss");
  EXPECT_EQ(usual[0].most, 1);
  EXPECT_EQ(parse_bounds("", "mpe", metrics)[0].most, 5);
  const std::vector<Bound> both = parse_bounds("efficiency_loss@t,1=5,auc_loss@t=-0.01", "", metrics);
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0].metric.name, "efficiency_loss@t,1");
  EXPECT_EQ(both[1].most, -0.01) << "better than float";
  EXPECT_THROW(parse_bounds("accuracy=5", "", metrics), Error);
  EXPECT_THROW(parse_bounds("5", "accuracy", metrics), Error);
}

// Two classes by two scores: sample 0 is of class 0, 1 and 2 of class 1.
TEST(Measure, ClassifierWithInfinityAndNan) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Targets targets;
  targets.outputs = 2;
  targets.classes = Classes{{"b", "s"}, true, 0, {0, 1, 1}, {}};
  const Measure measure({}, {1, 0, 0, 1, 0.25, 0.75}, targets);
  const auto value = [&](const std::vector<double>& fixed, const std::string& name) {
    const auto& names = measure.names();
    const auto at = std::find_if(names.begin(), names.end(), [&](const Metric& metric) { return metric.name == name; });
    EXPECT_NE(at, names.end()) << name;
    return measure.values(fixed)[static_cast<std::size_t>(at - names.begin())];
  };
  const std::vector<double> infinite{kInfinity, -kInfinity, -kInfinity, kInfinity, 2, 1};
  EXPECT_NEAR(value(infinite, "accuracy"), 200.0 / 3, 1e-12);
  EXPECT_NEAR(value(infinite, "accuracy_loss"), 100.0 / 3, 1e-12);
  EXPECT_EQ(value(infinite, "auc@s"), 1);
  EXPECT_TRUE(std::isnan(value(infinite, "kl")));
  const std::vector<double> unknown{1, 0, kNan, 1, 0, 1};
  for (const char* name : {"accuracy", "accuracy_loss", "agreement", "disagreement", "ties", "auc", "auc@s", "auc_loss@b", "kl",
                           "efficiency@s,1", "background_change@b,50", "efficiency@1"})
    EXPECT_TRUE(std::isnan(value(unknown, name))) << name;
  // A class that vanishes costs what 1e-7 would; sums other than 1 cost nothing.
  EXPECT_NEAR(value({2, 0, 0, 2, 0.5, 1.5}, "kl"), 0, 1e-7);
  EXPECT_NEAR(value({1, 0, 0, 1, 0, 1}, "kl"), (0.25 * std::log(0.25 / 1e-7) + 0.75 * std::log(0.75)) / 3, 1e-6);
  // All equal: pairs are halves, and no threshold passes a part.
  const std::vector<double> constant(6, 0.5);
  EXPECT_EQ(value(constant, "auc"), 0.5);
  EXPECT_EQ(value(constant, "ties"), 100);
  EXPECT_EQ(value(constant, "efficiency@s,1"), 0);
  EXPECT_EQ(value(constant, "background@s,50"), 100);
}

// Every threshold in turn, for every replica: what take_drawn finds for all of them at once.
TEST(Classification, WorkingPointsOfReplicasAreThoseOfEveryThreshold) {
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937_64 random(seed);
  const auto draw = [&](std::size_t below) { return static_cast<std::size_t>(random() % below); };
  std::size_t known = 0;
  for (int round = 0; round < 60; ++round) {
    const std::size_t outputs = std::array<std::size_t, 3>{1, 3, 5}[draw(3)];
    const std::size_t samples = std::array<std::size_t, 5>{1, 2, 7, 40, 300}[draw(5)];
    Classes classes;
    for (std::size_t k = 0; k < std::max<std::size_t>(outputs, 2); ++k) classes.names.push_back(std::to_string(k));
    std::vector<double> scores;
    const std::size_t levels = std::array<std::size_t, 4>{1, 3, 30, 100000}[draw(4)];
    for (std::size_t i = 0; i < samples; ++i) {
      classes.truth.push_back(static_cast<std::uint16_t>(draw(classes.names.size())));
      for (std::size_t k = 0; k < outputs; ++k) {
        scores.push_back((static_cast<double>(draw(levels)) - static_cast<double>(levels / 2)) / 64 +
                         (k == classes.truth.back() ? 0.25 : 0));
        if (draw(9) == 0) scores.back() = -0.0;
        if (levels == 100000) scores.back() = std::sqrt(std::abs(scores.back()));
      }
    }
    std::vector<float> weights;
    if (draw(2) == 0) std::generate_n(std::back_inserter(weights), samples, [&] { return 0.25F * static_cast<float>(draw(5)); });
    MetricOptions options;
    options.backgrounds = {1, 10, 33.3};
    options.efficiencies = {5, 50, 100};
    const Resamples resamples(samples, 20);
    const ClassSamples of(classes, outputs, samples, weights, options, resamples);
    const Classification classification(of, scores);
    for (std::size_t s = 0; s < of.signals.size(); ++s) {
      const Roc& roc = classification.rocs()[s];
      if (!roc.has_both) {
        EXPECT_TRUE(roc.drawn_efficiencies.empty());
        continue;
      }
      const auto score = [&](std::size_t i) { return scores[i * outputs + of.place(of.signals[s])]; };
      for (std::size_t r = 0; r < resamples.replicas(); ++r) {
        const auto share = [&](bool signal, double threshold) {
          double passed = 0;
          double all = 0;
          for (std::size_t i = 0; i < samples; ++i) {
            if ((classes.truth[i] == of.signals[s]) != signal) continue;
            const double weight = resamples.weights(r)[i] * (weights.empty() ? 1.0 : static_cast<double>(weights[i]));
            all += weight;
            passed += score(i) >= threshold ? weight : 0;
          }
          return passed / all * 100;  // NaN of none
        };
        std::vector<double> thresholds{std::numeric_limits<double>::infinity()};
        for (std::size_t i = 0; i < samples; ++i) thresholds.push_back(score(i));
        const bool both = !std::isnan(share(true, 0)) && !std::isnan(share(false, 0));
        for (std::size_t k = 0; k < 3; ++k) {
          double efficiency = both ? 0 : std::nan("");
          double background = both ? 100 : std::nan("");
          for (const double threshold : both ? thresholds : std::vector<double>()) {
            if (share(false, threshold) <= options.backgrounds[k] + 1e-7) efficiency = std::max(efficiency, share(true, threshold));
            if (share(true, threshold) >= options.efficiencies[k] - 1e-7) background = std::min(background, share(false, threshold));
          }
          const auto same = [](double a, double b) { return std::isnan(a) ? std::isnan(b) : std::abs(a - b) < 1e-9; };
          ASSERT_TRUE(same(roc.drawn_efficiencies[k][r], efficiency))
              << "seed " << seed << " round " << round << ": " << roc.drawn_efficiencies[k][r] << " and " << efficiency;
          ASSERT_TRUE(same(roc.drawn_backgrounds[k][r], background))
              << "seed " << seed << " round " << round << ": " << roc.drawn_backgrounds[k][r] << " and " << background;
          known += both ? 1 : 0;
        }
      }
    }
  }
  EXPECT_GT(known, 1000U);
}

TEST(Best, AllBoundsAreKept) {
  Grid2 grid;
  for (int full = 10; full <= 16; ++full) grid.add({full, 4, 12, 2}, 32.0 / (1 << (full - 10)), 8.0 / (full - 9));
  EXPECT_EQ(grid.answer("mpe=5").point->point->v_full, 13);
  EXPECT_EQ(grid.answer("mpe=5,turn_on_shift@20=1.8").point->point->v_full, 14);
  // 1.6 +- 0.16 is within 1.7 by less than its error: one bound that is not decided is enough.
  const Answer one = grid.answer("mpe=5,turn_on_shift@20=1.7");
  EXPECT_EQ(one.undecided->point->v_full, 14);
  EXPECT_EQ(one.point->point->v_full, 15);
  for (const char* bad : {"mpe", "mpe=", "mpe=x", "mpe=5,", "speed=3", "mpe=5,mpe=4", "nan", "5,mpe=3"})
    EXPECT_THROW(grid.answer(bad), Error) << bad;
  const std::vector<Metric> metrics{metric_named("linearity@5,10,20"), metric_named("mpe")};
  const std::vector<Bound> bounds = parse_bounds("linearity@5,10,20=3,mpe=2", "", metrics);
  ASSERT_EQ(bounds.size(), 2U);
  EXPECT_EQ(bounds[0].metric.name, "linearity@5,10,20");
  EXPECT_EQ(bounds[1].at, 1U);
  EXPECT_THROW(parse_bounds("5", "rate@20", {metric_named("rate@20")}), Error) << "no rate is better than another";
}

TEST(Best, AnswersAreSettledByErrorsAndNeighbours) {
  Grid2 grid;
  const auto errors = [&](std::initializer_list<double> mpes) {
    grid.points.clear();
    int full = 10;
    for (const double mpe : mpes) grid.add({full++, 4, 12, 2}, mpe, 0);
  };
  // More bits miss the bound, but within their error: that is no chance.
  errors({9, 4, 5.2, 3, 1});
  EXPECT_EQ(grid.answer("mpe=5").point->point->v_full, 11);
  // A bound that is met by less than its error is not decided, and the search goes on.
  errors({9, 4.9, 4.8, 3, 1});
  const Answer undecided = grid.answer("mpe=5");
  EXPECT_EQ(undecided.undecided->point->v_full, 11);
  EXPECT_EQ(undecided.point->point->v_full, 13);
  EXPECT_FALSE(undecided.doubted);
  EXPECT_DOUBLE_EQ(undecided.samples.value(), 25000);
  EXPECT_EQ(grid.answer("mpe=5", true).point->point->v_full, 11) << "on request";
  const std::string said = joined(undecided.said);
  // 4.9 +- 0.49 is 0.1 from the bound: 24.01 times as many samples have an error of 0.1.
  EXPECT_NE(
      said.find(
          "the 23-bit point ap_fixed<11,4> / ap_fixed<12,2> is undecided: mpe of the output is 4.9 +- 0.49 %: the bound of 5 % is met, "
          "but by less than the statistical error of 1,000 samples; about "
          "25,000 would decide"),
      std::string::npos)
      << said;
  // By exactly its error it is decided.
  errors({9, 4, 4, 3, 1});
  for (StoredPoint& point : grid.points) point.errors[0] = 1;
  EXPECT_EQ(grid.answer("mpe=5").point->point->v_full, 11);
  // None that is decided.
  errors({9, 4.9, 4.8, 4.7, 4.6});
  EXPECT_FALSE(grid.answer("mpe=5").point);
  EXPECT_EQ(grid.answer("mpe=5").undecided->point->v_full, 11);
  // Beyond their error it is.
  errors({9, 4, 7, 3, 1});
  const Answer chance = grid.answer("mpe=5");
  EXPECT_EQ(chance.point->point->v_full, 13);
  EXPECT_EQ(chance.doubt, Doubt::kFailsAbove);
  EXPECT_EQ(chance.worse->point->v_full, 12);
  EXPECT_EQ(joined(grid.answer("mpe=5", true).said).find("not recommended"), std::string::npos);
  EXPECT_EQ(grid.answer("mpe=5", true).point->point->v_full, 11);
  // What is not known is not kept to.
  errors({9, 4, std::nan(""), 3, 1});
  EXPECT_EQ(grid.answer("mpe=5").point->point->v_full, 13);
  // Nothing is beyond the last one.
  errors({9, 8, 7, 6, 4});
  const Answer edge = grid.answer("mpe=5");
  EXPECT_FALSE(edge.point);
  EXPECT_EQ(edge.extend, (std::vector<std::string>{"--v-full 10:15"}));
  // A neighbour that is to come.
  errors({9, 8, 7, 4, 3});
  grid.points.back().finished = false;
  EXPECT_EQ(grid.answer("mpe=5").doubt, Doubt::kUnfinished);
  EXPECT_NE(joined(grid.answer("mpe=5").said).find("1 of 5 points are not finished"), std::string::npos);
  // None at all: the nearest.
  errors({9, 8, 7, 6, 5.4});
  EXPECT_EQ(grid.answer("mpe=5").nearest->point->v_full, 14);
  EXPECT_NE(joined(grid.answer("mpe=5").said).find("is missed, but by less than the statistical error of 1,000 samples"),
            std::string::npos);
}

// Where integer bits coarsen a softmax's table, a point that has more of them and misses the bound says nothing of one that has fewer.
TEST(Best, MoreIntegerBitsMayBeWorse) {
  Grid2 grid;
  for (int fraction = 6; fraction <= 8; ++fraction) {
    grid.add({fraction + 5, 5, 12, 2}, 6.5 - fraction * 0.5, 0);
    grid.add({fraction + 12, 12, 12, 2}, 12, 0);
  }
  EXPECT_EQ(grid.answer("mpe=5").doubt, Doubt::kFailsAbove);
  const std::string types = R"({"out":{"result_t":"fixed<8,4,TRN,WRAP,0>"},"softmax":{"implementation":")";
  const auto answer = [&](const char* implementation, const char* options) {
    const MoreIntegerBits more = more_integer_bits(types + implementation + "\"}}", options);
    return best_of(grid.points, {parse_bounds("mpe=5", "", {metric_named("mpe")})}, 1000, true, {}, more);
  };
  for (const char* with_table : {"stable", "latency"}) {
    EXPECT_EQ(answer(with_table, "uniform").point->point->v_full, 11);
    EXPECT_NE(joined(answer(with_table, "auto").said).find("steps grow with integer bits: points with more of --v-int are not"),
              std::string::npos);
  }
  for (const char* other : {"argmax", "legacy"}) EXPECT_FALSE(answer(other, "uniform").point);
  // Of weights only where the scores' type follows from theirs.
  EXPECT_TRUE(more_integer_bits(types + "stable\"}}", "uniform maximum:24,10").of_weights);
  EXPECT_FALSE(more_integer_bits(types + "stable\"}}", "auto maximum:24,10").of_weights);
  EXPECT_TRUE(more_integer_bits("", "auto").of_vectors);
}

// Over random errors: fewer samples, whose errors are larger, never give an answer of fewer bits.
TEST(Best, FewerSamplesAreNotMorePermissive) {
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> scale(0, 1);
  int undecided = 0;
  for (int repeat = 0; repeat < 500; ++repeat) {
    Grid2 grid;
    for (int full = 10; full < 18; ++full) {
      // Falls with the bits, so that neighbours are not what decides.
      grid.add({full, 4, 12, 2}, 10.0 / (full - 9) + scale(random), 0).errors[0] = 2 * scale(random);
    }
    const auto bits = [](const Answer& answer) { return answer.point ? answer.bits : std::numeric_limits<double>::infinity(); };
    const double many = bits(grid.answer("mpe=5"));
    undecided += grid.answer("mpe=5").undecided ? 1 : 0;
    for (StoredPoint& point : grid.points) point.errors[0] *= 2;
    EXPECT_LE(many, bits(grid.answer("mpe=5"))) << "seed " << seed << ", repeat " << repeat;
  }
  EXPECT_GT(undecided, 50);
}

TEST(Best, AnAnswerWhereTheGridBeginsSaysSo) {
  Grid2 grid;
  for (int full = 10; full <= 16; full += 2) {
    for (int weights = 8; weights <= 12; ++weights) grid.add({full, 4, weights, 2}, weights < 10 ? 9 : 1, 0);
  }
  const Answer vectors = grid.answer("mpe=5");
  EXPECT_EQ(vectors.point->point, (Point{10, 4, 10, 2}));
  EXPECT_EQ(vectors.extend_down, (std::vector<std::string>{"--v-full 8:10:2"}));
  EXPECT_NE(joined(vectors.said).find("the grid begins there: no fewer bits were tried; extend it with --v-full 8:10:2"), std::string::npos)
      << joined(vectors.said);
  EXPECT_EQ(grid.answer("mpe=10").extend_down, (std::vector<std::string>{"--v-full 8:10:2", "--wb-full 7:8"}));
  // Fewer bits than integer bits there cannot be.
  grid.points.clear();
  for (int full = 5; full <= 9; full += 2) grid.add({full, 4, 12, 2}, 1, 0);
  EXPECT_EQ(grid.answer("mpe=5").extend_down, (std::vector<std::string>{"--v-full 4:5"}));
  grid.points.clear();
  for (int full = 4; full <= 8; full += 2) grid.add({full, 4, 12, 2}, 1, 0);
  EXPECT_TRUE(grid.answer("mpe=5").extend_down.empty());
  // Where fewer bits were tried there is nothing to say.
  for (StoredPoint& point : grid.points) {
    if (point.point->v_full == 4) point.values[0] = 9;
  }
  EXPECT_TRUE(grid.answer("mpe=5").extend_down.empty());
}

TEST(Best, FewerIntegerBitsWereNotTriedEither) {
  Grid2 grid;
  for (int full = 10; full <= 14; full += 2) {
    for (int integer = 4; integer <= 8; integer += 2) {
      for (int weights = 8; weights <= 10; ++weights) grid.add({full, integer, weights, 2}, full == 10 || weights == 8 ? 9 : 1, 0);
    }
  }
  EXPECT_EQ(grid.answer("mpe=5").point->point, (Point{12, 4, 9, 2}));
  EXPECT_EQ(grid.answer("mpe=5").extend_down, (std::vector<std::string>{"--v-int 2:4:2"}));
  for (StoredPoint& point : grid.points) {
    if (point.point->v_int == 4) point.values[0] = 9;
  }
  EXPECT_TRUE(grid.answer("mpe=5").extend_down.empty());
}

TEST(Best, AnEmptyFrontSaysWhy) {
  Grid2 grid;
  for (int full = 10; full <= 12; ++full) grid.add({full, 4, 12, 2}, 4, 1, 3);
  const auto front = [&](const std::string& below, bool any = false) {
    return pareto_front(grid.points,
                        {parse_bounds(below, "", {metric_named("mpe"), metric_named("turn_on_shift@20")}), kMostOverflow, any});
  };
  EXPECT_TRUE(front("mpe=5").points.empty());
  EXPECT_NE(joined(front("mpe=5").said).find("3 points of which more than 1 % overflow"), std::string::npos);
  EXPECT_EQ(front("mpe=5", true).points.size(), 1U);
  for (StoredPoint& point : grid.points) point.overflow.reset();
  // Something overflows, and nobody has counted how much.
  EXPECT_TRUE(front("mpe=5").points.empty());
  for (StoredPoint& point : grid.points) point.clean = true;
  EXPECT_NE(joined(front("mpe=5,turn_on_shift@20=0.5").said).find("3 points beyond the other bounds"), std::string::npos);
  EXPECT_NE(joined(front("mpe=5,turn_on_shift@20=1.05").said).find("3 points left out that keep to the other bounds by less"),
            std::string::npos);
  EXPECT_TRUE(front("mpe=5,turn_on_shift@20=1.05").points.empty());
  EXPECT_TRUE(front("mpe=5,turn_on_shift@20=1.2").said.empty());
  grid.points[0].values[0] = std::nan("");
  grid.points.resize(1);
  EXPECT_NE(joined(front("mpe=5").said).find("1 point without a value of mpe"), std::string::npos);
  grid.points[0].finished = false;
  EXPECT_NE(joined(front("mpe=5").said).find("no point is finished"), std::string::npos);
}

TEST(Best, AnUnknownErrorIsNotAnExactValue) {
  Grid2 grid;
  for (int full = 10; full <= 12; ++full) grid.add({full, 4, 12, 2}, 4, 0).errors[0] = std::nan("");
  const Answer answer = grid.answer("mpe=5");
  ASSERT_EQ(answer.judgements.size(), 1U);
  EXPECT_EQ(answer.judgements[0].standing, Standing::kMetErrorUnknown);
  EXPECT_TRUE(std::isnan(answer.judgements[0].error));
  EXPECT_NE(joined(answer.said).find("mpe of the output is 4 %: the bound of 5 % is met, but its statistical error is unknown"),
            std::string::npos)
      << joined(answer.said);
  // Missed, whatever its error.
  EXPECT_EQ(judge(grid.points[0], {metric_named("mpe"), 3, 0}, 1000).standing, Standing::kMissed);
}

TEST(Best, OverflowsThatWereNotCountedAreADoubt) {
  Grid2 grid;
  for (int full = 10; full <= 12; ++full) grid.add({full, 4, 12, 2}, 4, 0).overflow.reset();
  Answer answer = grid.answer("mpe=5");
  EXPECT_FALSE(answer.point);
  EXPECT_EQ(answer.doubt, Doubt::kOverflow);
  EXPECT_NE(joined(answer.said).find("something overflows; how much was not counted"), std::string::npos) << joined(answer.said);
  for (StoredPoint& point : grid.points) point.clean = true;
  EXPECT_TRUE(grid.answer("mpe=5").point);
}

TEST(Best, TheNearestMissesItsBoundsLeast) {
  Grid2 grid;
  grid.add({10, 4, 12, 2}, 4, 9);
  grid.add({11, 4, 12, 2}, 6, 2);
  grid.add({12, 4, 12, 2}, 30, 1);
  const Answer answer = grid.answer("mpe=5,turn_on_shift@20=1.5");
  ASSERT_TRUE(answer.nearest);
  EXPECT_EQ(answer.nearest->point->v_full, 11);  // 33 % beyond; the others 500 % beyond one of both
}

TEST(Best, AMetricThatIsUnknownEverywhereIsSaid) {
  Grid2 grid;
  for (int full = 10; full <= 12; ++full) grid.add({full, 4, 12, 2}, std::nan(""), 0);
  EXPECT_NE(joined(grid.answer("mpe=5").said).find("mpe of the output is unknown at every point"), std::string::npos);
}

TEST(Best, ABoundBelowZeroIsRefusedWhereNothingIs) {
  const std::vector<Metric> metrics{metric_named("mpe"), metric_named("bias"), metric_named("resolution_loss")};
  EXPECT_EQ(parse_bounds("resolution_loss=-1", "", metrics).size(), 1U);
  for (const char* below : {"mpe=-1", "bias=-1"}) {
    try {
      parse_bounds(below, "", metrics);
      FAIL() << below;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("is never below 0"), std::string::npos) << error.what();
    }
  }
}

TEST(Best, IntegerBitsThatTheGridDoesNotVaryAreSaid) {
  Grid2 grid;
  for (int full = 10; full <= 12; ++full) {
    for (int weights = 10; weights <= 12; ++weights) {
      for (int integer = 2; integer <= 4; ++integer) grid.add({full, 4, weights, integer}, 4, 0);
    }
  }
  const std::string sentence = "the grid has one value of --v-int: more bits there were not tried";
  EXPECT_NE(joined(grid.answer("mpe=5").said).find(sentence), std::string::npos) << joined(grid.answer("mpe=5").said);
  for (StoredPoint& point : grid.points) point.clean = true;
  EXPECT_EQ(joined(grid.answer("mpe=5").said).find(sentence), std::string::npos) << "more change nothing where nothing overflows";
}

// Through the metric's own function, as measured of points.
Estimate estimate_of(const Measure& measure, const std::string& name, const std::vector<double>& fixed) {
  const std::vector<std::string> names = names_of(measure.names());
  const auto at = std::find(names.begin(), names.end(), name) - names.begin();
  return measure.measure(fixed).metrics.at(static_cast<std::size_t>(at));
}

// Wilson 1927: of n samples none, the limit at one standard deviation is 1/(n + 1).
TEST(Metrics, AShareOfNoneOrAllHasAnError) {
  MetricOptions options;
  options.thresholds = {5};
  for (const std::size_t n : {std::size_t{10}, std::size_t{1000}}) {
    Targets targets;
    for (std::size_t i = 0; i < n; ++i) targets.truth.push_back(static_cast<float>(1 + i % 10));
    const std::vector<double> same(targets.truth.begin(), targets.truth.end());
    const Measure measure(options, same, targets);
    const double limit = 100.0 / (static_cast<double>(n) + 1);
    EXPECT_EQ(estimate_of(measure, "beyond@1", same).value, 0);
    EXPECT_NEAR(estimate_of(measure, "beyond@1", same).error, limit, 1e-12);
    const std::vector<double> none(n, 100.0);
    EXPECT_EQ(estimate_of(measure, "beyond@1", none).value, 100);
    EXPECT_NEAR(estimate_of(measure, "beyond@1", none).error, limit, 1e-12);
    EXPECT_EQ(estimate_of(measure, "rate@5", none).value, 100);
    EXPECT_NEAR(estimate_of(measure, "rate@5", none).error, limit, 1e-12);
    // Six of ten pass.
    EXPECT_EQ(estimate_of(measure, "rate_change@5", same).value, 0);
    EXPECT_NEAR(estimate_of(measure, "rate_change@5", same).error, limit / 0.6, 1e-12);
    // One alone has the error of the bootstrap, and no smaller one.
    std::vector<double> one = same;
    one[0] = 50;
    EXPECT_NEAR(estimate_of(measure, "beyond@1", one).error, 100 * std::sqrt((1 - 1.0 / static_cast<double>(n))) / static_cast<double>(n),
                1e-9);
    EXPECT_GE(estimate_of(measure, "beyond@1", one).error, limit);
  }
}

bool same_number(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

// Beside any samples of weight 0, everything is as without them.
TEST(Metrics, SamplesWithoutWeightChangeNothing) {
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937_64 random(seed);
  const auto uniform = [&](double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); };
  const Feature target = parse_feature("E:log/10");
  for (int repeat = 0; repeat < 20; ++repeat) {
    const std::size_t n = 40 + random() % 100;
    Targets few{{}, target, target, 1, {}};
    Targets many = few;
    std::vector<double> reference, fixed, all_reference, all_fixed;
    for (std::size_t i = 0; i < n; ++i) {
      const bool without = i % 3 == 1;
      const auto truth = static_cast<float>(uniform(0, 0.5));
      const float weight = without ? 0.F : repeat % 2 == 0 ? 1.F : static_cast<float>(uniform(0.1, 3));
      // Those without are far away.
      const double predicted = without ? uniform(-2, 3) : static_cast<double>(truth) + uniform(-0.05, 0.05);
      const double rounded = without ? uniform(-2, 3) : predicted + uniform(-0.01, 0.01);
      many.truth.push_back(without ? static_cast<float>(uniform(-1, 2)) : truth);
      many.weights.push_back(weight);
      all_reference.push_back(predicted);
      all_fixed.push_back(rounded);
      if (without) continue;
      few.truth.push_back(truth);
      few.weights.push_back(weight);
      reference.push_back(predicted);
      fixed.push_back(rounded);
    }
    const MetricOptions options{{}, {10}, {}};
    const Measure one(options, reference, few);
    const Measure other(options, all_reference, many);
    const Measure::Values a = one.measure(fixed);
    const Measure::Values b = other.measure(all_fixed);
    for (std::size_t i = 0; i < a.metrics.size(); ++i) {
      EXPECT_TRUE(same_number(a.metrics[i].value, b.metrics[i].value) && same_number(a.metrics[i].error, b.metrics[i].error))
          << one.names()[i].name << ", seed " << seed << ", repeat " << repeat;
    }
    ASSERT_EQ(a.curves.size(), b.curves.size());
    for (std::size_t i = 0; i < a.curves.size(); ++i) {
      EXPECT_EQ(one.curves()[i].edges, other.curves()[i].edges);
      EXPECT_TRUE(std::equal(a.curves[i].begin(), a.curves[i].end(), b.curves[i].begin(), b.curves[i].end(), same_number)) << i;
    }
  }
}

TEST(Metrics, WhatIsInfiniteOrUnknownIsNeitherWithinNorSorted) {
  MetricOptions options;
  options.thresholds = {5};
  Targets targets;
  targets.of_data = parse_feature("E:log");
  for (int i = 1; i <= 20; ++i) targets.truth.push_back(static_cast<float>(i) / 4);
  targets.of_model = targets.of_data;
  const std::vector<double> exact(targets.truth.begin(), targets.truth.end());
  std::vector<double> reference = exact;
  reference[0] = 1000;  // infinite when undone
  EXPECT_EQ(estimate_of(Measure(options, reference, targets), "beyond_target@1", exact).value, 5);
  std::vector<double> infinite = exact;
  infinite[0] = 1000;
  EXPECT_EQ(estimate_of(Measure(options, reference, targets), "beyond_target@1", infinite).value, 5) << "two infinite ones do not agree";
  reference[0] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(estimate_of(Measure(options, reference, targets), "rate_change@5", exact).value));
  // A truth that is infinite, and a prediction: their relative error is unknown.
  targets.truth[0] = 1000;
  reference[0] = 1000;
  const Measure measure(options, reference, targets);
  for (const char* name : {"resolution", "resolution_68", "resolution_loss", "linearity"})
    EXPECT_TRUE(std::isnan(estimate_of(measure, name, infinite).value)) << name;
  EXPECT_FALSE(std::isnan(estimate_of(measure, "rate@5", infinite).value));
}

TEST(Best, MoreIntegerBitsChangeNothingWhereNothingOverflows) {
  Grid2 grid;
  for (int full = 10; full <= 14; full += 2) {
    for (int integer = 4; integer <= 6; integer += 2) grid.add({full, integer, 12, 2}, full - integer >= 6 ? 4 : 40, 0);
  }
  // Its fractional bits can grow to 14 - 6; its integer bits are those at which the grid ends.
  EXPECT_EQ(grid.answer("mpe=5").point->point, (Point{10, 4, 12, 2}));
  std::erase_if(grid.points, [](const StoredPoint& p) { return p.point->v_int == 4; });
  EXPECT_EQ(grid.answer("mpe=5").doubt, Doubt::kNone) << "one value of integer bits has no direction";
  grid.points.clear();
  for (int full = 10; full <= 14; full += 2) {
    for (int integer = 2; integer <= 4; ++integer) grid.add({full, integer, 12, 2}, integer == 4 && full > 10 ? 4 : 40, 0);
  }
  EXPECT_FALSE(grid.answer("mpe=5").point);
  EXPECT_EQ(grid.answer("mpe=5").extend, (std::vector<std::string>{"--v-int 2:5"}));
  for (StoredPoint& point : grid.points) point.clean = true;
  EXPECT_EQ(grid.answer("mpe=5").point->point, (Point{12, 4, 12, 2}));
}

TEST(Store, AGridPointWhoseTypesAreInferredOtherwiseIsAnotherPoint) {
  const Folder folder;
  Store store(folder.path(), Store::Mode::kWrite);
  const Scan scan = small_scan(store);
  const Point point{12, 5, 10, 2};
  const std::string before = types_with("a", fixed(10, 2));
  const std::string after = types_with("a", fixed(9, 2));
  const auto planned = store.plan(scan, {grid_point(point, before)}, {});
  store.finish(result_of(planned[0], 4, before));
  EXPECT_TRUE(store.plan(scan, {grid_point(point, before)}, {})[0].finished);
  EXPECT_FALSE(store.plan(scan, {grid_point(point, after)}, {})[0].finished);
  EXPECT_EQ(store.points(scan, {}).size(), 1U);
  // Two precisions of a grid may come to the same types, as where a model has no weights: both are in the tables.
  const auto both = store.plan(scan, {grid_point(point, after), grid_point({12, 5, 11, 2}, after)}, {});
  EXPECT_NE(both[0].id, both[1].id);
  EXPECT_EQ(store.points(scan, {}).size(), 2U);
}

TEST(Store, ResourceStrategyDecidesResultsAndIsPartOfTheTypes) {
  const Model model = small_model();
  std::set<std::string> identities;
  for (const auto& [strategy, reuse] :
       {std::pair("Latency", 1), std::pair("Latency", 2), std::pair("Resource", 1), std::pair("Resource", 3)}) {
    PrecisionConfig config = make_config(model, {.vector = fixed(12, 5), .weight = fixed(10, 2)});
    config.model.strategy = strategy;
    config.model.reuse_factor = reuse;
    identities.insert(types_json(resolve(model, config)));
  }
  EXPECT_EQ(identities.size(), 3U) << "the order of sums: one by one, or by the reuse factor of a Resource layer";
}

TEST(Store, LabelledPointsOfPartsAreMerged) {
  const Folder whole;
  const Folder part;
  const std::string types = types_with("a", fixed(9, 2));
  const std::string more = types_with("b", fixed(9, 2));
  {
    Store store(part.path(), Store::Mode::kWrite);
    const Scan scan = small_scan(store);
    store.add_metric_names({{"mpe", "%", ""}});
    const auto planned = store.plan(scan, {labelled_point("one", types), labelled_point("two", more)}, {});
    store.finish(result_of(planned[0], 7, types));
  }
  Store store(whole.path(), Store::Mode::kWrite);
  const Scan scan = small_scan(store);
  store.plan(scan, {labelled_point("one", types)}, {});
  store.take(part.path());
  const auto points = store.points(scan, {"mpe"});
  ASSERT_EQ(points.size(), 2U);
  EXPECT_TRUE(points[0].finished && points[0].label == "one" && points[0].values[0] == 7 && points[0].computed_as == points[0].id);
  EXPECT_TRUE(!points[1].finished && points[1].label == "two");
  EXPECT_EQ(store.types(points[1]), more);
  // One name for two assignments is nobody's point.
  const Folder other;
  {
    Store third(other.path(), Store::Mode::kWrite);
    third.plan(small_scan(third), {labelled_point("two", types_with("b", fixed(8, 2)))}, {});
  }
  EXPECT_THROW(store.take(other.path()), Error);
  EXPECT_EQ(store.points(scan, {}).size(), 2U);
}

// --- folders of scans

Dataset data_of_shape(const Shape& shape, const std::string& path) {
  Dataset data = small_data();
  data.shape = shape;
  data.path = path;
  return data;
}

Model model_of(const std::string& name, float weight) {
  Model model = small_model();
  model.name = name;
  model.layers[1].op = dense(3, 2, {weight, 2, 3, 4, 5, 6}, {});
  return model;
}

std::string folder_of(const Store& store, const std::string& label, const std::string& options) {
  for (const Scan& scan : store.scans()) {
    if (scan.label == label && scan.options == options) return scan.folder;
  }
  return "no scan";
}

TEST(Store, AFolderHoldsTheFilesOfOneDataSetAndOneKindOfTypes) {
  const Folder folder;
  Store store(folder.path(), Store::Mode::kWrite);
  const std::int64_t a = store.add_model(model_of("a", 1), "a");
  const std::int64_t b = store.add_model(model_of("b", 2), "b");
  const std::int64_t data = store.add_data(small_data(), "");
  const std::int64_t other = store.add_data(data_of_shape({6}, "other.h5"), "");
  EXPECT_EQ(store.add_scan(a, data, "auto").folder, "");
  EXPECT_EQ(store.add_scan(b, other, "auto").folder, "auto") << "the first scan of a model, on other data";
  EXPECT_EQ(store.add_scan(b, data, "auto").folder, "") << "the first data and options, whatever the model";
  EXPECT_EQ(store.add_scan(b, data, "uniform").folder, "uniform");
  EXPECT_EQ(store.add_scan(a, data, "uniform").folder, "uniform");
  EXPECT_EQ(store.add_scan(a, other, "uniform").folder, "uniform-2");
  EXPECT_EQ(store.add_scan(a, other, "auto").folder, "auto");
  const std::int64_t cut = store.add_data(data_of_shape({1, 3}, "data.h5"), "");
  const std::int64_t c = store.add_model(model_of("c", 3), "c");
  EXPECT_EQ(store.add_scan(c, cut, "auto").folder, "") << "the same data, of which another model takes fewer rows";
}

TEST(Store, PartsWithOneFolderForDifferentScansAreMerged) {
  const Folder whole;
  const Folder first;
  const Folder second;
  const auto plan = [](const Folder& part, const std::string& label, float weight, const Dataset& data, const std::string& options) {
    Store store(part.path(), Store::Mode::kWrite);
    const Scan scan = store.add_scan(store.add_model(model_of(label, weight), label), store.add_data(data, ""), options);
    store.plan(scan, {labelled_point("one", types_with("a", fixed(9, 2)))}, {});
  };
  plan(first, "m", 1, small_data(), "auto");
  plan(second, "m", 1, small_data(), "uniform");
  Store store(whole.path(), Store::Mode::kWrite);
  store.take(first.path());
  store.take(second.path());
  EXPECT_EQ(folder_of(store, "m", "auto"), "");
  EXPECT_EQ(folder_of(store, "m", "uniform"), "uniform");
  // Another model on other data, which has the own folder of its part.
  const Folder third;
  plan(third, "n", 2, data_of_shape({6}, "other.h5"), "auto");
  store.take(third.path());
  EXPECT_EQ(folder_of(store, "n", "auto"), "auto");
  // Another model on the data of the first.
  const Folder fourth;
  plan(fourth, "k", 3, small_data(), "uniform");
  store.take(fourth.path());
  EXPECT_EQ(folder_of(store, "k", "uniform"), "uniform");
  EXPECT_EQ(Database(whole.path() + "/study.db", false).number("SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

TEST(Store, AProfileIsReplacedAsAWhole) {
  const Folder folder;
  Store store(folder.path(), Store::Mode::kWrite);
  const Scan scan = small_scan(store);
  const auto layers = [&] {
    std::vector<std::string> names;
    for (const Profile& each : store.profile(scan)) names.push_back(each.layer);
    return names;
  };
  const auto of = [](const std::string& layer) { return Profile{layer, "result", {}, 0, false}; };
  store.set_profile(scan, {of("a"), of("b"), of("c")});
  store.set_profile(scan, {of("d"), of("b")});
  EXPECT_EQ(layers(), (std::vector<std::string>{"d", "b"}));
}

// What was measured otherwise and is not measured today does not stay beside what is.
TEST(Store, FloatValuesOfAnotherMeasureAreForgotten) {
  const Folder folder;
  Store store(folder.path(), Store::Mode::kWrite);
  const Scan scan = small_scan(store);
  const std::vector<StoredPoint> points = store.plan(scan, {grid_point({10, 5, 8, 2}, "a")}, {});
  PointResult done;
  done.id = done.computed_as = points.front().id;
  store.finish(std::move(done));
  store.set_float(scan, {{"mpe", {1, 0}}, {"turn_on@20", {2, 0}}}, {});
  store.set_float(scan, {{"mpe", {3, 0}}}, {});
  EXPECT_EQ(store.float_metrics(scan).size(), 2) << "of the same measure";
  Database(folder.path() + "/study.db", true).run("UPDATE points SET measure = NULL");
  store.set_float(scan, {{"mpe", {3, 0}}}, {});
  EXPECT_EQ(store.float_metrics(scan).size(), 1);
}

// Of a leader and its followers: which are finished, and the sum of each one's counts and curves, as a reader gets them.
struct Answers {
  std::vector<bool> finished;
  std::vector<std::size_t> counts, curves;
};

Answers answers(const Store& store) {
  Answers all;
  for (const StoredPoint& point : store.points(store.scans().front(), {})) {
    all.finished.push_back(point.finished && !point.outdated());
    all.counts.push_back(store.counts(point).size());
    all.curves.push_back(store.curves(point).size());
  }
  return all;
}

// Three points of one grid, of which the others follow the one at `leader`.
void finish_three(const Folder& folder, std::size_t leader) {
  Store store(folder.path(), Store::Mode::kWrite);
  const Scan scan = small_scan(store);
  store.add_metric_names({{"mpe", "%", ""}});
  store.set_float(scan, {}, {{"curve", {0, 1}, {1}, {5}}});
  std::vector<PlannedPoint> points;
  for (const int more : {0, 1, 2}) points.push_back(grid_point({12 + more, 5 + more, 10, 2}, types_with("a", fixed(9 + more, 2 + more))));
  const auto planned = store.plan(scan, points, {});
  for (std::size_t i = 0; i < planned.size(); ++i) {
    PointResult result = result_of(planned[i], 4, types_with("a", fixed(9, 2)));
    result.computed_as = planned[leader].id;
    if (i == leader) {
      result.curves = {{"curve", {7}}};
      result.counts = {{"a", 1, 1, 1, 1, 1, 1, 1}};
    }
    store.finish(result);
  }
}

void invalidate(const Folder& folder, int v_full) {
  Database database(folder.path() + "/study.db", true);
  database.run("UPDATE points SET arithmetic = arithmetic - 1 WHERE v_full = " + std::to_string(v_full));
}

TEST(Store, AFollowerIsMergedWithItsLeaderOrNotAtAll) {
  const Folder part;
  finish_three(part, 0);
  invalidate(part, 12);
  const Folder whole;
  Store store(whole.path(), Store::Mode::kWrite);
  store.take(part.path());
  EXPECT_EQ(answers(store).finished, (std::vector<bool>{false, false, false})) << "the leader is outdated: nobody has their curves";
  EXPECT_EQ(Database(whole.path() + "/study.db", false).number("SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

// As an older narrow left it when it merged.
TEST(Store, AFollowerThatLostItsLeaderIsNotFinished) {
  const Folder part;
  finish_three(part, 0);
  Database(part.path() + "/study.db", true).run("UPDATE points SET computed_as = NULL WHERE v_full = 13");
  const std::vector<bool> others = {true, false, true};
  const Folder whole;
  Store store(whole.path(), Store::Mode::kWrite);
  store.take(part.path());
  EXPECT_EQ(answers(store).finished, others);
  EXPECT_EQ(answers(Store(part.path(), Store::Mode::kRead)).finished, others);
}

TEST(Store, APointIsAnsweredByOneThatWasComputed) {
  // In `ours` the points follow the first, or the last; one of them may be outdated. In `theirs` they follow another.
  for (const int outdated : {0, 12, 13, 14}) {
    for (const std::size_t ours : {0U, 2U}) {
      const Folder whole;
      const Folder part;
      finish_three(whole, ours);
      finish_three(part, 1);
      if (outdated != 0) invalidate(whole, outdated);
      Store store(whole.path(), Store::Mode::kWrite);
      store.take(part.path());
      const Answers all = answers(store);
      EXPECT_EQ(all.finished, (std::vector<bool>{true, true, true})) << outdated << " " << ours;
      EXPECT_EQ(all.counts, (std::vector<std::size_t>{1, 1, 1})) << outdated << " " << ours;
      EXPECT_EQ(all.curves, (std::vector<std::size_t>{1, 1, 1})) << outdated << " " << ours;
    }
  }
}

// --- definitions

constexpr const char* kSmall = R"(
out: study
data: test.h5
models: [a.keras]
grid: {v_full: 8:10, v_int: 4, wb_full: 8, wb_int: 2}
)";

TEST(Definition, AMeaningHasOneText) {
  const Definition small = parse_definition(kSmall, "study.yml");
  EXPECT_EQ(to_yaml(parse_definition(to_yaml(small), "again")), to_yaml(small));
  const Definition large = parse_definition(R"(
models: b.keras
train:
  - {out: "ds{nodes}.keras", data: {files: [a.root, b*.h5], features: [eta, "energy:log/10"], branches: {energy: cell_E}, unfit: drop, padding: -6},
     nodes: [16, 32], phi_layers: 3, loss: huber, validation_data: v.h5, seed: 7, learning_rate: 0.002}
data:
  - {name: one, files: t.h5, samples: all, target: "true_energy:log/10", order: energy, vmax: 64, tree: T}
  - {name: two, files: [t.h5, u.h5], samples: 10}
grid:
  - {v_full: [8, 12:16:2, 8], v_int: 4, wb_full: 8, wb_int: [2, 3], types: [auto, uniform], relu: "AP_RND,AP_SAT", maximum: "24,10"}
  - {v_full: 8, v_int: -2, wb_full: 8, wb_int: 2, relu: AP_RND}
metrics: {tolerance: [0.5, 5], threshold: [20, 50], bins: [5, 10, 20], unit: GeV}
keep: [predictions, trace]
layout: hdf5
traced: 3
counted: 0
out: "a folder: #1"
)",
                                            "study.yml");
  EXPECT_EQ(to_yaml(parse_definition(to_yaml(large), "again")), to_yaml(large));
  EXPECT_EQ(large.grids.size(), 3U);
  EXPECT_EQ(large.grids.front().grid.v_full, (std::vector<int>{8, 12, 14, 16}));
  EXPECT_EQ(large.data.back().options.samples, 10U);
  EXPECT_EQ(large.out, "a folder: #1");
  EXPECT_EQ(large.metrics.unit, "GeV");
}

TEST(Definition, FaultsAreSaidWithTheirLine) {
  const auto replaced = [](std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  struct Fault {
    std::string from, to, said;
  };
  for (const Fault& fault : {
           Fault{"models: [a.keras]", "model: [a.keras]", "study.yml, line 4: a study has no key 'model'; did you mean models?"},
           Fault{"8:10", "10:8", "study.yml, line 5: v_full 10:8: the range is empty"},
           Fault{"8:10", "2", "study.yml, line 5: the grid is empty"},
           Fault{"wb_int: 2", "wb_in: 2", "study.yml, line 5: a grid has no key 'wb_in'; did you mean wb_int?"},
           Fault{", wb_int: 2", "", "study.yml, line 5: a grid needs wb_int"},
           Fault{"wb_int: 2", "wb_int: 2, types: float", "study.yml, line 5: 'float' is not one of auto, uniform"},
           Fault{"wb_int: 2", "wb_int: 2, relu: AP_ROUND", "study.yml, line 5: "},
           Fault{"data: test.h5", "data: {samples: 5}", "study.yml, line 3: data needs `files:`"},
           Fault{"data: test.h5", "data: {files: a, samples: 0}", "study.yml, line 3: '0' should be a whole number, at least 1"},
           Fault{"data: test.h5", "data: test.h5\ncounted: -1", "study.yml, line 4: '-1' should be a whole number, 0 or more"},
           Fault{"data: test.h5", "data: test.h5\ntraced: 99999999999999999999", "study.yml, line 4: '99999999999999999999' should be"},
           Fault{"data: test.h5", "data: {files: a, vmax: 2147483648}", "study.yml, line 3: '2147483648' should be a whole number"},
           Fault{"data: test.h5", "data: {files: a, vmax: 0x10}", "study.yml, line 3: '0x10' should be a whole number"},
           Fault{"8:10", "8:20:2147483647", "study.yml, line 5: v_full 8:20:2147483647: it should be a number of bits"},
           Fault{"data: test.h5", "data: [a.h5, b.h5]", "study.yml, line 3: with several data sets, each needs a name"},
           Fault{"data: test.h5", "data: test.h5\nmetrics: {bins: [3, 2]}", "study.yml, line 4: bins should be increasing edges"},
           Fault{"data: test.h5", "data: test.h5\nmetrics: {tolerance: [5, 5.0]}",
                 "study.yml, line 4: the tolerance or threshold 5 is given twice"},
           Fault{"data: test.h5", "data: test.h5\nmetrics: {bins: [3, .nan, 5]}", "study.yml, line 4: '.nan' should be a number"},
           Fault{"data: test.h5", "data: test.h5\nkeep: [predictions, none]",
                 "study.yml, line 4: keep: 'none' is not one of predictions, trace"},
           Fault{"data: test.h5", "data: test.h5\nkeep: {a: b}", "study.yml, line 4: a single value is expected here"},
           Fault{"data: test.h5", "data: test.h5\nkeep: all", "study.yml, line 4: keep: 'all' is not one of predictions, trace"},
           Fault{"data: test.h5", "data: test.h5\ndata: b.h5", "study.yml, line 4: duplicate key 'data'"},
           Fault{"models: [a.keras]", "train: {data: a.h5, nodes: [16, 32], out: a.keras}",
                 "study.yml, line 4: --out a.keras: with several"},
           Fault{"models: [a.keras]", "models: [a.keras", "it is not valid YAML"},
           Fault{"models: [a.keras]", "models: [a.keras]\n---\nmodels: [b.keras]", "more than one YAML document"},
           Fault{"models: [a.keras]", "models: [a.keras]\n[1]: 2", "study.yml, line 5: a single value is expected here"},
           Fault{"models: [a.keras]", "models: [a.keras]\n<<: {counted: 0}", "study.yml, line 5: a study has no key '<<'"},
           Fault{"data: test.h5", "data: {files: a, branches: {eta: a, eta: b}}", "study.yml, line 3: duplicate key 'eta'"},
           Fault{"out: study", "# nothing", "study.yml: `out:`, the study's folder, is missing"},
       }) {
    try {
      parse_definition(replaced(kSmall, fault.from, fault.to), "study.yml");
      ADD_FAILURE() << fault.to << " was taken";
    } catch (const Error& error) {
      const std::string said = error.what();
      EXPECT_NE(said.find(fault.said), std::string::npos) << fault.to << ": " << said;
      EXPECT_EQ(said.rfind("study.yml, line"), said.find("study.yml, line")) << said;
    }
  }
}

// yaml-cpp's LoadAll reads such a text for ever (found by fuzzing).
TEST(Definition, TextThatYamlCppCannotLeaveIsRefused) {
  EXPECT_THROW(parse_definition(", '*.ouroot'], '*.ouroot' [x+.h5, '*.ouroot'], '*.ouroot'], samples\n", "study.yml"), Error);
}

}  // namespace
}  // namespace narrow
