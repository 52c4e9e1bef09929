// For tests: the smallest case that still fails (engine/random_program.h).
#include <algorithm>
#include <cstdio>
#include <map>
#include <numeric>
#include <optional>

#include "engine/random_program.h"
#include "error.h"
#include "layers/batch_normalization.h"
#include "layers/convolution.h"
#include "layers/dense.h"
#include "layers/flatten.h"
#include "layers/input.h"
#include "layers/merge.h"
#include "layers/rearrangement.h"

namespace narrow {
namespace {

using Indices = std::vector<std::size_t>;

std::vector<float> chosen(std::span<const float> values, const Indices& keep) {
  std::vector<float> result;
  for (const std::size_t i : keep) result.push_back(values[i]);
  return result;
}

// Columns of a matrix (rows of `width`), or rows of it.
std::vector<float> columns_of(const std::vector<float>& values, std::size_t width, const Indices& keep) {
  std::vector<float> result;
  for (std::size_t row = 0; row < values.size(); row += width) {
    for (const std::size_t j : keep) result.push_back(values[row + j]);
  }
  return result;
}
std::vector<float> rows_of(const std::vector<float>& values, std::size_t width, const Indices& keep) {
  std::vector<float> result;
  for (const std::size_t i : keep) {
    result.insert(result.end(), values.begin() + static_cast<std::ptrdiff_t>(i * width),
                  values.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
  }
  return result;
}

Indices all_of(std::size_t count) {
  Indices all(count);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// The network with only some of the last axis' values of one layer, an Input or a Dense, whatever follows made to fit.
std::optional<RandomCase> with_columns(RandomCase from, std::size_t at, const Indices& keep) {
  std::map<std::size_t, Indices> kept;  // of the layers that change
  for (std::size_t i = at; i < from.model.layers.size(); ++i) {
    Layer& layer = from.model.layers[i];
    const auto* dense = as<Dense>(layer);
    if (i == at && dense == nullptr) {
      if (from.model.inputs().size() > 1) return std::nullopt;
      from.x = columns_of(from.x, static_cast<std::size_t>(layer.shape.back()), keep);
      layer.shape.back() = static_cast<int>(keep.size());
      layer.op = std::make_shared<Input>(layer.shape);
      kept[i] = keep;
      continue;
    }
    if (i == at) {
      layer.op = std::make_shared<Dense>(dense->n_in, static_cast<int>(keep.size()),
                                         columns_of(dense->kernel, static_cast<std::size_t>(dense->n_out), keep),
                                         dense->bias.empty() ? std::vector<float>() : chosen(dense->bias, keep));
      kept[i] = keep;
      layer.shape = output_shape(layer, from.model.input_shapes(layer));
      continue;
    }
    const bool changed =
        std::any_of(layer.inputs.begin(), layer.inputs.end(), [&](int input) { return kept.contains(static_cast<std::size_t>(input)); });
    if (!changed) continue;
    // A Flatten's columns are rows times columns, those of a Concatenate are of both: left as they are, as a convolution is, and what moves
    // values.
    if (as<Convolution>(layer) != nullptr || as<Rearrangement>(layer) != nullptr) return std::nullopt;
    if (layer.inputs.size() > 1 ? as<Merge>(layer) == nullptr : as<Flatten>(layer) != nullptr) return std::nullopt;
    const Indices& columns = kept[static_cast<std::size_t>(layer.inputs.front())];
    if (kept[static_cast<std::size_t>(layer.inputs.back())] != columns) return std::nullopt;
    if (dense != nullptr) {
      layer.op = std::make_shared<Dense>(static_cast<int>(columns.size()), dense->n_out,
                                         rows_of(dense->kernel, static_cast<std::size_t>(dense->n_out), columns), dense->bias);
    } else if (const auto* norm = as<BatchNormalization>(layer)) {
      layer.op = std::make_shared<BatchNormalization>(chosen(norm->gamma, columns), chosen(norm->beta, columns),
                                                      chosen(norm->mean, columns), chosen(norm->variance, columns), norm->epsilon);
    }
    layer.shape = output_shape(layer, from.model.input_shapes(layer));
    if (dense == nullptr) kept[i] = columns;
  }
  return from;
}

std::optional<RandomCase> with_rows(RandomCase from, std::size_t rows) {
  Layer& input = from.model.layers.front();
  if (from.model.inputs().size() > 1 || input.shape.size() != 2 || rows == 0 || rows >= static_cast<std::size_t>(input.shape.front()))
    return std::nullopt;
  const auto width = static_cast<std::size_t>(input.shape.back());
  const std::size_t size = size_of(input.shape);
  std::vector<float> x;
  for (std::size_t s = 0; s < from.n; ++s) {
    const auto sample = from.x.begin() + static_cast<std::ptrdiff_t>(s * size);
    x.insert(x.end(), sample, sample + static_cast<std::ptrdiff_t>(rows * width));
  }
  from.x = std::move(x);
  input.shape.front() = static_cast<int>(rows);
  input.op = std::make_shared<Input>(input.shape);
  for (std::size_t i = 1; i < from.model.layers.size(); ++i) {
    Layer& layer = from.model.layers[i];
    if (as<Flatten>(layer) != nullptr) return std::nullopt;
    try {
      layer.shape = output_shape(layer, from.model.input_shapes(layer));
    } catch (const Error&) {
      return std::nullopt;  // no whole window any more
    }
  }
  return from;
}

RandomCase with_sample(RandomCase from, std::size_t sample) {
  const std::size_t size = from.x.size() / from.n;
  from.x = {from.x.begin() + static_cast<std::ptrdiff_t>(sample * size), from.x.begin() + static_cast<std::ptrdiff_t>((sample + 1) * size)};
  from.n = 1;
  return from;
}

// A layer gone, one that keeps its first input's shape or that no other reads; whatever reads it reads that input.
std::optional<RandomCase> without_layer(RandomCase from, std::size_t at) {
  std::vector<Layer>& layers = from.model.layers;
  if (layers[at].inputs.empty()) return std::nullopt;
  const int removed = static_cast<int>(at);
  const int input = layers[at].inputs.front();
  const bool read = std::any_of(layers.begin(), layers.end(), [&](const Layer& layer) {
    return std::find(layer.inputs.begin(), layer.inputs.end(), removed) != layer.inputs.end();
  });
  if (read && layers[at].shape != layers[static_cast<std::size_t>(input)].shape) return std::nullopt;
  const auto rewired = [&](int index) { return index == removed ? input : index > removed ? index - 1 : index; };
  layers.erase(layers.begin() + removed);
  for (Layer& layer : layers) std::transform(layer.inputs.begin(), layer.inputs.end(), layer.inputs.begin(), rewired);
  std::vector<int> outputs;
  for (const int output : from.model.outputs) {
    if (std::find(outputs.begin(), outputs.end(), rewired(output)) == outputs.end()) outputs.push_back(rewired(output));
  }
  from.model.outputs = outputs;
  return from;
}

std::optional<RandomCase> with_weight_of_zero(RandomCase from, std::size_t at, std::size_t weight) {
  const Dense* dense = matrix_of(from.model.layers[at]);
  std::vector<float> kernel = dense->kernel;
  std::vector<float> bias = dense->bias;
  float& value = weight < kernel.size() ? kernel[weight] : bias[weight - kernel.size()];
  if (value == 0) return std::nullopt;
  value = 0;
  from.model.layers[at].op = with_numbers(from.model.layers[at], std::move(kernel), std::move(bias));
  return from;
}

class Shrinker {
 public:
  Shrinker(RandomCase failing, const std::function<bool(const RandomCase&)>& fails) : best_(std::move(failing)), fails_(fails) {}

  RandomCase run() {
    while (smaller()) {
    }
    return best_;
  }

 private:
  bool take(std::optional<RandomCase> candidate) {
    try {
      if (!candidate || !fails_(*candidate)) return false;
    } catch (const Error&) {
      return false;  // not a network any more
    }
    best_ = *std::move(candidate);
    return true;
  }

  bool smaller() {
    for (std::size_t s = 0; best_.n > 1 && s < best_.n; ++s) {
      if (take(with_sample(best_, s))) return true;
    }
    for (std::size_t i = best_.model.layers.size(); i-- > 1;) {
      if (take(without_layer(best_, i))) return true;
    }
    const auto rows = static_cast<std::size_t>(best_.model.layers.front().shape.front());
    if (take(with_rows(best_, rows / 2)) || take(with_rows(best_, rows - 1))) return true;
    for (std::size_t i = 0; i < best_.model.layers.size(); ++i) {
      const Layer& layer = best_.model.layers[i];
      const auto width = static_cast<std::size_t>(layer.shape.back());
      if ((i > 0 && as<Dense>(layer) == nullptr) || width < 2) continue;
      const Indices all = all_of(width);
      const auto half = all.begin() + static_cast<std::ptrdiff_t>(width / 2);
      for (const Indices& keep : {Indices(all.begin(), half), Indices(half, all.end()), Indices(all.begin() + 1, all.end()),
                                  Indices(all.begin(), all.end() - 1)}) {
        if (take(with_columns(best_, i, keep))) return true;
      }
    }
    for (std::size_t i = 0; i < best_.model.layers.size(); ++i) {
      const Dense* dense = matrix_of(best_.model.layers[i]);
      constexpr std::size_t kFew = 100;
      const std::size_t weights = dense == nullptr ? 0 : dense->kernel.size() + dense->bias.size();
      for (std::size_t w = 0; weights <= kFew && w < weights; ++w) {
        if (take(with_weight_of_zero(best_, i, w))) return true;
      }
    }
    return false;
  }

  RandomCase best_;
  const std::function<bool(const RandomCase&)>& fails_;
};

std::string numbers(std::span<const float> values) {
  std::string text;
  for (const float value : values) {
    char number[32];
    std::snprintf(number, sizeof number, "%.9g", static_cast<double>(value));
    text += (text.empty() ? "" : ", ") + std::string(number);
  }
  return text;
}

}  // namespace

RandomCase shrink(RandomCase failing, const std::function<bool(const RandomCase&)>& fails) {
  return Shrinker(std::move(failing), fails).run();
}

std::string describe(const RandomCase& found) {
  std::string text = to_yaml(resolve(found.model, found.config));
  for (const Layer& layer : found.model.layers) {
    text += layer.name + " (" + layer.keras_class + ") " + to_string(layer.shape) + "\n";
    for (const WeightArray& array : layer.op->weights())
      text += "  " + std::string(name_of(array.type)) + ": " + numbers(array.values) + "\n";
  }
  return text + std::to_string(found.n) + " samples: " + numbers(found.x) + "\n";
}

}  // namespace narrow
