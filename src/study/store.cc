#include "study/store.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <limits>
#include <mutex>
#include <set>
#include <system_error>
#include <utility>

#include "data/hash.h"
#include "engine/arithmetic.h"
#include "error.h"
#include "fixed/format.h"

namespace narrow {
namespace {

// Of the tables below; larger where an older narrow could not read them.
constexpr int kSchema = 3;
// The oldest that this one brings to its own.
constexpr int kOldestSchema = 2;
// "narr": tells a study from other SQLite files.
constexpr int kApplication = 0x6e617272;

constexpr const char* kTables = R"(
CREATE TABLE study(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE definitions(id INTEGER PRIMARY KEY, definition TEXT NOT NULL UNIQUE, command TEXT NOT NULL, version TEXT NOT NULL, started TEXT NOT NULL);
CREATE TABLE models(
  id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE, name TEXT NOT NULL, hash TEXT NOT NULL,
  parameters INTEGER NOT NULL, multiplications INTEGER NOT NULL);
CREATE TABLE data(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, path TEXT NOT NULL, hash TEXT NOT NULL, samples INTEGER NOT NULL, shape TEXT NOT NULL,
  preparation TEXT NOT NULL, UNIQUE(name, hash));
CREATE TABLE scans(
  id INTEGER PRIMARY KEY, model INTEGER NOT NULL REFERENCES models, data INTEGER NOT NULL REFERENCES data, options TEXT NOT NULL,
  folder TEXT NOT NULL, UNIQUE(model, data, options), UNIQUE(model, folder));
CREATE TABLE points(
  id INTEGER PRIMARY KEY, scan INTEGER NOT NULL REFERENCES scans,
  v_full INTEGER NOT NULL, v_int INTEGER NOT NULL, wb_full INTEGER NOT NULL, wb_int INTEGER NOT NULL,
  computed_as INTEGER REFERENCES points, overflowed INTEGER, counted INTEGER, types TEXT, kernels TEXT, kept TEXT, seconds REAL,
  version TEXT, arithmetic INTEGER, finished TEXT, UNIQUE(scan, v_full, v_int, wb_full, wb_int));
CREATE TABLE metric_names(name TEXT PRIMARY KEY, unit TEXT NOT NULL, meaning TEXT NOT NULL);
CREATE TABLE metrics(
  point INTEGER NOT NULL REFERENCES points, name TEXT NOT NULL, value REAL, PRIMARY KEY(point, name)) WITHOUT ROWID;
CREATE TABLE float_metrics(
  scan INTEGER NOT NULL REFERENCES scans, name TEXT NOT NULL, value REAL, PRIMARY KEY(scan, name)) WITHOUT ROWID;
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
CREATE VIEW progress AS
  SELECT models.label AS model, data.name AS data, options, count(*) AS points, count(finished) AS finished
  FROM points JOIN scans ON scans.id = scan JOIN models ON models.id = model JOIN data ON data.id = data GROUP BY scans.id;
CREATE VIEW overflows AS
  SELECT models.label AS model, data.name AS data, options, v_full, v_int, wb_full, wb_int, layer,
    (SELECT counted FROM points AS run WHERE run.id = points.computed_as) AS samples,
    counts."values", counts.overflows, sum_overflows, zeros, weights, weight_overflows, weight_zeros, points.id AS point
  FROM points JOIN scans ON scans.id = scan JOIN models ON models.id = model JOIN data ON data.id = data
  JOIN counts ON counts.point = points.computed_as;
CREATE VIEW curve_values AS
  SELECT models.label AS model, data.name AS data, options, v_full, v_int, wb_full, wb_int, curves.name AS curve, bin.key AS bin,
    json_extract(edges, '$[' || bin.key || ']') AS low, json_extract(edges, '$[' || (bin.key + 1) || ']') AS high,
    json_extract(float_curves.samples, '$[' || bin.key || ']') AS samples, bin.value AS value,
    json_extract(float_curves."values", '$[' || bin.key || ']') AS float_value, points.id AS point
  FROM points JOIN scans ON scans.id = points.scan JOIN models ON models.id = model JOIN data ON data.id = data
  JOIN curves ON curves.point = points.computed_as
  JOIN float_curves ON float_curves.scan = points.scan AND float_curves.name = curves.name, json_each(curves."values") AS bin;
)";

// Of everything that a model's results depend on; lists with their length, so that no two models have one text. (How its inputs were
// prepared decides the data, which have a hash of their own.)
std::string hash_of(const Model& model) {
  Hash hash;
  const auto add_list = [&](const std::vector<int>& numbers) {
    hash.add(numbers.size());
    for (const int number : numbers) hash.add(static_cast<std::uint64_t>(number));
  };
  hash.add(model.layers.size());
  for (const Layer& layer : model.layers) {
    hash.add(layer.name);
    hash.add(std::string(layer.op->keras_class()));
    add_list(layer.inputs);
    add_list(layer.shape);
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
  return hash.text();
}

std::string hash_of(const Dataset& data) {
  Hash hash;
  hash.add(data.x);
  hash.add(data.y);
  return hash.text();
}

class Statement {
 public:
  Statement(sqlite3* database, const std::string& path, const char* sql) : path_(path) {
    check(sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr) == SQLITE_OK, database);
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }
  void reset() { sqlite3_reset(statement_); }

  template <class... Values>
  Statement& bind(const Values&... values) {
    sqlite3_reset(statement_);
    int at = 0;
    (bind_one(++at, values), ...);
    return *this;
  }
  // False at the end.
  bool step() {
    const int status = sqlite3_step(statement_);
    check(status == SQLITE_ROW || status == SQLITE_DONE, sqlite3_db_handle(statement_));
    return status == SQLITE_ROW;
  }
  std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
  double real(int column) const {
    return is_null(column) ? std::numeric_limits<double>::quiet_NaN() : sqlite3_column_double(statement_, column);
  }
  std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return bytes == nullptr ? "" : bytes;
  }
  std::string name(int column) const { return sqlite3_column_name(statement_, column); }
  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

 private:
  void bind_one(int at, std::int64_t value) { sqlite3_bind_int64(statement_, at, value); }
  void bind_one(int at, int value) { sqlite3_bind_int64(statement_, at, value); }
  void bind_one(int at, std::size_t value) { sqlite3_bind_int64(statement_, at, static_cast<std::int64_t>(value)); }
  void bind_one(int at, double value) { sqlite3_bind_double(statement_, at, value); }  // NaN becomes NULL
  void bind_one(int at, const std::string& value) { sqlite3_bind_text(statement_, at, value.c_str(), -1, SQLITE_TRANSIENT); }

  void check(bool good, sqlite3* database) const {
    if (good) return;
    const int code = sqlite3_errcode(database);
    const std::string why = sqlite3_errmsg(database);
    if (code == SQLITE_FULL || code == SQLITE_IOERR) throw Error(path_ + ": writing failed (" + why + "); is the disk full?");
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) throw Error(path_ + ": it is damaged, or not a study of narrow (" + why + ")");
    throw Error(path_ + ": " + why);
  }

  std::string path_;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace

class Store::Impl {
 public:
  Impl(const std::string& folder, Mode mode) : path_(folder + "/study.db"), mode_(mode) {
    const bool exists = std::filesystem::exists(path_);
    if (!exists && mode == Mode::kRead) throw Error(folder + ": it holds no study (study.db)");
    if (mode == Mode::kWrite) lock(folder);
    else check_host(folder);
    const int flags = mode == Mode::kWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    if (sqlite3_open_v2(path_.c_str(), &database_, flags, nullptr) != SQLITE_OK) {
      const std::string why = sqlite3_errmsg(database_);
      close();
      throw Error(path_ + ": it cannot be opened: " + why);
    }
    try {
      prepare(exists);
    } catch (...) {
      close();
      throw;
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { close(); }

  void run(const char* sql) const {
    Statement statement(database_, path_, sql);
    while (statement.step()) {
    }
  }

  std::int64_t number(const char* sql) const {
    Statement statement(database_, path_, sql);
    return statement.step() ? statement.number(0) : 0;
  }

  // Everything in `work` or nothing.
  template <class Work>
  void transaction(const Work& work) {
    prepared("BEGIN IMMEDIATE")->step();
    try {
      work();
      prepared("COMMIT")->step();
    } catch (...) {
      sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
      throw;
    }
  }

  Statement statement(const char* sql) const { return {database_, path_, sql}; }

  // The same for what every point needs: prepared once. For one at a time, under the mutex; reset when it is let go.
  struct Reset {
    void operator()(Statement* statement) const { statement->reset(); }
  };
  using Prepared = std::unique_ptr<Statement, Reset>;
  Prepared prepared(const char* sql) {
    auto& known = prepared_[sql];
    if (!known) known = std::make_unique<Statement>(database_, path_, sql);
    return Prepared(known.get());
  }

  // As `part` of another store's statements.
  void attach_to(const Impl& other) const {
    other.statement("ATTACH ? AS part").bind(in_memory_ ? ":memory:" : path_).step();
    if (in_memory_) copy(database_, other.database_, "part");
  }

  // Points that have come to their end. One thread at a time writes them; others leave theirs to it and go on.
  void write_waiting();
  void write_point(const PointResult& point);
  void write_metrics(std::int64_t point, const std::vector<double>& values, const std::vector<std::vector<double>>& curves);
  void make_results_view() const;
  // A column's numbers, as json_of wrote them; null is NaN.
  std::vector<double> numbers(const Statement& row, int column) const;
  std::string free_folder(const std::string& data, const std::string& options) const;
  Error damaged(const Statement& row, int column) const {
    return Error(path_ + ": it is damaged: " + row.name(column) + " is not as narrow writes it");
  }

  std::mutex mutex;         // of the database
  std::mutex writer_mutex;  // of who writes what waits
  std::mutex waiting_mutex;
  std::vector<PointResult> waiting;
  std::vector<std::string> wanted, curve_names;  // of the metrics and curves that are asked for

 private:
  void prepare(bool exists) {
    sqlite3_busy_timeout(database_, 10'000);
    if (exists && number("SELECT count(*) FROM sqlite_master") > 0) {
      if (number("PRAGMA application_id") != kApplication) throw Error(path_ + ": it is an SQLite file, but not a study of narrow");
      const std::int64_t schema = number("PRAGMA user_version");
      if (schema < kOldestSchema) {
        throw Error(path_ + ": it was written by an older narrow, whose studies this one does not read; give another folder");
      }
      if (schema > kSchema) {
        throw Error(path_ + ": it was written by a newer narrow (tables of version " + std::to_string(schema) + ", this one knows " +
                    std::to_string(kSchema) + "); it is left as it is");
      }
      if (schema < kSchema) {
        if (mode_ == Mode::kRead) copy_to_memory();
        migrate();
      }
    } else if (mode_ == Mode::kRead) {
      throw Error(path_ + ": it holds no study yet");
    } else {
      transaction([&] {
        if (sqlite3_exec(database_, kTables, nullptr, nullptr, nullptr) != SQLITE_OK) {
          throw Error(path_ + ": its tables cannot be made: " + sqlite3_errmsg(database_));
        }
        run(("PRAGMA application_id=" + std::to_string(kApplication)).c_str());
        run(("PRAGMA user_version=" + std::to_string(kSchema)).c_str());
      });
    }
    if (mode_ == Mode::kRead) return;
    // A crash loses nothing that is committed, a power cut at most the last moments, which are computed again.
    run("PRAGMA journal_mode=WAL");
    run("PRAGMA synchronous=NORMAL");
  }

  // A study that may only be read is brought to today's tables in a copy.
  void copy_to_memory() {
    sqlite3* memory = nullptr;
    sqlite3_open(":memory:", &memory);
    sqlite3* const file = std::exchange(database_, memory);
    in_memory_ = true;
    try {
      copy(file, memory, "main");
    } catch (...) {
      sqlite3_close(file);
      throw;
    }
    sqlite3_close(file);
  }

  void copy(sqlite3* from, sqlite3* to, const char* name) const {
    sqlite3_backup* backup = sqlite3_backup_init(to, name, from, "main");
    const bool copied = backup != nullptr && sqlite3_backup_step(backup, -1) == SQLITE_DONE;
    sqlite3_backup_finish(backup);
    if (!copied) throw Error(path_ + ": it cannot be read: " + sqlite3_errmsg(to));
  }

  void migrate() {
    transaction([&] {
      run("ALTER TABLE points ADD COLUMN arithmetic INTEGER");
      run("UPDATE points SET arithmetic = 1 WHERE finished IS NOT NULL");
      make_results_view();
      run(("PRAGMA user_version=" + std::to_string(kSchema)).c_str());
    });
  }

  // One writer: the operating system gives the lock back however the program ends.
  void lock(const std::string& folder) {
    const std::string path = folder + "/study.lock";
    lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock_ < 0) throw Error(path + ": it cannot be written; does its folder exist, and do you have permission to write there?");
    struct flock whole = lock_of(F_WRLCK);
    if (fcntl(lock_, F_OFD_SETLK, &whole) != 0) {
      const int why = errno;
      const std::string holder = holder_in(lock_);
      ::close(lock_);
      lock_ = -1;
      if (why != EAGAIN && why != EACCES) {
        throw Error(path + ": it cannot be locked (" + std::generic_category().message(why) + "); a study needs a file system with locks");
      }
      throw Error(folder + ": the study is being run by " + holder + "; wait for it, or look with narrow status");
    }
    const std::string text = "process " + std::to_string(getpid()) + " on " + host();
    if (ftruncate(lock_, 0) != 0 || ::write(lock_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      throw Error(path + ": writing failed; is the disk full?");
    }
  }

  // SQLite's log is shared in the memory of one machine: what another one still writes could be misread from here.
  static void check_host(const std::string& folder) {
    const int file = ::open((folder + "/study.lock").c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    struct flock held = lock_of(F_RDLCK);
    const bool is_held = fcntl(file, F_OFD_GETLK, &held) == 0 && held.l_type != F_UNLCK;
    const std::string holder = holder_in(file);
    ::close(file);
    if (is_held && !holder.ends_with(" on " + host())) {
      throw Error(folder + ": the study is being run by " + holder + "; look at it from there, or wait for its end");
    }
  }

  static struct flock lock_of(short type) {
    struct flock whole {};
    whole.l_type = type;
    whole.l_whence = SEEK_SET;
    return whole;
  }

  static std::string holder_in(int file) {
    std::array<char, 256> text{};
    const ssize_t got = ::pread(file, text.data(), text.size() - 1, 0);
    return got > 0 ? text.data() : "another narrow";
  }

  static std::string host() {
    std::array<char, 128> name{};
    gethostname(name.data(), name.size() - 1);
    return name.data();
  }

  void close() {
    // One plain file again, which can be read where nothing can be written; not while others read.
    if (database_ != nullptr && mode_ == Mode::kWrite) {
      sqlite3_busy_timeout(database_, 0);
      sqlite3_exec(database_, "PRAGMA journal_mode=DELETE", nullptr, nullptr, nullptr);
    }
    prepared_.clear();
    if (database_ != nullptr) sqlite3_close(database_);
    database_ = nullptr;
    if (lock_ >= 0) ::close(lock_);
    lock_ = -1;
  }

  std::string path_;
  Mode mode_;
  bool in_memory_ = false;
  sqlite3* database_ = nullptr;
  std::map<std::string, std::unique_ptr<Statement>> prepared_;  // by their SQL
  int lock_ = -1;
};

Store::Store(const std::string& folder, Mode mode) : impl_(std::make_unique<Impl>(folder, mode)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

std::int64_t Store::add_model(const Model& model, const std::string& label) {
  const std::string hash = hash_of(model);
  auto find = impl_->statement("SELECT id, hash FROM models WHERE label = ?");
  if (find.bind(label).step()) {
    if (find.text(1) != hash) {
      throw Error("model " + model.name + " is not the one called " + label +
                  " with which this study began; has its file changed? Give another --out, or the model another name");
    }
    return find.number(0);
  }
  std::size_t all_parameters = 0;
  std::size_t all_multiplications = 0;
  for (const Layer& layer : model.layers) {
    all_parameters += parameters(layer);
    all_multiplications += multiplications(layer);
  }
  auto insert = impl_->statement("INSERT INTO models(label, name, hash, parameters, multiplications) VALUES(?, ?, ?, ?, ?) RETURNING id");
  insert.bind(label, model.name, hash, all_parameters, all_multiplications).step();
  const std::int64_t id = insert.number(0);
  insert.step();
  return id;
}

std::int64_t Store::add_data(const Dataset& data, const std::string& name) {
  const std::string hash = hash_of(data);
  auto same = impl_->statement("SELECT id FROM data WHERE name = ? AND hash = ?");
  if (same.bind(name, hash).step()) return same.number(0);
  auto other = impl_->statement("SELECT id FROM data WHERE name = ? AND shape = ?");
  if (other.bind(name, to_string(data.shape)).step()) {
    throw Error(data.path + ": it is not the data with which this study began (or other --samples of it); give another --out");
  }
  auto insert = impl_->statement("INSERT INTO data(name, path, hash, samples, shape, preparation) VALUES(?, ?, ?, ?, ?, ?) RETURNING id");
  insert.bind(name, data.path, hash, data.size, to_string(data.shape), data.preparation).step();
  const std::int64_t id = insert.number(0);
  insert.step();
  return id;
}

void Store::add_definition(const std::string& definition, const std::string& command) {
  impl_
      ->statement(
          "INSERT INTO definitions(definition, command, version, started) VALUES(?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) "
          "ON CONFLICT DO NOTHING")
      .bind(definition, command, std::string(NARROW_VERSION))
      .step();
}

namespace {

constexpr const char* kScans =
    "SELECT scans.id, label, models.name, parameters, multiplications, data.path, data.name, samples, options, folder FROM scans "
    "JOIN models ON models.id = model JOIN data ON data.id = data ";

Scan scan_from(const Statement& row) {
  const auto size = [&](int column) { return static_cast<std::size_t>(row.number(column)); };
  return {row.number(0), row.text(1), row.text(2), size(3), size(4), row.text(5), row.text(6), size(7), row.text(8), row.text(9)};
}

// A scan's folder by what it is on and with, as far as a folder's name may say it.
std::string folder_name(const std::string& data, const std::string& options) {
  std::string name = (data.empty() ? "" : data + "-") + options;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '.') c = '-';
  }
  return name;
}

// A JSON array; NaN and the infinities, which JSON has not, are null.
std::string json_of(const std::vector<double>& values) {
  std::string text = "[";
  for (const double value : values) {
    if (text.size() > 1) text += ",";
    text += std::isfinite(value) ? short_text(value) : "null";
  }
  return text + "]";
}

}  // namespace

// Other models' scans with the same data and options share the folder; `a b` and `a-b`, which would be called alike, do not.
std::string Store::Impl::free_folder(const std::string& data, const std::string& options) const {
  auto other = statement("SELECT 1 FROM scans JOIN data ON data.id = data WHERE folder = ? AND (data.name != ? OR options != ?)");
  const std::string name = folder_name(data, options);
  std::string folder = name;
  for (int i = 2; other.bind(folder, data, options).step(); ++i) folder = name + "-" + std::to_string(i);
  return folder;
}

Scan Store::add_scan(std::int64_t model, std::int64_t data, const std::string& options) {
  auto find = impl_->statement((std::string(kScans) + "WHERE model = ? AND data = ? AND options = ?").c_str());
  if (!find.bind(model, data, options).step()) {
    // The first scan of a model has the study's own folder, as the study's scripts expect it.
    auto first = impl_->statement("SELECT count(*), (SELECT name FROM data WHERE id = ?) FROM scans WHERE model = ?");
    first.bind(data, model).step();
    const std::string folder = first.number(0) == 0 ? "" : impl_->free_folder(first.text(1), options);
    impl_->statement("INSERT INTO scans(model, data, options, folder) VALUES(?, ?, ?, ?)").bind(model, data, options, folder).step();
    find.bind(model, data, options).step();
  }
  return scan_from(find);
}

void Store::measure(const std::vector<MetricName>& names) {
  impl_->wanted.clear();
  impl_->transaction([&] {
    auto insert = impl_->statement(
        "INSERT INTO metric_names(name, unit, meaning) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET unit = excluded.unit, meaning = "
        "excluded.meaning");
    for (const MetricName& metric : names) {
      impl_->wanted.push_back(metric.name);
      insert.bind(metric.name, metric.unit, metric.meaning).step();
    }
    impl_->make_results_view();
  });
}

void Store::set_float(const Scan& scan, const std::vector<double>& values, const std::vector<Curve>& curves) {
  impl_->curve_names.clear();
  impl_->transaction([&] {
    auto metric = impl_->statement("INSERT OR REPLACE INTO float_metrics(scan, name, value) VALUES(?, ?, ?)");
    for (std::size_t i = 0; i < values.size(); ++i) metric.bind(scan.id, impl_->wanted[i], values[i]).step();
    auto curve = impl_->statement("INSERT OR REPLACE INTO float_curves(scan, name, edges, samples, \"values\") VALUES(?, ?, ?, ?, ?)");
    for (const Curve& each : curves) {
      impl_->curve_names.push_back(each.name);
      curve.bind(scan.id, each.name, json_of(each.edges), json_of({each.samples.begin(), each.samples.end()}), json_of(each.values)).step();
    }
  });
}

void Store::set_profile(const Scan& scan, const std::vector<Profile>& profiles) {
  impl_->transaction([&] {
    auto insert = impl_->statement("INSERT OR REPLACE INTO profiles VALUES(?, ?, ?, ?, ?, ?, ?)");
    for (std::size_t i = 0; i < profiles.size(); ++i) {
      const Profile& p = profiles[i];
      insert.bind(scan.id, i, p.layer, p.kind, json_of(p.quantiles), p.zeros, p.negative ? 1 : 0).step();
    }
  });
}

std::vector<StoredPoint> Store::plan(const Scan& scan, const std::vector<Point>& points) {
  impl_->transaction([&] {
    auto insert = impl_->statement("INSERT INTO points(scan, v_full, v_int, wb_full, wb_int) VALUES(?, ?, ?, ?, ?) ON CONFLICT DO NOTHING");
    for (const Point& p : points) insert.bind(scan.id, p.v_full, p.v_int, p.wb_full, p.wb_int).step();
  });
  std::string names;
  for (const std::string& name : impl_->wanted) names += (names.empty() ? "'" : ", '") + name + "'";
  auto find =
      impl_->statement(("SELECT id, finished IS NOT NULL, (SELECT count(*) FROM metrics WHERE point = points.id AND name IN (" + names +
                        ")), computed_as, overflowed IS 0, kept, arithmetic FROM points WHERE scan = ? AND v_full = ? AND v_int = ? AND "
                        "wb_full = ? AND wb_int = ?")
                           .c_str());
  std::vector<StoredPoint> planned;
  planned.reserve(points.size());
  for (const Point& p : points) {
    find.bind(scan.id, p.v_full, p.v_int, p.wb_full, p.wb_int).step();
    const bool measured = static_cast<std::size_t>(find.number(2)) == impl_->wanted.size();
    planned.push_back({find.number(0),
                       p,
                       find.number(1) != 0,
                       measured,
                       find.number(3),
                       find.number(4) != 0,
                       find.text(5),
                       {},
                       static_cast<int>(find.number(6))});
  }
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
    const std::scoped_lock lock(waiting_mutex);
    return std::exchange(waiting, {});
  };
  const auto any = [&] {
    const std::scoped_lock lock(waiting_mutex);
    return !waiting.empty();
  };
  // Asked again when the role is given up: who could not take it meanwhile left its point to this thread.
  while (any()) {
    const std::unique_lock writer(writer_mutex, std::try_to_lock);
    if (!writer) return;
    const std::vector<PointResult> points = take();
    const std::scoped_lock lock(mutex);
    transaction([&] {
      for (const PointResult& point : points) write_point(point);
    });
  }
}

void Store::Impl::write_point(const PointResult& point) {
  // Nothing of a result of another arithmetic stays: not the metrics that are not asked for today, nor layers that lose nothing now.
  for (const char* sql : {"DELETE FROM metrics WHERE point = ? AND (SELECT arithmetic FROM points WHERE id = point) IS NOT ?",
                          "DELETE FROM curves WHERE point = ? AND (SELECT arithmetic FROM points WHERE id = point) IS NOT ?"})
    prepared(sql)->bind(point.id, kArithmetic).step();
  prepared("DELETE FROM counts WHERE point = ?")->bind(point.id).step();
  const auto update = prepared(
      "UPDATE points SET computed_as = ?, overflowed = ?, counted = ?, types = ?, kernels = ?, kept = ?, seconds = ?, version = ?, "
      "arithmetic = ?, "
      "finished = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = ?");
  update
      ->bind(point.computed_as, point.overflowed ? 1 : 0, point.counted, point.types, point.kernels, point.kept, point.seconds,
             std::string(NARROW_VERSION), kArithmetic, point.id)
      .step();
  write_metrics(point.id, point.values, point.curves);
  const auto count = prepared("INSERT OR REPLACE INTO counts VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (const StoredCounts& c : point.counts) {
    const auto n = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    count
        ->bind(point.id, c.layer, n(c.values), n(c.overflows), n(c.sum_overflows), n(c.zeros), n(c.weights), n(c.weight_overflows),
               n(c.weight_zeros))
        .step();
  }
}

void Store::add_metrics(std::int64_t point, const std::vector<double>& values, const std::vector<std::vector<double>>& curves) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->transaction([&] { impl_->write_metrics(point, values, curves); });
}

std::vector<double> Store::values(std::int64_t point) const {
  const std::scoped_lock lock(impl_->mutex);
  const auto find = impl_->prepared("SELECT value FROM metrics WHERE point = ? AND name = ?");
  std::vector<double> values;
  for (const std::string& name : impl_->wanted) {
    values.push_back(find->bind(point, name).step() ? find->real(0) : std::numeric_limits<double>::quiet_NaN());
  }
  return values;
}

void Store::Impl::write_metrics(std::int64_t point, const std::vector<double>& values, const std::vector<std::vector<double>>& curves) {
  const auto metric = prepared("INSERT OR REPLACE INTO metrics(point, name, value) VALUES(?, ?, ?)");
  for (std::size_t i = 0; i < values.size(); ++i) metric->bind(point, wanted[i], values[i]).step();
  const auto curve = prepared("INSERT OR REPLACE INTO curves(point, name, \"values\") VALUES(?, ?, ?)");
  for (std::size_t i = 0; i < curves.size(); ++i) curve->bind(point, curve_names[i], json_of(curves[i])).step();
}

void Store::Impl::make_results_view() const {
  std::string columns;
  auto names = statement("SELECT name FROM metric_names ORDER BY rowid");
  while (names.step()) {
    const std::string name = names.text(0);
    columns += "(SELECT value FROM metrics WHERE point = points.id AND name = '" + name + "') AS \"" + name + "\", ";
  }
  run("DROP VIEW IF EXISTS results");
  run(("CREATE VIEW results AS SELECT models.label AS model, data.name AS data, options, v_full, v_int, wb_full, wb_int, "
       "v_full + wb_full AS bits, " +
       columns +
       "overflowed, points.id = computed_as AS computed, seconds, types, kernels, kept, version, arithmetic, finished, points.id AS point "
       "FROM points "
       "JOIN scans ON scans.id = scan JOIN models ON models.id = model JOIN data ON data.id = data WHERE finished IS NOT NULL")
          .c_str());
}

std::string fact_of_target(const std::string& data_name) { return "target of data" + (data_name.empty() ? "" : " " + data_name); }

void Store::set(const std::string& name, const std::string& value) {
  impl_->statement("INSERT OR REPLACE INTO study(name, value) VALUES(?, ?)").bind(name, value).step();
}

std::string Store::known(const std::string& name) const {
  auto find = impl_->statement("SELECT value FROM study WHERE name = ?");
  return find.bind(name).step() ? find.text(0) : "";
}

void Store::take(const std::string& folder) {
  const Store checked(folder, Mode::kRead);  // that it is a study, and one this narrow knows
  checked.impl_->attach_to(*impl_);
  const std::string own = std::to_string(kArithmetic);
  try {
    impl_->transaction([&] {
      auto other =
          impl_->statement("SELECT models.label FROM models JOIN part.models AS theirs USING(label) WHERE models.hash != theirs.hash");
      if (other.step()) throw Error(folder + ": its model " + other.text(0) + " is not the one of that name in the other parts");
      auto data = impl_->statement("SELECT data.path FROM data JOIN part.data AS theirs USING(name, shape) WHERE data.hash != theirs.hash");
      if (data.step()) throw Error(folder + ": its data " + data.text(0) + " are not those of that name in the other parts");
      auto target = impl_->statement(
          "SELECT theirs.value FROM study JOIN part.study AS theirs USING(name) WHERE name LIKE 'target of %' AND study.value != "
          "theirs.value");
      if (target.step()) throw Error(folder + ": it took the target as " + target.text(0) + ", other parts did not");
      impl_->run(
          "INSERT INTO study SELECT * FROM part.study WHERE name LIKE 'target of %' OR name = 'unit of the target' ON CONFLICT DO NOTHING");
      impl_->run(
          "INSERT INTO definitions(definition, command, version, started) SELECT definition, command, version, started "
          "FROM part.definitions WHERE true ON CONFLICT DO NOTHING");
      impl_->run(
          "INSERT INTO models(label, name, hash, parameters, multiplications) SELECT label, name, hash, parameters, multiplications "
          "FROM part.models WHERE true ON CONFLICT DO NOTHING");
      impl_->run(
          "INSERT INTO data(name, path, hash, samples, shape, preparation) SELECT name, path, hash, samples, shape, preparation "
          "FROM part.data WHERE true ON CONFLICT DO NOTHING");
      impl_->run("INSERT INTO metric_names SELECT * FROM part.metric_names WHERE true ON CONFLICT DO NOTHING");
      impl_->run(
          "INSERT INTO scans(model, data, options, folder) SELECT models.id, data.id, theirs.options, theirs.folder FROM part.scans AS "
          "theirs JOIN part.models AS m ON m.id = theirs.model JOIN models ON models.label = m.label JOIN part.data AS d ON d.id = "
          "theirs.data JOIN data ON data.name = d.name AND data.hash = d.hash WHERE true ON CONFLICT(model, data, options) DO NOTHING");
      impl_->run(
          "CREATE TEMP TABLE scan_pairs AS SELECT theirs.id AS theirs, scans.id AS ours FROM part.scans AS theirs "
          "JOIN part.models AS m ON m.id = theirs.model JOIN models ON models.label = m.label JOIN part.data AS d ON d.id = theirs.data "
          "JOIN data ON data.name = d.name AND data.hash = d.hash "
          "JOIN scans ON scans.model = models.id AND scans.data = data.id AND scans.options = theirs.options");
      impl_->run(
          "INSERT INTO float_metrics SELECT ours, name, value FROM part.float_metrics JOIN scan_pairs ON theirs = scan WHERE true ON "
          "CONFLICT DO NOTHING");
      impl_->run(
          "INSERT INTO float_curves SELECT ours, name, edges, samples, \"values\" FROM part.float_curves JOIN scan_pairs ON theirs = scan "
          "WHERE true ON CONFLICT DO NOTHING");
      impl_->run(
          "INSERT INTO points(scan, v_full, v_int, wb_full, wb_int) SELECT ours, v_full, v_int, wb_full, wb_int FROM part.points "
          "JOIN scan_pairs ON theirs = scan WHERE true ON CONFLICT DO NOTHING");
      impl_->run(
          ("CREATE TEMP TABLE pairs AS SELECT p.id AS theirs, p.computed_as AS answered_by, points.id AS ours, points.arithmetic IS NOT " +
           own +
           " AS wanted FROM part.points AS p JOIN scan_pairs ON scan_pairs.theirs = p.scan "
           "JOIN points ON points.scan = scan_pairs.ours AND points.v_full = p.v_full AND points.v_int = p.v_int "
           "AND points.wb_full = p.wb_full AND points.wb_int = p.wb_int WHERE p.arithmetic IS " +
           own)
              .c_str());
      impl_->run("CREATE INDEX temp.by_theirs ON pairs(theirs)");
      for (const std::string table : {"metrics", "curves", "counts"}) {
        const std::string columns = table == "metrics"  ? "m.name, m.value"
                                    : table == "curves" ? "m.name, m.\"values\""
                                                        : "m.layer, m.\"values\", m.overflows, m.sum_overflows, m.zeros, m.weights, "
                                                          "m.weight_overflows, m.weight_zeros";
        impl_->run(("DELETE FROM " + table + " WHERE point IN (SELECT ours FROM pairs WHERE wanted)").c_str());
        impl_->run(("INSERT OR IGNORE INTO " + table + " SELECT pairs.ours, " + columns + " FROM pairs JOIN part." + table +
                    " AS m ON m.point = pairs.theirs")
                       .c_str());
      }
      impl_->run(
          "UPDATE points SET (computed_as, overflowed, counted, types, kernels, kept, seconds, version, arithmetic, finished) = "
          "(SELECT leader.ours, p.overflowed, p.counted, p.types, p.kernels, p.kept, p.seconds, p.version, p.arithmetic, p.finished FROM "
          "pairs "
          "JOIN part.points AS p ON p.id = pairs.theirs LEFT JOIN pairs AS leader ON leader.theirs = pairs.answered_by "
          "WHERE pairs.ours = points.id) WHERE id IN (SELECT ours FROM pairs WHERE wanted)");
      impl_->run(
          "INSERT INTO profiles SELECT ours, position, layer, kind, quantiles, zeros, negative FROM part.profiles JOIN scan_pairs ON "
          "theirs = scan WHERE true ON CONFLICT DO NOTHING");
      for (const char* table : {"DROP TABLE scan_pairs", "DROP TABLE pairs"}) impl_->run(table);
      impl_->make_results_view();
    });
  } catch (...) {
    impl_->run("DETACH part");
    throw;
  }
  impl_->run("DETACH part");
}

std::vector<Scan> Store::scans() const {
  std::vector<Scan> scans;
  auto find = impl_->statement((std::string(kScans) + "ORDER BY scans.id").c_str());
  while (find.step()) scans.push_back(scan_from(find));
  return scans;
}

std::vector<MetricName> Store::metrics() const {
  std::vector<MetricName> names;
  auto find = impl_->statement("SELECT name, unit, meaning FROM metric_names ORDER BY rowid");
  while (find.step()) names.push_back({find.text(0), find.text(1), find.text(2)});
  return names;
}

std::vector<StoredPoint> Store::points(const Scan& scan, const std::vector<std::string>& metrics) const {
  std::vector<StoredPoint> points;
  auto find = impl_->statement(
      "SELECT id, v_full, v_int, wb_full, wb_int, finished IS NOT NULL, computed_as, overflowed IS 0, kept, arithmetic FROM points WHERE "
      "scan = ? "
      "ORDER BY v_full, v_int, wb_full, wb_int");
  auto value = impl_->statement("SELECT value FROM metrics WHERE point = ? AND name = ?");
  for (find.bind(scan.id); find.step();) {
    const auto bits = [&](int column) { return static_cast<int>(find.number(column)); };
    StoredPoint point{find.number(0),
                      {bits(1), bits(2), bits(3), bits(4)},
                      find.number(5) != 0,
                      false,
                      find.number(6),
                      find.number(7) != 0,
                      find.text(8),
                      {},
                      static_cast<int>(find.number(9))};
    for (const std::string& name : metrics) {
      point.values.push_back(value.bind(point.id, name).step() ? value.real(0) : std::numeric_limits<double>::quiet_NaN());
    }
    points.push_back(std::move(point));
  }
  return points;
}

std::vector<Store::KnownDefinition> Store::definitions() const {
  std::vector<KnownDefinition> all;
  auto find = impl_->statement("SELECT definition, command, version, started FROM definitions ORDER BY id");
  while (find.step()) all.push_back({find.text(0), find.text(1), find.text(2), find.text(3)});
  return all;
}

std::map<std::string, double> Store::float_metrics(const Scan& scan) const {
  std::map<std::string, double> metrics;
  auto find = impl_->statement("SELECT name, value FROM float_metrics WHERE scan = ?");
  for (find.bind(scan.id); find.step();) metrics[find.text(0)] = find.real(1);
  return metrics;
}

std::vector<double> Store::Impl::numbers(const Statement& row, int column) const {
  const nlohmann::json json = nlohmann::json::parse(row.text(column), nullptr, false);
  if (!json.is_array()) throw damaged(row, column);
  std::vector<double> numbers;
  for (const nlohmann::json& each : json) {
    if (!each.is_null() && !each.is_number()) throw damaged(row, column);
    numbers.push_back(each.is_null() ? std::numeric_limits<double>::quiet_NaN() : each.get<double>());
  }
  return numbers;
}

std::vector<Curve> Store::float_curves(const Scan& scan) const {
  std::vector<Curve> curves;
  auto find = impl_->statement("SELECT name, edges, samples, \"values\" FROM float_curves WHERE scan = ? ORDER BY name");
  for (find.bind(scan.id); find.step();) {
    Curve curve{find.text(0), impl_->numbers(find, 1), {}, impl_->numbers(find, 3)};
    constexpr double kMost = 0x1p53;
    for (const double count : impl_->numbers(find, 2)) {
      if (!(count >= 0 && count <= kMost)) throw impl_->damaged(find, 2);
      curve.samples.push_back(static_cast<std::size_t>(count));
    }
    if (curve.samples.size() != curve.values.size()) throw impl_->damaged(find, 2);
    if (curve.edges.size() != curve.values.size() + 1) throw impl_->damaged(find, 1);
    curves.push_back(std::move(curve));
  }
  return curves;
}

std::vector<Profile> Store::profile(const Scan& scan) const {
  std::vector<Profile> profiles;
  auto find = impl_->statement("SELECT layer, kind, quantiles, zeros, negative FROM profiles WHERE scan = ? ORDER BY position");
  for (find.bind(scan.id); find.step();) {
    profiles.push_back({find.text(0), find.text(1), impl_->numbers(find, 2), find.real(3), find.number(4) != 0});
    const std::size_t shares = profiles.back().quantiles.size();
    if (shares != 0 && shares != std::size(kProfileShares)) throw impl_->damaged(find, 2);
  }
  return profiles;
}

std::map<std::string, std::vector<double>> Store::curves(const StoredPoint& point) const {
  std::map<std::string, std::vector<double>> curves;
  auto find = impl_->statement(
      "SELECT curves.name, curves.\"values\", float_curves.\"values\" FROM curves JOIN points ON points.id = point "
      "JOIN float_curves ON float_curves.scan = points.scan AND float_curves.name = curves.name WHERE point = ?");
  for (find.bind(point.computed_as); find.step();) {
    std::vector<double> values = impl_->numbers(find, 1);
    if (values.size() != impl_->numbers(find, 2).size()) throw impl_->damaged(find, 1);
    curves[find.text(0)] = std::move(values);
  }
  return curves;
}

std::vector<StoredCounts> Store::counts(const StoredPoint& point) const {
  std::vector<StoredCounts> counts;
  auto find = impl_->statement(
      "SELECT layer, \"values\", overflows, sum_overflows, zeros, weights, weight_overflows, weight_zeros FROM counts WHERE point = ?");
  const auto n = [&](int column) { return static_cast<std::uint64_t>(find.number(column)); };
  for (find.bind(point.computed_as); find.step();) counts.push_back({find.text(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7)});
  return counts;
}

std::size_t Store::counted(const StoredPoint& point) const {
  auto find = impl_->statement("SELECT counted FROM points WHERE id = ?");
  return find.bind(point.computed_as).step() ? static_cast<std::size_t>(find.number(0)) : 0;
}

namespace {

// {"phi1": {"result_t": "fixed<16,6,TRN,WRAP,0>", ...}, ...}
bool holds_types(const std::string& text) {
  const nlohmann::json layers = nlohmann::json::parse(text, nullptr, false);
  if (!layers.is_object()) return false;
  for (const nlohmann::json& layer : layers) {
    if (!layer.is_object()) return false;
    for (const nlohmann::json& type : layer) {
      if (!type.is_string()) return false;
      try {
        parse_format(type.get<std::string>());
      } catch (const Error&) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

std::string Store::types(const StoredPoint& point) const {
  auto find = impl_->statement("SELECT types FROM points WHERE id = ?");
  if (!find.bind(point.id).step() || find.text(0).empty()) return "";
  if (!holds_types(find.text(0))) throw impl_->damaged(find, 0);
  return find.text(0);
}

}  // namespace narrow
