#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/options.h"
#include "app/table.h"
#include "study/best.h"
#include "study/layout.h"
#include "study/outdated.h"

namespace narrow {
namespace {

void run(const std::string& study) {
  const Store store(study, Store::Mode::kRead);
  const std::string metric = default_metric(store.metrics());
  const std::string unit = " " + metric_named(metric).unit;
  std::vector<std::string> notes;
  Table table({"model", "data", "types", "points", "done", "least " + metric, "at"});
  std::size_t all = 0;
  std::size_t done = 0;
  Outdated outdated;
  for (const Scan& scan : store.scans()) {
    const std::vector<StoredPoint> points = store.points(scan, {metric});
    const auto finished =
        static_cast<std::size_t>(std::count_if(points.begin(), points.end(), [](const StoredPoint& p) { return p.finished; }));
    outdated.add(points);
    for (const std::string& note : scan.notes) notes.push_back(scan.label + ": " + note);
    all += points.size();
    done += finished;
    const std::size_t best = least(points, 0);
    const bool any = best < points.size();
    table.add({scan.label, scan.data_name.empty() ? "-" : scan.data_name, scan.options, std::to_string(points.size()),
               std::to_string(finished), any ? short_number(points[best].values[0]) + unit : "-", any ? types_of(points[best]) : "-"});
  }
  std::printf("%s%zu of %zu points are done\n", table.text().c_str(), done, all);
  if (outdated.any()) std::printf("%s\n", outdated.sentence().c_str());
  for (const std::string& note : notes) std::printf("%s\n", note.c_str());
}

}  // namespace

void add_status(CLI::App& app, const Globals&) {
  auto* command = app.add_subcommand("status", "show how far a study is, also while it runs");
  const auto study = std::make_shared<std::string>();
  command->add_option("study", *study, "a study's folder")->required();
  command->callback([study] { run(*study); });
}

}  // namespace narrow
