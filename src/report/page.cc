#include "report/page.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <utility>

#include "data/text.h"
#include "error.h"
#include "fixed/format.h"
#include "report/vega.h"
#include "report/words.h"
#include "study/best.h"
#include "study/layout.h"

// The page's style and script, put into the program by the assembler.
__asm__(
    ".pushsection .rodata\n"
    ".global narrow_style_begin\n.global narrow_style_end\nnarrow_style_begin:\n.incbin \"" NARROW_PAGE
    "/page.css\"\nnarrow_style_end:\n"
    ".global narrow_script_begin\n.global narrow_script_end\nnarrow_script_begin:\n.incbin \"" NARROW_PAGE
    "/page.js\"\nnarrow_script_end:\n"
    ".popsection\n");
extern "C" const char narrow_style_begin[];   // NOLINT(readability-identifier-naming)
extern "C" const char narrow_style_end[];     // NOLINT(readability-identifier-naming)
extern "C" const char narrow_script_begin[];  // NOLINT(readability-identifier-naming)
extern "C" const char narrow_script_end[];    // NOLINT(readability-identifier-naming)

namespace narrow {
namespace {

std::string_view between(const char* begin, const char* end) { return {begin, static_cast<std::size_t>(end - begin)}; }

std::string number(double value) {
  constexpr int kDigits = 4;
  return std::isnan(value) ? "" : number_text(value, kDigits);
}

std::string short_error(double error) {
  constexpr int kDigits = 2;
  return number_text(error, kDigits);
}

struct Column {
  std::string name;
  bool text = false;  // rather than numbers
  std::string hint = {};
  bool more = false;  // shown on request
};

// A table that can be sorted by each of its columns.
class HtmlTable {
 public:
  HtmlTable(std::string id, std::string caption, const std::vector<Column>& columns) : id_(std::move(id)), caption_(std::move(caption)) {
    for (const Column& column : columns) {
      const std::string kinds =
          std::string(column.text ? "text" : "") + (column.text && column.more ? " " : "") + (column.more ? "more" : "");
      classes_.emplace_back(kinds.empty() ? "" : " class=\"" + kinds + "\"");
      more_ = more_ || column.more;
      head_ += "<th scope=\"col\"" + classes_.back() + (column.hint.empty() ? "" : " title=\"" + escape_html(column.hint) + "\"") +
               "><button type=\"button\">" + escape_html(column.name) + "</button></th>";
    }
  }
  // Cells are HTML; the first is the row's header.
  void add(const std::vector<std::string>& cells) {
    body_ += "<tr><th scope=\"row\"" + classes_.front() + ">" + cells.front() + "</th>";
    for (std::size_t i = 1; i < cells.size(); ++i) body_ += "<td" + classes_[i] + ">" + cells[i] + "</td>";
    body_ += "</tr>\n";
  }
  bool empty() const { return body_.empty(); }
  std::string html() const {
    return "<div class=\"table\" tabindex=\"0\" role=\"region\" aria-label=\"" + escape_html(caption_) + "\"><table id=\"" + id_ +
           "\" class=\"sortable\"><caption>" + escape_html(caption_) + "</caption><thead><tr>" + head_ + "</tr></thead>\n<tbody>" + body_ +
           "</tbody></table></div>\n<p class=\"tools\"><button type=\"button\" data-csv-table=\"" + id_ + "\">CSV</button>" +
           (more_ ? " <button type=\"button\" data-more=\"" + id_ + "\" aria-pressed=\"false\">all columns</button>" : "") + "</p>\n";
  }

 private:
  std::string id_, caption_, head_, body_;
  std::vector<std::string> classes_;
  bool more_ = false;
};

class Page {
 public:
  Page(const Report& report, const std::vector<Figure>& figures, const Command& command)
      : report_(report), figures_(figures), command_(command) {}

  std::string html() const {
    std::string title;
    for (const ReportStudy& study : report_.studies) title += (title.empty() ? "" : " and ") + study.label;
    return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"
           "<title>narrow: " +
           escape_html(title) + "</title>\n<style>\n" + std::string(between(narrow_style_begin, narrow_style_end)) +
           "</style>\n</head>\n<body>\n<header>\n<h1>" + escape_html(title) + "</h1>\n" + paragraphs(studied(report_)) + missing() +
           "</header>\n<nav aria-label=\"Contents\">" + contents() + "</nav>\n<main>\n" + summary() + error() +
           section("layers", "Layers", overflows() + traces()) + section("physics", "Resolution, linearity, turn-on", "") +
           section("classes", "Classes", classes()) + section("training", "Training", "") + commands() + "</main>\n" + scripts() +
           "</body>\n</html>\n";
  }

 private:
  static std::string paragraphs(const std::vector<std::string>& sentences) {
    std::string html;
    for (const std::string& sentence : sentences) html += "<p>" + escape_html(sentence) + "</p>\n";
    return html;
  }

  std::string missing() const {
    if (report_.missing.empty()) return "";
    std::string html = "<div class=\"missing\" role=\"note\"><p>Not in this report:</p><ul>";
    for (const std::string& line : report_.missing) html += "<li>" + escape_html(line) + "</li>";
    return html + "</ul></div>\n";
  }

  bool has(const std::string& section) const {
    for (const Figure& figure : figures_) {
      if (figure.section == section) return true;
    }
    return false;
  }

  std::string contents() const {
    std::string html = report_.pair ? "" : "<a href=\"#summary\">Best precision</a>";
    for (const auto& [id, name] :
         {std::pair("error", "Error and bits"), std::pair("layers", "Layers"), std::pair("physics", "Resolution and turn-on"),
          std::pair("classes", "Classes"), std::pair("training", "Training"), std::pair("commands", "Commands")}) {
      if (std::string(id) == "commands" || has(id)) html += std::string(" <a href=\"#") + id + "\">" + name + "</a>";
    }
    return html;
  }

  std::string summary() const {
    if (report_.pair) return "";
    const MetricName& metric = report_.metrics[report_.metric];
    std::string html = "<section id=\"summary\"><h2>Best precision</h2>\n" + (has("summary") ? figures_html("summary") : "");
    constexpr std::size_t kBeforeTable = 3;  // sentences of a model
    std::string remarks;                     // the others
    for (const ReportScan& scan : report_.scans) {
      html += "<h3>Model " + escape_html(scan.name) + "</h3>\n<ul>";
      const std::vector<std::string> said = came_out(report_, scan);
      std::string rest;
      for (std::size_t i = 0; i < said.size(); ++i) (i < kBeforeTable ? html : rest) += "<li>" + escape_html(said[i]) + "</li>";
      html += "</ul>\n";
      if (!rest.empty()) remarks += "<h3>More on model " + escape_html(scan.name) + "</h3>\n<ul class=\"remarks\">" + rest + "</ul>\n";
    }
    std::vector<Column> columns{{"model", true}, {"point", true},   {"parameters", false, "", true},
                                {"bits"},        {"vectors", true}, {"weights", true}};
    for (const MetricName& each : report_.metrics) {
      columns.push_back({label_of(each), false, each.name + ": " + each.meaning, &each != &metric && !is_physics(each)});
    }
    HtmlTable table("best", "The point of the answer and its neighbours", columns);
    for (const ReportScan& scan : report_.scans) {
      for (const Highlight& highlight : scan.highlights) {
        const Point& p = *highlight.point.point;
        std::vector<std::string> row{escape_html(scan.name),     escape_html(highlight.role), std::to_string(scan.scan.parameters),
                                     std::to_string(bits_of(p)), escape_html(vectors_of(p)),  escape_html(weights_of(p))};
        const StoredPoint& point = highlight.point;
        for (std::size_t i = 0; i < point.values.size(); ++i)
          row.push_back(number(point.values[i]) + (std::isfinite(point.errors[i]) ? " +- " + short_error(point.errors[i]) : ""));
        table.add(row);
      }
    }
    return html + (table.empty() ? "" : table.html()) + remarks + "</section>\n";
  }

  // What every table shows: what a bit costs a trigger.
  static bool is_physics(const MetricName& metric) {
    return metric.name == "accuracy_loss" || metric.name == "disagreement" || metric.name == "auc_loss" ||
           metric.name == "resolution_loss" || metric.name.starts_with("turn_on_shift") || metric.name.starts_with("rate_change");
  }

  std::string figure_html(const Figure& figure) const {
    return "<figure id=\"" + figure.id + "\"><h3>" + escape_html(figure.title) +
           "</h3>\n<div class=\"drawing\" role=\"img\" aria-label=\"" + escape_html(figure.title + ". " + figure.caption) +
           "\"></div>\n<figcaption>" + escape_html(figure.caption) +
           "</figcaption>\n<p class=\"tools\"><button type=\"button\" data-csv=\"" + figure.id + "\">CSV</button> <code>" +
           escape_html(whole_command() + " --only " + figure.id) + "</code></p></figure>\n";
  }

  std::string whole_command() const { return command_.studies + " " + command_.bounds + command_.options; }

  std::string figures_html(const std::string& section) const {
    std::string html;
    for (const Figure& figure : figures_) {
      if (figure.section == section && figure.id.rfind("heatmap-", 0) != 0) html += figure_html(figure);
    }
    return "<div class=\"figures\">" + html + "</div>\n";
  }

  std::string section(const std::string& id, const std::string& title, const std::string& more) const {
    if (!has(id) && more.empty()) return "";
    return "<section id=\"" + id + "\"><h2>" + escape_html(title) + "</h2>\n" + figures_html(id) + more + "</section>\n";
  }

  std::string error() const {
    if (!has("error")) return "";
    std::string options;
    for (std::size_t i = 0; i < report_.scans.size(); ++i) {
      if (report_.scans[i].highlights.empty()) continue;
      options += "<option value=\"" + std::to_string(i) + "\"" + (i == report_.view.scan ? " selected" : "") + ">" +
                 escape_html(report_.scans[i].name) + "</option>";
    }
    std::string metrics;
    for (std::size_t i = 0; i < report_.metrics.size(); ++i) {
      const MetricName& metric = report_.metrics[i];
      metrics += "<option value=\"" + escape_html(metric.name) + "\"" + (i == report_.view.metric ? " selected" : "") + ">" +
                 escape_html(label_of(metric)) + "</option>";
    }
    std::string sliders;
    for (const auto& [id, name] : {std::pair("v_full", "vectors, total bits"), std::pair("v_int", "vectors, integer bits"),
                                   std::pair("wb_full", "weights, total bits"), std::pair("wb_int", "weights, integer bits")}) {
      sliders += std::string("<label>") + name + " <input type=\"range\" id=\"" + id + "\" min=\"0\" step=\"1\"> <output for=\"" + id +
                 "\"></output></label>\n";
    }
    std::string maps;
    for (const Figure& figure : figures_) {
      if (figure.id.rfind("heatmap-", 0) == 0) maps += figure_html(figure);
    }
    std::string explorer;
    if (!maps.empty()) {
      explorer =
          "<div id=\"explorer\"><h3>The grid</h3>\n<form class=\"controls\" aria-label=\"Through the grid\"><label>model <select "
          "id=\"scan\">" +
          options + "</select></label>\n<label>metric <select id=\"metric\">" + metrics + "</select></label>\n" + sliders +
          "<label>colours up to the percentile <input type=\"range\" id=\"cut\" min=\"50\" max=\"100\" step=\"1\" value=\"" +
          std::to_string(report_.view.percentile) +
          "\"> <output for=\"cut\"></output></label>\n"
          "<p id=\"here\" aria-live=\"polite\"></p></form>\n<div class=\"figures\">" +
          maps + "</div></div>\n";
    }
    return "<section id=\"error\"><h2>Error and bits</h2>\n" + figures_html("error") + explorer + "</section>\n";
  }

  // What each class is taken for, and how well it is told from the others, at each model's best point.
  std::string classes() const {
    std::string html;
    for (std::size_t s = 0; s < report_.scans.size(); ++s) {
      const ReportScan& scan = report_.scans[s];
      if (scan.classes.empty() || scan.highlights.empty()) continue;
      const Highlight& best = scan.highlights.front();
      std::vector<Column> columns{{"class", true}, {"samples"}};
      for (const std::string& name : scan.classes) {
        columns.push_back({"taken for " + name + " [%]: float"});
        columns.push_back({"fixed"});
      }
      // Of one class, with its name left out: `auc@`, `efficiency@,1`.
      std::vector<std::string> kinds;
      for (const Metric& metric : report_.metrics) {
        const std::string& name = scan.classes.back();
        const std::size_t at = metric.name.find("@" + name);
        const std::string kind = metric.name.substr(0, at);
        const std::string rest = at == std::string::npos ? "-" : metric.name.substr(at + 1 + name.size());
        if ((kind != "auc" && kind != "efficiency" && kind != "background") || (!rest.empty() && rest.front() != ',')) continue;
        kinds.push_back(kind + "@" + rest);
        std::string title = title_of(metric);
        if (const std::size_t of = title.find(" of " + name); of != std::string::npos) title.erase(of, 4 + name.size());
        columns.push_back({title + (metric.unit.empty() ? "" : " [%]") + ": float"});
        columns.push_back({"fixed"});
      }
      HtmlTable table("classes-" + std::to_string(s),
                      "Classes of model " + scan.name +
                          ": what their samples are taken for and how they are told from all others, float and fixed at " +
                          types_of(*best.point.point),
                      columns);
      for (const std::string& name : scan.classes) {
        const auto curve = std::find_if(scan.float_curves.begin(), scan.float_curves.end(),
                                        [&](const Curve& each) { return each.name == "confusion@" + name; });
        const auto fixed = best.curves.find("confusion@" + name);
        std::vector<std::string> row{escape_html(name), std::to_string(curve->samples.front())};
        for (std::size_t k = 0; k < scan.classes.size(); ++k) {
          row.push_back(number(curve->values[k]));
          row.push_back(fixed == best.curves.end() ? "" : number(fixed->second[k]));
        }
        for (std::string kind : kinds) {
          const std::string metric = kind.insert(kind.find('@') + 1, name);
          const auto own =
              std::find_if(report_.metrics.begin(), report_.metrics.end(), [&](const Metric& each) { return each.name == metric; });
          const auto exact = scan.float_metrics.find(metric);
          const auto at = static_cast<std::size_t>(own - report_.metrics.begin());
          const bool known = own != report_.metrics.end();
          row.push_back(exact == scan.float_metrics.end() ? "" : number(exact->second));
          row.push_back(!known ? ""
                               : number(best.point.values[at]) +
                                     (std::isfinite(best.point.errors[at]) ? " +- " + short_error(best.point.errors[at]) : ""));
        }
        table.add(row);
      }
      html += table.html();
    }
    return html;
  }

  // Overflow and underflow shares in the open.
  std::string overflows() const {
    HtmlTable table(
        "overflows",
        "What is lost at the point of the answer and its neighbours, % of the values; counted on the first samples, as many as the "
        "last column says",
        {{"layer", true},
         {"model", true},
         {"point", true},
         {"type", true},
         {"overflow"},
         {"sum overflow"},
         {"underflow to 0"},
         {"weights that overflow"},
         {"weights that underflow to 0"},
         {"samples counted"}});
    for (const ReportScan& scan : report_.scans) {
      for (const Highlight& highlight : scan.highlights) {
        if (highlight.types.empty() || highlight.counted == 0) continue;
        const auto types = nlohmann::ordered_json::parse(highlight.types);
        for (const StoredCounts& c : highlight.counts) {
          const auto share = [](std::uint64_t part, std::uint64_t whole) {
            return part == 0 ? std::string("0") : number(100 * static_cast<double>(part) / static_cast<double>(whole));
          };
          const std::string own = types.contains(c.layer) ? types[c.layer].value("result_t", "") : "";
          table.add({escape_html(c.layer), escape_html(scan.name), escape_html(highlight.role),
                     own.empty() ? "" : escape_html(to_string(parse_format(own))), share(c.overflows, c.values),
                     share(c.sum_overflows, c.values), share(c.zeros, c.values), share(c.weight_overflows, c.weights),
                     share(c.weight_zeros, c.weights), std::to_string(highlight.counted)});
        }
      }
    }
    return table.empty() ? "" : "<h3>Overflow and loss</h3>\n" + table.html();
  }

  // Models and precisions side by side for one sample: how far each layer lies from float.
  std::string traces() const {
    std::vector<Column> columns{{"layer", true}};
    std::vector<std::pair<const ReportScan*, const Highlight*>> shown;  // of the columns
    std::vector<std::string> layers;
    for (const ReportScan& scan : report_.scans) {
      const bool known = scan.float_trace.samples > report_.sample;
      for (const Highlight& highlight : scan.highlights) {
        if (!known || highlight.trace.samples <= report_.sample) continue;
        const std::string types = types_of(*highlight.point.point);
        if (shown.empty() || shown.back().first != &scan) columns.push_back({scan.name + ": float"});
        columns.push_back({scan.name + ": " + types, false, highlight.role});
        columns.push_back({"largest difference", false, scan.name + ": " + types});
        shown.emplace_back(&scan, &highlight);
      }
      for (const std::string& layer : scan.layers) {
        if (known && std::find(layers.begin(), layers.end(), layer) == layers.end()) layers.push_back(layer);
      }
    }
    if (shown.empty()) return "";
    HtmlTable table("trace",
                    "Layers of sample " + std::to_string(report_.sample) +
                        ": mean magnitude of the values (of a single value, the value itself), float and fixed, and the largest "
                        "difference between them",
                    columns);
    for (const std::string& layer : layers) {
      std::vector<std::string> row{escape_html(layer)};
      const ReportScan* last = nullptr;
      for (const auto& [scan, highlight] : shown) {
        const std::span<const double> reference = of_sample(scan->float_trace, highlight->trace.float_layer(layer));
        const std::span<const double> values = of_sample(highlight->trace, layer);
        const bool known = !values.empty() && values.size() == reference.size();
        double largest = 0;
        for (std::size_t i = 0; known && i < values.size(); ++i) largest = std::max(largest, std::abs(values[i] - reference[i]));
        if (scan != last) row.push_back(known ? number(magnitude(reference)) : "");
        row.push_back(known ? number(magnitude(values)) : "");
        row.push_back(known ? number(largest) : "");
        last = scan;
      }
      table.add(row);
    }
    return "<h3>Trace</h3>\n" + table.html() + nodes();
  }

  // The same sample node by node, at each model's best point: for a layer on a set of rows the mean over the rows of the magnitude.
  std::string nodes() const {
    HtmlTable table(
        "nodes",
        "Nodes of sample " + std::to_string(report_.sample) +
            " at the point of the answer: the value (of a layer on a set, the mean magnitude over its rows), float and fixed, and the "
            "largest difference",
        {{"layer", true}, {"node"}, {"model", true}, {"float"}, {"fixed"}, {"difference"}});
    for (const ReportScan& scan : report_.scans) {
      if (scan.highlights.empty() || scan.float_trace.samples <= report_.sample) continue;
      const KeptTrace& trace = scan.highlights.front().trace;
      if (trace.samples <= report_.sample) continue;
      for (const std::string& layer : scan.layers) {
        const std::span<const double> reference = of_sample(scan.float_trace, trace.float_layer(layer));
        const std::span<const double> values = of_sample(trace, layer);
        const auto width = trace.widths.find(layer);
        if (values.empty() || values.size() != reference.size() || width == trace.widths.end()) continue;
        for (std::size_t node = 0; node < width->second; ++node) {
          const auto [exact, unused] = of_node(reference, reference, node, width->second);
          const auto [value, largest] = of_node(values, reference, node, width->second);
          table.add({escape_html(layer), std::to_string(node), escape_html(scan.name), number(exact), number(value), number(largest)});
        }
      }
    }
    if (table.empty()) return "";
    return "<details><summary>Node by node</summary>\n" + table.html() + "</details>\n";
  }

  // A node's value and its largest difference from the reference.
  static std::pair<double, double> of_node(std::span<const double> values, std::span<const double> reference, std::size_t node,
                                           std::size_t width) {
    double sum = 0;
    double largest = 0;
    for (std::size_t i = node; i < values.size(); i += width) {
      sum += values.size() == width ? values[i] : std::abs(values[i]);
      largest = std::max(largest, std::abs(values[i] - reference[i]));
    }
    return {sum * static_cast<double>(width) / static_cast<double>(values.size()), largest};
  }

  std::span<const double> of_sample(const KeptTrace& trace, const std::string& layer) const {
    const auto found = trace.layers.find(layer);
    if (found == trace.layers.end()) return {};
    const std::size_t size = found->second.size() / trace.samples;
    return std::span(found->second).subspan(report_.sample * size, size);
  }

  static double magnitude(std::span<const double> values) {
    if (values.size() == 1) return values.front();
    double sum = 0;
    for (const double value : values) sum += std::abs(value);
    return sum / static_cast<double>(values.size());
  }

  std::string commands() const {
    std::string html = "<section id=\"commands\"><h2>Commands</h2>\n<p>This page: <code>" + escape_html(whole_command()) + "</code></p>\n";
    for (const ReportStudy& study : report_.studies) {
      for (const Store::KnownDefinition& known : study.definitions) {
        html += "<details><summary>" + escape_html(study.label) + ": <code>" + escape_html(known.command) + "</code>, narrow " +
                escape_html(known.version) + ", " + escape_html(known.started) + "</summary><pre>" + escape_html(known.definition) +
                "</pre></details>\n";
      }
    }
    return html + "</section>\n";
  }

  std::string scripts() const {
    nlohmann::ordered_json data = {{"points", points_table(report_)},
                                   {"figures", nlohmann::ordered_json::array()},
                                   {"best", nlohmann::ordered_json::array()},
                                   {"metrics", nlohmann::ordered_json::object()},
                                   {"symlog_part", kSymlogPart},
                                   {"command", {{"studies", command_.studies}, {"bounds", command_.bounds}}}};
    for (const MetricName& metric : report_.metrics) {
      data["metrics"][metric.name] = {{"title", title_of(metric)},
                                      {"label", label_of(metric)},
                                      {"unit", metric.unit},
                                      {"scale", scale_of(metric)},
                                      {"more", metric.better == Better::kMore},
                                      {"signed", metric.is_signed}};
    }
    if (!report_.scans.empty()) {
      const Point& at = report_.view.at;
      data["view"] = {{"scan", report_.view.scan}, {"at", {at.v_full, at.v_int, at.wb_full, at.wb_int}}};
    }
    for (const Figure& figure : figures_) data["figures"].push_back({{"id", figure.id}, {"spec", figure.spec}});
    for (const ReportScan& scan : report_.scans) {
      if (scan.highlights.empty()) {
        data["best"].push_back(nullptr);
        continue;
      }
      const Point& p = *scan.highlights.front().point.point;
      data["best"].push_back({p.v_full, p.v_int, p.wb_full, p.wb_int});
    }
    return "<script type=\"application/json\" id=\"report\">" +
           escape_script(data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)) + "</script>\n<script>" +
           std::string(vega_bundle()) + "</script>\n<script>" + std::string(between(narrow_script_begin, narrow_script_end)) +
           "</script>\n";
  }

  const Report& report_;
  const std::vector<Figure>& figures_;
  const Command& command_;
};

}  // namespace

std::string report_page(const Report& report, const std::vector<Figure>& figures, const Command& command) {
  if (vega_bundle().empty())
    throw Error("this narrow was built without vega, which draws figures; build it with tools/setup.sh, as ./study does");
  return Page(report, figures, command).html();
}

}  // namespace narrow
