#include "app/options.h"

#include <algorithm>
#include <utility>

#include "error.h"
#include "number.h"
#include "suggestion.h"

namespace narrow {
namespace {

const CLI::Option* find_option(const CLI::App* command, const std::string& name) {
  return command == nullptr ? nullptr : command->get_option_no_throw(name);
}

CLI::Validator number_check(const char* what, bool (*right)(double)) {
  return CLI::Validator(
      [what, right](const std::string& text) {
        double number = 0;
        return CLI::detail::lexical_cast(text, number) && right(number) ? std::string() : text + " should be " + what;
      },
      "");
}

}  // namespace

const CLI::Validator& positive() {
  static const CLI::Validator kCheck = number_check("a number above 0", [](double number) { return number > 0; });
  return kCheck;
}

const CLI::Validator& not_negative() {
  static const CLI::Validator kCheck = number_check("a number, 0 or more", [](double number) { return number >= 0; });
  return kCheck;
}

const CLI::Validator& bounds() {
  static const CLI::Validator kCheck(
      [](const std::string& text) {
        const auto equals = text.rfind('=');
        return real_number(equals == std::string::npos ? text : text.substr(equals + 1))
                   ? std::string()
                   : std::string("the bound should be a number, or metrics with their bounds, as in mpe=5,rate_change@20=2");
      },
      "");
  return kCheck;
}

void check_words(const CLI::App& app, int argc, const char* const* argv) {
  const CLI::App* command = nullptr;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--") return;
    if (word.starts_with("--")) {
      const std::string name = word.substr(0, word.find('='));
      const CLI::Option* option = find_option(command, name);
      if (option == nullptr) option = find_option(&app, name);
      if (option == nullptr) {
        std::vector<std::string> known;
        for (const CLI::App* each : {command, &app}) {
          for (const CLI::Option* other : each == nullptr ? std::vector<const CLI::Option*>() : each->get_options()) {
            if (!other->get_group().empty() && !other->get_lnames().empty()) known.push_back("--" + other->get_lnames().front());
          }
        }
        throw UsageError((command == nullptr ? "" : command->get_name() + ": ") + "no option " + name + suggestion(name, known));
      }
      if (option->get_items_expected_min() > 0 && name == word) ++i;  // its value
    } else if (command == nullptr && !word.starts_with("-")) {
      std::vector<std::string> known;
      for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
        known.push_back(each->get_name());
        if (known.back() == word) command = each;
      }
      if (command == nullptr) throw UsageError("no command " + word + suggestion(word, known));
    }
  }
}

std::string shell_quoted(const std::string& word) {
  const std::string plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,=+@%{}";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::vector<CLI::Option*> PrecisionArguments::add_modes_to(CLI::App& command) {
  auto* types =
      command
          .add_option("--types", words_.types, "auto: sums get the bits they need, as in hls4ml's granularity `name`; uniform: --v for all")
          ->check(CLI::IsMember({"auto", "uniform"}))
          ->capture_default_str();
  auto* relu = command.add_option("--relu", words_.relu, "rounding and overflow of the relu results, as in AP_RND,AP_SAT");
  auto* maximum = command.add_option("--maximum", words_.maximum, "widest inferred type, as in 24,10");
  return {types, relu, maximum};
}

void PrecisionArguments::add_to(CLI::App& command) {
  auto* vector =
      command.add_option("--v", words_.vector, "type of vectors: W,I or W,I,ROUNDING,OVERFLOW, as in 16,6 or 14,5,AP_RND,AP_SAT");
  // Before those below: CLI11 checks in this order, and that they exclude each other is the better message.
  auto* file = command.add_option("--precision", file_, "an hls4ml configuration in YAML, instead of --v and what goes with it");
  std::vector<CLI::Option*> others = add_modes_to(command);
  others.push_back(command.add_option("--wb", words_.weight, "type of weights and biases, as --v where it is not given"));
  for (CLI::Option* other : others) other->needs(vector);
  others.push_back(vector);
  for (CLI::Option* other : others) file->excludes(other);
}

PrecisionOptions PrecisionArguments::options() const {
  return usage([&] { return parse_words(words_, "--"); });
}

Resolved PrecisionArguments::resolve_for(const Model& model) const {
  if (!file_.empty()) return resolve(model, read_config(file_, model));
  const PrecisionOptions given = options();
  Resolved resolved = resolve(model, make_config(model, given));
  const std::vector<std::string> notes = notes_on(words_, given, "--");
  resolved.notes.insert(resolved.notes.begin(), notes.begin(), notes.end());
  return resolved;
}

}  // namespace narrow
