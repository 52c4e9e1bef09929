#include "study/best.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <utility>

#include "data/text.h"
#include "error.h"
#include "fixed/format.h"
#include "study/layout.h"
#include "study/metrics.h"
#include "suggestion.h"

namespace narrow {

int bits_of(const Point& point) { return point.v_full + point.wb_full; }

int bits_of(const StoredPoint& point) { return point.point ? bits_of(*point.point) : std::numeric_limits<int>::max(); }

namespace {

// Of points of a grid; others cannot be compared.
bool has_no_fewer_bits(const StoredPoint& point, const StoredPoint& than, const MoreIntegerBits& more) {
  if (!point.point || !than.point) return false;
  const Point& p = *point.point;
  const Point& from = *than.point;
  return (more.of_vectors ? p.v_int >= from.v_int : p.v_int == from.v_int) &&
         (more.of_weights ? p.wb_int >= from.wb_int : p.wb_int == from.wb_int) && p.v_full - p.v_int >= from.v_full - from.v_int &&
         p.wb_full - p.wb_int >= from.wb_full - from.wb_int;
}

}  // namespace

std::vector<std::string> names_of(const std::vector<Metric>& metrics) {
  std::vector<std::string> names(metrics.size());
  std::transform(metrics.begin(), metrics.end(), names.begin(), [](const Metric& metric) { return metric.name; });
  return names;
}

std::string default_metric(const std::vector<Metric>& metrics) {
  for (const char* name : {"mpe_target", "accuracy_loss", "disagreement"}) {
    if (std::any_of(metrics.begin(), metrics.end(), [&](const Metric& metric) { return metric.name == name; })) return name;
  }
  return "mpe";
}

std::string headline_of(const std::vector<std::string>& metrics) {
  for (const char* name : {"accuracy_loss", "disagreement"}) {
    if (std::find(metrics.begin(), metrics.end(), name) != metrics.end()) return name;
  }
  return "mpe";
}

double default_bound(const std::string& metric) { return metric == "accuracy_loss" || metric == "disagreement" ? 1 : kDefaultBound; }

Judgement judge(const StoredPoint& point, const Bound& bound, std::size_t samples) {
  Judgement judgement;
  judgement.cost = cost_of(bound.metric, point.values[bound.at]);
  const bool has_error = bound.at < point.errors.size() && !std::isnan(point.errors[bound.at]);
  judgement.error = has_error ? point.errors[bound.at] : std::numeric_limits<double>::quiet_NaN();
  if (!point.finished || std::isnan(judgement.cost)) return judgement;
  const double room = bound.most - judgement.cost;
  if (!has_error) {
    judgement.standing = room >= 0 ? Standing::kMetErrorUnknown : Standing::kMissed;
    return judgement;
  }
  const double error = judgement.error;
  judgement.standing = room >= error   ? Standing::kMet
                       : room >= 0     ? Standing::kMetWithinError
                       : room > -error ? Standing::kMissedWithinError
                                       : Standing::kMissed;
  const bool open = judgement.standing == Standing::kMetWithinError || judgement.standing == Standing::kMissedWithinError;
  if (open && room != 0 && std::isfinite(error)) {
    const double needed = static_cast<double>(samples) * (error / room) * (error / room);
    // To two digits, upwards: it is an estimate.
    const double step = std::pow(10, std::max(0.0, std::floor(std::log10(needed)) - 1));
    judgement.samples = std::ceil(needed / step) * step;
  }
  return judgement;
}

// What may have been meant, or the kinds that there are, one of each.
static std::string names_like(const std::string& name, const std::vector<std::string>& names) {
  const std::string where = " (docs/study.md, Metrics)";
  if (const std::optional<std::string> near = nearest_word(name, names)) return "did you mean " + *near + "?" + where;
  std::vector<std::string> kinds;
  for (const std::string& each : names) {
    const std::size_t at = each.find('@');
    const std::string kind = at == std::string::npos ? each : each.substr(0, at) + "@...";
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) kinds.push_back(kind);
  }
  return "it has " + listed(kinds) + where;
}

std::vector<Bound> parse_bounds(const std::string& text, const std::string& metric, const std::vector<Metric>& metrics) {
  const auto bound_on = [&](const std::string& name, const std::string& number, const char* option) {
    const auto found = std::find_if(metrics.begin(), metrics.end(), [&](const Metric& each) { return each.name == name; });
    if (metrics.empty()) throw Error("the study has no values yet: no point is done");
    if (found == metrics.end()) {
      throw Error(std::string(option) + ": the study has no metric '" + name + "'; " + names_like(name, names_of(metrics)));
    }
    if (found->better == Better::kNeither) {
      throw Error(std::string(option) + ": no value of " + name + " is better than another; judge by its change, or by another metric");
    }
    if (found->better == Better::kMore) {
      const std::string loss = found->name == "agreement"
                                   ? "disagreement"
                                   : std::string(name).insert(name.find('@') < name.size() ? name.find('@') : name.size(), "_loss");
      throw Error(std::string(option) + ": more " + name + " is better, and a bound is from above; bound " + loss);
    }
    char* end = nullptr;
    const double most = std::strtod(number.c_str(), &end);
    if (number.empty() || *end != '\0' || std::isnan(most))
      throw Error("--below: the bound should be a number, or metrics with their bounds, as in mpe=5,rate_change@20=2");
    if (most < 0 && !can_be_negative(*found)) {
      throw Error("--below: " + std::string(found->is_signed ? "the magnitude of " : "") + name +
                  " is never below 0, so it cannot stay within a bound of " + number);
    }
    return Bound{*found, most, static_cast<std::size_t>(found - metrics.begin())};
  };
  const std::string judged = metric.empty() ? default_metric(metrics) : metric;
  if (text.empty()) return {bound_on(judged, short_text(default_bound(judged)), "--metric")};
  if (text.find('=') == std::string::npos) return {bound_on(judged, text, "--metric")};
  if (!metric.empty()) throw Error("--metric: --below names its metrics itself; give one or the other");
  std::vector<Bound> bounds;
  // Names may have commas, as linearity@5,10,20 does: a bound ends with the first comma behind its =.
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t equals = text.find('=', at);
    if (equals == std::string::npos) throw Error("--below: '" + text.substr(at) + "' has no bound; write it as in mpe=5,rate_change@20=2");
    const std::size_t end = std::min(text.find(',', equals), text.size());
    bounds.push_back(bound_on(text.substr(at, equals - at), text.substr(equals + 1, end - equals - 1), "--below"));
    const auto same = [&](const Bound& each) { return each.at == bounds.back().at; };
    if (std::count_if(bounds.begin(), bounds.end(), same) > 1) throw Error("--below: " + bounds.back().metric.name + " is given twice");
    at = end + 1;
  }
  return bounds;
}

namespace {

std::string number(double value) { return number_text(value, 3); }
std::string count(std::size_t number) { return count_text(static_cast<double>(number)); }
// As an option has a count.
std::string digits(double count) {
  std::string text = count_text(count);
  std::erase(text, ',');
  return text;
}

std::string value_in_words(const StoredPoint& point, const Bound& bound) {
  const double value = point.values[bound.at];
  const std::string name = name_in_words(bound.metric);
  if (std::isnan(value)) return name + " is unknown";
  std::string text = name + " is " + number(value);
  if (bound.at < point.errors.size() && !std::isnan(point.errors[bound.at])) text += " +- " + number(point.errors[bound.at]);
  return text + (bound.metric.unit.empty() ? "" : " " + bound.metric.unit);
}

// Bits of one kind of tensor, and the options that vary them.
struct Side {
  int (*full)(const Point&);
  int (*integer)(const Point&);
  const char* full_option;
  const char* integer_option;
};
constexpr std::array<Side, 2> kSides{
    Side{[](const Point& p) { return p.v_full; }, [](const Point& p) { return p.v_int; }, "--v-full", "--v-int"},
    Side{[](const Point& p) { return p.wb_full; }, [](const Point& p) { return p.wb_int; }, "--wb-full", "--wb-int"}};

class Judge {
 public:
  Judge(const std::vector<StoredPoint>& points, const Question& question, std::size_t samples, bool has_more,
        const std::vector<double>& bits, const MoreIntegerBits& more)
      : points_(points), question_(question), samples_(samples), has_more_(has_more), bits_(bits), more_(more) {
    for (std::size_t s = 0; s < kSides.size(); ++s) {
      for (const StoredPoint& point : points_) {
        if (!point.point) continue;
        full_[s].insert(kSides[s].full(*point.point));
        integer_[s].insert(kSides[s].integer(*point.point));
      }
    }
  }

  Answer answer() {
    answer_.points = points_.size();
    for (const StoredPoint& point : points_) {
      if (!point.finished) ++answer_.missing;
      else if (point.point && misses(point)) offenders_.push_back(&point);
    }
    std::vector<const StoredPoint*> candidates;
    for (const StoredPoint& point : points_) {
      if (point.finished && meets(point)) candidates.push_back(&point);
    }
    std::sort(candidates.begin(), candidates.end(), [&](const auto* a, const auto* b) { return key(*a) < key(*b); });
    for (const StoredPoint* point : candidates) {
      const StoredPoint* worse = nullptr;
      std::vector<std::string> extend;
      const Doubt doubt = question_.any ? Doubt::kNone : doubt_of(*point, worse, extend);
      if (doubt == Doubt::kNone) {
        answer_.point = *point;
        break;
      }
      if (doubt == Doubt::kUndecided && !answer_.undecided) answer_.undecided = *point;
      if (doubt == Doubt::kUndecided || answer_.doubted || answer_.undecided) continue;
      answer_.doubted = *point;
      answer_.doubt = doubt;
      answer_.extend = extend;
      if (worse != nullptr) answer_.worse = *worse;
    }
    if (candidates.empty()) find_nearest();
    if (answer_.point) {
      answer_.bits = bits(*answer_.point);
      for (const Bound& bound : question_.bounds) answer_.judgements.push_back(judge(*answer_.point, bound, samples_));
      if (answer_.point->point) find_lower_edge(*answer_.point->point);
    }
    say();
    return std::move(answer_);
  }

  double bits(const StoredPoint& point) const {
    if (point.point) return bits_of(*point.point);
    const auto at = static_cast<std::size_t>(&point - points_.data());
    // (A copy in the answer: found again by its id.)
    if (at < bits_.size()) return bits_[at];
    for (std::size_t i = 0; i < bits_.size(); ++i) {
      if (points_[i].id == point.id) return bits_[i];
    }
    return std::numeric_limits<double>::infinity();
  }
  double cost(const StoredPoint& point) const {
    const Bound& first = question_.bounds.front();
    return cost_of(first.metric, point.values[first.at]);
  }
  // Whether each of the bounds from `first` on is met by at least its error, as far as that is known.
  bool decided(const StoredPoint& point, std::size_t first = 0) const {
    return std::all_of(question_.bounds.begin() + static_cast<std::ptrdiff_t>(first), question_.bounds.end(), [&](const Bound& bound) {
      const Standing standing = judge(point, bound, samples_).standing;
      return standing == Standing::kMet || standing == Standing::kMetErrorUnknown;
    });
  }
  // Whether each of them is met, by whatever it is.
  bool meets(const StoredPoint& point, std::size_t first = 0) const {
    return std::all_of(question_.bounds.begin() + static_cast<std::ptrdiff_t>(first), question_.bounds.end(),
                       [&](const Bound& b) { return cost_of(b.metric, point.values[b.at]) <= b.most; });
  }
  // More than is allowed, or nobody knows how much.
  bool overflows(const StoredPoint& point) const {
    constexpr double kAll = 100;
    return point.overflow ? point.overflow->share > question_.most_overflow : !point.clean && question_.most_overflow < kAll;
  }

 private:
  std::pair<double, double> key(const StoredPoint& point) const { return {bits(point), cost(point)}; }

  // Beyond the error of a bound; what is unknown is missed.
  bool misses(const StoredPoint& point) const {
    return std::any_of(question_.bounds.begin(), question_.bounds.end(), [&](const Bound& bound) {
      const Standing standing = judge(point, bound, samples_).standing;
      return standing == Standing::kMissed || standing == Standing::kUnknown;
    });
  }

  Doubt doubt_of(const StoredPoint& point, const StoredPoint*& worse, std::vector<std::string>& extend) const {
    if (overflows(point)) return Doubt::kOverflow;
    const Doubt remaining = decided(point) ? Doubt::kNone : Doubt::kUndecided;
    if (!point.point) return remaining;
    for (const StoredPoint* offender : offenders_) {
      if (offender == &point || !has_no_fewer_bits(*offender, point, more_)) continue;
      const double own = cost(*offender);
      if (worse == nullptr || std::isnan(own) || own > cost(*worse)) worse = offender;
    }
    if (worse != nullptr) return Doubt::kFailsAbove;
    bool unfinished = false;
    for (std::size_t s = 0; s < kSides.size(); ++s) {
      for (const bool integer : {false, true}) unfinished |= !has_neighbour(point, s, integer, extend);
    }
    return !extend.empty() ? Doubt::kEdge : unfinished ? Doubt::kUnfinished : remaining;
  }

  // Whether there is a finished point with more integer (or fractional) bits of one kind of tensor and no fewer of the other; where the
  // grid has none, the options that would give one.
  bool has_neighbour(const StoredPoint& point, std::size_t s, bool integer, std::vector<std::string>& extend) const {
    const Side& side = kSides[s];
    if (full_[s].size() < 2 || (integer && integer_[s].size() < 2)) return true;                   // the grid does not vary it
    if (integer && (point.clean || !(s == 0 ? more_.of_vectors : more_.of_weights))) return true;  // the same bits result, or worse ones
    const Point& own = *point.point;
    const auto fraction = [&](const Point& p) { return side.full(p) - side.integer(p); };
    bool planned = false;
    for (const StoredPoint& other : points_) {
      if (!other.point || !has_no_fewer_bits(other, point, more_)) continue;
      const Point& p = *other.point;
      if (integer ? side.integer(p) <= side.integer(own) : fraction(p) <= fraction(own)) continue;
      if (other.finished) return true;
      planned = true;
    }
    if (planned) return false;
    const bool last_integer = side.integer(own) == *integer_[s].rbegin();
    const auto add = [&](const std::string& option) {
      if (std::find(extend.begin(), extend.end(), option) == extend.end()) extend.push_back(option);
    };
    if (integer && last_integer) add(extended(side.integer_option, integer_[s]));
    if (!integer || !last_integer || side.full(own) == *full_[s].rbegin()) add(extended(side.full_option, full_[s]));
    return false;
  }

  // The range of the grid, one step longer.
  static std::string extended(const char* option, const std::set<int>& values) {
    const int last = *values.rbegin();
    const int step = last - *std::next(values.rbegin());
    bool even = true;
    for (auto it = std::next(values.begin()); it != values.end(); ++it) even &= *it - *std::prev(it) == step;
    const int first = even ? *values.begin() : last;
    return std::string(option) + " " + std::to_string(first) + ":" + std::to_string(last + step) +
           (step == 1 ? "" : ":" + std::to_string(step));
  }

  // Where the grid varies bits and the point has the fewest of them, as if nothing less could do. With fewer integer bits there would be
  // more fractional ones in the same width.
  void find_lower_edge(const Point& point) {
    for (std::size_t s = 0; s < kSides.size(); ++s) {
      if (integer_[s].size() > 1 && kSides[s].integer(point) == *integer_[s].begin()) {
        const int end = *integer_[s].begin();
        const int by = *std::next(integer_[s].begin()) - end;
        answer_.extend_down.push_back(std::string(kSides[s].integer_option) + " " + std::to_string(end - by) + ":" + std::to_string(end) +
                                      (by == 1 ? "" : ":" + std::to_string(by)));
      }
      const int first = *full_[s].begin();
      if (full_[s].size() < 2 || kSides[s].full(point) > first) continue;
      const int step = *std::next(full_[s].begin()) - first;
      // No type has fewer bits in all than integer bits.
      const int least = std::max(1, *integer_[s].begin());
      if (first <= least) continue;
      const int low = std::max(least, first - step);
      answer_.extend_down.push_back(std::string(kSides[s].full_option) + " " + std::to_string(low) + ":" + std::to_string(first) +
                                    (first - low == 1 ? "" : ":" + std::to_string(first - low)));
    }
  }

  // By how much a point misses the bound that it misses most, relative to that bound; 0 where it meets all, NaN where a value is unknown.
  double excess(const StoredPoint& point) const {
    double most = 0;
    for (const Bound& bound : question_.bounds) {
      const double over = cost_of(bound.metric, point.values[bound.at]) - bound.most;
      const double relative = over / (bound.most == 0 ? 1 : std::abs(bound.most));
      if (!(relative <= most)) most = relative;
      if (std::isnan(most)) break;
    }
    return most;
  }

  void find_nearest() {
    const auto key = [&](const StoredPoint& point) { return std::tuple(excess(point), cost(point), bits(point)); };
    for (const StoredPoint& point : points_) {
      if (!point.finished || std::isnan(excess(point)) || (!question_.any && overflows(point))) continue;
      if (!answer_.nearest || key(point) < key(*answer_.nearest)) answer_.nearest = point;
    }
  }

  void say() {
    if (answer_.missing > 0) {
      answer_.said.push_back(count(answer_.missing) + " of " + count(answer_.points) +
                             " points are not finished, and the answer may change; the same narrow run or sweep computes them");
    }
    say_doubt();
    say_undecided();
    if (answer_.point) {
      for (std::size_t i = 0; i < question_.bounds.size(); ++i) say_error(*answer_.point, question_.bounds[i]);
      answer_.said.push_back("there, " + overflow_in_words(*answer_.point));
      say_lower_edge();
      if (question_.any) return;
      if (answer_.point->point) say_fixed_bits();
      else answer_.said.emplace_back("a point without coordinates has no neighbours that could confirm it");
    } else if (!answer_.nearest && !answer_.doubted && !answer_.undecided) {
      say_unknown();
    } else if (answer_.nearest) {
      std::string text = "the nearest is " + types_of(*answer_.nearest);
      for (const Bound& bound : question_.bounds) text += ", where " + value_in_words(*answer_.nearest, bound);
      answer_.said.push_back(text);
      for (const Bound& bound : question_.bounds) say_error(*answer_.nearest, bound);
    }
  }

  // Why there is not even a nearest point.
  void say_unknown() {
    if (answer_.missing == answer_.points) return;
    for (const Bound& bound : question_.bounds) {
      const bool known = std::any_of(points_.begin(), points_.end(), [&](const StoredPoint& point) {
        return point.finished && !std::isnan(cost_of(bound.metric, point.values[bound.at]));
      });
      if (!known) answer_.said.push_back(name_in_words(bound.metric) + " is unknown at every point");
    }
  }

  // Bits that the grid does not vary have no neighbours. More integer bits change nothing where nothing overflows.
  void say_fixed_bits() {
    std::string fixed;
    for (std::size_t s = 0; s < kSides.size(); ++s) {
      const auto add = [&](const char* option) { fixed += (fixed.empty() ? "" : " and ") + std::string(option); };
      if (full_[s].size() == 1) add(kSides[s].full_option);
      if (integer_[s].size() == 1 && !answer_.point->clean) add(kSides[s].integer_option);
    }
    if (!fixed.empty()) answer_.said.push_back("the grid has one value of " + fixed + ": more bits there were not tried");
    std::string coarser;
    if (!more_.of_vectors && integer_[0].size() > 1) coarser = kSides[0].integer_option;
    if (!more_.of_weights && integer_[1].size() > 1) coarser += (coarser.empty() ? "" : " and ") + std::string(kSides[1].integer_option);
    if (!coarser.empty()) {
      answer_.said.push_back("the softmax looks its scores up in a table whose steps grow with integer bits: points with more of " +
                             coarser + " are not expected to be better, and are not asked for confirmation");
    }
  }

  void say_lower_edge() {
    std::string options;
    for (const std::string& option : answer_.extend_down) options += (options.empty() ? "" : " ") + option;
    if (!options.empty()) answer_.said.push_back("the grid begins there: no fewer bits were tried; extend it with " + options);
  }

  void say_undecided() {
    if (!answer_.undecided) return;
    const StoredPoint& point = *answer_.undecided;
    for (const Bound& bound : question_.bounds) {
      const Judgement judgement = judge(point, bound, samples_);
      if (judgement.samples) answer_.samples = std::max(answer_.samples.value_or(0), *judgement.samples);
      if (judgement.standing == Standing::kMetWithinError) say_error(point, bound, "the " + bits_in_words(point) + " is undecided: ");
    }
  }

  std::string bits_in_words(const StoredPoint& point) const { return number_text(bits(point), 4) + "-bit point " + types_of(point); }

  void say_error(const StoredPoint& point, const Bound& bound, const std::string& before = "") {
    const Judgement judgement = judge(point, bound, samples_);
    const std::string samples = count(samples_) + (samples_ == 1 ? " sample" : " samples");
    if (judgement.standing == Standing::kMet || judgement.standing == Standing::kMissed || judgement.standing == Standing::kUnknown) return;
    std::string text = before + value_in_words(point, bound) + ": the bound of " + number(bound.most) +
                       (bound.metric.unit.empty() ? "" : " " + bound.metric.unit) +
                       (judgement.standing == Standing::kMissedWithinError ? " is missed, but by" : " is met, but ");
    if (judgement.standing == Standing::kMetErrorUnknown) {
      answer_.said.push_back(text + "its statistical error is unknown");
      return;
    }
    text += std::string(judgement.standing == Standing::kMetWithinError ? "by" : "") + " less than the statistical error of " + samples;
    if (judgement.samples) {
      text += "; about " + count_text(*judgement.samples) + " would decide";
      text += has_more_ ? " (--samples " + digits(*judgement.samples) + " and another --out, if the data hold as many)"
                        : ", more than the data hold";
    }
    answer_.said.push_back(text);
  }

  void say_doubt() {
    if (!answer_.doubted) return;
    const StoredPoint& point = *answer_.doubted;
    std::string text = "the " + bits_in_words(point);
    for (std::size_t i = 0; i < question_.bounds.size(); ++i)
      text += (i == 0 ? " meets the bound (" : ", ") + value_in_words(point, question_.bounds[i]);
    text += ") but is not recommended: ";
    if (answer_.doubt == Doubt::kOverflow) {
      text += overflow_in_words(point);
      text += point.overflow ? ", more than " + number(question_.most_overflow) + " % (--overflow)"
                             : " (--overflow 100 recommends it all the same)";
    }
    if (answer_.doubt == Doubt::kFailsAbove) {
      text += "a point with more bits fails: " + types_of(*answer_.worse);
      for (const Bound& bound : question_.bounds) {
        const Standing standing = judge(*answer_.worse, bound, samples_).standing;
        if (standing == Standing::kMissed || standing == Standing::kUnknown) text += ", " + value_in_words(*answer_.worse, bound);
      }
    }
    if (answer_.doubt == Doubt::kEdge) {
      std::string options;
      for (const std::string& option : answer_.extend) options += (options.empty() ? "" : " ") + option;
      text += "the grid ends there, so nothing shows whether more bits keep the bound; extend it with " + options;
    }
    if (answer_.doubt == Doubt::kUnfinished) text += "its neighbours with more bits are not finished";
    answer_.said.push_back(text);
  }

  const std::vector<StoredPoint>& points_;
  const Question& question_;
  std::size_t samples_;
  bool has_more_;
  const std::vector<double>& bits_;
  MoreIntegerBits more_;
  std::array<std::set<int>, 2> full_, integer_;  // of vectors, of weights
  std::vector<const StoredPoint*> offenders_;
  Answer answer_;
};

}  // namespace

MoreIntegerBits more_integer_bits(const std::string& types, const std::string& options) {
  const nlohmann::json layers = nlohmann::json::parse(types, nullptr, false);
  const bool has_table = std::any_of(layers.begin(), layers.end(), [](const nlohmann::json& layer) {
    if (!layer.is_object() || !layer.contains("implementation")) return false;
    return layer["implementation"] == "stable" || layer["implementation"] == "latency";
  });
  // Where types are inferred, scores have the integer bits of the weights too.
  return {!has_table, !has_table || options.starts_with("uniform")};
}

Answer best_of(const std::vector<StoredPoint>& points, const Question& question, std::size_t samples, bool has_more,
               const std::vector<double>& bits, const MoreIntegerBits& more) {
  return Judge(points, question, samples, has_more, bits, more).answer();
}

// Of a classifier, where the class of many samples is decided by the order of the outputs.
static void say_ties(Answer& answer, const std::vector<Metric>& metrics) {
  constexpr double kMany = 1;
  const auto ties = std::find_if(metrics.begin(), metrics.end(), [](const Metric& metric) { return metric.name == "ties"; });
  const std::optional<StoredPoint>& point = answer.point       ? answer.point
                                            : answer.undecided ? answer.undecided
                                            : answer.doubted   ? answer.doubted
                                                               : answer.nearest;
  if (ties == metrics.end() || !point) return;
  const double share = point->values[static_cast<std::size_t>(ties - metrics.begin())];
  if (!(share > kMany)) return;
  answer.said.push_back("at " + types_of(*point) + " " + number(share) +
                        " % of the samples have tied highest scores, and are taken to be of the first class of these");
}

// Whether the least and the most bits of a side, with the other side's as they are, give the same types. Networks that were trained with
// quantizers have types of their own.
static bool has_no_effect(const Store& store, const std::vector<StoredPoint>& points, std::size_t side) {
  const Side& other = kSides[1 - side];
  const StoredPoint* first = nullptr;
  const StoredPoint* least = nullptr;
  const StoredPoint* most = nullptr;
  const auto bits = [&](const StoredPoint& point) {
    return std::pair(kSides[side].full(*point.point), kSides[side].integer(*point.point));
  };
  for (const StoredPoint& point : points) {
    if (!point.point || !point.finished) continue;
    if (first == nullptr) first = &point;
    if (other.full(*point.point) != other.full(*first->point) || other.integer(*point.point) != other.integer(*first->point)) continue;
    if (least == nullptr || bits(point) < bits(*least)) least = &point;
    if (most == nullptr || bits(point) > bits(*most)) most = &point;
  }
  return least != most && store.types(*least) == store.types(*most);
}

static void say_no_effect(Answer& answer, const Store& store, const std::vector<StoredPoint>& points) {
  const bool vectors = has_no_effect(store, points, 0);
  const bool weights = has_no_effect(store, points, 1);
  if (!vectors && !weights) return;
  const auto done = std::find_if(points.begin(), points.end(), [](const StoredPoint& point) { return point.point && point.finished; });
  const std::string own = number(bits_in(store.types(*done))) + " bits, the averages of its results and weights together";
  answer.without_effect =
      vectors && weights ? "the grid changes no type of this network, which has types of its own: all its points are one network, of " + own
                         : std::string("the grid's bits of ") + (vectors ? "vectors" : "weights and biases") +
                               " change no type of this network, which has types of its own: they say nothing of what it needs";
  std::erase_if(answer.said, [](const std::string& sentence) { return sentence.starts_with("the grid begins there"); });
  answer.said.push_back(answer.without_effect);
}

// What no bound looks at and yet moved: a resolution may be kept while the scale is lost, and with it the rate of a trigger. Of metrics
// that are 0 for the float model itself, in per cent, those that lie beyond what their bound would be by default, and beyond their error.
static void say_moved(Answer& answer, const Question& question, const std::vector<Metric>& metrics) {
  constexpr double kErrors = 3;
  constexpr std::size_t kMost = 3;  // of many classes the worst
  if (!answer.point) return;
  const StoredPoint& point = *answer.point;
  std::vector<std::pair<double, std::size_t>> moved;  // in default bounds
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const Metric& metric = metrics[i];
    const bool compares = metric.is_change || metric.name == "mpe_target" || metric.name == "disagreement";
    if (!compares || metric.unit != "%") continue;
    if (std::any_of(question.bounds.begin(), question.bounds.end(), [&](const Bound& bound) { return bound.at == i; })) continue;
    const double cost = cost_of(metric, point.values[i]);
    const double least = default_bound(metric.name);
    const double error = i < point.errors.size() && std::isfinite(point.errors[i]) ? point.errors[i] : 0;
    if (cost > least && cost - kErrors * error > 0) moved.emplace_back(cost / least, i);
  }
  if (moved.empty()) return;
  std::stable_sort(moved.begin(), moved.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string values;
  std::string bounds;
  for (const Bound& bound : question.bounds) bounds += (bounds.empty() ? "" : ",") + bound.metric.name + "=" + short_text(bound.most);
  for (std::size_t k = 0; k < std::min(moved.size(), kMost); ++k) {
    const std::size_t i = moved[k].second;
    values += (values.empty() ? "" : ", ") + value_in_words(point, {metrics[i], 0, i});
    bounds += "," + metrics[i].name + "=" + short_text(default_bound(metrics[i].name));
  }
  answer.said.push_back("no bound looks at what else changes at the recommended point: " + values + "; --below " + bounds +
                        " bounds it too");
}

// Of a network that gives one number whatever it is given, fewer bits lose nothing.
static void doubt_constant(Answer& answer, const Scan& scan, const Question& question) {
  if (!answer.point || question.any) return;
  const auto constant = [](const std::string& note) { return note.find(kLearnedNothing) != std::string::npos; };
  if (std::none_of(scan.notes.begin(), scan.notes.end(), constant)) return;
  answer.doubted = std::exchange(answer.point, std::nullopt);
  // What is said of that point goes; how many points are missing stands in front of it.
  answer.said.resize(answer.missing > 0 ? 1 : 0);
}

Answer best_of(const Store& store, const Scan& scan, const Question& question) {
  const std::vector<Metric> metrics = store.metrics();
  std::vector<StoredPoint> points = store.points(scan, names_of(metrics));
  if (question.grid_only) std::erase_if(points, [](const StoredPoint& point) { return !point.point; });
  const bool has_more = store.known(fact_of_all_samples(scan.data_name)).empty();
  const auto done = std::find_if(points.begin(), points.end(), [](const StoredPoint& point) { return point.finished; });
  const MoreIntegerBits more = done == points.end() ? MoreIntegerBits() : more_integer_bits(store.types(*done), scan.options);
  Answer answer = best_of(points, question, scan.samples, has_more, bits_without_coordinates(store, points), more);
  doubt_constant(answer, scan, question);
  const auto old = std::count_if(points.begin(), points.end(), [](const StoredPoint& p) { return p.finished && !p.measured; });
  if (old > 0) {
    answer.said.push_back(std::to_string(old) + (old == 1 ? " point was" : " points were") +
                          " measured by an older narrow, with other errors or none; the same narrow run or sweep measures them again");
  }
  say_ties(answer, metrics);
  say_moved(answer, question, metrics);
  say_no_effect(answer, store, points);
  if (answer.point && !answer.point->point) {
    std::vector<StoredPoint> grid = points;
    std::erase_if(grid, [](const StoredPoint& point) { return !point.point; });
    const Answer single = best_of(grid, question, scan.samples, has_more, {}, more);
    if (single.point) {
      answer.said.push_back(
          "in the grid the fewest bits are " + std::to_string(bits_of(*single.point)) + ", " + types_in_words(*single.point->point) +
          "; with the results that hls4ml infers, the averages of results and of " + "weights together are " +
          number(bits_in(store.types(*single.point))) + " there, and " + number(answer.bits) + " of " + answer.point->label);
    }
  }
  answer.said.insert(answer.said.end(), scan.notes.begin(), scan.notes.end());
  return answer;
}

Front pareto_front(const std::vector<StoredPoint>& points, const Question& question, const std::vector<double>& bits) {
  const Judge judge(points, question, 0, false, bits, {});
  struct {
    std::size_t finished = 0, unknown = 0, overflowing = 0, beyond = 0, undecided = 0;
  } left_out;
  std::vector<const StoredPoint*> sorted;
  for (const StoredPoint& point : points) {
    if (!point.finished) continue;
    ++left_out.finished;
    if (std::isnan(judge.cost(point))) ++left_out.unknown;
    else if (!question.any && judge.overflows(point)) ++left_out.overflowing;
    else if (!judge.meets(point, 1)) ++left_out.beyond;
    else if (!question.any && !judge.decided(point, 1)) ++left_out.undecided;
    else sorted.push_back(&point);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [&](const auto* a, const auto* b) {
    return std::pair(judge.bits(*a), judge.cost(*a)) < std::pair(judge.bits(*b), judge.cost(*b));
  });
  Front front;
  for (const StoredPoint* point : sorted) {
    if (front.points.empty() || judge.cost(*point) < judge.cost(front.points.back())) front.points.push_back(*point);
  }
  const auto say = [&](std::size_t number, const std::string& why) {
    if (number > 0) front.said.push_back(count(number) + (number == 1 ? " point " : " points ") + why);
  };
  if (front.points.empty()) {
    const std::string metric = question.bounds.front().metric.name;
    if (left_out.finished == 0) front.said.emplace_back("no point is finished");
    say(left_out.unknown, "without a value of " + metric);
    say(left_out.overflowing, "of which more than " + number(question.most_overflow) + " % overflow in some layer (--overflow, --any)");
    say(left_out.beyond, "beyond the other bounds");
  }
  say(left_out.undecided, "left out that " + std::string(left_out.undecided == 1 ? "keeps" : "keep") +
                              " to the other bounds by less than the statistical error: undecided (--any)");
  return front;
}

double bits_in(const std::string& types) {
  const nlohmann::json layers = nlohmann::json::parse(types, nullptr, false);
  double bits = 0;
  for (const char* kind : {"result_t", "weight_t"}) {
    double sum = 0;
    double tensors = 0;
    for (const nlohmann::json& layer : layers) {
      if (!layer.is_object() || !layer.contains(kind)) continue;
      sum += parse_format(layer[kind].get<std::string>()).width;
      ++tensors;
    }
    if (tensors > 0) bits += sum / tensors;
  }
  return bits;
}

std::vector<double> bits_without_coordinates(const Store& store, const std::vector<StoredPoint>& points) {
  std::vector<double> bits;
  if (std::all_of(points.begin(), points.end(), [](const StoredPoint& p) { return p.point.has_value(); })) return bits;
  bits.resize(points.size());
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!points[i].point) bits[i] = bits_in(store.types(points[i]));
  }
  return bits;
}

std::string overflow_in_words(const StoredPoint& point) {
  if (!point.overflow) return point.clean ? "nothing overflows" : "something overflows; how much was not counted";
  const WorstOverflow& worst = *point.overflow;
  const std::string samples = " (of " + count(worst.samples) + (worst.samples == 1 ? " sample)" : " samples)");
  if (worst.layer.empty()) return point.clean ? "nothing overflows" : "nothing overflows" + samples + ", but something does on the others";
  const std::string share = number(worst.share) + " %";
  if (worst.of == WorstOverflow::Of::kWeights) return share + " of the weights of " + worst.layer + " do not fit";
  return worst.layer + (worst.of == WorstOverflow::Of::kSums ? "'s sums overflow in " : " overflows in ") + share + " of its values" +
         samples;
}

std::string fact_of_all_samples(const std::string& data_name) { return "all samples of data" + (data_name.empty() ? "" : " " + data_name); }

}  // namespace narrow
