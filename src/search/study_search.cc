#include "search/study_search.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <unordered_set>
#include <utility>

#include "data/hash.h"
#include "data/text.h"
#include "error.h"
#include "precision/network.h"
#include "search/halves.h"
#include "search/identity.h"
#include "study/best.h"
#include "study/kept.h"
#include "study/scan.h"
#include "study/schema.h"
#include "study/study_data.h"
#include "study/subject.h"
#include "study/trace.h"

namespace narrow {
namespace {

using nlohmann::json;

// Samples that are searched on and judge at once would be seen.
void refuse_own_samples(const Definition& definition) {
  std::set<std::string> own;
  for (const StudyData& data : definition.data) {
    for (const std::string& path : data.options.paths) own.insert(std::filesystem::weakly_canonical(path).string());
  }
  for (const std::string& path : definition.search->data.paths) {
    if (own.contains(std::filesystem::weakly_canonical(path).string()))
      throw Error("search: " + path + " has the samples on which the study judges; search on others");
  }
}

// How many of the samples `searched` are among those that judge.
std::size_t count_seen(const Dataset& searched, const Dataset& judging) {
  const auto hash_of = [](const Dataset& data, std::size_t i) {
    const std::size_t size = size_of(data.shape);
    return hash_of_values(std::span(data.x).subspan(i * size, size));
  };
  std::unordered_set<std::uint64_t> known;
  for (std::size_t i = 0; i < judging.size; ++i) known.insert(hash_of(judging, i));
  std::size_t seen = 0;
  for (std::size_t i = 0; i < searched.size; ++i) seen += known.count(hash_of(searched, i));
  return seen;
}

SearchOptions search_options(const StudySearch& search, const std::vector<Metric>& metrics) {
  SearchOptions options;
  options.bounds = parse_bounds(search.below, "", metrics);
  options.most = search.most;
  options.sigmas = search.sigmas;
  options.cost = parse_cost(search.cost);
  return options;
}

json json_of(const Standings& standings) {
  json all = json::array();
  for (const Estimate& metric : standings.metrics) all.push_back({metric.value, metric.error});  // NaN is null
  return all;
}
Standings standings_in(const json& all, const SearchOptions& options) {
  const auto number = [](const json& value) { return value.is_number() ? value.get<double>() : std::nan(""); };
  std::vector<Estimate> metrics;
  for (const json& each : all) metrics.push_back({number(each.at(0)), number(each.at(1))});
  return standings(options, std::move(metrics));
}

// Of one model, on one data set.
class ModelSearch {
 public:
  ModelSearch(const Definition& definition, const RunOptions& options, const StudySearchWatch& watch, Store& store)
      : definition_(definition), options_(options), watch_(watch), store_(store) {}

  std::optional<SearchedTypes> run(const StudyData& of, const Subject& subject, const Dataset& judging, const Dataset& all_searched) {
    const Dataset searched = that_count(all_searched);
    if (searched.size == 0) throw Error("search: every sample of " + all_searched.path + " has the weight 0");
    const MetricOptions metrics = with_known(definition_.metrics, store_);
    const Model& model = subject.model;
    const MeasuredSamples judge(judging, model, metrics, targets_of(of.options, judging, model, metrics.classes));
    const MeasuredSamples on(searched, model, metrics, targets_of(definition_.search->data, searched, model, metrics.classes));
    const PrecisionOptions& precision = definition_.grids.front().precision;
    const Scan scan = store_.add_scan(store_.add_model(model, subject.label), store_.add_data(judging, of.name), describe(precision));
    SearchOptions search = search_options(*definition_.search, on.measure.names());
    const std::string identity = identity_of_study_search(model, on.data, metrics);
    const std::vector<std::string> names = metric_names(judge.measure);
    if (auto known = found(scan, of, subject, search, identity, names)) return known;

    const std::string folder = folder_of(scan);
    Journal journal(folder + "/" + subject.label + ".search", identity);
    search.journal = &journal;
    search.stop = options_.stop;
    search.progress = [&](const std::string& what, std::size_t candidates) { watch_.progress(subject.label, what, candidates); };
    std::optional<Tensors> tensors;
    SearchResult result;
    // One model without an answer is no reason to lose those of the others. (A journal that cannot be written is.)
    const auto without = [&](const Error& error) {
      journal.remove();
      watch_.notes({subject.label + ": no types were found: " + error.what()});
      return std::nullopt;
    };
    try {
      tensors.emplace(model, on.data, 1 + definition_.search->margin / kPerCent);
    } catch (const Error& error) {
      return without(error);
    }
    try {
      result = narrow::search(*tensors, on.samples(), judge.samples(), search);
    } catch (const BoundMissed& error) {
      return without(error);
    }
    const Resolved types = tensors->resolve(result.best.types, true);
    const StoredPoint point = planned(scan, types);
    const std::string file = folder + "/" + point_name(subject.label, point) + ".yml";
    write_file(file, to_yaml(types));
    const KeptFiles files(folder, subject.label, definition_.keep, model, judge.data, judge.reference);
    const ScanJob job{
        model, judge.data, judge.measure, files, precision, definition_.counted, scan, store_, options_, metric_named(headline_of(names))};
    run_point(job, point, types, tensors->resolve(result.best.types, false));
    SearchedTypes own{scan, file, result.best.cost, search.bounds, result.best.on_search, result.judged};
    store_.set(fact_of_search(subject.label, of.name), json{{"identity", identity},
                                                            {"point", point.label},
                                                            {"below", definition_.search->below},
                                                            {"cost", definition_.search->cost},
                                                            {"value", own.cost},
                                                            {"samples", on.data.size},
                                                            {"candidates", result.candidates},
                                                            {"searched", json_of(own.on_search)},
                                                            {"judged", json_of(own.judged)}}
                                                           .dump());
    journal.remove();
    return own;
  }

 private:
  static constexpr double kPerCent = 100;

  std::string folder_of(const Scan& scan) const { return definition_.out + (scan.folder.empty() ? "" : "/" + scan.folder); }

  std::string identity_of_study_search(const Model& model, const Dataset& on, const MetricOptions& metrics) const {
    const StudySearch& search = *definition_.search;
    Hash hash;
    hash.add(search_identity(model, on, search.data, search.below, metrics));
    hash.add(search.cost + " " + std::to_string(search.most) + " " + short_text(search.sigmas) + " " + short_text(search.margin));
    return hash.text();
  }

  // What an earlier run found by the same search.
  std::optional<SearchedTypes> found(const Scan& scan, const StudyData& of, const Subject& subject, const SearchOptions& search,
                                     const std::string& identity, const std::vector<std::string>& metrics) const {
    const json known = json::parse(store_.known(fact_of_search(subject.label, of.name)), nullptr, false);
    if (!known.is_object() || known.value("identity", "") != identity) return std::nullopt;
    const std::string label = known.value("point", "");
    for (const StoredPoint& point : store_.points(scan, {})) {
      if (point.label != label || !point.finished || point.outdated() || !store_.is_measured(point, metrics)) continue;
      const std::string file = folder_of(scan) + "/" + point_name(subject.label, point) + ".yml";
      if (!std::filesystem::exists(file)) continue;
      return SearchedTypes{scan,
                           file,
                           known.value("value", 0.0),
                           search.bounds,
                           standings_in(known.at("searched"), search),
                           standings_in(known.at("judged"), search)};
    }
    return std::nullopt;
  }

  // A point with these types; its name is one that no other has.
  StoredPoint planned(const Scan& scan, const Resolved& types) {
    const std::string text = types_json(types);
    std::set<std::string> taken;
    for (const StoredPoint& point : store_.points(scan, {})) taken.insert(point.label);
    std::string label = "searched";
    for (int i = 2; taken.contains(label); ++i) label = "searched-" + std::to_string(i);
    return store_.plan(scan, {labelled_point(label, text)}, {}).front();
  }

  const Definition& definition_;
  const RunOptions& options_;
  const StudySearchWatch& watch_;
  Store& store_;
};

}  // namespace

std::string fact_of_search(const std::string& label, const std::string& data_name) {
  return "search of " + label + (data_name.empty() ? "" : " on " + data_name);
}

SearchData read_search_data(const Definition& definition) {
  refuse_own_samples(definition);
  const std::vector<Subject> subjects = all_models(definition, false, {});
  SearchData data{read_fitted({"", definition.search->data}, subjects), {}};
  for (const Subject& subject : subjects) {
    const Dataset& own = data.searched.of(subject.model);
    const std::vector<double> unknown(own.size * subject.model.output_size());
    const Measure measure(definition.metrics, unknown, targets_of(definition.search->data, own, subject.model, definition.metrics.classes));
    search_options(*definition.search, measure.names());
  }
  for (const StudyData& of : definition.data) {
    data.judging.push_back(read_fitted(of, subjects));
    for (const Subject& subject : subjects) {
      const Dataset& own = data.searched.of(subject.model);
      const std::size_t seen = count_seen(own, data.judging.back().of(subject.model));
      if (seen > 0) {
        throw Error("search: " + std::to_string(seen) + " of the " + std::to_string(own.size) + " samples of " + own.path +
                    " are among those on which the study judges; search on others");
      }
    }
  }
  return data;
}

std::vector<SearchedTypes> search_study(const Definition& definition, const SearchData& data, const RunOptions& options,
                                        const StudySearchWatch& watch) {
  Store store(definition.out, Store::Mode::kWrite);
  const std::vector<Subject> subjects = all_models(definition, true, store.models());
  std::set<std::string> said;  // by run_study
  for (const FittedData& judging : data.judging) said.insert(judging.notes.begin(), judging.notes.end());
  std::vector<std::string> notes;
  for (const std::string& note : data.searched.notes) {
    if (!said.contains(note)) notes.push_back("to search on: " + note);
  }
  watch.notes(notes);
  std::vector<SearchedTypes> all;
  ModelSearch search(definition, options, watch, store);
  for (std::size_t i = 0; i < data.judging.size(); ++i) {
    for (const Subject& subject : subjects) {
      auto own = search.run(definition.data[i], subject, data.judging[i].of(subject.model), data.searched.of(subject.model));
      if (own) all.push_back(*std::move(own));
    }
  }
  return all;
}

}  // namespace narrow
