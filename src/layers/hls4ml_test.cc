// Each layer's exact arithmetic against hls4ml's own C++ (nnet_utils) on AMD's types: random values, and types whose habits are easy
// to get wrong: without integer bits, ap_int, of one and two bits, of every rounding and overflow mode.
#include <gtest/gtest.h>
// before hls4ml's: its macros are short words
#include <random>
#include <string>

#include "fixed/ap_types.h"
#include "layers/batch_normalization.h"
#include "layers/dense.h"
#include "layers/leaky_relu.h"
#include "layers/linear.h"
#include "layers/relu.h"
#include "layers/set_mean.h"
#include "layers/set_sum.h"
// hls4ml's
#include "nnet_activation.h"
#include "nnet_batchnorm.h"
#include "nnet_dense_latency.h"
#include "nnet_mult.h"
#include "nnet_pooling_stream.h"
#include "nnet_types.h"

namespace narrow {
namespace {

constexpr int kIn = 5;
constexpr int kOut = 2;
constexpr int kRows = 3;
constexpr int kDraws = 400;

using ap_types::raw_of;
using ap_types::with_raw;
template <class T>
constexpr Format kFormat = ap_types::FormatOf<T>::kFormat;

std::mt19937_64 random_numbers(20261124);

// A raw of the type, often at its ends or next to 0.
template <class T>
Int128 draw() {
  const Int128 low = min_raw(kFormat<T>);
  const Int128 high = max_raw(kFormat<T>);
  switch (random_numbers() % 6) {
    case 0: return low;
    case 1: return high;
    case 2: return std::clamp<Int128>(-1, low, high);
    case 3: return std::clamp<Int128>(1, low, high);
    default: return low + static_cast<Int128>(random_numbers()) % (high - low + 1);
  }
}

// `count` values of a type, as raws and as AMD's.
template <class T>
struct Values {
  explicit Values(std::size_t count) : amd(count) {
    for (std::size_t i = 0; i < count; ++i) {
      raw.push_back(draw<T>());
      amd[i] = with_raw<T>(raw[i]);
    }
  }
  std::vector<Int128> raw;
  std::vector<T> amd;
};

// One layer behind an input, with weights given as raws.
class Narrow {
 public:
  Narrow(OperationPtr op, const LayerPrecision& types, const Format& input, Shape from)
      : op_(std::move(op)), types_(types), input_(input), from_(std::move(from)), shape_(op_->shape({from_})) {}

  template <class T>
  void weights(TypeName type, const Values<T>& values) {
    step_.weights.emplace_back(type, std::make_shared<const QuantizedWeights>(QuantizedWeights{values.raw, 0, 0}));
  }
  // The values, and whether they lie in the bounds that the layer gives for these inputs.
  std::vector<Int128> run(const std::vector<Int128>& x) {
    const Place place{types_, shape_, {&input_}, {&from_}};
    op_->plan(place, step_);
    std::vector<Int128> y(size_of(shape_));
    LayerCounts counts;
    op_->exact(ExactCall<Int128>{place, step_, {x}, {}, y, counts});
    const Interval bounds =
        op_->bounds(place, step_, {Interval{*std::min_element(x.begin(), x.end()), *std::max_element(x.begin(), x.end())}});
    for (const Int128 value : y) EXPECT_TRUE(value >= bounds.low && value <= bounds.high) << "outside its bounds";
    return y;
  }

 private:
  OperationPtr op_;
  LayerPrecision types_;
  Format input_;
  Shape from_, shape_;
  Step step_;
};

template <class T>
void expect_same(const std::vector<Int128>& got, const T* expected, const std::string& what, const std::vector<Int128>& inputs) {
  std::string x;
  for (const Int128 raw : inputs) x += " " + std::to_string(static_cast<long long>(raw));
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(static_cast<long long>(got[i]), static_cast<long long>(raw_of(expected[i]))) << "value " << i << " of " << what << ", x" << x;
}

template <class... T>
std::string names() {
  std::string text;
  ((text += to_string(kFormat<T>) + " "), ...);
  return text;
}

// fpga_backend.py, product_type: by the literal type of the weights.
template <class X, class W>
using Product = std::conditional_t<std::is_same_v<W, ap_int<2>>, nnet::product::weight_ternary<X, W>, nnet::product::mult<X, W>>;

template <class W, class B, class A>
struct DenseConfig {
  static const unsigned n_in = kIn;
  static const unsigned n_out = kOut;
  static const unsigned reuse_factor = 1;
  static const unsigned multiplier_limit = kIn * kOut;
  using weight_t = W;
  using bias_t = B;
  using accum_t = A;
  template <class X, class Y>
  using product = Product<X, Y>;
};

template <class X, class W, class B, class A, class R>
void dense() {
  LayerPrecision types;
  types.set(TypeName::kWeight, kFormat<W>);
  types.set(TypeName::kBias, kFormat<B>);
  types.set(TypeName::kAccum, kFormat<A>);
  types.set(TypeName::kResult, kFormat<R>);
  types.strategy = Strategy::kLatency;
  const auto op = std::make_shared<Dense>(kIn, kOut, std::vector<float>(kIn * kOut), std::vector<float>(kOut));
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(kIn);
    Values<W> w(kIn * kOut);
    Values<B> b(kOut);
    R expected[kOut];
    nnet::dense_latency<X, R, DenseConfig<W, B, A>>(x.amd.data(), expected, w.amd.data(), b.amd.data());
    Narrow narrow(op, types, kFormat<X>, {kIn});
    narrow.weights(TypeName::kWeight, w);
    narrow.weights(TypeName::kBias, b);
    expect_same(narrow.run(x.raw), expected, "Dense " + names<X, W, B, A, R>() + "draw " + std::to_string(i), x.raw);
  }
}

template <class S, class B>
struct NormConfig {
  static const unsigned n_in = kIn;
  static const unsigned n_filt = -1;
  static const unsigned n_scale_bias = kIn;
  static const unsigned reuse_factor = 1;
  static const unsigned multiplier_limit = kIn;
  using scale_t = S;
  using bias_t = B;
  template <class X, class Y>
  using product = Product<X, Y>;
};

template <class X, class S, class B, class R>
void norm() {
  LayerPrecision types;
  types.set(TypeName::kScale, kFormat<S>);
  types.set(TypeName::kBias, kFormat<B>);
  types.set(TypeName::kResult, kFormat<R>);
  const std::vector<float> none(kIn, 1.F);
  const auto op = std::make_shared<BatchNormalization>(none, none, none, none);
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(kIn);
    Values<S> s(kIn);
    Values<B> b(kIn);
    R expected[kIn];
    nnet::normalize<X, R, NormConfig<S, B>>(x.amd.data(), expected, s.amd.data(), b.amd.data());
    Narrow narrow(op, types, kFormat<X>, {kIn});
    narrow.weights(TypeName::kScale, s);
    narrow.weights(TypeName::kBias, b);
    expect_same(narrow.run(x.raw), expected, "BatchNormalization " + names<X, S, B, R>() + "draw " + std::to_string(i), x.raw);
  }
}

struct ActivationConfig {
  static const unsigned n_in = kIn;
};

template <class X, class R>
void casts() {
  LayerPrecision types;
  types.set(TypeName::kResult, kFormat<R>);
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(kIn);
    R expected[kIn];
    nnet::relu<X, R, ActivationConfig>(x.amd.data(), expected);
    expect_same(Narrow(std::make_shared<Relu>(), types, kFormat<X>, {kIn}).run(x.raw), expected, "Relu " + names<X, R>(), x.raw);
    nnet::linear<X, R, ActivationConfig>(x.amd.data(), expected);
    expect_same(Narrow(std::make_shared<Linear>(), types, kFormat<X>, {kIn}).run(x.raw), expected, "Linear " + names<X, R>(), x.raw);
  }
}

template <class X, class P, class R>
void leaky(double slope) {
  LayerPrecision types;
  types.set(TypeName::kParam, kFormat<P>);
  types.set(TypeName::kResult, kFormat<R>);
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(kIn);
    R expected[kIn];
    nnet::leaky_relu<X, P, R, ActivationConfig>(x.amd.data(), P(slope), expected);
    expect_same(Narrow(std::make_shared<LeakyRelu>(slope), types, kFormat<X>, {kIn}).run(x.raw), expected, "LeakyRelu " + names<X, P, R>(),
                x.raw);
  }
}

// tools/hls4ml_reference.py, KSUM_HEADER.
template <class X, class R>
void set_sum() {
  LayerPrecision types;
  types.set(TypeName::kResult, kFormat<R>);
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(kRows * kOut);
    R sum[kOut];
    for (unsigned j = 0; j < kOut; j++) sum[j] = 0;
    for (unsigned r = 0; r < kRows; r++) {
      for (unsigned j = 0; j < kOut; j++) sum[j] += x.amd[r * kOut + j];
    }
    expect_same(Narrow(std::make_shared<SetSum>(), types, kFormat<X>, {kRows, kOut}).run(x.raw), sum, "SetSum " + names<X, R>(), x.raw);
  }
}

template <class A>
struct PoolConfig {
  static const unsigned n_in = kRows;
  static const unsigned n_filt = kOut;
  static const unsigned pool_width = kRows;
  static const unsigned stride_width = kRows;
  static const unsigned pad_left = 0;
  static const unsigned pad_right = 0;
  static const nnet::Pool_Op pool_op = nnet::Average;
  static const unsigned reuse_factor = 1;
  using accum_t = A;
};

template <class X, class A, class R>
void set_mean() {
  LayerPrecision types;
  types.set(TypeName::kAccum, kFormat<A>);
  types.set(TypeName::kResult, kFormat<R>);
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(kRows * kOut);
    hls::stream<nnet::array<X, kOut>> in;
    hls::stream<nnet::array<R, kOut>> out;
    for (unsigned r = 0; r < kRows; r++) {
      nnet::array<X, kOut> row;
      for (unsigned j = 0; j < kOut; j++) row[j] = x.amd[r * kOut + j];
      in.write(row);
    }
    nnet::global_pooling1d_cl<nnet::array<X, kOut>, nnet::array<R, kOut>, PoolConfig<A>>(in, out);
    nnet::array<R, kOut> mean = out.read();
    expect_same(Narrow(std::make_shared<SetMean>(), types, kFormat<X>, {kRows, kOut}).run(x.raw), &mean[0], "SetMean " + names<X, A, R>(),
                x.raw);
  }
}

template <int W, int I, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP, int N = 0>
using F = ap_fixed<W, I, Q, O, N>;
template <int W, int I, ap_q_mode Q = AP_TRN, ap_o_mode O = AP_WRAP, int N = 0>
using U = ap_ufixed<W, I, Q, O, N>;

TEST(Hls4ml, Dense) {
  dense<F<8, 3>, F<8, 2>, F<8, 2>, F<16, 6>, F<10, 4, AP_RND, AP_SAT>>();
  dense<F<8, 3>, F<8, 2>, F<8, 4>, F<10, 4, AP_RND_CONV, AP_SAT>, F<10, 4, AP_RND_CONV, AP_SAT>>();
  dense<U<7, 3>, F<8, 2>, F<9, 5>, F<9, 3, AP_TRN_ZERO, AP_SAT_SYM>, F<7, 3, AP_RND_ZERO>>();
  dense<F<8, 3>, U<6, 2>, U<8, 4>, U<9, 3, AP_RND_MIN_INF, AP_SAT>, F<9, 4, AP_RND_INF, AP_SAT_ZERO>>();
  dense<F<8, 3>, F<8, 2>, F<9, 5>, F<9, 4, AP_TRN, AP_WRAP_SM>, F<8, 3, AP_TRN, AP_WRAP, 2>>();
  dense<F<8, 3>, F<8, 2>, F<9, 5>, F<9, 4, AP_RND, AP_WRAP, 1>, U<6, 3, AP_RND_INF, AP_SAT_SYM>>();
  dense<F<8, 3>, F<8, 2>, F<9, 5>, F<9, 4, AP_RND_INF>, F<1, 1, AP_TRN, AP_SAT_SYM>>();
  // products, biases and sums without integer bits as ap_ints
  dense<F<8, 0>, F<6, 0>, F<8, 2>, ap_int<8>, F<10, 6>>();
  dense<F<8, 2>, F<6, -2>, F<8, 0>, ap_int<8>, ap_int<4>>();
  dense<F<8, 1>, F<6, -1>, F<8, 0>, ap_uint<6>, F<8, 6>>();
  dense<F<8, 0>, F<6, 0>, F<8, 0>, F<9, 0, AP_RND>, ap_int<5>>();
  dense<F<8, -1>, F<6, 1>, F<8, 0>, F<9, 0>, ap_uint<5>>();
  dense<F<8, 1>, F<6, 2>, F<8, 2>, ap_int<6>, ap_int<6>>();
  // ternary and binary weights
  dense<F<8, 3>, ap_int<2>, F<8, 2>, F<9, 4>, F<9, 4>>();
  dense<F<8, -1>, ap_int<2>, F<8, 2>, ap_int<7>, F<8, 7>>();
  dense<U<8, 0>, ap_int<2>, F<8, 2>, ap_int<7>, F<8, 7>>();
  dense<ap_uint<1>, ap_uint<1>, ap_uint<1>, F<8, 6>, F<9, 7>>();
  dense<F<8, 3>, ap_uint<1>, F<8, 2>, F<9, 4>, F<9, 4>>();
  dense<ap_uint<1>, F<6, 2>, F<8, 2>, F<9, 4>, F<9, 4>>();
}

TEST(Hls4ml, BatchNormalization) {
  norm<F<8, 3>, F<8, 2>, F<8, 2>, F<12, 5>>();
  norm<F<8, 3>, U<8, 2>, F<9, 6>, F<9, 4, AP_RND_CONV, AP_SAT>>();
  norm<U<8, 3>, F<8, -1>, U<5, 2>, U<9, 4, AP_RND_ZERO, AP_SAT>>();
  norm<F<8, 0>, F<8, 0>, F<8, 0>, ap_int<5>>();
  norm<F<8, 0>, F<8, -1>, F<8, -1>, ap_int<5>>();
  norm<F<8, 3>, ap_int<2>, F<8, 2>, F<12, 5>>();
}

TEST(Hls4ml, Casts) {
  casts<F<8, 3>, F<6, 2, AP_RND, AP_SAT>>();
  casts<F<8, 3>, U<6, 2, AP_RND_CONV, AP_SAT_ZERO>>();
  casts<F<8, 0>, ap_int<5>>();
  casts<F<8, 1>, ap_uint<3>>();
  casts<U<6, 2>, F<6, 2, AP_TRN, AP_WRAP_SM>>();
}

TEST(Hls4ml, LeakyRelu) {
  leaky<F<8, 3>, U<8, 0>, F<9, 3>>(0.3);
  leaky<F<8, 3>, U<2, 0>, F<7, 3, AP_RND_CONV, AP_SAT>>(0.25);
  leaky<F<8, 0>, U<4, 0>, ap_int<5>>(0.3);
  leaky<F<8, 0>, U<4, 2>, ap_int<5>>(2.5);
  leaky<F<8, 1>, U<4, 0>, ap_int<5>>(0.5);
  leaky<F<8, 3>, F<4, 1>, F<9, 4>>(1.5);  // -0.5 in its type
}

TEST(Hls4ml, SetSum) {
  set_sum<F<8, 3>, F<12, 5>>();
  set_sum<F<8, 3>, F<7, 4, AP_RND_CONV, AP_SAT>>();
  set_sum<F<8, 3>, F<7, 4, AP_TRN_ZERO>>();
  set_sum<U<8, 3>, F<7, 4, AP_RND_INF, AP_SAT_SYM>>();
  set_sum<F<8, 3>, F<7, 4, AP_RND, AP_WRAP, 2>>();
  set_sum<F<8, 0>, ap_int<5>>();
  set_sum<F<8, 3>, ap_int<5>>();
  set_sum<U<8, 3>, ap_int<4>>();
  set_sum<F<8, 3>, ap_uint<5>>();
  set_sum<ap_int<4>, ap_int<5>>();
  set_sum<ap_int<4>, F<6, 4, AP_TRN, AP_SAT>>();
  set_sum<F<8, -1>, F<8, -1>>();
}

TEST(Hls4ml, SetMean) {
  set_mean<F<8, 3>, F<12, 5>, F<10, 4>>();
  set_mean<F<8, 3>, F<7, 4, AP_RND_CONV, AP_SAT>, F<7, 3, AP_RND>>();
  set_mean<U<8, 3>, F<7, 4, AP_RND_INF, AP_SAT_SYM>, U<6, 2>>();
  set_mean<F<8, 0>, ap_int<5>, F<8, 5>>();
  set_mean<F<8, 3>, ap_int<5>, ap_int<3>>();
  set_mean<F<8, 3>, ap_uint<5>, F<8, 6>>();
  set_mean<F<8, 3>, ap_int<31>, ap_int<31>>();
  set_mean<F<8, 3>, ap_int<32>, ap_int<32>>();
  set_mean<F<8, 3>, ap_int<33>, ap_int<33>>();
  set_mean<F<8, 1>, F<8, 0>, ap_int<5>>();
}

}  // namespace
}  // namespace narrow
