#include <utility>
#include <vector>

#include "error.h"
#include "study/schema.h"
#include "study/store.h"
#include "study/store_impl.h"

namespace narrow {
namespace {

// Another study, attached to `database` as the schema `part`, and taken over. An empty hash is one that an older narrow left unknown.
class Part {
 public:
  Part(Database& database, std::string folder) : database_(database), folder_(std::move(folder)) {}

  void take() const {
    check();
    take_study();
    take_scans();
    take_points();
    take_results();
    database_.run("DROP TABLE scan_pairs");
    database_.run("DROP TABLE pairs");
    make_results_view(database_);
  }

 private:
  // The first that `sql` finds, or nothing.
  std::string first(const std::string& sql) const {
    Statement find = database_.statement(sql);
    return find.step() ? find.text(0) : "";
  }

  void check() const {
    const std::string differ = " AND ours.hash != '' AND theirs.hash != '' AND ours.hash != theirs.hash";
    const std::string model = first("SELECT ours.label FROM models AS ours JOIN part.models AS theirs USING(label) WHERE true" + differ);
    if (!model.empty()) throw Error(folder_ + ": its model " + model + " differs from the one of that name in the other parts");
    const std::string data = first("SELECT theirs.path FROM data AS ours JOIN part.data AS theirs USING(name, shape) WHERE true" + differ);
    if (!data.empty()) throw Error(folder_ + ": its data " + data + " differ from those of that name in the other parts");
    const std::string target = first(
        "SELECT theirs.value FROM study AS ours JOIN part.study AS theirs USING(name) WHERE name LIKE 'target of %' AND ours.value != "
        "theirs.value");
    const std::string unit = first(
        "SELECT theirs.value FROM study AS ours JOIN part.study AS theirs USING(name) WHERE name = 'unit of the target' AND ours.value != "
        "'' "
        "AND theirs.value != '' AND ours.value != theirs.value");
    const std::string classes = first(
        "SELECT theirs.value FROM study AS ours JOIN part.study AS theirs USING(name) WHERE name = 'classes' AND ours.value != "
        "theirs.value");
    if (!classes.empty()) throw Error(folder_ + ": its classes are " + classes + ", those of the other parts are others");
    if (!unit.empty()) throw Error(folder_ + ": the unit of its target is " + unit + ", that of the other parts is another");
    if (!target.empty()) throw Error(folder_ + ": its target is " + target + ", that of the other parts is another");
  }

  void take_study() const {
    database_.run(
        "INSERT INTO study SELECT * FROM part.study WHERE name LIKE 'target of %' OR name LIKE 'all samples of %' OR name = 'classes' OR "
        "name = 'unit of the target' ON CONFLICT DO UPDATE SET value = excluded.value WHERE name = 'unit of the target' AND study.value = "
        "''");
    database_.run(
        "INSERT INTO definitions(definition, command, version, started) SELECT definition, command, version, started "
        "FROM part.definitions WHERE true ON CONFLICT DO NOTHING");
    database_.run(
        "INSERT INTO models(label, name, hash, parameters, multiplications) SELECT label, name, hash, parameters, multiplications "
        "FROM part.models WHERE true ON CONFLICT DO UPDATE SET hash = excluded.hash WHERE models.hash = ''");
    database_.run(
        "INSERT INTO data(name, path, hash, samples, shape, preparation) SELECT name, path, hash, samples, shape, preparation "
        "FROM part.data WHERE true ON CONFLICT DO UPDATE SET hash = excluded.hash WHERE data.hash = ''");
  }

  // `scan_pairs`: each scan of theirs, and ours.
  void take_scans() const {
    const std::string theirs =
        "FROM part.scans AS theirs JOIN part.models AS m ON m.id = theirs.model JOIN models ON models.label = m.label "
        "JOIN part.data AS d ON d.id = theirs.data JOIN data ON data.name = d.name AND data.shape = d.shape ";
    struct NewScan {
      std::int64_t model, data;
      std::string options;
    };
    std::vector<NewScan> scans;
    Statement find = database_.statement("SELECT models.id, data.id, theirs.options " + theirs +
                                         "WHERE NOT EXISTS (SELECT 1 FROM main.scans AS ours WHERE ours.model = models.id AND "
                                         "ours.data = data.id AND ours.options = theirs.options) ORDER BY theirs.id");
    while (find.step()) scans.push_back({find.number(0), find.number(1), find.text(2)});
    // What has their own folder may not have ours.
    auto insert = database_.statement("INSERT INTO main.scans(model, data, options, folder, notes) VALUES(?, ?, ?, ?, '[]')");
    for (const auto& [model, data, options] : scans) insert.bind(model, data, options, folder_for(database_, data, options)).step();
    database_.run("CREATE TEMP TABLE scan_pairs AS SELECT theirs.id AS theirs, scans.id AS ours " + theirs +
                  "JOIN scans ON scans.model = models.id AND scans.data = data.id AND scans.options = theirs.options");
    database_.run(
        "UPDATE scans SET notes = (SELECT notes FROM part.scans JOIN scan_pairs ON theirs = part.scans.id WHERE ours = main.scans.id) "
        "WHERE notes = '[]' AND id IN (SELECT ours FROM scan_pairs)");
    for (const auto& [table, columns] :
         {std::pair("float_metrics", "name, value, error"), std::pair("float_curves", "name, edges, samples, \"values\""),
          std::pair("profiles", "position, layer, kind, quantiles, zeros, negative")}) {
      database_.run(std::string("INSERT INTO ") + table + " SELECT ours, " + columns + " FROM part." + table +
                    " JOIN scan_pairs ON theirs = scan WHERE true ON CONFLICT DO NOTHING");
    }
  }

  // `pairs`: each point of theirs with a result of this arithmetic, its leader's too, and ours; `wanted` where ours has none.
  void take_points() const {
    const std::string label = first(
        "SELECT theirs.label FROM part.points AS theirs JOIN scan_pairs ON scan_pairs.theirs = theirs.scan JOIN points AS ours "
        "ON ours.scan = scan_pairs.ours AND ours.label = theirs.label WHERE ours.assignment != theirs.assignment");
    if (!label.empty()) throw Error(folder_ + ": its point " + label + " has other types than the one of that name in the other parts");
    // An older narrow inferred other types for these coordinates, or did not say which.
    database_.run(
        "UPDATE points SET assignment = theirs.assignment FROM part.points AS theirs, scan_pairs WHERE theirs.scan = "
        "scan_pairs.theirs AND points.scan = scan_pairs.ours AND points.v_full IS NOT NULL AND " +
        same_coordinates_ + " AND theirs.arithmetic = " + own_arithmetic_ + " AND points.arithmetic IS NOT " + own_arithmetic_);
    database_.run(
        "INSERT OR IGNORE INTO points(scan, assignment, label, v_full, v_int, wb_full, wb_int, types) SELECT ours, assignment, label, "
        "v_full, v_int, wb_full, wb_int, CASE WHEN v_full IS NULL THEN types END FROM part.points JOIN scan_pairs ON theirs = scan");
    database_.run(
        "CREATE TEMP TABLE pairs AS SELECT theirs.id AS theirs, theirs.computed_as AS answered_by, points.id AS ours, "
        "NOT EXISTS (SELECT 1 FROM main.points AS leader WHERE leader.id = points.computed_as AND leader.finished IS NOT NULL AND "
        "leader.arithmetic IS " +
        own_arithmetic_ + " AND points.finished IS NOT NULL AND points.arithmetic IS " + own_arithmetic_ +
        ") AS wanted FROM part.points AS theirs JOIN scan_pairs ON scan_pairs.theirs = "
        "theirs.scan JOIN points ON points.scan = scan_pairs.ours AND points.assignment = theirs.assignment AND " +
        same_coordinates_ + " WHERE theirs.finished IS NOT NULL AND theirs.arithmetic IS " + own_arithmetic_);
    database_.run("CREATE INDEX temp.by_theirs ON pairs(theirs)");
    // Without its leader a point would have neither curves nor counts.
    database_.run("DELETE FROM pairs WHERE answered_by IS NULL OR answered_by NOT IN (SELECT theirs FROM pairs)");
  }

  void take_results() const {
    for (const auto& [table, columns] :
         {std::pair("metrics", "name, value, error"), std::pair("curves", "name, \"values\""),
          std::pair("counts", "layer, \"values\", overflows, sum_overflows, zeros, weights, weight_overflows, weight_zeros")}) {
      database_.run(std::string("DELETE FROM ") + table + " WHERE point IN (SELECT ours FROM pairs WHERE wanted)");
      database_.run(std::string("INSERT OR IGNORE INTO ") + table + " SELECT pairs.ours, " + columns + " FROM pairs JOIN part." + table +
                    " ON point = pairs.theirs");
    }
    database_.run(
        "UPDATE points SET (computed_as, overflowed, counted, types, kernels, kept, seconds, version, arithmetic, measure, finished) = "
        "(SELECT CASE WHEN leader.wanted THEN leader.ours ELSE (SELECT own.computed_as FROM points AS own WHERE own.id = leader.ours) END, "
        "p.overflowed, p.counted, p.types, p.kernels, p.kept, p.seconds, p.version, p.arithmetic, p.measure, p.finished FROM "
        "pairs JOIN part.points AS p ON p.id = pairs.theirs JOIN pairs AS leader ON leader.theirs = pairs.answered_by "
        "WHERE pairs.ours = points.id) WHERE id IN (SELECT ours FROM pairs WHERE wanted)");
  }

  const std::string own_arithmetic_ = std::to_string(kArithmetic);
  const std::string same_coordinates_ =
      "points.v_full IS theirs.v_full AND points.v_int IS theirs.v_int AND points.wb_full IS theirs.wb_full AND points.wb_int IS "
      "theirs.wb_int";
  Database& database_;
  std::string folder_;
};

}  // namespace

void Store::take(const std::string& folder) {
  const Store part(folder, Mode::kRead);  // that it is a study, and one this narrow knows
  part.impl_->database.attach_to(impl_->database);
  try {
    impl_->database.transaction([&] {
      write_metric_names(impl_->database, read_metric_names(part.impl_->database));
      Part(impl_->database, folder).take();
    });
  } catch (...) {
    impl_->database.run("DETACH part");
    throw;
  }
  impl_->database.run("DETACH part");
}

}  // namespace narrow
