#include <oneapi/tbb/global_control.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "app/options.h"
#include "error.h"
#include "study/run.h"

int main(int argc, char** argv) {
  CLI::App app("How few bits does your trigger network need? Runs Keras networks in fixed point, bit for bit as hls4ml's C++ would.",
               "narrow");
  narrow::Globals globals;
  for (int i = 0; i < argc; ++i) globals.command += (i > 0 ? " " : "") + narrow::shell_quoted(argv[i]);
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", NARROW_VERSION);
  app.add_flag("--quiet", globals.quiet, "print nothing but errors");
  app.add_option("--threads", globals.threads, "cores to use; all where it is not given")->check(CLI::PositiveNumber);
  // Commands run from their callbacks, after the whole line is parsed; the number of threads must be set before.
  std::optional<tbb::global_control> threads;
  app.parse_complete_callback([&] {
    if (globals.threads > 0) threads.emplace(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(globals.threads));
  });
  narrow::add_generate(app, globals);
  narrow::add_prepare(app, globals);
  narrow::add_train(app, globals);
  narrow::add_show(app, globals);
  narrow::add_predict(app, globals);
  narrow::add_trace(app, globals);
  narrow::add_sweep(app, globals);
  narrow::add_run(app, globals);
  narrow::add_merge(app, globals);
  narrow::add_status(app, globals);
  narrow::add_best(app, globals);
  narrow::add_report(app, globals);
  narrow::add_compare(app, globals);
  narrow::add_bench(app, globals);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    constexpr int kWrongUsage = 2;
    return app.exit(error) == 0 ? 0 : kWrongUsage;
  } catch (const narrow::Error& error) {
    std::fprintf(stderr, "narrow: %s\n", error.what());
    return 1;
  } catch (const narrow::Interrupted&) {
    std::fprintf(stderr, "\nnarrow: stopped; what is done is kept, and the same command goes on from there\n");
    constexpr int kBySigint = 130;
    return kBySigint;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "narrow: there is not enough memory; try fewer samples with --samples\n");
    return 1;
  }
  return 0;
}
