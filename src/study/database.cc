#include "study/database.h"

#include <limits>
#include <utility>

namespace narrow {

Statement::Statement(sqlite3* database, std::string path, const std::string& sql) : path_(std::move(path)) {
  check(sqlite3_prepare_v2(database, sql.c_str(), -1, &statement_, nullptr) == SQLITE_OK, database);
}

bool Statement::step() {
  const int status = sqlite3_step(statement_);
  check(status == SQLITE_ROW || status == SQLITE_DONE, sqlite3_db_handle(statement_));
  return status == SQLITE_ROW;
}

double Statement::real(int column) const {
  return is_null(column) ? std::numeric_limits<double>::quiet_NaN() : sqlite3_column_double(statement_, column);
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return bytes == nullptr ? "" : bytes;
}

Error Statement::damaged(int column) const {
  return Error(path_ + ": it is damaged: " + sqlite3_column_name(statement_, column) + " is not as narrow writes it");
}

void Statement::check(bool good, sqlite3* database) const {
  if (good) return;
  const int code = sqlite3_errcode(database);
  const std::string why = sqlite3_errmsg(database);
  if (code == SQLITE_FULL || code == SQLITE_IOERR) throw Error(path_ + ": writing failed (" + why + "); is the disk full?");
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) throw Error(path_ + ": it is damaged, or not a study of narrow (" + why + ")");
  // What a run that was cut off left in its journal is to be undone first, which only a run may do.
  if (code == SQLITE_READONLY)
    throw Error(path_ + ": an interrupted run left it in pieces; the same narrow run or sweep repairs and resumes it");
  throw Error(path_ + ": " + why);
}

Database::Database(std::string path, bool write) : path_(std::move(path)), write_(write) {
  const int flags = write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  if (sqlite3_open_v2(path_.c_str(), &database_, flags, nullptr) != SQLITE_OK) {
    const std::string why = sqlite3_errmsg(database_);
    sqlite3_close(database_);
    throw Error(path_ + ": it cannot be opened: " + why);
  }
  constexpr int kMilliseconds = 10'000;
  sqlite3_busy_timeout(database_, kMilliseconds);
}

Database::~Database() {
  // One plain file again, which can be read where nothing can be written; not while others read.
  if (write_) {
    sqlite3_busy_timeout(database_, 0);
    sqlite3_exec(database_, "PRAGMA journal_mode=DELETE", nullptr, nullptr, nullptr);
  }
  prepared_.clear();
  sqlite3_close(database_);
}

void Database::run(const std::string& sql) const {
  Statement run = statement(sql);
  while (run.step()) {
  }
}

void Database::script(const std::string& sql) const {
  if (sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    throw Error(path_ + ": its tables cannot be written: " + sqlite3_errmsg(database_));
  }
}

std::int64_t Database::number(const std::string& sql) const {
  Statement find = statement(sql);
  return find.step() ? find.number(0) : 0;
}

Database::Prepared Database::prepared(const std::string& sql) {
  auto& known = prepared_[sql];
  if (!known) known = std::make_unique<Statement>(database_, path_, sql);
  return Prepared(known.get());
}

void Database::copy_to(sqlite3* other, const char* schema) const {
  sqlite3_backup* backup = sqlite3_backup_init(other, schema, database_, "main");
  const bool copied = backup != nullptr && sqlite3_backup_step(backup, -1) == SQLITE_DONE;
  sqlite3_backup_finish(backup);
  if (!copied) throw Error(path_ + ": it cannot be read: " + sqlite3_errmsg(other));
}

void Database::to_memory() {
  sqlite3* memory = nullptr;
  sqlite3_open(":memory:", &memory);
  try {
    copy_to(memory, "main");
  } catch (...) {
    sqlite3_close(memory);
    throw;
  }
  prepared_.clear();
  sqlite3_close(std::exchange(database_, memory));
  in_memory_ = true;
}

void Database::attach_to(const Database& other) const {
  other.statement("ATTACH ? AS part").bind(in_memory_ ? ":memory:" : path_).step();
  if (in_memory_) copy_to(other.database_, "part");
}

}  // namespace narrow
