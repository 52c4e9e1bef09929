#include "report/figures.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "data/text.h"
#include "fixed/format.h"
#include "report/answer.h"
#include "report/words.h"
#include "study/best.h"
#include "study/layout.h"

namespace narrow {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kWidth = 460;
constexpr int kHeight = 300;

// A number, or null for NaN and the infinities.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

// A logarithmic axis has no 0.
double above_zero(double value) {
  constexpr double kFloor = 1e-9;
  return std::max(value, kFloor);
}

double five_digits(double value) { return rounded_to(value, 5); }

Json field(const std::string& name, const std::string& kind, const std::string& title) {
  return {{"field", name}, {"type", kind}, {"title", title}};
}

// Ticks in plain digits, and no more than have room.
Json plain_ticks() { return {{"format", ".3~r"}, {"labelOverlap", "greedy"}, {"labelSeparation", 4}}; }

Json axis_log(Json channel) {
  channel["scale"] = {{"type", "log"}};
  channel["axis"] = plain_ticks();
  return channel;
}

Json tooltip(const std::vector<std::pair<std::string, std::string>>& fields) {
  Json all = Json::array();
  for (const auto& [name, title] : fields) {
    Json one = {{"field", name}, {"title", title}};
    if (name == "value" || name == "float" || name == "difference" || name == "error") one["format"] = ".4~g";
    all.push_back(one);
  }
  return all;
}

// Lines apart by their dashes, which the legend shows.
Json dashed_by(const std::string& name, const std::string& title, const Json& domain, const Json& dashes) {
  const Json legend = {{"symbolType", "stroke"}, {"symbolStrokeColor", "#8a8a8a"}, {"symbolStrokeWidth", 2}, {"symbolSize", 300}};
  Json channel = field(name, "nominal", title);
  channel["legend"] = legend;
  channel["scale"] = {{"domain", domain}, {"range", dashes}};
  return channel;
}

// The first of two drawn solid, the second dashed.
Json solid_and_dashed() { return Json::array({{1, 0}, {4, 3}}); }

// Lines and their points as two layers: what dashes mean is then said with lines.
void draw_lines(Json& spec, Json encoding) {
  Json line = {{"mark", {{"type", "line"}}}};
  if (encoding.contains("strokeDash")) {
    line["encoding"] = {{"strokeDash", encoding["strokeDash"]}};
    encoding.erase("strokeDash");
  }
  spec["encoding"] = std::move(encoding);
  spec["layer"] = Json::array({std::move(line), {{"mark", {{"type", "point"}, {"filled", true}, {"size", 25}, {"opacity", 1}}}}});
}

// Okabe and Ito's colours, which all readers can tell apart; black and yellow left out for dark and light paper.
Json base(Json rows) {
  return {{"$schema", "https://vega.github.io/schema/vega-lite/v6.json"},
          {"width", kWidth},
          {"height", kHeight},
          {"data", {{"values", std::move(rows)}}},
          {"config", {{"range", {{"category", {"#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8a8a8a"}}}}}}};
}

class Figures {
 public:
  explicit Figures(const Report& report) : report_(report), metric_(report.metrics[report.metric]), title_(label_of(metric_)) {}

  std::vector<Figure> all() {
    if (report_.pair) predictions(*report_.pair);
    const bool any = std::any_of(report_.scans.begin(), report_.scans.end(), [](const ReportScan& scan) { return !scan.points.empty(); });
    if (any) {
      answer();
      error_by_bits(
          "error-vectors", "Error by total bits of the vectors", [](const Point& p) { return p.v_full; },
          [](const Point& p, const Point& b) { return p.v_int == b.v_int && p.wb_full == b.wb_full && p.wb_int == b.wb_int; },
          [](const Point& b) { return "integer bits of vectors " + std::to_string(b.v_int) + ", weights " + weights_of(b); });
      error_by_bits(
          "error-weights", "Error by total bits of the weights", [](const Point& p) { return p.wb_full; },
          [](const Point& p, const Point& b) { return p.wb_int == b.wb_int && p.v_full == b.v_full && p.v_int == b.v_int; },
          [](const Point& b) { return "integer bits of weights " + std::to_string(b.wb_int) + ", vectors " + vectors_of(b); });
      grid("heatmap-vectors", "v", "wb", "Vectors: integer by total bits");
      grid("heatmap-weights", "wb", "v", "Weights: integer by total bits");
      model_size();
    }
    for (const ReportScan& scan : report_.scans) ranges(scan);
    for (const ReportScan& scan : report_.scans) differences(scan);
    physics();
    for (const ReportScan& scan : report_.scans) roc(scan);
    training();
    return std::move(figures_);
  }

 private:
  // Whether its axis shows zero and below.
  bool is_symmetric() const { return metric_.scale != AxisScale::kLog; }
  double on_axis(double value) const { return is_symmetric() ? value : above_zero(value); }
  Json axis_of(Json channel) const {
    channel = axis_log(std::move(channel));
    channel["scale"] = {{"type", scale_of(metric_)}};
    if (metric_.scale == AxisScale::kSymlog) {
      double largest = 0;
      for (const ReportScan& scan : report_.scans) {
        for (const StoredPoint& point : scan.points) {
          if (std::isfinite(cost(point))) largest = std::max(largest, std::abs(cost(point)));
        }
      }
      channel["scale"]["constant"] = symlog_constant(largest);
    }
    return channel;
  }
  // Of all points' costs.
  double least_above_zero() const {
    double least = std::numeric_limits<double>::infinity();
    for (const ReportScan& scan : report_.scans) {
      for (const StoredPoint& point : scan.points) {
        if (cost(point) > 0) least = std::min(least, cost(point));
      }
    }
    return least;
  }

  double cost(const StoredPoint& point) const { return cost_of(metric_, point.values[report_.metric]); }

  Json color(const std::string& title = "model") const {
    return {{"field", "model"}, {"type", "nominal"}, {"title", title}, {"sort", nullptr}};
  }
  // Studies apart by their dashes: the first is drawn solid.
  void dash_studies(Json& encoding) const {
    if (report_.studies.size() < 2) return;
    Json labels = Json::array();
    Json dashes = Json::array();
    for (std::size_t i = 0; i < report_.studies.size(); ++i) {
      labels.push_back(report_.studies[i].label);
      dashes.push_back(i == 0 ? Json::array({1, 0}) : Json::array({6 - static_cast<int>(i % 3), 3}));
    }
    encoding["strokeDash"] = dashed_by("study", "study", labels, dashes);
  }

  void add(std::string id, std::string section, std::string title, std::string caption, Json spec) {
    // Names that differ only in what an id may not hold.
    while (std::any_of(figures_.begin(), figures_.end(), [&](const Figure& figure) { return figure.id == id; })) id += "-2";
    figures_.push_back({std::move(id), std::move(section), std::move(title), std::move(caption), std::move(spec)});
  }

  // A value's statistical error, where it is known, and what a rule shows of it. On a logarithmic axis an error that reaches 0 reaches half
  // of the figure's least value.
  void add_error(Json& row, double value, double error, double least) const {
    row["error"] = number(error);
    if (!std::isfinite(error)) return;
    const double low = value - error;
    row["low"] = low > 0 || is_symmetric() ? low : above_zero(std::min(least, value) / 2);
    row["high"] = on_axis(value + error);
  }
  double error_of(const StoredPoint& point) const { return point.errors[report_.metric]; }
  Json error_rules(const std::string& title) const {
    return {{"transform", Json::array({{{"filter", "isValid(datum.low)"}}})},
            {"mark", {{"type", "rule"}, {"opacity", 0.6}}},
            {"encoding", {{"y", axis_of(field("low", "quantitative", title))}, {"y2", {{"field", "high"}}}}}};
  }

  // Where any is known.
  void draw_errors(Json& spec, const std::string& title) const {
    const Json& rows = spec["data"]["values"];
    if (std::any_of(rows.begin(), rows.end(), [](const Json& row) { return row.contains("low"); }))
      spec["layer"].push_back(error_rules(title));
  }

  // (a) One line per model, everything else held at its best point.
  template <class Bits, class Held, class Words>
  void error_by_bits(const std::string& id, const std::string& title, const Bits& bits, const Held& held, const Words& words) {
    Json rows = Json::array();
    std::set<int> seen;
    const double least = least_above_zero();
    for (const ReportScan& scan : report_.scans) {
      if (scan.highlights.empty()) continue;
      const Point& best = *scan.highlights.front().point.point;
      for (const StoredPoint& point : scan.points) {
        if (!held(*point.point, best) || std::isnan(cost(point))) continue;
        seen.insert(bits(*point.point));
        rows.push_back({{"bits", bits(*point.point)},
                        {"value", cost(point)},
                        {"shown", on_axis(cost(point))},
                        {"model", scan.name + ": " + words(best)},
                        {"study", scan.study},
                        {"type", types_of(*point.point)}});
        add_error(rows.back(), cost(point), error_of(point), least);
      }
    }
    if (seen.size() < 2) return;
    Json spec = base(std::move(rows));
    Json encoding = {
        {"x", field("bits", "quantitative", "total bits")},
        {"y", axis_of(field("shown", "quantitative", title_))},
        {"color", color("model: other bits fixed at the point of its answer")},
        {"tooltip", tooltip({{"model", "model"}, {"type", "vectors / weights"}, {"value", title_}, {"error", "statistical error"}})}};
    encoding["x"]["axis"] = {{"tickMinStep", 1}, {"format", "d"}};
    encoding["x"]["scale"] = {{"zero", false}};
    encoding["color"]["legend"] = {{"orient", "bottom"}, {"columns", 1}, {"labelLimit", 500}};
    dash_studies(encoding);
    draw_lines(spec, std::move(encoding));
    draw_errors(spec, title_);
    add(id, "error", title, "One line per model; other bits fixed at the point of the answer.", std::move(spec));
  }

  // (b) and the 4-D grid: a plane of it, the other two held by parameters.
  void grid(const std::string& id, const std::string& shown, const std::string& held, const std::string& title) {
    if (report_.scans[report_.view.scan].highlights.empty()) return;
    const Point& at = report_.view.at;
    const Metric& shown_metric = report_.metrics[report_.view.metric];
    const Point& best = *report_.scans[report_.view.scan].highlights.front().point.point;
    const auto [low, high] = color_range(report_.scans[report_.view.scan]);
    const bool of_vectors = held == "v";
    const std::string integer = shown + "_int";
    const std::string full = shown + "_full";
    Json spec = base(Json::array());
    spec["data"] = {{"name", "points"}};
    spec["params"] = Json::array({{{"name", "scan"}, {"value", report_.view.scan}},
                                  {{"name", "metric"}, {"value", shown_metric.name}},
                                  {{"name", "is_signed"}, {"value", shown_metric.is_signed}},
                                  {{"name", "best"}, {"value", {best.v_full, best.v_int, best.wb_full, best.wb_int}}},
                                  {{"name", "held_full"}, {"value", of_vectors ? at.v_full : at.wb_full}},
                                  {{"name", "held_int"}, {"value", of_vectors ? at.v_int : at.wb_int}},
                                  {{"name", "low"}, {"value", low}},
                                  {{"name", "high"}, {"value", high}}});
    spec["transform"] =
        Json::array({{{"filter", "datum.scan == scan && datum." + held + "_full == held_full && datum." + held +
                                     "_int == held_int && isValid(datum[metric])"}},
                     {{"calculate", "is_signed ? abs(datum[metric]) : datum[metric]"}, {"as", "value"}},
                     {{"calculate", "clamp(datum.value, low, high)"}, {"as", "shown"}},
                     {{"calculate", "datum.overflowed === null ? 'unknown' : datum.overflowed ? 'yes' : 'no'"}, {"as", "overflow"}}});
    Json x = field(full, "ordinal", "total bits");
    x["axis"] = {{"labelAngle", 0}};
    Json y = field(integer, "ordinal", "integer bits");
    y["sort"] = "descending";
    Json tips =
        tooltip({{full, "total bits"}, {integer, "integer bits"}, {"value", label_of(shown_metric)}, {"overflow", "anything overflows"}});
    Json colors = {{"field", "shown"},
                   {"type", "quantitative"},
                   {"title", label_of(shown_metric)},
                   {"scale",
                    {{"type", scale_of(shown_metric)},
                     {"scheme", "viridis"},
                     {"reverse", shown_metric.better != Better::kMore},
                     {"domain", Json::array({{{"expr", "low"}}, {{"expr", "high"}}})}}},
                   {"legend", {{"format", ".2~r"}, {"labelOverlap", "greedy"}, {"titleLimit", 400}}}};
    if (shown_metric.scale == AxisScale::kSymlog) colors["scale"]["constant"] = symlog_constant(std::max(std::abs(low), std::abs(high)));
    spec["layer"] =
        Json::array({{{"mark", {{"type", "rect"}}}, {"encoding", {{"x", x}, {"y", y}, {"color", colors}, {"tooltip", tips}}}},
                     {{"transform", Json::array({{{"filter",
                                                   "datum.v_full == best[0] && datum.v_int == best[1] && datum.wb_full == best[2] && "
                                                   "datum.wb_int == best[3]"}}})},
                      {"mark", {{"type", "rect"}, {"filled", false}, {"stroke", "#d55e00"}, {"strokeWidth", 3}}},
                      {"encoding", {{"x", x}, {"y", y}, {"tooltip", tips}}}}});
    add(id, "error", title,
        "Colours are cut off at the percentile that is set; the point of the answer has a frame where it lies in the "
        "plane. " +
            std::string(of_vectors ? "The vectors' type is held." : "The weights' type is held."),
        std::move(spec));
  }

  // Of the metric that is shown, from the least value to the percentile that is set: as page.js has it.
  std::pair<double, double> color_range(const ReportScan& scan) const {
    const Metric& metric = report_.metrics[report_.view.metric];
    std::vector<double> values;
    for (const StoredPoint& point : scan.points) {
      const double value = metric.is_signed ? std::abs(point.values[report_.view.metric]) : point.values[report_.view.metric];
      if (std::isfinite(value) && (metric.scale != AxisScale::kLog || value > 0)) values.push_back(value);
    }
    if (values.empty()) return {1e-9, 1};
    std::sort(values.begin(), values.end());
    const double low = values.front();
    const double high = values[static_cast<std::size_t>(report_.view.percentile / 100.0 * static_cast<double>(values.size() - 1))];
    constexpr double kLeast = 1e-4;
    return {low, std::max(high, low + (low == 0 ? kLeast : std::abs(low) * kLeast))};
  }

  // Error by bits: the least of each number of bits with its statistical error, the bound, and the points that are recommended.
  void answer() {
    Json rows = Json::array();
    bool errors = false;
    const double least = least_above_zero();
    const std::vector<AnswerRow> table = answer_of(report_);
    double first = std::numeric_limits<double>::infinity();
    double last = 0;
    for (const AnswerRow& row : table) {
      first = std::min(first, row.bits);
      last = std::max(last, row.bits);
    }
    for (const AnswerRow& row : table) {
      const ReportScan& scan = report_.scans[row.scan];
      const bool is_whole = row.bits == std::floor(row.bits);
      Json one = {{"bits", is_whole ? Json(static_cast<int>(row.bits)) : Json(row.bits)},
                  {"value", row.value},
                  {"shown", on_axis(row.value)},
                  {"front", row.front},
                  {"mark", row.mark},
                  {"model", scan.name},
                  {"study", scan.study},
                  {"type", row.types}};
      add_error(one, row.value, row.error, least);
      errors = errors || std::isfinite(row.error);
      if (!row.mark.empty()) {
        const std::string mark = row.mark == "nearest"     ? "nearest: "
                                 : row.mark == "undecided" ? "undecided: "
                                 : row.mark == "doubted"   ? "not recommended: "
                                                           : "";
        one["label"] = mark + row.types + ", " + number_text(row.bits, 3) + " bits";
      }
      rows.push_back(std::move(one));
    }
    if (rows.empty()) return;
    Json spec = base(std::move(rows));
    Json x = field("bits", "quantitative", "bits: total of vectors + total of weights");
    x["scale"] = {{"zero", false}};
    x["axis"] = {{"tickMinStep", 1}, {"format", "d"}};
    const Json y = axis_of(field("shown", "quantitative", title_));
    const Json tips =
        tooltip({{"model", "model"}, {"bits", "bits"}, {"type", "vectors / weights"}, {"value", title_}, {"error", "statistical error"}});
    const auto filtered = [](const std::string& test, const Json& mark, const Json& encoding) {
      return Json{{"transform", Json::array({{{"filter", test}}})}, {"mark", mark}, {"encoding", encoding}};
    };
    Json line = {{"x", x}, {"y", y}, {"color", color()}};
    dash_studies(line);
    spec["layer"] = Json::array();
    Json& layers = spec["layer"];
    if (std::isfinite(report_.bound) && (report_.bound > 0 || is_symmetric())) {
      layers.push_back({{"data", {{"values", Json::array({{{"bound", report_.bound}}})}}},
                        {"mark", {{"type", "rule"}, {"strokeDash", {2, 2}}, {"color", "#d55e00"}}},
                        {"encoding", {{"y", axis_of(field("bound", "quantitative", title_))}}}});
      layers.push_back(
          {{"data", {{"values", Json::array({{{"bound", report_.bound}, {"text", "bound"}}})}}},
           {"mark", {{"type", "text"}, {"align", "right"}, {"baseline", "bottom"}, {"dx", -4}, {"color", "#d55e00"}}},
           {"encoding",
            {{"y", axis_of(field("bound", "quantitative", title_))}, {"x", {{"value", "width"}}}, {"text", {{"field", "text"}}}}}});
    }
    layers.push_back(filtered("datum.front", {{"type", "line"}, {"interpolate", "step-after"}}, line));
    if (errors) {
      layers.push_back(error_rules(title_));
      layers.back()["encoding"].update({{"x", x}, {"color", color()}});
    }
    layers.push_back({{"mark", {{"type", "point"}, {"filled", true}}},
                      {"encoding",
                       {{"x", x},
                        {"y", y},
                        {"color", color()},
                        {"opacity", {{"condition", {{"test", "datum.front"}, {"value", 1}}}, {"value", 0.3}}},
                        {"tooltip", tips}}}});
    layers.push_back(filtered("datum.mark != '' && datum.mark != 'searched'",
                              {{"type", "point"}, {"shape", "diamond"}, {"size", 220}, {"strokeWidth", 2.5}, {"fill", "transparent"}},
                              {{"x", x}, {"y", y}, {"color", color()}, {"tooltip", tips}}));
    // Of searched points the labels stand around them, for they come near each other: the highest one's above, others to the left, right,
    // below.
    std::vector<std::pair<double, std::size_t>> searched;
    for (const AnswerRow& row : table) {
      if (row.mark == "searched") searched.emplace_back(-row.value, row.scan);
    }
    std::sort(searched.begin(), searched.end());
    const std::array<Json, 4> beside = {Json{{"align", "center"}, {"dy", -16}}, Json{{"align", "right"}, {"dx", -12}},
                                        Json{{"align", "left"}, {"dx", 12}}, Json{{"align", "center"}, {"dy", 20}}};
    for (std::size_t i = 0; i < searched.size(); ++i) {
      const std::string own = "datum.mark == 'searched' && datum.model == " + Json(report_.scans[searched[i].second].name).dump();
      layers.push_back(filtered(own, {{"type", "point"}, {"shape", "triangle-down"}, {"size", 180}, {"filled", true}},
                                {{"x", x}, {"y", y}, {"color", color()}, {"tooltip", tips}}));
      Json text = beside[i % beside.size()];
      text["type"] = "text";
      layers.push_back(filtered(own, text, {{"x", x}, {"y", y}, {"color", color()}, {"text", {{"field", "label"}}}}));
    }
    // Labels stand on the side that has room, one below the other where models come near: below a front and to its left there is nothing.
    for (const bool left : {true, false}) {
      const std::string side = (left ? "datum.bits * 3 < " : "datum.bits * 3 >= ") + number_text(2 * first + last, 6);
      for (std::size_t i = 0; i < report_.scans.size(); ++i) {
        const bool any = std::any_of(table.begin(), table.end(), [&](const AnswerRow& row) {
          return row.scan == i && !row.mark.empty() && row.mark != "searched" && (row.bits * 3 < 2 * first + last) == left;
        });
        if (!any) continue;
        layers.push_back(
            filtered("datum.mark != '' && datum.mark != 'searched' && " + side + " && datum.model == " + Json(report_.scans[i].name).dump(),
                     {{"type", "text"},
                      {"align", left ? "left" : "right"},
                      {"dx", left ? 10 : -10},
                      {"dy", (left ? -1 : 1) * (12 + 13 * static_cast<int>(i % 3))}},
                     {{"x", x}, {"y", y}, {"color", color()}, {"text", {{"field", "label"}}}}));
      }
    }
    add("pareto", "summary", "Error by bits",
        std::string("The lowest error at each number of bits") + (errors ? " with its statistical error" : "") +
            "; full points and the line are those that no point with fewer bits beats. The diamonds are the points of the text, with their "
            "types; triangles have a type for each tensor, and of bits the average of their results plus that of their weights.",
        std::move(spec));
  }

  void model_size() {
    std::set<std::size_t> sizes;
    std::set<int> all_bits;
    for (const ReportScan& scan : report_.scans) {
      if (scan.points.empty() || scan.scan.parameters == 0) continue;
      sizes.insert(scan.scan.parameters);
      for (const StoredPoint& point : scan.points) all_bits.insert(bits_of(*point.point));
    }
    if (sizes.size() < 2) return;
    // Five numbers of bits across the range.
    std::vector<int> chosen;
    const std::vector<int> sorted(all_bits.begin(), all_bits.end());
    constexpr std::size_t kLines = 5;
    for (std::size_t i = 0; i < kLines; ++i) {
      const int bits = sorted[i * (sorted.size() - 1) / (kLines - 1)];
      if (chosen.empty() || chosen.back() != bits) chosen.push_back(bits);
    }
    Json rows = Json::array();
    const double least = least_above_zero();
    for (const ReportScan& scan : report_.scans) {
      for (const int bits : chosen) {
        const StoredPoint* best = nullptr;
        for (const StoredPoint& point : scan.points) {
          if (bits_of(*point.point) == bits && !std::isnan(cost(point)) && (best == nullptr || cost(point) < cost(*best))) best = &point;
        }
        if (best == nullptr || scan.scan.parameters == 0) continue;
        rows.push_back({{"parameters", scan.scan.parameters},
                        {"value", cost(*best)},
                        {"shown", on_axis(cost(*best))},
                        {"bits", bits},
                        {"model", scan.name},
                        {"study", scan.study},
                        {"kind", scan.scan.options + (scan.scan.data_name.empty() ? "" : " on " + scan.scan.data_name)},
                        {"type", types_of(*best->point)}});
        add_error(rows.back(), cost(*best), error_of(*best), least);
      }
    }
    Json spec = base(std::move(rows));
    Json encoding = {{"x", axis_log(field("parameters", "quantitative", "parameters of the model"))},
                     {"y", axis_of(field("shown", "quantitative", "lowest " + title_))},
                     {"color", {{"field", "bits"}, {"type", "ordinal"}, {"title", "bits"}, {"scale", {{"scheme", "viridis"}}}}},
                     {"detail", Json::array({{{"field", "kind"}}, {{"field", "study"}}})},
                     {"tooltip", tooltip({{"model", "model"},
                                          {"parameters", "parameters"},
                                          {"bits", "bits"},
                                          {"type", "vectors / weights"},
                                          {"value", title_},
                                          {"error", "statistical error"}})}};
    dash_studies(encoding);
    draw_lines(spec, std::move(encoding));
    draw_errors(spec, "lowest " + title_);
    add("model-size", "error", "Error by model size at equal bits",
        "The lowest error among the points of so many bits, total of vectors + total of weights.", std::move(spec));
  }

  // What a layer's values and its type have in common, as a row of the profiling plot; nothing where the point has no such type.
  static std::optional<Json> range_row(const Profile& profile, const Json& types, const std::vector<StoredCounts>& all_counts) {
    const bool output = profile.kind == "output";
    const std::string key = output ? "result_t" : profile.kind + "_t";
    if (profile.quantiles.empty() || !types.contains(profile.layer) || !types[profile.layer].contains(key)) return std::nullopt;
    const Format format = parse_format(types[profile.layer][key].get<std::string>());
    Json row = {{"name", profile.layer + " " + profile.kind},
                {"kind", profile.kind},
                {"type", to_string(format)},
                {"step", -format.fraction()},
                {"top", format.integer - (format.is_signed ? 1 : 0)}};
    constexpr std::array<const char*, 7> kQuantiles = {"least", "p5", "p25", "median", "p75", "p95", "most"};
    for (std::size_t i = 0; i < kQuantiles.size(); ++i) row[kQuantiles[i]] = std::log2(profile.quantiles[i]);
    const auto share = [](std::uint64_t part, std::uint64_t whole) {
      return whole == 0 ? 0.0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
    };
    const auto found = std::find_if(all_counts.begin(), all_counts.end(), [&](const StoredCounts& c) { return c.layer == profile.layer; });
    const StoredCounts counts = found == all_counts.end() ? StoredCounts{} : *found;
    row["overflow"] =
        output ? share(counts.overflows + counts.sum_overflows, counts.values) : share(counts.weight_overflows, counts.weights);
    row["lost"] = output ? share(counts.zeros, counts.values) : share(counts.weight_zeros, counts.weights);
    return row;
  }

  // Bars of ranges, boxes of quartiles and ticks of medians, in the order of the rows.
  static Json range_layers(const Json& order) {
    const Json y = {{"field", "name"}, {"type", "nominal"}, {"title", nullptr}, {"sort", order}, {"axis", {{"labelLimit", 220}}}};
    const auto span = [&](const char* from, const char* to) {
      Json x = field(from, "quantitative", "log2 of the magnitude");
      x["axis"] = {{"tickCount", 6}, {"labelSeparation", 8}};
      return Json{{"x", x}, {"x2", {{"field", to}}}, {"y", y}};
    };
    const Json tips = {{{"field", "name"}, {"title", "values"}},
                       {{"field", "type"}, {"title", "type"}},
                       {{"field", "step"}, {"title", "step, 2^"}},
                       {{"field", "top"}, {"title", "range below 2^"}},
                       {{"field", "median"}, {"title", "median, 2^"}, {"format", ".2f"}},
                       {{"field", "most"}, {"title", "largest, 2^"}, {"format", ".2f"}},
                       {{"field", "overflow"}, {"title", "overflow %"}, {"format", ".3~g"}},
                       {{"field", "lost"}, {"title", "underflow to 0 %"}, {"format", ".3~g"}}};
    Json range = span("step", "top");
    range["tooltip"] = tips;
    Json box = span("p25", "p75");
    box["color"] = {{"field", "kind"}, {"type", "nominal"}, {"title", "values of"}};
    box["tooltip"] = tips;
    return Json::array({{{"mark", {{"type", "bar"}, {"color", "#8a8a8a"}, {"opacity", 0.35}, {"height", 13}}}, {"encoding", range}},
                        {{"mark", {{"type", "rule"}}}, {"encoding", span("least", "most")}},
                        {{"mark", {{"type", "bar"}, {"height", 7}}}, {"encoding", box}},
                        {{"mark", {{"type", "tick"}, {"color", "black"}, {"height", 9}, {"thickness", 2}}},
                         {"encoding", {{"x", field("median", "quantitative", "log2 of the magnitude")}, {"y", y}}}}});
  }

  // The profiling plot: values on a binary axis, over the range and step of the type at the point of the answer.
  void ranges(const ReportScan& scan) {
    if (scan.profile.empty() || scan.highlights.empty() || scan.highlights.front().types.empty()) return;
    const Highlight& best = scan.highlights.front();
    const Json types = Json::parse(best.types);
    Json rows = Json::array();
    Json order = Json::array();
    for (const Profile& profile : scan.profile) {
      std::optional<Json> row = range_row(profile, types, best.counts);
      if (!row) continue;
      order.push_back((*row)["name"]);
      rows.push_back(std::move(*row));
    }
    if (rows.empty()) return;
    Json spec = base(std::move(rows));
    constexpr std::size_t kRow = 15;
    spec["height"] = kRow * order.size();
    spec["layer"] = range_layers(order);
    add("ranges-" + id_of(scan), "layers", "Values and types, model " + scan.name,
        "Magnitudes of the float model's values and weights: smallest to largest (line), half of them (box), median (tick); behind them "
        "the type at " +
            types_of(*best.point.point) +
            ", from its step to its range. Magnitudes that stand out to the right overflow; those to the left "
            "become 0, or, where they are negative and AP_TRN rounds down, minus one step." +
            (best.counted > 0 ? " Shares are counted on the first " + std::to_string(best.counted) + " samples." : ""),
        std::move(spec));
  }

  // Of a layer: fewer where there are many layers, for the page's sake.
  std::size_t shown_values() const {
    constexpr std::size_t kLayer = 300;
    constexpr std::size_t kPage = 40'000;
    std::size_t layers = 1;
    for (const ReportScan& scan : report_.scans) layers += scan.float_trace.layers.size();
    return std::clamp<std::size_t>(kPage / layers, 1, kLayer);
  }

  // (d) Signed differences between fixed and float, layer by layer, of the traced samples.
  void differences(const ReportScan& scan) {
    if (scan.highlights.empty() || scan.highlights.front().trace.layers.empty() || scan.float_trace.layers.empty()) return;
    const Highlight& best = scan.highlights.front();
    Json rows = Json::array();
    Json order = Json::array();
    const std::size_t most = shown_values();
    for (const std::string& layer : scan.layers) {
      const auto fixed_values = best.trace.layers.find(layer);
      const auto float_values = scan.float_trace.layers.find(best.trace.float_layer(layer));
      if (fixed_values == best.trace.layers.end() || float_values == scan.float_trace.layers.end()) continue;
      // The samples that both have.
      const std::size_t size = fixed_values->second.size() / best.trace.samples;
      const std::size_t samples = std::min(best.trace.samples, scan.float_trace.samples);
      if (float_values->second.size() != size * scan.float_trace.samples) continue;
      const auto values = std::span(fixed_values->second).first(size * samples);
      const std::size_t stride = stride_for(values.size(), most);
      order.push_back(layer);
      for (std::size_t i = 0; i < values.size(); i += stride) {
        const double exact = float_values->second[i];
        rows.push_back({{"layer", layer}, {"float", five_digits(exact)}, {"difference", five_digits(values[i] - exact)}});
      }
    }
    if (rows.empty()) return;
    Json spec = base(std::move(rows));
    spec.erase("width");
    spec.erase("height");
    spec["facet"] = {{"field", "layer"}, {"type", "nominal"}, {"title", nullptr}, {"sort", order}};
    spec["columns"] = 4;
    spec["resolve"] = {{"scale", {{"x", "independent"}, {"y", "independent"}}}};
    Json x = field("float", "quantitative", "float");
    Json y = field("difference", "quantitative", "fixed - float");
    x["axis"] = y["axis"] = {{"tickCount", 3}, {"format", ".2~r"}};
    spec["spec"] = {
        {"width", 150},
        {"height", 90},
        {"mark", {{"type", "point"}, {"filled", true}, {"size", 8}, {"opacity", 0.5}}},
        {"encoding",
         {{"x", x}, {"y", y}, {"tooltip", tooltip({{"layer", "layer"}, {"float", "float"}, {"difference", "fixed - float"}})}}}};
    add("differences-" + id_of(scan), "layers", "Fixed minus float by layer, model " + scan.name,
        "The traced samples at " + types_of(*best.point.point) + "; at most " + std::to_string(most) + " values per layer.",
        std::move(spec));
  }

  // A curve's values in float and at the scan's best point, bin by bin.
  static void add_curve_rows(Json& rows, const ReportScan& scan, const Curve& curve) {
    const Highlight& best = scan.highlights.front();
    const auto fixed_values = best.curves.find(curve.name);
    for (std::size_t i = 0; i < curve.values.size(); ++i) {
      const double low = curve.edges[i];
      const double high = curve.edges[i + 1];
      Json row = {{"true", low > 0 ? std::sqrt(low * high) : (low + high) / 2},
                  {"low", low},
                  {"high", high},
                  {"samples", curve.samples[i]},
                  {"model", scan.name}};
      row.update({{"value", number(curve.values[i])}, {"arithmetic", "float"}, {"type", "float32"}});
      rows.push_back(row);
      if (fixed_values == best.curves.end()) continue;
      row.update({{"value", number(fixed_values->second[i])}, {"arithmetic", "fixed"}, {"type", types_of(*best.point.point)}});
      rows.push_back(std::move(row));
    }
  }

  // One curve of all models with the same target in the same unit, float and fixed together.
  void physics_curve(const std::string& name, const std::string& target) {
    Json rows = Json::array();
    bool positive = true;
    std::string unit;
    for (const ReportScan& scan : report_.scans) {
      for (const Curve& curve : scan.float_curves) {
        if (curve.name != name || scan.target != target || scan.highlights.empty() || is_empty(curve)) continue;
        unit = scan.unit;
        positive = positive && std::all_of(curve.edges.begin(), curve.edges.begin() + static_cast<std::ptrdiff_t>(curve.values.size()),
                                           [](double edge) { return edge > 0; });
        add_curve_rows(rows, scan, curve);
      }
    }
    if (rows.empty()) return;
    const CurveWords words = words_of_curve(name, unit);
    Json spec = base(std::move(rows));
    Json x = field("true", "quantitative", target);
    if (positive) x = axis_log(x);
    x["scale"]["zero"] = false;
    if (positive) x["scale"] = {{"type", "log"}, {"nice", false}};
    Json encoding = {{"x", x},
                     {"y", field("value", "quantitative", words.axis)},
                     {"color", color()},
                     {"strokeDash", dashed_by("arithmetic", "arithmetic", {"fixed", "float"}, solid_and_dashed())},
                     {"tooltip", tooltip({{"model", "model"},
                                          {"arithmetic", "arithmetic"},
                                          {"type", "type"},
                                          {"low", "from"},
                                          {"high", "to"},
                                          {"samples", "samples"},
                                          {"value", words.axis}})}};
    if (words.from_zero) encoding["y"]["scale"] = {{"domainMin", 0}};
    draw_lines(spec, std::move(encoding));
    add(plain_id(name), "physics", words.title, "By " + target + ": fixed at the point of each model's answer (solid) and float (dashed).",
        std::move(spec));
  }

  // Resolution, linearity, turn-on.
  void physics() {
    std::vector<std::pair<std::string, std::string>> known;
    for (const ReportScan& scan : report_.scans) {
      for (const Curve& curve : scan.float_curves) {
        if (curve.name.starts_with("roc@") || curve.name.starts_with("confusion@")) continue;
        const std::pair of(curve.name, scan.target);
        if (std::find(known.begin(), known.end(), of) == known.end()) known.push_back(of);
      }
    }
    for (const auto& [name, target] : known) physics_curve(name, target);
  }

  // Each class against the others, float and at the scan's best point.
  void roc(const ReportScan& scan) {
    if (scan.highlights.empty()) return;
    const Highlight& best = scan.highlights.front();
    Json rows = Json::array();
    for (const std::string& name : scan.classes) {
      const auto curve =
          std::find_if(scan.float_curves.begin(), scan.float_curves.end(), [&](const Curve& each) { return each.name == "roc@" + name; });
      if (curve == scan.float_curves.end()) continue;
      const auto fixed = best.curves.find(curve->name);
      const auto row = [&](std::size_t i, double background, const char* arithmetic) {
        // (A logarithmic axis has no 0.)
        if (!(background > 0)) return;
        rows.push_back({{"efficiency", curve->edges[i + 1]}, {"value", background}, {"class", name}, {"arithmetic", arithmetic}});
      };
      for (std::size_t i = 0; i < curve->values.size(); ++i) {
        row(i, curve->values[i], "float");
        if (fixed != best.curves.end()) row(i, fixed->second[i], "fixed");
      }
    }
    if (rows.empty()) return;
    Json spec = base(std::move(rows));
    const std::string efficiency = "efficiency of the class [%]";
    const std::string background = "background: others that pass [%]";
    spec["mark"] = {{"type", "line"}};
    spec["encoding"] = {
        {"x", field("efficiency", "quantitative", efficiency)},
        {"y", axis_log(field("value", "quantitative", background))},
        {"color", {{"field", "class"}, {"type", "nominal"}, {"title", "class"}, {"sort", nullptr}}},
        {"strokeDash", dashed_by("arithmetic", "arithmetic", {"fixed", "float"}, solid_and_dashed())},
        {"tooltip", tooltip({{"class", "class"}, {"arithmetic", "arithmetic"}, {"efficiency", efficiency}, {"value", background}})}};
    add("roc-" + id_of(scan), "classes", "ROC curves of model " + scan.name,
        "The least share of all other samples that pass where at least so much of a class does: fixed at " + types_of(*best.point.point) +
            " (solid) and float (dashed). Samples of equal scores pass together; where no other sample passes there is no line.",
        std::move(spec));
  }

  void predictions(const PredictionPair& pair) {
    Json rows = Json::array();
    constexpr std::size_t kShown = 4000;
    const std::size_t stride = std::max<std::size_t>(1, pair.values.size() / kShown);
    for (std::size_t i = 0; i < pair.values.size(); i += stride) {
      rows.push_back({{"sample", i / pair.outputs},
                      {"float", pair.reference[i]},
                      {"value", pair.values[i]},
                      {"difference", pair.values[i] - pair.reference[i]}});
      if (pair.outputs > 1) rows.back()["output"] = i % pair.outputs;
    }
    const std::string difference = pair.second + " - " + pair.first;
    const std::string each = pair.outputs > 1 ? "output" : "sample";
    const std::string shown = stride > 1 ? " One of " + std::to_string(stride) + " " + each + "s is shown." : "";
    std::vector<std::pair<std::string, std::string>> fields{
        {"sample", "sample"}, {"float", pair.first}, {"value", pair.second}, {"difference", difference}};
    if (pair.outputs > 1) fields.insert(fields.begin() + 1, {"output", "output"});
    const Json tips = tooltip(fields);
    Json scatter = base(rows);
    scatter["mark"] = {{"type", "point"}, {"filled", true}, {"size", 12}, {"opacity", 0.5}};
    scatter["encoding"] = {
        {"x", field("float", "quantitative", pair.first)}, {"y", field("difference", "quantitative", difference)}, {"tooltip", tips}};
    scatter["encoding"]["x"]["scale"] = {{"zero", false}};
    add("difference-scatter", "error", "Difference by prediction", "Each " + each + "'s signed difference." + shown, std::move(scatter));
    Json histogram = base(std::move(rows));
    histogram["mark"] = {{"type", "bar"}};
    Json x = field("difference", "quantitative", difference);
    x["bin"] = {{"maxbins", 50}};
    histogram["encoding"] = {{"x", x}, {"y", {{"aggregate", "count"}, {"title", each + "s"}}}};
    add("difference-histogram", "error", "Distribution of the difference", "How many " + each + "s differ by how much." + shown,
        std::move(histogram));
  }

  // (e)
  void training() {
    Json rows = Json::array();
    for (const TrainingHistory& history : report_.histories) {
      for (const auto& epoch : history.epochs) {
        for (const char* kind : {"loss", "val_loss"}) {
          if (!epoch.contains(kind)) continue;
          rows.push_back({{"epoch", epoch.at("epoch")},
                          {"value", epoch.at(kind)},
                          {"shown", above_zero(epoch.at(kind))},
                          {"kind", kind},
                          {"model", history.model}});
        }
      }
    }
    if (rows.empty()) return;
    Json spec = base(std::move(rows));
    spec["mark"] = {{"type", "line"}};
    spec["encoding"] = {{"x", field("epoch", "quantitative", "epoch")},
                        {"y", axis_log(field("shown", "quantitative", "loss"))},
                        {"color", color()},
                        {"strokeDash", dashed_by("kind", "of", {"val_loss", "loss"}, solid_and_dashed())},
                        {"tooltip", tooltip({{"model", "model"}, {"epoch", "epoch"}, {"kind", "of"}, {"value", "loss"}})}};
    add("history", "training", "Training", "Loss on the training and the validation samples.", std::move(spec));
  }

  static std::string plain_id(std::string text) {
    for (char& c : text) {
      if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '-';
    }
    return text;
  }
  std::string id_of(const ReportScan& scan) const { return plain_id(scan.name); }

  const Report& report_;
  const MetricName& metric_;
  std::string title_;
  std::vector<Figure> figures_;
};

}  // namespace

const char* scale_of(const Metric& metric) {
  return metric.scale == AxisScale::kLog ? "log" : metric.scale == AxisScale::kSymlog ? "symlog" : "linear";
}

std::vector<Figure> figures_of(const Report& report) { return Figures(report).all(); }

Json points_table(const Report& report) {
  std::vector<std::string> columns{"scan", "v_full", "v_int", "wb_full", "wb_int", "overflowed"};
  for (const MetricName& metric : report.metrics) columns.push_back(metric.name);
  Json table = {{"columns", columns}, {"values", Json::array()}};
  std::vector<Json> values(columns.size(), Json::array());
  for (std::size_t scan = 0; scan < report.scans.size(); ++scan) {
    for (const StoredPoint& point : report.scans[scan].points) {
      const Point& p = *point.point;
      std::size_t at = 0;
      for (const int bits : {static_cast<int>(scan), p.v_full, p.v_int, p.wb_full, p.wb_int, point.clean ? 0 : 1})
        values[at++].push_back(bits);
      if (!report.scans[scan].overflows_known) values[at - 1].back() = nullptr;
      // Five digits are more than a figure shows, and keep the page small.
      for (const double value : point.values) values[at++].push_back(std::isfinite(value) ? Json(five_digits(value)) : Json(nullptr));
    }
  }
  for (Json& column : values) table["values"].push_back(std::move(column));
  return table;
}

Json standalone(const Figure& figure, const Report& report) {
  Json spec = figure.spec;
  spec["background"] = "white";
  spec["title"] = {{"text", figure.title}, {"anchor", "start"}};
  if (!spec["data"].contains("name")) return spec;
  const std::size_t shown = spec["params"][0]["value"];
  constexpr std::size_t kHeldFull = 4;  // of the parameters that grid() lists
  const std::string held = figure.id == "heatmap-weights" ? "vectors " : "weights ";
  spec["title"]["subtitle"] = "model " + report.scans[shown].name + ", " + held +
                              to_string(fixed(spec["params"][kHeldFull]["value"], spec["params"][kHeldFull + 1]["value"]));
  const Json table = points_table(report);
  Json rows = Json::array();
  for (std::size_t i = 0; i < table["values"][0].size(); ++i) {
    if (table["values"][0][i] != shown) continue;
    Json row;
    for (std::size_t c = 0; c < table["columns"].size(); ++c) row[table["columns"][c].get<std::string>()] = table["values"][c][i];
    rows.push_back(std::move(row));
  }
  spec["datasets"] = {{"points", std::move(rows)}};
  return spec;
}

}  // namespace narrow
