#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "app/inputs.h"
#include "app/options.h"
#include "app/table.h"
#include "data/text.h"
#include "search/findings.h"
#include "search/profile_json.h"
#include "search/tensor_profile.h"
#include "study/study_data.h"

namespace narrow {
namespace {

struct ProfileCommand {
  InputArguments inputs;
  PrecisionArguments precision;
  std::string json;
};

constexpr double kOctaveShares[] = {0.01, 0.5, 0.99};  // of the values other than 0

std::string per_cent(double share) {
  constexpr double kPerCent = 100;
  return share == 0 ? "-" : number_text(kPerCent * share, 2) + " %";
}

std::string decibels(const TypeEffect& effect) {
  if (!effect.compared) return "-";
  if (effect.noise == 0) return "exact";
  return std::isfinite(effect.snr()) ? number_text(effect.snr(), 3) : "no signal";
}

std::string float_table(const std::vector<TensorProfile>& tensors) {
  Table table({"tensor", "least", "largest", "50 %", "99 %", "99.9 %", "zeros", "powers of two", "integer bits"});
  for (const TensorProfile& tensor : tensors) {
    if (!tensor.in_float) {
      table.add({tensor.name, "-", "-", "-", "-", "-", "-", "-", "-"});
      continue;
    }
    const Distribution& values = *tensor.in_float;
    std::string powers;
    if (!values.is_zero()) {
      for (const double share : kOctaveShares) powers += (powers.empty() ? "" : " ") + std::to_string(values.octave_at(share));
    }
    const std::optional<int> bits = values.integer_bits();
    table.add({tensor.name, short_number(values.low), short_number(values.high), short_number(values.percentiles[0]),
               short_number(values.percentiles[1]), short_number(values.percentiles[2]),
               per_cent(static_cast<double>(values.zeros) / static_cast<double>(values.values)), powers.empty() ? "-" : powers,
               bits ? std::to_string(*bits) + (values.is_negative() ? "" : " unsigned") : "-"});
  }
  return table.text();
}

std::string type_table(const std::vector<TensorProfile>& tensors) {
  Table table({"tensor", "type", "overflow", "sum overflow", "underflow to 0", "SNR, dB", "of the type alone"});
  for (const TensorProfile& tensor : tensors) {
    table.add({tensor.name, to_string(*tensor.type), per_cent(tensor.effect.overflow_share()),
               per_cent(tensor.effect.share(tensor.sum_overflows)), per_cent(tensor.effect.zero_share()), decibels(tensor.effect),
               decibels(tensor.is_weight() ? tensor.effect : tensor.alone)});
  }
  return table.text();
}

void run(const ProfileCommand& profile, const Globals& globals) {
  const Model model = profile.inputs.model();
  keep_inputs("--json", {profile.json}, profile.inputs.files());
  keep_inputs("--json", {profile.json}, profile.precision.files());
  const bool has_types = profile.precision.given();
  TensorProfiler profiler(model, has_types ? std::optional(profile.precision.resolve_for(model)) : std::nullopt);
  if (has_types) print_notes(profiler.notes(), globals.quiet);
  std::size_t samples = 0;
  // A block is copied only where samples of it do not count.
  const auto counted = [](const Dataset& block, const auto& use) {
    const bool all = std::find(block.weights.begin(), block.weights.end(), 0.F) == block.weights.end();
    if (all) return use(block);
    if (const Dataset own = that_count(block); own.size > 0) use(own);
  };
  profile.inputs.for_blocks(model, globals.quiet, [&](const Dataset& block) {
    counted(block, [&](const Dataset& own) {
      profiler.add(own.x, own.size);
      samples += own.size;
    });
  });
  if (samples == 0) throw Error("--data: every sample has the weight 0");
  profile.inputs.for_blocks(
      model, true, [&](const Dataset& block) { counted(block, [&](const Dataset& own) { profiler.add_again(own.x, own.size); }); });
  const std::vector<TensorProfile> tensors = profiler.tensors();
  const std::vector<Finding> found = findings(tensors);
  if (!profile.json.empty()) write_file(profile.json, profile_json(model, samples, tensors, found, has_types));
  if (globals.quiet) return;
  std::printf("%s\n", float_table(tensors).c_str());
  if (has_types) {
    std::printf("%s\n", type_table(tensors).c_str());
    for (const Finding& finding : found) std::printf("%s: %s\n", finding.tensor.c_str(), finding.text.c_str());
    if (found.empty()) std::printf("nothing to change: nothing overflows, little is lost to 0, and no bit is unused\n");
    std::printf("\n");
  }
  std::printf("%zu samples\n", samples);
}

}  // namespace

void add_profile(CLI::App& app, const Globals& globals) {
  auto* command =
      app.add_subcommand("profile", "how the values of every tensor are distributed, what a precision does to them, and what to change");
  const auto profile = std::make_shared<ProfileCommand>();
  profile->inputs.add_model_to(*command);
  profile->inputs.add_data_to(*command);
  profile->precision.add_to(*command);
  command->add_option("--json", profile->json, "the same with the whole distributions, as JSON");
  command->callback([profile, &globals] { run(*profile, globals); });
}

}  // namespace narrow
