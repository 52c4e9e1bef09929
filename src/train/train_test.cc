// What Python cannot reach: the pad row counted once a batch against every row by itself.
#include "train/train.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <random>
#include <string>

#include "data/generate.h"
#include "data/preparation.h"
#include "error.h"
#include "layers/dense.h"
#include "train/checkpoint.h"
#include "train/settings.h"

namespace narrow {
namespace {

TrainData showers(std::size_t first, std::size_t count, int vmax) {
  Preparation preparation;
  preparation.vmax = vmax;
  Unfit unfit;
  const PreparedBlock block = prepare(generate(GeneratorKind::kShowers, 7, first, count, vmax), preparation, false, unfit);
  return pack(block.x, block.y, block.size, static_cast<std::size_t>(vmax), 4);
}

TEST(Train, PackLeavesOutTheRowsThatRepeat) {
  const std::vector<float> pad{-6, -6};
  const std::vector<float> x{1,  2,  3,  4,  -6, -6,  //
                             5,  6,  -6, -6, 7,  8,   //
                             -6, -6, -6, -6, -6, -6,  //
                             9,  9,  -6, -6, -6, -6};
  const TrainData data = pack(x, {1, 2, 3, 4}, 4, 3, 2);
  EXPECT_EQ(data.pad, pad);
  EXPECT_EQ(data.starts, (std::vector<std::size_t>{0, 2, 5, 5, 6}));
  EXPECT_EQ(data.rows, (std::vector<float>{1, 2, 3, 4, 5, 6, -6, -6, 7, 8, 9, 9}));
}

TrainState first_step(const TrainData& data, const Model& start, Loss loss, bool count_padding, bool double_precision) {
  Model model = start;
  TrainOptions options;
  options.loss = loss;
  options.epochs = 1;
  options.batch_size = static_cast<int>(data.size);  // one step: the first moments are then a tenth of the gradient
  options.count_padding = count_padding;
  options.double_precision = double_precision;
  return train(
      model, data, data, options, {}, [](auto...) {}, [](auto&) {});
}

constexpr std::array<Loss, 3> kLosses = {Loss::kMse, Loss::kMae, Loss::kHuber};

// In double precision what is left of rounding is far below what a wrong gradient would show: a sum of n terms is off by at most n u
// times the sum of their magnitudes (Higham, Accuracy and Stability, section 4.2), here n = 300 * 128 + 25 terms and u = 2^-53, that is
// 4.3e-12 of that sum, whatever the order in which BLAS adds; 1e-9 of the largest gradient leaves room for terms that cancel to a
// hundredth. The state is float32: each value is rounded to it once, by half a unit in its last place.
TEST(Train, CountedPaddingHasTheGradientOfThePlainForm) {
  const TrainData data = showers(0, 300, 128);
  ASSERT_LT(data.rows.size(), data.size * data.vmax * data.features * 3 / 4) << "there is hardly any padding: the test shows little";
  const Model start = make_deep_sets({128, 4, 1, {16, 9}, {7}}, 5);
  for (const Loss loss : kLosses) {
    const TrainState counted = first_step(data, start, loss, true, true);
    const TrainState plain = first_step(data, start, loss, false, true);
    for (std::size_t k = 0; k < plain.first_moments.size(); ++k) {
      double largest = 0;
      for (const float g : plain.first_moments[k]) largest = std::max(largest, std::abs(static_cast<double>(g)));
      EXPECT_GT(largest, 0);
      for (std::size_t i = 0; i < plain.first_moments[k].size(); ++i) {
        const double expected = plain.first_moments[k][i];
        EXPECT_NEAR(counted.first_moments[k][i], expected, 0x1p-23 * std::abs(expected) + 1e-9 * largest) << "array " << k << ", " << i;
      }
    }
    EXPECT_NEAR(counted.history[0].loss / plain.history[0].loss, 1, 1e-9);
  }
}

// Small integers, and sums of them, are exact in float32 while they stay below 2^24: every order of sums gives the same bits, on any
// machine, in float32 as in double precision.
TEST(Train, GradientsOfSmallIntegersAreExact) {
  constexpr unsigned kSeed = 3;
  std::mt19937 random(kSeed);
  const auto draw = [&](int low, int high) {
    return static_cast<float>(low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1)));
  };
  constexpr std::size_t kSamples = 16;
  constexpr std::size_t kRows = 16;
  std::vector<float> x;
  std::vector<float> y;
  for (std::size_t s = 0; s < kSamples; ++s) {
    const std::size_t own = random() % (kRows + 1);
    for (std::size_t r = 0; r < kRows; ++r) {
      for (int k = 0; k < 2; ++k) x.push_back(r < own ? draw(-1, 1) : 1.F);
    }
    y.push_back(draw(-50, 50));
  }
  const TrainData data = pack(x, y, kSamples, kRows, 2);
  Model start = make_deep_sets({kRows, 2, 1, {5, 4}, {3}}, 1);
  for (Layer& layer : start.layers) {
    const auto* dense = as<Dense>(layer);
    if (dense == nullptr) continue;
    std::vector<float> kernel(dense->kernel.size());
    std::vector<float> bias(dense->bias.size());
    for (float& weight : kernel) weight = draw(-1, 1);
    for (float& each : bias) each = draw(0, 1);
    layer.op = std::make_shared<Dense>(dense->n_in, dense->n_out, std::move(kernel), std::move(bias));
  }
  for (const Loss loss : kLosses) {
    const TrainState exact = first_step(data, start, loss, false, true);
    for (const bool count_padding : {true, false}) {
      const TrainState state = first_step(data, start, loss, count_padding, false);
      for (std::size_t k = 0; k < exact.first_moments.size(); ++k) {
        // Adam's (1 - beta_1) is no small integer: one more rounding.
        for (std::size_t i = 0; i < exact.first_moments[k].size(); ++i) {
          EXPECT_FLOAT_EQ(state.first_moments[k][i], exact.first_moments[k][i]) << "array " << k << ", " << i;
        }
        EXPECT_TRUE(std::any_of(exact.first_moments[k].begin(), exact.first_moments[k].end(), [](float g) { return g != 0; })) << k;
      }
      EXPECT_EQ(state.history[0].loss, exact.history[0].loss);
    }
    EXPECT_EQ(first_step(data, start, loss, true, false).first_moments, first_step(data, start, loss, false, false).first_moments);
  }
}

// Another value than the usual one, that each setting takes.
const std::map<std::string, std::string>& other_values() {
  static const std::map<std::string, std::string> kValues = {{"validation_data", "v.h5"},
                                                             {"validation_split", "0.1"},
                                                             {"nodes", "4,8"},
                                                             {"phi_layers", "1"},
                                                             {"phi_nodes", "3"},
                                                             {"rho_layers", "0"},
                                                             {"rho_nodes", "2147483647"},
                                                             {"phi", "3,2"},
                                                             {"rho", "7"},
                                                             {"layers", "5,1"},
                                                             {"activation", "tanh"},
                                                             {"output", "softmax"},
                                                             {"class_weights", "1,0.30000000000000004"},
                                                             {"epochs", "7"},
                                                             {"batch", "1"},
                                                             {"loss", "huber"},
                                                             {"learning_rate", "0.30000000000000004"},
                                                             {"learning_rate_schedule", "cosine_decay"},
                                                             {"reduce_factor", "1"},
                                                             {"reduce_patience", "0"},
                                                             {"reduce_min_delta", "0"},
                                                             {"min_learning_rate", "1e-300"},
                                                             {"stop_patience", "0"},
                                                             {"shuffle", "false"},
                                                             {"seed", "9223372036854775807"},
                                                             {"device", "cuda"}};
  return kValues;
}

TEST(Train, EverySettingIsReadWrittenAndHashedByItsRole) {
  const Model model = make_deep_sets({4, 2, 1, {3}, {}}, 1);
  const TrainData data = pack(std::vector<float>(16, 1.F), std::vector<float>(2, 1.F), 2, 4, 2);
  const Family usual;
  const std::string before = describe_training(model, data, data, usual);
  for (const TrainSetting& setting : train_settings()) {
    Family family;
    ASSERT_TRUE(other_values().contains(setting.name)) << setting.name;
    const std::string& text = other_values().at(setting.name);
    setting.parse(family, text);
    EXPECT_EQ(setting.text(family), text) << setting.name;
    EXPECT_NE(setting.text(usual), text) << setting.name;
    EXPECT_EQ(describe_training(model, data, data, family) != before, setting.role == TrainSetting::Role::kRun) << setting.name;
    for (const TrainSetting& other : train_settings()) {
      if (other.name != setting.name) EXPECT_EQ(other.text(family), other.text(usual)) << setting.name << " changed " << other.name;
    }
    if (setting.name == "validation_data") continue;  // any text is a name
    for (const char* wrong : {"", "x", "-1", "nan", "inf", "1e999", "1.5x", " 1"}) {
      EXPECT_THROW(setting.parse(family, wrong), Error) << setting.name << " took '" << wrong << "'";
    }
  }
  // Another trainer makes other weights of the same settings.
  EXPECT_NE(describe_training(model, data, data, usual, kTrainer + 1), before);
  // With a schedule the number of epochs decides the rate of every step.
  Family longer;
  longer.options.schedule = Schedule::kCosineDecay;
  const std::string scheduled = describe_training(model, data, data, longer);
  longer.options.epochs += 1;
  EXPECT_NE(describe_training(model, data, data, longer), scheduled);
}

// All 64 bits of a seed decide the order of samples.
TEST(Train, HighBitsOfASeedShuffle) {
  const TrainData data = showers(0, 200, 8);
  const Model first = make_deep_sets({8, 4, 1, {4}, {}}, 1);
  const auto trained = [&](std::uint64_t seed) {
    Model model = first;
    TrainOptions options;
    options.seed = seed;
    options.epochs = 1;
    options.batch_size = 10;
    return train(
               model, data, data, options, {}, [](std::size_t, std::size_t, double) {}, [](const TrainState&) {})
        .weights;
  };
  constexpr std::uint64_t kHigh = std::uint64_t{1} << 32;
  EXPECT_EQ(trained(7), trained(7));
  EXPECT_NE(trained(7), trained(7 + kHigh));
  EXPECT_NE(trained(7 + kHigh), trained(7 + 2 * kHigh));
}

TEST(Train, WhatComesAfterTheLastCellTellsTrainingsApart) {
  const Model model = make_deep_sets({4, 1, 1, {3}, {}}, 1);
  const std::vector<float> y{1, 2};
  const auto described = [&](float pad, std::size_t vmax) {
    std::vector<float> x(2 * vmax, pad);
    x[0] = 5;
    x[vmax] = 7;
    const TrainData data = pack(x, y, 2, vmax, 1);
    return describe_training(model, data, data, Family());
  };
  EXPECT_EQ(described(-6, 4), described(-6, 4));
  EXPECT_NE(described(-6, 4), described(0, 4));
  EXPECT_NE(described(-6, 4), described(-6, 5));
}

}  // namespace
}  // namespace narrow
