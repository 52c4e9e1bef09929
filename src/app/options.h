#ifndef NARROW_APP_OPTIONS_H_
#define NARROW_APP_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "error.h"
#include "precision/precision.h"
#include "precision/words.h"

namespace narrow {

// An option's value is malformed, or options do not go together: exit status 2, where what the input says is wrong has 1.
class UsageError : public Error {
 public:
  using Error::Error;
};

// A parser's result; what it refuses is wrong usage.
template <class Parse>
auto usage(const Parse& parse) {
  try {
    return parse();
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
}

// Checks of options' values, whose messages are one short line.
const CLI::Validator& positive();
const CLI::Validator& not_negative();
// Of --below, as far as it can be told without a study (study/best.h, parse_bounds).
const CLI::Validator& bounds();

// Throws UsageError for a command or an option that does not exist, with the nearest that does.
void check_words(const CLI::App& app, int argc, const char* const* argv);

// PRECISION of the command line: --v, --wb, --types, --relu, --maximum, or --precision FILE.
class PrecisionArguments {
 public:
  void add_to(CLI::App& command);
  // --types, --relu and --maximum alone, for commands that take --v and --wb as ranges.
  std::vector<CLI::Option*> add_modes_to(CLI::App& command);

  bool given() const { return !words_.vector.empty() || !file_.empty(); }
  // --types, --relu and --maximum as options; `vector` and `weight` as given, or left alone.
  PrecisionOptions options() const;
  // --precision, or nothing.
  std::vector<std::string> files() const { return file_.empty() ? std::vector<std::string>() : std::vector{file_}; }
  // The model's types, with notes on what looks like a mistake. Requires given().
  Resolved resolve_for(const Model& model) const;

 private:
  PrecisionWords words_;
  std::string file_;
};

// Settings of the whole program.
struct Globals {
  bool quiet = false;
  int threads = 0;      // 0: all cores
  bool driven = false;  // by another program
  std::string command;  // the whole line that was typed
};

// A word of a command line as a shell takes it, in quotes where it needs them.
std::string shell_quoted(const std::string& word);

// Each command's arguments and work; defined in the file of its name.
void add_generate(CLI::App& app, const Globals& globals);
void add_prepare(CLI::App& app, const Globals& globals);
void add_train(CLI::App& app, const Globals& globals);
void add_show(CLI::App& app, const Globals& globals);
void add_cost(CLI::App& app, const Globals& globals);
void add_predict(CLI::App& app, const Globals& globals);
void add_trace(CLI::App& app, const Globals& globals);
void add_profile(CLI::App& app, const Globals& globals);
void add_sweep(CLI::App& app, const Globals& globals);
void add_search(CLI::App& app, const Globals& globals);
void add_recover(CLI::App& app, const Globals& globals);
void add_run(CLI::App& app, const Globals& globals);
void add_merge(CLI::App& app, const Globals& globals);
void add_status(CLI::App& app, const Globals& globals);
void add_best(CLI::App& app, const Globals& globals);
void add_export(CLI::App& app, const Globals& globals);
void add_report(CLI::App& app, const Globals& globals);
void add_compare(CLI::App& app, const Globals& globals);
void add_bench(CLI::App& app, const Globals& globals);

}  // namespace narrow

#endif  // NARROW_APP_OPTIONS_H_
