#ifndef NARROW_REPORT_VEGA_H_
#define NARROW_REPORT_VEGA_H_

#include <string>
#include <string_view>

namespace narrow {

// vega, vega-lite and vega-embed, which draw a page's figures; nothing where narrow was built without them (CMake option
// NARROW_VEGA_BUNDLE).
std::string_view vega_bundle();

// Text that stands in HTML, also in an attribute; JSON that stands in a script element.
std::string escape_html(const std::string& text);
std::string escape_script(std::string text);

}  // namespace narrow

#endif  // NARROW_REPORT_VEGA_H_
