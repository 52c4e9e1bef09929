#include "hls4ml/graph.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "error.h"
#include "layers/batch_normalization.h"
#include "layers/concatenate.h"
#include "layers/convolution.h"
#include "layers/dense.h"
#include "layers/depthwise.h"
#include "layers/dot.h"
#include "layers/exponential_unit.h"
#include "layers/fixed_quantizer.h"
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
#include "layers/softmax.h"
#include "layers/table_activation.h"
#include "layers/thresholded_relu.h"
#include "layers/unary_lut.h"
#include "precision/network.h"

namespace narrow {
namespace {

// What is missing in a GraphLayer is a fault of who made it.
template <class Map>
const typename Map::mapped_type& at(const Map& map, const std::string& key, const GraphLayer& layer) {
  const auto found = map.find(key);
  if (found == map.end()) throw Error("layer " + layer.name + " (" + layer.kind + "): it has no " + key);
  return found->second;
}

// A layer before it is known where it stands.
class Maker {
 public:
  Maker(const GraphLayer& layer, std::vector<Shape> inputs, bool parallel)
      : layer_(layer), inputs_(std::move(inputs)), parallel_(parallel) {}

  OperationPtr make() const {
    const std::map<std::string, std::function<OperationPtr()>> makers = {
        {"input", [&] { return std::make_shared<Input>(layer_.shape); }},
        {"dense", [&] { return dense(); }},
        {"conv", [&] { return convolution(); }},
        {"depthwise", [&] { return depthwise(); }},
        {"batch_normalization", [&] { return normalization(); }},
        {"linear", [&] { return std::make_shared<Linear>(); }},
        {"relu", [&] { return std::make_shared<Relu>(); }},
        {"relu6", [&] { return relu_max(); }},
        {"leaky_relu", [&] { return std::make_shared<LeakyRelu>(constant()); }},
        {"thresholded_relu", [&] { return std::make_shared<ThresholdedRelu>(constant()); }},
        {"elu", [&] { return std::make_shared<ExponentialUnit>(constant()); }},
        {"selu", [&] { return selu(); }},
        {"prelu", [&] { return std::make_shared<PRelu>(inputs_.at(0), array(0, size_of(inputs_.at(0))).singles()); }},
        {"hard_sigmoid", [&] { return std::make_shared<HardSigmoid>(HardSigmoid::kKeras2); }},
        {"sigmoid", [&] { return std::make_shared<TableActivation>(TableFunction::kSigmoid); }},
        {"tanh", [&] { return std::make_shared<TableActivation>(TableFunction::kTanh); }},
        {"softplus", [&] { return std::make_shared<TableActivation>(TableFunction::kSoftplus); }},
        {"softsign", [&] { return std::make_shared<TableActivation>(TableFunction::kSoftsign); }},
        {"softmax", [&] { return softmax(); }},
        {"flatten", [&] { return std::make_shared<Flatten>(); }},
        {"reshape", [&] { return reshape(); }},
        {"permute", [&] { return moved(Move::kPermute); }},
        {"zero_pad", [&] { return moved(Move::kZeroPad); }},
        {"crop", [&] { return moved(Move::kCrop); }},
        {"repeat", [&] { return moved(Move::kRepeat); }},
        {"merge", [&] { return merge(); }},
        {"concatenate", [&] { return std::make_shared<Concatenate>(numbers("axis").at(0)); }},
        {"dot", [&] { return dot(); }},
        {"pool", [&] { return pooling(); }},
        {"global_pool", [&] { return global_pooling(); }},
        {"sum", [&] { return std::make_shared<SetSum>(); }},
        {"fixed_quantizer", [&] { return fixed_quantizer(); }},
        {"unary_lut", [&] { return unary_lut(); }},
    };
    return at(makers, layer_.kind, layer_)();
  }

  [[noreturn]] void refuse(const std::string& why) const { throw Error("layer " + layer_.name + " (" + layer_.kind + "): " + why); }

 private:
  const std::vector<int>& numbers(const std::string& key) const { return at(layer_.numbers, key, layer_); }

  // Throws Error where it does not hold so many numbers, or one that is not finite.
  const Numbers& array(std::size_t index, std::size_t size) const {
    if (index >= layer_.arrays.size()) refuse("it has too few arrays");
    const Numbers& numbers = layer_.arrays[index];
    if (numbers.size() != size)
      refuse("it has " + std::to_string(numbers.size()) + " weights where its shape asks for " + std::to_string(size));
    for (std::size_t i = 0; i < size; ++i) {
      if (!std::isfinite(numbers[i])) refuse("a weight of it is NaN or infinite");
    }
    return numbers;
  }

  // Of activations with one: hls4ml has no finite rule beyond.
  double constant() const {
    const double value = at(layer_.reals, "param", layer_);
    constexpr double kMost = 1 << 30;
    if (!(value >= 0 && value <= kMost)) refuse("its parameter should be from 0 to 2^30");
    return value;
  }

  OperationPtr dense() const {
    const int n_in = inputs_.at(0).back();
    const int n_out = layer_.shape.back();
    if (inputs_.at(0).size() != 1) refuse("its input should be a vector");
    return std::make_shared<Dense>(n_in, n_out, array(0, static_cast<std::size_t>(n_in) * static_cast<std::size_t>(n_out)),
                                   array(1, static_cast<std::size_t>(n_out)));
  }

  Windows windows() const {
    Windows windows{numbers("size"), numbers("strides")};
    const std::vector<int>& padding = numbers("padding");
    if (std::any_of(padding.begin(), padding.end(), [](int zeros) { return zeros != 0; })) {
      windows.padding = Padding::kGiven;
      windows.given = padding;
    }
    const bool sizes = std::all_of(windows.size.begin(), windows.size.end(), [](int n) { return n > 0; });
    const bool strides = std::all_of(windows.strides.begin(), windows.strides.end(), [](int n) { return n > 0; });
    if (!sizes || !strides || windows.size.size() != windows.strides.size() || padding.size() != 2 * windows.size.size() ||
        windows.size.empty() || windows.size.size() > 2) {
      refuse("its windows are not as hls4ml writes them");
    }
    // nnet_conv_stream.h, compute_output_buffer_1d.
    if (!parallel_ && layer_.kind != "pool" && !windows.one_axis() && windows.size[0] == 1 && windows.size[1] > 1 && windows.strides[0] > 1)
      refuse("with io_stream hls4ml 1.3.0 takes windows of every row, as if its vertical stride were 1");
    return windows;
  }

  OperationPtr convolution() const {
    Windows given = windows();
    const int channels = inputs_.at(0).back();
    const int filters = layer_.shape.back();
    const auto weights = static_cast<std::size_t>(given.pixels()) * static_cast<std::size_t>(channels) * static_cast<std::size_t>(filters);
    return std::make_shared<Convolution>(std::move(given), channels, filters, array(0, weights),
                                         array(1, static_cast<std::size_t>(filters)));
  }

  OperationPtr depthwise() const {
    Windows given = windows();
    const int channels = inputs_.at(0).back();
    const auto weights = static_cast<std::size_t>(given.pixels()) * static_cast<std::size_t>(channels);
    return std::make_shared<Depthwise>(std::move(given), channels, array(0, weights), array(1, static_cast<std::size_t>(channels)));
  }

  OperationPtr normalization() const {
    const auto size = static_cast<std::size_t>(inputs_.at(0).back());
    return std::make_shared<BatchNormalization>(GivenNumbers{array(0, size)}, GivenNumbers{array(1, size)}, BatchNormalization::Origin{});
  }

  OperationPtr relu_max() const {
    if (!parallel_) refuse("with io_stream hls4ml 1.3.0 has none");
    return std::make_shared<ReluMax>();
  }

  OperationPtr selu() const {
    if (parallel_) return std::make_shared<ExponentialUnit>(ExponentialUnit::InParallel{});
    return std::make_shared<ExponentialUnit>();
  }

  OperationPtr softmax() const { return std::make_shared<Softmax>(false); }

  OperationPtr reshape() const {
    const int from = inputs_.at(0).back();
    const int to = layer_.shape.back();
    // nnet_stream.h, repack_stream.
    if (!parallel_ && from % to != 0 && to % from != 0) {
      refuse("with io_stream hls4ml 1.3.0 loses values where rows of " + std::to_string(from) + " become rows of " + std::to_string(to));
    }
    return std::make_shared<Rearrangement>(Move::kReshape, std::vector<int>(layer_.shape.begin(), layer_.shape.end()));
  }

  OperationPtr moved(Move move) const { return std::make_shared<Rearrangement>(move, numbers("numbers")); }

  OperationPtr merge() const {
    const std::map<std::string, MergeKind> kinds = {{"add", MergeKind::kAdd},           {"subtract", MergeKind::kSubtract},
                                                    {"multiply", MergeKind::kMultiply}, {"average", MergeKind::kAverage},
                                                    {"maximum", MergeKind::kMaximum},   {"minimum", MergeKind::kMinimum}};
    if (inputs_.size() != 2) refuse("it has " + std::to_string(inputs_.size()) + " inputs");
    if (inputs_[0] != inputs_[1]) {
      const bool first = size_of(inputs_[0]) < size_of(inputs_[1]);
      if (!parallel_ || !counts_all(inputs_[first ? 1 : 0], inputs_[first ? 0 : 1]))
        refuse("of " + to_string(inputs_[0]) + " and " + to_string(inputs_[1]) + " hls4ml 1.3.0 leaves values undefined");
    }
    return std::make_shared<Merge>(at(kinds, at(layer_.words, "op", layer_), layer_));
  }

  OperationPtr dot() const {
    if (!parallel_) refuse("with io_stream hls4ml 1.3.0 has none");
    return std::make_shared<Dot>(inputs_.at(0).back());
  }

  bool is_mean() const {
    const std::string& op = at(layer_.words, "op", layer_);
    if (op != "max" && op != "average") refuse("its operation should be max or average");
    return op == "average";
  }

  OperationPtr pooling() const {
    auto op = std::make_shared<Pooling>(is_mean() ? PoolKind::kAverage : PoolKind::kMax, windows());
    if (!parallel_ && op->is_parallel(inputs_.at(0)))
      refuse("with io_stream hls4ml 1.3.0 has only windows that lie side by side, without padding");
    return op;
  }

  OperationPtr global_pooling() const {
    const bool image = inputs_.at(0).size() == 3;
    if (is_mean()) return std::make_shared<SetMean>(image);
    return std::make_shared<SetMax>(image);
  }

  OperationPtr fixed_quantizer() const {
    if (!parallel_) refuse("with io_stream hls4ml 1.3.0 has none");
    const std::vector<int>& axes = numbers("axes");
    QuantizerBits bits{Shape(axes.begin(), axes.end()), numbers("keep_negative"), numbers("bits"), numbers("integers")};
    const std::size_t size = bits.shape.empty() ? 1 : size_of(bits.shape);
    constexpr int kMostInteger = 127;
    const auto within = [&](const std::vector<int>& values, int low, int high) {
      return values.size() == size && std::all_of(values.begin(), values.end(), [&](int value) { return value >= low && value <= high; });
    };
    if (!within(bits.keep_negative, 0, 1) || !within(bits.bits, 0, kMaxWidth) || !within(bits.integers, -kMostInteger, kMostInteger))
      refuse("narrow has quantizers of 0 to " + std::to_string(kMaxWidth) + " bits");
    try {
      return std::make_shared<FixedQuantizer>(layer_.shape, std::move(bits), parse_rounding("AP_" + at(layer_.words, "rounding", layer_)),
                                              parse_overflow("AP_" + at(layer_.words, "overflow", layer_)));
    } catch (const Misfit& misfit) {
      refuse("its input of shape " + to_string(layer_.shape) + " should be " + misfit.needs);
    }
  }

  OperationPtr unary_lut() const {
    const std::size_t entries = layer_.arrays.empty() ? 0 : layer_.arrays.front().size();
    if (entries == 0 || (entries & (entries - 1)) != 0) refuse("its table should have an entry for each pattern of bits of its input");
    return std::make_shared<UnaryLut>(0, array(0, entries).singles());
  }

  const GraphLayer& layer_;
  std::vector<Shape> inputs_;
  bool parallel_;
};

std::optional<TypeName> type_called(const std::string& name) {
  const auto found = std::find(kTypeNames.begin(), kTypeNames.end(), name);
  if (found == kTypeNames.end()) return std::nullopt;
  return static_cast<TypeName>(found - kTypeNames.begin());
}

class GraphReader {
 public:
  GraphReader(const std::string& name, bool parallel) : parallel_(parallel) { resolved_.model.name = name; }

  Resolved read(const std::vector<GraphLayer>& layers, const std::vector<std::string>& outputs) {
    for (const GraphLayer& layer : layers) add(layer);
    for (const std::string& output : outputs) {
      const int index = resolved_.model.find(output);
      if (index < 0) throw Error("its output " + output + " is no layer of the graph");
      resolved_.model.outputs.push_back(index);
    }
    if (outputs.empty() || resolved_.model.inputs().empty()) throw Error("the graph has no inputs or no outputs");
    return std::move(resolved_);
  }

 private:
  void add(const GraphLayer& given) {
    Model& model = resolved_.model;
    if (model.find(given.name) >= 0) throw Error("the graph has two layers of the name " + given.name);
    Layer layer{given.name, "", nullptr, {}, {}};
    std::vector<Shape> shapes;
    for (const std::string& input : given.inputs) {
      const int index = model.find(input);
      if (index < 0) throw Error("layer " + given.name + ": its input " + input + " does not stand before it");
      layer.inputs.push_back(index);
      shapes.push_back(model.layers[static_cast<std::size_t>(index)].shape);
    }
    const Maker maker(given, shapes, parallel_);
    if (given.kind != "input" && shapes.empty()) maker.refuse("it has no input");
    layer.op = maker.make();
    if (layer.op->inputs() != shapes.size()) maker.refuse("it has " + std::to_string(shapes.size()) + " inputs");
    layer.keras_class = layer.op->keras_class();
    layer.shape = output_shape(layer, shapes);
    if (layer.shape != given.shape)
      maker.refuse("its shape is " + to_string(given.shape) + ", where its input gives " + to_string(layer.shape));
    resolved_.precision.push_back(types_of(given, layer, maker));
    check_behind_flatten(layer, maker);
    check_pooling(layer, maker);
    check_lut(layer, maker);
    model.layers.push_back(std::move(layer));
  }

  // What the operation asks for, all of it given.
  LayerPrecision types_of(const GraphLayer& given, const Layer& layer, const Maker& maker) const {
    std::map<TypeName, Format> types;
    for (const auto& [name, text] : given.types) {
      const auto type = type_called(name);
      if (!type) maker.refuse("it has a type " + name);
      types[*type] = parse_format(text);
    }
    std::vector<std::string> notes;
    TypeRequest request{.layer = layer.name,
                        .inputs = {},
                        .choice =
                            [&](TypeName type) {
                              const auto found = types.find(type);
                              return found == types.end() ? std::nullopt : std::optional(found->second);
                            },
                        .fallback = {},
                        .maximum = std::nullopt,
                        .notes = notes};
    for (const int input : layer.inputs) request.inputs.push_back(resolved_.precision[static_cast<std::size_t>(input)].result());
    const auto strategy = given.words.find("strategy");
    if (strategy != given.words.end()) {
      if (strategy->second != "latency" && strategy->second != "resource") maker.refuse("narrow has no strategy " + strategy->second);
      request.strategy = strategy->second == "resource" ? Strategy::kResource : Strategy::kLatency;
      request.reuse_factor = at(given.numbers, "reuse_factor", given).at(0);
      if (request.reuse_factor < 1) maker.refuse("its reuse factor should be 1 or more");
    }
    if (given.numbers.contains("table_size")) {
      request.table_size = at(given.numbers, "table_size", given).at(0);
      if (*request.table_size < 1 || *request.table_size > kLargestTable) maker.refuse("its table should have 1 to 2^20 entries");
    }
    if (given.words.contains("implementation")) {
      const auto kind = std::find(kSoftmaxKinds.begin(), kSoftmaxKinds.end(), at(given.words, "implementation", given));
      if (kind == kSoftmaxKinds.end()) maker.refuse("narrow has no such implementation");
      request.softmax = static_cast<SoftmaxKind>(kind - kSoftmaxKinds.begin());
    }
    LayerPrecision precision = layer.op->types(request);
    for (const auto& [type, format] : precision.all()) {
      const auto found = types.find(type);
      if (found == types.end()) maker.refuse("it has no " + std::string(name_of(type)) + " type");
      if (found->second != format) {
        maker.refuse("its " + std::string(name_of(type)) + " type is " + to_string(found->second) + ", where narrow has " +
                     to_string(format));
      }
      const bool sum = type == TypeName::kResult || type == TypeName::kAccum;
      if (format.width > (sum ? kMaxSumWidth : kMaxWidth)) {
        maker.refuse("its " + std::string(name_of(type)) + " type " + to_string(format) + " has more than the " +
                     std::to_string(sum ? kMaxSumWidth : kMaxWidth) + " bits that narrow computes with");
      }
    }
    if (precision.strategy == Strategy::kResource && precision.reuse_factor != request.reuse_factor) {
      maker.refuse("its reuse factor " + std::to_string(request.reuse_factor) + " does not fit, and hls4ml 1.3.0 gives wrong numbers");
    }
    if (request.table_size && precision.table_size != request.table_size) maker.refuse("its table has another size than its types allow");
    return precision;
  }

  // hls4ml's io_stream hands a Flatten's rows on as they come, and any layer but a Dense takes each of them for all the values.
  void check_behind_flatten(const Layer& layer, const Maker& maker) const {
    if (parallel_ || as<Dense>(layer) != nullptr || as<Concatenate>(layer) != nullptr) return;
    for (const int input : layer.inputs) {
      const Layer& before = resolved_.model.layers[static_cast<std::size_t>(input)];
      if (as<Flatten>(before) != nullptr)
        maker.refuse("with io_stream hls4ml 1.3.0 gives wrong numbers behind the flattening " + before.name);
    }
  }

  // With io_parallel hls4ml casts to the accum type later, and adds in another order.
  void check_pooling(const Layer& layer, const Maker& maker) const {
    const auto* pooling = as<Pooling>(layer);
    if (!parallel_ || (pooling == nullptr && as<SetMean>(layer) == nullptr && as<SetMax>(layer) == nullptr)) return;
    const auto before = static_cast<std::size_t>(layer.inputs.front());
    if (pooling != nullptr && pooling->is_parallel(resolved_.model.layers[before].shape)) return;
    const Format& accum = resolved_.precision.back()[TypeName::kAccum];
    if (!takes_all(resolved_.precision[before].result(), accum) || !wraps(accum)) {
      maker.refuse("with io_parallel narrow follows it only where its accum type wraps and holds every value of its input");
    }
  }

  // hls4ml's program looks up all bits of the value, whatever the table was made for.
  void check_lut(const Layer& layer, const Maker& maker) const {
    const auto* lut = as<UnaryLut>(layer);
    if (lut == nullptr) return;
    const Format& x = resolved_.precision[static_cast<std::size_t>(layer.inputs.front())].result();
    if (x.width >= kMaxWidth || (std::size_t{1} << x.width) > lut->table().size()) {
      maker.refuse("its table has " + std::to_string(lut->table().size()) +
                   " entries, and hls4ml 1.3.0's program would read outside of it: its input's type is " + to_string(x));
    }
  }

  bool parallel_;
  Resolved resolved_;
};

}  // namespace

Resolved read_graph(const std::string& name, const std::vector<GraphLayer>& layers, const std::vector<std::string>& outputs,
                    bool parallel) {
  return GraphReader(name, parallel).read(layers, outputs);
}

}  // namespace narrow
