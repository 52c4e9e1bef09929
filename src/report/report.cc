#include "report/report.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <set>
#include <utility>

#include "data/text.h"
#include "error.h"
#include "number.h"
#include "report/words.h"
#include "study/best.h"
#include "study/classes.h"
#include "study/definition.h"
#include "study/kept.h"
#include "study/layout.h"
#include "study/nan.h"
#include "study/outdated.h"
#include "study/run.h"
#include "study/target.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// The next point of the grid in one direction: those alike in the other bits, of which the nearest.
template <class Alike, class Bits>
const StoredPoint* next_below(const std::vector<StoredPoint>& points, const Alike& alike, const Bits& bits, const StoredPoint& from) {
  const StoredPoint* found = nullptr;
  for (const StoredPoint& point : points) {
    if (!alike(*point.point) || bits(*point.point) >= bits(*from.point)) continue;
    if (found == nullptr || bits(*point.point) > bits(*found->point)) found = &point;
  }
  return found;
}

std::string less(const char* what, const char* kind, int bits) {
  return std::string(what) + ": " + std::to_string(bits) + " " + kind + (bits == 1 ? " bit less" : " bits less");
}

// The best point, the one of least error, and what lies one step below the best in each direction.
struct Role {
  std::string name;
  StoredPoint point;
  int bits_less = 0;
};
std::vector<Role> roles_of(const Report& report, const ReportScan& scan) {
  std::vector<Role> roles;
  const std::vector<StoredPoint>& points = scan.points;
  const Metric& metric = report.metrics[report.metric];
  const StoredPoint* least = nullptr;
  const auto cost = [&](const StoredPoint& point) { return cost_of(metric, point.values[report.metric]); };
  const auto key = [&](const StoredPoint& point) { return std::pair(cost(point), bits_of(*point.point)); };
  for (const StoredPoint& point : points) {
    if (!std::isnan(cost(point)) && (least == nullptr || key(point) < key(*least))) least = &point;
  }
  if (least == nullptr) return roles;
  const auto add_role = [&](const std::string& name, const std::optional<StoredPoint>& of) {
    if (!of) return;
    const auto found = std::find_if(points.begin(), points.end(), [&](const StoredPoint& point) { return point.id == of->id; });
    if (found != points.end()) roles.push_back({name, *found});
  };
  add_role(kRecommended, scan.answer.point);
  add_role(kUndecided, scan.answer.undecided);
  add_role(kDoubted, scan.answer.doubted);
  if (roles.empty()) add_role("nearest", scan.answer.nearest);
  if (roles.empty() || roles.front().point.id != least->id) roles.push_back({kLowest + title_of(metric) + " in the grid", *least});
  const StoredPoint from = roles.front().point;
  const Point& b = *from.point;
  const auto same_weights = [&](const Point& p) { return p.wb_full == b.wb_full && p.wb_int == b.wb_int; };
  const auto same_vectors = [&](const Point& p) { return p.v_full == b.v_full && p.v_int == b.v_int; };
  const auto add = [&](const StoredPoint* point, const char* what, const char* kind, auto bits) {
    if (point == nullptr) return;
    const int fewer = bits(b) - bits(*point->point);
    roles.push_back({less(what, kind, fewer), *point, fewer});
  };
  const auto v_int = [](const Point& p) { return p.v_int; };
  const auto v_full = [](const Point& p) { return p.v_full; };
  const auto wb_int = [](const Point& p) { return p.wb_int; };
  const auto wb_full = [](const Point& p) { return p.wb_full; };
  // Where the grid has no such point, its total bits stay and the fraction gains what the integer part loses.
  const auto integer_below = [&](auto integer, auto full, const auto& same_others) {
    const StoredPoint* exact = next_below(
        points, [&](const Point& p) { return same_others(p) && full(p) - integer(p) == full(b) - integer(b); }, integer, from);
    return exact != nullptr ? exact
                            : next_below(
                                  points, [&](const Point& p) { return same_others(p) && full(p) == full(b); }, integer, from);
  };
  add(integer_below(v_int, v_full, same_weights), "vectors", "integer", v_int);
  add(next_below(
          points, [&](const Point& p) { return same_weights(p) && p.v_int == b.v_int; }, v_full, from),
      "vectors", "fractional", v_full);
  add(integer_below(wb_int, wb_full, same_vectors), "weights", "integer", wb_int);
  add(next_below(
          points, [&](const Point& p) { return same_vectors(p) && p.wb_int == b.wb_int; }, wb_full, from),
      "weights", "fractional", wb_full);
  return roles;
}

std::vector<std::string> layers_in(const std::string& types) {
  std::vector<std::string> layers;
  if (types.empty()) return layers;
  const auto parsed = nlohmann::ordered_json::parse(types);
  for (const auto& item : parsed.items()) layers.push_back(item.key());
  return layers;
}

// The paths of a family's models, whether or not their folder is there: a study may have been moved.
std::vector<std::string> models_of(const Family& family) {
  try {
    return paths_of(family);
  } catch (const Error&) {
    Family here = family;
    here.out = fs::path(family.out).filename().string();
    return paths_of(here);
  }
}

// A training's history: as the store keeps it, or, of a study of an older narrow, from the file beside the model, which may have been moved
// with the study.
std::string history_of(const ReportStudy& study, const Store& store, const std::string& stem, const std::string& path) {
  if (std::string known = store.known(fact_of_history(path)); !known.empty()) return known;
  const std::string file = stem + ".history.json";
  for (const std::string& place : {study.folder + "/" + fs::path(file).filename().string(), file}) {
    if (fs::exists(place)) return read_file(place);
  }
  return "";
}

// Histories of the models that the study trained, and of those with a history beside them.
void add_histories(Report& report, const ReportStudy& study, const Store& store) {
  std::set<std::string> seen;
  for (const Store::KnownDefinition& known : study.definitions) {
    const Definition definition = parse_definition(known.definition, study.folder + "/study.db");
    std::vector<std::string> paths = definition.models;
    for (const Family& family : definition.training) {
      const std::vector<std::string> more = models_of(family);
      paths.insert(paths.end(), more.begin(), more.end());
    }
    for (const std::string& path : paths) {
      const std::string stem = path.substr(0, path.rfind('.'));
      if (!seen.insert(stem).second) continue;
      const std::string text = history_of(study, store, stem, path);
      const auto json = nlohmann::json::parse(text, nullptr, false);
      if (!json.is_object()) continue;
      TrainingHistory history{fs::path(stem).filename().string(), {}};
      for (const auto& item : json.items()) {
        if (!item.value().is_array()) continue;
        history.epochs.resize(std::max(history.epochs.size(), item.value().size()));
        for (std::size_t i = 0; i < item.value().size(); ++i) {
          history.epochs[i]["epoch"] = static_cast<double>(i + 1);
          if (item.value()[i].is_number()) history.epochs[i][item.key()] = item.value()[i];
        }
      }
      report.histories.push_back(std::move(history));
    }
  }
}

// As the user named them (`named`, as --classes has it), or by their numbers.
std::vector<std::string> classes_in(const std::vector<Curve>& curves, const std::string& named) {
  const auto has = [&](const std::string& name) {
    return std::find_if(curves.begin(), curves.end(), [&](const Curve& curve) { return curve.name == "confusion@" + name; });
  };
  std::vector<std::string> classes = classes_in_line(named);
  if (const auto first = has("0"); named.empty() && first != curves.end()) {
    for (std::size_t i = 0; i < first->values.size(); ++i) classes.push_back(std::to_string(i));
  }
  const bool all = std::all_of(classes.begin(), classes.end(), [&](const std::string& name) { return has(name) != curves.end(); });
  return all ? classes : std::vector<std::string>();
}

// A study as its store has it.
class StoredStudy {
 public:
  explicit StoredStudy(const std::string& folder) : folder_(folder), store_(folder, Store::Mode::kRead) {}

  std::vector<MetricName> metrics() const { return store_.metrics(); }
  ReportStudy study(const std::string& label) const { return {label, folder_, store_.definitions()}; }
  std::string unit() const { return store_.known(kUnitFact); }

  void add_histories_to(Report& report, const ReportStudy& study) const { add_histories(report, study, store_); }

  void add_scans(Report& report, const std::string& label) const {
    std::vector<std::string> names;
    for (const MetricName& metric : report.metrics) names.push_back(metric.name);
    for (const Scan& scan : store_.scans()) {
      ReportScan own;
      own.study = label;
      own.scan = scan;
      own.points = store_.points(scan, names);
      forget_other_units(report, own);
      own.planned = own.points.size();
      own.answer = answer_for(report, scan);
      const std::string target = store_.known(fact_of_target(scan.data_name));
      if (!target.empty()) own.target = parse_feature(target).name;
      if (!target.empty()) own.unit = store_.known(kUnitFact);
      if (!own.unit.empty()) own.target += " [" + own.unit + "]";
      own.output = target_of(store_, scan);
      std::erase_if(own.points, [](const StoredPoint& point) { return !point.finished; });
      const auto labelled =
          std::stable_partition(own.points.begin(), own.points.end(), [](const StoredPoint& p) { return p.point.has_value(); });
      own.labelled.assign(labelled, own.points.end());
      own.points.erase(labelled, own.points.end());
      for (const StoredPoint& point : own.labelled) own.labelled_bits.push_back(bits_in(store_.types(point)));
      own.float_metrics = store_.float_metrics(scan);
      own.float_curves = store_.float_curves(scan);
      own.classes = classes_in(own.float_curves, store_.known(kClassesFact));
      own.profile = store_.profile(scan);
      const std::string files = folder_ + (scan.folder.empty() ? "" : "/" + scan.folder);
      for (const auto& [role, point, bits_less] : roles_of(report, own)) {
        Highlight highlight{role, bits_less, point, store_.counts(point), store_.counted(point), store_.types(point), store_.curves(point),
                            {}};
        highlight.trace = kept_trace(files, scan.label, point, true);
        if (own.float_trace.layers.empty()) own.float_trace = kept_trace(files, scan.label, point, false);
        own.highlights.push_back(std::move(highlight));
      }
      if (!own.highlights.empty()) own.layers = layers_in(own.highlights.front().types);
      report.scans.push_back(std::move(own));
    }
  }

 private:
  // Whether this study's values of a metric are in another unit than the report's, or at another value: a threshold of 20 GeV is none of
  // 20 MeV.
  bool in_other_unit(const Report& report, const Metric& metric, const Metric& own) const {
    return own.unit != metric.unit || (metric.at_target && metric.name.find('@') != std::string::npos && unit() != report.unit);
  }

  // As `best` has it; nothing where this study lacks a metric of the bounds, or has it in another unit.
  Answer answer_for(const Report& report, const Scan& scan) const {
    const std::vector<Metric> own = store_.metrics();
    Question question = report.question;
    question.grid_only = true;  // points without coordinates are shown beside its answer
    for (Bound& bound : question.bounds) {
      const auto same = std::find_if(own.begin(), own.end(), [&](const Metric& each) { return each.name == bound.metric.name; });
      if (same == own.end() || in_other_unit(report, bound.metric, *same)) return {};
      bound.at = static_cast<std::size_t>(same - own.begin());
    }
    return best_of(store_, scan, question);
  }

  // A metric in another unit than the report's is not a value of that metric.
  void forget_other_units(Report& report, ReportScan& scan) const {
    const std::vector<MetricName> own = store_.metrics();
    const std::string own_unit = store_.known(kUnitFact);
    for (std::size_t i = 0; i < report.metrics.size(); ++i) {
      const MetricName& metric = report.metrics[i];
      const auto same = std::find_if(own.begin(), own.end(), [&](const MetricName& each) { return each.name == metric.name; });
      if (same == own.end() || !in_other_unit(report, metric, *same)) continue;
      const bool other_parameter = same->unit == metric.unit;
      for (StoredPoint& point : scan.points) point.values[i] = point.errors[i] = kNan;
      const auto in_words = [](const std::string& unit) { return unit.empty() ? "no unit" : unit; };
      report.missing.push_back(scan.study + ": its " + metric.name + " is " + (other_parameter ? "at a value in " : "in ") +
                               in_words(other_parameter ? own_unit : same->unit) + ", not in " +
                               in_words(other_parameter ? report.unit : metric.unit) +
                               " as the first study's, so it is not compared (model " + scan.scan.label + ")");
    }
  }

  std::string folder_;
  Store store_;
};

// Predictions as numpy.savetxt writes them: a row a sample, of one output or several.
struct Predictions {
  std::vector<double> values;
  std::size_t outputs = 1;
  std::size_t samples() const { return values.size() / outputs; }
};

Predictions predictions_in(const std::string& path) {
  const std::string text = read_file(path);
  std::vector<double> numbers;
  std::size_t outputs = 0;
  std::size_t begin = 0;  // of the row, in `numbers`
  const auto line_of = [&](std::size_t at) {
    return std::to_string(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1);
  };
  const auto end_row = [&](std::size_t at) {
    const std::size_t own = numbers.size() - begin;
    begin = numbers.size();
    if (own == 0) return;  // an empty line
    if (outputs == 0) outputs = own;
    if (own == outputs) return;
    throw Error(path + ", line " + line_of(at) + ": it has " + std::to_string(own) + " numbers, the rows before it " +
                std::to_string(outputs) + "; a row is a sample");
  };
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\n') end_row(at);
    if (is_space(text[at])) continue;
    char* end = nullptr;
    const double number = std::strtod(text.c_str() + at, &end);
    const auto next = static_cast<std::size_t>(end - text.c_str());
    if (next == at || (next < text.size() && !is_space(text[next]))) {
      throw Error(path + ", line " + line_of(at) + ": a number should stand there, as numpy.savetxt writes it");
    }
    numbers.push_back(number);
    at = next - 1;
  }
  end_row(text.size());
  return {std::move(numbers), std::max<std::size_t>(outputs, 1)};
}

// Both of the same samples and outputs.
void require_same_rows(const std::string& path, const Predictions& own, const std::string& other_path, const Predictions& other) {
  const auto in_words = [](const Predictions& predictions) {
    const std::string rows = std::to_string(predictions.samples()) + " predictions";
    return predictions.outputs == 1 ? rows : rows + " of " + std::to_string(predictions.outputs) + " outputs";
  };
  if (own.values.size() == other.values.size() && own.outputs == other.outputs) return;
  throw Error(path + ": it has " + in_words(own) + ", " + other_path + " " + in_words(other));
}

Targets outputs_alone(const Predictions& predictions) {
  Targets targets;
  targets.outputs = predictions.outputs;
  return targets;
}

// A study in the text layout alone: folders of predictions.
class TextStudy {
 public:
  explicit TextStudy(const std::string& folder) : folder_(folder) {
    // 64.16.6.wb_12.3.model; 64.18.6.model, one type for all; either with words before the end: 64.18.11.wb_12.3.bothSweep.model
    const std::regex name(R"((.+?)\.(\d+)\.(-?\d+)(?:\.wb_(\d+)\.(-?\d+))?((?:\.[A-Za-z_][A-Za-z_0-9-]*)*)\.model)");
    for (const auto& entry : fs::directory_iterator(folder)) {
      std::smatch match;
      const std::string text = entry.path().filename().string();
      if (!entry.is_directory() || !std::regex_match(text, match, name)) continue;
      const auto bits = [&](std::size_t at, int least, int most) {
        const std::optional<int> number = whole_int(match[at].str(), least, most);
        if (number) return *number;
        throw Error(entry.path().string() + ": " + match[at].str() + " bits are not possible; a folder of predictions is named like " +
                    "64.16.6.wb_12.3.model, and types have 1 to " + std::to_string(kMaxWidth) + " bits");
      };
      const int full = bits(2, 1, kMaxWidth);
      const int integer = bits(3, -kMaxIntegerBits, kMaxIntegerBits);
      const bool own_weights = match[4].matched;
      const Point point{full, integer, own_weights ? bits(4, 1, kMaxWidth) : full,
                        own_weights ? bits(5, -kMaxIntegerBits, kMaxIntegerBits) : integer};
      const std::string word = match[6].length() == 0 ? "" : match[6].str().substr(1);
      scans_[{match[1], word}].push_back({entry.path().string(), point});
    }
    if (scans_.empty()) throw Error(folder + ": it holds no study (study.db), nor folders like 64.16.6.wb_12.3.model");
    // Directories come in no order.
    const auto bits = [](const Entry& entry) {
      return std::array{entry.point.v_full, entry.point.v_int, entry.point.wb_full, entry.point.wb_int};
    };
    for (auto& [model, entries] : scans_) {
      std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) { return bits(a) < bits(b); });
    }
  }

  static std::vector<MetricName> metrics() { return Measure({}, {}).names(); }
  ReportStudy study(const std::string& label) const { return {label, folder_, {}}; }

  void add_scans(Report& report, const std::string& label) const {
    for (const auto& [model, entries] : scans_) {
      ReportScan own;
      own.study = label;
      own.scan.label = own.scan.model = model.first;
      own.scan.data = folder_;
      own.scan.options = model.second;
      own.overflows_known = false;
      own.planned = entries.size();
      for (const Entry& entry : entries) {
        const std::string fixed_path = entry.folder + "/hls_predictions.txt";
        const std::string float_path = entry.folder + "/keras_predictions.txt";
        if (!fs::exists(fixed_path) || !fs::exists(float_path)) continue;
        const Predictions fixed = predictions_in(fixed_path);
        const Predictions reference = predictions_in(float_path);
        require_same_rows(fixed_path, fixed, "keras_predictions.txt", reference);
        const Measure measure({}, reference.values, outputs_alone(reference));
        const std::vector<Estimate> values = measure.measure(fixed.values).metrics;
        StoredPoint point{static_cast<std::int64_t>(own.points.size() + 1), entry.point, true, true, 0, false, "", {}};
        for (const MetricName& metric : report.metrics) {
          const auto at =
              std::find_if(measure.names().begin(), measure.names().end(), [&](const auto& n) { return n.name == metric.name; });
          const Estimate none;
          const Estimate& value = at == measure.names().end() ? none : values[static_cast<std::size_t>(at - measure.names().begin())];
          point.values.push_back(value.value);
          point.errors.push_back(value.error);
        }
        own.scan.samples = fixed.samples();
        own.points.push_back(std::move(point));
      }
      // Of overflows nothing is known.
      Question question = report.question;
      constexpr double kAll = 100;
      question.most_overflow = kAll;
      own.answer = best_of(own.points, question, own.scan.samples, true);
      if (own.answer.point) {
        std::replace(own.answer.said.begin(), own.answer.said.end(), "there, " + overflow_in_words(*own.answer.point),
                     std::string("there, it is not known whether anything overflows: there is no study.db in " + folder_));
      }
      for (const auto& [role, point, bits_less] : roles_of(report, own))
        own.highlights.push_back({role, bits_less, point, {}, 0, "", {}, {}});
      report.scans.push_back(std::move(own));
    }
  }

 private:
  struct Entry {
    std::string folder;
    Point point;
  };
  std::string folder_;
  std::map<std::pair<std::string, std::string>, std::vector<Entry>> scans_;  // by the model and the word before the end
};

// As short as tells the scans apart: the model, its types, its data, its study.
void give_names(Report& report) {
  const auto several = [&](auto of) {
    std::set<std::string> values;
    for (const ReportScan& scan : report.scans) values.insert(of(scan));
    return values.size() > 1;
  };
  // How types follow from the bits, where that differs within what narrow computed; folders of predictions have a word at most.
  std::set<std::string> kinds;
  for (const ReportScan& scan : report.scans) {
    if (!scan.scan.options.empty()) kinds.insert(scan.scan.options);
  }
  const bool options = kinds.size() > 1;
  const bool data = several([](const ReportScan& scan) { return scan.scan.data_name; });
  const bool studies = report.studies.size() > 1;
  for (ReportScan& scan : report.scans) {
    scan.name = scan.scan.label;
    if (options && !scan.scan.options.empty()) scan.name += " " + scan.scan.options;
    if (data && !scan.scan.data_name.empty()) scan.name += " on " + scan.scan.data_name;
    if (studies) scan.name += " (" + scan.study + ")";
  }
}

// What keeps studies, or models of one, from being compared number by number.
void note_differences(Report& report) {
  std::vector<std::pair<std::string, Feature>> targets;
  for (const ReportScan& scan : report.scans) {
    if (scan.output) targets.emplace_back(scan.name, *scan.output);
  }
  if (const std::string different = difference_of_targets(targets); !different.empty()) report.missing.push_back(different);
  std::set<std::string> said;
  const ReportScan* first = nullptr;
  for (const ReportScan& scan : report.scans) {
    if (!scan.scan.preparation) continue;
    if (first == nullptr) first = &scan;
    const std::string different = difference(first->scan.preparation, scan.scan.preparation, Agreement::kAll);
    if (different.empty() || !said.insert(scan.study + scan.scan.data_name + different).second) continue;
    report.missing.push_back(scan.name + ": its samples were prepared in another way than those of " + first->name + ": " + different);
  }
}

// Metrics that some studies have and this one lacks.
void note_lacking(Report& report, const std::vector<Metric>& own, const std::string& label) {
  std::vector<std::string> lacking;
  for (const Metric& metric : report.metrics) {
    if (std::none_of(own.begin(), own.end(), [&](const Metric& each) { return each.name == metric.name; })) lacking.push_back(metric.name);
  }
  if (lacking.empty()) return;
  report.missing.push_back(label + ": it has no " + listed(lacking) + ", so its models are not among those that are compared by " +
                           (lacking.size() == 1 ? "it" : "them"));
}

void note_missing(Report& report) {
  if (report.scans.empty()) report.missing.emplace_back("no model has been studied yet");
  for (const ReportScan& scan : report.scans) {
    const std::size_t done = scan.points.size() + scan.labelled.size();
    if (done < scan.planned) {
      report.missing.push_back(scan.name + ": " + std::to_string(scan.planned - done) + " of " + std::to_string(scan.planned) +
                               " points are not finished; the same narrow run or sweep resumes them");
    }
    Outdated outdated;
    outdated.add(scan.points);
    outdated.add(scan.labelled);
    if (outdated.any()) report.missing.push_back(scan.name + ": " + outdated.sentence());
    if (scan.highlights.empty()) continue;
    const bool stored = !scan.highlights.front().types.empty();
    if (!stored) report.missing.push_back(scan.name + ": only predictions are known, no types, overflows or curves");
    if (stored && scan.highlights.front().trace.layers.empty()) {
      report.missing.push_back(scan.name +
                               ": no trace of the best point is kept (--keep trace), so layers are not compared value by value");
    }
    const std::size_t fixed_samples = scan.highlights.front().trace.samples;
    if (fixed_samples > 0 && scan.float_trace.samples == 0) {
      report.missing.push_back(
          scan.name + ": the float model's trace is gone, so layers are not compared value by value; the same run writes it again");
    } else if (scan.float_trace.samples < fixed_samples) {
      report.missing.push_back(scan.name + ": the float model's trace has " + std::to_string(scan.float_trace.samples) +
                               " samples, that of the best point " + std::to_string(fixed_samples) + "; those that both have are compared");
    }
    for (const Curve& curve : scan.float_curves) {
      if (!is_empty(curve) || curve.name.starts_with("confusion@")) continue;
      if (curve.name.starts_with("roc@")) {
        report.missing.push_back(scan.name + ": there are no samples of class " + curve.name.substr(curve.name.find('@') + 1) +
                                 ", or of no other, so its ROC curve is not shown");
        continue;
      }
      report.missing.push_back(scan.name + ": " + curve.name + " has no value in any bin (are there targets near it?), so it is not shown");
    }
    if (stored && scan.float_curves.empty()) {
      const bool classifier = scan.float_metrics.contains("agreement");
      report.missing.push_back(scan.name + (classifier ? ": no true classes are known, so accuracy and ROC curves are not shown"
                                                       : ": no target is known, so resolution, linearity and turn-on are not shown"));
    }
  }
}

void choose_view(Report& report, const ReportOptions& options) {
  const auto shown = [&](const ReportScan& scan) {
    return !scan.highlights.empty() && (options.model.empty() || scan.name == options.model);
  };
  const auto scan = std::find_if(report.scans.begin(), report.scans.end(), shown);
  if (scan == report.scans.end()) {
    if (options.model.empty()) return;
    std::vector<std::string> names;
    for (const ReportScan& each : report.scans) names.push_back(each.name);
    throw Error("--model " + options.model + ": no such model with points; available: " + listed(names));
  }
  report.view = {static_cast<std::size_t>(scan - report.scans.begin()), *scan->highlights.front().point.point, options.percentile};
  if (!options.at) return;
  const Point& at = *options.at;
  const auto has = [&](auto same) { return std::any_of(scan->points.begin(), scan->points.end(), same); };
  if (!has([&](const StoredPoint& p) { return p.point->v_full == at.v_full && p.point->v_int == at.v_int; }) ||
      !has([&](const StoredPoint& p) { return p.point->wb_full == at.wb_full && p.point->wb_int == at.wb_int; })) {
    throw Error("--at: model " + scan->name + " has no points with " + types_of(at));
  }
  report.view.at = at;
}

void choose_sample(Report& report, const ReportOptions& options) {
  std::size_t traced = 0;
  for (const ReportScan& scan : report.scans) traced = std::max(traced, scan.float_trace.samples);
  if (options.sample > 0 && options.sample >= traced) {
    throw Error("--sample " + std::to_string(options.sample) + ": the layers of " + std::to_string(traced) +
                " samples are kept (they count from 0); a study keeps more with --trace N");
  }
  report.sample = options.sample;
}

}  // namespace

bool is_empty(const Curve& curve) {
  return std::all_of(curve.values.begin(), curve.values.end(), [](double value) { return std::isnan(value); });
}

Report read_studies(const std::vector<std::string>& folders, const std::vector<std::string>& labels, const ReportOptions& options) {
  Report report;
  std::vector<std::optional<StoredStudy>> stored;
  std::vector<std::optional<TextStudy>> texts;
  const auto add_metrics = [&](const std::vector<MetricName>& metrics) {
    for (const MetricName& metric : metrics) {
      const auto same = [&](const MetricName& other) { return other.name == metric.name; };
      if (std::none_of(report.metrics.begin(), report.metrics.end(), same)) report.metrics.push_back(metric);
    }
  };
  for (std::size_t i = 0; i < folders.size(); ++i) {
    if (!fs::is_directory(folders[i])) throw Error(folders[i] + ": no such folder");
    const bool has_store = fs::exists(folders[i] + "/study.db");
    stored.emplace_back();
    texts.emplace_back();
    if (has_store) {
      stored.back().emplace(folders[i]);
      add_metrics(stored.back()->metrics());
      if (report.unit.empty()) report.unit = stored.back()->unit();
      report.studies.push_back(stored.back()->study(labels[i]));
    } else {
      texts.back().emplace(folders[i]);
      add_metrics(TextStudy::metrics());
      report.studies.push_back(texts.back()->study(labels[i]));
    }
  }
  if (report.metrics.empty()) report.metrics = TextStudy::metrics();
  report.question = {parse_bounds(options.below, options.metric, report.metrics), options.most_overflow, options.any};
  report.metric = report.question.bounds.front().at;
  report.bound = report.question.bounds.front().most;
  std::size_t shown = report.metric;
  if (!options.shown.empty()) {
    const std::vector<std::string> names = names_of(report.metrics);
    const auto found = std::find(names.begin(), names.end(), options.shown);
    if (found == names.end()) throw Error("--shown: the study has no metric '" + options.shown + "'; it has " + listed(names));
    shown = static_cast<std::size_t>(found - names.begin());
  }
  for (std::size_t i = 0; i < folders.size(); ++i) {
    if (stored[i]) stored[i]->add_scans(report, labels[i]);
    else texts[i]->add_scans(report, labels[i]);
    if (stored[i]) stored[i]->add_histories_to(report, report.studies[i]);
    note_lacking(report, stored[i] ? stored[i]->metrics() : TextStudy::metrics(), labels[i]);
  }
  give_names(report);
  note_differences(report);
  note_missing(report);
  choose_view(report, options);
  report.view.metric = shown;
  choose_sample(report, options);
  return report;
}

Report read_predictions(const std::string& first, const std::string& second, const std::vector<std::string>& labels) {
  Report report;
  for (std::size_t i = 0; i < 2; ++i) report.studies.push_back({labels[i], i == 0 ? first : second, {}});
  const Predictions reference = predictions_in(first);
  const Predictions values = predictions_in(second);
  require_same_rows(second, values, first, reference);
  PredictionPair pair{labels[0], labels[1], reference.values, values.values, reference.outputs, {}};
  if (pair.values.empty()) throw Error(first + ": it contains no predictions");
  const Measure measure({}, pair.reference, outputs_alone(reference));
  report.metrics = measure.names();
  pair.metrics = measure.values(pair.values);
  report.pair = std::move(pair);
  return report;
}

}  // namespace narrow
