#include "study/best.h"

#include <cmath>
#include <cstdio>
#include <memory>

#include "app/options.h"
#include "app/table.h"
#include "error.h"
#include "study/layout.h"
#include "study/outdated.h"

namespace narrow {
namespace {

struct Best {
  std::string study, metric = "mpe";
  double below = 1;
  bool pareto = false, steady = false;
};

void run(const Best& best) {
  if (std::isnan(best.below)) throw Error("--below: the bound should be a number");
  const Store store(best.study, Store::Mode::kRead);
  const MetricName metric = metric_of(store, best.metric);
  const Criterion criterion{metric.name, best.below};
  Table table(
      {"model", "data", "types", "bits", "vectors", "weights", metric.name + (metric.unit.empty() ? "" : " [" + metric.unit + "]")});
  std::vector<std::pair<std::string, StoredPoint>> by_chance;
  Outdated outdated;
  for (const Scan& scan : store.scans()) {
    const std::vector<std::string> of{scan.label, scan.data_name.empty() ? "-" : scan.data_name, scan.options};
    const auto add = [&](std::vector<std::string> rest) {
      rest.insert(rest.begin(), of.begin(), of.end());
      table.add(std::move(rest));
    };
    const auto row = [&](const StoredPoint& point) {
      const std::string value = short_number(point.values.front());
      if (!point.point) return add({"-", point.label, "-", value});
      const Point& p = *point.point;
      add({std::to_string(bits_of(p)), to_string(fixed(p.v_full, p.v_int)), to_string(fixed(p.wb_full, p.wb_int)), value});
    };
    const std::vector<StoredPoint> points = store.points(scan, {metric.name});
    outdated.add(points);
    if (best.pareto) {
      for (const StoredPoint& point : pareto_front(points, criterion)) row(point);
    } else if (const auto found = best.steady ? fewest_steady_bits(points, criterion) : fewest_bits(points, criterion)) {
      row(*found);
      if (best.steady) continue;
      if (const auto worse = worse_with_more_bits(points, *found, criterion))
        by_chance.emplace_back(scan.label + (scan.data_name.empty() ? "" : " on " + scan.data_name) + ", " + scan.options, *worse);
    } else {
      add({"-", "none is below", short_number(best.below), "-"});
    }
  }
  std::printf("%s", table.text().c_str());
  if (outdated.any()) std::printf("%s\n", outdated.sentence().c_str());
  for (const auto& [label, worse] : by_chance) {
    std::printf(
        "%s: the bound is met by chance there: with more bits, %s, %s is %s; --steady finds the fewest bits from which on it stays below\n",
        label.c_str(), types_of(worse).c_str(), metric.name.c_str(), short_number(worse.values.front()).c_str());
  }
}

}  // namespace

void add_best(CLI::App& app, const Globals&) {
  auto* command = app.add_subcommand("best", "the fewest bits of a study whose error stays under a bound, for each model");
  const auto best = std::make_shared<Best>();
  command->add_option("study", best->study, "a study's folder")->required();
  command->add_option("--metric", best->metric, "mpe, mae, resolution_loss, turn_on_shift@50, or another metric of the study")
      ->capture_default_str();
  command->add_option("--below", best->below, "the bound, in the metric's unit")->capture_default_str();
  auto* steady = command->add_flag("--steady", best->steady,
                                   "only points from which on no point with more bits exceeds the bound; others meet it by chance");
  command->add_flag("--pareto", best->pareto, "instead, every point that no other beats in both bits and error")->excludes(steady);
  command->callback([best] { run(*best); });
}

}  // namespace narrow
