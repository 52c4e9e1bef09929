#include "study/store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <limits>
#include <mutex>
#include <set>
#include <utility>

#include "data/hash.h"
#include "error.h"

namespace narrow {
namespace {

// Of the tables below; larger where an older narrow could not read them.
constexpr int kSchema = 1;
// "narr": tells a study from other SQLite files.
constexpr int kApplication = 0x6e617272;

constexpr const char* kTables = R"(
CREATE TABLE study(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE models(
  id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE, name TEXT NOT NULL, hash TEXT NOT NULL,
  parameters INTEGER NOT NULL, multiplications INTEGER NOT NULL);
CREATE TABLE data(
  id INTEGER PRIMARY KEY, path TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, samples INTEGER NOT NULL, shape TEXT NOT NULL,
  preparation TEXT NOT NULL);
CREATE TABLE points(
  id INTEGER PRIMARY KEY, model INTEGER NOT NULL REFERENCES models, data INTEGER NOT NULL REFERENCES data,
  v_full INTEGER NOT NULL, v_int INTEGER NOT NULL, wb_full INTEGER NOT NULL, wb_int INTEGER NOT NULL, options TEXT NOT NULL,
  computed_as INTEGER REFERENCES points, clean INTEGER, types TEXT, kernels TEXT, seconds REAL, version TEXT, finished TEXT,
  UNIQUE(model, data, v_full, v_int, wb_full, wb_int, options));
CREATE TABLE metrics(
  point INTEGER NOT NULL REFERENCES points, name TEXT NOT NULL, value REAL, PRIMARY KEY(point, name)) WITHOUT ROWID;
CREATE VIEW results AS
  SELECT models.label AS model, v_full, v_int, wb_full, wb_int, v_full + wb_full AS bits, options,
    (SELECT value FROM metrics WHERE point = points.id AND name = 'mae') AS mae,
    (SELECT value FROM metrics WHERE point = points.id AND name = 'mpe') AS mpe,
    (SELECT value FROM metrics WHERE point = points.id AND name = 'rmse') AS rmse,
    (SELECT value FROM metrics WHERE point = points.id AND name = 'bias') AS bias,
    (SELECT value FROM metrics WHERE point = points.id AND name = 'largest') AS largest,
    points.id = computed_as AS computed, seconds, types, kernels, finished, points.id AS point
  FROM points JOIN models ON models.id = points.model WHERE finished IS NOT NULL;
CREATE VIEW progress AS
  SELECT models.label AS model, count(*) AS points, count(finished) AS finished
  FROM points JOIN models ON models.id = points.model GROUP BY models.id;
)";

struct NamedMetric {
  const char* name;
  double Metrics::*value;
};
constexpr std::array<NamedMetric, 5> kMetrics = {
    {{"mae", &Metrics::mae}, {"mpe", &Metrics::mpe}, {"rmse", &Metrics::rmse}, {"bias", &Metrics::bias}, {"largest", &Metrics::largest}}};

// Of what a study's result depends on.
std::string hash_of(const Model& model) {
  Hash hash;
  for (const Layer& layer : model.layers) {
    hash.add(layer.name);
    hash.add(layer.op.index());
    for (const int input : layer.inputs) hash.add(static_cast<std::uint64_t>(input));
    for (const int d : layer.shape) hash.add(static_cast<std::uint64_t>(d));
    if (const auto* dense = as<DenseOp>(layer)) {
      hash.add(dense->kernel);
      hash.add(dense->bias);
    } else if (const auto* norm = as<BatchNormOp>(layer)) {
      for (const auto* values : {&norm->gamma, &norm->beta, &norm->mean, &norm->variance}) hash.add(*values);
      hash.add(std::vector<float>{norm->epsilon});
    }
  }
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
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) throw Error(path_ + ": it is damaged, or no study of narrow's (" + why + ")");
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
  void transaction(const Work& work) const {
    run("BEGIN IMMEDIATE");
    try {
      work();
      run("COMMIT");
    } catch (...) {
      sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
      throw;
    }
  }

  Statement statement(const char* sql) const { return {database_, path_, sql}; }

  std::mutex mutex;

 private:
  void prepare(bool exists) {
    sqlite3_busy_timeout(database_, 10'000);
    if (exists && number("SELECT count(*) FROM sqlite_master") > 0) {
      if (number("PRAGMA application_id") != kApplication) throw Error(path_ + ": it is an SQLite file, but no study of narrow's");
      const std::int64_t schema = number("PRAGMA user_version");
      if (schema > kSchema) {
        throw Error(path_ + ": it was written by a newer narrow (tables of version " + std::to_string(schema) + ", this one knows " +
                    std::to_string(kSchema) + "); it is left as it is");
      }
    } else if (mode_ == Mode::kRead) {
      throw Error(path_ + ": it holds no study yet");
    } else {
      // A crash loses nothing that is committed, a power cut at most the last moments, which are computed again.
      run("PRAGMA journal_mode=WAL");
      transaction([&] {
        if (sqlite3_exec(database_, kTables, nullptr, nullptr, nullptr) != SQLITE_OK) {
          throw Error(path_ + ": its tables cannot be made: " + sqlite3_errmsg(database_));
        }
        run(("PRAGMA application_id=" + std::to_string(kApplication)).c_str());
        run(("PRAGMA user_version=" + std::to_string(kSchema)).c_str());
      });
    }
    if (mode_ == Mode::kWrite) run("PRAGMA synchronous=NORMAL");
  }

  // One writer: the operating system gives the lock back however the program ends.
  void lock(const std::string& folder) {
    const std::string path = folder + "/study.lock";
    lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock_ < 0) throw Error(path + ": it cannot be written; does its folder exist, and may you write there?");
    std::array<char, 256> text{};
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
      const ssize_t got = ::read(lock_, text.data(), text.size() - 1);
      ::close(lock_);
      lock_ = -1;
      throw Error(folder + ": the study is being run by " + (got > 0 ? text.data() : "another narrow") +
                  "; wait for it, or look with narrow status");
    }
    std::array<char, 128> host{};
    gethostname(host.data(), host.size() - 1);
    const int size = std::snprintf(text.data(), text.size(), "process %d on %s", static_cast<int>(getpid()), host.data());
    if (ftruncate(lock_, 0) != 0 || ::write(lock_, text.data(), static_cast<std::size_t>(size)) != size) {
      throw Error(path + ": writing failed; is the disk full?");
    }
  }

  void close() {
    if (database_ != nullptr) sqlite3_close(database_);
    database_ = nullptr;
    if (lock_ >= 0) ::close(lock_);
    lock_ = -1;
  }

  std::string path_;
  Mode mode_;
  sqlite3* database_ = nullptr;
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

std::int64_t Store::add_data(const Dataset& data) {
  const std::string hash = hash_of(data);
  auto find = impl_->statement("SELECT id, hash FROM data WHERE path = ? AND shape = ?");
  if (find.bind(data.path, to_string(data.shape)).step()) {
    if (find.text(1) != hash) {
      throw Error(data.path + ": it is not the data with which this study began (or other --samples of it); give another --out");
    }
    return find.number(0);
  }
  auto same = impl_->statement("SELECT id FROM data WHERE hash = ?");
  if (same.bind(hash).step()) return same.number(0);
  auto insert = impl_->statement("INSERT INTO data(path, hash, samples, shape, preparation) VALUES(?, ?, ?, ?, ?) RETURNING id");
  insert.bind(data.path, hash, data.size, to_string(data.shape), data.preparation).step();
  const std::int64_t id = insert.number(0);
  insert.step();
  return id;
}

namespace {

// From the columns of kPointColumns.
constexpr const char* kPointColumns =
    "SELECT id, v_full, v_int, wb_full, wb_int, finished IS NOT NULL, computed_as, clean, seconds FROM points ";

StoredPoint point_from(const Statement& row) {
  StoredPoint point;
  point.id = row.number(0);
  const auto bits = [&](int column) { return static_cast<int>(row.number(column)); };
  point.point = {bits(1), bits(2), bits(3), bits(4)};
  point.finished = row.number(5) != 0;
  point.computed_as = row.number(6);
  point.clean = row.number(7) != 0;
  point.seconds = row.real(8);
  return point;
}

void read_metrics(Statement& find, StoredPoint& point) {
  for (find.bind(point.id); find.step();) {
    const std::string name = find.text(0);
    if (name == "left_out") point.metrics.left_out = static_cast<std::size_t>(find.number(1));
    for (const NamedMetric& metric : kMetrics) {
      if (name == metric.name) point.metrics.*metric.value = find.real(1);
    }
  }
}

constexpr const char* kPointMetrics = "SELECT name, value FROM metrics WHERE point = ?";

}  // namespace

std::vector<StoredPoint> Store::plan(std::int64_t model, std::int64_t data, const std::vector<Point>& points, const std::string& options) {
  std::vector<StoredPoint> planned;
  impl_->transaction([&] {
    auto insert = impl_->statement(
        "INSERT INTO points(model, data, v_full, v_int, wb_full, wb_int, options) VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING");
    auto find =
        impl_->statement((std::string(kPointColumns) + "WHERE model = ? AND data = ? AND v_full = ? AND v_int = ? AND wb_full = ? AND "
                                                       "wb_int = ? AND options = ?")
                             .c_str());
    auto find_metrics = impl_->statement(kPointMetrics);
    for (const Point& point : points) {
      insert.bind(model, data, point.v_full, point.v_int, point.wb_full, point.wb_int, options).step();
      find.bind(model, data, point.v_full, point.v_int, point.wb_full, point.wb_int, options).step();
      planned.push_back(point_from(find));
      if (planned.back().finished) read_metrics(find_metrics, planned.back());
    }
  });
  return planned;
}

void Store::finish(const StoredPoint& point, const std::string& types, const std::string& kernels) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->transaction([&] {
    auto update = impl_->statement(
        "UPDATE points SET computed_as = ?, clean = ?, types = ?, kernels = ?, seconds = ?, version = ?, "
        "finished = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = ?");
    update.bind(point.computed_as, point.clean ? 1 : 0, types, kernels, point.seconds, std::string(NARROW_VERSION), point.id).step();
    auto insert = impl_->statement("INSERT OR REPLACE INTO metrics(point, name, value) VALUES(?, ?, ?)");
    for (const NamedMetric& metric : kMetrics) insert.bind(point.id, std::string(metric.name), point.metrics.*metric.value).step();
    insert.bind(point.id, std::string("left_out"), point.metrics.left_out).step();
  });
}

void Store::set(const std::string& name, const std::string& value) {
  impl_->statement("INSERT OR REPLACE INTO study(name, value) VALUES(?, ?)").bind(name, value).step();
}

std::string Store::known(const std::string& name) const {
  auto find = impl_->statement("SELECT value FROM study WHERE name = ?");
  return find.bind(name).step() ? find.text(0) : "";
}

void Store::take(const std::string& folder) {
  const Store checked(folder, Mode::kRead);  // that it is a study, and one this narrow knows
  impl_->statement("ATTACH ? AS part").bind(folder + "/study.db").step();
  try {
    impl_->transaction([&] {
      auto other =
          impl_->statement("SELECT models.label FROM models JOIN part.models AS theirs USING(label) WHERE models.hash != theirs.hash");
      if (other.step()) throw Error(folder + ": its model " + other.text(0) + " is not the one of that name in the other parts");
      auto data = impl_->statement("SELECT data.path FROM data JOIN part.data AS theirs USING(path, shape) WHERE data.hash != theirs.hash");
      if (data.step()) throw Error(folder + ": its data " + data.text(0) + " are not those of that name in the other parts");
      impl_->run(
          "INSERT INTO models(label, name, hash, parameters, multiplications) SELECT label, name, hash, parameters, multiplications "
          "FROM part.models WHERE true ON CONFLICT DO NOTHING");
      impl_->run(
          "INSERT INTO data(path, hash, samples, shape, preparation) SELECT path, hash, samples, shape, preparation "
          "FROM part.data WHERE true ON CONFLICT DO NOTHING");
      impl_->run(
          "CREATE TEMP TABLE same AS SELECT theirs.id AS theirs, theirs.computed_as AS answered_by, models.id AS model, data.id AS data "
          "FROM part.points AS theirs JOIN part.models AS m ON m.id = theirs.model JOIN models ON models.label = m.label "
          "JOIN part.data AS d ON d.id = theirs.data JOIN data ON data.hash = d.hash");
      impl_->run(
          "INSERT INTO points(model, data, v_full, v_int, wb_full, wb_int, options) "
          "SELECT same.model, same.data, v_full, v_int, wb_full, wb_int, options FROM same JOIN part.points AS p ON p.id = same.theirs "
          "WHERE true ON CONFLICT DO NOTHING");
      impl_->run(
          "CREATE TEMP TABLE pairs AS SELECT same.theirs, same.answered_by, points.id AS ours, points.finished IS NULL AS wanted "
          "FROM same JOIN part.points AS p ON p.id = same.theirs JOIN points ON points.model = same.model AND points.data = same.data "
          "AND points.v_full = p.v_full AND points.v_int = p.v_int AND points.wb_full = p.wb_full AND points.wb_int = p.wb_int "
          "AND points.options = p.options WHERE p.finished IS NOT NULL");
      impl_->run("CREATE INDEX temp.by_theirs ON pairs(theirs)");
      impl_->run(
          "INSERT OR REPLACE INTO metrics SELECT pairs.ours, name, value FROM pairs JOIN part.metrics AS m ON m.point = pairs.theirs WHERE "
          "wanted");
      impl_->run(
          "UPDATE points SET (computed_as, clean, types, kernels, seconds, version, finished) = "
          "(SELECT leader.ours, p.clean, p.types, p.kernels, p.seconds, p.version, p.finished FROM pairs "
          "JOIN part.points AS p ON p.id = pairs.theirs LEFT JOIN pairs AS leader ON leader.theirs = pairs.answered_by WHERE pairs.ours = "
          "points.id) "
          "WHERE id IN (SELECT ours FROM pairs WHERE wanted)");
      impl_->run("DROP TABLE same");
      impl_->run("DROP TABLE pairs");
    });
  } catch (...) {
    impl_->run("DETACH part");
    throw;
  }
  impl_->run("DETACH part");
}

std::vector<Store::ModelRow> Store::models() const {
  std::vector<ModelRow> rows;
  auto find = impl_->statement(
      "SELECT id, label, name, parameters, (SELECT max(samples) FROM data WHERE id IN (SELECT data FROM points WHERE model = models.id)) "
      "FROM models ORDER BY id");
  while (find.step()) {
    rows.push_back(
        {find.number(0), find.text(1), find.text(2), static_cast<std::size_t>(find.number(3)), static_cast<std::size_t>(find.number(4))});
  }
  return rows;
}

std::vector<StoredPoint> Store::points(std::int64_t model) const {
  std::vector<StoredPoint> points;
  auto find = impl_->statement((std::string(kPointColumns) + "WHERE model = ? ORDER BY id").c_str());
  auto find_metrics = impl_->statement(kPointMetrics);
  for (find.bind(model); find.step();) {
    points.push_back(point_from(find));
    if (points.back().finished) read_metrics(find_metrics, points.back());
  }
  return points;
}

}  // namespace narrow
