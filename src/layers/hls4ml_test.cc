// Each layer's exact arithmetic against hls4ml's own C++ (nnet_utils) on AMD's types: random values, and types whose habits are easy
// to get wrong: without integer bits, ap_int, of one and two bits, of every rounding and overflow mode.
#include <gtest/gtest.h>
// before hls4ml's: its macros are short words
#include <random>
#include <string>

#include "fixed/ap_types.h"
#include "fixed/cast.h"
#include "layers/batch_normalization.h"
#include "layers/concatenate.h"
#include "layers/convolution.h"
#include "layers/dense.h"
#include "layers/dot.h"
#include "layers/exponential_unit.h"
#include "layers/hard_sigmoid.h"
#include "layers/leaky_relu.h"
#include "layers/linear.h"
#include "layers/merge.h"
#include "layers/pooling.h"
#include "layers/prelu.h"
#include "layers/relu.h"
#include "layers/relu_max.h"
#include "layers/set_max.h"
#include "layers/set_mean.h"
#include "layers/set_sum.h"
#include "layers/softmax.h"
#include "layers/table_activation.h"
#include "layers/thresholded_relu.h"
// hls4ml's
#include "nnet_activation.h"
#include "nnet_activation_stream.h"
#include "nnet_batchnorm.h"
#include "nnet_conv_stream.h"
#include "nnet_dense_latency.h"
#include "nnet_merge.h"
#include "nnet_merge_stream.h"
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
    expect_same_in_64_bits(x, y, counts);
    return y;
  }

 private:
  // Where the engine computes in words of 64 bits (engine/machine.h).
  void expect_same_in_64_bits(const std::vector<Int128>& x, const std::vector<Int128>& y, const LayerCounts& counts) const {
    constexpr int kWord = 63;
    if (step_.bits > kWord || input_.width > kWord || types_.result().width > kWord) return;
    const std::vector<std::int64_t> narrow_x(x.begin(), x.end());
    std::vector<std::int64_t> narrow_y(y.size());
    LayerCounts narrow_counts;
    op_->exact(ExactCall<std::int64_t>{{types_, shape_, {&input_}, {&from_}}, step_, {narrow_x}, {}, narrow_y, narrow_counts});
    EXPECT_TRUE(std::equal(y.begin(), y.end(), narrow_y.begin())) << "in 64 bits";
    EXPECT_EQ(narrow_counts, counts) << "in 64 bits";
  }

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

// Windows of kHigh x kWide pixels over an image, down by kDown and across by kAcross; kReuse is that of Resource, 0 for Latency.
template <class W, class B, class A, unsigned kHigh, unsigned kWide, unsigned kDown, unsigned kAcross, unsigned kReuse>
struct ConvolutionConfig {
  static const unsigned in_height = 5;
  static const unsigned in_width = 6;
  static const unsigned n_chan = 2;
  static const unsigned n_filt = kOut;
  static const unsigned filt_height = kHigh;
  static const unsigned filt_width = kWide;
  static const unsigned stride_height = kDown;
  static const unsigned stride_width = kAcross;
  static const unsigned kernel_size = kHigh * kWide;
  using weight_t = W;
  using bias_t = B;
  struct mult_config {
    static const unsigned n_in = kernel_size * n_chan;
    static const unsigned n_out = kOut;
    static const unsigned reuse_factor = kReuse == 0 ? 1 : kReuse;
    static const unsigned multiplier_limit = n_in * n_out;
    using weight_t = W;
    using bias_t = B;
    using accum_t = A;
    template <class X, class Y>
    using product = Product<X, Y>;
    template <class X, class R, class C>
    using kernel = std::conditional_t<
        kReuse == 0, nnet::DenseLatency<X, R, C>,
        std::conditional_t<(kReuse > n_in), nnet::DenseResource_rf_gt_nin_rem0<X, R, C>, nnet::DenseResource_rf_leq_nin<X, R, C>>>;
  };
};

template <class X, class W, class B, class A, class R, unsigned kHigh, unsigned kWide, unsigned kDown, unsigned kAcross,
          unsigned kReuse = 0>
void convolution() {
  using Config = ConvolutionConfig<W, B, A, kHigh, kWide, kDown, kAcross, kReuse>;
  constexpr auto kPixels = static_cast<int>(Config::in_height * Config::in_width);
  constexpr auto kWindow = static_cast<int>(Config::mult_config::n_in);
  LayerPrecision types;
  types.set(TypeName::kWeight, kFormat<W>);
  types.set(TypeName::kBias, kFormat<B>);
  types.set(TypeName::kAccum, kFormat<A>);
  types.set(TypeName::kResult, kFormat<R>);
  types.strategy = kReuse == 0 ? Strategy::kLatency : Strategy::kResource;
  types.reuse_factor = static_cast<int>(Config::mult_config::reuse_factor);
  const auto op =
      std::make_shared<Convolution>(Windows{{kHigh, kWide}, {kDown, kAcross}, Padding::kValid}, static_cast<int>(Config::n_chan), kOut,
                                    std::vector<float>(kWindow * kOut), std::vector<float>(kOut));
  const Shape shape{static_cast<int>(Config::in_height), static_cast<int>(Config::in_width), static_cast<int>(Config::n_chan)};
  ap_shift_reg<X, Config::in_width> lines[kHigh > 1 ? kHigh - 1 : 1][Config::n_chan];
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(size_of(shape));
    Values<W> w(kWindow * kOut);
    Values<B> b(kOut);
    std::vector<W> ordered = w.amd;
    if (kReuse > 0) {  // transposed, resource_strategy.py
      for (std::size_t k = 0; k < ordered.size(); ++k) ordered[k % kOut * kWindow + k / kOut] = w.amd[k];
    }
    hls::stream<nnet::array<R, kOut>> out;
    for (int pixel = 0; pixel < kPixels; ++pixel) {
      nnet::array<X, Config::n_chan> in;
      for (std::size_t c = 0; c < Config::n_chan; ++c) in[c] = x.amd[static_cast<std::size_t>(pixel) * Config::n_chan + c];
      nnet::compute_output_buffer_2d<nnet::array<X, Config::n_chan>, nnet::array<R, kOut>, Config>(in, lines, out, ordered.data(),
                                                                                                   b.amd.data());
    }
    Narrow narrow(op, types, kFormat<X>, shape);
    narrow.weights(TypeName::kWeight, w);
    narrow.weights(TypeName::kBias, b);
    const std::vector<Int128> got = narrow.run(x.raw);
    std::vector<R> expected;
    while (!out.empty()) {
      nnet::array<R, kOut> pixel = out.read();
      for (std::size_t j = 0; j < kOut; ++j) expected.push_back(pixel[j]);
    }
    ASSERT_EQ(got.size(), expected.size());
    expect_same(got, expected.data(), "Convolution " + names<X, W, B, A, R>() + "draw " + std::to_string(i), x.raw);
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

template <class X, class P, class R>
void prelu() {
  LayerPrecision types;
  types.set(TypeName::kParam, kFormat<P>);
  types.set(TypeName::kResult, kFormat<R>);
  const auto op = std::make_shared<PRelu>(Shape{kIn}, std::vector<float>(kIn));
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(kIn);
    Values<P> alpha(kIn);
    R expected[kIn];
    nnet::prelu<X, P, R, ActivationConfig>(x.amd.data(), alpha.amd.data(), expected);
    Narrow narrow(op, types, kFormat<X>, {kIn});
    narrow.weights(TypeName::kParam, alpha);
    expect_same(narrow.run(x.raw), expected, "PRelu " + names<X, P, R>() + "draw " + std::to_string(i), x.raw);
  }
}

template <class X, class P, class R>
void thresholded(double theta) {
  LayerPrecision types;
  types.set(TypeName::kParam, kFormat<P>);
  types.set(TypeName::kResult, kFormat<R>);
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(kIn);
    if (i % 2 == 1) {  // next to theta
      for (std::size_t k = 0; k < x.raw.size(); ++k) {
        const Int128 near = cast(theta, kFormat<X>).raw + static_cast<Int128>(k % 3) - 1;
        x.raw[k] = std::clamp(near, min_raw(kFormat<X>), max_raw(kFormat<X>));
        x.amd[k] = with_raw<X>(x.raw[k]);
      }
    }
    R expected[kIn];
    nnet::thresholded_relu<X, P, R, ActivationConfig>(x.amd.data(), P(theta), expected);
    expect_same(Narrow(std::make_shared<ThresholdedRelu>(theta), types, kFormat<X>, {kIn}).run(x.raw), expected,
                "ThresholdedRelu " + names<X, P, R>(), x.raw);
  }
}

// As HardActivationConfigTemplate of core_templates.py makes it.
struct HardConfig {
  static const unsigned n_in = kIn;
  static const ap_ufixed<16, 0> slope;
  static const ap_ufixed<2, 0> shift;
  static const unsigned io_type = nnet::io_parallel;
  static const unsigned reuse_factor = 1;
};
const ap_ufixed<16, 0> HardConfig::slope = 0.2;
const ap_ufixed<2, 0> HardConfig::shift = 0.5;

template <class X, class R>
void hard_sigmoid_and_relu6() {
  LayerPrecision types;
  types.set(TypeName::kResult, kFormat<R>);
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(kIn);
    if (i % 2 == 1) {  // around the ends of the line, and 6
      constexpr double kAround[] = {-2.5, 0, 2.5, 6};
      for (std::size_t k = 0; k < x.raw.size(); ++k) {
        const double at = kAround[random_numbers() % std::size(kAround)];
        Format exact = kFormat<X>;
        exact.overflow = Overflow::kSat;
        const Int128 near = cast(at, exact).raw + static_cast<Int128>(random_numbers() % 5) - 2;
        x.raw[k] = std::clamp(near, min_raw(kFormat<X>), max_raw(kFormat<X>));
        x.amd[k] = with_raw<X>(x.raw[k]);
      }
    }
    R expected[kIn];
    nnet::hard_sigmoid<X, R, HardConfig>(x.amd.data(), expected);
    expect_same(Narrow(std::make_shared<HardSigmoid>(HardSigmoid::kKeras2), types, kFormat<X>, {kIn}).run(x.raw), expected,
                "HardSigmoid " + names<X, R>(), x.raw);
    nnet::relu6<X, R, ActivationConfig>(x.amd.data(), expected);
    expect_same(Narrow(std::make_shared<ReluMax>(), types, kFormat<X>, {kIn}).run(x.raw), expected, "ReluMax " + names<X, R>(), x.raw);
  }
}

template <class T, unsigned kSize>
struct TableConfig {
  static const unsigned n_in = kIn;
  static const unsigned table_size = kSize;
  using table_t = T;
};

// hls4ml's own function, which fills a table of its own for each of its types.
template <class X, class T, class R, unsigned kSize = 1024>
void tables() {
  LayerPrecision types;
  types.set(TypeName::kTable, kFormat<T>);
  types.set(TypeName::kResult, kFormat<R>);
  types.table_size = kSize;
  using Config = TableConfig<T, kSize>;
  const auto compare = [&](TableFunction function, void (*hls4ml)(X*, R*)) {
    for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
      Values<X> x(kIn);
      R expected[kIn];
      hls4ml(x.amd.data(), expected);
      const auto op = std::make_shared<TableActivation>(function);
      expect_same(Narrow(op, types, kFormat<X>, {kIn}).run(x.raw), expected,
                  std::string(op->name()) + " " + names<X, T, R>() + std::to_string(kSize), x.raw);
    }
  };
  compare(TableFunction::kSigmoid, nnet::sigmoid<X, R, Config>);
  compare(TableFunction::kTanh, nnet::tanh<X, R, Config>);
  compare(TableFunction::kSoftplus, nnet::softplus<X, R, Config>);
  compare(TableFunction::kSoftsign, nnet::softsign<X, R, Config>);
}

template <class X, class P, class T, class R, unsigned kSize = 1024>
void exponential_units(double alpha) {
  LayerPrecision types;
  types.set(TypeName::kTable, kFormat<T>);
  types.set(TypeName::kResult, kFormat<R>);
  types.table_size = kSize;
  LayerPrecision elu_types = types;
  elu_types.set(TypeName::kParam, kFormat<P>);
  using Config = TableConfig<T, kSize>;
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(kIn);
    R expected[kIn];
    nnet::elu<X, P, R, Config>(x.amd.data(), P(alpha), expected);
    expect_same(Narrow(std::make_shared<ExponentialUnit>(alpha), elu_types, kFormat<X>, {kIn}).run(x.raw), expected,
                "elu " + names<X, P, T, R>() + std::to_string(kSize), x.raw);
    hls::stream<nnet::array<X, kIn>> in;
    hls::stream<nnet::array<R, kIn>> out;
    nnet::array<X, kIn> row;
    for (unsigned j = 0; j < kIn; j++) row[j] = x.amd[j];
    in.write(row);
    nnet::selu<nnet::array<X, kIn>, nnet::array<R, kIn>, Config>(in, out);
    nnet::array<R, kIn> y = out.read();
    for (unsigned j = 0; j < kIn; j++) expected[j] = y[j];
    expect_same(Narrow(std::make_shared<ExponentialUnit>(), types, kFormat<X>, {kIn}).run(x.raw), expected,
                "selu " + names<X, T, R>() + std::to_string(kSize), x.raw);
  }
}

// As SoftmaxConfigTemplate of core_templates.py makes it.
template <class X, class E, class V, class A, class I, unsigned kSize, nnet::softmax_implementation kKind>
struct SoftmaxConfig : nnet::activ_config {
  static constexpr Format kX = kFormat<X>;
  static constexpr unsigned kBits = kX.width - (kX.is_signed ? 1 : 0);
  static const unsigned n_in = kIn;
  static const unsigned n_slice = kIn;
  static const unsigned exp_table_size = kKind == nnet::softmax_implementation::stable && kX.is_signed && kBits < 20 &&
                                                 kSize > (1U << kBits)
                                             ? 1U << kBits
                                             : kSize;
  static const unsigned inv_table_size = kSize;
  static const unsigned reuse_factor = 1;
  static const int axis = -1;
  static const nnet::softmax_implementation implementation = kKind;
  static constexpr float exp_scale = 1;
  using exp_table_t = E;
  using inv_table_t = V;
  using accum_t = A;
  using inv_inp_t = I;
  using inp_norm_t = ap_ufixed<kBits, kX.integer - (kX.is_signed ? 1 : 0)>;
};

// Rows of kIn scores, often near each other, as hls4ml's io_stream has them.
template <class X, class E, class V, class A, class I, class R, unsigned kSize = 1024,
          nnet::softmax_implementation kKind = nnet::softmax_implementation::stable>
void softmax() {
  LayerPrecision types;
  types.set(TypeName::kExpTable, kFormat<E>);
  types.set(TypeName::kInvTable, kFormat<V>);
  types.set(TypeName::kAccum, kFormat<A>);
  types.set(TypeName::kInvInp, kFormat<I>);
  types.set(TypeName::kResult, kFormat<R>);
  types.table_size = kSize;
  types.softmax = kKind == nnet::softmax_implementation::stable    ? SoftmaxKind::kStable
                  : kKind == nnet::softmax_implementation::latency ? SoftmaxKind::kLatency
                  : kKind == nnet::softmax_implementation::legacy  ? SoftmaxKind::kLegacy
                                                                   : SoftmaxKind::kArgmax;
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(kRows * kIn);
    for (std::size_t k = 1; i % 2 == 1 && k < x.raw.size(); ++k) {
      const Int128 near = x.raw[0] + static_cast<Int128>(random_numbers() % 33) - 16;
      x.raw[k] = std::clamp(near, min_raw(kFormat<X>), max_raw(kFormat<X>));
      x.amd[k] = with_raw<X>(x.raw[k]);
    }
    hls::stream<nnet::array<X, kIn>> in;
    hls::stream<nnet::array<R, kIn>> out;
    std::vector<R> expected;
    for (unsigned r = 0; r < kRows; r++) {
      nnet::array<X, kIn> row;
      for (unsigned j = 0; j < kIn; j++) row[j] = x.amd[r * kIn + j];
      in.write(row);
      nnet::softmax<nnet::array<X, kIn>, nnet::array<R, kIn>, SoftmaxConfig<X, E, V, A, I, kSize, kKind>>(in, out);
      nnet::array<R, kIn> y = out.read();
      for (unsigned j = 0; j < kIn; j++) expected.push_back(y[j]);
    }
    expect_same(Narrow(std::make_shared<Softmax>(true), types, kFormat<X>, {kRows, kIn}).run(x.raw), expected.data(),
                "Softmax " + names<X, E, V, A, I, R>() + std::to_string(kSize), x.raw);
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

// Zeros that padding `same` puts in front and behind.
constexpr unsigned padding_of(unsigned size, unsigned window, unsigned stride, bool behind) {
  const unsigned needed = (size + stride - 1) / stride * stride + window;
  const unsigned all = needed > size + stride ? needed - size - stride : 0;
  return behind ? all - all / 2 : all / 2;
}

template <class A, nnet::Pool_Op kOp, unsigned kHigh, unsigned kWide, unsigned kDown, unsigned kAcross, bool kSame>
struct WindowConfig {
  static const unsigned in_height = 5;
  static const unsigned in_width = 6;
  static const unsigned n_filt = kOut;
  static const unsigned n_chan = kOut;
  static const unsigned pool_height = kHigh;
  static const unsigned pool_width = kWide;
  static const unsigned filt_height = kHigh;
  static const unsigned filt_width = kWide;
  static const unsigned stride_height = kDown;
  static const unsigned stride_width = kAcross;
  static const unsigned pad_top = kSame ? padding_of(in_height, kHigh, kDown, false) : 0;
  static const unsigned pad_bottom = kSame ? padding_of(in_height, kHigh, kDown, true) : 0;
  static const unsigned pad_left = kSame ? padding_of(in_width, kWide, kAcross, false) : 0;
  static const unsigned pad_right = kSame ? padding_of(in_width, kWide, kAcross, true) : 0;
  static const unsigned out_height = (in_height + pad_top + pad_bottom - kHigh) / kDown + 1;
  static const unsigned out_width = (in_width + pad_left + pad_right - kWide) / kAcross + 1;
  static const bool count_pad = false;
  static const nnet::Pool_Op pool_op = kOp;
  static const nnet::conv_implementation implementation = nnet::conv_implementation::linebuffer;
  static const unsigned reuse_factor = 1;
  using accum_t = A;
};

// Windows that lie side by side with io_stream, others with io_parallel.
template <class X, class A, class R, unsigned kHigh, unsigned kWide, unsigned kDown = kHigh, unsigned kAcross = kWide, bool kSame = false,
          nnet::Pool_Op kOp>
void pooling_of(PoolKind kind) {
  using Config = WindowConfig<A, kOp, kHigh, kWide, kDown, kAcross, kSame>;
  constexpr std::size_t kOutputs = Config::out_height * Config::out_width * kOut;
  LayerPrecision types;
  types.set(TypeName::kAccum, kFormat<A>);
  types.set(TypeName::kResult, kFormat<R>);
  const Shape shape{static_cast<int>(Config::in_height), static_cast<int>(Config::in_width), kOut};
  const auto op = std::make_shared<Pooling>(kind, Windows{{kHigh, kWide}, {kDown, kAcross}, kSame ? Padding::kSame : Padding::kValid});
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(size_of(shape));
    std::vector<R> expected(kOutputs);
    if constexpr (kSame || kHigh != kDown || kWide != kAcross) {
      nnet::pooling2d_cl<X, R, Config>(x.amd.data(), expected.data());
    } else {
      hls::stream<nnet::array<X, kOut>> in;
      hls::stream<nnet::array<R, kOut>> out;
      for (std::size_t pixel = 0; pixel < Config::in_height * Config::in_width; ++pixel) {
        nnet::array<X, kOut> row;
        for (std::size_t j = 0; j < kOut; ++j) row[j] = x.amd[pixel * kOut + j];
        in.write(row);
      }
      nnet::pooling2d_cl<nnet::array<X, kOut>, nnet::array<R, kOut>, Config>(in, out);
      for (std::size_t at = 0; at < kOutputs; at += kOut) {
        nnet::array<R, kOut> row = out.read();
        for (std::size_t j = 0; j < kOut; ++j) expected[at + j] = row[j];
      }
    }
    const std::vector<Int128> got = Narrow(op, types, kFormat<X>, shape).run(x.raw);
    ASSERT_EQ(got.size(), expected.size());
    expect_same(got, expected.data(), std::string(op->keras_class()) + " " + names<X, A, R>(), x.raw);
  }
}

template <class X, class A, class R, unsigned kHigh, unsigned kWide, unsigned kDown = kHigh, unsigned kAcross = kWide, bool kSame = false>
void pooling() {
  pooling_of<X, A, R, kHigh, kWide, kDown, kAcross, kSame, nnet::Max>(PoolKind::kMax);
  pooling_of<X, A, R, kHigh, kWide, kDown, kAcross, kSame, nnet::Average>(PoolKind::kAverage);
}

template <class A, nnet::Pool_Op kOp = nnet::Average>
struct PoolConfig {
  static const unsigned n_in = kRows;
  static const unsigned n_filt = kOut;
  static const unsigned pool_width = kRows;
  static const unsigned stride_width = kRows;
  static const unsigned pad_left = 0;
  static const unsigned pad_right = 0;
  static const nnet::Pool_Op pool_op = kOp;
  static const unsigned reuse_factor = 1;
  using accum_t = A;
};

template <class X, class A, class R>
void set_mean_and_max() {
  LayerPrecision types;
  types.set(TypeName::kAccum, kFormat<A>);
  types.set(TypeName::kResult, kFormat<R>);
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    Values<X> x(kRows * kOut);
    hls::stream<nnet::array<X, kOut>> in;
    hls::stream<nnet::array<X, kOut>> again;
    hls::stream<nnet::array<R, kOut>> out;
    for (unsigned r = 0; r < kRows; r++) {
      nnet::array<X, kOut> row;
      for (unsigned j = 0; j < kOut; j++) row[j] = x.amd[r * kOut + j];
      in.write(row);
      again.write(row);
    }
    nnet::global_pooling1d_cl<nnet::array<X, kOut>, nnet::array<R, kOut>, PoolConfig<A>>(in, out);
    nnet::array<R, kOut> mean = out.read();
    expect_same(Narrow(std::make_shared<SetMean>(), types, kFormat<X>, {kRows, kOut}).run(x.raw), &mean[0], "SetMean " + names<X, A, R>(),
                x.raw);
    nnet::global_pooling1d_cl<nnet::array<X, kOut>, nnet::array<R, kOut>, PoolConfig<A, nnet::Max>>(again, out);
    nnet::array<R, kOut> largest = out.read();
    expect_same(Narrow(std::make_shared<SetMax>(false), types, kFormat<X>, {kRows, kOut}).run(x.raw), &largest[0],
                "SetMax " + names<X, A, R>(), x.raw);
  }
}

// Two inputs, the second in the place of the first at every other draw, where types and shapes let it: equal values are drawn.
template <class X, class Y>
struct Pair {
  Pair(std::size_t first, std::size_t second) : a(first), b(second) {
    for (std::size_t i = 0; i < std::min(first, second); ++i) {
      // To the first's value, as nearly as the second's type has it.
      if (random_numbers() % 4 != 0) continue;
      const double value = to_double(a.raw[i], kFormat<X>.fraction());
      Format nearest = kFormat<Y>;
      if (!nearest.is_integer) nearest.overflow = Overflow::kSat;
      b.raw[i] = std::clamp(cast(value, nearest).raw, least_raw(kFormat<Y>), max_raw(kFormat<Y>));
      b.amd[i] = with_raw<Y>(b.raw[i]);
    }
  }
  std::string text() const {
    std::string text = ", a";
    for (const Int128 raw : a.raw) text += " " + std::to_string(static_cast<long long>(raw));
    text += ", b";
    for (const Int128 raw : b.raw) text += " " + std::to_string(static_cast<long long>(raw));
    return text;
  }

  Values<X> a;
  Values<Y> b;
};

// A layer of two inputs: its values, which lie in the bounds that it gives.
template <class X, class Y>
std::vector<Int128> run_pair(const Operation& op, const LayerPrecision& types, const Pair<X, Y>& pair, const Shape& first,
                             const Shape& second) {
  const Format formats[] = {kFormat<X>, kFormat<Y>};
  const Shape shape = op.shape({first, second});
  const Place place{types, shape, {&formats[0], &formats[1]}, {&first, &second}};
  Step step;
  op.plan(place, step);
  std::vector<Int128> y(size_of(shape));
  LayerCounts counts;
  op.exact(ExactCall<Int128>{place, step, {pair.a.raw, pair.b.raw}, {}, y, counts});
  const auto interval = [](const std::vector<Int128>& x) {
    return Interval{*std::min_element(x.begin(), x.end()), *std::max_element(x.begin(), x.end())};
  };
  const Interval bounds = op.bounds(place, step, {interval(pair.a.raw), interval(pair.b.raw)});
  for (const Int128 value : y) EXPECT_TRUE(value >= bounds.low && value <= bounds.high) << "outside its bounds";
  if (op.form(place) != Form::kPairs) return y;
  // What the engine makes of it: the same, by one cast.
  const Pairing pairing = op.pairing(place);
  if (pairing.kind == Pairing::Kind::kBeside) return y;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const Interval exact = paired(pairing, {pair.a.raw[i], pair.a.raw[i]}, {pair.b.raw[i], pair.b.raw[i]});
    EXPECT_TRUE(cast(exact.low, pairing.fraction, types.result(), pairing.no_integer_bits).raw == y[i]) << "by its pairing";
  }
  return y;
}

template <unsigned kFirst, unsigned kSecond>
struct MergeConfig {
  static const unsigned n_elem = std::max(kFirst, kSecond);
  static const unsigned n_elem1 = kFirst;
  static const unsigned n_elem2 = kSecond;
};

template <class X, class Y, class R, unsigned kFirst = 4, unsigned kSecond = 4>
void merges() {
  using Config = MergeConfig<kFirst, kSecond>;
  LayerPrecision types;
  types.set(TypeName::kResult, kFormat<R>);
  // Of a smaller input, which repeats over a leading axis.
  constexpr int kSize = Config::n_elem;
  const auto shape = [](unsigned size) { return size == kSize ? Shape{kSize / 2, 2} : Shape{1, static_cast<int>(size)}; };
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    const Pair<X, Y> pair(kFirst, kSecond);
    X a[kFirst];
    Y b[kSecond];
    std::copy(pair.a.amd.begin(), pair.a.amd.end(), a);
    std::copy(pair.b.amd.begin(), pair.b.amd.end(), b);
    R expected[kSize];
    for (int kind = 0; kind < kMergeKinds; ++kind) {
      switch (static_cast<MergeKind>(kind)) {
        case MergeKind::kAdd: nnet::add<X, Y, R, Config>(a, b, expected); break;
        case MergeKind::kSubtract: nnet::subtract<X, Y, R, Config>(a, b, expected); break;
        case MergeKind::kMultiply: nnet::multiply<X, Y, R, Config>(a, b, expected); break;
        case MergeKind::kAverage: nnet::average<X, Y, R, Config>(a, b, expected); break;
        case MergeKind::kMaximum: nnet::maximum<X, Y, R, Config>(a, b, expected); break;
        case MergeKind::kMinimum: nnet::minimum<X, Y, R, Config>(a, b, expected); break;
      }
      const Merge op(static_cast<MergeKind>(kind));
      const std::string what = std::string(op.keras_class()) + " " + names<X, Y, R>() + pair.text();
      expect_same(run_pair(op, types, pair, shape(kFirst), shape(kSecond)), expected, what, {});
    }
  }
}

template <int kAxis>
struct ConcatConfig : nnet::concat_config {
  static const unsigned n_elem1_0 = 2;
  static const unsigned n_elem1_1 = 3;
  static const unsigned n_elem1_2 = 4;
  static const unsigned n_elem2_0 = kAxis == 1 || kAxis == -3 ? 1 : 2;
  static const unsigned n_elem2_1 = kAxis == 2 || kAxis == -2 ? 2 : 3;
  static const unsigned n_elem2_2 = kAxis == 3 || kAxis == -1 ? 3 : 4;
  static const int axis = kAxis;
};

template <int kAxis, class X, class Y, class R>
void concatenates() {
  using Config = ConcatConfig<kAxis>;
  LayerPrecision types;
  types.set(TypeName::kResult, kFormat<R>);
  constexpr int kFirst[] = {Config::n_elem1_0, Config::n_elem1_1, Config::n_elem1_2};
  constexpr int kSecond[] = {Config::n_elem2_0, Config::n_elem2_1, Config::n_elem2_2};
  const Shape first(kFirst, kFirst + 3);
  const Shape second(kSecond, kSecond + 3);
  constexpr int kWidth = Config::n_elem1_2;
  constexpr int kOther = Config::n_elem2_2;
  constexpr int kOut = kAxis == 3 || kAxis == -1 ? kWidth + kOther : kWidth;
  for (int i = 0; i < kDraws / 4 && !testing::Test::HasFatalFailure(); ++i) {
    const Pair<X, Y> pair(size_of(first), size_of(second));
    hls::stream<nnet::array<X, kWidth>> a;
    hls::stream<nnet::array<Y, kOther>> b;
    hls::stream<nnet::array<R, kOut>> out;
    const auto write = [](auto& stream, const auto& values, auto row) {
      for (std::size_t at = 0; at < values.size(); at += row.size) {
        for (unsigned j = 0; j < row.size; j++) row[j] = values[at + j];
        stream.write(row);
      }
    };
    write(a, pair.a.amd, nnet::array<X, kWidth>());
    write(b, pair.b.amd, nnet::array<Y, kOther>());
    nnet::concatenate3d<nnet::array<X, kWidth>, nnet::array<Y, kOther>, nnet::array<R, kOut>, Config>(a, b, out);
    std::vector<X> in_parallel(pair.a.amd);
    std::vector<Y> other_in_parallel(pair.b.amd);
    std::vector<R> expected(pair.a.amd.size() + pair.b.amd.size());
    nnet::concatenate3d<X, Y, R, Config>(in_parallel.data(), other_in_parallel.data(), expected.data());
    for (std::size_t at = 0; at < expected.size(); at += kOut) {
      nnet::array<R, kOut> row = out.read();
      for (unsigned j = 0; j < kOut; j++) ASSERT_EQ(row[j], expected[at + j]);
    }
    expect_same(run_pair(Concatenate(kAxis), types, pair, first, second), expected.data(),
                "Concatenate " + std::to_string(kAxis) + " " + names<X, Y, R>() + pair.text(), {});
  }
}

template <class A, class X, class Y>
struct DotConfig {
  static const unsigned n_in = kIn;
  static const unsigned n_out = 1;
  static const unsigned reuse_factor = 1;
  static const unsigned multiplier_limit = kIn;
  using accum_t = A;
  template <class P, class Q>
  using product = Product<P, Q>;
};

template <class X, class Y, class A, class R>
void dots() {
  LayerPrecision types;
  types.set(TypeName::kAccum, kFormat<A>);
  types.set(TypeName::kResult, kFormat<R>);
  for (int i = 0; i < kDraws && !testing::Test::HasFatalFailure(); ++i) {
    const Pair<X, Y> pair(kIn, kIn);
    X a[kIn];
    Y b[kIn];
    std::copy(pair.a.amd.begin(), pair.a.amd.end(), a);
    std::copy(pair.b.amd.begin(), pair.b.amd.end(), b);
    R expected[1];
    nnet::dot1d<X, Y, R, DotConfig<A, X, Y>>(a, b, expected);
    expect_same(run_pair(Dot(kIn), types, pair, {kIn}, {kIn}), expected, "Dot " + names<X, Y, A, R>() + pair.text(), {});
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

TEST(Hls4ml, Convolution) {
  convolution<F<8, 3>, F<8, 2>, F<8, 2>, F<16, 6>, F<10, 4, AP_RND, AP_SAT>, 3, 2, 1, 1>();
  convolution<F<8, 3>, F<8, 2>, F<9, 5>, F<9, 4, AP_RND_CONV, AP_SAT>, F<9, 4, AP_RND_CONV, AP_SAT>, 2, 3, 2, 1>();
  convolution<U<7, 3>, F<8, 2>, F<9, 5>, F<9, 3, AP_TRN_ZERO, AP_SAT_SYM>, F<7, 3, AP_RND_ZERO>, 2, 2, 1, 3>();
  // a window's values in the order of Resource, with a saturating accum; reuse factors below and above the window's 12 and 8 values
  convolution<F<8, 3>, F<8, 2>, F<8, 4>, F<8, 4, AP_RND, AP_SAT>, F<8, 4>, 3, 2, 1, 2, 3>();
  convolution<F<8, 3>, F<8, 2>, F<8, 4>, F<8, 4, AP_TRN, AP_SAT_SYM>, F<8, 4>, 2, 3, 2, 2, 4>();
  convolution<F<8, 3>, F<8, 2>, F<8, 4>, F<8, 4, AP_RND, AP_SAT>, F<8, 4>, 2, 2, 1, 1, 16>();
  convolution<F<8, 3>, ap_int<2>, F<8, 2>, F<9, 4>, F<9, 4>, 2, 2, 1, 1>();
  convolution<ap_uint<1>, ap_uint<1>, ap_uint<1>, F<8, 6>, F<9, 7>, 2, 2, 1, 1>();
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

TEST(Hls4ml, PRelu) {
  prelu<F<8, 3>, F<8, 3>, F<9, 3>>();
  prelu<F<8, 3>, F<5, 1>, F<7, 3, AP_RND_CONV, AP_SAT>>();
  prelu<F<8, 0>, F<4, 0>, ap_int<5>>();
  prelu<F<8, 1>, U<4, 0>, ap_int<5>>();
  prelu<U<8, 3>, F<4, 1>, F<9, 4>>();
  prelu<F<8, -2>, F<6, 2>, U<9, 0, AP_RND, AP_SAT_ZERO>>();
  prelu<ap_int<6>, ap_int<3>, F<9, 6>>();
}

TEST(Hls4ml, ThresholdedRelu) {
  thresholded<F<8, 3>, F<8, 3>, F<9, 3>>(0.7);
  thresholded<F<8, 3>, F<12, 2, AP_RND>, F<7, 2, AP_RND_CONV, AP_SAT>>(1.03);
  thresholded<F<8, 3>, F<3, 2>, F<9, 3>>(1.7);
  thresholded<F<8, 3>, F<4, 1>, F<9, 4>>(1.5);  // -0.5 in its type
  thresholded<U<8, 3>, U<8, 3>, ap_int<3>>(2.2);
  thresholded<F<8, 0>, U<4, 0>, ap_int<5>>(0.25);
  thresholded<ap_int<6>, F<6, 3>, F<9, 6>>(1.5);
  thresholded<F<6, 8>, F<8, 4>, F<9, 6>>(3);
}

TEST(Hls4ml, HardSigmoidAndRelu6) {
  hard_sigmoid_and_relu6<F<16, 6>, F<16, 6>>();
  hard_sigmoid_and_relu6<F<9, 4>, F<8, 1, AP_RND_CONV, AP_SAT>>();
  hard_sigmoid_and_relu6<F<9, 4>, U<5, 0, AP_RND, AP_SAT_ZERO>>();
  hard_sigmoid_and_relu6<F<8, 0>, U<8, 1>>();
  hard_sigmoid_and_relu6<F<8, -3>, F<12, 2, AP_RND_INF>>();
  hard_sigmoid_and_relu6<U<8, 4>, F<4, 1>>();
  hard_sigmoid_and_relu6<U<8, 5>, ap_int<3>>();
  hard_sigmoid_and_relu6<F<8, 9>, F<9, 5>>();
  hard_sigmoid_and_relu6<F<8, 10>, F<9, 5>>();
  hard_sigmoid_and_relu6<F<8, 12>, F<9, 4>>();
  hard_sigmoid_and_relu6<F<4, 30>, F<9, 4>>();
  hard_sigmoid_and_relu6<ap_int<6>, ap_uint<2>>();
  hard_sigmoid_and_relu6<F<40, 12>, F<48, 6>>();
}

TEST(Hls4ml, ExponentialUnits) {
  exponential_units<F<16, 6>, U<8, 1>, F<18, 8>, F<16, 6>>(1.0);
  exponential_units<F<9, 4>, U<8, 0>, F<18, 8>, F<9, 3, AP_RND_CONV, AP_SAT>>(0.75);
  exponential_units<F<12, 5>, F<4, 1, AP_RND>, F<9, 2, AP_RND, AP_SAT>, U<6, 0, AP_RND, AP_SAT_ZERO>, 256>(0.3);
  exponential_units<F<12, 3>, F<4, 1>, F<20, 4, AP_RND, AP_SAT>, F<16, 3>, 1000>(1.5);  // -0.5 in its type
  exponential_units<F<8, 0>, U<4, 0>, F<8, 0>, ap_int<5>>(0.5);
  exponential_units<F<8, 0>, U<4, 2>, F<8, 1>, ap_int<5>, 64>(2.5);
  exponential_units<F<8, 3>, U<4, 2>, F<8, 0>, ap_int<5>, 64>(2.5);
  exponential_units<U<8, 4>, U<8, 1>, F<18, 8>, F<8, 4>>(1.0);
  exponential_units<F<8, -2>, U<3, 1>, F<30, 8>, F<30, 1, AP_RND>, 4096>(1.25);
  exponential_units<ap_int<5>, U<1, 1>, ap_int<3>, F<16, 6>, 1>(1.0);
  exponential_units<F<40, 8>, U<8, 1>, F<48, 8>, F<40, 8>, 4096>(1.0);
}

TEST(Hls4ml, Tables) {
  tables<F<16, 6>, F<18, 8>, F<16, 6>>();
  tables<F<8, 4>, F<18, 8>, F<9, 3, AP_RND_CONV, AP_SAT>>();
  // Results that leave no room beside them in 128 bits.
  tables<F<8, 4>, F<18, 8>, U<127, 1>>();
  tables<F<8, 4>, F<18, 8>, U<126, 0, AP_TRN, AP_SAT>>();
  tables<F<8, 4>, F<18, 8>, F<127, 2>>();
  tables<F<12, 5>, F<9, 2, AP_RND, AP_SAT>, U<6, 0, AP_RND, AP_SAT_ZERO>, 256>();
  tables<U<9, 4>, F<18, 8>, F<16, 6>, 100>();
  tables<F<12, 5>, U<8, 0>, F<7, 1>, 1000>();
  tables<F<14, 2>, F<40, 8>, F<40, 8>, 4096>();
  tables<F<38, 18>, F<18, 8>, F<16, 6>>();
  tables<F<40, 34>, F<18, 8>, F<16, 6>>();  // indices wrap
  tables<F<30, 40>, F<18, 8>, F<16, 6>>();
  tables<F<8, 0>, F<18, 8>, ap_int<5>>();
  tables<F<8, -3>, F<18, 8, AP_RND, AP_WRAP_SM>, ap_uint<3>, 8>();
  tables<F<8, -40>, F<18, 8>, F<16, 6>>();
  tables<F<8, -33>, F<18, 8>, F<16, 6>, 3>();
  tables<F<8, -32>, F<18, 8>, F<16, 6>, 3>();
  tables<ap_int<7>, F<18, 0>, ap_int<5>>();
  tables<ap_uint<5>, F<18, 8>, F<16, 6>, 1>();
  tables<ap_int<40>, ap_int<4>, F<16, 6>>();
}

using Default = F<18, 8, AP_RND, AP_SAT>;
constexpr auto kLatency = nnet::softmax_implementation::latency;
constexpr auto kLegacy = nnet::softmax_implementation::legacy;
constexpr auto kArgmax = nnet::softmax_implementation::argmax;

TEST(Hls4ml, SoftmaxStable) {
  softmax<F<16, 6>, Default, Default, Default, Default, F<16, 6>>();
  softmax<F<38, 18>, Default, Default, Default, Default, F<16, 6>>();
  softmax<F<16, 6>, Default, Default, F<16, 6>, Default, F<16, 6>>();
  softmax<F<8, 4>, Default, Default, Default, Default, F<9, 2, AP_RND_CONV, AP_SAT>, 256>();
  softmax<U<9, 4>, Default, U<12, 2, AP_RND, AP_SAT>, F<12, 6>, U<14, 5>, U<10, 0, AP_RND, AP_SAT>, 512>();
  softmax<F<12, 5>, F<10, 2, AP_TRN, AP_WRAP>, F<12, 4>, F<9, 2, AP_RND, AP_SAT_SYM>, F<10, 4, AP_RND_INF, AP_SAT_ZERO>, F<16, 6>, 64>();
  softmax<F<12, 5>, F<10, 1, AP_TRN, AP_WRAP_SM>, F<12, 4, AP_TRN, AP_WRAP_SM>, F<9, 1>, F<10, 2, AP_RND>, F<16, 6>, 64>();
  softmax<F<12, 5>, F<10, 1>, F<12, 4, AP_TRN, AP_WRAP, 2>, F<9, 0>, F<10, 0>, ap_int<4>, 64>();
  softmax<ap_int<8>, Default, Default, Default, Default, F<16, 6>, 128>();
  softmax<ap_uint<5>, Default, Default, ap_int<6>, ap_int<7>, F<16, 6>, 32>();
  softmax<F<12, 5>, ap_int<3>, ap_int<5>, ap_int<6>, ap_uint<7>, F<16, 6>, 64>();
  softmax<F<2, 2>, Default, Default, Default, Default, F<16, 6>, 4>();
  softmax<F<6, 9>, Default, Default, Default, Default, F<16, 6>, 32>();
  softmax<F<10, -2>, Default, F<10, 0, AP_RND, AP_SAT>, F<18, 0>, F<12, -1>, ap_int<4>, 256>();
  // Rows in words of 64 bits: with a result that is rounded, and with a term of 1 that accum does not hold.
  softmax<F<16, 6>, Default, Default, Default, Default, F<12, 2, AP_RND, AP_SAT>>();
  softmax<F<12, 5>, Default, Default, F<12, 0>, F<12, 0>, F<16, 6>, 64>();
}

TEST(Hls4ml, SoftmaxLatency) {
  softmax<F<16, 6>, Default, Default, Default, Default, F<16, 6>, 1024, kLatency>();
  softmax<F<12, 9>, Default, Default, Default, Default, F<16, 6>, 1024, kLatency>();  // exp is infinite
  softmax<F<12, 9>, F<18, 8>, F<18, 8>, F<18, 8>, F<18, 8>, F<16, 6>, 1024, kLatency>();
  softmax<U<9, 3>, Default, U<12, 2, AP_RND, AP_SAT>, F<12, 6>, U<14, 5>, U<10, 0, AP_RND, AP_SAT>, 512, kLatency>();
  softmax<ap_int<6>, Default, Default, Default, ap_int<9>, F<16, 6>, 64, kLatency>();
  // Terms of either sign, whose sum saturates in the order of its tree.
  softmax<F<12, 9>, F<10, 2, AP_TRN, AP_WRAP>, F<18, 8>, F<9, 2, AP_RND, AP_SAT>, F<18, 8>, F<16, 6>, 1024, kLatency>();
  softmax<ap_uint<4>, F<20, 12, AP_RND, AP_SAT_ZERO>, Default, F<24, 14>, F<12, 12>, F<16, 6>, 16, kLatency>();
}

TEST(Hls4ml, SoftmaxOther) {
  softmax<F<16, 6>, Default, Default, Default, Default, F<16, 6>, 1024, kLegacy>();
  softmax<F<12, 9>, Default, Default, Default, Default, F<9, 1, AP_RND, AP_SAT>, 256, kLegacy>();
  softmax<U<12, 5>, Default, Default, Default, Default, ap_int<3>, 256, kLegacy>();
  softmax<ap_int<5>, Default, Default, Default, Default, F<16, 6>, 256, kLegacy>();
  softmax<ap_uint<40>, Default, Default, Default, Default, F<16, 6>, 256, kLegacy>();
  softmax<F<16, 6>, Default, Default, Default, Default, F<16, 6>, 1024, kArgmax>();
  softmax<U<6, 6>, Default, Default, Default, Default, U<14, 0>, 64, kArgmax>();
  softmax<ap_int<5>, Default, Default, Default, Default, ap_int<1>, 32, kArgmax>();
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

TEST(Hls4ml, Pooling) {
  pooling<F<8, 3>, F<12, 5>, F<8, 3>, 2, 2>();
  pooling<F<8, 3>, F<8, 3>, F<8, 3>, 1, 3>();
  pooling<F<8, 3>, F<7, 4, AP_RND_CONV, AP_SAT>, F<7, 3, AP_RND>, 3, 2>();
  pooling<U<8, 3>, F<7, 4, AP_RND_INF, AP_SAT_SYM>, U<6, 2>, 2, 3>();
  pooling<F<8, 0>, ap_int<5>, F<8, 5>, 2, 2>();
  pooling<F<8, 3>, ap_uint<5>, ap_int<4>, 5, 3>();
  pooling<F<8, 1>, F<8, 0>, ap_int<5>, 2, 2>();
  // io_parallel
  pooling<F<8, 3>, F<12, 5>, F<8, 3>, 3, 2, 1, 2>();
  pooling<F<8, 3>, F<7, 4, AP_RND_CONV, AP_SAT>, F<7, 3, AP_RND>, 2, 3, 2, 3, true>();
  pooling<U<8, 3>, F<7, 4, AP_RND_INF, AP_SAT_SYM>, U<6, 2>, 3, 3, 2, 1, true>();
  pooling<U<8, 3>, U<8, 3>, U<8, 3>, 2, 4, 2, 4, true>();
  pooling<F<8, 3>, ap_int<6>, F<8, 5>, 3, 4, 3, 4, true>();
  pooling<F<8, 3>, ap_int<33>, F<8, 5>, 3, 4, 3, 4, true>();
  pooling<F<8, 1>, F<8, 0>, ap_int<5>, 4, 4, 2, 2, true>();
}

TEST(Hls4ml, SetMeanAndMax) {
  set_mean_and_max<F<8, 3>, F<12, 5>, F<10, 4>>();
  set_mean_and_max<F<8, 3>, F<7, 4, AP_RND_CONV, AP_SAT>, F<7, 3, AP_RND>>();
  set_mean_and_max<U<8, 3>, F<7, 4, AP_RND_INF, AP_SAT_SYM>, U<6, 2>>();
  set_mean_and_max<F<8, 0>, ap_int<5>, F<8, 5>>();
  set_mean_and_max<F<8, 3>, ap_int<5>, ap_int<3>>();
  set_mean_and_max<F<8, 3>, ap_uint<5>, F<8, 6>>();
  set_mean_and_max<F<8, 3>, ap_int<31>, ap_int<31>>();
  set_mean_and_max<F<8, 3>, ap_int<32>, ap_int<32>>();
  set_mean_and_max<F<8, 3>, ap_int<33>, ap_int<33>>();
  set_mean_and_max<F<8, 1>, F<8, 0>, ap_int<5>>();
}

TEST(Hls4ml, Merges) {
  merges<F<8, 3>, F<8, 3>, F<8, 3>>();
  merges<F<8, 3>, F<8, 3>, F<9, 4>>();
  merges<F<8, 3>, F<9, 2>, F<7, 2, AP_RND_CONV, AP_SAT>>();
  merges<F<8, 3>, U<6, 4>, F<7, 2, AP_RND_INF, AP_SAT_SYM>>();
  merges<U<8, 3>, U<6, 4>, U<7, 2, AP_RND, AP_SAT_ZERO>>();
  merges<U<8, 3>, F<6, -1>, F<7, 4, AP_TRN, AP_WRAP_SM>>();
  merges<F<8, 3>, F<9, 2>, F<7, 2, AP_TRN_ZERO, AP_WRAP, 2>>();
  merges<F<8, 9>, F<8, -2>, F<16, 8, AP_RND_MIN_INF>>();
  // what becomes an ap_int
  merges<F<8, 0>, F<8, 0>, ap_int<5>>();
  merges<F<8, 0>, U<8, 0>, ap_int<5>>();
  merges<F<8, 2>, F<8, 0>, ap_int<5>>();
  merges<F<8, 3>, U<8, 4>, ap_uint<4>>();
  merges<ap_int<6>, F<8, 0>, ap_int<5>>();
  merges<ap_int<6>, ap_uint<5>, F<8, 4, AP_RND, AP_SAT>>();
  merges<ap_uint<6>, ap_uint<5>, ap_int<5>>();
  merges<ap_uint<1>, ap_uint<1>, F<8, 4>>();
  merges<F<1, 1>, F<2, 1>, F<8, 4>>();
  merges<F<1, 1, AP_TRN, AP_SAT_SYM>, F<4, 1>, F<8, 4>>();
  merges<F<4, 1>, F<1, 1, AP_TRN, AP_SAT_SYM>, F<8, 4>>();
  merges<F<4, 2, AP_RND, AP_SAT_SYM>, F<6, 2>, F<8, 4>>();
  merges<F<4, 2, AP_RND, AP_WRAP_SM>, F<6, 2, AP_TRN, AP_WRAP, 3>, F<8, 4>>();
}

// From 32 bits on AMD's headers compare a type with a sign and one without as C++ does.
TEST(Hls4ml, MergesOfWideTypes) {
  merges<F<31, 10>, U<30, 10>, F<40, 12>>();
  merges<F<31, 10>, U<31, 11>, F<40, 12>>();
  merges<F<31, 10>, U<32, 11>, F<40, 12>>();
  merges<F<32, 11>, U<32, 11>, F<40, 12>>();
  merges<U<32, 11>, F<32, 11>, F<40, 12>>();
  merges<F<33, 12>, U<32, 11>, F<40, 12>>();
  merges<U<32, 11>, F<33, 12>, F<40, 12>>();
  merges<U<20, 11>, F<31, 11>, F<40, 12>>();
  merges<U<20, 10>, F<30, 10>, F<40, 12>>();
  merges<U<20, 10>, F<31, 10>, F<40, 12>>();
  merges<F<31, 11>, U<20, 11>, F<40, 12>>();
  merges<F<20, 11>, U<31, 11>, F<40, 12>>();
  merges<F<20, 8>, U<31, 11>, F<40, 12>>();
  merges<U<31, 11>, F<20, 11>, F<40, 12>>();
  merges<F<20, 0>, U<20, 20>, F<40, 20>>();
  merges<U<20, 20>, F<20, 0>, F<40, 20>>();
  merges<F<40, 12>, U<20, 12>, F<40, 12>>();
  merges<F<20, 12>, U<40, 12>, F<40, 12>>();
  merges<U<50, 12>, F<60, 22>, F<64, 24>>();
  merges<F<60, 22>, U<50, 12>, F<64, 24>>();
  merges<F<60, 12>, U<50, 22>, F<64, 24>>();
  merges<U<64, 30>, F<60, 10>, F<64, 24>>();
  merges<F<60, 10>, U<64, 30>, F<64, 24>>();
  merges<F<64, 34>, U<60, 10>, F<64, 24>>();
  merges<U<60, 10>, F<64, 34>, F<64, 24>>();
  merges<F<64, 34>, F<60, 10>, F<64, 24, AP_RND_CONV, AP_SAT>>();
  merges<U<64, 64>, F<50, 50>, F<64, 24>>();
  merges<ap_uint<40>, ap_int<40>, F<64, 50>>();
  merges<ap_int<40>, ap_uint<40>, F<64, 50>>();
  merges<ap_int<40>, ap_uint<39>, F<64, 50>>();
  merges<ap_int<20>, U<40, 10>, F<64, 50>>();
  merges<U<40, 10>, ap_int<20>, F<64, 50>>();
}

TEST(Hls4ml, MergesOfASmallerInput) {
  merges<F<8, 3>, F<9, 2>, F<7, 2, AP_RND_CONV, AP_SAT>, 6, 2>();
  merges<F<8, 3>, F<9, 2>, F<7, 2, AP_RND_CONV, AP_SAT>, 2, 8>();
  merges<F<8, 3>, U<9, 2>, F<7, 2>, 1, 6>();
}

TEST(Hls4ml, Concatenates) {
  concatenates<1, F<8, 3>, F<8, 3>, F<8, 3>>();
  concatenates<2, F<8, 3>, U<9, 2>, F<7, 2, AP_RND_CONV, AP_SAT>>();
  concatenates<3, F<8, 3>, U<9, 2>, F<7, 2, AP_RND_CONV, AP_SAT>>();
  concatenates<-1, U<8, 3>, F<9, 2>, F<7, 2, AP_TRN, AP_WRAP, 1>>();
  concatenates<-2, F<8, 0>, F<9, 2>, ap_int<4>>();
  concatenates<-3, ap_int<5>, F<9, 0>, ap_int<4>>();
}

TEST(Hls4ml, Dots) {
  dots<F<8, 3>, F<8, 2>, F<18, 8>, F<16, 6>>();
  dots<F<8, 3>, F<8, 2>, F<10, 4, AP_RND_CONV, AP_SAT>, F<10, 4, AP_RND, AP_SAT>>();
  dots<U<7, 3>, F<8, 2>, F<9, 3, AP_TRN_ZERO, AP_SAT_SYM>, F<7, 3, AP_RND_ZERO>>();
  dots<F<7, 3>, U<8, 2>, F<9, 4, AP_TRN, AP_WRAP_SM>, F<7, 3, AP_RND_ZERO>>();
  dots<U<7, 3>, U<8, 2>, F<9, 4, AP_RND, AP_WRAP, 1>, U<6, 3, AP_RND_INF>>();
  dots<F<8, 0>, F<6, 0>, ap_int<8>, F<10, 6>>();
  dots<F<8, 1>, F<6, -1>, ap_uint<6>, ap_int<4>>();
  dots<F<8, 3>, ap_int<2>, F<9, 4>, F<9, 4>>();
  dots<U<7, 3>, ap_int<2>, F<12, 7>, F<12, 7>>();
  dots<F<8, -1>, ap_int<2>, ap_int<7>, F<8, 7>>();
  dots<ap_int<2>, ap_int<2>, F<9, 4>, F<9, 4>>();
  dots<F<8, 3>, ap_uint<1>, F<9, 4>, F<9, 4>>();
  dots<F<40, 12>, U<40, 20>, F<64, 30>, F<48, 20>>();
}

}  // namespace
}  // namespace narrow
