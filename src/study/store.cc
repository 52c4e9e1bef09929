#include "study/store.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <utility>

#include "data/hash.h"
#include "data/text.h"
#include "error.h"
#include "study/classes.h"
#include "study/schema.h"
#include "study/store_impl.h"

namespace narrow {
namespace {

std::string checked_path(const std::string& folder, Store::Mode mode) {
  std::string path = folder + "/study.db";
  if (mode == Store::Mode::kRead) {
    if (!std::filesystem::exists(path)) throw Error(folder + ": it holds no study (study.db)");
    StoreLock::check_readable(folder);
  }
  return path;
}

// A JSON array; NaN and the infinities, which JSON does not have, are null.
std::string json_of(const std::vector<double>& values) {
  std::string text = "[";
  for (const double value : values) {
    if (text.size() > 1) text += ",";
    text += std::isfinite(value) ? short_text(value) : "null";
  }
  return text + "]";
}

// A scan's folder by what it is on and with, as far as a folder's name may say it.
std::string folder_name(const std::string& data, const std::string& options) {
  std::string name = (data.empty() ? "" : data + "-") + options;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '.') c = '-';
  }
  return name;
}

}  // namespace

// Lists with their length, so that no two models have one text. (How its inputs were
// prepared decides the data, which have a hash of their own.)
std::string content_hash(const Dataset& data) {
  Hash hash;
  hash.add(data.x);
  hash.add(data.y);
  if (!data.weights.empty()) hash.add(data.weights);
  return hash.text();
}

std::string content_hash(const Model& model) {
  Hash hash;
  const auto add_list = [&](const std::vector<int>& numbers) {
    hash.add(numbers.size());
    for (const int number : numbers) hash.add(static_cast<std::uint64_t>(number));
  };
  if (model.stands_for) hash.add("stands for " + content_hash(*model.stands_for));
  hash.add(model.layers.size());
  for (const Layer& layer : model.layers) {
    hash.add(layer.name);
    hash.add(std::string(layer.op->keras_class()));
    add_list(layer.inputs);
    add_list(layer.shape);
    for (const OwnType& own : layer.own) {
      hash.add("type " + std::string(name_of(own.type)) + " " + to_string(own.format) + (own.quantizer ? " by a quantizer" : ""));
    }
    if (layer.quantizer) hash.add("quantizer " + to_text(*layer.quantizer));
    // The names under which a configuration finds it, where they are not its own.
    for (const auto& [what, name] : {std::pair("configured as ", &layer.configured_as), std::pair("made of ", &layer.made_of),
                                     std::pair("behind ", &layer.behind), std::pair("behind a ", &layer.behind_class)}) {
      if (!name->empty()) hash.add(what + *name);
    }
    for (const WeightArray& array : layer.op->weights()) {
      for (const double number : array.doubles) hash.add(std::bit_cast<std::uint64_t>(number));
    }
    const std::vector<Setting> settings = layer.op->settings();
    hash.add(settings.size());
    for (const auto& [name, value] : settings) {
      hash.add(std::string(name));
      std::visit([&](const auto& each) { hash.add(nlohmann::json(each).dump()); }, value);
    }
    const std::vector<ParameterArray> parameters = layer.op->parameters();
    hash.add(parameters.size());
    for (const ParameterArray& array : parameters) {
      hash.add(std::string(array.name));
      add_list(array.shape);
      hash.add(std::vector<float>(array.values.begin(), array.values.end()));
    }
  }
  add_list(model.outputs);
  // hls4ml reads files of Keras 2 otherwise.
  for (const std::string& name : model.linear) hash.add("a linear activation behind " + name);
  return hash.text();
}

std::string folder_for(const Database& database, std::int64_t data, const std::string& options) {
  auto known = database.statement(
      "WITH same(id) AS (SELECT other.id FROM data AS own JOIN data AS other USING(name, path, samples, preparation) WHERE own.id = ?1) "
      "SELECT folder FROM scans WHERE data IN same AND options = ?2 AND NOT EXISTS (SELECT 1 FROM scans AS other "
      "WHERE other.folder = scans.folder AND (other.data NOT IN same OR other.options != ?2)) ORDER BY id LIMIT 1");
  if (known.bind(data, options).step()) return known.text(0);
  auto taken = database.statement("SELECT 1 FROM scans WHERE folder = ?");
  if (!taken.bind(std::string()).step()) return "";
  auto called = database.statement("SELECT name FROM data WHERE id = ?");
  called.bind(data).step();
  const std::string name = folder_name(called.text(0), options);
  std::string folder = name;
  for (int i = 2; taken.bind(folder).step(); ++i) folder = name + "-" + std::to_string(i);
  return folder;
}

Store::Impl::Impl(const std::string& folder, Mode mode)
    : lock(mode == Mode::kWrite ? std::make_optional<StoreLock>(folder) : std::nullopt),
      database(checked_path(folder, mode), mode == Mode::kWrite) {
  prepare_schema(database, mode == Mode::kWrite);
  if (mode == Mode::kRead) return;
  // A crash loses nothing that is committed, a power cut at most the last moments, which are computed again.
  database.run("PRAGMA journal_mode=WAL");
  database.run("PRAGMA synchronous=NORMAL");
}

Store::Store(const std::string& folder, Mode mode) : impl_(std::make_unique<Impl>(folder, mode)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

PlannedPoint grid_point(const Point& point, const std::string& types) { return {identity_of(types), point, "", ""}; }
PlannedPoint labelled_point(const std::string& label, const std::string& types) { return {identity_of(types), {}, label, types}; }

namespace {

struct ModelSize {
  std::size_t parameters = 0;
  std::size_t multiplications = 0;
};

ModelSize model_size(const Model& model) {
  ModelSize size;
  for (const Layer& layer : model.layers) {
    size.parameters += parameters(layer);
    size.multiplications += multiplications(layer);
  }
  return size;
}

// Whether a row, whose second column is the hash, is of something else. A study of an older narrow does not know the hash: its points are
// all computed again, with what is given, if that has the same size.
bool is_other(const Statement& row, const std::string& hash, bool same_size) {
  return row.text(1) != hash && !(row.text(1).empty() && same_size);
}

}  // namespace

Error other_data(const Dataset& data, const std::string& different) {
  return Error(data.path + ": these are not the data with which this study began (" +
               (different.empty() ? "has the file changed?" : different) + "); give another --out");
}

void Store::check_model(const Model& model, const std::string& label) const {
  auto find = impl_->database.statement("SELECT id, hash, parameters, multiplications FROM models WHERE label = ?");
  if (!find.bind(label).step()) return;
  const ModelSize size = model_size(model);
  const bool same_size = find.size(2) == size.parameters && find.size(3) == size.multiplications;
  if (is_other(find, content_hash(model), same_size)) {
    throw Error("model " + model.name + " differs from the model " + label +
                " with which this study began; has its file changed? Give another --out, or the model another name");
  }
}

std::int64_t Store::add_model(const Model& model, const std::string& label) {
  check_model(model, label);
  const std::string hash = content_hash(model);
  const ModelSize size = model_size(model);
  auto add = impl_->database.statement(
      "INSERT INTO models(label, name, hash, parameters, multiplications) VALUES(?, ?, ?, ?, ?) "
      "ON CONFLICT(label) DO UPDATE SET hash = excluded.hash RETURNING id");
  add.bind(label, model.name, hash, size.parameters, size.multiplications).step();
  const std::int64_t id = add.number(0);
  add.step();
  return id;
}
bool Store::has_other(const Dataset& data, const std::string& name) const {
  auto find = impl_->database.statement("SELECT shape, hash, samples FROM data WHERE name = ?");
  for (find.bind(name); find.step();) {
    const bool same_size = find.size(2) == data.size;
    if (find.text(0) == to_string(data.shape) ? is_other(find, content_hash(data), same_size) : !same_size) return true;
  }
  return false;
}

std::int64_t Store::add_data(const Dataset& data, const std::string& name) {
  if (has_other(data, name)) throw other_data(data, "");
  auto add = impl_->database.statement(
      "INSERT INTO data(name, path, hash, samples, shape, preparation) VALUES(?, ?, ?, ?, ?, ?) "
      "ON CONFLICT(name, shape) DO UPDATE SET hash = excluded.hash RETURNING id");
  add.bind(name, data.path, content_hash(data), data.size, to_string(data.shape), data.preparation ? to_json(*data.preparation) : "")
      .step();
  const std::int64_t id = add.number(0);
  add.step();
  return id;
}

void Store::add_definition(const std::string& definition, const std::string& command) {
  impl_->database
      .statement(
          "INSERT INTO definitions(definition, command, version, started) VALUES(?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) "
          "ON CONFLICT DO NOTHING")
      .bind(definition, command, std::string(NARROW_VERSION))
      .step();
}

Scan Store::add_scan(std::int64_t model, std::int64_t data, const std::string& options) {
  auto known = impl_->database.statement("SELECT id FROM scans WHERE model = ? AND data = ? AND options = ?");
  if (!known.bind(model, data, options).step()) {
    impl_->database.statement("INSERT INTO scans(model, data, options, folder, notes) VALUES(?, ?, ?, ?, '[]')")
        .bind(model, data, options, folder_for(impl_->database, data, options))
        .step();
    known.bind(model, data, options).step();
  }
  const std::vector<Scan> all = scans();
  return *std::find_if(all.begin(), all.end(), [&](const Scan& scan) { return scan.id == known.number(0); });
}

void Store::add_metric_names(const std::vector<Metric>& names) {
  impl_->database.transaction([&] {
    write_metric_names(impl_->database, names);
    make_results_view(impl_->database);
  });
}

namespace {

// The name of a metric or curve of the class `number`, when it is called `name`; empty where it is of no class, or of another.
std::string with_class(const std::string& metric, std::size_t number, const std::string& name) {
  const std::size_t at = metric.find('@');
  if (at == std::string::npos) return "";
  // `efficiency@1` is a mean over classes, `efficiency@0,1` of the class 0; others have the class alone.
  const bool at_working_point = metric.starts_with("efficiency") || metric.starts_with("background");
  const std::size_t comma = metric.find(',', at);
  const std::size_t end = at_working_point ? comma : metric.size();
  const std::string kind = metric.substr(0, at);
  constexpr std::array kKinds{"mae", "mpe", "auc", "auc_loss", "roc", "confusion"};
  if (!at_working_point && std::find(kKinds.begin(), kKinds.end(), kind) == kKinds.end()) return "";
  if (end == std::string::npos || metric.substr(at + 1, end - at - 1) != std::to_string(number)) return "";
  return kind + "@" + name + metric.substr(end);
}

}  // namespace

void Store::name_classes(const std::vector<std::string>& names) {
  const bool named_before = !known(kClassesFact).empty();
  std::vector<std::int64_t> scans;
  for (const Scan& scan : this->scans()) {
    const NamedValues values = float_metrics(scan);
    std::size_t outputs = 0;
    while (values.contains("mae@" + std::to_string(outputs))) ++outputs;
    // (A single output has two classes, and is not called by them.)
    if (outputs == names.size() || (outputs == 0 && names.size() == 2 && values.contains("auc@1"))) scans.push_back(scan.id);
  }
  Database& database = impl_->database;
  database.transaction([&] {
    if (!named_before && names.size() > 1) {
      for (const std::int64_t scan : scans) {
        for (const auto& [table, of_scan] : {std::pair("metrics", "point IN (SELECT id FROM points WHERE scan = ?3)"),
                                             std::pair("curves", "point IN (SELECT id FROM points WHERE scan = ?3)"),
                                             std::pair("float_metrics", "scan = ?3"), std::pair("float_curves", "scan = ?3")}) {
          std::vector<std::string> found;
          auto find = database.statement("SELECT DISTINCT name FROM " + std::string(table) + " WHERE " + of_scan);
          for (find.bind(nullptr, nullptr, scan); find.step();) found.push_back(find.text(0));
          auto rename = database.statement("UPDATE " + std::string(table) + " SET name = ?1 WHERE name = ?2 AND " + of_scan);
          // By names that no metric has, for a new name may be the old one of another.
          std::vector<std::string> renamed;
          for (const std::string& name : found) {
            for (std::size_t k = 0; k < names.size(); ++k) {
              const std::string other = with_class(name, k, names[k]);
              if (other.empty()) continue;
              rename.bind("new " + other, name, scan).step();
              renamed.push_back(other);
            }
          }
          for (const std::string& name : renamed) rename.bind(name, "new " + name, scan).step();
        }
      }
      database.run(
          "DELETE FROM metric_names WHERE name NOT IN (SELECT name FROM metrics) AND name NOT IN (SELECT name FROM float_metrics)");
      make_results_view(database);
    }
  });
  set(kClassesFact, in_one_line(names));
}

void Store::set_notes(const Scan& scan, const std::vector<std::string>& notes) {
  const std::string text = nlohmann::json(notes).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  impl_->database.statement("UPDATE scans SET notes = ? WHERE id = ?").bind(text, scan.id).step();
}

void Store::set_float(const Scan& scan, const NamedEstimates& values, const std::vector<Curve>& curves) {
  impl_->database.transaction([&] {
    // Beside points that were measured otherwise these were, too; what is not measured today would keep its old meaning.
    for (const char* sql :
         {"DELETE FROM float_metrics WHERE scan = ?1 AND EXISTS (SELECT 1 FROM points WHERE scan = ?1 AND finished IS NOT NULL AND "
          "measure IS NOT ?2)",
          "DELETE FROM float_curves WHERE scan = ?1 AND EXISTS (SELECT 1 FROM points WHERE scan = ?1 AND finished IS NOT NULL AND "
          "measure IS NOT ?2)"})
      impl_->database.prepared(sql)->bind(scan.id, kMeasure).step();
    auto metric = impl_->database.statement("INSERT OR REPLACE INTO float_metrics(scan, name, value, error) VALUES(?, ?, ?, ?)");
    for (const auto& [name, estimate] : values) metric.bind(scan.id, name, estimate.value, estimate.error).step();
    auto curve =
        impl_->database.statement("INSERT OR REPLACE INTO float_curves(scan, name, edges, samples, \"values\") VALUES(?, ?, ?, ?, ?)");
    for (const Curve& each : curves) {
      curve.bind(scan.id, each.name, json_of(each.edges), json_of({each.samples.begin(), each.samples.end()}), json_of(each.values)).step();
    }
  });
}

void Store::set_profile(const Scan& scan, const std::vector<Profile>& profiles) {
  impl_->database.transaction([&] {
    impl_->database.statement("DELETE FROM profiles WHERE scan = ?").bind(scan.id).step();
    auto insert = impl_->database.statement("INSERT INTO profiles VALUES(?, ?, ?, ?, ?, ?, ?)");
    for (std::size_t i = 0; i < profiles.size(); ++i) {
      const Profile& p = profiles[i];
      insert.bind(scan.id, i, p.layer, p.kind, json_of(p.quantiles), p.zeros, p.negative ? 1 : 0).step();
    }
  });
}

namespace {

void check_label(const std::string& label) {
  const auto valid = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; };
  if (!label.empty() && std::all_of(label.begin(), label.end(), valid)) return;
  throw Error("a point cannot be called '" + label + "': a label has letters, digits, - and _");
}

// The id of a point of a grid, which is planned where it is new.
std::int64_t plan_in_grid(Database& database, const Scan& scan, const PlannedPoint& planned) {
  const Point& p = *planned.point;
  const auto known =
      database.prepared("SELECT id, assignment FROM points WHERE scan = ? AND v_full = ? AND v_int = ? AND wb_full = ? AND wb_int = ?");
  if (known->bind(scan.id, p.v_full, p.v_int, p.wb_full, p.wb_int).step()) {
    const std::int64_t id = known->number(0);
    // An older narrow inferred other types, or did not say which: what it computed is not this point.
    if (known->text(1) != planned.assignment) {
      database
          .prepared(
              "UPDATE points SET assignment = ?1, finished = iif(arithmetic IS ?2, NULL, finished), arithmetic = nullif(arithmetic, ?2) "
              "WHERE id = ?3")
          ->bind(planned.assignment, kArithmetic, id)
          .step();
    }
    return id;
  }
  // One that was computed without coordinates gets them.
  const auto same = database.prepared("SELECT id FROM points WHERE scan = ? AND assignment = ? AND v_full IS NULL");
  if (same->bind(scan.id, planned.assignment).step()) {
    const std::int64_t id = same->number(0);
    database.prepared("UPDATE points SET v_full = ?, v_int = ?, wb_full = ?, wb_int = ? WHERE id = ?")
        ->bind(p.v_full, p.v_int, p.wb_full, p.wb_int, id)
        .step();
    return id;
  }
  const auto insert =
      database.prepared("INSERT INTO points(scan, assignment, v_full, v_int, wb_full, wb_int) VALUES(?, ?, ?, ?, ?, ?) RETURNING id");
  insert->bind(scan.id, planned.assignment, p.v_full, p.v_int, p.wb_full, p.wb_int).step();
  return insert->number(0);
}

// The id of any point of these types, planned under the label where there is none.
std::int64_t plan_labelled(Database& database, const Scan& scan, const PlannedPoint& planned) {
  const auto known = database.prepared("SELECT id FROM points WHERE scan = ? AND assignment = ? ORDER BY finished IS NULL, id LIMIT 1");
  if (known->bind(scan.id, planned.assignment).step()) return known->number(0);
  check_label(planned.label);
  const auto other = database.prepared("SELECT 1 FROM points WHERE scan = ? AND label = ?");
  if (other->bind(scan.id, planned.label).step()) throw Error("point " + planned.label + ": the study has another point of this name");
  const auto insert = database.prepared("INSERT INTO points(scan, assignment, label, types) VALUES(?, ?, ?, ?) RETURNING id");
  insert->bind(scan.id, planned.assignment, planned.label, planned.types).step();
  return insert->number(0);
}

}  // namespace

bool Store::is_measured(const StoredPoint& point, const std::vector<std::string>& metrics) const {
  const auto measured =
      impl_->database.prepared("SELECT count(*) FROM metrics WHERE point = ? AND name IN (SELECT value FROM json_each(?))");
  measured->bind(point.id, nlohmann::json(metrics).dump()).step();
  return point.measured && measured->size(0) == metrics.size();
}

std::vector<StoredPoint> Store::plan(const Scan& scan, const std::vector<PlannedPoint>& points, const std::vector<std::string>& metrics) {
  std::vector<StoredPoint> planned;
  planned.reserve(points.size());
  impl_->database.transaction([&] {
    for (const PlannedPoint& point : points) {
      const std::int64_t id = point.point ? plan_in_grid(impl_->database, scan, point) : plan_labelled(impl_->database, scan, point);
      planned.push_back(impl_->point(id));
      planned.back().measured = is_measured(planned.back(), metrics);
    }
  });
  return planned;
}

void Store::finish(PointResult point) {
  {
    const std::scoped_lock lock(impl_->waiting_mutex);
    impl_->waiting.push_back(std::move(point));
  }
  impl_->write_waiting();
}

void Store::Impl::write_waiting() {
  const auto take = [&] {
    const std::scoped_lock waiting_lock(waiting_mutex);
    return std::exchange(waiting, {});
  };
  const auto any = [&] {
    const std::scoped_lock waiting_lock(waiting_mutex);
    return !waiting.empty();
  };
  // Asked again when the role is given up: who could not take it meanwhile left its point to this thread.
  while (any()) {
    const std::unique_lock writer(writer_mutex, std::try_to_lock);
    if (!writer) return;
    const std::vector<PointResult> points = take();
    const std::scoped_lock lock_database(mutex);
    database.transaction([&] {
      for (const PointResult& point : points) write_point(point);
    });
  }
}

void Store::Impl::write_point(const PointResult& point) {
  // Nothing of a result of another arithmetic stays: not the metrics that are not asked for today, nor layers that lose nothing now.
  for (const char* sql : {"DELETE FROM metrics WHERE point = ? AND (SELECT arithmetic FROM points WHERE id = point) IS NOT ?",
                          "DELETE FROM curves WHERE point = ? AND (SELECT arithmetic FROM points WHERE id = point) IS NOT ?"})
    database.prepared(sql)->bind(point.id, kArithmetic).step();
  database.prepared("DELETE FROM counts WHERE point = ?")->bind(point.id).step();
  const auto update = database.prepared(
      "UPDATE points SET computed_as = ?, overflowed = ?, counted = ?, types = ?, kernels = ?, kept = ?, seconds = ?, version = ?, "
      "arithmetic = ?, finished = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = ?");
  update
      ->bind(point.computed_as, point.overflowed ? 1 : 0, point.counted, point.types, point.kernels, point.kept, point.seconds,
             std::string(NARROW_VERSION), kArithmetic, point.id)
      .step();
  write_metrics(point.id, point.values, point.curves);
  const auto count = database.prepared("INSERT INTO counts VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (const StoredCounts& c : point.counts)
    count->bind(point.id, c.layer, c.values, c.overflows, c.sum_overflows, c.zeros, c.weights, c.weight_overflows, c.weight_zeros).step();
}

void Store::Impl::write_metrics(std::int64_t point, const NamedEstimates& values, const NamedCurves& curves) {
  // Nor does anything stay that was measured otherwise.
  for (const char* sql : {"DELETE FROM metrics WHERE point = ? AND (SELECT measure FROM points WHERE id = point) IS NOT ?",
                          "DELETE FROM curves WHERE point = ? AND (SELECT measure FROM points WHERE id = point) IS NOT ?"})
    database.prepared(sql)->bind(point, kMeasure).step();
  database.prepared("UPDATE points SET measure = ? WHERE id = ?")->bind(kMeasure, point).step();
  const auto metric = database.prepared("INSERT OR REPLACE INTO metrics(point, name, value, error) VALUES(?, ?, ?, ?)");
  for (const auto& [name, estimate] : values) metric->bind(point, name, estimate.value, estimate.error).step();
  const auto curve = database.prepared("INSERT OR REPLACE INTO curves(point, name, \"values\") VALUES(?, ?, ?)");
  for (const auto& [name, bins] : curves) curve->bind(point, name, json_of(bins)).step();
}

void Store::add_metrics(std::int64_t point, const NamedEstimates& values, const NamedCurves& curves) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->database.transaction([&] { impl_->write_metrics(point, values, curves); });
}

std::string fact_of_target(const std::string& data_name) { return "target of data" + (data_name.empty() ? "" : " " + data_name); }

std::string fact_of_reading(const std::string& data_name) { return "reading of data" + (data_name.empty() ? "" : " " + data_name); }

std::string fact_of_model_target(const std::string& label, const std::string& data_name) {
  return "target of model " + label + (data_name.empty() ? "" : " on " + data_name);
}

void Store::set(const std::string& name, const std::string& value) {
  impl_->database.statement("INSERT OR REPLACE INTO study(name, value) VALUES(?, ?)").bind(name, value).step();
}

}  // namespace narrow
