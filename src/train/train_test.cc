// What Python cannot reach: the pad row counted once a batch against every row by itself.
#include "train/train.h"

#include <gtest/gtest.h>

#include <cmath>

#include "data/generate.h"
#include "data/preparation.h"

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

TEST(Train, CountedPaddingHasTheGradientOfThePlainForm) {
  const TrainData data = showers(0, 300, 128);
  const TrainData validation = showers(300, 100, 128);
  ASSERT_LT(data.rows.size(), data.size * data.vmax * data.features * 3 / 4) << "there is hardly any padding: the test shows little";
  for (const Loss loss : {Loss::kMse, Loss::kMae, Loss::kHuber}) {
    std::vector<TrainState> states;
    for (const bool count : {true, false}) {
      Model model = make_deep_sets({128, 4, 1, {16, 9}, {7}}, 5);
      TrainOptions options;
      options.loss = loss;
      options.epochs = 1;
      options.batch_size = 300;  // one step: the first moments are then a tenth of the gradient
      options.count_padding = count;
      states.push_back(train(
          model, data, validation, options, {}, [](auto...) {}, [](auto&) {}));
    }
    for (std::size_t k = 0; k < states[0].first_moments.size(); ++k) {
      double largest = 0;
      for (const float g : states[1].first_moments[k]) largest = std::max(largest, std::abs(static_cast<double>(g)));
      EXPECT_GT(largest, 0);
      for (std::size_t i = 0; i < states[0].first_moments[k].size(); ++i) {
        EXPECT_NEAR(states[0].first_moments[k][i], states[1].first_moments[k][i], 1e-5 * largest) << "array " << k << ", " << i;
      }
    }
    EXPECT_NEAR(states[0].history[0].loss / states[1].history[0].loss, 1, 1e-5);
  }
}

}  // namespace
}  // namespace narrow
