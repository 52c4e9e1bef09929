#include "search/tensors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <mutex>

#include "error.h"
#include "model/inference.h"
#include "precision/config.h"
#include "study/trace.h"

namespace narrow {
namespace {

// Of all that is left to the default; what it gives to tensors whose types are free is replaced. hls4ml infers some types of twice the
// width and some bits more, behind each other even more; the widest with which narrow can compute the network.
constexpr std::array kWide = {30, 24, 18};
constexpr int kMostInteger = 40;

PrecisionConfig wide_config(const Model& model) {
  for (const int width : kWide) {
    PrecisionConfig config = make_config(model, {.vector = fixed(width, width / 2)});
    if (width == kWide.back()) return config;
    try {
      narrow::resolve(model, config);
      return config;
    } catch (const Error&) {  // types of more bits than narrow computes with; what else is wrong the last one says
    }
  }
  return {};
}

// How far apart the scores of one softmax lie, of all its rows.
double largest_difference(std::span<const float> scores, std::size_t width) {
  float largest = 0;
  for (std::size_t row = 0; row + width <= scores.size(); row += width) {
    const auto [low, high] =
        std::minmax_element(scores.begin() + static_cast<std::ptrdiff_t>(row), scores.begin() + static_cast<std::ptrdiff_t>(row + width));
    largest = std::max(largest, *high - *low);
  }
  return largest;
}

}  // namespace

bool takes_type_from_default(const Layer& layer, const LayerPrecision& types, std::vector<Format> inputs, const Format& other,
                             const std::optional<Format>& maximum) {
  std::vector<std::string> notes;
  TypeRequest request{
      .layer = layer.name,
      .inputs = std::move(inputs),
      .choice = [&](TypeName type) { return type == TypeName::kResult || !types.has(type) ? std::nullopt : std::optional(types[type]); },
      .fallback = other,
      .maximum = maximum,
      .notes = notes};
  return types.has(TypeName::kResult) && !(layer.op->types(request).result() == types.result());
}

bool is_in_front_of_relu(const Program& program, std::size_t layer) {
  const Format& type = program.format(layer);
  const std::vector<Layer>& layers = program.model().layers;
  const auto self = static_cast<int>(layer);
  const std::vector<int>& outputs = program.model().outputs;
  if (type.is_signed || !saturates(type) || std::find(outputs.begin(), outputs.end(), self) != outputs.end()) return false;
  bool any = false;
  for (std::size_t k = layer + 1; k < layers.size(); ++k) {
    const std::vector<int>& inputs = layers[k].inputs;
    if (std::find(inputs.begin(), inputs.end(), self) == inputs.end()) continue;
    any = true;
    if (layers[k].op->form(program.place(k)) != Form::kReluCast) return false;
  }
  return any;
}

Tensors::Tensors(const Model& model, const Dataset& calibration, double margin)
    : model_(model), margin_(margin), wide_(wide_config(model)), base_(narrow::resolve(model, wide_)), in_float_(float_layers(base_)) {
  const Model& resolved = base_.model;
  for (std::size_t i = 0; i < resolved.layers.size(); ++i) {
    add_weights(i);
    const Layer& layer = resolved.layers[i];
    if (is_free(i)) tensors_.push_back({layer.name + ".result", layer.name, i, TypeName::kResult, {}});
  }
  std::erase_if(tensors_, [&](const FreeTensor& tensor) { return !is_taken(tensor); });
  for (std::size_t t = 0; t < tensors_.size(); ++t) {
    if (tensors_[t].is_weight() || resolved.layers[tensors_[t].at].inputs.size() != 1) continue;
    const auto before = static_cast<std::size_t>(resolved.layers[tensors_[t].at].inputs.front());
    // A result that has a type of its own is a tensor.
    if (relu_behind(before) == tensors_[t].at && !is_free(before)) tied_.emplace_back(resolved.layers[before].name, t);
  }
  if (tensors_.empty())
    throw Error("model " + model.name + ": the types of all its tensors are given by its file; there is none to search for");
  measure(calibration);
}

void Tensors::add_weights(std::size_t at) {
  const Layer& layer = base_.model.layers[at];
  for (const WeightArray& array : layer.op->weights()) {
    if (is_of_table(array.type) || array.type >= TypeName::kThreshold || layer.own_type(array.type) != nullptr) continue;
    FreeTensor tensor{layer.name + "." + std::string(name_of(array.type)), layer.name, at, array.type, {}};
    tensor.range.add(array.values);
    tensors_.push_back(std::move(tensor));
  }
}

// Whether the tensor gets the type that a configuration gives it: what the network's file settles, or hls4ml, does not.
bool Tensors::is_taken(const FreeTensor& tensor) const {
  const Format other = fixed(kWide.back() - 1, 1);
  PrecisionConfig config = wide_;
  config.by_name[lower(tensor.layer)].types[std::string(name_of(tensor.type))] = other;
  const Resolved resolved = narrow::resolve(model_, config);
  const int at = resolved.model.find(tensor.layer);
  return at >= 0 && resolved.precision[static_cast<std::size_t>(at)].has(tensor.type) &&
         resolved.precision[static_cast<std::size_t>(at)][tensor.type] == other;
}

// Whether the layer's result has a type that is searched for.
bool Tensors::is_free(std::size_t at) const {
  const Model& model = base_.model;
  const Layer& layer = model.layers[at];
  if (layer.own_type(TypeName::kResult) != nullptr || layer.quantizer) return false;
  if (model_.find(layer.name) < 0 || takes_in_another(layer.name)) return false;
  // A Dense whose scale was taken out of its weights has no values of its own in float; its sums are as wide as hls4ml infers.
  if (const auto other = in_float_.find(layer.name); other != in_float_.end() && other->second.empty()) return false;
  const auto precision_of = [&](int i) { return base_.precision[static_cast<std::size_t>(i)].result(); };
  std::vector<Format> inputs;
  std::vector<const Format*> formats;
  std::vector<const Shape*> shapes;
  for (const int input : layer.inputs) inputs.push_back(precision_of(input));
  if (layer.inputs.empty() || takes_type_from_default(layer, base_.precision[at], inputs, fixed(kWide.back() - 1, 1), {})) return true;
  for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
    formats.push_back(&inputs[i]);
    shapes.push_back(&model.layers[static_cast<std::size_t>(layer.inputs[i])].shape);
  }
  const Place place{base_.precision[at], layer.shape, formats, shapes};
  const Form form = layer.op->form(place);
  if (form == Form::kPairs && layer.op->pairing(place).kind == Pairing::Kind::kBeside) return false;
  if (layer.op->weights().empty() && form != Form::kPairs && form != Form::kRowMean) return false;
  return !relu_behind(at);
}

// hls4ml fuses a normalization where the result of the layer in front of it is left to `auto` alone.
bool Tensors::takes_in_another(const std::string& layer) const {
  return std::any_of(base_.fused.begin(), base_.fused.end(), [&](const auto& pair) { return pair.first == layer; });
}

// The relu that alone reads a Dense, whose result hls4ml infers and the relu's own does not follow from it.
std::optional<std::size_t> Tensors::relu_behind(std::size_t at) const {
  const Model& model = base_.model;
  const Layer& layer = model.layers[at];
  const auto self = static_cast<int>(at);
  const bool is_output = std::find(model.outputs.begin(), model.outputs.end(), self) != model.outputs.end();
  if (is_output || layer.op->weights().empty() || layer.own_type(TypeName::kResult) != nullptr || layer.quantizer ||
      takes_in_another(layer.name)) {
    return std::nullopt;
  }
  std::optional<std::size_t> reader;
  for (std::size_t i = at + 1; i < model.layers.size(); ++i) {
    const std::vector<int>& inputs = model.layers[i].inputs;
    if (std::find(inputs.begin(), inputs.end(), self) == inputs.end()) continue;
    if (reader) return std::nullopt;
    reader = i;
  }
  if (!reader) return std::nullopt;
  const Layer& relu = model.layers[*reader];
  const Place place{base_.precision[*reader], relu.shape, {&base_.precision[at].result()}, {&layer.shape}};
  const bool is_relu = relu.inputs.size() == 1 && relu.op->form(place) == Form::kReluCast && model_.find(relu.name) >= 0 &&
                       relu.own_type(TypeName::kResult) == nullptr && !relu.quantizer;
  return is_relu ? reader : std::nullopt;
}

void Tensors::measure(const Dataset& calibration) {
  std::map<std::size_t, std::size_t> tensor_of;   // of a layer of the float model
  std::map<std::size_t, std::size_t> softmax_of;  // of those that a stable softmax reads, how many scores it has in a row
  for (std::size_t t = 0; t < tensors_.size(); ++t) {
    if (tensors_[t].is_weight()) continue;
    tensors_[t].may_saturate = margin_ <= 1;
    // One that took in a normalization, or whose scale stands behind it, is no tensor: these have the float layer's values.
    const auto layer = static_cast<std::size_t>(model_.find(tensors_[t].layer));
    tensor_of[layer] = t;
    for (std::size_t i = 0; i < base_.model.layers.size(); ++i) {
      const Layer& reader = base_.model.layers[i];
      const bool reads = std::find(reader.inputs.begin(), reader.inputs.end(), static_cast<int>(tensors_[t].at)) != reader.inputs.end();
      if (!reads || base_.precision[i].softmax != SoftmaxKind::kStable) continue;
      softmax_of[layer] = static_cast<std::size_t>(reader.shape.back());
      tensors_[t].may_saturate = false;
    }
  }
  std::mutex mutex;
  bool is_finite = true;
  infer(model_, calibration.x, calibration.size, [&](std::size_t, std::size_t, std::size_t layer, std::span<const float> values) {
    const auto tensor = tensor_of.find(layer);
    if (tensor == tensor_of.end()) return;
    const bool own_finite = std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
    Range own;
    if (own_finite) {
      own.add(values);
      if (const auto softmax = softmax_of.find(layer); softmax != softmax_of.end())
        own.high = std::max(own.high, largest_difference(values, softmax->second));
    }
    const std::scoped_lock lock(mutex);
    is_finite = is_finite && own_finite;
    tensors_[tensor->second].range += own;
  });
  if (!is_finite) throw Error("model " + model_.name + ": the float model computes values that are not finite on " + calibration.path);
  for (FreeTensor& tensor : tensors_) {
    tensor.is_signed = tensor.range.low < 0 || (!tensor.is_weight() && pads_a_maximum(base_.model, tensor.at));
  }
}

std::optional<Format> Tensors::fitted(std::size_t i, int width, const Modes& modes) const {
  const FreeTensor& tensor = tensors_[i];
  if (tensor.range.is_zero()) width = kLeastWidth;
  Format format{.width = width, .is_signed = tensor.is_signed, .rounding = modes.rounding, .overflow = modes.overflow};
  format.integer = tensor.range.is_zero() ? 1 : 0;
  if (tensor.range.is_zero()) return format;
  Range range = tensor.range;
  if (!tensor.is_weight()) {
    range.low *= margin_;
    range.high *= margin_;
  }
  // With fewer integer bits the steps are finer; the range is held or not.
  const double largest = std::max(range.high, -range.low);
  int integer = static_cast<int>(std::floor(std::log2(largest))) - 1;
  while (integer_bits(range, tensor.is_signed, width - integer, kLeastWidth) > integer) ++integer;
  if (integer > kMostInteger || width - integer > kMaxWidth) return std::nullopt;
  format.integer = integer;
  return format;
}

PrecisionConfig Tensors::config(const Assignment& types, bool tied) const {
  PrecisionConfig config = wide_;
  for (std::size_t t = 0; t < tensors_.size(); ++t)
    config.by_name[lower(tensors_[t].layer)].types[std::string(name_of(tensors_[t].type))] = types[t];
  if (tied) {
    for (const auto& [layer, tensor] : tied_) {
      // What is below 0 becomes 0 here already, for the type of a relu's values has no sign.
      if (types[tensor].overflow == Overflow::kSat && !types[tensor].is_signed)
        config.by_name[lower(layer)].types["result"] = types[tensor];
    }
  }
  // hls4ml keeps linear activations, its own and those of the file, behind a layer whose result has a type of its own.
  const auto also = [&](const std::string& layer, const std::string& linear) {
    const auto own = config.by_name.find(lower(layer));
    if (own == config.by_name.end()) return;
    const auto result = own->second.types.find("result");
    if (result != own->second.types.end() && result->second) config.by_name[lower(linear)].types["result"] = *result->second;
  };
  for (const std::string& name : model_.linear) also(name, name + "_linear");
  for (const auto& [name, before] : base_.merged) also(before, name);
  return config;
}

}  // namespace narrow
