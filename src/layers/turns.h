#ifndef NARROW_LAYERS_TURNS_H_
#define NARROW_LAYERS_TURNS_H_

#include "fixed/cast.h"
#include "model/operation.h"

namespace narrow {

// Whether a sum left its type's range: for a wrapping type whether the exact sum, never wrapped, lies outside, which is told
// from how often the terms went around; for any other type whether any step was changed.
class Turns {
 public:
  explicit Turns(const Format& accum) : accum_(accum), unbounded_(unbounded(accum)), wraps_(wraps(accum)) {}
  void restart() { left_ = false, turns_ = 0; }
  // A step turned raw * 2^-fraction into `result` of the accum type.
  void bring(Int128 raw, int fraction, Int128 result) {
    const CastResult exact = cast(raw, fraction, unbounded_);
    left_ |= exact.overflow || (!wraps_ && exact.raw != result);
    if (wraps_) turns_ += (exact.raw - result) >> accum_.width;
  }
  bool left_range() const { return left_ || turns_ != 0; }

 private:
  const Format& accum_;
  Format unbounded_;  // accum's steps without its ends
  bool wraps_ = false;
  bool left_ = false;
  Int128 turns_ = 0;
};

// Counts a value that was cast to its result type.
inline void count(LayerCounts& counts, const CastResult& result, bool was_nonzero) {
  counts.overflows += result.overflow ? 1 : 0;
  counts.zeros += was_nonzero && result.raw == 0 && !result.overflow ? 1 : 0;
}

}  // namespace narrow

#endif  // NARROW_LAYERS_TURNS_H_
