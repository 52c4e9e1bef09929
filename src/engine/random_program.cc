#include "engine/random_program.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "error.h"
#include "fixed/cast.h"
#include "layers/batch_normalization.h"
#include "layers/concatenate.h"
#include "layers/convolution.h"
#include "layers/dense.h"
#include "layers/depthwise.h"
#include "layers/dot.h"
#include "layers/exponential_unit.h"
#include "layers/flatten.h"
#include "layers/hard_sigmoid.h"
#include "layers/input.h"
#include "layers/leaky_relu.h"
#include "layers/linear.h"
#include "layers/merge.h"
#include "layers/pooling.h"
#include "layers/prelu.h"
#include "layers/rearrangement.h"
#include "layers/relu.h"
#include "layers/relu_max.h"
#include "layers/set_max.h"
#include "layers/set_mean.h"
#include "layers/set_sum.h"
#include "layers/sign_activation.h"
#include "layers/softmax.h"
#include "layers/table_activation.h"
#include "layers/thresholded_relu.h"

namespace narrow {
namespace {

class Generator {
 public:
  Generator(std::mt19937_64& random, const RandomLimits& limits) : random_(random), limits_(limits) {}

  // Without samples.
  RandomCase network() {
    while (true) {
      try {
        RandomCase drawn{this->model(), {}, {}, 0};
        drawn.config = config(drawn.model);
        if (limits_.adversarial) push_weights_to_ends(drawn);
        drawn.program();
        return drawn;
      } catch (const Error&) {
        // Too many bits for some sum: another draw.
      }
    }
  }

 private:
  int number(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  bool one_in(int n) { return number(1, n) == 1; }

  std::vector<float> weights(std::size_t count) {
    // Mostly trained-looking, sometimes at the ends of any range.
    const bool extreme = one_in(6);
    std::vector<float> values(count);
    for (float& value : values) {
      const float size = extreme ? std::ldexp(1.F, number(0, 8)) : 1.F;
      value = size * std::normal_distribution<float>(0.F, 0.5F)(random_);
      if (extreme && one_in(2)) value = one_in(2) ? 1e4F : -1e4F;
      if (one_in(10)) value = 0;
    }
    return values;
  }

  // A value of the type, most often at its ends or next to 0, as the float nearest to it.
  float end_of(const Format& format) {
    Int128 raw = 0;
    switch (number(0, 6)) {
      case 0: raw = min_raw(format); break;
      case 1: raw = max_raw(format); break;
      case 2: raw = min_raw(format) + 1; break;
      case 3: raw = 1; break;
      case 4: raw = format.is_signed ? -1 : 1; break;
      case 5: raw = static_cast<Int128>(random_()) % (max_raw(format) + 1); break;
      default: break;
    }
    return static_cast<float>(to_double(raw, format.fraction()));
  }

  std::vector<float> ends(std::size_t count, const Format& format) {
    std::vector<float> values(count);
    const bool constant = one_in(3);
    const float all = one_in(4) ? 0.F : end_of(format);
    for (float& value : values) value = constant ? all : end_of(format);
    return values;
  }

  // Weights do not decide types, so they can be drawn for the types that they will have.
  void push_weights_to_ends(RandomCase& drawn) {
    const Resolved resolved = resolve(drawn.model, drawn.config);
    for (Layer& layer : drawn.model.layers) {
      const Dense* dense = matrix_of(layer);
      const int at = resolved.model.find(layer.name);
      if (dense == nullptr || at < 0 || one_in(4)) continue;
      const LayerPrecision& types = resolved.precision[static_cast<std::size_t>(at)];
      std::vector<float> bias;
      if (!dense->bias.empty()) bias = ends(dense->bias.size(), types[TypeName::kBias]);
      std::vector<float> kernel = ends(dense->kernel.size(), types[TypeName::kWeight]);
      layer.op = with_numbers(layer, std::move(kernel), std::move(bias));
    }
  }

  void push(Model& model, const std::string& name, OperationPtr op, const std::string& keras_class) {
    push(model, name, std::move(op), keras_class, model.layers.size() - 1);
  }
  void push(Model& model, const std::string& name, OperationPtr op, const std::string& keras_class, std::size_t before) {
    Layer layer{name, keras_class, std::move(op), {static_cast<int>(before)}, {}};
    layer.shape = output_shape(layer, {model.layers[before].shape});
    model.layers.push_back(std::move(layer));
  }

  int nodes() {
    constexpr int kBlock = 16;  // the kernels have a way of their own for whole blocks of outputs
    if (one_in(3) && limits_.max_nodes >= kBlock) return kBlock * number(1, limits_.max_nodes / kBlock);
    return number(1, limits_.max_nodes);
  }
  std::vector<float> bias(int n_out) { return one_in(5) ? std::vector<float>() : weights(static_cast<std::size_t>(n_out)); }

  // A Dense or a convolution, and what stands behind it.
  void push_products(Model& model, const std::string& name) {
    const std::size_t rank = model.layers.back().shape.size();
    if (rank > 1 && !limits_.sums_alone && one_in(rank == 2 ? 4 : 2)) push_convolution(model, name);
    else push_dense(model, name);
  }

  void push_convolution(Model& model, const std::string& name) {
    const Shape& input = model.layers.back().shape;
    Windows windows;
    int n_in = input.back();
    windows.padding = static_cast<Padding>(number(0, input.size() == 2 ? 2 : 1));
    for (std::size_t i = 0; i + 1 < input.size(); ++i) {
      constexpr int kMostWide = 4;
      windows.size.push_back(number(1, windows.padding == Padding::kValid ? std::min(input[i], kMostWide) : kMostWide));
      windows.strides.push_back(one_in(2) ? 1 : number(1, 3));
      n_in *= windows.size.back();
    }
    const bool depthwise = one_in(4);
    const int n_out = depthwise ? input.back() : nodes();
    std::vector<float> kernel = weights(static_cast<std::size_t>(n_in) * static_cast<std::size_t>(depthwise ? 1 : n_out));
    OperationPtr op;
    if (depthwise) op = std::make_shared<Depthwise>(std::move(windows), n_out, std::move(kernel), bias(n_out));
    else op = std::make_shared<Convolution>(std::move(windows), input.back(), n_out, std::move(kernel), bias(n_out));
    const std::string keras_class(op->keras_class());
    push(model, name, std::move(op), keras_class);
    push_behind(model, name, n_out);
  }

  // Sometimes.
  void push_pooling(Model& model, const std::string& name) {
    const Shape& input = model.layers.back().shape;
    if (input.size() < 2 || limits_.sums_alone || !one_in(4)) return;
    Windows windows{{}, {}, one_in(3) ? Padding::kSame : Padding::kValid};
    const bool apart = one_in(3);
    for (std::size_t i = 0; i + 1 < input.size(); ++i) {
      windows.size.push_back(number(1, std::min(input[i], 3)));
      windows.strides.push_back(apart ? number(1, 3) : windows.size.back());
    }
    auto op = std::make_shared<Pooling>(one_in(2) ? PoolKind::kMax : PoolKind::kAverage, std::move(windows));
    const std::string keras_class(op->keras_class());
    push(model, name, std::move(op), keras_class);
  }

  // Sometimes.
  void push_rearrangement(Model& model, const std::string& name) {
    const Shape& input = model.layers.back().shape;
    if (input.size() < 2 || limits_.sums_alone || !one_in(6)) return;
    const std::size_t axes = input.size() - 1;
    auto move = static_cast<Move>(number(0, 4));
    std::vector<int> numbers;
    switch (move) {
      case Move::kReshape:
        numbers = input;
        std::swap(numbers.front(), numbers.back());
        break;
      case Move::kPermute:
        for (int i = 1; i <= static_cast<int>(input.size()); ++i) numbers.push_back(i);
        std::shuffle(numbers.begin(), numbers.end(), random_);
        break;
      case Move::kZeroPad:
        for (std::size_t i = 0; i < 2 * axes; ++i) numbers.push_back(number(0, 2));
        break;
      case Move::kCrop:
        for (std::size_t i = 0; i < axes; ++i) {
          const int front = number(0, input[i] - 1);
          numbers.insert(numbers.end(), {front, number(0, input[i] - 1 - front)});
        }
        break;
      case Move::kRepeat:
        for (std::size_t i = 0; i < axes; ++i) numbers.push_back(number(1, 2));
        break;
      case Move::kTakenForLast: break;  // of ONNX
    }
    auto op = std::make_shared<Rearrangement>(move, std::move(numbers));
    const std::string keras_class(op->keras_class());
    push(model, name, std::move(op), keras_class);
  }

  void push_dense(Model& model, const std::string& name) {
    const int n_in = model.layers.back().shape.back();
    const int n_out = nodes();
    std::vector<float> kernel = weights(static_cast<std::size_t>(n_in) * static_cast<std::size_t>(n_out));
    Quantizers quantizers;
    if (model.layers.back().shape.size() == 1 && one_in(12)) {
      quantizers.kernel = TrainedQuantizer{.kind = TrainedQuantizer::Kind::kPowerOfTwo, .name = "quantized_po2", .bits = number(3, 6)};
    }
    push(model, name, std::make_shared<Dense>(n_in, n_out, std::move(kernel), bias(n_out), std::move(quantizers)), "Dense");
    push_behind(model, name, n_out);
  }

  // A normalization and an activation, or neither.
  void push_behind(Model& model, const std::string& name, int n_out) {
    if (one_in(6)) {
      const auto size = static_cast<std::size_t>(n_out);
      std::vector<float> gamma = weights(size), beta = weights(size), mean = weights(size);
      push(model, name + "_bn", std::make_shared<BatchNormalization>(gamma, beta, mean, std::vector<float>(size, 0.7F)),
           "BatchNormalization");
    }
    if (one_in(8)) push(model, name + "_leaky_relu", std::make_shared<LeakyRelu>(slope()), "LeakyReLU");
    else if (one_in(8)) push(model, name + "_softmax", std::make_shared<Softmax>(one_in(2)), "Activation");
    else if (one_in(6)) push(model, name + "_table", std::make_shared<TableActivation>(function()), "Activation");
    else if (one_in(5)) push_activation(model, name + "_act");
    else if (!one_in(5)) push(model, name + "_relu", std::make_shared<Relu>(), "Activation");
    if (one_in(8)) push(model, name + "_linear", std::make_shared<Linear>(), "Activation");
  }

  // One of those that are drawn seldom.
  void push_activation(Model& model, const std::string& name) {
    const Shape shape = model.layers.back().shape;
    switch (number(0, 6)) {
      case 6: return push(model, name, std::make_shared<SignActivation>(one_in(2)), "Activation");
      case 0: return push(model, name, std::make_shared<ExponentialUnit>(slope()), "ELU");
      case 1: return push(model, name, std::make_shared<ExponentialUnit>(), "Activation");
      case 2: return push(model, name, std::make_shared<HardSigmoid>(HardSigmoid::kKeras2), "Activation");
      case 3: return push(model, name, std::make_shared<ReluMax>(), "Activation");
      case 4: return push(model, name, std::make_shared<ThresholdedRelu>(slope()), "ReLU");
      default: return push(model, name, std::make_shared<PRelu>(shape, weights(size_of(shape))), "PReLU");
    }
  }

  TableFunction function() {
    constexpr TableFunction kFunctions[] = {TableFunction::kSigmoid, TableFunction::kTanh, TableFunction::kSoftplus,
                                            TableFunction::kSoftsign};
    return kFunctions[number(0, static_cast<int>(std::size(kFunctions)) - 1)];
  }

  double slope() {
    if (one_in(4)) return std::ldexp(1.0, number(-34, 4));
    return std::ldexp(number(0, 1000) / 100.0, number(-3, 1));
  }

  Model model() {
    Model model;
    model.name = "random";
    Shape shape{number(1, limits_.max_set), number(1, 6)};
    const bool image = !limits_.sums_alone && one_in(4);
    if (image) shape = {number(1, 6), number(1, 6), number(1, 4)};
    model.layers.push_back({"cells", "InputLayer", std::make_shared<Input>(shape), {}, shape});
    if (limits_.graphs && one_in(3)) push_other_input(model, shape);
    for (int i = limits_.sums_alone ? 0 : number(0, 2); i > 0; --i) {
      push_products(model, "phi" + std::to_string(i));
      push_pooling(model, "phi_pool" + std::to_string(i));
      push_rearrangement(model, "phi_moved" + std::to_string(i));
      if (limits_.graphs && one_in(2)) push_merge(model, "phi_merge" + std::to_string(i));
    }
    switch (limits_.sums_alone ? 2 * number(0, 1) : image ? number(0, 2) : number(0, 5)) {
      case 0: push(model, "mean", std::make_shared<SetMean>(image), image ? "GlobalAveragePooling2D" : "GlobalAveragePooling1D"); break;
      case 1: push(model, "flatten", std::make_shared<Flatten>(), "Flatten"); break;
      case 2:
        if (!limits_.sums_alone) {
          push(model, "largest", std::make_shared<SetMax>(image), image ? "GlobalMaxPooling2D" : "GlobalMaxPooling1D");
          break;
        }
        [[fallthrough]];
      default: push(model, "sum", std::make_shared<SetSum>(), "KSum");
    }
    for (int i = limits_.sums_alone ? 0 : number(1, 2); i > 0; --i) {
      push_dense(model, "rho" + std::to_string(i));
      if (limits_.graphs && one_in(2)) push_merge(model, "rho_merge" + std::to_string(i));
    }
    model.outputs = {static_cast<int>(model.layers.size()) - 1};
    if (limits_.graphs) branch(model);
    if (model.inputs().size() > 1 && one_in(2)) swap_inputs(model);
    return model;
  }

  // Before the first: sets of as many rows or of others, or vectors.
  void push_other_input(Model& model, Shape shape) {
    if (one_in(2)) shape = {number(1, limits_.max_set), number(1, 6)};
    if (one_in(2)) shape = {number(1, 6)};
    model.layers.insert(model.layers.begin(), {"others", "InputLayer", std::make_shared<Input>(shape), {}, shape});
  }

  // The other order of both, which stand first.
  static void swap_inputs(Model& model) {
    std::swap(model.layers[0], model.layers[1]);
    const auto swapped = [](int index) { return index < 2 ? 1 - index : index; };
    for (Layer& layer : model.layers) std::transform(layer.inputs.begin(), layer.inputs.end(), layer.inputs.begin(), swapped);
    std::transform(model.outputs.begin(), model.outputs.end(), model.outputs.begin(), swapped);
  }

  // The last layer with any before it that fits, or with a Dense behind it that makes it fit: a residual connection.
  void push_merge(Model& model, const std::string& name) {
    const std::size_t last = model.layers.size() - 1;
    const auto other = static_cast<std::size_t>(number(0, static_cast<int>(last)));
    OperationPtr op;
    switch (number(0, 5)) {
      case 0: op = std::make_shared<Concatenate>(one_in(3) ? 1 : one_in(3) ? 2 : -1); break;
      case 1: op = std::make_shared<Dot>(model.layers[last].shape.back()); break;
      default: op = std::make_shared<Merge>(static_cast<MergeKind>(number(0, kMergeKinds - 1)));
    }
    const std::string keras_class(op->keras_class());
    std::vector<int> inputs{static_cast<int>(last), static_cast<int>(other)};
    if (one_in(2)) std::swap(inputs[0], inputs[1]);
    try {
      push_pair(model, name, op, keras_class, inputs);
    } catch (const Error&) {
      const int n_in = model.layers[other].shape.back();
      const int n_out = model.layers[last].shape.back();
      push(model, name + "_to", std::make_shared<Dense>(n_in, n_out, weights(static_cast<std::size_t>(n_in * n_out)), std::vector<float>()),
           "Dense", other);
      if (size_of(model.layers.back().shape) != size_of(model.layers[last].shape)) return void(model.layers.pop_back());
      push_pair(model, name, std::make_shared<Merge>(MergeKind::kAdd), "Add", {static_cast<int>(last), static_cast<int>(last) + 1});
    }
  }
  static void push_pair(Model& model, const std::string& name, OperationPtr op, const std::string& keras_class, std::vector<int> inputs) {
    Layer layer{name, keras_class, std::move(op), std::move(inputs), {}};
    layer.shape = output_shape(layer, model.input_shapes(layer));
    model.layers.push_back(std::move(layer));
  }

  // Another head, which reads any layer, and outputs in between.
  void branch(Model& model) {
    if (one_in(2)) {
      const auto from = static_cast<std::size_t>(number(0, static_cast<int>(model.layers.size()) - 1));
      if (one_in(3)) {
        push(model, "head", std::make_shared<Relu>(), "Activation", from);
      } else {
        const int n_in = model.layers[from].shape.back();
        constexpr int kNodes = 3;
        push(model, "head", std::make_shared<Dense>(n_in, kNodes, weights(static_cast<std::size_t>(n_in * kNodes)), weights(kNodes)),
             "Dense", from);
      }
      if (one_in(2)) push(model, "head_relu", std::make_shared<Relu>(), "Activation");
      model.outputs.push_back(static_cast<int>(model.layers.size()) - 1);
    }
    for (int i = number(0, 2); i > 0; --i) {
      const int output = number(1, static_cast<int>(model.layers.size()) - 1);
      if (std::find(model.outputs.begin(), model.outputs.end(), output) == model.outputs.end()) model.outputs.push_back(output);
    }
  }

  Format format(int max_width, bool modes) {
    Format format;
    format.width = limits_.adversarial && one_in(3) ? number(1, 2) : number(1, max_width);
    format.integer = number(-1, std::min(format.width + 1, 9));
    format.is_signed = !one_in(limits_.adversarial ? 2 : 6);
    if (modes && one_in(2)) format.rounding = static_cast<Rounding>(number(0, kRoundings - 1));
    if (modes && one_in(2)) format.overflow = static_cast<Overflow>(number(0, limits_.all_modes ? kOverflows - 1 : 2));
    const bool wraps = format.overflow == Overflow::kWrap || format.overflow == Overflow::kWrapSm;
    if (!format.is_signed && format.overflow == Overflow::kWrapSm) format.overflow = Overflow::kWrap;
    if (limits_.all_modes && wraps && one_in(10)) format.saturated_bits = number(0, format.width);
    if (limits_.all_modes && one_in(limits_.adversarial ? 5 : 15))
      format = {format.width, format.width, format.is_signed, true, Rounding::kTrn, Overflow::kWrap, 0};
    return format;
  }

  PrecisionConfig config(const Model& model) {
    PrecisionOptions options;
    options.vector = format(limits_.max_width, one_in(2));
    options.weight = format(limits_.max_width, one_in(4));
    options.uniform = one_in(3);
    if (one_in(5)) options.maximum = format(2 * limits_.max_width, false);
    PrecisionConfig config = make_config(model, options);
    for (auto& [name, entry] : config.by_name) {
      for (auto& [type, choice] : entry.types) {
        if (one_in(limits_.adversarial ? 2 : 6)) choice = format(limits_.max_width, true);
      }
      for (const TypeName type : {TypeName::kTable, TypeName::kExpTable, TypeName::kInvTable, TypeName::kInvInp}) {
        if (one_in(4)) entry.tables[std::string(name_of(type))] = format(limits_.max_width, true);
      }
      if (one_in(3)) entry.table_size = one_in(2) ? number(1, 40) : 1 << number(0, 12);
      if (one_in(2)) entry.softmax = static_cast<SoftmaxKind>(number(0, static_cast<int>(kSoftmaxKinds.size()) - 1));
      const int at = model.find(name);
      if (at >= 0 && as<Dot>(model.layers[static_cast<std::size_t>(at)]) != nullptr && !entry.types["accum"]) {
        entry.types["accum"] = format(2 * limits_.max_width, true);  // hls4ml infers none
      }
      if (one_in(15)) entry.skip = true;
      if (one_in(4)) entry.strategy = "Resource", entry.reuse_factor = number(1, 8);
    }
    return config;
  }

  std::mt19937_64& random_;
  const RandomLimits& limits_;
};

}  // namespace

std::uint64_t number_from_environment(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

Program random_program(std::mt19937_64& random, const RandomLimits& limits) { return Generator(random, limits).network().program(); }

RandomCase random_case(std::mt19937_64& random, const RandomLimits& limits, std::size_t n) {
  RandomCase drawn = Generator(random, limits).network();
  drawn.x = random_samples(random, drawn.program(), n, limits.adversarial);
  drawn.n = n;
  return drawn;
}

namespace {

// n samples of one input.
std::vector<float> random_inputs(std::mt19937_64& random, const Program& program, std::size_t input, std::size_t n, bool adversarial) {
  const Format& format = program.format(input);
  const Shape& shape = program.model().layers[input].shape;
  const auto width = static_cast<std::size_t>(shape.back());
  std::vector<float> x(n * size_of(shape));
  std::uniform_real_distribution<double> uniform(-1.2, 1.2);
  const double scale = std::ldexp(1.0, format.integer - 1);
  const bool ends = random() % 5 == 0;
  for (float& value : x) value = static_cast<float>(scale * (ends ? (random() % 2 == 0 ? 0.999 : -1.0) : uniform(random)));
  if (adversarial) {
    const float values[] = {static_cast<float>(to_double(min_raw(format), format.fraction())),
                            static_cast<float>(to_double(max_raw(format), format.fraction())), 0.F,
                            static_cast<float>(std::ldexp(1.0, -format.fraction())),
                            static_cast<float>(-std::ldexp(1.0, -format.fraction()))};
    const std::size_t kinds = 1 + random() % std::size(values);
    const std::size_t first = random() % std::size(values);
    for (float& value : x) value = values[(first + random() % kinds) % std::size(values)];
  }
  for (std::size_t row = 1; row < x.size() / width; ++row) {
    if (random() % 3 == 0)
      std::copy_n(x.begin() + static_cast<std::ptrdiff_t>((row - 1) * width), width, x.begin() + static_cast<std::ptrdiff_t>(row * width));
  }
  return x;
}

}  // namespace

std::vector<float> random_samples(std::mt19937_64& random, const Program& program, std::size_t n, bool adversarial) {
  std::vector<std::vector<float>> inputs;
  for (const int input : program.model().inputs()) {
    inputs.push_back(random_inputs(random, program, static_cast<std::size_t>(input), n, adversarial));
  }
  std::vector<float> x;
  for (std::size_t s = 0; s < n; ++s) {
    for (const std::vector<float>& values : inputs) {
      const auto size = static_cast<std::ptrdiff_t>(values.size() / n);
      x.insert(x.end(), values.begin() + static_cast<std::ptrdiff_t>(s) * size, values.begin() + static_cast<std::ptrdiff_t>(s + 1) * size);
    }
  }
  return x;
}

}  // namespace narrow
