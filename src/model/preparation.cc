#include "model/preparation.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "error.h"
#include "number.h"

namespace narrow {
std::string to_string(Logarithm logarithm) {
  switch (logarithm) {
    case Logarithm::kNone: return "none";
    case Logarithm::kNatural: return "log";
    case Logarithm::kBase10: return "log10";
  }
  return "none";
}

Logarithm parse_logarithm(const std::string& name) {
  for (const Logarithm logarithm : {Logarithm::kNone, Logarithm::kNatural, Logarithm::kBase10}) {
    if (name == to_string(logarithm)) return logarithm;
  }
  throw Error("a logarithm is log (natural) or log10, not '" + name + "'");
}

double Feature::prepare(double value) const {
  if (logarithm == Logarithm::kNatural) value = std::log(value);
  if (logarithm == Logarithm::kBase10) value = std::log10(value);
  return value / divide;
}

double Feature::undo(double prepared) const {
  const double value = prepared * divide;
  if (logarithm == Logarithm::kNatural) return std::exp(value);
  if (logarithm == Logarithm::kBase10) return std::pow(10.0, value);
  return value;
}

Feature parse_feature(const std::string& text) {
  const std::size_t slash = text.find('/');
  const std::string head = text.substr(0, slash);
  const std::size_t colon = head.find(':');
  const std::string logarithm = colon == std::string::npos ? to_string(Logarithm::kNone) : head.substr(colon + 1);
  Feature feature{head.substr(0, colon)};
  if (feature.name.empty() || logarithm.empty() || logarithm.find(':') != std::string::npos ||
      (slash != std::string::npos && text.find_first_of(":/", slash + 1) != std::string::npos) || text.ends_with('/')) {
    throw Error("a feature is NAME[:log|:log10][/DIVISOR], as in energy:log/10, not '" + text + "'");
  }
  feature.logarithm = parse_logarithm(logarithm);
  if (slash != std::string::npos) {
    const std::string number = text.substr(slash + 1);
    char* end = nullptr;
    feature.divide = std::strtod(number.c_str(), &end);
    if (*end != '\0' || !std::isfinite(feature.divide) || feature.divide == 0) {
      throw Error("the divisor of feature '" + text + "' should be a number other than 0");
    }
  }
  return feature;
}

std::string to_string(const Feature& feature) {
  std::string text = feature.name;
  if (feature.logarithm != Logarithm::kNone) text += ":" + to_string(feature.logarithm);
  if (feature.divide != 1) {
    // In this form it stands in stores of studies.
    std::array<char, 32> number{};
    std::snprintf(number.data(), number.size(), "/%.17g", feature.divide);
    text += number.data();
  }
  return text;
}

std::vector<PreparationOption> options_of(const Preparation& preparation) {
  std::string features;
  for (const Feature& feature : preparation.features) features += (features.empty() ? "" : ",") + to_string(feature);
  return {{"features", features},
          {"target", preparation.target ? to_string(*preparation.target) : "none"},
          {"order", preparation.order.empty() ? "as-is" : preparation.order},
          {"vmax", std::to_string(preparation.vmax)},
          {"padding", exact_text(preparation.padding)},
          {"weight", preparation.weight.empty() ? "none" : preparation.weight},
          {"select", preparation.select.empty() ? "none" : preparation.select}};
}

bool says_which_samples(const PreparationOption& option) { return option.name == "select" || option.name == "weight"; }

std::string to_string(const std::vector<PreparationOption>& options) {
  std::string text;
  for (const PreparationOption& option : options) {
    if (says_which_samples(option) && option.value == "none") continue;
    const bool quoted = option.value.find(' ') != std::string::npos;
    text += (text.empty() ? "--" : " --") + option.name + " " + (quoted ? "'" + option.value + "'" : option.value);
  }
  return text;
}

std::string difference(const std::optional<Preparation>& a, const std::optional<Preparation>& b, Agreement agreement) {
  if (!a || !b) return "";
  const std::vector<PreparationOption> of_b = options_of(*b);
  std::string text;
  for (std::size_t i = 0; const PreparationOption& option : options_of(*a)) {
    const std::string& other = of_b[i++].value;
    const bool of_rows = option.name != "target" && option.name != "vmax" && !says_which_samples(option);
    if (option.value == other || (agreement == Agreement::kInputs && !of_rows)) continue;
    text += (text.empty() ? "" : ", ") + option.name + " " + option.value + " and " + other;
  }
  return text;
}

}  // namespace narrow
