#include "study/best.h"
#include "app/inputs.h"

#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/inputs.h"
#include "app/options.h"
#include "app/table.h"
#include "data/text.h"
#include "error.h"
#include "study/layout.h"
#include "study/outdated.h"
#include "study/target.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

struct Best {
  std::string study, metric, below, json;
  Question question;
  bool pareto = false, steady = false;
};

bool has_target(const std::vector<Metric>& metrics) {
  return std::any_of(metrics.begin(), metrics.end(), [](const Metric& metric) { return metric.space == MetricSpace::kTarget; });
}

std::string error_text(double error) { return std::isnan(error) ? "" : " +- " + short_number(error); }

std::string with_error(const StoredPoint& point, const Bound& bound) {
  return short_number(point.values[bound.at]) + error_text(point.errors[bound.at]);
}

// A point with all its metrics; what is not finite is written as null.
ordered_json entry(const StoredPoint& point, double bits, const std::vector<Metric>& metrics) {
  ordered_json own{{"bits", bits}, {"label", point.label}};
  if (point.point) {
    const Point& p = *point.point;
    own.update({{"bits", bits_of(p)}, {"v_full", p.v_full}, {"v_int", p.v_int}, {"wb_full", p.wb_full}, {"wb_int", p.wb_int}});
  }
  for (std::size_t i = 0; i < metrics.size(); ++i)
    own["metrics"][metrics[i].name] = {{"value", point.values[i]}, {"error", point.errors[i]}};
  return own;
}

// A scan's recommended point, and the float model's own metrics.
struct Chosen {
  std::string name;
  StoredPoint point;
  NamedValues values, errors;  // of the float model
};

// Everything that is known of the chosen points in the target's unit, or of the network's output where no target is known, beside what the
// float model has.
Table physics_of(const std::vector<Metric>& metrics, const std::vector<Chosen>& chosen) {
  const bool target = has_target(metrics);
  std::vector<std::string> header{"at that point"};
  for (const Chosen& each : chosen) {
    header.push_back(each.name);
    header.emplace_back("float");
  }
  Table table(header);
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const Metric& metric = metrics[i];
    if ((metric.space == MetricSpace::kTarget) != target) continue;
    std::vector<std::string> row{metric.title + (metric.unit.empty() ? "" : " [" + metric.unit + "]")};
    for (const Chosen& each : chosen) {
      row.push_back(with_error(each.point, {metric, 0, i}));
      const auto value = each.values.find(metric.name);
      // Against itself the float model has 0 of what is compared with it.
      const bool own = !metric.is_change && !metric.says_space && value != each.values.end();
      const auto error = each.errors.find(metric.name);
      row.push_back(own ? short_number(value->second) + error_text(error == each.errors.end() ? std::nan("") : error->second) : "");
    }
    table.add(row);
  }
  return table;
}

// `ds64 on test, auto`: as far as a study needs it.
std::string name_of(const Scan& scan) { return scan.label + (scan.data_name.empty() ? "" : " on " + scan.data_name) + ", " + scan.options; }

void run(const Best& best) {
  if (!best.json.empty()) keep_inputs("--json", {best.json}, {best.study + "/study.db"});
  const Store store(best.study, Store::Mode::kRead);
  const std::vector<Metric> metrics = store.metrics();
  Question question = best.question;
  question.bounds = parse_bounds(best.below, best.metric, metrics);
  std::vector<std::string> header{"model", "data", "types", "bits", "vectors", "weights"};
  for (const Bound& bound : question.bounds) {
    header.push_back(name_in_words(bound.metric) + (bound.metric.unit.empty() ? "" : " [" + bound.metric.unit + "]"));
  }
  Table table(header);
  std::vector<std::string> said;
  std::vector<Chosen> chosen;
  std::vector<std::pair<std::string, Feature>> targets;
  Outdated outdated;
  ordered_json document = ordered_json::array();
  for (const Scan& scan : store.scans()) {
    ordered_json& own = document.emplace_back();
    own = {{"model", scan.label}, {"data", scan.data_name}, {"types", scan.options}};
    own["points"] = own["said"] = ordered_json::array();
    const std::vector<std::string> of{scan.label, scan.data_name.empty() ? "-" : scan.data_name, scan.options};
    const auto add = [&](std::vector<std::string> rest) {
      rest.insert(rest.begin(), of.begin(), of.end());
      table.add(std::move(rest));
    };
    const std::vector<StoredPoint> points = store.points(scan, names_of(metrics));
    const std::vector<double> bits = bits_without_coordinates(store, points);
    const auto row = [&](const StoredPoint& point, double own_bits) {
      std::vector<std::string> cells{short_number(own_bits), point.label, "-"};
      if (point.point) {
        const Point& p = *point.point;
        cells = {std::to_string(bits_of(p)), vectors_of(p), weights_of(p)};
      }
      for (const Bound& bound : question.bounds) cells.push_back(with_error(point, bound));
      add(std::move(cells));
    };
    outdated.add(points);
    if (const auto target = target_of(store, scan)) targets.emplace_back(name_of(scan), *target);
    const Answer answer = best_of(store, scan, question);
    if (best.pareto) {
      const Front front = pareto_front(points, question, bits);
      for (const StoredPoint& point : front.points) {
        const double own_bits = point.point ? 0 : bits_in(store.types(point));
        row(point, own_bits);
        own["points"].push_back(entry(point, own_bits, metrics));
      }
      for (const std::string& sentence : front.said) own["said"].push_back(sentence);
      std::string left_out;
      for (const std::string& sentence : front.said) left_out += (left_out.empty() ? "" : "; ") + sentence;
      if (front.points.empty()) said.push_back(name_of(scan) + ": no point to show: " + left_out);
      else if (!left_out.empty()) said.push_back(name_of(scan) + ": " + left_out);
      if (answer.missing > 0) {
        said.push_back(name_of(scan) + ": " + answer.said.front());
        own["said"].push_back(answer.said.front());
      }
      continue;
    }
    if (answer.point) {
      row(*answer.point, answer.bits);
      own["points"].push_back(entry(*answer.point, answer.bits, metrics));
      chosen.push_back({name_of(scan), *answer.point, store.float_metrics(scan), store.float_errors(scan)});
    } else {
      std::vector<std::string> none{"-",
                                    answer.undecided ? "undecided"
                                    : answer.doubted ? "none is recommended"
                                                     : "no point meets the bound",
                                    "-"};
      for (const Bound& bound : question.bounds) none.push_back(short_number(bound.most));
      add(std::move(none));
    }
    for (const std::string& sentence : answer.said) {
      said.push_back(name_of(scan) + ": " + sentence);
      own["said"].push_back(sentence);
    }
  }
  if (const std::string different = difference_of_targets(targets); !different.empty()) said.push_back(different);
  if (!best.json.empty()) write_file(best.json, document.dump(2) + "\n");
  std::printf("%s", table.text().c_str());
  if (outdated.any()) std::printf("%s\n", outdated.sentence().c_str());
  for (const std::string& sentence : said) std::printf("%s\n", sentence.c_str());
  if (!chosen.empty()) std::printf("%s", physics_of(metrics, chosen).text().c_str());
}

}  // namespace

void add_best(CLI::App& app, const Globals&) {
  auto* command = app.add_subcommand("best", "the fewest bits of a study that keep to a bound, for each model");
  const auto best = std::make_shared<Best>();
  command->add_option("study", best->study, "a study's folder")->required();
  command->add_option("--metric", best->metric,
                      "metric that --below bounds: resolution_loss, turn_on_shift@50, or another of the study (default: mpe_target where a "
                      "target is known, of a classifier accuracy_loss, or disagreement without true classes, else mpe)");
  command
      ->add_option(
          "--below", best->below,
          "the bound, in the metric's unit; or several, as in mpe=5,rate_change@20=2 (default: 5; 1 of accuracy_loss and disagreement)")
      ->check(bounds());
  command
      ->add_option("--overflow", best->question.most_overflow,
                   "largest share of a layer's values, sums or weights that may overflow at a recommended point, %")
      ->check(CLI::NonNegativeNumber)
      ->default_str(short_text(kMostOverflow));
  auto* any = command->add_flag("--any", best->question.any,
                                "the fewest bits within the bounds, whatever overflows and whether or not more bits keep to them");
  command->add_flag("--steady", best->steady, "no effect; kept for old scripts")->excludes(any);
  command->add_flag("--pareto", best->pareto, "instead, every point that no other beats in both bits and error");
  command->add_option("--json", best->json, "the same as JSON, with every metric of the points");
  command->callback([best] { run(*best); });
}

}  // namespace narrow
