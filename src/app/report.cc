#include "report/report.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>

#include "app/inputs.h"
#include "app/options.h"
#include "data/text.h"
#include "error.h"
#include "report/page.h"
#include "report/static_figures.h"
#include "report/words.h"

namespace narrow {
namespace {

struct ReportArguments {
  std::vector<std::string> studies, labels, formats, only;
  std::vector<int> at;
  std::string out;
  ReportOptions options;
};

// What makes this report again, without what chooses its files.
// `metric` is the one that judges.
Command command_of(const ReportArguments& arguments, const std::string& name, const std::string& metric) {
  const ReportOptions& options = arguments.options;
  const auto joined = [](const auto& values, const auto& text_of) {
    std::string text;
    for (const auto& value : values) text += (text.empty() ? "" : ",") + text_of(value);
    return text;
  };
  Command command{"narrow " + name, "--below " + shell_quoted(options.below.empty() ? short_text(default_bound(metric)) : options.below),
                  ""};
  if (options.below.find('=') == std::string::npos) command.bounds = "--metric " + shell_quoted(metric) + " " + command.bounds;
  if (options.most_overflow != kMostOverflow) command.bounds += " --overflow " + short_text(options.most_overflow);
  if (options.any) command.bounds += " --any";
  for (const std::string& study : arguments.studies) command.studies += " " + shell_quoted(study);
  const std::string labels = joined(arguments.labels, [](const std::string& label) { return label; });
  if (!labels.empty()) command.studies += " --labels " + shell_quoted(labels);
  if (!options.shown.empty()) command.options += " --shown " + shell_quoted(options.shown);
  if (!options.model.empty()) command.options += " --model " + shell_quoted(options.model);
  if (!arguments.at.empty()) command.options += " --at " + joined(arguments.at, [](int bits) { return std::to_string(bits); });
  if (options.percentile != ReportOptions().percentile) command.options += " --percentile " + std::to_string(options.percentile);
  if (options.sample > 0) command.options += " --sample " + std::to_string(options.sample);
  return command;
}

// Names of the studies, each its own: as the user says, or their folders' names, or the paths where folders have one name.
std::vector<std::string> labels_of(const ReportArguments& arguments) {
  std::vector<std::string> labels = arguments.labels;
  const auto differ = [&] { return std::set<std::string>(labels.begin(), labels.end()).size() == arguments.studies.size(); };
  if (labels.empty()) {
    for (const std::string& study : arguments.studies) labels.push_back(std::filesystem::weakly_canonical(study).filename().string());
    if (!differ()) labels = arguments.studies;
  }
  if (labels.size() != arguments.studies.size()) throw UsageError("--labels: there should be one for each study");
  if (!differ()) throw UsageError("--labels: two studies have the same name; they would be one in every figure");
  return labels;
}

void check(const ReportArguments& arguments) {
  if (const std::string& out = arguments.out; !out.empty() && !out.ends_with(".html") && !out.ends_with(".htm")) {
    throw UsageError("--out " + out + ": the page is HTML; give it a name that ends in .html");
  }
  const std::vector<std::string>& formats = arguments.formats;
  const bool none = std::find(formats.begin(), formats.end(), "none") != formats.end();
  if (none && formats.size() > 1) throw UsageError("--figures: none cannot be combined with formats");
  if (none && !arguments.only.empty()) throw UsageError("--figures none: --only draws figures and nothing else");
}

void run(const ReportArguments& arguments, const std::string& name, const Globals& globals) {
  check(arguments);
  ReportOptions options = arguments.options;
  if (const auto& at = arguments.at; !at.empty()) options.at = Point{at[0], at[1], at[2], at[3]};
  const std::vector<std::string> labels = labels_of(arguments);
  const std::vector<std::string>& of = arguments.studies;
  const bool predictions = of.size() == 2 && std::filesystem::is_regular_file(of[0]) && std::filesystem::is_regular_file(of[1]);
  const Report report = predictions ? read_predictions(of[0], of[1], labels) : read_studies(of, labels, options);
  std::vector<Figure> figures = figures_of(report);
  // A study may be on a medium that cannot be written to.
  const bool here = predictions || access(of.front().c_str(), W_OK) != 0;
  const std::string out = !arguments.out.empty() ? arguments.out : here ? "report.html" : of.front() + "/report.html";
  if (predictions) keep_inputs("--out", {out}, of);
  if (arguments.only.empty()) {
    write_file(out, report_page(report, figures, command_of(arguments, name, report.metrics[report.metric].name)));
  } else {
    std::vector<std::string> ids;
    ids.reserve(figures.size());
    for (const Figure& figure : figures) ids.push_back(figure.id);
    for (const std::string& id : arguments.only) {
      if (std::find(ids.begin(), ids.end(), id) == ids.end()) throw Error("--only " + id + ": no such figure; available: " + listed(ids));
    }
    std::erase_if(figures,
                  [&](const Figure& f) { return std::find(arguments.only.begin(), arguments.only.end(), f.id) == arguments.only.end(); });
  }
  std::vector<std::string> formats = arguments.formats.empty() ? std::vector<std::string>{"svg", "png", "pdf"} : arguments.formats;
  const bool none = formats == std::vector<std::string>{"none"};
  const std::string python = figures_python();
  const std::string folder = out.substr(0, out.rfind('.')) + "-figures";
  if (!none && python.empty() && !arguments.formats.empty()) {
    throw Error("--figures: a Python with vl-convert-python draws them; name it in NARROW_FIGURES_PYTHON");
  }
  if (!none && !python.empty()) write_figures(report, figures, folder, formats, python);
  if (globals.quiet) return;
  if (predictions) {
    for (const std::string& sentence : studied(report)) std::printf("%s\n", sentence.c_str());
  }
  for (const ReportScan& scan : report.scans) {
    for (const std::string& sentence : came_out(report, scan)) std::printf("%s: %s\n", scan.name.c_str(), sentence.c_str());
  }
  for (const std::string& line : report.missing) std::printf("missing: %s\n", line.c_str());
  if (arguments.only.empty()) std::printf("%s: %zu figures\n", out.c_str(), figures.size());
  if (!none && !python.empty()) std::printf("%s/: each figure alone\n", folder.c_str());
}

void add(CLI::App& app, const Globals& globals, const std::string& name, const std::string& what, int studies) {
  auto* command = app.add_subcommand(name, what);
  const auto arguments = std::make_shared<ReportArguments>();
  auto* positional = command->add_option(
      "studies", arguments->studies,
      studies == 1 ? "a study's folder" : "folders of studies, narrow's own or in the text layout; or two files of predictions");
  positional->required();
  if (studies == 1) positional->expected(1);
  else positional->expected(2, 6);
  if (studies > 1) {
    command->add_option("--labels", arguments->labels, "names of the studies, such as PTQ,QAT (default: their folders' names)")
        ->delimiter(',')
        ->allow_extra_args(false);
  }
  command->add_option("--out", arguments->out, "the page (default: report.html in the first folder, or here where that is read-only)");
  command->add_option(
      "--metric", arguments->options.metric,
      "metric that --below bounds, as of `best` (default: mpe_target where a target is known, of a classifier accuracy_loss, or "
      "disagreement without true classes, else mpe)");
  command
      ->add_option(
          "--below", arguments->options.below,
          "the bound, in the metric's unit; or several, as in mpe=5,rate_change@20=2 (default: 5; 1 of accuracy_loss and disagreement)")
      ->check(bounds());
  command
      ->add_option("--overflow", arguments->options.most_overflow,
                   "largest share of a layer's values, sums or weights that may overflow at a recommended point, %")
      ->check(CLI::NonNegativeNumber)
      ->default_str(short_text(kMostOverflow));
  command->add_flag("--any", arguments->options.any,
                    "the fewest bits within the bounds, whatever overflows and whether or not more bits keep to them");
  command->add_option("--shown", arguments->options.shown, "metric that the heat maps show first (default: the first that is bounded)");
  command->add_option("--model", arguments->options.model, "model that the heat maps show first (default: the first)");
  command->add_option("--at", arguments->at, "V_FULL,V_INT,WB_FULL,WB_INT: point that they show first (default: the model's best)")
      ->delimiter(',')
      ->expected(4)
      ->allow_extra_args(false);
  command->add_option("--percentile", arguments->options.percentile, "percentile of the values at which their colours end")
      ->check(CLI::Range(50, 100))
      ->capture_default_str();
  command->add_option("--sample", arguments->options.sample, "traced sample whose layers are in the table; 0 is the first")
      ->capture_default_str();
  command->add_option("--figures", arguments->formats, "figures as files beside the page: svg, png, pdf (default: all three), or none")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"svg", "png", "pdf", "none"}));
  command->add_option("--only", arguments->only, "only these figures, and no page")->delimiter(',')->allow_extra_args(false);
  command->callback([arguments, name, &globals] { run(*arguments, name, globals); });
}

}  // namespace

void add_report(CLI::App& app, const Globals& globals) {
  add(app, globals, "report", "write a study as one page, and its figures for a talk or a paper", 1);
}

void add_compare(CLI::App& app, const Globals& globals) { add(app, globals, "compare", "several studies in one report", 2); }

}  // namespace narrow
