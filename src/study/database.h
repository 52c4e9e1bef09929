#ifndef NARROW_STUDY_DATABASE_H_
#define NARROW_STUDY_DATABASE_H_

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "error.h"

namespace narrow {

// One SQL statement. Every failure is an Error that names the file.
class Statement {
 public:
  Statement(sqlite3* database, std::string path, const std::string& sql);
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
  bool step();
  std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
  std::size_t size(int column) const { return static_cast<std::size_t>(number(column)); }
  double real(int column) const;  // NULL is NaN
  std::string text(int column) const;
  Error damaged(int column) const;  // of a value that narrow does not write
  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

 private:
  void bind_one(int at, std::int64_t value) { sqlite3_bind_int64(statement_, at, value); }
  void bind_one(int at, int value) { sqlite3_bind_int64(statement_, at, value); }
  void bind_one(int at, std::size_t value) { sqlite3_bind_int64(statement_, at, static_cast<std::int64_t>(value)); }
  void bind_one(int at, double value) { sqlite3_bind_double(statement_, at, value); }  // NaN becomes NULL
  void bind_one(int at, const std::string& value) { sqlite3_bind_text(statement_, at, value.c_str(), -1, SQLITE_TRANSIENT); }
  void bind_one(int at, std::nullptr_t) { sqlite3_bind_null(statement_, at); }

  void check(bool good, sqlite3* database) const;

  std::string path_;
  sqlite3_stmt* statement_ = nullptr;
};

// A connection to one SQLite file. (Not SQLiteCpp: its exceptions would have to be caught around every call, for a message that names the
// file and what to do, and it binds neither sizes nor NaN.)
class Database {
 public:
  Database(std::string path, bool write);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  const std::string& path() const { return path_; }
  void run(const std::string& sql) const;
  void script(const std::string& sql) const;  // several statements
  std::int64_t number(const std::string& sql) const;
  Statement statement(const std::string& sql) const { return {database_, path_, sql}; }

  // The same for what every point needs: prepared once. For one at a time; reset when it is let go.
  struct Reset {
    void operator()(Statement* statement) const { statement->reset(); }
  };
  using Prepared = std::unique_ptr<Statement, Reset>;
  Prepared prepared(const std::string& sql);

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

  // Goes on with a copy in memory: the file stays as it is.
  void to_memory();
  // As the schema `part` of another connection, until `run("DETACH part")` there.
  void attach_to(const Database& other) const;

 private:
  void copy_to(sqlite3* other, const char* schema) const;

  std::string path_;
  bool write_, in_memory_ = false;
  sqlite3* database_ = nullptr;
  std::map<std::string, std::unique_ptr<Statement>> prepared_;  // by their SQL
};

}  // namespace narrow

#endif  // NARROW_STUDY_DATABASE_H_
