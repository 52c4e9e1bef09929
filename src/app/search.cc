#include "search/search.h"

#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/inputs.h"
#include "app/interrupt.h"
#include "app/options.h"
#include "app/progress.h"
#include "app/table.h"
#include "data/text.h"
#include "error.h"
#include "fixed/cast.h"
#include "search/halves.h"
#include "search/identity.h"
#include "study/study_data.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

struct Search {
  InputArguments inputs;
  MetricOptions metrics;
  std::string below, out, json, cost = "bits", rounding = "AP_RND", overflow = "AP_SAT";
  int most = SearchOptions{}.most;
  std::size_t searched = 0;
  double margin = 0;  // per cent
  double sigmas = 1;
};

constexpr double kPerCent = 100;

// How far a type's end lies behind the largest value, in per cent of that.
double headroom_of(const FreeTensor& tensor, const Format& type) {
  const double high = to_double(max_raw(type), type.fraction());
  const double low = to_double(min_raw(type), type.fraction());
  double headroom = std::numeric_limits<double>::infinity();
  if (tensor.range.high > 0) headroom = std::min(headroom, high / tensor.range.high - 1);
  if (tensor.range.low < 0) headroom = std::min(headroom, low / tensor.range.low - 1);
  return kPerCent * headroom;
}

class SearchText {
 public:
  SearchText(const Tensors& tensors, const SearchOptions& options, const SearchResult& result, const std::optional<SingleTypes>& single)
      : tensors_(tensors), options_(options), result_(result), single_(single) {}

  std::string text() {
    Table types({"tensor", "type", "smallest", "largest", "headroom", "alone"});
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      const FreeTensor& tensor = tensors_.all()[t];
      const Format& type = result_.best.types[t];
      types.add({tensor.name, to_string(type), short_number(tensor.range.low), short_number(tensor.range.high),
                 tensor.range.is_zero() ? "-" : number_text(headroom_of(tensor, type), 2) + " %",
                 short_number(std::sqrt(result_.alone[t]))});
    }
    std::vector<std::string> header{"", std::string(name_of(options_.cost))};
    for (const Bound& bound : options_.bounds) {
      header.push_back(name_in_words(bound.metric) + ", searched");
      header.push_back("on unseen samples");
    }
    Table answers(header);
    const auto add = [&](const std::string& name, double cost, const Standings& searched, const Standings& judged) {
      std::vector<std::string> row{name, number_text(cost, 4)};
      for (std::size_t i = 0; i < options_.bounds.size(); ++i) {
        row.push_back(in_words(options_.bounds[i].metric, searched.metrics[i]));
        row.push_back(in_words(options_.bounds[i].metric, judged.metrics[i]));
      }
      answers.add(row);
    };
    add("a type for each tensor", result_.best.cost, result_.best.on_search, result_.judged);
    if (single_) {
      add("results " + to_string(single_->vector) + ", weights " + to_string(single_->weight), single_->cost, single_->on_search,
          single_->judged);
    }
    Table front({std::string(name_of(options_.cost)), result_.is_relative ? "relative rms deviation" : "rms deviation",
                 name_in_words(options_.bounds.front().metric)});
    for (const Candidate& each : result_.front) {
      front.add({number_text(each.cost, 4), short_number(std::sqrt(each.deviation)),
                 in_words(options_.bounds.front().metric, each.on_search.metrics.front())});
    }
    return types.text() + "\n" + front.text() + "\n" + answers.text();
  }

  std::string json() {
    ordered_json document{
        {"cost", name_of(options_.cost)}, {"candidates", result_.candidates}, {"deviations_are_relative", result_.is_relative}};
    document["tensors"] = ordered_json::array();
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      const FreeTensor& tensor = tensors_.all()[t];
      ordered_json alone = ordered_json::array();
      for (const double each : result_.sensitivity[t].added) alone.push_back(std::sqrt(each));
      document["tensors"].push_back({{"name", tensor.name},
                                     {"type", to_string(result_.best.types[t])},
                                     {"deviation_alone", std::sqrt(result_.alone[t])},
                                     {"low", tensor.range.low},
                                     {"high", tensor.range.high},
                                     {"deviation_alone_by_width", {{"from", kLeastWidth}, {"values", alone}}}});
    }
    document["best"] = entry(result_.best.cost, result_.best.deviation, result_.best.on_search, &result_.judged);
    if (single_) {
      document["single_types"] = entry(single_->cost, std::nan(""), single_->on_search, &single_->judged);
      document["single_types"]["results"] = to_string(single_->vector);
      document["single_types"]["weights"] = to_string(single_->weight);
    }
    document["front"] = ordered_json::array();
    for (const Candidate& each : result_.front) {
      ordered_json own = entry(each.cost, each.deviation, each.on_search, nullptr);
      for (std::size_t t = 0; t < tensors_.size(); ++t) own["types"][tensors_.all()[t].name] = to_string(each.types[t]);
      document["front"].push_back(std::move(own));
    }
    return document.dump(2) + "\n";
  }

 private:
  ordered_json entry(double cost, double deviation, const Standings& searched, const Standings* judged) const {
    ordered_json own{{"cost", cost}};
    if (!std::isnan(deviation)) own["rms_deviation"] = std::sqrt(deviation);
    const auto metrics = [&](const Standings& of) {
      ordered_json values;
      for (std::size_t i = 0; i < options_.bounds.size(); ++i)
        values[options_.bounds[i].metric.name] = {{"value", of.metrics[i].value}, {"error", of.metrics[i].error}};
      return values;
    };
    own["searched"] = metrics(searched);
    if (judged != nullptr) own["judged"] = metrics(*judged);
    return own;
  }

  const Tensors& tensors_;
  const SearchOptions& options_;
  const SearchResult& result_;
  const std::optional<SingleTypes>& single_;
};

// Values beyond what the types were fitted to, and bounds that do not hold or hold by an unknown error, on samples that the search never
// saw. `program` is that of the answer without the types of Dense that are those of the relus behind: of these, values below 0 leave their
// type and are to, and others count where the relu has them.
std::vector<std::string> doubts(const Program& program, const Dataset& judge, const SearchOptions& options, const SearchResult& result) {
  std::vector<std::string> said = bounds_in_doubt(options.bounds, result.best.on_search, result.judged);
  const RunResult run = Engine(program, {}).run(judge.x, judge.size).run;
  const auto share = [](std::uint64_t count, const LayerCounts& of) {
    return short_number(kPerCent * static_cast<double>(count) / static_cast<double>(of.values)) + " %";
  };
  for (std::size_t i = 0; i < run.counts.size(); ++i) {
    const LayerCounts& seen = run.counts[i];
    const std::string name = program.model().layers[i].name + ": on samples that the search never saw ";
    if (seen.overflows > 0 && !is_in_front_of_relu(program, i))
      said.push_back(name + share(seen.overflows, seen) + " of its values lie beyond its type (--margin leaves headroom)");
    if (seen.accum_overflows > 0) said.push_back(name + share(seen.accum_overflows, seen) + " of its sums lie beyond their type");
  }
  return said;
}

void run(const Search& search, const Globals& globals) {
  const Model model = search.inputs.model();
  keep_inputs("--out", {search.out, search.out + ".search"}, search.inputs.files());
  keep_inputs("--json", {search.json}, search.inputs.files());
  if (search.json == search.out) throw Error("--json " + search.json + ": it is the file that --out names; give another file");
  const Dataset data = search.inputs.data_that_counts(model, globals.quiet);
  const std::size_t searched = search.searched == 0 ? data.size / 2 : search.searched;
  if (searched == 0 || searched >= data.size) {
    throw Error("--search: some of the " + std::to_string(data.size) +
                " samples are to be searched on and the others to judge the result; give 1 to " + std::to_string(data.size - 1));
  }
  const Targets targets = targets_of(search.inputs.data_options(), data, model, search.metrics.classes);
  const MeasuredSamples on(part(data, 0, searched), model, search.metrics, part(targets, 0, searched));
  const MeasuredSamples judge(part(data, searched, data.size - searched), model, search.metrics,
                              part(targets, searched, data.size - searched));
  print_notes(on.measure.notes(), globals.quiet);
  SearchOptions options;
  options.bounds = parse_bounds(search.below, "", on.measure.names());
  options.sigmas = search.sigmas;
  options.modes = {parse_rounding(search.rounding), parse_overflow(search.overflow)};
  options.most = search.most;
  options.cost = parse_cost(search.cost);
  options.stop = interrupted;
  Journal journal(search.out + ".search", search_identity(model, on.data, search.inputs.data_options(), search.below, search.metrics));
  options.journal = &journal;
  if (journal.found() > 0) {
    print_notes(
        {"resumes from " + search.out + ".search, with what an earlier run computed of " + std::to_string(journal.found()) + " candidates"},
        globals.quiet);
  }
  const Tensors tensors(model, on.data, 1 + search.margin / kPerCent);
  Progress progress("candidates", globals.quiet);
  options.progress = [&](const std::string& what, std::size_t candidates) { progress.show({candidates, 0, 0, 0, what}); };
  stop_at_ctrl_c();
  const SearchResult result = [&] {
    try {
      return narrow::search(tensors, on.samples(), judge.samples(), options);
    } catch (const BoundMissed&) {  // there is nothing to resume
      journal.remove();
      throw;
    }
  }();
  const Resolved resolved = tensors.resolve(result.best.types, true);
  write_file(search.out, to_yaml(resolved));
  options.progress("one type for all results and one for all weights", result.candidates);
  const std::optional<SingleTypes> single = best_single_types(tensors, on.samples(), judge.samples(), options);
  SearchText shown(tensors, options, result, single);
  if (!search.json.empty()) write_file(search.json, shown.json());
  journal.remove();
  if (globals.quiet) return;
  std::printf("%s%zu candidates; searched on %zu samples, judged on %zu others; types in %s\n", shown.text().c_str(), result.candidates,
              on.data.size, judge.data.size, search.out.c_str());
  print_notes(resolved.notes, false);
  if (options.modes.overflow != Overflow::kSat) {
    print_notes(
        {"only with --overflow AP_SAT does a Dense in front of a relu get the relu's type; without, its results are as wide as hls4ml "
         "infers, which --cost counts"},
        false);
  }
  print_notes(doubts(build_program(tensors.resolve(result.best.types, false)), judge.data, options, result), false);
}

}  // namespace

void add_search(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("search", "find a type for each tensor that keeps metrics within bounds at the least cost");
  const auto search = std::make_shared<Search>();
  search->inputs.add_model_to(*command);
  search->inputs.add_data_to(*command);
  command
      ->add_option("--below", search->below,
                   "bounds on metrics that the types are to keep, each by its statistical error, as in resolution_loss=1")
      ->required()
      ->check(bounds());
  command->add_option("--out", search->out, "the types that were found, as an hls4ml configuration in YAML")->required();
  command->add_option("--json", search->json, "the same with everything that is shown, as JSON");
  command->add_option("--cost", search->cost, "what is minimized: bits (the average of all tensors), total_bits, ebops, dsp or lut")
      ->check(CLI::IsMember({"bits", "total_bits", "ebops", "dsp", "lut"}))
      ->capture_default_str();
  command->add_option("--search", search->searched, "samples to search on, the first ones; the others judge the result (default: half)")
      ->check(positive());
  command->add_option("--most", search->most, "most bits of a tensor")->check(CLI::Range(kLeastWidth + 1, 32))->capture_default_str();
  command->add_option("--margin", search->margin, "headroom that the types of results leave above the largest value, in per cent of it")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--sigmas", search->sigmas, "by how many of its statistical errors each bound is to be met on the samples searched")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--rounding", search->rounding, "rounding of all types")->capture_default_str();
  command->add_option("--overflow", search->overflow, "overflow of all types")->capture_default_str();
  command
      ->add_option("--threshold", search->metrics.thresholds,
                   "thresholds of a trigger, in the target's unit, for bounds on rates and turn-ons")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--tolerance", search->metrics.tolerances, "per cent of the float prediction, for bounds on beyond@T")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--background", search->metrics.backgrounds,
                   "of a classifier, background efficiencies in per cent for bounds on each class's efficiency (default: 1)")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--efficiency", search->metrics.efficiencies,
                   "of a classifier, efficiencies in per cent for bounds on each class's background (default: 50)")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--classes", search->metrics.classes, "names of a classifier's classes, or none")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->callback([search, &globals] { run(*search, globals); });
}

}  // namespace narrow
