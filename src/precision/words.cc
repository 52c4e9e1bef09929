#include "precision/words.h"

#include <optional>

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

PrecisionOptions parse_words(const PrecisionWords& words, const std::string& dashes) {
  PrecisionOptions options;
  if (!words.vector.empty()) options.vector = of_option(dashes + "v", words.vector, parse_short_format);
  if (!words.weight.empty()) options.weight = of_option(dashes + "wb", words.weight, parse_short_format);
  if (!words.maximum.empty()) options.maximum = of_option(dashes + "maximum", words.maximum, parse_short_format);
  if (words.types != "auto" && words.types != "uniform") throw Error(dashes + "types: '" + words.types + "' should be auto or uniform");
  options.uniform = words.types == "uniform";
  if (!words.relu.empty()) of_option(dashes + "relu", words.relu, [&](const std::string& text) { return parse_relu(text, options), 0; });
  return options;
}

std::vector<std::string> notes_on(const PrecisionWords& words, const PrecisionOptions& parsed, const std::string& dashes) {
  std::vector<std::string> notes;
  const auto look_at = [&](const std::string& option, const std::optional<Format>& format) {
    if (!format || format->integer <= format->width) return;
    notes.push_back(option + ": " + to_string(*format) + " has more integer than total bits, so its step is 2^" +
                    std::to_string(-format->fraction()) + "; total bits come first, as in 16,6");
  };
  look_at(dashes + "v", words.vector.empty() ? std::nullopt : std::optional(parsed.vector));
  look_at(dashes + "wb", parsed.weight);
  return notes;
}

}  // namespace narrow
