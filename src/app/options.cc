#include "app/options.h"

#include "error.h"

namespace narrow {
namespace {

// Says which option a type's error belongs to.
template <class Parse>
auto of_option(const std::string& option, const std::string& text, const Parse& parse) {
  try {
    return parse(text);
  } catch (const Error& error) {
    throw Error(option + ": " + error.what());
  }
}

}  // namespace

std::string shell_quoted(const std::string& word) {
  const std::string plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,=+@%{}";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::vector<CLI::Option*> PrecisionArguments::add_modes_to(CLI::App& command) {
  auto* types =
      command.add_option("--types", types_, "auto: sums get the bits they need, as in hls4ml's granularity `name`; uniform: --v for all")
          ->check(CLI::IsMember({"auto", "uniform"}))
          ->capture_default_str();
  auto* relu = command.add_option("--relu", relu_, "rounding and overflow of the relu results, as in AP_RND,AP_SAT");
  auto* maximum = command.add_option("--maximum", maximum_, "widest inferred type, as in 24,10");
  return {types, relu, maximum};
}

void PrecisionArguments::add_to(CLI::App& command) {
  auto* vector = command.add_option("--v", vector_, "type of vectors: W,I or W,I,ROUNDING,OVERFLOW, as in 16,6 or 14,5,AP_RND,AP_SAT");
  // Before those below: CLI11 checks in this order, and that they exclude each other is the better message.
  auto* file = command.add_option("--precision", file_, "an hls4ml configuration in YAML, instead of --v and what goes with it");
  std::vector<CLI::Option*> others = add_modes_to(command);
  others.push_back(command.add_option("--wb", weight_, "type of weights and biases, as --v where it is not given"));
  for (CLI::Option* other : others) other->needs(vector);
  others.push_back(vector);
  for (CLI::Option* other : others) file->excludes(other);
}

PrecisionOptions PrecisionArguments::options() const {
  PrecisionOptions options;
  if (!vector_.empty()) options.vector = of_option("--v", vector_, parse_short_format);
  if (!weight_.empty()) options.weight = of_option("--wb", weight_, parse_short_format);
  if (!maximum_.empty()) options.maximum = of_option("--maximum", maximum_, parse_short_format);
  options.uniform = types_ == "uniform";
  if (!relu_.empty()) of_option("--relu", relu_, [&](const std::string& text) { return parse_relu(text, options), 0; });
  return options;
}

Resolved PrecisionArguments::resolve_for(const Model& model) const {
  return resolve(model, file_.empty() ? make_config(model, options()) : read_config(file_, model));
}

}  // namespace narrow
