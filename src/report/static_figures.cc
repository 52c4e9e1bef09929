#include "report/static_figures.h"

#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include "data/text.h"
#include "error.h"

extern char** environ;  // NOLINT

namespace narrow {
namespace {

// Arguments: the formats, then specifications. Every file takes its name when it is whole.
constexpr const char* kScript = R"(
import os, sys, json
import vl_convert as vl
formats, *paths = sys.argv[1:]
for path in paths:
    spec = json.load(open(path, encoding='utf-8'))
    stem = path[: -len('.vl.json')]
    for kind in formats.split(','):
        if kind == 'svg': drawn = vl.vegalite_to_svg(spec, vl_version='6.4').encode()
        elif kind == 'png': drawn = vl.vegalite_to_png(spec, vl_version='6.4', scale=2)
        else: drawn = vl.vegalite_to_pdf(spec, vl_version='6.4')
        with open(f'{stem}.{kind}.partial', 'wb') as file: file.write(drawn)
        os.replace(f'{stem}.{kind}.partial', f'{stem}.{kind}')
)";

}  // namespace

std::string figures_python() {
  if (const char* given = std::getenv("NARROW_FIGURES_PYTHON")) return given;
#ifdef NARROW_FIGURES_PYTHON
  return NARROW_FIGURES_PYTHON;
#else
  return "";
#endif
}

void write_figures(const Report& report, const std::vector<Figure>& figures, const std::string& folder,
                   const std::vector<std::string>& formats, const std::string& python) {
  make_folder(folder);
  std::string joined;
  for (const std::string& format : formats) joined += (joined.empty() ? "" : ",") + format;
  std::vector<std::string> words{python, "-c", kScript, joined};
  for (const Figure& figure : figures) {
    const std::string path = folder + "/" + figure.id + ".vl.json";
    write_file(path, standalone(figure, report).dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
    words.push_back(path);
  }
  if (formats.empty() || figures.empty()) return;
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t process = 0;
  int status = 0;
  const bool started = posix_spawnp(&process, python.c_str(), nullptr, nullptr, arguments.data(), environ) == 0;
  if (!started || waitpid(process, &status, 0) != process || status != 0) {
    throw Error(folder + ": the figures cannot be drawn with " + python +
                "; it should be a Python with vl-convert-python (NARROW_FIGURES_PYTHON), or use --figures none");
  }
}

}  // namespace narrow
