#include "recover/recover.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>
#include <set>
#include <stdexcept>

#include <unistd.h>

#include "engine/interpreter.h"
#include "engine/random_program.h"
#include "error.h"
#include "files/model_file.h"
#include "fixed/cast.h"
#include "layers/batch_normalization.h"
#include "layers/convolution.h"
#include "layers/input.h"
#include "layers/linear.h"
#include "layers/relu.h"
#include "layers/set_sum.h"
#include "model/inference.h"
#include "recover/bias.h"
#include "recover/equalise.h"
#include "recover/rounding.h"
#include "recover/written.h"
#include "search/evaluator.h"

namespace narrow {
namespace {

// A random network that recover takes.
RandomCase without_quantizers(std::mt19937_64& random, const RandomLimits& limits, std::size_t n) {
  const auto is_quantized = [](const Layer& layer) { return quantizers_of(layer).any(); };
  while (true) {
    RandomCase drawn = random_case(random, limits, n);
    if (std::none_of(drawn.model.layers.begin(), drawn.model.layers.end(), is_quantized)) return drawn;
  }
}

std::uint64_t seed() { return number_from_environment("NARROW_SEED", 1); }
std::uint64_t cases(std::uint64_t usual) { return number_from_environment("NARROW_CASES", usual); }
std::string golden(const std::string& name) { return std::string(NARROW_SOURCE_DIR) + "/golden/" + name; }

Network network_of(const Model& model, const PrecisionConfig& config) { return {model, model, resolve(model, config)}; }
Network network_of(const RandomCase& drawn) { return network_of(drawn.model, drawn.config); }

std::vector<FreeLayer> free_of(const Network& network) {
  std::vector<std::string> notes;
  return free_layers(network, notes);
}

// Layer by layer, by the reference of all arithmetic.
std::vector<std::vector<double>> trace_of(const Network& network, std::span<const float> x, std::size_t n) {
  return interpret(build_program(network.resolved), x, n, {.traced = n}).trace;
}

std::vector<float> float_values(const Model& model, const std::string& name, std::span<const float> x, std::size_t n) {
  const auto at = static_cast<std::size_t>(model.find(name));
  std::vector<float> all(n * size_of(model.layers[at].shape));
  infer(model, x, n, [&](std::size_t first, std::size_t count, std::size_t layer, std::span<const float> values) {
    if (layer == at) std::copy(values.begin(), values.end(), all.begin() + static_cast<std::ptrdiff_t>(first * (values.size() / count)));
  });
  return all;
}

TEST(Network, LayersAloneGiveTheValuesOfTheWholeNetwork) {
  std::mt19937_64 random(seed());
  for (std::uint64_t i = 0; i < cases(40); ++i) {
    const RandomCase drawn = without_quantizers(random, {.graphs = i % 2 == 1}, 5);
    const Network network = network_of(drawn);
    const std::vector<std::vector<double>> trace = trace_of(network, drawn.x, drawn.n);
    for (std::size_t layer = 0; layer < trace.size(); ++layer) {
      ASSERT_EQ(ExactLayer(network.resolved, layer).values(drawn.x, drawn.n), trace[layer])
          << "seed " << seed() << ", case " << i << ", layer " << network.resolved.model.layers[layer].name;
    }
    for (std::size_t layer = 0; layer < drawn.model.layers.size(); ++layer) {
      ASSERT_EQ(infer(up_to(drawn.model, layer), drawn.x, drawn.n),
                float_values(drawn.model, drawn.model.layers[layer].name, drawn.x, drawn.n))
          << "seed " << seed() << ", case " << i << ", layer " << drawn.model.layers[layer].name;
    }
  }
}

// The hardware's numbers stay, to the last bit, and layers with a normalization behind them can be changed.
TEST(Network, NormalizationsAreFoldedIntoTheLayersBeforeThem) {
  std::mt19937_64 random(seed());
  std::normal_distribution<float> value(0, 1);
  for (const char* name : {"bn16.keras", "image.keras", "steps.keras", "flattened.keras"}) {
    const Model model = read_model(golden(name));
    const PrecisionConfig config = make_config(model, {.vector = fixed(16, 6)});
    const Network network = with_folded_normalizations(model, [&](const Model& changed) { return resolve(changed, config); });
    std::vector<float> x(9 * model.input_size());
    for (float& each : x) each = value(random);
    const Resolved before = resolve(model, config);
    ASSERT_FALSE(before.fused.empty()) << name;
    ASSERT_EQ(interpret(build_program(network.resolved), x, 9).predictions, interpret(build_program(before), x, 9).predictions) << name;
    const std::vector<float> wanted = infer(model, x, 9);
    const std::vector<float> folded = infer(network.model, x, 9);
    for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(folded[i], wanted[i], 1e-5 * (1 + std::abs(wanted[i]))) << name;
    std::vector<std::string> notes;
    for (const FreeLayer& layer : free_layers(network, notes)) {
      const std::string& own = network.model.layers[layer.at].name;
      const int norm = std::any_of(before.fused.begin(), before.fused.end(), [&](const auto& each) { return each.first == own; })
                           ? readers_of(network.model, static_cast<int>(layer.at)).front()
                           : -1;
      if (norm >= 0) EXPECT_TRUE(is_idle(network.model.layers[static_cast<std::size_t>(norm)])) << name << ", " << own;
    }
    for (const std::string& note : notes) EXPECT_EQ(note.find("normalization"), std::string::npos) << name << ": " << note;
  }
}

Model normalized_model();

TEST(Network, ANormalizationBehindADropoutIsFolded) {
  const Model model = normalized_model();
  const PrecisionConfig config = make_config(model, {.vector = fixed(16, 6)});
  const Network network = with_folded_normalizations(model, [&](const Model& changed) { return resolve(changed, config); });
  EXPECT_TRUE(is_idle(network.model.layers[3]));
  std::vector<std::string> notes;
  EXPECT_EQ(free_layers(network, notes).size(), 2U);
  EXPECT_TRUE(notes.empty()) << notes.front();
}

// A problem from rows of inputs, so that its cost is a sum of squares that is computed row by row.
struct Drawn {
  std::size_t n = 0, rows = 0;
  std::vector<double> x, lacks, gram;
  RoundingProblem problem;
};
Drawn draw(std::mt19937_64& random) {
  std::normal_distribution<double> value;
  std::uniform_real_distribution<double> share;
  Drawn drawn{.n = 1 + random() % 9, .rows = 1 + random() % 30, .x = {}, .lacks = {}, .gram = {}, .problem = {{}, {}, {}, {}}};
  const double common = share(random) * 3;  // what all inputs have in common, which makes the choices depend on one another
  for (std::size_t row = 0; row < drawn.rows; ++row) {
    const double own = common * value(random);
    for (std::size_t i = 0; i < drawn.n; ++i) drawn.x.push_back(own + value(random));
    drawn.lacks.push_back(random() % 2 == 0 ? 0 : value(random));
  }
  drawn.gram.resize(drawn.n * drawn.n);
  drawn.problem.correlated.resize(drawn.n);
  for (std::size_t row = 0; row < drawn.rows; ++row) {
    for (std::size_t i = 0; i < drawn.n; ++i) {
      const double own = drawn.x[row * drawn.n + i];
      drawn.problem.correlated[i] += own * drawn.lacks[row];
      for (std::size_t k = 0; k < drawn.n; ++k) drawn.gram[i * drawn.n + k] += own * drawn.x[row * drawn.n + k];
    }
  }
  for (std::size_t i = 0; i < drawn.n; ++i) {
    const double low = -share(random);
    drawn.problem.low.push_back(low);
    drawn.problem.high.push_back(random() % 8 == 0 ? low : low + 1);
  }
  return drawn;
}
double squares(const Drawn& drawn, const std::vector<bool>& is_high) {
  double sum = 0;
  for (std::size_t row = 0; row < drawn.rows; ++row) {
    double error = -drawn.lacks[row];
    for (std::size_t i = 0; i < drawn.n; ++i)
      error += drawn.x[row * drawn.n + i] * (is_high[i] ? drawn.problem.high[i] : drawn.problem.low[i]);
    sum += error * error;
  }
  return sum;
}

// Against all 2^n choices: never worse than the start, no single flip improves it, and mostly the best of all.
TEST(Rounding, DescentAgainstEveryChoice) {
  std::mt19937_64 random(seed());
  const std::uint64_t all = cases(2000);
  std::uint64_t best_of_all = 0;
  for (std::uint64_t i = 0; i < all; ++i) {
    Drawn drawn = draw(random);
    drawn.problem.gram = drawn.gram;
    std::vector<bool> start;
    for (std::size_t k = 0; k < drawn.n; ++k) start.push_back(random() % 2 == 0);
    const std::vector<bool> chosen = choose_rounding(drawn.problem, start);
    const double reached = squares(drawn, chosen);
    const double lacks = squares(drawn, start) - cost_of(drawn.problem, start);
    const double tiny = 1e-9 * (1 + std::abs(lacks) + squares(drawn, start));
    ASSERT_NEAR(cost_of(drawn.problem, chosen) + lacks, reached, tiny) << "seed " << seed() << ", case " << i;
    ASSERT_LE(reached, squares(drawn, start) + tiny) << "seed " << seed() << ", case " << i;
    double least = reached;
    for (std::size_t choice = 0; choice < std::size_t{1} << drawn.n; ++choice) {
      std::vector<bool> other;
      for (std::size_t k = 0; k < drawn.n; ++k) other.push_back((choice >> k & 1) != 0);
      least = std::min(least, squares(drawn, other));
    }
    if (reached <= least + tiny) ++best_of_all;
    for (std::size_t k = 0; k < drawn.n; ++k) {
      std::vector<bool> flipped = chosen;
      flipped[k] = !flipped[k];
      ASSERT_GE(squares(drawn, flipped), reached - tiny) << "seed " << seed() << ", case " << i << ": a flip of " << k << " improves it";
    }
  }
  EXPECT_GT(best_of_all, all / 2);
  EXPECT_LT(best_of_all, all) << "the draw has problems that are not solved by single flips";
}

// A convolution with padding, whose windows are rows: the error of its output, as the program computes it, is not above that of rounding to
// nearest, and no other neighbour of one number alone is better.
TEST(Rounding, OutputOfAConvolution) {
  std::mt19937_64 random(seed());
  std::normal_distribution<float> value(0, 1);
  const Model model = read_model(golden("image.keras"));
  const PrecisionConfig config = make_config(model, {.vector = fixed(26, 10), .weight = parse_format("ap_fixed<6,2,AP_RND>")});
  Network network = network_of(model, config);
  std::vector<float> x(8 * model.input_size());
  for (float& each : x) each = value(random);
  std::size_t convolutions = 0;
  for (const FreeLayer& layer : free_of(network)) {
    const Layer& own = model.layers[layer.at];
    if (own.shape.size() < 3) continue;
    ++convolutions;
    const std::vector<float> wanted = float_values(model, own.name, x, 8);
    const auto error_of = [&](const Network& of) {
      const std::vector<double> values = trace_of(of, x, 8)[layer.resolved_at];
      double sum = 0;
      for (std::size_t i = 0; i < values.size(); ++i) sum += std::pow(values[i] - static_cast<double>(wanted[i]), 2);
      return sum;
    };
    const double nearest = error_of(network);
    const Dense before = {matrix_of(own)->n_in, matrix_of(own)->n_out, matrix_of(own)->kernel, matrix_of(own)->bias};
    round_layer(network, layer, x, 8);
    const double reached = error_of(network);
    EXPECT_LT(reached, nearest) << own.name;
    const Dense& chosen = *matrix_of(network.model.layers[layer.at]);
    const std::vector<float> all = chosen.kernel;
    for (std::size_t k = 0; k < all.size(); k += 3) {
      std::vector<float> kernel = all;
      const float down = std::floor(before.kernel[k] * 16) / 16;
      kernel[k] = kernel[k] == down ? std::ceil(before.kernel[k] * 16) / 16 : down;
      Network other = network;
      set_numbers(other, layer, kernel, matrix_of(network.model.layers[layer.at])->bias);
      EXPECT_GE(error_of(other), reached * (1 - 1e-9)) << own.name << ", number " << k;
    }
  }
  EXPECT_GT(convolutions, 0U);
}

// Whatever the rounding mode, the type holds the numbers that were written, and each is a neighbour of what it was.
TEST(Rounding, WeightsLieOnTheGridBesideTheirFloatValues) {
  std::mt19937_64 random(seed());
  std::size_t checked = 0;
  for (std::uint64_t i = 0; i < cases(60); ++i) {
    const RandomCase drawn = without_quantizers(random, {.graphs = i % 2 == 1}, 12);
    Network network = network_of(drawn);
    for (const FreeLayer& layer : free_of(network)) {
      const LayerPrecision types = network.resolved.precision[layer.resolved_at];
      round_layer(network, layer, drawn.x, drawn.n);
      const Dense& before = *matrix_of(drawn.model.layers[layer.at]);
      const Dense& after = *matrix_of(network.model.layers[layer.at]);
      for (const auto& [name, was, is] :
           {std::tuple(TypeName::kWeight, &before.kernel, &after.kernel), std::tuple(TypeName::kBias, &before.bias, &after.bias)}) {
        Format type = types[name];
        for (std::size_t k = 0; k < is->size(); ++k) {
          const double step = std::ldexp(1.0, -type.fraction());
          const auto exact = static_cast<double>((*is)[k]);
          const double held = std::clamp(static_cast<double>((*was)[k]), to_double(least_raw(type), type.fraction()),
                                         to_double(max_raw(type), type.fraction()));
          ASSERT_LT(std::abs(exact - held), step) << "seed " << seed() << ", case " << i << ", " << drawn.model.layers[layer.at].name;
          for (int rounding = 0; rounding < kRoundings && !type.is_integer; ++rounding) {
            type.rounding = static_cast<Rounding>(rounding);
            const QuantizedWeights quantized = quantize_weights(std::span(*is).subspan(k, 1), type);
            ASSERT_EQ(to_double(quantized.raw.front(), type.fraction()), exact) << "seed " << seed() << ", case " << i;
            ++checked;
          }
        }
      }
    }
  }
  EXPECT_GT(checked, 1000U);
}

// One Dense of four inputs on 32 rows.
Model dense_model(std::vector<float> kernel, std::vector<float> bias) {
  Model model;
  model.name = "dense";
  model.layers.push_back(read_model(golden("ds16.keras")).layers.front());  // 32 rows of 4
  model.layers.push_back({.name = "dense",
                          .keras_class = "Dense",
                          .op = std::make_shared<Dense>(4, 1, Numbers(std::move(kernel)), Numbers(std::move(bias))),
                          .inputs = {0},
                          .shape = {32, 1}});
  model.outputs = {1};
  return model;
}
std::vector<float> normal_samples(std::size_t n, std::size_t size) {
  std::mt19937_64 random(seed());
  std::normal_distribution<float> value(0, 1);
  std::vector<float> x(n * size);
  for (float& each : x) each = value(random);
  return x;
}

// The largest number of a wide type has more bits than a float32: the file gets the largest float32 that the type holds, and none that
// wraps.
TEST(Rounding, NumbersBeyondAWideTypeBecomeItsLargestSingle) {
  const Model model = dense_model({1.5F, -3, 0.3F, 1}, {2});
  for (const int width : {10, 25, 26, 54, 55, 56, 64}) {
    const Format type = fixed(width, 1);
    Network network = network_of(model, make_config(model, {.vector = fixed(16, 6), .weight = type}));
    const std::vector<float> x = normal_samples(5, 128);
    round_layer(network, free_of(network).front(), x, 5);
    const Dense& after = *matrix_of(network.model.layers[1]);
    const float most = 1 - std::ldexp(1.F, -std::min(width - 1, 24));
    EXPECT_EQ(after.kernel[0], most) << to_string(type);
    EXPECT_EQ(after.kernel[1], -1) << to_string(type);
    EXPECT_NEAR(after.kernel[2], 0.3F, std::ldexp(1., 1 - width)) << to_string(type);
    EXPECT_EQ(after.kernel[3], most) << to_string(type);
    EXPECT_EQ(after.bias[0], most) << to_string(type);
    EXPECT_EQ(quantize_weights(after.kernel, type).overflows + quantize_weights(after.bias, type).overflows, 0U) << to_string(type);
  }
}

// A small layer whose sums keep every bit, against all choices: the error of its output, as the interpreter computes it, is not above
// that of rounding to nearest and not below the least of all.
TEST(Rounding, OutputOfALayerAgainstEveryChoice) {
  std::mt19937_64 random(seed());
  std::size_t better = 0;
  for (std::uint64_t i = 0; i < cases(30); ++i) {
    std::normal_distribution<float> value(0, 0.5F);
    const auto draw_some = [&](std::size_t count) {
      std::vector<float> values(count);
      for (float& each : values) each = value(random);
      return values;
    };
    Model model;
    model.name = "tiny";
    const Model input = read_model(golden("ds16.keras"));
    model.layers.push_back(input.layers.front());  // 32 rows of 4
    model.layers.push_back({.name = "dense",
                            .keras_class = "Dense",
                            .op = std::make_shared<Dense>(4, 1, Numbers(draw_some(4)), Numbers(draw_some(1))),
                            .inputs = {0},
                            .shape = {32, 1}});
    model.outputs = {1};
    PrecisionOptions options{.vector = fixed(24, 10), .weight = parse_format("ap_fixed<5,2,AP_RND>")};
    Network network = network_of(model, make_config(model, options));
    const std::vector<float> x = draw_some(3 * 32 * 4);
    const std::vector<float> wanted = infer(model, x, 3);
    const auto error_of = [&](const Network& of) {
      const std::vector<double> predictions = interpret(build_program(of.resolved), x, 3).predictions;
      double sum = 0;
      for (std::size_t k = 0; k < predictions.size(); ++k) sum += std::pow(predictions[k] - static_cast<double>(wanted[k]), 2);
      return sum;
    };
    const FreeLayer layer = free_of(network).front();
    const double nearest = error_of(network);
    double least = nearest;
    const Dense& dense = *matrix_of(model.layers[1]);
    for (unsigned choice = 0; choice < 32; ++choice) {
      const auto rounded = [&](float number, bool up) {
        const double steps = std::ldexp(static_cast<double>(number), 3);
        return static_cast<float>(std::ldexp(std::clamp(up ? std::ceil(steps) : std::floor(steps), -16.0, 15.0), -3));
      };
      std::vector<float> kernel = dense.kernel;
      for (unsigned k = 0; k < 4; ++k) kernel[k] = rounded(kernel[k], (choice >> k & 1) != 0);
      Network other = network;
      set_numbers(other, layer, kernel, {rounded(dense.bias[0], (choice >> 4 & 1) != 0)});
      least = std::min(least, error_of(other));
    }
    round_layer(network, layer, x, 3);
    const double reached = error_of(network);
    EXPECT_LE(reached, nearest * (1 + 1e-9)) << "seed " << seed() << ", case " << i;
    EXPECT_GE(reached, least * (1 - 1e-9)) << "seed " << seed() << ", case " << i;
    if (reached < nearest) ++better;
    // No other neighbour of one number alone, the bias among them, is better.
    const Dense& chosen = *matrix_of(network.model.layers[1]);
    for (std::size_t k = 0; k < 5; ++k) {
      std::vector<float> kernel = chosen.kernel;
      std::vector<float> bias = chosen.bias;
      float& number = k < 4 ? kernel[k] : bias[0];
      const float was = k < 4 ? dense.kernel[k] : dense.bias[0];
      const float down = std::clamp(std::floor(was * 8), -16.F, 15.F) / 8;
      number = number == down ? std::clamp(std::ceil(was * 8), -16.F, 15.F) / 8 : down;
      Network other = network;
      set_numbers(other, layer, kernel, bias);
      EXPECT_GE(error_of(other), reached * (1 - 1e-9)) << "seed " << seed() << ", case " << i << ", number " << k;
    }
  }
  EXPECT_GT(better, 0U);
}

TEST(Equalise, PowersOfTwoKeepEveryBitInFloat) {
  std::mt19937_64 random(seed());
  std::size_t pairs = 0;
  const auto check = [&](const Model& model, const Network& before, std::span<const float> x, std::size_t n, const std::string& where) {
    const std::vector<float> wanted = infer(model, x, n);
    Network network = before;
    for (const ScalePair& pair : scale_pairs(network, free_of(network))) {
      std::vector<int> powers(static_cast<std::size_t>(matrix_of(model.layers[pair.first.at])->n_out));
      for (int& power : powers) power = static_cast<int>(random() % 13) - 6;
      scale_channels(network, pair, powers);
      ++pairs;
      ASSERT_EQ(infer(network.target, x, n), wanted) << where << model.layers[pair.first.at].name;
      ASSERT_EQ(infer(network.model, x, n), wanted) << where << model.layers[pair.first.at].name;
    }
  };
  for (std::uint64_t i = 0; i < cases(200); ++i) {
    const RandomCase drawn = without_quantizers(random, {.graphs = i % 2 == 1}, 7);
    check(drawn.model, network_of(drawn), drawn.x, drawn.n, "seed " + std::to_string(seed()) + ", case " + std::to_string(i) + ", ");
  }
  const std::size_t drawn = pairs;
  EXPECT_GT(drawn, 20U);
  std::normal_distribution<float> value(0, 1);
  for (const char* name : {"ds16.keras", "pool16.keras", "jet_tagger.keras", "image.keras", "merges.keras", "flattened.keras"}) {
    const Model model = read_model(golden(name));
    std::vector<float> x(9 * model.input_size());
    for (float& each : x) each = value(random);
    check(model, network_of(model, make_config(model, {.vector = fixed(16, 6)})), x, 9, std::string(name) + ", ");
  }
  EXPECT_GT(pairs, drawn + 8) << "ds16 alone has four";
}

// A relu with a maximum cuts off at the same value whatever the scale.
TEST(Equalise, NotThroughAReluWithAMaximum) {
  const Model whole = read_model(golden("ds16.keras"));
  for (const bool has_maximum : {false, true}) {
    Model model = whole;
    const auto relu = static_cast<std::size_t>(readers_of(model, model.find("phi1")).front());
    if (has_maximum) model.layers[relu].op = Relu::with_maximum(6);
    const Network network = network_of(model, make_config(model, {.vector = fixed(16, 6)}));
    const std::vector<ScalePair> pairs = scale_pairs(network, free_of(network));
    const bool has_first =
        std::any_of(pairs.begin(), pairs.end(), [&](const ScalePair& pair) { return model.layers[pair.first.at].name == "phi1"; });
    EXPECT_EQ(has_first, !has_maximum);
  }
}

// What is scaled up stays within its type, values with headroom; so do the weights that read what is scaled down.
TEST(Equalise, ScaledNumbersStayWithinTheirTypes) {
  const Model model = read_model(golden("ds16.keras"));
  std::mt19937_64 random(seed());
  std::normal_distribution<float> value(0, 1);
  std::vector<float> x(40 * model.input_size());
  for (float& each : x) each = value(random);
  std::size_t up = 0;
  std::size_t down = 0;
  for (const int bits : {6, 12}) {
    const Network network = network_of(model, make_config(model, {.vector = fixed(16, bits), .weight = fixed(10, bits - 4)}));
    const double most = std::ldexp(1.0, bits - 1);
    const double most_weight = std::ldexp(1.0, bits - 5);
    for (const ScalePair& pair : scale_pairs(network, free_of(network))) {
      const Dense& first = *matrix_of(model.layers[pair.first.at]);
      const Dense& second = *matrix_of(model.layers[pair.second.at]);
      const auto channels = static_cast<std::size_t>(first.n_out);
      std::vector<double> largest(channels);  // of the values between
      for (const std::size_t at : pair.between) {
        const std::vector<float> values = float_values(model, model.layers[at].name, x, 40);
        for (std::size_t i = 0; i < values.size(); ++i)
          largest[i % channels] = std::max(largest[i % channels], std::abs(static_cast<double>(values[i])));
      }
      const Equaliser equaliser(network, pair, x, 40);
      for (const int more : {-12, 0, 12}) {
        const std::vector<int> powers = equaliser.powers(more);
        for (std::size_t c = 0; c < channels; ++c) {
          const double factor = std::ldexp(1.0, powers[c]);
          const auto column = [&](const std::vector<float>& kernel, std::size_t from, std::size_t step, std::size_t count) {
            double own = 0;
            for (std::size_t i = 0; i < count; ++i) own = std::max(own, std::abs(static_cast<double>(kernel[from + i * step])));
            return own;
          };
          const std::string where = "seed " + std::to_string(seed()) + ", " + model.layers[pair.first.at].name + ", channel " +
                                    std::to_string(c) + ", 2^" + std::to_string(powers[c]);
          if (powers[c] > 0) {
            EXPECT_LE(factor * kHeadroom * largest[c], most) << where;
            EXPECT_LE(factor * column(first.kernel, c, channels, static_cast<std::size_t>(first.n_in)), most_weight) << where;
            ++up;
          } else if (powers[c] < 0) {
            const auto outputs = static_cast<std::size_t>(second.n_out);
            EXPECT_LE(column(second.kernel, c * outputs, 1, outputs) / factor, most_weight) << where;
            ++down;
          }
        }
      }
    }
  }
  EXPECT_GT(up, 50U);
  EXPECT_GT(down, 50U);
}

// The sum of squares that a layer's bias is fitted to falls, or nothing changes: with any types, in any place.
TEST(Bias, SquaresOfWhatUnitsLackFall) {
  std::mt19937_64 random(seed());
  std::size_t falls = 0;
  for (std::uint64_t i = 0; i < cases(80); ++i) {
    const RandomCase drawn = without_quantizers(random, {.all_modes = false, .graphs = i % 2 == 1}, 40);
    Network network = network_of(drawn);
    for (const FreeLayer& layer : free_of(network)) {
      const std::size_t at = judged_at(network.resolved.model, layer.resolved_at);
      const Layer& judged = network.resolved.model.layers[at];
      const auto channels = static_cast<std::size_t>(judged.shape.back());
      const std::size_t in_unit = rows_are_summed(network.resolved.model, at) ? size_of(judged.shape) / channels : 1;
      const std::vector<float> wanted = float_values(network.target, judged.name, drawn.x, drawn.n);
      const auto squares = [&] {
        const std::vector<double> values = trace_of(network, drawn.x, drawn.n)[at];
        std::vector<double> sums(channels);
        for (std::size_t unit = 0; unit < values.size() / channels / in_unit; ++unit) {
          for (std::size_t c = 0; c < channels; ++c) {
            double lack = 0;
            for (std::size_t row = unit * in_unit; row < (unit + 1) * in_unit; ++row)
              lack += static_cast<double>(wanted[row * channels + c]) - values[row * channels + c];
            sums[c] += lack * lack;
          }
        }
        return sums;
      };
      const std::vector<double> first = squares();
      Network keeping_none = network;
      const bool changed = correct_bias(network, layer, drawn.x, drawn.n);
      correct_bias(keeping_none, layer, drawn.x, drawn.n, {}, 0);
      ASSERT_EQ(matrix_of(keeping_none.model.layers[layer.at])->bias, matrix_of(network.model.layers[layer.at])->bias);
      const std::vector<double> then = squares();
      std::size_t fell = 0;
      for (std::size_t c = 0; c < channels; ++c) {
        ASSERT_LE(then[c], first[c] * (1 + 1e-9)) << "seed " << seed() << ", case " << i << ", " << judged.name << ", channel " << c;
        if (then[c] < first[c]) ++fell;
      }
      ASSERT_EQ(changed, fell > 0) << "seed " << seed() << ", case " << i << ", " << judged.name;
      falls += fell;
    }
  }
  EXPECT_GT(falls, 100U);
}

// Layers without a relu whose sums keep every bit: each one, from the front, ends with channels whose mean is within half a step of its
// bias, whatever its weights became and however its inputs were cut.
TEST(Bias, MeanErrorsEndWithinHalfAStep) {
  std::mt19937_64 random(seed());
  std::size_t corrected = 0;
  for (std::uint64_t i = 0; i < cases(60); ++i) {
    std::normal_distribution<float> value(0, 0.5F);
    const auto draw_some = [&](std::size_t count) {
      std::vector<float> values(count);
      for (float& each : values) each = value(random);
      return values;
    };
    Model model;
    model.name = "linear";
    model.layers.push_back(read_model(golden("ds16.keras")).layers.front());  // 32 rows of 4
    const int widths[] = {4, 1 + static_cast<int>(random() % 6), 1 + static_cast<int>(random() % 6)};
    for (int k = 0; k < 2; ++k) {
      const auto outputs = static_cast<std::size_t>(widths[k + 1]);
      model.layers.push_back(
          {.name = "dense" + std::to_string(k),
           .keras_class = "Dense",
           .op = std::make_shared<Dense>(widths[k], widths[k + 1], Numbers(draw_some(static_cast<std::size_t>(widths[k]) * outputs)),
                                         Numbers(draw_some(outputs))),
           .inputs = {k},
           .shape = {32, widths[k + 1]}});
    }
    if (random() % 2 == 0) {
      model.layers.push_back({.name = "sum", .keras_class = "KSum", .op = std::make_shared<SetSum>(), .inputs = {2}, .shape = {widths[2]}});
    }
    model.outputs = {static_cast<int>(model.layers.size()) - 1};
    const Rounding rounding = random() % 2 == 0 ? Rounding::kTrn : Rounding::kRnd;
    Format weight = fixed(5 + static_cast<int>(random() % 5), 4);
    weight.rounding = rounding;
    Format vector = fixed(28, 20);  // no value leaves it
    vector.rounding = rounding;
    Network network = network_of(model, make_config(model, {.vector = vector, .weight = weight}));
    const std::vector<float> x = draw_some(10 * 32 * 4);
    for (const FreeLayer& layer : free_of(network)) {
      const std::string& name = network.model.layers[layer.at].name;
      const std::vector<float> wanted = float_values(model, name, x, 10);
      correct_bias(network, layer, x, 10);
      const std::vector<double> values = trace_of(network, x, 10)[layer.resolved_at];
      const std::size_t channels = matrix_of(network.model.layers[layer.at])->bias.size();
      for (std::size_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (std::size_t k = c; k < values.size(); k += channels) sum += static_cast<double>(wanted[k]) - values[k];
        ASSERT_LE(std::abs(sum / 320), std::ldexp(0.5, -weight.fraction()) * (1 + 1e-9))
            << "seed " << seed() << ", case " << i << ", " << name << ", channel " << c << ", " << to_string(weight);
        ++corrected;
      }
    }
  }
  EXPECT_GT(corrected, 100U);
}

TEST(Bias, ABiasBeyondAWideTypeBecomesItsLargestSingle) {
  for (const int width : {10, 25, 26, 55, 64}) {
    const Model model = dense_model({0.5F, 0.25F, -0.5F, 0.75F}, {0.5F});
    Network network = network_of(model, make_config(model, {.vector = fixed(16, 6), .weight = fixed(width, 1)}));
    network.target = dense_model({0.5F, 0.25F, -0.5F, 0.75F}, {3});
    const std::vector<float> x = normal_samples(5, 128);
    EXPECT_TRUE(correct_bias(network, free_of(network).front(), x, 5));
    EXPECT_EQ(matrix_of(network.model.layers[1])->bias[0], 1 - std::ldexp(1.F, -std::min(width - 1, 24))) << width;
  }
}

// Behind a relu and in front of a sum, where a bias moves some of the rows: against every bias that the type has, mostly the best.
TEST(Bias, OfARowSumAgainstEveryBias) {
  std::mt19937_64 random(seed());
  const std::uint64_t all = cases(60);
  std::uint64_t best_of_all = 0;
  for (std::uint64_t i = 0; i < all; ++i) {
    std::normal_distribution<float> value(0, 0.5F);
    const auto draw_some = [&](std::size_t count) {
      std::vector<float> values(count);
      for (float& each : values) each = value(random);
      return values;
    };
    const Model golden_one = read_model(golden("ds16.keras"));
    const auto of_golden = [&](const char* name, int input, Shape shape) {
      Layer layer = golden_one.layers[static_cast<std::size_t>(golden_one.find(name))];
      layer.inputs = {input};
      layer.shape = std::move(shape);
      return layer;
    };
    Model model;
    model.name = "sum";
    model.layers.push_back(golden_one.layers.front());  // 32 rows of 4
    std::vector<float> bias = draw_some(1);
    bias[0] -= 1;  // most rows are stopped
    model.layers.push_back({.name = "dense",
                            .keras_class = "Dense",
                            .op = std::make_shared<Dense>(4, 1, Numbers(draw_some(4)), Numbers(bias)),
                            .inputs = {0},
                            .shape = {32, 1}});
    model.layers.push_back(of_golden("activation", 1, {32, 1}));
    model.layers.push_back(of_golden("KSum", 2, {1}));
    model.outputs = {3};
    Network network = network_of(model, make_config(model, {.vector = fixed(24, 12), .weight = fixed(6, 3)}));
    const FreeLayer layer = free_of(network).front();
    ASSERT_TRUE(rows_are_summed(network.resolved.model, judged_at(network.resolved.model, layer.resolved_at)));
    const std::vector<float> x = draw_some(std::size_t{20} * 32 * 4);
    const std::vector<float> wanted = infer(model, x, 20);
    const auto error_of = [&](const Network& of) {
      const std::vector<double> predictions = interpret(build_program(of.resolved), x, 20).predictions;
      double sum = 0;
      for (std::size_t k = 0; k < predictions.size(); ++k) sum += std::pow(predictions[k] - static_cast<double>(wanted[k]), 2);
      return sum;
    };
    double least = error_of(network);
    for (int raw = -32; raw < 32; ++raw) {
      Network other = network;
      set_numbers(other, layer, matrix_of(model.layers[1])->kernel, {static_cast<float>(raw) / 8});
      least = std::min(least, error_of(other));
    }
    correct_bias(network, layer, x, 20);
    const double reached = error_of(network);
    ASSERT_GE(reached, least * (1 - 1e-9)) << "seed " << seed() << ", case " << i;
    if (reached <= least * (1 + 1e-9)) ++best_of_all;
  }
  EXPECT_GE(best_of_all * 5, all * 4) << "seed " << seed();
}

// Rows with a Dense, a Dropout, a normalization, their sum, and a Dense; the last row of each sample is padding.
Model normalized_model() {
  Model model;
  const auto push = [&](const std::string& name, const std::string& keras_class, OperationPtr op, Shape shape) {
    const int at = static_cast<int>(model.layers.size());
    model.layers.push_back({.name = name,
                            .keras_class = keras_class,
                            .op = std::move(op),
                            .inputs = at == 0 ? std::vector<int>() : std::vector{at - 1},
                            .shape = std::move(shape)});
  };
  push("x", "InputLayer", std::make_shared<Input>(Shape{4, 2}), {4, 2});
  push("phi", "Dense", std::make_shared<Dense>(2, 3, std::vector<float>{1, -0.5F, 0.25F, 0.5F, 2, -1}, std::vector<float>{0.5F, 1, -1}),
       {4, 3});
  push("dropout", "Dropout", std::make_shared<Linear>(), {4, 3});
  push("norm", "BatchNormalization",
       std::make_shared<BatchNormalization>(std::vector<float>{6, 2, 3}, std::vector<float>{0.5F, 3, -2}, std::vector<float>{1, 0, 2},
                                            std::vector<float>{4, 1, 0.25F}),
       {4, 3});
  push("KSum", "KSum", std::make_shared<SetSum>(), {3});
  push("rho", "Dense", std::make_shared<Dense>(3, 1, std::vector<float>{1, 0.5F, -1}, std::vector<float>{0.25F}), {1});
  model.name = "normalized";
  model.outputs = {5};
  return model;
}
std::vector<float> padded_samples(std::size_t n, std::size_t size, std::size_t features) {
  std::vector<float> x = normal_samples(n, size);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i % size >= size - features) x[i] = -6;
  }
  return x;
}

// The hardware's layer makes what the normalization makes in float: in wide types nearly the same.
TEST(Padding, SumsBehindANormalizationThatALayerTookIn) {
  const Model model = normalized_model();
  const Network network = network_of(model, make_config(model, {.vector = fixed(40, 14)}));
  ASSERT_EQ(network.resolved.fused.size(), 1U);
  const std::vector<float> x = padded_samples(30, 8, 2);
  const std::vector<SumError> errors = sum_errors(network, x, 30);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_GT(errors.front().all, 0);
  EXPECT_LT(errors.front().all, 1e-4);
  EXPECT_LT(errors.front().padded, 1e-4);
}

// Two samples of a thousand that end with the same row are no padding.
TEST(Padding, AFewEqualRowsAreNone) {
  std::vector<float> x = normal_samples(1000, 28 * 4);
  for (const std::size_t sample : {std::size_t{3}, std::size_t{700}}) {
    for (std::size_t i = 0; i < 4; ++i) x[sample * 28 * 4 + 27 * 4 + i] = 0;
  }
  EXPECT_TRUE(padded_row(x, 1000, 4).empty());
  EXPECT_EQ(padded_row(padded_samples(1000, 28 * 4, 4), 1000, 4), (std::vector<float>{-6, -6, -6, -6}));
}

TEST(Padding, SumsOfErrorsAreThoseOfTheTrace) {
  const Model model = read_model(golden("ds16.keras"));
  std::mt19937_64 random(seed());
  std::normal_distribution<float> value(0, 1);
  constexpr std::size_t kSamples = 30;
  const std::size_t rows = 32;
  std::vector<float> x(kSamples * model.input_size());
  std::vector<std::size_t> filled;
  for (std::size_t s = 0; s < kSamples; ++s) {
    filled.push_back(1 + random() % rows);
    for (std::size_t i = 0; i < rows * 4; ++i) x[s * rows * 4 + i] = i < filled[s] * 4 ? value(random) : -6;
  }
  const Network network = network_of(model, make_config(model, {.vector = fixed(12, 6)}));
  EXPECT_EQ(padded_row(x, kSamples, 4), (std::vector<float>{-6, -6, -6, -6}));
  const std::vector<SumError> errors = sum_errors(network, x, kSamples);
  ASSERT_EQ(errors.size(), 1U);
  const int sum = network.resolved.model.find(errors.front().layer);
  ASSERT_NE(as<SetSum>(network.resolved.model.layers[static_cast<std::size_t>(sum)]), nullptr);
  const auto before = static_cast<std::size_t>(network.resolved.model.layers[static_cast<std::size_t>(sum)].inputs.front());
  const std::vector<double> values = trace_of(network, x, kSamples)[before];
  const std::vector<float> wanted = float_values(model, network.resolved.model.layers[before].name, x, kSamples);
  double squares[3] = {};
  std::size_t padded_rows = 0;
  const std::size_t channels = 16;
  for (std::size_t s = 0; s < kSamples; ++s) {
    padded_rows += rows - filled[s];
    for (std::size_t c = 0; c < channels; ++c) {
      double parts[2] = {};
      for (std::size_t row = 0; row < rows; ++row) {
        const std::size_t i = (s * rows + row) * channels + c;
        parts[row < filled[s] ? 0 : 1] += values[i] - static_cast<double>(wanted[i]);
      }
      squares[0] += parts[0] * parts[0];
      squares[1] += parts[1] * parts[1];
      squares[2] += (parts[0] + parts[1]) * (parts[0] + parts[1]);
    }
  }
  const auto rms = [&](double sum_of_squares) { return std::sqrt(sum_of_squares / (kSamples * channels)); };
  EXPECT_NEAR(errors.front().others, rms(squares[0]), 1e-9 * rms(squares[0]));
  EXPECT_NEAR(errors.front().padded, rms(squares[1]), 1e-9 * rms(squares[1]));
  EXPECT_NEAR(errors.front().all, rms(squares[2]), 1e-9 * rms(squares[2]));
  EXPECT_DOUBLE_EQ(errors.front().share, static_cast<double>(padded_rows) / (kSamples * rows));
}

TEST(Recover, WhatIsChosenHelpsOnTheSamplesToWorkOn) {
  std::mt19937_64 random(seed());
  std::size_t helped = 0;
  for (std::uint64_t i = 0; i < cases(30); ++i) {
    const RandomCase drawn = without_quantizers(random, {.all_modes = false, .graphs = i % 2 == 1}, 40);
    const Network network = network_of(drawn);
    if (free_of(network).empty()) continue;
    Dataset data;
    data.size = drawn.n;
    data.shape = {static_cast<int>(drawn.model.input_size())};
    data.x = drawn.x;
    const std::vector<float> reference = infer(drawn.model, data.x, data.size);
    const RecoverResult result = recover(drawn.model, [&](const Model& model) { return resolve(model, drawn.config); }, {data, reference},
                                         {.recoveries = {Recovery::kEqualise, Recovery::kRound, Recovery::kBias}});
    const auto deviation = [&](const Network& of) {
      const std::vector<double> in_double(reference.begin(), reference.end());
      const std::vector<double> scales = drawn.model.output_size() == 1 ? relative_scales(in_double) : std::vector<double>();
      const std::vector<double> predictions = interpret(build_program(of.resolved), data.x, data.size).predictions;
      return mean_squared(predictions, in_double, scales);
    };
    ASSERT_EQ(result.alone.size(), 3U);
    for (const Attempt& each : result.alone) {
      const double own = deviation(each.network);
      ASSERT_NEAR(mean_of(each.deviations).value, own, 1e-9 * own) << "seed " << seed() << ", case " << i << ", " << each.name();
      ASSERT_LE(deviation(result.best.network), (own + each.gain.error) * (1 + 1e-9)) << "seed " << seed() << ", case " << i;
    }
    ASSERT_LE(deviation(result.best.network), deviation(network)) << "seed " << seed() << ", case " << i;
    // Its types are those of the network that it was made of.
    const Resolved again = resolve(result.best.network.model, drawn.config);
    ASSERT_EQ(interpret(build_program(again), data.x, data.size).predictions,
              interpret(build_program(result.best.network.resolved), data.x, data.size).predictions);
    if (!result.best.recoveries.empty()) ++helped;
  }
  EXPECT_GT(helped, 5U);
}

// Of weight 3, or -3, a sample counts as three do.
TEST(Recover, ASampleCountsByItsWeight) {
  const Model model = read_model(golden("ds16.keras"));
  const PrecisionConfig config = make_config(model, {.vector = fixed(16, 6), .weight = fixed(8, 3)});
  constexpr std::size_t kSamples = 24;
  const std::size_t size = model.input_size();
  const std::vector<float> x = normal_samples(kSamples, size);
  std::vector<float> weights;
  std::vector<float> repeated;
  for (std::size_t s = 0; s < kSamples; ++s) {
    weights.push_back(s % 5 == 0 ? (s % 2 == 0 ? 3.F : -3.F) : 1.F);
    for (int k = 0; k < static_cast<int>(std::abs(weights.back())); ++k)
      repeated.insert(repeated.end(), x.begin() + static_cast<std::ptrdiff_t>(s * size),
                      x.begin() + static_cast<std::ptrdiff_t>((s + 1) * size));
  }
  const std::size_t n = repeated.size() / size;
  ASSERT_EQ(n, kSamples + 10);
  Network network = network_of(model, config);
  std::size_t others = 0;  // numbers that would be others without the weights
  for (const ScalePair& pair : scale_pairs(network, free_of(network)))
    EXPECT_EQ(Equaliser(network, pair, x, kSamples, weights).powers(0), Equaliser(network, pair, repeated, n).powers(0));
  for (const FreeLayer& layer : free_of(network)) {
    Network by_weight = network;
    Network by_copies = network;
    Network plain = network;
    const auto numbers = [&](const Network& of) {
      const Dense& dense = *matrix_of(of.model.layers[layer.at]);
      std::vector<float> all = dense.kernel;
      all.insert(all.end(), dense.bias.begin(), dense.bias.end());
      return all;
    };
    for (const bool is_bias : {false, true}) {
      const auto change = [&](Network& of, const FreeLayer& at, const std::vector<float>& samples, std::size_t count,
                              const std::vector<float>& counts) {
        return is_bias ? correct_bias(of, at, samples, count, counts) : round_layer(of, at, samples, count, counts);
      };
      change(by_weight, layer, x, kSamples, weights);
      change(by_copies, layer, repeated, n, {});
      change(plain, layer, x, kSamples, {});
      ASSERT_EQ(numbers(by_weight), numbers(by_copies)) << model.layers[layer.at].name << (is_bias ? ", bias" : ", round");
      if (numbers(plain) != numbers(by_weight)) ++others;
    }
  }
  EXPECT_GT(others, 0U);
  const std::vector<double> values{1, 4, 2, 8};
  const Estimate mean = mean_of(values, std::vector<float>{1, 1, 3, -3});
  EXPECT_DOUBLE_EQ(mean.value, 35. / 8);
  // The root of the sum of (w (v - mean))^2, times 4 / 3, by the sum of weights.
  EXPECT_NEAR(mean.error, std::sqrt((27. * 27 + 3 * 3 + 57. * 57 + 87. * 87) / 64 * 4 / 3) / 8, 1e-12);
}

// What was written first stays where what follows it does not pass, whole, and nothing is left beside it; else all files change.
TEST(Written, NothingTakesItsNameThatDoesNotPass) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("narrow_written_" + std::to_string(getpid()));
  fs::create_directory(folder);
  const Model first = read_model(golden("ds16.keras"));
  Model second = first;
  Layer& phi = second.layers[static_cast<std::size_t>(first.find("phi2"))];
  std::vector<float> kernel = matrix_of(phi)->kernel;
  kernel[0] += 1;
  phi.op = with_numbers(phi, kernel, matrix_of(phi)->bias);
  EXPECT_EQ(layers_that_differ(first, second), std::vector<std::string>{"phi2"});
  EXPECT_EQ(layers_that_differ(first, first), std::vector<std::string>());
  const auto names = [&] {
    std::set<std::string> names;
    for (const fs::directory_entry& each : fs::directory_iterator(folder)) names.insert(each.path().filename().string());
    return names;
  };
  for (const char* name : {"model.keras", "model.h5", "model.json"}) {
    const std::string path = folder / name;
    std::string seen;
    write_checked(first, path, [&](const std::string& written) {
      seen = written;
      EXPECT_EQ(layers_that_differ(first, read_model(written)), std::vector<std::string>());
    });
    EXPECT_NE(seen, path);
    const std::set<std::string> whole = names();
    EXPECT_EQ(layers_that_differ(first, read_model(path)), std::vector<std::string>()) << name;
    EXPECT_THROW(write_checked(second, path,
                               [](const std::string& written) {
                                 EXPECT_TRUE(fs::exists(written));
                                 throw std::logic_error("not so");
                               }),
                 std::logic_error);
    EXPECT_EQ(layers_that_differ(first, read_model(path)), std::vector<std::string>()) << name;
    EXPECT_EQ(names(), whole) << name;
    write_checked(second, path, [](const std::string&) {});
    EXPECT_EQ(layers_that_differ(first, read_model(path)), std::vector<std::string>{"phi2"}) << name;
    EXPECT_EQ(names(), whole) << name;
  }
  EXPECT_EQ(names(), (std::set<std::string>{"model.keras", "model.h5", "model.json", "model.weights.h5"}));
  fs::remove_all(folder);
}

TEST(Recover, RefusesNetworksOfQuantizers) {
  Dataset data;
  const std::vector<float> reference;
  for (const char* name : {"qkeras/bits.keras", "hgq/jets.keras"}) {
    const Model model = read_model(golden(name));
    try {
      recover(model, [](const Model&) { return Resolved(); }, {data, reference}, {.recoveries = {Recovery::kBias}});
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("was trained with quantizers"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace narrow
