// Every case of every file in golden/ (or in the folder of $NARROW_GOLDEN) against hls4ml: types, predictions, traces.
#include "engine/golden.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/engine.h"
#include "files/model_file.h"
#include "layers/rearrangement.h"
#include "model/inference.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

std::string folder() {
  const char* other = std::getenv("NARROW_GOLDEN");
  return other != nullptr ? other : NARROW_SOURCE_DIR "/golden";
}

std::size_t differences(const std::vector<double>& expected, std::span<const double> got) {
  if (got.size() < expected.size()) return expected.size();
  std::size_t count = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) count += expected[i] != got[i] ? 1 : 0;
  return count;
}

void expect_types(const GoldenCase& golden, const Resolved& resolved) {
  for (std::size_t i = 0; i < resolved.model.layers.size(); ++i) {
    const Layer& layer = resolved.model.layers[i];
    const LayerPrecision& types = resolved.precision[i];
    // hls4ml's io_stream has another layer in the place of a Reshape.
    const std::string name_there = golden.types.contains("repack_" + layer.name) ? "repack_" + layer.name : layer.name;
    const auto* moved = as<Rearrangement>(layer);
    if (moved != nullptr && moved->move() == Move::kTakenForLast) continue;  // no layer of hls4ml's
    ASSERT_TRUE(golden.types.contains(name_there)) << layer.name;
    const auto& expected = golden.types.at(name_there);
    for (const auto& [name, format] : types.all()) {
      EXPECT_EQ(to_hls4ml_string(format), expected.at(std::string(name_of(name)) + "_t")) << layer.name;
    }
  }
}

class GoldenTest : public testing::Test {
 public:
  GoldenTest(const Model& model, const GoldenFile& file, const GoldenCase& golden, std::string path)
      : model_(model), file_(file), golden_(golden), path_(std::move(path)) {}

  void TestBody() override {
    // hls4ml's own configuration, where a case has one.
    const fs::path written = fs::path(path_).replace_extension(golden_.name + ".yml");
    const PrecisionConfig config = fs::exists(written) ? read_config(written.string(), model_) : config_of(golden_, model_);
    const Program program = build_program(resolve(model_, config));
    expect_types(golden_, program.resolved);
    expect_saved(program.resolved);
    std::size_t traced = 0;
    for (const auto& [name, values] : golden_.trace) {
      ASSERT_GE(program.model().find(name), 0) << name;
      traced =
          std::max(traced, values.size() / size_of(program.model().layers[static_cast<std::size_t>(program.model().find(name))].shape));
    }
    {
      SCOPED_TRACE("interpreter");
      expect_answers(interpret(program, file_.input, file_.samples, {.traced = traced}), program);
    }
    for (const Counting counting : {Counting::kAll, Counting::kOverflow, Counting::kNone}) {
      SCOPED_TRACE("fast path");
      RunResult run = Engine(program, {.counting = counting}).run(file_.input, file_.samples).run;
      const std::size_t size = file_.input.size() / file_.samples;
      const Engine unfused(program, {.counting = counting, .dedup = false, .fuse = false});
      run.trace = unfused.trace(std::span(file_.input).first(traced * size), traced).run.trace;
      expect_answers(run, program);
    }
  }

 private:
  // What is written of a network's types is read as the same.
  void expect_saved(const Resolved& resolved) {
    const fs::path path = fs::temp_directory_path() / ("narrow_golden_" + std::to_string(getpid()) + ".yml");
    std::ofstream(path) << to_yaml(resolved);
    const Resolved again = resolve(model_, read_config(path.string(), model_));
    fs::remove(path);
    ASSERT_EQ(again.precision.size(), resolved.precision.size());
    for (std::size_t i = 0; i < again.precision.size(); ++i) {
      EXPECT_EQ(again.model.layers[i].name, resolved.model.layers[i].name);
      EXPECT_TRUE(again.precision[i] == resolved.precision[i]) << again.model.layers[i].name;
      EXPECT_TRUE(same(*again.model.layers[i].op, *resolved.model.layers[i].op)) << again.model.layers[i].name;
    }
  }

  void expect_answers(const RunResult& run, const Program& program) {
    EXPECT_EQ(differences(golden_.predictions, run.predictions), 0U) << "of " << golden_.predictions.size() << " predictions";
    EXPECT_FALSE(golden_.trace.empty());
    for (const auto& [name, values] : golden_.trace) {
      const int index = program.model().find(name);
      ASSERT_GE(index, 0) << name;
      EXPECT_EQ(differences(values, run.trace[static_cast<std::size_t>(index)]), 0U)
          << "of " << values.size() << " values of layer " << name;
    }
  }

  const Model& model_;
  const GoldenFile& file_;
  const GoldenCase& golden_;
  std::string path_;  // of the model
};

class FloatTest : public testing::Test {
 public:
  FloatTest(const Model& model, const GoldenFile& file) : model_(model), file_(file) {}
  void TestBody() override {
    const std::vector<float> got = infer(model_, file_.input, file_.samples);
    ASSERT_EQ(got.size(), file_.float_predictions.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double expected = file_.float_predictions[i];
      ASSERT_NEAR(got[i], expected, 1e-5 * std::max(1.0, std::abs(expected))) << "prediction " << i;
    }
  }

 private:
  const Model& model_;
  const GoldenFile& file_;
};

struct Golden {
  Model model;
  GoldenFile file;
  std::string path;
};

void register_tests(std::vector<Golden>& all) {
  for (const auto& entry : fs::recursive_directory_iterator(folder())) {
    const fs::path path = entry.path();
    if (path.extension() != ".h5" || !fs::exists(fs::path(path).replace_extension(".cases.json"))) continue;
    for (const char* ending : {".keras", ".json", ".onnx"}) {
      const fs::path model = fs::path(path).replace_extension(ending);
      if (fs::exists(model)) all.push_back({read_model(model.string()), read_golden(path.string()), model.string()});
    }
  }
  for (const Golden& golden : all) {
    testing::RegisterTest("Float", golden.model.name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [&golden]() -> testing::Test* { return new FloatTest(golden.model, golden.file); });
    for (const GoldenCase& each : golden.file.cases) {
      testing::RegisterTest(("Golden_" + golden.model.name).c_str(), each.name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                            [&golden, &each]() -> testing::Test* { return new GoldenTest(golden.model, golden.file, each, golden.path); });
    }
  }
}

}  // namespace
}  // namespace narrow

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::vector<narrow::Golden> all;
  narrow::register_tests(all);
  if (all.empty()) {
    std::fprintf(stderr, "no golden files found\n");
    return 1;
  }
  return RUN_ALL_TESTS();
}
