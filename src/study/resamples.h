#ifndef NARROW_STUDY_RESAMPLES_H_
#define NARROW_STUDY_RESAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace narrow {

// The bootstrap (Efron 1979): `replicas` times, as many samples are drawn as there are, with repetition. What matters of a replica is how
// often each sample was drawn, its weight; metrics of a replica are metrics of weighted samples. Fixed point and float are
// resampled together, by the same weights. The draws are the same on any machine, whatever the number of threads.
class Resamples {
 public:
  // 200 replicas tell an error to 5 %; of more than 5,000 samples fewer, at least 50 (10 %), so that resampling costs little
  // beside running the network.
  static std::size_t usual(std::size_t samples);
  Resamples(std::size_t samples, std::size_t replicas);

  std::size_t samples() const { return samples_; }
  std::size_t replicas() const { return replicas_; }
  std::span<const std::uint8_t> weights(std::size_t replica) const { return std::span(weights_).subspan(replica * samples_, samples_); }

 private:
  std::size_t samples_, replicas_;
  std::vector<std::uint8_t> weights_;  // replica by replica
};

// Values of some of the samples, by rising value, with the samples that they are of. None may be NaN; they may be infinite.
struct Ordered {
  std::vector<double> values;
  std::vector<std::uint32_t> samples;
};
Ordered ordered(std::span<const double> values, std::span<const std::uint32_t> samples);

// The value below which a share of the numbers lies, linear between them, as numpy.quantile does it. NaN of none. Infinite where
// either neighbour is.
double quantile(std::span<const double> rising, double share);

// The same of a replica, where each value stands as often as its sample was drawn: a value for each share.
void weighted_quantiles(const Ordered& values, std::span<const std::uint8_t> weights, std::span<const double> shares,
                        std::span<double> result);

// The same of samples that weigh `sample_weights`, none below 0: a value stands at the middle of its weight, on the line of all weights
// laid end to end, a sample that was drawn twice at two places; the shares go from the first of these places to the last. Where all
// weigh the same it is the quantile of above. Without `drawn` every sample is there once.
void weighted_quantiles(const Ordered& values, std::span<const float> sample_weights, std::span<const std::uint8_t> drawn,
                        std::span<const double> shares, std::span<double> result);

// The standard deviation of the values that replicas had: the error of an estimate whose own value is `value`. NaN where the value is not
// finite or a replica's is unknown, infinity where a replica's is infinite.
double spread(std::span<const double> replicas, double value);

}  // namespace narrow

#endif  // NARROW_STUDY_RESAMPLES_H_
