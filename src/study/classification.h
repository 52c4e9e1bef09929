#ifndef NARROW_STUDY_CLASSIFICATION_H_
#define NARROW_STUDY_CLASSIFICATION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "study/classes.h"
#include "study/means.h"
#include "study/metric.h"
#include "study/resamples.h"

namespace narrow {

// The samples of a classifier, whatever is predicted for them: their classes, their weights, and what is drawn of them.
struct ClassSamples {
  ClassSamples(const Classes& classes, std::size_t outputs, std::size_t samples, std::span<const float> weights,
               const MetricOptions& options, const Resamples& resamples);

  const Classes& classes;
  std::size_t outputs, samples;
  Weighing weighing;  // a value a sample
  bool has_negative = false;
  std::vector<double> backgrounds, efficiencies;  // working points, %
  const Resamples& resamples;
  // The classes that are told from the others by an output: all, or class 1 of a single output.
  std::vector<std::size_t> signals;
  // What the samples of each class and all together weigh, of all samples and of each replica; empty without truth.
  struct Totals {
    std::vector<double> of_class;
    double all = 0;
  };
  Totals totals;
  std::vector<Totals> drawn;
  std::vector<std::uint8_t> times;  // how often each sample was drawn, sample by sample
  // Of each signal, the effective number of its samples, or of all others where these are fewer; as far as there are any.
  std::vector<double> fewest;
  std::size_t place(std::size_t signal) const { return outputs == 1 ? 0 : signal; }  // of its output
};

// How well an output tells its class (the signal) from all others (the background): samples pass whose score is at least a threshold,
// which lies at one of the scores or above all of them. Samples of one score pass together or not at all, as they do in a trigger.
struct Roc {
  static constexpr std::size_t kBins = 50;  // of the signal's efficiency, 2 % each
  bool has_both = false;                    // signal and background have a weight
  // The probability that a signal's score is above a background's, half where they are equal (Mann and Whitney 1947); 0.5 where all are
  // equal.
  double auc = 0;
  std::vector<double> influence;  // of each sample on auc: by how much its weight, raised by a part of itself, moves it
  struct Points {
    std::vector<double> efficiencies;  // of the signal, %: the largest where at most so much background passes
    std::vector<double> backgrounds;   // %: the least that passes where at least so much of the signal does
  };
  Points points;
  // The same of each replica: for each working point a value of each, as long as ClassSamples::resamples; empty where there are none.
  std::vector<std::vector<double>> drawn_efficiencies, drawn_backgrounds;
  std::vector<double> curve;  // of each bin the background that passes, %, where the efficiency reaches its upper edge
};

// One set of predictions of a classifier.
class Classification {
 public:
  Classification(const ClassSamples& samples, std::span<const double> predictions);

  bool known() const { return known_; }  // no prediction is NaN
  const std::vector<std::uint16_t>& chosen() const { return chosen_; }
  const std::vector<bool>& tied() const { return tied_; }  // whether its highest score is another output's too (or is the cut)
  const std::vector<Roc>& rocs() const { return rocs_; }   // of ClassSamples::signals
  // Of the samples of a class, the share that each class is chosen for, %.
  std::vector<double> confusion(std::size_t of) const;

 private:
  const ClassSamples& samples_;
  bool known_ = true;
  std::vector<std::uint16_t> chosen_;
  std::vector<bool> tied_;
  std::vector<Roc> rocs_;
};

// What is computed from a classifier's predictions in fixed point beside the float model's. Shares are in %. `which` is a place in
// ClassSamples::signals, nothing for the mean over those of which there are samples.
struct ClassMetrics {
  const ClassSamples& samples;
  const Classification& fixed;
  const Classification& reference;

  Estimate accuracy() const;
  Estimate accuracy_loss() const;
  Estimate agreement() const;
  Estimate disagreement() const;
  Estimate ties() const;
  Estimate auc(std::optional<std::size_t> which) const;
  Estimate auc_loss(std::optional<std::size_t> which) const;
  // At a working point: the value in fixed point; and its change, % of the float model's.
  Estimate efficiency(std::optional<std::size_t> which, std::size_t at) const;
  Estimate efficiency_loss(std::optional<std::size_t> which, std::size_t at) const;
  Estimate background(std::optional<std::size_t> which, std::size_t at) const;
  Estimate background_change(std::optional<std::size_t> which, std::size_t at) const;
};

// Why the labels may not be those of the samples: the float model, `of`, is right no more often than one that takes all for the largest
// class, or than chance, or would be far more often if the classes were called otherwise. Empty where nothing is wrong.
std::string doubt_of_labels(const ClassSamples& samples, const Classification& of);

// The mean over samples of the sum over classes of p log(p / q), p of `reference`, q of `fixed` (Kullback and Leibler 1951, in nats): each
// first brought up to at least 1e-7 (as Keras does), then scaled so that its classes add up to 1. A single output is that of class 1.
Estimate divergence(std::span<const double> fixed, std::span<const double> reference, std::size_t outputs, const Weighing& weighing);

}  // namespace narrow

#endif  // NARROW_STUDY_CLASSIFICATION_H_
