#ifndef NARROW_MODEL_SEEN_H_
#define NARROW_MODEL_SEEN_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace narrow {

// Which samples a model was trained and validated on, by a hash of 48 bits of each one's prepared input (data/seen.h). A sample is known
// by its content: in whatever file it stands, and if it was generated again. Of more samples than kKept, those with the smallest hashes
// are kept, which is a fair draw of all of them, so that a model's file stays small (128 kB at most).
struct SeenSamples {
  static constexpr std::size_t kKept = std::size_t{1} << 14;
  static constexpr std::uint64_t kLargest = (std::uint64_t{1} << 48) - 1;

  std::uint64_t up_to = kLargest;                   // the hashes of all samples up to this one are kept
  std::vector<std::uint64_t> training, validation;  // rising
};

}  // namespace narrow

#endif  // NARROW_MODEL_SEEN_H_
