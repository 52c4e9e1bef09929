#ifndef NARROW_FIGURE_HEATMAP_H_
#define NARROW_FIGURE_HEATMAP_H_

#include <string>
#include <string_view>
#include <vector>

namespace narrow {

// A heat map of integer by total bits: one value a cell, on a logarithmic colour scale, the best cell marked.
struct Heatmap {
  struct Cell {
    int full = 0;
    int integer = 0;
    double value = 0;
  };
  std::string title;     // of the figure
  std::string subtitle;  // what is held fixed
  std::string full_label, integer_label, value_label;
  std::vector<Cell> cells;
};

// The figures side by side as one Vega-Lite (version 6) specification, in JSON.
std::string heatmap_spec(const std::vector<Heatmap>& figures);

// The specification as one HTML page that draws it without a network: vega, vega-lite and vega-embed are inside. Empty
// where narrow was built without them (CMake option NARROW_VEGA_BUNDLE).
std::string figure_page(const std::string& title, const std::string& spec);

// vega, vega-lite and vega-embed, or nothing.
std::string_view vega_bundle();

// Text that stands in HTML, also in an attribute; JSON that stands in a script element.
std::string escape_html(const std::string& text);
std::string escape_script(std::string text);

}  // namespace narrow

#endif  // NARROW_FIGURE_HEATMAP_H_
