#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "error.h"
#include "fixed/format.h"
#include "study/nan.h"
#include "study/schema.h"
#include "study/store.h"
#include "study/store_impl.h"

namespace narrow {
namespace {

// (An older narrow merged points without the one that answers them: they are to be computed again.)
constexpr const char* kPoint =
    "SELECT id, v_full, v_int, wb_full, wb_int, finished IS NOT NULL AND computed_as IS NOT NULL, computed_as, overflowed IS 0, kept, "
    "arithmetic, label, measure FROM points ";

StoredPoint point_from(const Statement& row) {
  StoredPoint point;
  point.id = row.number(0);
  const auto bits = [&](int column) { return static_cast<int>(row.number(column)); };
  if (!row.is_null(1)) point.point = {bits(1), bits(2), bits(3), bits(4)};
  point.finished = row.number(5) != 0;
  point.computed_as = row.number(6);
  point.clean = row.number(7) != 0;
  point.kept = row.text(8);
  point.arithmetic = static_cast<int>(row.number(9));
  if (!point.point) point.label = row.text(10);
  point.measured = row.number(11) == kMeasure;
  return point;
}

// A column's numbers, as json_of wrote them.
std::vector<double> numbers(const Statement& row, int column) {
  const nlohmann::json json = nlohmann::json::parse(row.text(column), nullptr, false);
  if (!json.is_array()) throw row.damaged(column);
  std::vector<double> numbers;
  for (const nlohmann::json& each : json) {
    if (!each.is_null() && !each.is_number()) throw row.damaged(column);
    numbers.push_back(each.is_null() ? kNan : each.get<double>());
  }
  return numbers;
}

// A column's texts, as Store::set_notes wrote them.
std::vector<std::string> texts(const Statement& row, int column) {
  const nlohmann::json json = nlohmann::json::parse(row.text(column), nullptr, false);
  if (!json.is_array()) throw row.damaged(column);
  std::vector<std::string> texts;
  for (const nlohmann::json& each : json) {
    if (!each.is_string()) throw row.damaged(column);
    texts.push_back(each.get<std::string>());
  }
  return texts;
}

// Of the points of a scan that were run, by their ids, where overflows were counted.
std::map<std::int64_t, WorstOverflow> worst_overflows(const Database& database, const Scan& scan) {
  std::map<std::int64_t, WorstOverflow> worst;
  auto counted = database.statement("SELECT id, counted FROM points WHERE scan = ? AND counted > 0 AND computed_as = id");
  for (counted.bind(scan.id); counted.step();) worst[counted.number(0)].samples = counted.size(1);
  auto find = database.statement(
      "SELECT point, layer, \"values\", overflows, sum_overflows, weights, weight_overflows, label FROM counts JOIN points ON points.id = "
      "point WHERE scan = ? AND overflows + sum_overflows + weight_overflows > 0 ORDER BY point, layer");
  for (find.bind(scan.id); find.step();) {
    const auto known = worst.find(find.number(0));
    if (known == worst.end()) continue;
    const auto consider = [&](int part, int whole, WorstOverflow::Of of) {
      const double share =
          find.number(whole) > 0 ? 100.0 * static_cast<double>(find.number(part)) / static_cast<double>(find.number(whole)) : 0;
      if (share > known->second.share) known->second = {find.text(1), of, share, known->second.samples};
    };
    consider(3, 2, WorstOverflow::Of::kValues);
    consider(4, 2, WorstOverflow::Of::kSums);
    // Weights are the same for all samples, so what their types cut is in the metrics. In a grid it says that integer bits are missing;
    // types that were given one by one cut it on purpose.
    if (find.text(7).empty()) consider(6, 5, WorstOverflow::Of::kWeights);
  }
  return worst;
}

// {"phi1": {"result_t": "fixed<16,6,TRN,WRAP,0>", ...}, ...}
bool holds_types(const std::string& text) {
  const nlohmann::json layers = nlohmann::json::parse(text, nullptr, false);
  if (!layers.is_object()) return false;
  for (const nlohmann::json& layer : layers) {
    if (!layer.is_object()) return false;
    for (const auto& type : layer.items()) {
      const bool number = type.key() == "reuse_factor" || type.key() == "table_size";
      if ((number && type.value().is_number_integer()) || (type.key() == "implementation" && type.value().is_string())) continue;
      if (!type.value().is_string()) return false;
      try {
        parse_format(type.value().get<std::string>());
      } catch (const Error&) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

StoredPoint Store::Impl::point(std::int64_t id) {
  const auto find = database.prepared(std::string(kPoint) + "WHERE id = ?");
  find->bind(id).step();
  return point_from(*find);
}

std::vector<Estimate> Store::values(std::int64_t point, const std::vector<std::string>& metrics) const {
  const std::scoped_lock lock(impl_->mutex);
  const auto find = impl_->database.prepared("SELECT value, error FROM metrics WHERE point = ? AND name = ?");
  std::vector<Estimate> values;
  values.reserve(metrics.size());
  for (const std::string& name : metrics)
    values.push_back(find->bind(point, name).step() ? Estimate{find->real(0), find->real(1)} : Estimate{});
  return values;
}

std::string Store::known(const std::string& name) const {
  auto find = impl_->database.statement("SELECT value FROM study WHERE name = ?");
  return find.bind(name).step() ? find.text(0) : "";
}

// What an older narrow wrote in another form is not known.
static std::optional<Preparation> preparation_in(const std::string& text) {
  if (text.empty()) return std::nullopt;
  try {
    return preparation_from_json(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::vector<Scan> Store::scans() const {
  std::vector<Scan> scans;
  auto find = impl_->database.statement(
      "SELECT scans.id, label, models.name, parameters, multiplications, data.path, data.name, samples, options, folder, notes, "
      "preparation FROM scans "
      "JOIN models ON models.id = model JOIN data ON data.id = data ORDER BY scans.id");
  while (find.step()) {
    scans.push_back({find.number(0), find.text(1), find.text(2), find.size(3), find.size(4), find.text(5), find.text(6), find.size(7),
                     find.text(8), find.text(9), texts(find, 10)});
    scans.back().preparation = preparation_in(find.text(11));
  }
  return scans;
}

std::vector<Store::KnownModel> Store::models() const {
  std::vector<KnownModel> models;
  auto find = impl_->database.statement("SELECT label, name, hash FROM models ORDER BY id");
  while (find.step()) models.push_back({find.text(0), find.text(1), find.text(2)});
  return models;
}

std::vector<Metric> Store::metrics() const {
  std::vector<Metric> metrics = read_metric_names(impl_->database);
  for (Metric& metric : metrics) {
    if (metric.title.empty()) metric.title = metric_named(metric.name).title;
  }
  return metrics;
}

std::vector<StoredPoint> Store::points(const Scan& scan, const std::vector<std::string>& metrics) const {
  std::vector<StoredPoint> points;
  auto find =
      impl_->database.statement(std::string(kPoint) + "WHERE scan = ? ORDER BY v_full IS NULL, v_full, v_int, wb_full, wb_int, label");
  auto value = impl_->database.statement("SELECT value, error FROM metrics WHERE point = ? AND name = ?");
  const std::map<std::int64_t, WorstOverflow> overflows = worst_overflows(impl_->database, scan);
  for (find.bind(scan.id); find.step();) {
    StoredPoint point = point_from(find);
    for (const std::string& name : metrics) {
      const bool has = value.bind(point.id, name).step();
      point.values.push_back(has ? value.real(0) : kNan);
      point.errors.push_back(has ? value.real(1) : kNan);
    }
    if (const auto worst = overflows.find(point.computed_as); point.finished && worst != overflows.end()) point.overflow = worst->second;
    points.push_back(std::move(point));
  }
  return points;
}

std::vector<Store::KnownDefinition> Store::definitions() const {
  std::vector<KnownDefinition> all;
  auto find = impl_->database.statement("SELECT definition, command, version, started FROM definitions ORDER BY id");
  while (find.step()) all.push_back({find.text(0), find.text(1), find.text(2), find.text(3)});
  return all;
}

NamedValues Store::float_metrics(const Scan& scan) const {
  NamedValues metrics;
  auto find = impl_->database.statement("SELECT name, value FROM float_metrics WHERE scan = ?");
  for (find.bind(scan.id); find.step();) metrics[find.text(0)] = find.real(1);
  return metrics;
}

NamedValues Store::float_errors(const Scan& scan) const {
  NamedValues errors;
  auto find = impl_->database.statement("SELECT name, error FROM float_metrics WHERE scan = ?");
  for (find.bind(scan.id); find.step();) errors[find.text(0)] = find.real(1);
  return errors;
}

std::vector<Curve> Store::float_curves(const Scan& scan) const {
  std::vector<Curve> curves;
  auto find = impl_->database.statement("SELECT name, edges, samples, \"values\" FROM float_curves WHERE scan = ? ORDER BY name");
  for (find.bind(scan.id); find.step();) {
    Curve curve{find.text(0), numbers(find, 1), {}, numbers(find, 3)};
    constexpr double kMost = 0x1p53;
    for (const double count : numbers(find, 2)) {
      if (!(count >= 0 && count <= kMost)) throw find.damaged(2);
      curve.samples.push_back(static_cast<std::size_t>(count));
    }
    if (curve.samples.size() != curve.values.size()) throw find.damaged(2);
    if (curve.edges.size() != curve.values.size() + 1) throw find.damaged(1);
    curves.push_back(std::move(curve));
  }
  return curves;
}

std::vector<Profile> Store::profile(const Scan& scan) const {
  std::vector<Profile> profiles;
  auto find = impl_->database.statement("SELECT layer, kind, quantiles, zeros, negative FROM profiles WHERE scan = ? ORDER BY position");
  for (find.bind(scan.id); find.step();) {
    profiles.push_back({find.text(0), find.text(1), numbers(find, 2), find.real(3), find.number(4) != 0});
    const std::size_t shares = profiles.back().quantiles.size();
    if (shares != 0 && shares != std::size(kProfileShares)) throw find.damaged(2);
  }
  return profiles;
}

NamedCurves Store::curves(const StoredPoint& point) const {
  NamedCurves curves;
  auto find = impl_->database.statement(
      "SELECT curves.name, curves.\"values\", float_curves.\"values\" FROM curves JOIN points ON points.id = point "
      "JOIN float_curves ON float_curves.scan = points.scan AND float_curves.name = curves.name WHERE point = ?");
  for (find.bind(point.computed_as); find.step();) {
    std::vector<double> values = numbers(find, 1);
    if (values.size() != numbers(find, 2).size()) throw find.damaged(1);
    curves[find.text(0)] = std::move(values);
  }
  return curves;
}

std::vector<StoredCounts> Store::counts(const StoredPoint& point) const {
  std::vector<StoredCounts> counts;
  auto find = impl_->database.statement(
      "SELECT layer, \"values\", overflows, sum_overflows, zeros, weights, weight_overflows, weight_zeros FROM counts WHERE point = ?");
  const auto n = [&](int column) { return static_cast<std::uint64_t>(find.number(column)); };
  for (find.bind(point.computed_as); find.step();) counts.push_back({find.text(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7)});
  return counts;
}

std::size_t Store::counted(const StoredPoint& point) const {
  auto find = impl_->database.statement("SELECT counted FROM points WHERE id = ?");
  return find.bind(point.computed_as).step() ? static_cast<std::size_t>(find.number(0)) : 0;
}

std::string Store::types(const StoredPoint& point) const {
  auto find = impl_->database.statement("SELECT types FROM points WHERE id = ?");
  if (!find.bind(point.id).step() || find.text(0).empty()) return "";
  if (!holds_types(find.text(0))) throw find.damaged(0);
  return find.text(0);
}

}  // namespace narrow
