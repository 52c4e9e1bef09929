#include "data/preparation.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "error.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

ordered_json json_of(const Feature& feature) {
  return {{"name", feature.name}, {"logarithm", to_string(feature.logarithm)}, {"divide", feature.divide}};
}

Error damaged_preparation() { return Error("its preparation is not as narrow writes it"); }

Feature feature_from(const ordered_json& json) {
  Feature feature{json.at("name").get<std::string>(), parse_logarithm(json.at("logarithm").get<std::string>()),
                  json.at("divide").get<double>()};
  if (feature.name.empty() || feature.divide == 0 || !std::isfinite(feature.divide)) throw damaged_preparation();
  return feature;
}

std::string count_note(std::size_t count, const char* what) { return std::to_string(count) + " " + what; }

}  // namespace

std::string to_json(const Preparation& preparation) {
  ordered_json json;
  for (const Feature& feature : preparation.features) json["features"].push_back(json_of(feature));
  json["target"] = preparation.target ? json_of(*preparation.target) : ordered_json();
  json["order"] = preparation.order;
  json["vmax"] = preparation.vmax;
  json["padding"] = preparation.padding;
  // An older narrow knows neither.
  if (!preparation.weight.empty()) json["weight"] = preparation.weight;
  if (!preparation.select.empty()) json["select"] = preparation.select;
  return json.dump();
}

Preparation preparation_from_json(const std::string& text) {
  try {
    const ordered_json json = ordered_json::parse(text);
    Preparation preparation;
    preparation.features.clear();
    for (const ordered_json& feature : json.at("features")) preparation.features.push_back(feature_from(feature));
    preparation.target.reset();
    if (!json.at("target").is_null()) preparation.target = feature_from(json.at("target"));
    preparation.order = json.at("order").get<std::string>();
    const ordered_json& vmax = json.at("vmax");
    const bool whole = vmax.is_number_unsigned() && vmax.get<std::uint64_t>() <= std::numeric_limits<int>::max();
    if (!whole || vmax == 0 || preparation.features.empty()) throw damaged_preparation();
    preparation.vmax = vmax.get<int>();
    preparation.padding = json.at("padding").get<double>();
    preparation.weight = json.value("weight", "");
    preparation.select = json.value("select", "");
    return preparation;
  } catch (const nlohmann::json::exception&) {
    throw damaged_preparation();
  }
}

std::vector<std::string> Unfit::notes() const {
  std::vector<std::string> lines;
  const auto add = [&](std::size_t count, const char* what) {
    if (count > 0) lines.push_back(count_note(count, what));
  };
  add(nonpositive, "cells without a positive value before a logarithm were left out");
  add(infinite, "cells with NaN or an infinite value were left out");
  add(uneven, "clusters with features of unequal lengths were left out");
  add(empty, "clusters without cells were left out");
  add(target, "clusters whose target is not finite, or not positive before a logarithm, were left out");
  add(weight, "clusters whose weight is not finite were left out");
  add(cut, "clusters have more cells than vmax; their first are kept");
  return lines;
}

ClusterColumns columns_of(const Preparation& preparation) {
  ClusterColumns columns;
  for (const Feature& feature : preparation.features) columns.features.push_back(feature.name);
  if (!preparation.order.empty() &&
      std::find(columns.features.begin(), columns.features.end(), preparation.order) == columns.features.end()) {
    columns.features.push_back(preparation.order);
  }
  if (preparation.target) columns.target = preparation.target->name;
  columns.weight = preparation.weight;
  columns.select = preparation.select;
  return columns;
}

PreparedBlock prepare(const Clusters& clusters, const Preparation& preparation, bool drop, Unfit& unfit) {
  const std::size_t n_features = preparation.features.size();
  const auto vmax = static_cast<std::size_t>(preparation.vmax);
  const ClusterColumns columns = columns_of(preparation);
  const auto order =
      static_cast<std::size_t>(std::find(columns.features.begin(), columns.features.end(), preparation.order) - columns.features.begin());
  PreparedBlock block;
  block.x.reserve(clusters.size() * vmax * n_features);
  std::vector<std::size_t> kept;
  for (std::size_t c = 0; c < clusters.size(); ++c) {
    // True where the cluster is to be left out.
    const auto unfit_for = [&](std::size_t& count, const std::string& what) {
      if (!drop) {
        throw Error(clusters.path + ": " + clusters.name_of(c) + " " + what +
                    " (clusters count from 0); leave such data out with --unfit drop");
      }
      ++count;
      return true;
    };
    if (clusters.uneven[c] && unfit_for(unfit.uneven, "has features of unequal lengths")) continue;
    const double target = preparation.target ? preparation.target->prepare(clusters.target[c]) : 0;
    if (!std::isfinite(target) && unfit_for(unfit.target, "has the target " + std::to_string(clusters.target[c]))) continue;
    if (!clusters.weight.empty() && !std::isfinite(clusters.weight[c]) &&
        unfit_for(unfit.weight, "has the weight " + std::to_string(clusters.weight[c])))
      continue;
    kept.clear();
    for (std::size_t i = clusters.starts[c]; i < clusters.starts[c + 1]; ++i) {
      bool fit = true;
      for (std::size_t k = 0; k < clusters.cells.size() && fit; ++k) {
        const double value = clusters.cells[k][i];
        const auto cell = [&] { return "has a cell with " + columns.features[k] + " = " + std::to_string(value); };
        if (!std::isfinite(value)) {
          fit = !unfit_for(unfit.infinite, cell());
        } else if (k < n_features && preparation.features[k].logarithm != Logarithm::kNone && !(value > 0)) {
          fit = !unfit_for(unfit.nonpositive, cell() + " before a logarithm");
        }
      }
      if (fit) kept.push_back(i);
    }
    if (kept.empty() && unfit_for(unfit.empty, "has no cells")) continue;
    if (!preparation.order.empty()) {
      const std::vector<double>& by = clusters.cells[order];
      std::stable_sort(kept.begin(), kept.end(), [&](std::size_t a, std::size_t b) { return by[a] > by[b]; });
    }
    if (kept.size() > vmax) {
      ++unfit.cut;
      kept.resize(vmax);
    }
    for (const std::size_t i : kept) {
      for (std::size_t k = 0; k < n_features; ++k)
        block.x.push_back(static_cast<float>(preparation.features[k].prepare(clusters.cells[k][i])));
    }
    ++block.size;
    block.x.resize(block.size * vmax * n_features, static_cast<float>(preparation.padding));
    if (preparation.target) block.y.push_back(static_cast<float>(target));
    if (!clusters.weight.empty()) block.weights.push_back(static_cast<float>(clusters.weight[c]));
  }
  return block;
}

}  // namespace narrow
