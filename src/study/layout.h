#ifndef NARROW_STUDY_LAYOUT_H_
#define NARROW_STUDY_LAYOUT_H_

#include <string>

#include "study/sweep.h"

namespace narrow {

// Names and contents of the files of a study (see run_sweep).
std::string point_folder(const std::string& label, const Point& point);
std::string results_text(const SweepModel& model, double Metrics::*metric, const std::string& name, std::size_t samples);

// A line for each point: its precision, and `computed` or the point that it follows.
std::string points_text(const SweepModel& model);

// Writes points_{nodes}.txt, results_{nodes}_{mpe|mae}.txt and the heat maps of one model into `folder`.
void write_results(const std::string& folder, const SweepModel& model, std::size_t samples);

}  // namespace narrow

#endif  // NARROW_STUDY_LAYOUT_H_
