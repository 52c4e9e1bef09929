#include "study/metric.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "data/text.h"
#include "study/comparison.h"

namespace narrow {
namespace {

enum class Unit : std::uint8_t { kNone, kPercent, kTarget };

// What metrics of one kind have in common, whatever their parameter and the target.
struct Kind {
  const char* name;
  const char* title;
  Unit unit = Unit::kNone;
  MetricSpace space = MetricSpace::kOutput;
  bool is_signed = false;
  Better better = Better::kLess;
  AxisScale scale = AxisScale::kLog;
  std::size_t least_samples = 1;
  bool is_change = false;
  bool says_space = false;
  bool at_target = false;
  // Of its curve, where it has one.
  const char* curve_title = nullptr;
  const char* curve_axis = nullptr;
  bool curve_from_zero = true;
};

constexpr std::array kKinds{
    Kind{.name = "mae", .title = "MAE", .says_space = true},
    Kind{.name = "mpe", .title = "MPE", .unit = Unit::kPercent, .says_space = true},
    Kind{.name = "left_out", .title = "left out of MPE", .better = Better::kNeither, .scale = AxisScale::kLinear},
    Kind{.name = "rmse", .title = "RMSE", .says_space = true},
    Kind{.name = "bias", .title = "bias", .is_signed = true, .scale = AxisScale::kSymlog, .says_space = true},
    Kind{.name = "largest", .title = "largest deviation", .says_space = true},
    Kind{.name = "beyond", .title = "share beyond", .unit = Unit::kPercent, .scale = AxisScale::kSymlog, .says_space = true},
    Kind{.name = "mpe_target", .title = "MPE", .unit = Unit::kPercent, .space = MetricSpace::kTarget, .says_space = true},
    Kind{.name = "bias_target",
         .title = "bias",
         .unit = Unit::kTarget,
         .space = MetricSpace::kTarget,
         .is_signed = true,
         .scale = AxisScale::kSymlog,
         .says_space = true},
    Kind{.name = "beyond_target",
         .title = "share beyond",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .scale = AxisScale::kSymlog,
         .says_space = true},
    Kind{.name = "resolution", .title = "resolution", .unit = Unit::kPercent, .space = MetricSpace::kTarget, .least_samples = 2},
    Kind{.name = "resolution_68",
         .title = "central resolution",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .least_samples = 2,
         .curve_title = "Resolution",
         .curve_axis = "resolution: central 68 % half-width"},
    Kind{.name = "resolution_loss",
         .title = "resolution loss",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .scale = AxisScale::kSymlog,
         .least_samples = 2,
         .is_change = true},
    Kind{.name = "linearity",
         .title = "linearity",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .at_target = true,
         .curve_title = "Linearity",
         .curve_axis = "median relative error",
         .curve_from_zero = false},
    Kind{.name = "rate",
         .title = "rate",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .better = Better::kNeither,
         .scale = AxisScale::kLinear,
         .at_target = true},
    Kind{.name = "rate_change",
         .title = "rate change",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .is_signed = true,
         .scale = AxisScale::kSymlog,
         .is_change = true,
         .at_target = true},
    Kind{.name = "turn_on",
         .title = "50 % point",
         .unit = Unit::kTarget,
         .space = MetricSpace::kTarget,
         .better = Better::kNeither,
         .scale = AxisScale::kLinear,
         .least_samples = 2,
         .at_target = true,
         .curve_title = "Turn-on",
         .curve_axis = "share of samples that pass"},
    Kind{.name = "turn_on_shift",
         .title = "turn-on shift",
         .unit = Unit::kTarget,
         .space = MetricSpace::kTarget,
         .is_signed = true,
         .scale = AxisScale::kSymlog,
         .least_samples = 2,
         .is_change = true,
         .at_target = true},
};

const Kind* kind_of(std::string_view name) {
  const std::string_view kind = name.substr(0, name.find('@'));
  const auto* const found = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& each) { return each.name == kind; });
  return found == kKinds.end() ? nullptr : found;
}

std::string title_with(const std::string& title, const std::string& kind, const std::string& parameter) {
  if (parameter.empty()) return title;
  if (kind.starts_with("beyond")) return title + " " + parameter + " %";
  return title + (kind == "linearity" ? " in bins " : " at ") + parameter;
}

class List {
 public:
  List(const MetricOptions& options, const std::optional<Feature>& target) : options_(options), target_(target) {
    output_ = target ? formula_of(*target) : "the output";
  }

  template <class Function>
  void add(const std::string& name, const std::string& meaning, const Function& of) {
    const Kind& kind = *kind_of(name);
    Metric metric = metric_named(name);
    metric.meaning = meaning;
    if (kind.unit == Unit::kTarget) metric.unit = options_.unit;
    if (kind.says_space) metric.title += " of " + (metric.space == MetricSpace::kOutput ? output_ : target_->name);
    metric.of = of;
    metrics.push_back(std::move(metric));
  }

  // |fixed - float| and its kin, of the outputs (`suffix` empty), or of the target.
  void add_deviations(MetricSpace space) {
    const bool output = space == MetricSpace::kOutput;
    const std::string suffix = output ? "" : "_target";
    const std::string& of = output ? output_ : target_->name;
    if (output) {
      add("mae", "mean of |fixed - float|, of " + of, [](const Comparison& c) { return c.mae(); });
    }
    add("mpe" + suffix, "mean of |fixed - float| / |float|, of " + of, [space](const Comparison& c) { return c.mpe(space); });
    if (output) {
      add("left_out", "predictions of 0 by the float model, left out of mpe", [](const Comparison& c) { return c.left_out(); });
      add("rmse", "root of the mean of (fixed - float)^2, of " + of, [](const Comparison& c) { return c.rmse(); });
    }
    add("bias" + suffix, "mean of fixed - float, of " + of, [space](const Comparison& c) { return c.bias(space); });
    if (output) {
      add("largest", "largest |fixed - float|, of " + of, [](const Comparison& c) { return c.largest(); });
    }
    for (const double tolerance : options_.tolerances) {
      const std::string text = short_text(tolerance);
      add("beyond" + suffix + "@" + text, "samples with |fixed - float| above " + text + " % of |float|, of " + of,
          [space, tolerance](const Comparison& c) { return c.beyond(space, tolerance); });
    }
  }

  void add_against_truth() {
    const std::string& target = target_->name;
    std::string bins;
    for (const double edge : options_.bins) bins += (bins.empty() ? "@" : ",") + short_text(edge);
    add("resolution", "standard deviation of the relative error against " + target, [](const Comparison& c) { return c.resolution(); });
    add("resolution_68", "half of the width of the central 68 % of the relative error against " + target,
        [](const Comparison& c) { return c.resolution_68(); });
    add("resolution_loss", "change of resolution_68, its response scaled to 1, against the float model",
        [](const Comparison& c) { return c.resolution_loss(); });
    add("linearity" + bins, "largest median of the relative error in a bin of " + target,
        [](const Comparison& c) { return c.linearity(); });
    for (std::size_t i = 0; i < options_.thresholds.size(); ++i) {
      const std::string text = short_text(options_.thresholds[i]);
      const std::string shown = text + (options_.unit.empty() ? "" : " " + options_.unit);
      add("rate@" + text, "samples that pass a threshold of " + shown, [i](const Comparison& c) { return c.rate(i); });
      add("rate_change@" + text, "change of that rate against the float model", [i](const Comparison& c) { return c.rate_change(i); });
      add("turn_on@" + text, target + " at which half of the samples pass a threshold of " + shown,
          [i](const Comparison& c) { return c.turn_on(i); });
      add("turn_on_shift@" + text, "the same less the float model's", [i](const Comparison& c) { return c.turn_on_shift(i); });
    }
  }

  std::vector<Metric> metrics;

 private:
  const MetricOptions& options_;
  const std::optional<Feature>& target_;
  std::string output_;
};

}  // namespace

double symlog_constant(double largest) { return largest > 0 ? largest * kSymlogPart : 1; }

CurveWords words_of_curve(const std::string& name, const std::string& unit) {
  const Kind* kind = kind_of(name);
  if (kind == nullptr || kind->curve_title == nullptr) return {metric_named(name).title, metric_named(name).title};
  const std::size_t at = name.find('@');
  CurveWords words{kind->curve_title, kind->curve_axis, kind->curve_from_zero};
  // (Bins, the other parameter, are on the axis.)
  const bool at_threshold = kind->unit == Unit::kTarget && at != std::string::npos;
  if (kind->unit == Unit::kPercent) words.axis += " [%]";
  if (at_threshold) words.title += " at a threshold of " + name.substr(at + 1) + (unit.empty() ? "" : " " + unit);
  return words;
}

double cost_of(const Metric& metric, double value) {
  if (metric.is_signed) return std::abs(value);
  return metric.better == Better::kMore ? -value : value;
}

std::string name_in_words(const Metric& metric) {
  return metric.name + (metric.says_space && metric.space == MetricSpace::kOutput ? " of the output" : "");
}

bool can_be_negative(const Metric& metric) {
  return metric.better == Better::kMore || (metric.is_change && !metric.is_signed) || kind_of(metric.name) == nullptr;
}

Metric metric_named(const std::string& name) {
  Metric metric;
  metric.name = name;
  const std::size_t at = name.find('@');
  const std::string parameter = at == std::string::npos ? "" : name.substr(at + 1);
  const Kind* kind = kind_of(name);
  if (kind == nullptr) {
    metric.title = name.substr(0, at);
    std::replace(metric.title.begin(), metric.title.end(), '_', ' ');
    metric.title = title_with(metric.title, "", parameter);
    return metric;
  }
  metric.title = title_with(kind->title, kind->name, parameter);
  metric.unit = kind->unit == Unit::kPercent ? "%" : "";
  metric.space = kind->space;
  metric.is_signed = kind->is_signed;
  metric.better = kind->better;
  metric.scale = kind->scale;
  metric.least_samples = kind->least_samples;
  metric.is_change = kind->is_change;
  metric.says_space = kind->says_space;
  metric.at_target = kind->at_target;
  return metric;
}

std::vector<Metric> metrics_of(const MetricOptions& options, const std::optional<Feature>& target, bool has_truth) {
  List list(options, target);
  list.add_deviations(MetricSpace::kOutput);
  if (target) list.add_deviations(MetricSpace::kTarget);
  if (has_truth) list.add_against_truth();
  return std::move(list.metrics);
}

std::string formula_of(const Feature& feature) {
  std::string text = feature.name;
  if (feature.logarithm != Logarithm::kNone) text = (feature.logarithm == Logarithm::kNatural ? "log(" : "log10(") + text + ")";
  return text + (feature.divide == 1 ? "" : "/" + short_text(feature.divide));
}

}  // namespace narrow
