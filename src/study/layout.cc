#include "study/layout.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "report/heatmap.h"
#include "report/text.h"

namespace narrow {
namespace {

std::string number(double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

std::string type(int full, int integer) { return to_string(fixed(full, integer)); }

std::string describe(const Point& point) {
  return "vectors " + type(point.v_full, point.v_int) + ", weights " + type(point.wb_full, point.wb_int);
}

// Integer by total bits of the vectors at the best weights, and of the weights at the best vectors.
std::vector<Heatmap> heatmaps(const SweepModel& model, double Metrics::*metric, const std::string& label) {
  const Point best = model.points[model.best(metric)].point;
  Heatmap vectors{"Model " + model.label + ": vectors",
                  "weights and biases " + type(best.wb_full, best.wb_int),
                  "total bits",
                  "integer bits",
                  label,
                  {}};
  Heatmap weights{
      "Model " + model.label + ": weights and biases", "vectors " + type(best.v_full, best.v_int), "total bits", "integer bits", label, {}};
  for (const SweepPoint& each : model.points) {
    const Point& p = each.point;
    if (p.wb_full == best.wb_full && p.wb_int == best.wb_int) vectors.cells.push_back({p.v_full, p.v_int, each.metrics.*metric});
    if (p.v_full == best.v_full && p.v_int == best.v_int) weights.cells.push_back({p.wb_full, p.wb_int, each.metrics.*metric});
  }
  std::vector<Heatmap> maps;
  if (vectors.cells.size() > 1 || weights.cells.size() < 2) maps.push_back(std::move(vectors));
  if (weights.cells.size() > 1) maps.push_back(std::move(weights));
  return maps;
}

}  // namespace

std::string point_folder(const std::string& label, const Point& point) {
  return label + "." + std::to_string(point.v_full) + "." + std::to_string(point.v_int) + ".wb_" + std::to_string(point.wb_full) + "." +
         std::to_string(point.wb_int) + ".model";
}

std::string results_text(const SweepModel& model, double Metrics::*metric, const std::string& name, std::size_t samples) {
  const SweepPoint& best = model.points[model.best(metric)];
  const bool relative = metric == &Metrics::mpe;
  std::string text = "# best: " + describe(best.point) + ": " + name + " " + number(best.metrics.*metric) + (relative ? " %" : "") + "\n";
  text += "# model " + model.name + ", " + std::to_string(samples) + " samples";
  if (relative) text += "; predictions of 0 by the float model are left out: " + std::to_string(best.metrics.left_out);
  text += "\n# v_full v_int wb_full wb_int " + name + "\n";
  for (const SweepPoint& each : model.points) {
    const Point& p = each.point;
    text += std::to_string(p.v_full) + " " + std::to_string(p.v_int) + " " + std::to_string(p.wb_full) + " " + std::to_string(p.wb_int) +
            " " + number(each.metrics.*metric) + "\n";
  }
  return text;
}

std::string points_text(const SweepModel& model) {
  std::string text =
      "# v_full v_int wb_full wb_int: computed, or the point with the same fractional bits and no overflow that it follows\n";
  const auto numbers = [](const Point& p) {
    return std::to_string(p.v_full) + " " + std::to_string(p.v_int) + " " + std::to_string(p.wb_full) + " " + std::to_string(p.wb_int);
  };
  for (std::size_t i = 0; i < model.points.size(); ++i) {
    const SweepPoint& each = model.points[i];
    text +=
        numbers(each.point) + (each.computed_as == i ? " computed" : " follows " + numbers(model.points[each.computed_as].point)) + "\n";
  }
  return text;
}

void write_results(const std::string& folder, const SweepModel& model, std::size_t samples) {
  struct Kind {
    double Metrics::*metric;
    std::string name;
    std::string label;
  };
  write_file(folder + "/points_" + model.label + ".txt", points_text(model));
  for (const Kind& kind : {Kind{&Metrics::mpe, "mpe", "MPE [%]"}, Kind{&Metrics::mae, "mae", "MAE"}}) {
    write_file(folder + "/results_" + model.label + "_" + kind.name + ".txt", results_text(model, kind.metric, kind.name, samples));
    const std::string spec = heatmap_spec(heatmaps(model, kind.metric, kind.label));
    const std::string stem = folder + "/heatmap_" + model.label + "_" + kind.name;
    write_file(stem + ".vl.json", spec);
    const std::string page = figure_page("narrow: " + kind.label + " of model " + model.label, spec);
    if (!page.empty()) write_file(stem + ".html", page);
  }
}

}  // namespace narrow
