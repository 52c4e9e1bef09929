// For tests: hls4ml's own answers, as tools/hls4ml_reference.py writes them.
#ifndef NARROW_ENGINE_GOLDEN_H_
#define NARROW_ENGINE_GOLDEN_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/model.h"
#include "precision/config.h"

namespace narrow {

struct GoldenCase {
  std::string name;
  nlohmann::json description;  // the case as it was given to the tool
  nlohmann::json types;        // what hls4ml resolved: layer -> {result_t, ...}
  std::vector<double> predictions;
  std::map<std::string, std::vector<double>> trace;
};

struct GoldenFile {
  std::size_t samples = 0;
  std::vector<float> input;
  std::vector<double> float_predictions;  // Keras' own
  std::vector<GoldenCase> cases;
};

GoldenFile read_golden(const std::string& path);

// The configuration that the tool made of the case.
PrecisionConfig config_of(const GoldenCase& golden, const Model& model);

}  // namespace narrow

#endif  // NARROW_ENGINE_GOLDEN_H_
