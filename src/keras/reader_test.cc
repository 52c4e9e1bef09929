// Reading what Keras 2.15 and Keras 3 wrote (golden/), and refusing what is broken.
#include "keras/reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include <unistd.h>

#include "error.h"
#include "keras/writer.h"
#include "layers/dense.h"
#include "layers/hard_sigmoid.h"
#include "model/inference.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = NARROW_SOURCE_DIR "/golden/";

void expect_same_model(const Model& a, const Model& b) {
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (std::size_t i = 0; i < a.layers.size(); ++i) {
    EXPECT_EQ(a.layers[i].name, b.layers[i].name);
    EXPECT_EQ(a.layers[i].shape, b.layers[i].shape);
    EXPECT_EQ(a.layers[i].inputs, b.layers[i].inputs);
    EXPECT_EQ(a.layers[i].op->keras_class(), b.layers[i].op->keras_class());
    const auto* dense = as<Dense>(a.layers[i]);
    if (dense == nullptr) continue;
    EXPECT_EQ(dense->kernel, as<Dense>(b.layers[i])->kernel) << a.layers[i].name;
    EXPECT_EQ(dense->bias, as<Dense>(b.layers[i])->bias) << a.layers[i].name;
  }
}

TEST(ReadKeras, EveryFileOfOneModelIsTheSameModel) {
  const Model model = read_keras(kGolden + "ds16.keras");
  for (const char* other : {"ds16_keras215.keras", "ds16_keras215.h5", "ds16_keras215.json",
                            "ds16_keras215.json+" NARROW_SOURCE_DIR "/golden/ds16_keras215_weights.h5"}) {
    SCOPED_TRACE(other);
    expect_same_model(model, read_keras(kGolden + other));
  }
}

TEST(ReadKeras, LegacyFilesOfOtherLayersAreTheSame) {
  expect_same_model(read_keras(kGolden + "bn16.keras"), read_keras(kGolden + "bn16_legacy.h5"));
  expect_same_model(read_keras(kGolden + "pool16.keras"), read_keras(kGolden + "pool16_legacy.h5"));
}

// Keras' older file names the arrays of quantizers, of several inputs in their order; a layer and a quantizer alone, and of weights.
TEST(ReadKeras, LegacyFilesOfHgq2AreTheSame) {
  for (const std::string name : {"hgq2/norms", "hgq2/branches"}) {
    const Model model = read_keras(kGolden + name + ".keras");
    const Model legacy = read_keras(kGolden + name + "_legacy.h5");
    expect_same_model(model, legacy);
    for (std::size_t i = 0; i < model.layers.size(); ++i)
      EXPECT_TRUE(same(*model.layers[i].op, *legacy.layers[i].op)) << model.layers[i].name;
  }
  const Model pair = read_keras(kGolden + "hgq2/pair.json");
  expect_same_model(read_keras(kGolden + "hgq2/pair.keras"), pair);
}

// Layers of two inputs, two inputs whose order is not that of their names, and two outputs.
TEST(ReadKeras, MergesAreWrittenAsTheyAreRead) {
  for (const std::string name : {"merges", "in_parallel"}) {
    const Model model = read_keras(kGolden + name + ".keras");
    std::vector<std::string> inputs;
    for (const int input : model.inputs()) inputs.push_back(model.layers[static_cast<std::size_t>(input)].name);
    EXPECT_EQ(inputs,
              name == "merges" ? (std::vector<std::string>{"cells", "an_event"}) : (std::vector<std::string>{"rows", "one_row", "vector"}));
    EXPECT_EQ(model.outputs.size(), 2U);
    const std::string path = (fs::temp_directory_path() / ("narrow_merges_" + std::to_string(getpid()))).string();
    for (const char* ending : {".keras", ".h5", ".json", "_2.h5"}) {
      SCOPED_TRACE(ending);
      if (std::string(ending) == "_2.h5") write_keras2(model, path + ending);
      else write_keras(model, path + ending);
      const Model again = read_keras(path + ending);
      expect_same_model(model, again);
      EXPECT_EQ(model.outputs, again.outputs);
      for (std::size_t i = 0; i < model.layers.size(); ++i) EXPECT_EQ(model.layers[i].op->settings(), again.layers[i].op->settings());
      for (const std::string& file : files_written(path + ending)) fs::remove(file);
    }
  }
}

// Convolutions, pooling, and what moves values: settings that are lists, and lists of lists.
TEST(ReadKeras, LayersOverWindowsAreWrittenAsTheyAreRead) {
  for (const std::string name : {"steps", "image", "depthwise", "depthwise_1d", "separable"}) {
    const Model model = read_keras(kGolden + name + ".keras");
    const std::string path = (fs::temp_directory_path() / ("narrow_windows_" + std::to_string(getpid()))).string();
    for (const char* ending : {".keras", ".h5", ".json", "_2.h5"}) {
      SCOPED_TRACE(ending);
      if (std::string(ending) == "_2.h5") write_keras2(model, path + ending);
      else write_keras(model, path + ending);
      const Model again = read_keras(path + ending);
      expect_same_model(model, again);
      for (std::size_t i = 0; i < model.layers.size(); ++i) EXPECT_EQ(model.layers[i].op->settings(), again.layers[i].op->settings());
      for (const std::string& file : files_written(path + ending)) fs::remove(file);
    }
  }
}

// A SeparableConv is two layers, as in hls4ml, and its name that of the second or of the activation behind it; of Keras 2 a Dropout is
// none.
TEST(ReadKeras, SeparableConvolutionsAreTwoLayers) {
  const Model model = read_keras(kGolden + "separable.keras");
  std::vector<std::string> names;
  for (const Layer& layer : model.layers) names.push_back(layer.name);
  EXPECT_EQ(names, (std::vector<std::string>{"in0", "sep_depthwise", "sep_pointwise", "sep_relu", "conv", "sep_sum_depthwise",
                                             "sep_sum_pointwise", "bn", "flat", "d", "act", "out"}));
  EXPECT_EQ(model.dropped, (std::vector<std::string>{"drop"}));
  EXPECT_EQ(model.linear, (std::vector<std::string>{"conv", "sep_sum", "d", "out"}));
  EXPECT_EQ(multiplications(model.layers[1]), 6U * 6U * 3U * 9U);
  EXPECT_EQ(parameters(model.layers[1]), 27U);
}

TEST(ReadKeras, LayersAreAsInKeras) {
  const Model model = read_keras(kGolden + "bn16.keras");
  std::vector<std::string> names;
  for (const Layer& layer : model.layers) names.push_back(layer.name);
  EXPECT_EQ(names, (std::vector<std::string>{"cells", "phi1", "phi1_relu", "phi2", "bn", "phi2_act", "mean", "rho1", "rho1_relu", "drop",
                                             "regression"}));
  EXPECT_TRUE(model.dropped.empty());
  EXPECT_EQ(model.name, "bn16");
  EXPECT_TRUE(as<Dense>(model.layers[3])->bias.empty());
  EXPECT_EQ(common_width(model), 16);
}

class BrokenFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("narrow_reader_test_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& bytes) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  static std::string bytes_of(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  static std::string error_of(const std::string& path) {
    try {
      read_keras(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  static void expect_error(const std::string& path, const std::string& part) {
    const std::string message = error_of(path);
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }

  fs::path folder_;
};

// HGQ before 0.2 wrote its classes without its package, under the module of hls4ml or under none, and how many terms a sum has.
TEST_F(BrokenFile, ProxyModelsOfOlderVersionsOfHgqAreTheSame) {
  const std::string text = bytes_of(kGolden + "hgq/jets.json");
  const Model model = read_keras(kGolden + "hgq/jets.json");
  const auto changed = [](std::string in, const std::string& from, const std::string& to) {
    EXPECT_NE(in.find(from), std::string::npos) << from;
    for (auto at = in.find(from); at != std::string::npos; at = in.find(from, at + to.size())) in.replace(at, from.size(), to);
    return in;
  };
  std::string older = changed(text, "HGQ>FixedPointQuantizer", "FixedPointQuantizer");
  older = changed(older, R"("layers": {})", R"("layers": {"d1": {"_accum_multiplicity": 16.0, "weight_t": "fixed<10,5>"}})");
  const std::string of_hls4ml = changed(older, "HGQ.proxy.fixed_point_quantizer", "hls4ml.utils.fixed_point_quantizer");
  const std::string of_none =
      changed(changed(older, R"("module": "HGQ.proxy.fixed_point_quantizer", )", ""), R"("registered_name": "FixedPointQuantizer", )", "");
  for (const std::string& each : {older, of_hls4ml, of_none}) {
    const Model again = read_keras(write("older.json", each) + "+" + kGolden + "hgq/jets_weights.h5");
    expect_same_model(model, again);
    for (std::size_t i = 0; i < model.layers.size(); ++i) EXPECT_EQ(model.layers[i].op->settings(), again.layers[i].op->settings());
  }
}

TEST_F(BrokenFile, OneLineSaysWhatIsWrong) {
  expect_error(folder_.string() + "/none.keras", "no such file");
  expect_error(folder_.string(), "folder");
  expect_error(write("text.keras", "this is no model"), "not a Keras model");
  expect_error(write("empty.keras", ""), "not a Keras model");
  expect_error(write("array.h5", bytes_of(kGolden + "clusters.h5")), "no Keras architecture");
  expect_error(write("alone.json", bytes_of(kGolden + "ds16_keras215.json")), "without weights");
  expect_error(write("half.json", bytes_of(kGolden + "ds16_keras215.json").substr(0, 3000)) + "+" + kGolden + "ds16_keras215_weights.h5",
               "cut short");
}

TEST_F(BrokenFile, InputsAndConstantsAreTold) {
  const std::string weights = "+" + kGolden + "ds16_keras215_weights.h5";
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string config = bytes_of(kGolden + "ds16_keras215.json");
    const auto at = config.find(from);
    EXPECT_NE(at, std::string::npos);
    return write("changed.json", config.replace(at, from.size(), to)) + weights;
  };
  for (const char* other : {"5", "\"input_layer\"", "[5]", "{\"a\": [[[7]]]}"}) {
    expect_error(changed("\"input_layers\": [[\"input_layer\", 0, 0]]", std::string("\"input_layers\": ") + other),
                 "its inputs are not as Keras writes them");
  }
  expect_error(changed("[[[\"phi1\", 0, 0, {}]]]", "[[[\"_CONSTANT_VALUE\", -1, 0.5, null]]]"),
               "(Activation): it is called with a constant");
  expect_error(changed("\"class_name\": \"Activation\"", "\"class_name\": \"Add\""), "(Add)");
}

TEST_F(BrokenFile, WeightsOfAnotherModelAreRefused) {
  expect_error(kGolden + "ds16_keras215.json+" + kGolden + "bn16_legacy.h5",
               "layer phi2 (Dense) has 1 arrays in the weights file and needs 2");
  std::string config = bytes_of(kGolden + "ds16_keras215.json");
  const auto at = config.find("\"units\": 16");
  config.replace(at, 11, "\"units\": 17");
  expect_error(write("wide.json", config) + "+" + kGolden + "ds16_keras215_weights.h5",
               "layer phi1 (Dense): its configuration says 17 units");
}

// Keras 3's hard_sigmoid, which Keras 2 had otherwise: the file's version says which one it is.
TEST_F(BrokenFile, AHardSigmoidIsWrittenForItsKeras) {
  const Model model = read_keras(kGolden + "units.keras");
  for (const char* name : {"a.keras", "a.h5", "a.json"}) {
    const std::string path = folder_.string() + "/" + name;
    write_keras(model, path);
    expect_same_model(read_keras(path), model);
  }
  const std::string path = folder_.string() + "/2.h5";
  write_keras2(model, path);
  const Model again = read_keras(path);
  for (std::size_t i = 0; i < model.layers.size(); ++i) EXPECT_TRUE(same(*again.layers[i].op, *model.layers[i].op)) << model.layers[i].name;
  Model old = model;
  for (Layer& layer : old.layers) {
    if (as<HardSigmoid>(layer) != nullptr) layer.op = std::make_shared<HardSigmoid>(HardSigmoid::kKeras2);
  }
  write_keras2(old, path);
  const Model older = read_keras(path);
  for (std::size_t i = 0; i < old.layers.size(); ++i) EXPECT_TRUE(same(*older.layers[i].op, *old.layers[i].op)) << old.layers[i].name;
  EXPECT_THROW(write_keras(old, path), Error);
}

// As where narrow is killed between the two files' taking their names.
TEST_F(BrokenFile, AnArchitectureIsNotReadWithNewerWeights) {
  Model model = read_keras(kGolden + "ds16.keras");
  const std::string path = folder_.string() + "/a.json";
  write_keras(model, path);
  const std::string old = bytes_of(path);
  expect_same_model(read_keras(path), model);
  Layer& last = model.layers.back();
  const auto* dense = as<Dense>(last);
  ASSERT_NE(dense, nullptr);
  std::vector<float> kernel = dense->kernel;
  kernel.front() += 1;
  last.op = std::make_shared<const Dense>(dense->n_in, dense->n_out, std::move(kernel), dense->bias);
  write_keras(model, path);
  expect_same_model(read_keras(path), model);
  write("a.json", old);
  expect_error(path, "were not written with it");
  expect_same_model(read_keras(path + "+" + folder_.string() + "/a.weights.h5"), model);
}

TEST_F(BrokenFile, UnsupportedLayersAreNamed) {
  std::string config = bytes_of(kGolden + "ds16_keras215.json");
  for (auto at = config.find("\"KSum\""); at != std::string::npos; at = config.find("\"KSum\"", at)) config.replace(at, 6, "\"Kmax\"");
  expect_error(write("max.json", config) + "+" + kGolden + "ds16_keras215_weights.h5", "layer Kmax (Kmax) is not supported");
  config = bytes_of(kGolden + "ds16_keras215.json");
  config.replace(config.find("\"relu\""), 6, "\"gelu\"");
  expect_error(write("gelu.json", config) + "+" + kGolden + "ds16_keras215_weights.h5", "'gelu' is not supported");
}

// HGQ2 writes infinities, as Python does.
TEST_F(BrokenFile, NumbersThatJsonDoesNotHave) {
  const std::string text = bytes_of(kGolden + "ds16_keras215.json");
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string other = text;
    const auto at = other.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return write("other.json", other.replace(at, from.size(), to)) + "+" + kGolden + "ds16_keras215_weights.h5";
  };
  // Of what nobody reads, and within texts.
  expect_same_model(read_keras(changed(R"("seed": null)", R"("seed": [Infinity, -Infinity, NaN, "a \" NaN", "\\"])")),
                    read_keras(kGolden + "ds16_keras215.json"));
  expect_error(changed(R"("units": 16)", R"("units": Infinity)"), "units");
  expect_error(changed(R"("class_name": "Dense")", R"("module": "hgq.layers.softmax", "class_name": "QSoftmax")"),
               "is a layer of HGQ2 that narrow does not read from a file; in Python it computes what hls4ml makes of a network");
}

// Proxy models of HGQ, of which hls4ml would take what is wrong without a word, or fail.
TEST_F(BrokenFile, QuantizersOfHgqThatMakeNoSenseAreNamed) {
  const std::string config = bytes_of(kGolden + "hgq/jets.json");
  const auto expect = [&](const std::string& from, const std::string& to, const std::string& message) {
    std::string changed = config;
    const auto at = changed.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    changed.replace(at, from.size(), to);
    expect_error(write("hgq.json", changed) + "+" + kGolden + "hgq/jets_weights.h5", message);
  };
  expect(R"("RND": "TRN")", R"("RND": "AP_TRN")", "its RND is no mode of AMD's without AP_");
  expect(R"("SAT": "WRAP")", R"("SAT": "SATURATE")", "its SAT is no mode of AMD's without AP_");
  expect(R"("layers": {})", R"("layers": {"d1": {"strategy": "Resource"}})",
         "its overrides give d1 a strategy, which narrow does not know");
  expect(R"("layers": {})", R"("layers": 3)", "its overrides should hold an entry for each of some layers");
  expect(R"("fusible": false)", R"("fusible": true)", "it says that it is fusible, and has several types");
  expect(R"("fusible": false)", R"("fusible": false, "other": 1)", "narrow does not know its option other = 1");
  const Model model = read_keras(kGolden + "hgq/jets.json");
  EXPECT_THROW(write_keras(model, folder_.string() + "/hgq.keras"), Error);
}

// A file cut at any place is refused or, where only what is not needed is lost, read as it was.
TEST_F(BrokenFile, TruncatedFilesAreRefused) {
  for (const char* name : {"ds16.keras", "ds16_keras215.h5", "bn16_legacy.h5"}) {
    const std::string bytes = bytes_of(kGolden + name);
    for (std::size_t i = 1; i < 40; ++i) {
      const std::string path = write(name, bytes.substr(0, bytes.size() * i / 40));
      EXPECT_NE(error_of(path), "no error") << name << " cut to " << i << " / 40";
    }
  }
}

// Damaged bytes end in an Error or in a model, never in a crash.
TEST_F(BrokenFile, DamagedFilesDoNotCrash) {
  constexpr unsigned kSeed = 5;
  std::mt19937 random(kSeed);
  for (const char* name : {"ds16.keras", "ds16_keras215.json", "ds16_keras215.h5"}) {
    const std::string bytes = bytes_of(kGolden + name);
    for (int i = 0; i < 300; ++i) {
      std::string damaged = bytes;
      for (int k = 0; k < 8; ++k) damaged[random() % damaged.size()] = static_cast<char>(random());
      const std::string path = write(name, damaged);
      error_of(path.ends_with(".json") ? path + "+" + kGolden + "ds16_keras215_weights.h5" : path);
    }
  }
}

}  // namespace
}  // namespace narrow
