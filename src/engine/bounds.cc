#include "engine/bounds.h"

namespace narrow {

std::vector<Interval> result_intervals(const Program& program) {
  const Model& model = program.model();
  std::vector<Interval> intervals;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    std::vector<Interval> inputs;
    for (const int input : model.layers[i].inputs) inputs.push_back(intervals[static_cast<std::size_t>(input)]);
    intervals.push_back(model.layers[i].op->bounds(program.place(i), program.steps[i], inputs));
  }
  return intervals;
}

}  // namespace narrow
