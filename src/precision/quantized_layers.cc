#include "precision/quantized_layers.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "error.h"
#include "layers/batch_normalization.h"
#include "layers/convolution.h"
#include "layers/dense.h"
#include "layers/depthwise.h"
#include "layers/flatten.h"
#include "layers/linear.h"
#include "layers/pooling.h"
#include "layers/set_max.h"
#include "layers/sign_activation.h"
#include "layers/sign_thresholds.h"
#include "precision/network.h"

namespace narrow {
namespace {

Layer& layer_at(Resolved& resolved, int i) { return resolved.model.layers[static_cast<std::size_t>(i)]; }

std::string describe(const Layer& layer) { return "layer " + layer.name + " (" + layer.keras_class + ")"; }

void require_new(const Model& model, const std::string& name) {
  if (model.find(name) >= 0) throw Error("the model has a layer " + name + ", and hls4ml 1.3.0 makes one of that name; rename it");
}

// QKerasPO2Quantizer of a scale that was made a power of two.
TrainedQuantizer quantizer_of_powers(const Numbers& scales) {
  float most = 0;
  for (const float scale : scales.singles()) most = std::max(most, std::abs(std::log2(scale)));
  return {.kind = TrainedQuantizer::Kind::kPowerOfTwo, .name = "quantized_po2", .bits = std::max(static_cast<int>(most) + 1, 2)};
}

// MergeBatchNormAndQuantizedTanh: activation i and the normalization before it.
void merge_with_norm(Resolved& resolved, int i) {
  const int before = layer_at(resolved, i).inputs.front();
  const Layer activation = layer_at(resolved, i);
  const Layer norm_layer = layer_at(resolved, before);
  const auto* norm = as<BatchNormalization>(norm_layer);
  const auto* sign = as<SignActivation>(activation);
  const auto input = static_cast<std::size_t>(norm_layer.inputs.front());
  const Format& x = resolved.precision[input].result();
  if (x.meaning != Meaning::kNumber) throw Error(describe(norm_layer) + ": it normalizes signs, and hls4ml 1.3.0 stops there");
  if (uses(resolved.model, before) > 1 || std::count(resolved.model.outputs.begin(), resolved.model.outputs.end(), before) > 0) {
    throw Error(describe(norm_layer) + ": hls4ml 1.3.0 makes one layer of it and " + activation.name +
                " behind it, and gives the others that read it what it reads; narrow does not follow that");
  }
  const Numbers& scale = norm->scale_numbers;
  const std::optional<double> threshold = sign->is_ternary() ? std::optional(SignActivation::kHalf) : std::nullopt;
  for (std::size_t k = 0; k < scale.size(); ++k) {
    const double each = scale[k];
    if (each == 0 || !std::isfinite(each))
      throw Error(describe(norm_layer) + ": a scale of it is 0, and hls4ml 1.3.0's threshold is infinite");
    if (each < 0) {
      resolved.notes.push_back(
          norm_layer.name + " and " + activation.name +
          ": a scale of the normalization is below 0; hls4ml 1.3.0 does not look at its sign, and its answers have the other");
      break;
    }
  }
  Layer& merged = layer_at(resolved, before);
  merged.op = std::make_shared<SignThresholds>(scale, norm->bias_numbers, threshold, x.fraction());
  for (const ParameterArray& thresholds : merged.op->parameters()) {
    for (const float each : thresholds.values) {
      if (!std::isfinite(each)) throw Error(describe(norm_layer) + ": a threshold that hls4ml 1.3.0 makes of it is infinite");
    }
  }
  merged.name = "bnbt_" + norm_layer.name;
  merged.keras_class = "BatchNormalization";
  require_new(resolved.model, merged.name + " ");
  std::vector<std::string> notes;
  const TypeRequest request{.layer = merged.name,
                            .inputs = {x},
                            .choice = [](TypeName) { return std::optional<Format>(); },
                            .fallback = x,
                            .maximum = {},
                            .notes = notes};
  resolved.precision[static_cast<std::size_t>(before)] = merged.op->types(request);
  resolved.thresholds.push_back(
      {merged.name, norm_layer.name, activation.name, threshold.has_value(), resolved.precision[static_cast<std::size_t>(i)].result()});
  remove_layer(resolved.model, i, before);
  resolved.precision.erase(resolved.precision.begin() + i);
}

// QuantizeDenseOutput: a BinaryDense or TernaryDense behind such a layer counts signs.
// Whether it is one whose weights a second such pass would change.
bool count_signs(Resolved& resolved, int i) {
  Layer& layer = layer_at(resolved, i);
  const auto* dense = as<Dense>(layer);
  if (dense == nullptr || layer.shape.size() != 1 || !dense->quantizers.kernel) return false;
  const TrainedQuantizer::Kind kind = dense->quantizers.kernel->kind;
  const bool binary = kind == TrainedQuantizer::Kind::kSign;
  if ((!binary && kind != TrainedQuantizer::Kind::kThirds) || as<SignThresholds>(layer_at(resolved, layer.inputs.front())) == nullptr)
    return false;
  const bool once = binary && dense->quantizers.kernel->bits != 1;
  TrainedQuantizer kernel = *dense->quantizers.kernel;
  if (binary) kernel = {.kind = TrainedQuantizer::Kind::kBinary, .name = kernel.name, .bits = 1};
  const int bits = static_cast<int>(dense->n_in < 2 ? 0 : std::bit_width(static_cast<unsigned>(dense->n_in - 1))) + 2;
  const Format sum{.width = bits, .integer = bits, .is_integer = true};
  const Format weight = weight_format(kernel, true);
  LayerPrecision& types = resolved.precision[static_cast<std::size_t>(i)];
  if (dense->quantizers.kernel->bits == 1) {
    // The quantizer is given its own signs, 0 and 1, of which neither is below 0.
    resolved.notes.push_back(describe(layer) +
                             ": behind a threshold hls4ml 1.3.0 makes 1 of every sign of a BipolarQuant's weights, and so does narrow");
    layer.op = std::make_shared<Dense>(dense->n_in, dense->n_out, Numbers(std::vector<float>(dense->kernel.size(), 1.F)),
                                       Numbers(dense->bias), Quantizers{kernel, std::nullopt, true});
  } else {
    layer.op = dense->with({kernel, std::nullopt, true});
  }
  types.set(TypeName::kWeight, weight);
  types.set(TypeName::kBias, weight);
  types.set(TypeName::kAccum, sum);
  types.set(TypeName::kResult, sum);
  for (std::size_t k = 0; k < resolved.model.layers.size(); ++k) {
    Layer& reader = resolved.model.layers[k];
    const auto* thresholds = as<SignThresholds>(reader);
    if (thresholds == nullptr || reader.inputs.front() != i) continue;
    if (thresholds->is_ternary() == binary) {
      throw Error(describe(layer) + ": it is " + (binary ? "binary" : "ternary") + ", " + reader.name +
                  " behind it is not; hls4ml 1.3.0 stops there");
    }
    reader.op = thresholds->whole();
    for (const auto& [name, format] : resolved.precision[k].all()) {
      if (name != TypeName::kResult) resolved.precision[k].set(name, sum);
    }
  }
  return once;
}

// Its input is of signs, and its output the largest of them.
bool pools_signs(const Resolved& resolved, const Layer& layer) {
  const auto* pooling = as<Pooling>(layer);
  const bool largest = as<SetMax>(layer) != nullptr || (pooling != nullptr && pooling->kind() == PoolKind::kMax);
  return largest && resolved.precision[static_cast<std::size_t>(layer.inputs.front())].result().meaning == Meaning::kSign;
}

// XnorPooling: the largest of signs is a sign. A Flatten is in place, and has the type that its input has in the end.
void keep_signs(Resolved& resolved, int i) {
  const Layer& layer = layer_at(resolved, i);
  if (as<Flatten>(layer) == nullptr && !pools_signs(resolved, layer)) return;
  resolved.precision[static_cast<std::size_t>(i)].set(TypeName::kResult,
                                                      resolved.precision[static_cast<std::size_t>(layer.inputs.front())].result());
}

}  // namespace

bool factorize_alpha(Resolved& resolved, int i) {
  Layer& layer = layer_at(resolved, i);
  const Dense* matrix = matrix_of(layer);
  if (matrix == nullptr || !matrix->has_scale() || as<Depthwise>(layer) != nullptr) return false;
  if (as<Dense>(layer) != nullptr && layer.shape.size() > 1) {
    throw Error(describe(layer) +
                ": its quantizers have a scale and it works on a set or an image, where hls4ml 1.3.0 reads past the scales; "
                "give the quantizers alpha=1, or use a QConv1D or QConv2D with a window of one pixel");
  }
  Dense::Factors factors = matrix->factors();
  if (!std::all_of(factors.kernel.begin(), factors.kernel.end(), [](float each) { return std::isfinite(each); })) {
    throw Error(describe(layer) +
                ": a column of its kernel is 0 throughout, and its scale too, by which hls4ml 1.3.0 divides; leave that output out");
  }
  GivenNumbers scale{factors.scales_are_double ? Numbers(std::move(factors.scales))
                                               : Numbers(std::vector<float>(factors.scales.begin(), factors.scales.end()))};
  GivenNumbers bias{matrix->bias.empty() ? Numbers(std::vector<double>(factors.bias.begin(), factors.bias.end())) : Numbers(factors.bias)};
  if (!matrix->bias.empty()) bias.trained = matrix->quantizers.bias;
  if (matrix->quantizers.kernel->alpha.kind == Alpha::Kind::kAutoPowerOfTwo) scale.trained = quantizer_of_powers(scale.given);
  Quantizers left = matrix->quantizers;
  left.kernel->alpha = {Alpha::Kind::kNumber, 1};
  if (left.bias) left.bias->alpha = {Alpha::Kind::kNumber, 1};
  left.bias_moved = true;
  layer.op = with_numbers(layer, std::move(factors.kernel), matrix->bias, std::move(left));
  const std::string name = layer.name + "_alpha";
  require_new(resolved.model, name);
  const BatchNormalization::Origin origin{.is_made = true, .is_open = true};
  Layer alpha{
      name, "BatchNormalization", std::make_shared<BatchNormalization>(std::move(scale), std::move(bias), origin), {i}, layer.shape};
  resolved.scaled.emplace_back(name, layer.name);
  const std::string scaled = layer.name;
  insert_behind(resolved.model, i, std::move(alpha));
  return true;
}

bool extract_threshold(Resolved& resolved, int i) {
  const Layer& layer = layer_at(resolved, i);
  const auto* sign = as<SignActivation>(layer);
  if (sign == nullptr || !sign->is_ternary() || sign->threshold() == SignActivation::kHalf) return false;
  const std::size_t size = size_of(layer.shape);
  const std::string name = layer.name + "_scale";
  require_new(resolved.model, name);
  GivenNumbers factor{Numbers(std::vector<double>(size, SignActivation::kHalf / sign->threshold()))};
  GivenNumbers zeros{Numbers(std::vector<double>(size, 0.0))};
  const BatchNormalization::Origin origin{.is_made = true, .of_all_values = layer.shape.size() > 1};
  auto norm = std::make_shared<BatchNormalization>(std::move(factor), std::move(zeros), origin);
  Layer scale{name, "BatchNormalization", std::move(norm), layer.inputs, layer.shape};
  insert_layer(resolved.model, i, std::move(scale));
  Layer& activation = layer_at(resolved, i + 1);
  activation.op = std::make_shared<SignActivation>(true, sign->is_quantizer());
  activation.inputs = {i};
  return true;
}

void forget_quantizers(Resolved& resolved, int i) {
  Layer& layer = layer_at(resolved, i);
  const auto* dense = as<Dense>(layer);
  if (dense == nullptr || !dense->quantizers.any()) return;
  resolved.notes.push_back(
      layer.name + " (" + layer.keras_class +
      "): on a set or an image hls4ml 1.3.0 forgets its quantizers and casts the weights as they were trained, which cuts "
      "them off where QKeras rounds; a QConv1D or QConv2D with a window of one pixel keeps them");
  layer.op = dense->with({});
}

void merge_sign_activations(Resolved& resolved) {
  for (int i = 0; i < static_cast<int>(resolved.model.layers.size()); ++i) {
    if (as<SignActivation>(layer_at(resolved, i)) == nullptr) continue;
    if (as<BatchNormalization>(layer_at(resolved, layer_at(resolved, i).inputs.front())) == nullptr) continue;
    merge_with_norm(resolved, i--);
  }
  std::string quantized;
  for (int i = 0; i < static_cast<int>(resolved.model.layers.size()); ++i) {
    if (count_signs(resolved, i)) quantized = describe(layer_at(resolved, i));
  }
  for (const Layer& layer : resolved.model.layers) {
    if (!pools_signs(resolved, layer)) continue;
    // Its flow begins again behind an XnorPooling: signs are quantized to 0 and 1, and these to 1.
    if (!quantized.empty()) {
      throw Error(quantized + ": hls4ml 1.3.0 quantizes its weights twice, for " + layer.name +
                  " pools signs; narrow does not follow that");
    }
    if (resolved.thresholds.empty()) {
      throw Error(describe(layer) + ": it pools signs that no normalization made; narrow does not follow hls4ml there");
    }
  }
  if (resolved.thresholds.empty()) return;
  for (int i = 0; i < static_cast<int>(resolved.model.layers.size()); ++i) keep_signs(resolved, i);
}

void note_dropped_quantizer(Resolved& resolved, const Layer& layer) {
  if (!layer.quantizer) return;
  resolved.notes.push_back(
      layer.name + " (" + layer.quantizer->name +
      "): hls4ml 1.3.0 leaves it out, its type too, behind a layer whose result type is inferred; nothing is quantized there");
}

bool is_made(const Layer& layer) {
  const auto* norm = as<BatchNormalization>(layer);
  return (norm != nullptr && norm->origin.is_made) || as<SignThresholds>(layer) != nullptr;
}

void require_unfused(const Layer& layer, const Layer& norm_layer) {
  const Dense* matrix = matrix_of(layer);
  const auto* norm = as<BatchNormalization>(norm_layer);
  if (as<Depthwise>(layer) != nullptr) {
    // FuseBatchNormalization asks for a weight_quantizer, and that of a depthwise convolution is its depthwise_quantizer.
    const Quantizers quantizers = quantizers_of(layer);
    if (!quantizers.any() || (quantizers.bias && !all_are(norm->bias(), 0.F))) return;
    throw Error(describe(layer) + ": hls4ml 1.3.0 folds " + norm_layer.name +
                " behind it into its quantized weights, along the wrong axis, and its answers are wrong; give " + layer.name +
                " a bias with a bias_quantizer, or its result a type in the configuration, and they stay two layers");
  }
  if (matrix == nullptr || !matrix->quantizers.any() || !all_are(norm->scale(), 1.F)) return;
  if (norm->given_scale.is_quantized()) return;
  if (matrix->quantizers.kernel && weight_format(*matrix->quantizers.kernel, true).meaning != Meaning::kNumber) return;
  const bool no_quantizer = !norm->given_bias.is_quantized();
  const bool biases =
      (!matrix->quantizers.bias && (no_quantizer || all_are(matrix->bias, 0.F))) || (all_are(norm->bias(), 0.F) && no_quantizer);
  if (!biases) return;
  throw Error(describe(layer) + ": the normalization " + norm_layer.name +
              " behind it has scales of exactly 1, and hls4ml 1.3.0 folds it into quantized weights; narrow does not follow that");
}

}  // namespace narrow
