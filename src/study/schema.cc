#include "study/schema.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "data/hash.h"
#include "error.h"

namespace narrow {
namespace {

// Of the tables below; larger where an older narrow could not read them.
constexpr int kSchema = 4;
// The oldest that is brought to it.
constexpr int kOldestSchema = 2;
// "narr": tells a study from other SQLite files.
constexpr int kApplication = 0x6e617272;

// A point is an assignment of types; one of a grid has coordinates too. (Several coordinates may come to one assignment, as where a model
// has no weights: they are points of their own.)
constexpr const char* kPoints = R"(
CREATE TABLE points(
  id INTEGER PRIMARY KEY, scan INTEGER NOT NULL REFERENCES scans, assignment TEXT NOT NULL, label TEXT,
  v_full INTEGER, v_int INTEGER, wb_full INTEGER, wb_int INTEGER,
  computed_as INTEGER REFERENCES points, overflowed INTEGER, counted INTEGER, types TEXT, kernels TEXT, kept TEXT, seconds REAL,
  version TEXT, arithmetic INTEGER, measure INTEGER, finished TEXT, UNIQUE(scan, label), UNIQUE(scan, v_full, v_int, wb_full, wb_int));
)";
constexpr const char* kPointIndices = R"(
CREATE INDEX points_by_assignment ON points(scan, assignment);
CREATE UNIQUE INDEX points_without_coordinates ON points(scan, assignment) WHERE v_full IS NULL;
)";
constexpr const char* kModels = R"(
CREATE TABLE models(
  id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE, name TEXT NOT NULL, hash TEXT NOT NULL,
  parameters INTEGER NOT NULL, multiplications INTEGER NOT NULL);
)";
constexpr const char* kData = R"(
CREATE TABLE data(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, path TEXT NOT NULL, hash TEXT NOT NULL, samples INTEGER NOT NULL, shape TEXT NOT NULL,
  preparation TEXT NOT NULL, UNIQUE(name, shape));
)";
constexpr const char* kScans = R"(
CREATE TABLE scans(
  id INTEGER PRIMARY KEY, model INTEGER NOT NULL REFERENCES models, data INTEGER NOT NULL REFERENCES data, options TEXT NOT NULL,
  folder TEXT NOT NULL, notes TEXT NOT NULL, UNIQUE(model, data, options), UNIQUE(model, folder));
)";
constexpr const char* kMetricNames = R"(
CREATE TABLE metric_names(
  name TEXT PRIMARY KEY, unit TEXT NOT NULL, meaning TEXT NOT NULL, title TEXT NOT NULL, space TEXT NOT NULL, signed INTEGER NOT NULL,
  better TEXT NOT NULL, scale TEXT NOT NULL, least_samples INTEGER NOT NULL);
)";
constexpr const char* kMetrics = R"(
CREATE TABLE metrics(
  point INTEGER NOT NULL REFERENCES points, name TEXT NOT NULL, value REAL, error REAL, PRIMARY KEY(point, name)) WITHOUT ROWID;
)";
constexpr const char* kFloatMetrics = R"(
CREATE TABLE float_metrics(
  scan INTEGER NOT NULL REFERENCES scans, name TEXT NOT NULL, value REAL, error REAL, PRIMARY KEY(scan, name)) WITHOUT ROWID;
)";
constexpr const char* kOtherTables = R"(
CREATE TABLE study(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE definitions(id INTEGER PRIMARY KEY, definition TEXT NOT NULL UNIQUE, command TEXT NOT NULL, version TEXT NOT NULL, started TEXT NOT NULL);
CREATE TABLE float_curves(
  scan INTEGER NOT NULL REFERENCES scans, name TEXT NOT NULL, edges TEXT NOT NULL, samples TEXT NOT NULL, "values" TEXT NOT NULL,
  PRIMARY KEY(scan, name)) WITHOUT ROWID;
CREATE TABLE profiles(
  scan INTEGER NOT NULL REFERENCES scans, position INTEGER NOT NULL, layer TEXT NOT NULL, kind TEXT NOT NULL, quantiles TEXT NOT NULL,
  zeros REAL NOT NULL, negative INTEGER NOT NULL, PRIMARY KEY(scan, position)) WITHOUT ROWID;
CREATE TABLE curves(
  point INTEGER NOT NULL REFERENCES points, name TEXT NOT NULL, "values" TEXT NOT NULL, PRIMARY KEY(point, name)) WITHOUT ROWID;
CREATE TABLE counts(
  point INTEGER NOT NULL REFERENCES points, layer TEXT NOT NULL, "values" INTEGER NOT NULL, overflows INTEGER NOT NULL,
  sum_overflows INTEGER NOT NULL, zeros INTEGER NOT NULL, weights INTEGER NOT NULL, weight_overflows INTEGER NOT NULL,
  weight_zeros INTEGER NOT NULL, PRIMARY KEY(point, layer)) WITHOUT ROWID;
)";
constexpr const char* kViews = R"(
CREATE VIEW progress AS
  SELECT models.label AS model, data.name AS data, options, count(*) AS points, count(finished) AS finished
  FROM points JOIN scans ON scans.id = scan JOIN models ON models.id = model JOIN data ON data.id = data GROUP BY scans.id;
CREATE VIEW overflows AS
  SELECT models.label AS model, data.name AS data, options, v_full, v_int, wb_full, wb_int, layer,
    (SELECT counted FROM points AS run WHERE run.id = points.computed_as) AS samples,
    counts."values", counts.overflows, sum_overflows, zeros, weights, weight_overflows, weight_zeros, points.label AS label,
    points.id AS point
  FROM points JOIN scans ON scans.id = scan JOIN models ON models.id = model JOIN data ON data.id = data
  JOIN counts ON counts.point = points.computed_as;
CREATE VIEW curve_values AS
  SELECT models.label AS model, data.name AS data, options, v_full, v_int, wb_full, wb_int, curves.name AS curve, bin.key AS bin,
    json_extract(edges, '$[' || bin.key || ']') AS low, json_extract(edges, '$[' || (bin.key + 1) || ']') AS high,
    json_extract(float_curves.samples, '$[' || bin.key || ']') AS samples, bin.value AS value,
    json_extract(float_curves."values", '$[' || bin.key || ']') AS float_value, points.label AS label, points.id AS point
  FROM points JOIN scans ON scans.id = points.scan JOIN models ON models.id = model JOIN data ON data.id = data
  JOIN curves ON curves.point = points.computed_as
  JOIN float_curves ON float_curves.scan = points.scan AND float_curves.name = curves.name, json_each(curves."values") AS bin;
)";

void set_version(const Database& database) { database.run("PRAGMA user_version=" + std::to_string(kSchema)); }

void make_tables(Database& database) {
  database.transaction([&] {
    for (const char* tables : {kModels, kData, kScans, kMetricNames, kMetrics, kFloatMetrics, kOtherTables, kPoints, kPointIndices, kViews})
      database.script(tables);
    make_results_view(database);
    database.run("PRAGMA application_id=" + std::to_string(kApplication));
    set_version(database);
  });
}

// A table made anew with the rows of the old one: `columns` of it, as `values`.
void remake(const Database& database, const std::string& table, std::string tables, const std::string& columns, const std::string& values) {
  tables.replace(tables.find(" " + table + "("), table.size() + 2, " new_" + table + "(");
  database.script(tables);
  database.run("INSERT INTO new_" + table + "(" + columns + ") SELECT " + values + " FROM " + table);
  database.run("DROP TABLE " + table);
  database.run("ALTER TABLE new_" + table + " RENAME TO " + table);
}

// Of version 2, a point was four numbers of bits; of those that were not finished the types are not known. Results had no version of the
// arithmetic, and models and data were known by other hashes (which are not known now, and taken from the next run).
void points_from_2(Database& database) {
  database.run("UPDATE models SET hash = ''");
  remake(database, "data", kData, "id, name, path, hash, samples, shape, preparation", "id, name, path, '', samples, shape, preparation");
  const std::string kept =
      "id, scan, v_full, v_int, wb_full, wb_int, computed_as, overflowed, counted, types, kernels, kept, seconds, version, finished";
  remake(database, "points", kPoints, kept + ", assignment, arithmetic", kept + ", '', CASE WHEN finished IS NULL THEN NULL ELSE 1 END");
  std::vector<std::pair<std::int64_t, std::string>> types;
  Statement find = database.statement("SELECT id, types FROM points WHERE finished IS NOT NULL");
  while (find.step()) types.emplace_back(find.number(0), find.text(1));
  for (const auto& [id, text] : types) {
    database.prepared("UPDATE points SET assignment = ? WHERE id = ?")->bind(identity_of(text), id).step();
  }
}

void points_from_3(Database& database) {
  const std::string kept =
      "id, scan, assignment, label, v_full, v_int, wb_full, wb_int, computed_as, overflowed, counted, types, kernels, kept, seconds, "
      "version, arithmetic, finished";
  remake(database, "points", kPoints, kept, kept);
}

// Up to version 3, metrics had no error, and nothing was known of them but unit and meaning. They are measured again when the study
// is resumed, for some of them meant something else.
void metrics_from_3(Database& database) {
  remake(database, "scans", kScans, "id, model, data, options, folder, notes", "id, model, data, options, folder, '[]'");
  remake(database, "metrics", kMetrics, "point, name, value", "point, name, value");
  remake(database, "float_metrics", kFloatMetrics, "scan, name, value", "scan, name, value");
  std::vector<Metric> metrics;
  Statement find = database.statement("SELECT name, unit, meaning FROM metric_names ORDER BY rowid");
  while (find.step()) {
    metrics.push_back(metric_named(find.text(0)));
    metrics.back().unit = find.text(1);
    metrics.back().meaning = find.text(2);
    metrics.back().title = "";
  }
  database.run("DROP TABLE metric_names");
  database.script(kMetricNames);
  write_metric_names(database, metrics);
}

void migrate(Database& database, std::int64_t from) {
  for (const char* view : {"progress", "overflows", "curve_values", "results"}) database.run("DROP VIEW IF EXISTS " + std::string(view));
  if (from == kOldestSchema) points_from_2(database);
  else points_from_3(database);
  metrics_from_3(database);
  database.script(kPointIndices);
  database.script(kViews);
  make_results_view(database);
  set_version(database);
}

}  // namespace

void prepare_schema(Database& database, bool write) {
  if (database.number("SELECT count(*) FROM sqlite_master") == 0) {
    if (!write) throw Error(database.path() + ": it holds no study yet");
    return make_tables(database);
  }
  if (database.number("PRAGMA application_id") != kApplication) {
    throw Error(database.path() + ": it is an SQLite file, but not a study of narrow");
  }
  const std::int64_t schema = database.number("PRAGMA user_version");
  if (schema < kOldestSchema) {
    throw Error(database.path() + ": it was written by a narrow too old to be read; give another folder");
  }
  if (schema > kSchema) {
    throw Error(database.path() + ": it was written by a newer narrow (tables of version " + std::to_string(schema) + ", this one knows " +
                std::to_string(kSchema) + "); it is left as it is");
  }
  if (schema == kSchema) return;
  if (!write) database.to_memory();
  database.transaction([&] { migrate(database, schema); });
}

void make_results_view(const Database& database) {
  std::string columns;
  auto names = database.statement("SELECT name FROM metric_names ORDER BY rowid");
  while (names.step()) {
    const std::string name = names.text(0);
    for (const auto& [column, shown] : {std::pair("value", name), std::pair("error", "error of " + name)}) {
      columns +=
          std::string("(SELECT ") + column + " FROM metrics WHERE point = points.id AND name = '" + name + "') AS \"" + shown + "\", ";
    }
  }
  // Of this file: where a part is attached, its own view stays.
  database.run("DROP VIEW IF EXISTS main.results");
  database.run(
      "CREATE VIEW main.results AS SELECT models.label AS model, data.name AS data, options, v_full, v_int, wb_full, wb_int, "
      "v_full + wb_full AS bits, " +
      columns +
      "overflowed, points.id = computed_as AS computed, seconds, types, kernels, kept, version, arithmetic, finished, points.label AS "
      "label, "
      "points.id AS point FROM points JOIN scans ON scans.id = scan JOIN models ON models.id = model JOIN data ON data.id = data "
      "WHERE finished IS NOT NULL");
}

namespace {

constexpr std::array kSpaces{std::pair(MetricSpace::kOutput, "output"), std::pair(MetricSpace::kTarget, "target")};
constexpr std::array kBetter{std::pair(Better::kLess, "less"), std::pair(Better::kMore, "more"), std::pair(Better::kNeither, "neither")};
constexpr std::array kScales{std::pair(AxisScale::kLinear, "linear"), std::pair(AxisScale::kLog, "log"),
                             std::pair(AxisScale::kSymlog, "symlog")};

template <class Names, class Value>
std::string text_of(const Names& names, Value value) {
  return std::find_if(names.begin(), names.end(), [&](const auto& each) { return each.first == value; })->second;
}

template <class Names>
auto value_of(const Names& names, const Statement& row, int column) {
  const std::string text = row.text(column);
  const auto found = std::find_if(names.begin(), names.end(), [&](const auto& each) { return each.second == text; });
  if (found == names.end()) throw row.damaged(column);
  return found->first;
}

// What is true of a metric in all of a study's scans, whose outputs or targets may differ: `MPE of the output`.
Metric of_all(Metric metric, const Metric& other) {
  const std::string all = metric.space == MetricSpace::kOutput ? "the output" : "the target";
  if (metric.title != other.title) metric.title = metric_named(metric.name).title + " of " + all;
  if (metric.meaning == other.meaning) return metric;
  const std::size_t of = metric.meaning.find(", of ");
  metric.meaning = of == std::string::npos ? std::min(metric.meaning, other.meaning) : metric.meaning.substr(0, of) + ", of " + all;
  return metric;
}

}  // namespace

void write_metric_names(const Database& database, const std::vector<Metric>& metrics) {
  const std::vector<Metric> known = read_metric_names(database);
  auto insert = database.statement(
      "INSERT INTO metric_names VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET unit = excluded.unit, meaning = "
      "excluded.meaning, title = excluded.title, space = excluded.space, signed = excluded.signed, better = excluded.better, scale = "
      "excluded.scale, least_samples = excluded.least_samples");
  for (Metric m : metrics) {
    const auto old = std::find_if(known.begin(), known.end(), [&](const Metric& each) { return each.name == m.name; });
    // One that an older narrow wrote says neither of what it is.
    if (old != known.end() && !old->title.empty() && !m.title.empty()) m = of_all(m, *old);
    insert
        .bind(m.name, m.unit, m.meaning, m.title, text_of(kSpaces, m.space), m.is_signed ? 1 : 0, text_of(kBetter, m.better),
              text_of(kScales, m.scale), m.least_samples)
        .step();
  }
}

std::vector<Metric> read_metric_names(const Database& database) {
  std::vector<Metric> metrics;
  Statement find =
      database.statement("SELECT name, unit, meaning, title, space, signed, better, scale, least_samples FROM metric_names ORDER BY rowid");
  while (find.step()) {
    Metric metric = metric_named(find.text(0));
    metric.unit = find.text(1);
    metric.meaning = find.text(2);
    metric.title = find.text(3);
    metric.space = value_of(kSpaces, find, 4);
    metric.is_signed = find.number(5) != 0;
    metric.better = value_of(kBetter, find, 6);
    metric.scale = value_of(kScales, find, 7);
    metric.least_samples = find.size(8);
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

std::string identity_of(const std::string& types) {
  Hash hash;
  hash.add(types);
  return hash.text();
}

}  // namespace narrow
