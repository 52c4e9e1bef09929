#include "recover/network.h"

#include <algorithm>
#include <utility>

#include "layers/batch_normalization.h"
#include "layers/convolution.h"
#include "layers/depthwise.h"
#include "layers/linear.h"
#include "precision/network.h"

namespace narrow {
namespace {

// The layers that a layer needs, itself among them, and all that take samples: these say what a sample is.
std::vector<std::size_t> needed_by(const Model& model, std::size_t layer) {
  std::vector<bool> needed(model.layers.size());
  needed[layer] = true;
  for (const int input : model.inputs()) needed[static_cast<std::size_t>(input)] = true;
  for (std::size_t i = layer + 1; i-- > 0;) {
    if (!needed[i]) continue;
    for (const int input : model.layers[i].inputs) needed[static_cast<std::size_t>(input)] = true;
  }
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (needed[i]) kept.push_back(i);
  }
  return kept;
}

Model with_layers(const Model& model, const std::vector<std::size_t>& kept, std::size_t output) {
  const auto place_of = [&](std::size_t layer) {
    return static_cast<int>(std::lower_bound(kept.begin(), kept.end(), layer) - kept.begin());
  };
  Model own;
  own.name = model.name;
  for (const std::size_t i : kept) {
    own.layers.push_back(model.layers[i]);
    for (int& input : own.layers.back().inputs) input = place_of(static_cast<std::size_t>(input));
  }
  own.outputs = {place_of(output)};
  return own;
}

// With the same epsilon, momentum and parameters, y = x * 1 + 0.
OperationPtr idle(const BatchNormalization& norm) {
  const std::size_t size = norm.gamma.size();
  const std::vector<float> zeros(size);
  const std::vector<float> ones(size, 1.F);
  return std::make_shared<BatchNormalization>(ones, zeros, zeros, std::vector<float>(size, 1.F - norm.epsilon), norm.epsilon,
                                              norm.training);
}

bool have_same_numbers(const Layer& a, const Layer& b) {
  const Dense* first = matrix_of(a);
  const Dense* second = matrix_of(b);
  return first != nullptr && second != nullptr && first->kernel == second->kernel && first->bias == second->bias;
}

// Whether nothing but linear activations, Dropouts and normalizations by 1 lies between a layer and one behind it.
bool leads_to(const Model& model, int layer, int behind) {
  for (int at = layer;;) {
    const std::vector<int> readers = readers_of(model, at);
    if (readers.size() != 1 || readers.front() < 0) return false;
    at = readers.front();
    if (at == behind) return true;
    const Layer& between = model.layers[static_cast<std::size_t>(at)];
    if (as<Linear>(between) == nullptr && !is_idle(between)) return false;
  }
}

Program program_up_to(const Resolved& resolved, std::size_t layer) {
  const std::vector<std::size_t> kept = needed_by(resolved.model, layer);
  Resolved own{.model = with_layers(resolved.model, kept, layer)};
  for (const std::size_t i : kept) own.precision.push_back(resolved.precision[i]);
  own.fallback = resolved.fallback;
  return build_program(std::move(own));
}

}  // namespace

bool is_idle(const Layer& layer) {
  const auto* norm = as<BatchNormalization>(layer);
  return norm != nullptr && all_are(norm->scale(), 1.F) && all_are(norm->bias(), 0.F);
}

Network with_folded_normalizations(const Model& model, const Resolve& resolve) {
  const Resolved resolved = resolve(model);
  Model folded = model;
  for (const auto& [name, norm_name] : resolved.fused) {
    const int at = model.find(name);
    const int norm_at = model.find(norm_name);
    if (at < 0 || norm_at < 0 || !leads_to(folded, at, norm_at)) continue;
    Layer& layer = folded.layers[static_cast<std::size_t>(at)];
    Layer& behind = folded.layers[static_cast<std::size_t>(norm_at)];
    const auto* norm = as<BatchNormalization>(behind);
    if (norm == nullptr || matrix_of(layer) == nullptr || as<Depthwise>(layer) != nullptr) continue;
    const OperationPtr scaled = layer.op->scaled(norm->scale_numbers, norm->bias_numbers, nullptr);
    if (scaled == nullptr) continue;
    layer.op = scaled;
    behind.op = idle(*norm);
  }
  const Resolved again = resolve(folded);
  bool is_same = again.precision == resolved.precision && again.model.layers.size() == resolved.model.layers.size();
  for (std::size_t i = 0; is_same && i < again.model.layers.size(); ++i) {
    const Layer& is = again.model.layers[i];
    const Layer& was = resolved.model.layers[i];
    is_same = is.name == was.name && (have_same_numbers(is, was) || same(*is.op, *was.op));
  }
  return is_same ? Network{folded, folded, again} : Network{model, model, resolved};
}

std::vector<FreeLayer> free_layers(const Network& network, std::vector<std::string>& notes) {
  std::vector<FreeLayer> free;
  for (std::size_t i = 0; i < network.model.layers.size(); ++i) {
    const Layer& layer = network.model.layers[i];
    if (as<Depthwise>(layer) != nullptr) {
      notes.push_back("layer " + layer.name + " (" + layer.keras_class + ") is left as it is: its filters are of one channel each");
      continue;
    }
    if (matrix_of(layer) == nullptr) continue;
    const int at = network.resolved.model.find(layer.name);
    if (at >= 0 && have_same_numbers(network.resolved.model.layers[static_cast<std::size_t>(at)], layer)) {
      free.push_back({i, static_cast<std::size_t>(at)});
      continue;
    }
    notes.push_back("layer " + layer.name + " is left as it is: the hardware computes it together with the normalization behind it");
  }
  return free;
}

void set_numbers(Network& network, const FreeLayer& layer, std::vector<float> kernel, std::vector<float> bias) {
  Layer& own = network.model.layers[layer.at];
  own.op = with_numbers(own, std::move(kernel), std::move(bias));
  network.resolved.model.layers[layer.resolved_at].op = own.op;
}

std::vector<int> readers_of(const Model& model, int layer) {
  std::vector<int> readers;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const std::vector<int>& inputs = model.layers[i].inputs;
    if (std::find(inputs.begin(), inputs.end(), layer) != inputs.end()) readers.push_back(static_cast<int>(i));
  }
  if (std::find(model.outputs.begin(), model.outputs.end(), layer) != model.outputs.end()) readers.push_back(-1);
  return readers;
}

int in_float(const Network& network, std::size_t resolved_at) {
  const std::string& name = network.resolved.model.layers[resolved_at].name;
  int at = network.target.find(name);
  for (const auto& [layer, norm] : network.resolved.fused) {
    if (layer == name) at = std::max(at, network.target.find(norm));
  }
  return at;
}

ExactLayer::ExactLayer(const Resolved& resolved, std::size_t layer)
    : engine_(program_up_to(resolved, layer), {.counting = Counting::kNone}) {}

Model up_to(const Model& model, std::size_t layer) { return with_layers(model, needed_by(model, layer), layer); }

}  // namespace narrow
