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

enum class Unit : std::uint8_t { kNone, kPercent, kPoints, kTarget };

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
    Kind{.name = "accuracy",
         .title = "accuracy",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .better = Better::kMore,
         .scale = AxisScale::kLinear},
    Kind{.name = "accuracy_loss",
         .title = "accuracy loss",
         .unit = Unit::kPoints,
         .space = MetricSpace::kTarget,
         .scale = AxisScale::kSymlog,
         .is_change = true},
    Kind{.name = "agreement",
         .title = "agreement",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .better = Better::kMore,
         .scale = AxisScale::kLinear},
    Kind{.name = "disagreement",
         .title = "disagreement",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .scale = AxisScale::kSymlog},
    Kind{.name = "ties",
         .title = "ties at the top",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .better = Better::kNeither,
         .scale = AxisScale::kLinear},
    Kind{.name = "kl", .title = "KL divergence", .space = MetricSpace::kTarget, .scale = AxisScale::kSymlog},
    Kind{.name = "auc",
         .title = "AUC",
         .space = MetricSpace::kTarget,
         .better = Better::kMore,
         .scale = AxisScale::kLinear,
         .least_samples = 2},
    Kind{.name = "auc_loss",
         .title = "AUC loss",
         .space = MetricSpace::kTarget,
         .scale = AxisScale::kSymlog,
         .least_samples = 2,
         .is_change = true},
    Kind{.name = "efficiency",
         .title = "efficiency",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .better = Better::kMore,
         .scale = AxisScale::kLinear,
         .least_samples = 2},
    Kind{.name = "efficiency_loss",
         .title = "efficiency loss",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .scale = AxisScale::kSymlog,
         .least_samples = 2,
         .is_change = true},
    Kind{.name = "background",
         .title = "background",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .scale = AxisScale::kSymlog,
         .least_samples = 2},
    Kind{.name = "background_change",
         .title = "background change",
         .unit = Unit::kPercent,
         .space = MetricSpace::kTarget,
         .scale = AxisScale::kSymlog,
         .least_samples = 2,
         .is_change = true},
};

const Kind* kind_of(std::string_view name) {
  const std::string_view kind = name.substr(0, name.find('@'));
  const auto* const found = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& each) { return each.name == kind; });
  return found == kKinds.end() ? nullptr : found;
}

std::string title_with(const std::string& title, const std::string& kind, const std::string& parameter) {
  if (parameter.empty()) return title;
  if (kind.starts_with("beyond")) return title + " " + parameter + " %";
  if (kind == "mae" || kind == "mpe") return title + " of output " + parameter;
  if (kind.starts_with("auc")) return title + " of " + parameter;
  if (const bool signal = kind.starts_with("efficiency"); signal || kind.starts_with("background")) {
    const std::size_t comma = parameter.rfind(',');
    const std::string of = comma == std::string::npos ? "" : " of " + parameter.substr(0, comma);
    return title + of + " at " + parameter.substr(comma + 1) + (signal ? " % background" : " % efficiency");
  }
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
    if (kind.says_space && metric.title.find(" of output ") == std::string::npos)
      metric.title += " of " + (metric.space == MetricSpace::kOutput ? output_ : target_->name);
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
      add("beyond" + suffix + "@" + text, "values with |fixed - float| above " + text + " % of |float|, of " + of,
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

  // Of one output of several.
  void add_of_output(std::size_t output, const std::string& name) {
    add("mae@" + name, "mean of |fixed - float|, of output " + name, [output](const Comparison& c) { return c.mae(output); });
    add("mpe@" + name, "mean of |fixed - float| / |float|, of output " + name, [output](const Comparison& c) { return c.mpe(output); });
  }

  void add_of_classes(const Classes& classes, std::size_t outputs) {
    const bool has_truth = !classes.truth.empty();
    if (has_truth) {
      add("accuracy", "samples whose class is right", [](const Comparison& c) { return c.classes().accuracy(); });
      add("accuracy_loss", "the float model's accuracy less this one, in percentage points",
          [](const Comparison& c) { return c.classes().accuracy_loss(); });
    }
    add("agreement", "samples of the same class as the float model's", [](const Comparison& c) { return c.classes().agreement(); });
    add("disagreement", "samples of another class than the float model's", [](const Comparison& c) { return c.classes().disagreement(); });
    add("ties", outputs == 1 ? "samples whose output is at the cut" : "samples whose highest score is that of several classes",
        [](const Comparison& c) { return c.classes().ties(); });
    if (classes.probabilities) {
      add("kl", "mean Kullback-Leibler divergence from the float model's probabilities, in nats",
          [](const Comparison& c) { return c.kl(); });
    }
    if (!has_truth) return;
    if (outputs > 1) add_of_class(std::nullopt, "");
    const std::size_t first = outputs == 1 ? 1 : 0;
    for (std::size_t k = first; k < classes.names.size(); ++k) add_of_class(k - first, classes.names[k]);
  }

  void add_of_class(std::optional<std::size_t> which, const std::string& name) {
    const std::string mean = which ? "" : "mean over classes: ";
    const std::string signal = which ? name : "a class";
    const std::string in_name = which ? "@" + name : "";
    add("auc" + in_name, mean + "area under the ROC curve of " + signal + " against the others",
        [which](const Comparison& c) { return c.classes().auc(which); });
    add("auc_loss" + in_name, mean + "the float model's area less this one, " + signal + " against the others",
        [which](const Comparison& c) { return c.classes().auc_loss(which); });
    const std::string before = which ? "@" + name + "," : "@";
    for (std::size_t i = 0; i < options_.backgrounds.size(); ++i) {
      const std::string at = short_text(options_.backgrounds[i]);
      const std::string where = signal + " that pass where at most " + at + " % of the others do";
      add("efficiency" + before + at, mean + "samples of " + where,
          [which, i](const Comparison& c) { return c.classes().efficiency(which, i); });
      add("efficiency_loss" + before + at, mean + "loss, of the float model's, of samples of " + where,
          [which, i](const Comparison& c) { return c.classes().efficiency_loss(which, i); });
    }
    for (std::size_t i = 0; i < options_.efficiencies.size(); ++i) {
      const std::string at = short_text(options_.efficiencies[i]);
      const std::string where = "samples of the others that pass where at least " + at + " % of " + signal + " do";
      add("background" + before + at, mean + where, [which, i](const Comparison& c) { return c.classes().background(which, i); });
      add("background_change" + before + at, mean + "change, of the float model's, of " + where,
          [which, i](const Comparison& c) { return c.classes().background_change(which, i); });
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
  metric.unit = kind->unit == Unit::kPercent ? "%" : kind->unit == Unit::kPoints ? "percentage points" : "";
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

std::vector<Metric> metrics_of(const MetricOptions& options, const std::optional<Feature>& target, bool has_truth, std::size_t outputs,
                               const Classes* classes) {
  List list(options, target);
  list.add_deviations(MetricSpace::kOutput);
  if (target) list.add_deviations(MetricSpace::kTarget);
  if (has_truth) list.add_against_truth();
  if (classes != nullptr) list.add_of_classes(*classes, outputs);
  for (std::size_t i = 0; outputs > 1 && i < outputs; ++i)
    list.add_of_output(i, classes != nullptr ? classes->names[i] : std::to_string(i));
  return std::move(list.metrics);
}

std::string formula_of(const Feature& feature) {
  std::string text = feature.name;
  if (feature.logarithm != Logarithm::kNone) text = (feature.logarithm == Logarithm::kNatural ? "log(" : "log10(") + text + ")";
  return text + (feature.divide == 1 ? "" : "/" + short_text(feature.divide));
}

}  // namespace narrow
