#include <oneapi/tbb/global_control.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <new>
#include <optional>
#include <string>

#include "app/interrupt.h"
#include "app/options.h"
#include "app/progress.h"
#include "error.h"
#include "study/run.h"

namespace {

// One line, whatever names it quotes.
int report(std::string message) {
  std::replace_if(
      message.begin(), message.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  std::fprintf(stderr, "narrow: error: %s\n", message.c_str());
  return 1;
}

constexpr int kWrongUsage = 2;

// Whatever is thrown ends in one line and exit status 1. Errors are thrown where the cause is known; what else comes here is a fault of
// narrow's own, and is said to be one.
int report_current_exception() {
  try {
    throw;
  } catch (const narrow::UsageError& error) {
    report(error.what());
    return kWrongUsage;
  } catch (const narrow::Error& error) {
    return report(error.what());
  } catch (const narrow::Interrupted&) {
    std::fprintf(stderr, "\nnarrow: stopped: what is done is kept; the same command resumes from there\n");
    constexpr int kBySigint = 130;
    return kBySigint;
  } catch (const std::bad_alloc&) {
    return report("there is not enough memory; try fewer samples with --samples");
  } catch (const std::filesystem::filesystem_error& error) {
    return report(error.path1().string() + ": " + error.code().message());
  } catch (const std::exception& error) {
    return report(std::string("an unexpected error, which is a fault of narrow; please report it with your command: ") + error.what());
  } catch (...) {
    return report("an unexpected error, which is a fault of narrow; please report it with your command");
  }
}

// An exception that leaves a destructor or a thread: no way back, but the same line.
[[noreturn]] void on_terminate() {
  const int status = std::current_exception() == nullptr ? report("it was terminated, which is a fault of narrow; please report it")
                                                         : report_current_exception();
  std::_Exit(status);
}

int run(int argc, char** argv) {
  CLI::App app("How few bits does your trigger network need? Runs Keras networks in fixed point, bit for bit as hls4ml's C++ would.",
               "narrow");
  narrow::Globals globals;
  for (int i = 0; i < argc; ++i) {
    if (std::string(argv[i]) != "--driven") globals.command += (i > 0 ? " " : "") + narrow::shell_quoted(argv[i]);
  }
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", NARROW_VERSION);
  app.add_flag("--quiet", globals.quiet, "print nothing but errors");
  app.add_option("--threads", globals.threads, "cores to use; all where it is not given")->check(narrow::positive());
  app.add_flag("--driven", globals.driven,
               "for programs that start narrow: progress twice a second, as lines, and the end of standard input stops it as Ctrl-C does");
  // Commands run from their callbacks, after the whole line is parsed; the number of threads must be set before.
  std::optional<tbb::global_control> threads;
  app.parse_complete_callback([&] {
    if (globals.threads > 0) threads.emplace(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(globals.threads));
    if (!globals.driven) return;
    constexpr double kDrivenSeconds = 0.5;
    narrow::Progress::set_line_seconds(kDrivenSeconds);
    narrow::stop_at_end_of_input();
  });
  narrow::add_generate(app, globals);
  narrow::add_prepare(app, globals);
  narrow::add_train(app, globals);
  narrow::add_show(app, globals);
  narrow::add_cost(app, globals);
  narrow::add_predict(app, globals);
  narrow::add_trace(app, globals);
  narrow::add_profile(app, globals);
  narrow::add_sweep(app, globals);
  narrow::add_search(app, globals);
  narrow::add_recover(app, globals);
  narrow::add_run(app, globals);
  narrow::add_merge(app, globals);
  narrow::add_status(app, globals);
  narrow::add_best(app, globals);
  narrow::add_export(app, globals);
  narrow::add_report(app, globals);
  narrow::add_compare(app, globals);
  narrow::add_bench(app, globals);
  narrow::check_words(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {  // --help, --version
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    const std::vector<CLI::App*> commands = app.get_subcommands();
    report(std::string(error.what()) + "; narrow " + (commands.empty() ? "" : commands.front()->get_name() + " ") + "--help has the usage");
    return kWrongUsage;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::set_terminate(on_terminate);
  try {
    return run(argc, argv);
  } catch (...) {
    return report_current_exception();
  }
}
