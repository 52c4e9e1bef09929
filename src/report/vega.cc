#include "report/vega.h"

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

}  // namespace narrow
