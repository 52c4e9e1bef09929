#include "study/best.h"

#include <cstdio>
#include <memory>

#include "app/options.h"
#include "app/table.h"

namespace narrow {
namespace {

struct Best {
  std::string study, metric = "mpe";
  double below = 1;
  bool pareto = false;
};

void run(const Best& best) {
  const Store store(best.study, Store::Mode::kRead);
  const MetricName metric = metric_of(store, best.metric);
  Table table(
      {"model", "data", "types", "bits", "vectors", "weights", metric.name + (metric.unit.empty() ? "" : " [" + metric.unit + "]")});
  for (const Scan& scan : store.scans()) {
    const std::vector<std::string> of{scan.label, scan.data_name.empty() ? "-" : scan.data_name, scan.options};
    const auto add = [&](std::vector<std::string> rest) {
      rest.insert(rest.begin(), of.begin(), of.end());
      table.add(std::move(rest));
    };
    const auto row = [&](const StoredPoint& point) {
      const Point& p = point.point;
      add({std::to_string(bits_of(p)), to_string(fixed(p.v_full, p.v_int)), to_string(fixed(p.wb_full, p.wb_int)),
           short_number(point.values.front())});
    };
    const std::vector<StoredPoint> points = store.points(scan, {metric.name});
    if (best.pareto) {
      for (const StoredPoint& point : pareto_front(points, metric.name)) row(point);
    } else if (const auto found = fewest_bits(points, metric.name, best.below)) {
      row(*found);
    } else {
      add({"-", "none is below", short_number(best.below), "-"});
    }
  }
  std::printf("%s", table.text().c_str());
}

}  // namespace

void add_best(CLI::App& app, const Globals&) {
  auto* command = app.add_subcommand("best", "the fewest bits of a study whose error stays under a bound, for each model");
  const auto best = std::make_shared<Best>();
  command->add_option("study", best->study, "a study's folder")->required();
  command->add_option("--metric", best->metric, "mpe, mae, resolution_loss, turn_on_shift@50, or another metric of the study")
      ->capture_default_str();
  command->add_option("--below", best->below, "the bound, in the metric's unit")->capture_default_str();
  command->add_flag("--pareto", best->pareto, "every point that no other beats in bits and error at once, instead");
  command->callback([best] { run(*best); });
}

}  // namespace narrow
