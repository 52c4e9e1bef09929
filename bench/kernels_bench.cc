// Kernels and layers alone, with Google Benchmark: build/kernels_bench. `products/s` is multiplications a second.
#include "engine/kernels.h"

#include <benchmark/benchmark.h>

#include <random>

#include "engine/engine.h"
#include "layers/dense.h"
#include "layers/input.h"
#include "layers/relu.h"
#include "layers/set_sum.h"

namespace narrow {
namespace {

constexpr std::size_t kRows = 1024;

void count_products(benchmark::State& state, int n_in, int n_out) {
  state.counters["products/s"] =
      benchmark::Counter(static_cast<double>(kRows) * n_in * n_out * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

// Rows of x, all 3, through one kernel: run(x, bias, sums). `width` is a row's length in x, `stride` in the sums.
template <class X, class Sum, class Run>
void measure(benchmark::State& state, int width, int stride, const Run& run) {
  Buffer<X> x(kRows * static_cast<std::size_t>(width));
  x.fill(3);
  Buffer<Sum> bias(static_cast<std::size_t>(stride));
  bias.fill(0);
  Buffer<Sum> sums(kRows * static_cast<std::size_t>(stride));
  for (auto _ : state) {
    run(x.data(), bias.data(), sums.data());
    benchmark::DoNotOptimize(sums.data());
  }
  count_products(state, static_cast<int>(state.range(0)), static_cast<int>(state.range(0)));
}

int mixed_weight(int i, int j) { return (i * 7 + j) % 101 - 50; }

void dot16_rows(benchmark::State& state) {
  const auto n = static_cast<int>(state.range(0));
  const Weights16 weights = pack16(n, n, mixed_weight);
  measure<std::int16_t, std::int32_t>(state, 2 * weights.pairs(), weights.blocks() * kBlock,
                                      [&](const auto* x, const auto* bias, auto* sums) { dot16(weights, x, kRows, bias, sums); });
}
BENCHMARK(dot16_rows)->Arg(16)->Arg(32)->Arg(64)->Arg(128);

void dot8_rows(benchmark::State& state) {
  const auto n = static_cast<int>(state.range(0));
  const auto size = static_cast<std::size_t>(n) * static_cast<std::size_t>(n);
  const Weights8 weights = pack8(n, n, std::vector<std::int8_t>(size, 3));
  measure<std::uint8_t, std::int32_t>(state, 4 * weights.fours(), weights.blocks() * kBlock,
                                      [&](const auto* x, const auto* bias, auto* sums) { dot8(weights, x, kRows, bias, 3, sums); });
}
BENCHMARK(dot8_rows)->Arg(16)->Arg(32)->Arg(64)->Arg(128);

void high16_rows(benchmark::State& state) {
  const auto n = static_cast<int>(state.range(0));
  const WeightsHigh weights = pack_high(n, n, mixed_weight);
  measure<std::int16_t, std::int16_t>(state, n, weights.blocks() * kHighBlock,
                                      [&](const auto* x, const auto* bias, auto* sums) { high16(weights, x, kRows, bias, sums); });
}
BENCHMARK(high16_rows)->Arg(16)->Arg(32)->Arg(64)->Arg(128);

OperationPtr square_dense(int nodes, std::mt19937_64& random) {
  std::normal_distribution<float> normal(0.F, 0.15F);
  const auto size = static_cast<std::size_t>(nodes);
  std::vector<float> kernel(size * size);
  for (float& w : kernel) w = normal(random);
  return std::make_shared<Dense>(nodes, nodes, std::move(kernel), std::vector<float>(size));
}

// Input -> Dense -> relu over a set, as the engine runs it: bits of vectors, of weights, nodes; uniform or auto.
Program one_layer(int v, int v_int, int wb, int wb_int, int nodes, bool uniform) {
  std::mt19937_64 random(1);
  Model model;
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{128, nodes}), {}, {128, nodes}});
  model.layers.push_back({"phi", "Dense", square_dense(nodes, random), {0}, {128, nodes}});
  model.layers.push_back({"phi_relu", "Activation", std::make_shared<Relu>(), {1}, {128, nodes}});
  model.layers.push_back({"KSum", "KSum", std::make_shared<SetSum>(), {2}, {nodes}});
  model.outputs = {3};
  PrecisionOptions options;
  options.vector = fixed(v, v_int);
  options.weight = fixed(wb, wb_int);
  options.uniform = uniform;
  return build_program(resolve(model, make_config(model, options)));
}

void layer(benchmark::State& state, Program program, Counting counting) {
  const Engine engine(std::move(program), {.counting = counting, .dedup = false});
  state.SetLabel(engine.kernels()[1]);
  double rate = 0;
  for (auto _ : state) rate = engine.layer_rate(1);
  state.counters["products/s"] = rate;
}
BENCHMARK_CAPTURE(layer, int16, one_layer(16, 6, 16, 6, 64, false), Counting::kOverflow)->Iterations(1);
BENCHMARK_CAPTURE(layer, int16_counting_all, one_layer(16, 6, 16, 6, 64, false), Counting::kAll)->Iterations(1);
BENCHMARK_CAPTURE(layer, int8, one_layer(10, 6, 8, 2, 64, false), Counting::kOverflow)->Iterations(1);
BENCHMARK_CAPTURE(layer, wide, one_layer(24, 12, 18, 4, 64, false), Counting::kOverflow)->Iterations(1);
BENCHMARK_CAPTURE(layer, uniform_high_half, one_layer(16, 9, 16, 9, 64, true), Counting::kNone)->Iterations(1);
BENCHMARK_CAPTURE(layer, uniform_watched, one_layer(16, 9, 16, 9, 64, true), Counting::kOverflow)->Iterations(1);

// What a candidate of a search costs before its first sample: a network of ten layers of 64 nodes, its weights quantized before.
void build_engine(benchmark::State& state, const char* vector, const char* weight, bool uniform) {
  std::mt19937_64 random(1);
  Model model;
  model.layers.push_back({"x", "InputLayer", std::make_shared<Input>(Shape{128, 64}), {}, {128, 64}});
  for (int i = 1; i <= 10; ++i) {
    const std::string name = "phi" + std::to_string(i);
    model.layers.push_back({name, "Dense", square_dense(64, random), {2 * i - 2}, {128, 64}});
    model.layers.push_back({name + "_relu", "Activation", std::make_shared<Relu>(), {2 * i - 1}, {128, 64}});
  }
  model.outputs = {static_cast<int>(model.layers.size()) - 1};
  PrecisionOptions options;
  options.vector = parse_short_format(vector);
  options.weight = parse_short_format(weight);
  options.uniform = uniform;
  const Resolved resolved = resolve(model, make_config(model, options));
  WeightCache cache;
  for (auto _ : state) benchmark::DoNotOptimize(Engine(build_program(resolved, &cache), {.counting = Counting::kOverflow}));
}
BENCHMARK_CAPTURE(build_engine, int16, "16,6", "16,6", false);
BENCHMARK_CAPTURE(build_engine, wide, "20,9", "16,2", false);
BENCHMARK_CAPTURE(build_engine, saturating, "16,6,AP_RND,AP_SAT", "16,6", true);

void peak(benchmark::State& state) {
  double rate = 0;
  for (auto _ : state) rate = measured_peak(static_cast<int>(state.range(0)));
  state.SetLabel(instruction_set());
  state.counters["products/s"] = rate;
}
BENCHMARK(peak)->Arg(16)->Arg(8)->Iterations(1);

}  // namespace
}  // namespace narrow

BENCHMARK_MAIN();
