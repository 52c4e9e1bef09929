#include "figure/heatmap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#ifdef NARROW_VEGA_BUNDLE
// The JavaScript bundle, put into the program by the assembler.
__asm__(
    ".pushsection .rodata\n"
    ".global narrow_vega_begin\n.global narrow_vega_end\n"
    "narrow_vega_begin:\n.incbin \"" NARROW_VEGA_BUNDLE
    "\"\nnarrow_vega_end:\n"
    ".popsection\n");
extern "C" const char narrow_vega_begin[];  // NOLINT(readability-identifier-naming)
extern "C" const char narrow_vega_end[];    // NOLINT(readability-identifier-naming)
#endif

namespace narrow {
namespace {

using nlohmann::json;

// A logarithmic scale has no 0: a value of 0 takes the colour of the scale's low end, a decade below the least value.
double scale_floor(const std::vector<Heatmap::Cell>& cells) {
  double least = std::numeric_limits<double>::infinity();
  for (const auto& cell : cells) {
    if (cell.value > 0) least = std::min(least, cell.value);
  }
  return std::isfinite(least) ? least / 10 : 1;
}

json figure(const Heatmap& map) {
  const double floor = scale_floor(map.cells);
  json values = json::array();
  const Heatmap::Cell* best = nullptr;
  for (const auto& cell : map.cells) {
    if (!std::isfinite(cell.value)) continue;
    if (best == nullptr || cell.value < best->value) best = &cell;
    values.push_back({{"full", cell.full}, {"integer", cell.integer}, {"value", cell.value}, {"shown", std::max(cell.value, floor)}});
  }
  for (json& value : values) value["best"] = best != nullptr && value["full"] == best->full && value["integer"] == best->integer;
  const json x = {{"field", "full"}, {"type", "ordinal"}, {"title", map.full_label}, {"axis", {{"labelAngle", 0}}}};
  const json y = {{"field", "integer"}, {"type", "ordinal"}, {"title", map.integer_label}, {"sort", "descending"}};
  const json color = {{"field", "shown"},
                      {"type", "quantitative"},
                      {"title", map.value_label},
                      {"scale", {{"type", "log"}, {"scheme", "viridis"}, {"reverse", true}}},
                      {"legend", {{"format", ".3~g"}}}};
  const json tooltip = json::array({{{"field", "full"}, {"title", map.full_label}},
                                    {{"field", "integer"}, {"title", map.integer_label}},
                                    {{"field", "value"}, {"title", map.value_label}, {"format", ".4~g"}}});
  return {{"title", {{"text", map.title}, {"subtitle", map.subtitle}, {"anchor", "start"}}},
          {"data", {{"values", values}}},
          {"width", {{"step", 34}}},
          {"height", {{"step", 26}}},
          {"layer",
           {{{"mark", {{"type", "rect"}}}, {"encoding", {{"x", x}, {"y", y}, {"color", color}, {"tooltip", tooltip}}}},
            {{"transform", {{{"filter", "datum.best"}}}},
             {"mark", {{"type", "rect"}, {"filled", false}, {"stroke", "#d62728"}, {"strokeWidth", 3}}},
             {"encoding", {{"x", x}, {"y", y}, {"tooltip", tooltip}}}}}}};
}

}  // namespace

std::string_view vega_bundle() {
#ifdef NARROW_VEGA_BUNDLE
  return {narrow_vega_begin, static_cast<std::size_t>(narrow_vega_end - narrow_vega_begin)};
#else
  return {};
#endif
}

std::string escape_html(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&') escaped += "&amp;";
    else if (c == '<') escaped += "&lt;";
    else if (c == '>') escaped += "&gt;";
    else if (c == '"') escaped += "&quot;";
    else escaped += c;
  }
  return escaped;
}
std::string escape_script(std::string text) {
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at)) text.replace(at, 1, "\\u003c");
  return text;
}

std::string heatmap_spec(const std::vector<Heatmap>& figures) {
  json spec = {{"$schema", "https://vega.github.io/schema/vega-lite/v6.json"},
               {"background", "white"},
               {"resolve", {{"scale", {{"color", "independent"}, {"x", "independent"}, {"y", "independent"}}}}},
               {"hconcat", json::array()}};
  for (const Heatmap& map : figures) spec["hconcat"].push_back(figure(map));
  return spec.dump(1);
}

std::string figure_page(const std::string& title, const std::string& spec) {
  if (vega_bundle().empty()) return {};
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>" + escape_html(title) + "</title>\n<script>" +
         std::string(vega_bundle()) +
         "</script>\n</head>\n<body>\n<div id=\"figure\"></div>\n<script>\nconst spec = " + escape_script(spec) +
         ";\nvegaEmbed('#figure', spec, {renderer: 'svg'}).catch(console.error);\n</script>\n</body>\n</html>\n";
}

}  // namespace narrow
