#ifndef NARROW_HLS4ML_PROJECT_H_
#define NARROW_HLS4ML_PROJECT_H_

#include <string>

#include "precision/precision.h"

namespace narrow {

// Makes a folder from which hls4ml computes what narrow does, bit for bit:
//   model.h5            the network as it is computed (BatchNormalization folded, what does nothing left out), readable by Keras 2.15 and 3
//   hls4ml_config.yml   Precision, Strategy and ReuseFactor of every layer
//   convert.py          registers KSum, converts and compiles with hls4ml, and compares with a trace
//   nnet_ksum.h         KSum for hls4ml's C++
// Throws Error where `folder` exists and is not empty, or cannot be written; it takes its name only when it is whole.
void write_project(const Resolved& resolved, const std::string& folder);

}  // namespace narrow

#endif  // NARROW_HLS4ML_PROJECT_H_
