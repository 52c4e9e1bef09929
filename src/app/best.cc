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

std::vector<std::string> row(const std::string& label, const StoredPoint& point, const std::string& metric) {
  const Point& p = point.point;
  return {label, std::to_string(bits_of(p)), to_string(fixed(p.v_full, p.v_int)), to_string(fixed(p.wb_full, p.wb_int)),
          short_number(metric_of(point.metrics, metric))};
}

void run(const Best& best) {
  const Store store(best.study, Store::Mode::kRead);
  Table table({"model", "bits", "vectors", "weights", best.metric});
  for (const Store::ModelRow& model : store.models()) {
    const std::vector<StoredPoint> points = store.points(model.id);
    if (best.pareto) {
      for (const StoredPoint& point : pareto_front(points, best.metric)) table.add(row(model.label, point, best.metric));
      continue;
    }
    const auto found = fewest_bits(points, best.metric, best.below);
    if (found) table.add(row(model.label, *found, best.metric));
    else table.add({model.label, "-", "none is below", short_number(best.below), "-"});
  }
  std::printf("%s", table.text().c_str());
}

}  // namespace

void add_best(CLI::App& app, const Globals&) {
  auto* command = app.add_subcommand("best", "the fewest bits of a study whose error stays under a bound, for each model");
  const auto best = std::make_shared<Best>();
  command->add_option("study", best->study, "a study's folder")->required();
  command->add_option("--metric", best->metric, "mpe (per cent), mae, rmse, bias or largest, against the float model")
      ->check(CLI::IsMember({"mae", "mpe", "rmse", "bias", "largest"}))
      ->capture_default_str();
  command->add_option("--below", best->below, "the bound")->capture_default_str();
  command->add_flag("--pareto", best->pareto, "every point that no other beats in bits and error at once, instead");
  command->callback([best] { run(*best); });
}

}  // namespace narrow
