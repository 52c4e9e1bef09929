#ifndef NARROW_REPORT_STATIC_FIGURES_H_
#define NARROW_REPORT_STATIC_FIGURES_H_

#include <string>
#include <vector>

#include "report/figures.h"

namespace narrow {

// Writes each figure's specification, ID.vl.json, and it drawn as ID.svg, ID.png or ID.pdf into a folder, by vl-convert from PyPI in
// `python`. Throws Error where that is not there or fails.
void write_figures(const Report& report, const std::vector<Figure>& figures, const std::string& folder,
                   const std::vector<std::string>& formats, const std::string& python);

// The Python with vl-convert: the environment's NARROW_FIGURES_PYTHON, or the one that narrow was built with; empty for none.
std::string figures_python();

}  // namespace narrow

#endif  // NARROW_REPORT_STATIC_FIGURES_H_
