#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/options.h"
#include "app/table.h"
#include "study/best.h"

namespace narrow {
namespace {

void run(const std::string& study) {
  const Store store(study, Store::Mode::kRead);
  Table table({"model", "points", "done", "least mpe", "vectors", "weights"});
  std::size_t all = 0;
  std::size_t done = 0;
  for (const Store::ModelRow& model : store.models()) {
    const std::vector<StoredPoint> points = store.points(model.id);
    const auto finished =
        static_cast<std::size_t>(std::count_if(points.begin(), points.end(), [](const StoredPoint& p) { return p.finished; }));
    all += points.size();
    done += finished;
    const std::vector<StoredPoint> front = pareto_front(points, "mpe");
    std::vector<std::string> row{model.label, std::to_string(points.size()), std::to_string(finished), "-", "-", "-"};
    if (!front.empty()) {
      const Point& p = front.back().point;
      row[3] = short_number(front.back().metrics.mpe) + " %";
      row[4] = to_string(fixed(p.v_full, p.v_int));
      row[5] = to_string(fixed(p.wb_full, p.wb_int));
    }
    table.add(row);
  }
  std::printf("%s%zu of %zu points are done\n", table.text().c_str(), done, all);
}

}  // namespace

void add_status(CLI::App& app, const Globals&) {
  auto* command = app.add_subcommand("status", "how far a study is, also while it runs");
  const auto study = std::make_shared<std::string>();
  command->add_option("study", *study, "a study's folder")->required();
  command->callback([study] { run(*study); });
}

}  // namespace narrow
