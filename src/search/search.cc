#include "search/search.h"

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "data/hash.h"
#include "data/text.h"
#include "error.h"
#include "model/inference.h"
#include "study/run.h"

namespace narrow {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Samples that guide the search; the bounds' metrics are of all.
constexpr std::size_t kGuiding = 500;
// Exchanges that are tried exactly in each round.
constexpr std::size_t kExchanges = 16;
// An exchange of equal cost is one where the deviation falls by so much; otherwise rounds would go on for nothing.
constexpr double kWorthwhile = 0.99;
// A part of the cost that is no saving, but how its sums are rounded.
constexpr double kNothing = 1e-9;
constexpr int kRounds = 80;
// The width of all others while one tensor's is measured: the widest of the fast kernels; and the widths that are measured.
constexpr int kBase = 16;
constexpr int kStride = 2;
// A tensor's own error is told from that of all others where it is at least this share of it.
constexpr double kStandsOut = 0.05;
// How often the allowed deviation is set anew by the metrics.
constexpr int kAdjustments = 6;
constexpr double kFactor = 1.5;

// Whether the bounds feel errors of one output in units of its value, as resolution and MPE do, and not the errors themselves.
bool is_relative(const Model& model, const SearchOptions& options) {
  constexpr std::array<std::string_view, 4> kAbsolute = {"mae", "rmse", "bias", "largest"};
  const auto is_absolute = [&](const Bound& bound) {
    return std::find(kAbsolute.begin(), kAbsolute.end(), bound.metric.name) != kAbsolute.end();
  };
  return model.output_size() == 1 && std::none_of(options.bounds.begin(), options.bounds.end(), is_absolute);
}

// A type that differs from an assignment's in one bit.
struct Move {
  std::size_t tensor = 0;
  Format type;
  double cost = 0;       // more than before; below 0 for less
  double deviation = 0;  // the same
};

// Of moves that all save, or all cost more, the one with the smaller change of deviation for its cost.
bool comes_first(const Move& a, const Move& b) { return a.deviation * std::abs(b.cost) < b.deviation * std::abs(a.cost); }

class Searcher {
 public:
  Searcher(const Tensors& tensors, const Samples& on, const SearchOptions& options)
      : tensors_(tensors),
        on_(on),
        options_(options),
        cost_(tensors, options.cost),
        guide_(tensors, guiding(on.data), std::min(on.data.size, kGuiding), guiding_reference(tensors.model(), on.data),
               is_relative(tensors.model(), options)),
        all_(tensors, on.data.x, on.data.size, {}) {}

  SearchResult run() {
    const Assignment widest = at_width(options_.most);
    check_reachable(widest);
    measure_sensitivity();
    const std::vector<Assignment> path = path_down();
    const std::size_t first = last_that_meets(path);
    result_.best = candidate(path[first]);
    describe_front(path, first);
    improve();
    // A bound that does not follow the deviation may be met again further down the path.
    if (cheapest_ && cheapest_->cost < result_.best.cost) result_.best = *cheapest_;
    trim();
    clean_front();
    measure_alone();
    result_.best.cost = cost_.shown(result_.best.cost);
    for (Candidate& each : result_.front) each.cost = cost_.shown(each.cost);
    result_.candidates = candidates_;
    result_.is_relative = is_relative(tensors_.model(), options_);
    return std::move(result_);
  }

 private:
  static std::span<const float> guiding(const Dataset& data) {
    return std::span(data.x).first(std::min(data.size, kGuiding) * size_of(data.shape));
  }
  static std::vector<double> guiding_reference(const Model& model, const Dataset& data) {
    const std::vector<float> reference = infer(float_network(model), guiding(data), std::min(data.size, kGuiding));
    return {reference.begin(), reference.end()};
  }

  void step(const std::string& what) {
    if (options_.stop()) throw Interrupted();
    options_.progress(what, candidates_);
  }

  // The types of so many bits, or the next fewer that fit.
  Format type_of(std::size_t tensor, int width) const {
    for (; width > kLeastWidth; --width) {
      if (const auto format = tensors_.fitted(tensor, width, options_.modes)) return *format;
    }
    return tensors_.fitted(tensor, kLeastWidth, options_.modes).value_or(Format{.width = kLeastWidth, .integer = kLeastWidth});
  }
  Assignment at_width(int width) const {
    Assignment types;
    for (std::size_t t = 0; t < tensors_.size(); ++t) types.push_back(type_of(t, width));
    return types;
  }

  // What the journal has is not computed again.
  static std::string key_of(const char* of, const Assignment& types) {
    Hash hash;
    for (const Format& type : types) hash.add(to_string(type));
    return of + hash.text();
  }

  Standings measured(const Assignment& types) {
    ++candidates_;
    const std::string key = key_of("metrics-", types);
    if (const auto known = options_.journal->find(key); known && known->size() == 2 * options_.bounds.size()) {
      std::vector<Estimate> metrics;
      for (std::size_t i = 0; i < known->size(); i += 2) metrics.push_back({(*known)[i], (*known)[i + 1]});
      return standings(options_, std::move(metrics));
    }
    Standings own = standings(on_.measure, options_, all_.predictions(types));
    std::vector<double> values;
    for (const Estimate& metric : own.metrics) values.insert(values.end(), {metric.value, metric.error});
    options_.journal->add(key, values);
    return own;
  }

  // From here on candidates are near these.
  void start_from(const Assignment& types) { near_ = types; }

  std::vector<double> deviations(const std::vector<Assignment>& all) {
    candidates_ += all.size();
    std::vector<double> values(all.size());
    std::vector<Assignment> unknown;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (const auto known = options_.journal->find(key_of("deviation-", all[i]))) {
        values[i] = known->front();
      } else {
        unknown.push_back(all[i]);
        places.push_back(i);
      }
    }
    if (unknown.empty()) return values;
    if (near_) guide_.start_from(*std::exchange(near_, std::nullopt));
    const std::vector<double> computed = guide_.deviations(unknown);
    for (std::size_t i = 0; i < unknown.size(); ++i) {
      values[places[i]] = computed[i];
      options_.journal->add(key_of("deviation-", unknown[i]), {computed[i]});
    }
    return values;
  }
  double deviation_of(const Assignment& types) { return deviations({types}).front(); }

  Candidate candidate(const Assignment& types) {
    Candidate own{types, cost_(types), deviation_of(types), measured(types)};
    if (own.on_search.met && (!cheapest_ || own.cost < cheapest_->cost)) cheapest_ = own;
    return own;
  }

  void check_reachable(const Assignment& widest) {
    step("first candidate");
    const Standings reached = measured(widest);
    if (reached.met) return;
    std::string text;
    bool is_unknown = false;
    bool misses = false;
    for (std::size_t i = 0; i < options_.bounds.size(); ++i) {
      const Metric& metric = options_.bounds[i].metric;
      const Estimate& own = reached.metrics[i];
      text += (i > 0 ? ", " : "") + metric.name;
      if (std::isnan(own.value)) text += " unknown";
      else text += " " + number_text(cost_of(metric, own.value), 3);
      if (!std::isnan(own.error)) text += " +- " + number_text(own.error, 2);
      text += " (asked: " + short_text(options_.bounds[i].most) + ")";
      is_unknown = is_unknown || std::isnan(own.value);
      misses = misses || cost_of(metric, own.value) > options_.bounds[i].most;
    }
    // What would help: a metric that is unknown needs other samples; one that is beyond its bound more bits, unless what is not searched
    // for (tables, types of the network's file) holds it there; one that meets it, but not by its error, more samples.
    const std::string cure =
        is_unknown ? "a metric that is unknown on these samples cannot bound a search"
        : misses ? "give a wider bound or more bits (--most); tables and types of the network's file stay as they are and may be the cause"
                 : "a bound has to be met by " + short_text(options_.sigmas) +
                       " of its errors (--sigmas), which more samples to search on make smaller";
    throw BoundMissed("--below: with " + std::to_string(options_.most) + " bits for every tensor the " + std::to_string(on_.data.size) +
                      " samples to search on have " + text + "; " + cure);
  }

  // What each tensor of the answer adds, the others at most bits.
  void measure_alone() {
    const Assignment base = at_width(options_.most);
    start_from(base);
    std::vector<Assignment> all(tensors_.size() + 1, base);
    for (std::size_t t = 0; t < tensors_.size(); ++t) all[t][t] = result_.best.types[t];
    const std::vector<double> of_all = deviations(all);
    for (std::size_t t = 0; t < tensors_.size(); ++t) result_.alone.push_back(std::max(0.0, of_all[t] - of_all.back()));
  }

  // What each tensor adds at each width, the others at kBase bits: measured at some widths, and in between, and above them, as powers of
  // the width's steps. Errors fall by a factor of 4 for each bit where they no longer stand out of the others'.
  void measure_sensitivity() {
    const Assignment base = at_width(std::min(kBase, options_.most));
    start_from(base);
    const double deviation = deviation_of(base);
    result_.sensitivity.resize(tensors_.size());
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      step("each tensor alone, " + std::to_string(t + 1) + " of " + std::to_string(tensors_.size()));
      std::vector<int> widths;
      for (int width = kLeastWidth; width < std::min(kBase, options_.most); width += kStride) widths.push_back(width);
      std::vector<Assignment> all(widths.size(), base);
      for (std::size_t i = 0; i < all.size(); ++i) all[i][t] = type_of(t, widths[i]);
      const std::vector<double> of_all = deviations(all);
      std::vector<double>& added = result_.sensitivity[t].added;
      added.assign(static_cast<std::size_t>(options_.most - kLeastWidth + 1), 0);
      std::size_t known = 0;  // widths that stand out
      for (std::size_t i = 0; i < all.size(); ++i) {
        const double own = of_all[i] - deviation;
        if (!(own > kStandsOut * deviation)) break;
        added[static_cast<std::size_t>(widths[i] - kLeastWidth)] = own;
        known = i + 1;
      }
      if (known == 0) {
        added[0] = kStandsOut * deviation;  // at most
        known = 1;
      }
      for (std::size_t i = 1; i < known; ++i) {
        const auto from = static_cast<std::size_t>(widths[i - 1] - kLeastWidth);
        const auto to = static_cast<std::size_t>(widths[i] - kLeastWidth);
        for (std::size_t w = from + 1; w < to; ++w) {
          const double share = static_cast<double>(w - from) / static_cast<double>(to - from);
          added[w] = std::isfinite(added[from]) ? std::pow(added[from], 1 - share) * std::pow(added[to], share) : added[from];
        }
      }
      for (auto w = static_cast<std::size_t>(widths[known - 1] - kLeastWidth) + 1; w < added.size(); ++w) added[w] = added[w - 1] / 4;
      // More bits never add more: what seems so is by chance.
      for (std::size_t w = added.size() - 1; w > 0; --w) added[w - 1] = std::max(added[w - 1], added[w]);
    }
  }

  // Assignments from the widest down, each with a bit less for one tensor: the one of least deviation for what it saves.
  std::vector<Assignment> path_down() {
    std::vector<Assignment> path{at_width(options_.most)};
    double cost = cost_(path.front());
    while (true) {
      const Assignment& now = path.back();
      std::size_t best = now.size();
      double best_ratio = kInfinity;
      double best_cost = 0;
      for (std::size_t t = 0; t < now.size(); ++t) {
        if (now[t].width <= kLeastWidth) continue;
        Assignment next = now;
        next[t] = type_of(t, now[t].width - 1);
        const double next_cost = cost_(next);
        const double saved = std::max(cost - next_cost, cost * kNothing);
        const Sensitivity& alone = result_.sensitivity[t];
        const double ratio = (alone.at(next[t].width) - alone.at(now[t].width)) / saved;
        if (ratio < best_ratio) {
          best = t;
          best_ratio = ratio;
          best_cost = next_cost;
        }
      }
      if (best == now.size()) return path;
      Assignment next = now;
      next[best] = type_of(best, now[best].width - 1);
      path.push_back(std::move(next));
      cost = best_cost;
    }
  }

  std::size_t last_that_meets(const std::vector<Assignment>& path) {
    std::size_t met = 0;
    std::size_t missed = path.size();
    while (missed - met > 1) {
      step("a path of falling bits");
      const std::size_t middle = (met + missed) / 2;
      (measured(path[middle]).met ? met : missed) = middle;
    }
    return met;
  }

  // Some of the path on either side of where the bounds are met, without what another has for less.
  void describe_front(const std::vector<Assignment>& path, std::size_t met) {
    constexpr std::size_t kShown = 12;
    const std::size_t first = met / 2;
    const std::size_t end = std::min(path.size(), met + (path.size() - met) / 2 + 1);
    for (std::size_t i = 0; i < kShown; ++i) {
      step("a front of error against cost");
      result_.front.push_back(candidate(path[first + (end - 1 - first) * i / (kShown - 1)]));
    }
  }

  // Drops what another one has for less.
  void clean_front() {
    std::vector<Candidate>& front = result_.front;
    front.push_back(result_.best);
    std::stable_sort(front.begin(), front.end(), [](const Candidate& a, const Candidate& b) {
      return std::pair(a.cost, a.deviation) < std::pair(b.cost, b.deviation);
    });
    double least = kInfinity;
    std::vector<Candidate> kept;
    for (Candidate& each : front) {
      if (!(each.deviation < least)) continue;
      least = each.deviation;
      kept.push_back(std::move(each));
    }
    std::reverse(kept.begin(), kept.end());
    front = std::move(kept);
  }

  // From what meets the bounds to what costs less and meets them.
  void improve() {
    double met = 0;
    double missed = kInfinity;
    double allowed = result_.best.deviation;
    Candidate now = result_.best;
    for (int i = 0; i < kAdjustments; ++i) {
      now = candidate(polished(now.deviation > allowed ? tightened(now, allowed) : now, allowed));
      if (now.on_search.met && now.cost <= result_.best.cost) result_.best = now;
      (now.on_search.met ? met : missed) = allowed;
      if (met == 0) allowed /= kFactor;
      else allowed = missed == kInfinity ? met * kFactor : std::sqrt(met * missed);
    }
  }

  // Bits that can go one by one, without more deviation, with every bound met. (Where a metric follows the deviation closely none is left.)
  void trim() {
    bool again = true;
    while (again) {
      again = false;
      start_from(result_.best.types);
      const std::vector<Move> moves = neighbours(result_.best.types, result_.best.cost, result_.best.deviation);
      for (const Move* move : savings(moves)) {
        if (move->deviation > 0) continue;
        step("cost " + number_text(cost_.shown(result_.best.cost), 4));
        const Candidate less = candidate(moved(result_.best.types, {move}));
        if (less.deviation > result_.best.deviation || !less.on_search.met) continue;
        result_.best = less;
        again = true;
      }
    }
  }

  // With bits given back, those that lower the deviation most for their cost, until there is no more than is allowed.
  Candidate tightened(Candidate from, double allowed) {
    for (int round = 0; round < kRounds && from.deviation > allowed; ++round) {
      step("cost " + number_text(cost_.shown(from.cost), 4));
      start_from(from.types);
      std::vector<Move> moves = neighbours(from.types, from.cost, from.deviation);
      moves.erase(std::remove_if(moves.begin(), moves.end(), [](const Move& move) { return move.cost <= 0 || !(move.deviation < 0); }),
                  moves.end());
      std::stable_sort(moves.begin(), moves.end(), comes_first);
      Assignment next = from.types;
      double sum = from.deviation;
      for (const Move& move : moves) {
        if (sum <= allowed) break;
        if (!(next[move.tensor] == from.types[move.tensor])) continue;
        next[move.tensor] = move.type;
        sum += move.deviation;
      }
      if (next == from.types) break;
      from.types = std::move(next);
      from.cost = cost_(from.types);
      from.deviation = deviation_of(from.types);
    }
    return from;
  }

  // Bits of single tensors are taken away and exchanged until nothing costs less with at most so much deviation. What the neighbours of an
  // assignment change is measured anew when nothing more comes of what was measured of an earlier one.
  Assignment polished(const Candidate& from, double allowed) {
    Assignment now = from.types;
    double cost = from.cost;
    double deviation = from.deviation;
    std::vector<Move> moves;
    bool fresh = false;
    for (int round = 0; round < kRounds; ++round) {
      step("cost " + number_text(cost_.shown(cost), 4));
      start_from(now);
      if (moves.empty()) {
        moves = neighbours(now, cost, deviation);
        fresh = true;
      }
      Assignment next;
      double next_deviation = 0;
      std::tie(next, next_deviation) = without(now, moves, deviation, allowed);
      if (next == now) std::tie(next, next_deviation) = exchanged(now, moves, cost, deviation, allowed);
      if (next == now) {
        if (fresh) break;
        moves.clear();
        continue;
      }
      moves.erase(std::remove_if(moves.begin(), moves.end(), [&](const Move& move) { return !(next[move.tensor] == now[move.tensor]); }),
                  moves.end());
      fresh = false;
      now = std::move(next);
      cost = cost_(now);
      deviation = next_deviation;
    }
    return now;
  }

  // Every assignment that differs in one bit of one tensor.
  std::vector<Move> neighbours(const Assignment& now, double cost, double deviation) {
    std::vector<Move> moves;
    const auto add = [&](std::size_t t, int width, int integer) {
      if (width < kLeastWidth || width > options_.most) return;
      Format type = now[t];
      type.width = width;
      type.integer = integer;
      moves.push_back({t, type});
    };
    for (std::size_t t = 0; t < now.size(); ++t) {
      if (tensors_.all()[t].range.is_zero()) continue;
      const Format& own = now[t];
      add(t, own.width - 1, own.integer);  // a step twice as wide
      add(t, own.width + 1, own.integer);
      if (!saturates(own) || !tensors_.all()[t].may_saturate) continue;
      add(t, own.width - 1, own.integer - 1);  // what lies in the upper half saturates
      if (own.integer < type_of(t, own.width).integer) add(t, own.width + 1, own.integer + 1);
    }
    std::vector<Assignment> all;
    all.reserve(moves.size());
    for (const Move& move : moves) all.push_back(moved(now, {&move}));
    const std::vector<double> of_all = deviations(all);
    for (std::size_t i = 0; i < moves.size(); ++i) {
      moves[i].deviation = of_all[i] - deviation;
      moves[i].cost = cost_(all[i]) - cost;
    }
    return moves;
  }

  static Assignment moved(Assignment types, const std::vector<const Move*>& moves) {
    for (const Move* move : moves) types[move->tensor] = move->type;
    return types;
  }

  // Moves that save, the cheapest in deviation first, one a tensor.
  static std::vector<const Move*> savings(const std::vector<Move>& moves) {
    std::vector<const Move*> all;
    for (const Move& move : moves) {
      if (move.cost < 0 && std::isfinite(move.deviation)) all.push_back(&move);
    }
    std::stable_sort(all.begin(), all.end(), [](const Move* a, const Move* b) { return comes_first(*a, *b); });
    std::vector<const Move*> first;
    for (const Move* move : all) {
      if (std::none_of(first.begin(), first.end(), [&](const Move* other) { return other->tensor == move->tensor; })) first.push_back(move);
    }
    return first;
  }

  // As many bits fewer as their sum of deviations allows; the same where none does, or the sum is wrong.
  std::pair<Assignment, double> without(const Assignment& now, const std::vector<Move>& moves, double deviation, double allowed) {
    std::vector<const Move*> taken;
    double sum = deviation;
    for (const Move* move : savings(moves)) {
      if (sum + move->deviation > allowed) continue;
      sum += move->deviation;
      taken.push_back(move);
    }
    while (!taken.empty()) {
      const Assignment next = moved(now, taken);
      const double own = deviation_of(next);
      if (own <= allowed) return {next, own};
      taken.resize(taken.size() / 2);
    }
    return {now, deviation};
  }

  // A bit more for one tensor and fewer for others, where that costs less, or as much with less deviation.
  std::pair<Assignment, double> exchanged(const Assignment& now, const std::vector<Move>& moves, double cost, double deviation,
                                          double allowed) {
    struct Exchange {
      std::vector<const Move*> moves;
      double cost, deviation;
    };
    std::vector<Exchange> exchanges;
    const std::vector<const Move*> savers = savings(moves);
    for (const Move& more : moves) {
      if (more.cost <= 0 || !(more.deviation < 0)) continue;
      Exchange exchange{{&more}, more.cost, more.deviation};
      for (const Move* saver : savers) {
        if (saver->tensor == more.tensor || deviation + exchange.deviation + saver->deviation > allowed) continue;
        exchange.moves.push_back(saver);
        exchange.cost += saver->cost;
        exchange.deviation += saver->deviation;
        const bool saves = exchange.cost < -cost * kNothing;
        if (saves || (exchange.cost <= 0 && deviation + exchange.deviation < deviation * kWorthwhile)) {
          exchanges.push_back(exchange);
          if (saves) break;
        }
      }
    }
    std::stable_sort(exchanges.begin(), exchanges.end(),
                     [](const Exchange& a, const Exchange& b) { return a.cost != b.cost ? a.cost < b.cost : a.deviation < b.deviation; });
    if (exchanges.size() > kExchanges) exchanges.resize(kExchanges);
    std::vector<Assignment> all;
    all.reserve(exchanges.size());
    for (const Exchange& exchange : exchanges) all.push_back(moved(now, exchange.moves));
    const std::vector<double> of_all = deviations(all);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (of_all[i] > allowed) continue;
      if (exchanges[i].cost < -cost * kNothing || of_all[i] < deviation * kWorthwhile) return {all[i], of_all[i]};
    }
    return {now, deviation};
  }

  const Tensors& tensors_;
  const Samples& on_;
  const SearchOptions& options_;
  Coster cost_;
  Evaluator guide_, all_;
  std::optional<Assignment> near_;
  std::optional<Candidate> cheapest_;  // of all that met the bounds
  std::size_t candidates_ = 0;
  SearchResult result_;
};

}  // namespace

std::string in_words(const Metric& metric, const Estimate& estimate) {
  const std::string value = number_text(cost_of(metric, estimate.value), 3);
  return std::isnan(estimate.error) ? value : value + " +- " + number_text(estimate.error, 2);
}

std::vector<std::string> bounds_in_doubt(const std::vector<Bound>& bounds, const Standings& on_search, const Standings& judged) {
  std::vector<std::string> said;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    const Bound& bound = bounds[i];
    const Estimate& own = judged.metrics[i];
    const double cost = cost_of(bound.metric, own.value);
    const double error = std::isnan(own.error) ? 0 : own.error;
    if (std::isnan(cost)) {
      said.push_back("on the samples that the search never saw " + bound.metric.name + " is unknown");
    } else if (cost - error > bound.most) {
      said.push_back("on the samples that the search never saw " + bound.metric.name + " is " + in_words(bound.metric, own) +
                     ", beyond the bound of " + short_text(bound.most) + ": search on more samples");
    } else if (cost > bound.most) {
      said.push_back("on the samples that the search never saw " + bound.metric.name + " is " + in_words(bound.metric, own) +
                     ", beyond the bound of " + short_text(bound.most) + " by less than its error");
    } else if (std::isnan(own.error) || std::isnan(on_search.metrics[i].error)) {
      said.push_back("the statistical error of " + bound.metric.name +
                     " is not known on these samples, so nothing says how sure it is that " + "the bound of " + short_text(bound.most) +
                     " is met");
    }
  }
  return said;
}

Standings standings(const SearchOptions& options, std::vector<Estimate> metrics) {
  Standings result{std::move(metrics), true};
  for (std::size_t i = 0; i < options.bounds.size(); ++i) {
    const Bound& bound = options.bounds[i];
    const double cost = cost_of(bound.metric, result.metrics[i].value);
    const double error = std::isnan(result.metrics[i].error) ? 0 : result.metrics[i].error;
    // A network that seems better than the float model is so by chance; one whose metric is unknown misses every bound.
    result.met = result.met && !std::isnan(cost) && std::max(0.0, cost) + options.sigmas * error <= bound.most;
  }
  return result;
}

Standings standings(const Measure& measure, const SearchOptions& options, std::span<const double> predictions) {
  const Measure::Values values = measure.measure(predictions);
  std::vector<Estimate> metrics;
  metrics.reserve(options.bounds.size());
  // By name: samples of which less is known, such as no true classes, have fewer metrics. One that is missing is unknown.
  for (const Bound& bound : options.bounds) {
    const auto own = std::find_if(measure.names().begin(), measure.names().end(),
                                  [&](const Metric& metric) { return metric.name == bound.metric.name; });
    metrics.push_back(own == measure.names().end() ? Estimate{} : values.metrics[static_cast<std::size_t>(own - measure.names().begin())]);
  }
  return standings(options, std::move(metrics));
}

SearchResult search(const Tensors& tensors, const Samples& on, const Samples& judge, SearchOptions options) {
  Journal none;
  if (options.journal == nullptr) options.journal = &none;
  SearchResult result = Searcher(tensors, on, options).run();
  Evaluator unseen(tensors, judge.data.x, judge.data.size, {});
  result.judged = standings(judge.measure, options, unseen.predictions(result.best.types));
  return result;
}

namespace {

// One type for all results and one for all weights, of these modes, with fewest bits that meet the bounds.
std::optional<SingleTypes> fewest_bits(const Tensors& tensors, Evaluator& all, const Samples& on, const SearchOptions& options,
                                       const Modes& modes) {
  constexpr int kMost = 26;
  int integer[2] = {-Range::kHighest, -Range::kHighest};
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const FreeTensor& tensor = tensors.all()[t];
    if (tensor.range.is_zero()) continue;
    int& own = integer[tensor.is_weight() ? 1 : 0];
    const auto wide = tensors.fitted(t, kMost, modes);
    if (wide) own = std::max(own, wide->integer + (tensor.is_signed ? 0 : 1));
  }
  for (int& own : integer) {
    if (own == -Range::kHighest) own = 1;  // all are 0
  }
  const auto type_of = [&](int width, int of) {
    return Format{.width = width, .integer = of, .rounding = modes.rounding, .overflow = modes.overflow};
  };
  const auto types_at = [&](int vector, int weight) {
    Assignment types;
    for (const FreeTensor& tensor : tensors.all())
      types.push_back(tensor.is_weight() ? type_of(weight, integer[1]) : type_of(vector, integer[0]));
    return types;
  };
  const auto meets = [&](int vector, int weight) {
    if (options.stop()) throw Interrupted();
    try {
      return standings(on.measure, options, all.predictions(types_at(vector, weight))).met;
    } catch (const Error&) {  // sums of more bits than narrow computes with
      return false;
    }
  };
  // For each width of the weights the fewest bits of the vectors. A pair that meets the bounds while more bits do not does so by chance.
  constexpr int kFewest = 4;
  std::array<int, kMost + 2> fewest{};
  fewest.fill(kMost + 1);
  tbb::parallel_for(kFewest, kMost + 1, [&](int weight) {
    tbb::this_task_arena::isolate([&] {
      int& own = fewest[static_cast<std::size_t>(weight)];
      while (own > kFewest && meets(own - 1, weight)) --own;
    });
  });
  fewest[kMost + 1] = kFewest;
  for (auto weight = static_cast<std::size_t>(kMost); weight >= kFewest; --weight)
    fewest[weight] = std::max(fewest[weight], fewest[weight + 1]);
  std::optional<SingleTypes> best;
  int bits = 2 * kMost + 1;
  for (int weight = kFewest; weight <= kMost; ++weight) {
    const int vector = fewest[static_cast<std::size_t>(weight)];
    if (vector > kMost || vector + weight >= bits) continue;
    bits = vector + weight;
    best = SingleTypes{type_of(vector, integer[0]), type_of(weight, integer[1]), types_at(vector, weight), 0, {}, {}};
  }
  return best;
}

}  // namespace

std::optional<SingleTypes> best_single_types(const Tensors& tensors, const Samples& on, const Samples& judge,
                                             const SearchOptions& options) {
  Evaluator all(tensors, on.data.x, on.data.size, {});
  Coster cost(tensors, options.cost);
  std::optional<SingleTypes> best;
  for (const Modes& modes : {Modes{Rounding::kTrn, Overflow::kWrap}, options.modes}) {
    auto own = fewest_bits(tensors, all, on, options, modes);
    if (own) own->cost = cost(own->types);
    if (own && (!best || own->cost < best->cost)) best = std::move(own);
  }
  if (!best) return best;
  best->cost = cost.shown(best->cost);
  best->on_search = standings(on.measure, options, all.predictions(best->types));
  Evaluator unseen(tensors, judge.data.x, judge.data.size, {});
  best->judged = standings(judge.measure, options, unseen.predictions(best->types));
  return best;
}

}  // namespace narrow
