#ifndef NARROW_ENGINE_LANE_STEP_H_
#define NARROW_ENGINE_LANE_STEP_H_

#include <optional>

#include "engine/lane_kernels.h"
#include "engine/program.h"

namespace narrow {

// What of a layer runs in lanes; the rest goes through fixed/cast.h one value at a time.
struct LaneStep {
  Form form = Form::kAny;          // what runs in lanes; kAny: nothing
  std::optional<LaneCast> cast;    // of the input, or of accum, to the result type
  std::optional<LaneDense> dense;  // up to accum
  std::optional<Gather> gather;    // of its rows
};

LaneStep make_lane_step(const Program& program, std::size_t layer);

}  // namespace narrow

#endif  // NARROW_ENGINE_LANE_STEP_H_
