// For tests: the smallest case that still fails (engine/random_program.h).
#include <algorithm>
#include <cstdio>
#include <numeric>
#include <optional>

#include "engine/random_program.h"
#include "error.h"
#include "layers/batch_normalization.h"
#include "layers/dense.h"
#include "layers/flatten.h"
#include "layers/input.h"

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

// The network with only some of the last axis' values of one layer, an Input or a Dense, whatever follows made to fit. Networks are
// chains here: each layer reads the one before it.
std::optional<RandomCase> with_columns(RandomCase from, std::size_t at, const Indices& keep) {
  const Shape input_shape = from.model.layers.front().shape;
  Indices kept = keep;
  for (std::size_t i = at; i < from.model.layers.size(); ++i) {
    Layer& layer = from.model.layers[i];
    const auto* dense = as<Dense>(layer);
    if (as<Input>(layer) != nullptr) {
      const auto width = static_cast<std::size_t>(input_shape.back());
      from.x = columns_of(from.x, width, kept);
      layer.shape.back() = static_cast<int>(kept.size());
      layer.op = std::make_shared<Input>(layer.shape);
    } else if (dense != nullptr && i == at) {
      layer.op = std::make_shared<Dense>(dense->n_in, static_cast<int>(kept.size()),
                                         columns_of(dense->kernel, static_cast<std::size_t>(dense->n_out), kept),
                                         dense->bias.empty() ? std::vector<float>() : chosen(dense->bias, kept));
    } else if (dense != nullptr) {
      layer.op = std::make_shared<Dense>(static_cast<int>(kept.size()), dense->n_out,
                                         rows_of(dense->kernel, static_cast<std::size_t>(dense->n_out), kept), dense->bias);
      kept = all_of(static_cast<std::size_t>(dense->n_out));
    } else if (const auto* norm = as<BatchNormalization>(layer)) {
      layer.op = std::make_shared<BatchNormalization>(chosen(norm->gamma, kept), chosen(norm->beta, kept), chosen(norm->mean, kept),
                                                      chosen(norm->variance, kept), norm->epsilon);
    } else if (as<Flatten>(layer) != nullptr) {
      return std::nullopt;  // its columns are rows times columns: left as they are
    }
    if (i > 0) layer.shape = output_shape(layer, {from.model.layers[i - 1].shape});
  }
  return from;
}

std::optional<RandomCase> with_rows(RandomCase from, std::size_t rows) {
  Layer& input = from.model.layers.front();
  if (input.shape.size() != 2 || rows == 0 || rows >= static_cast<std::size_t>(input.shape.front())) return std::nullopt;
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
    layer.shape = output_shape(layer, {from.model.layers[i - 1].shape});
  }
  return from;
}

RandomCase with_sample(RandomCase from, std::size_t sample) {
  const std::size_t size = from.x.size() / from.n;
  from.x = {from.x.begin() + static_cast<std::ptrdiff_t>(sample * size), from.x.begin() + static_cast<std::ptrdiff_t>((sample + 1) * size)};
  from.n = 1;
  return from;
}

// The last layer gone, or one in the middle that keeps its input's shape.
std::optional<RandomCase> without_layer(RandomCase from, std::size_t at) {
  std::vector<Layer>& layers = from.model.layers;
  if (at == 0 || layers.size() < 3) return std::nullopt;
  if (at + 1 < layers.size() && layers[at].shape != layers[at - 1].shape) return std::nullopt;
  layers.erase(layers.begin() + static_cast<std::ptrdiff_t>(at));
  for (std::size_t i = at; i < layers.size(); ++i) layers[i].inputs = {static_cast<int>(i) - 1};
  from.model.outputs = {static_cast<int>(layers.size()) - 1};
  return from;
}

std::optional<RandomCase> with_weight_of_zero(RandomCase from, std::size_t at, std::size_t weight) {
  const auto* dense = as<Dense>(from.model.layers[at]);
  std::vector<float> kernel = dense->kernel;
  std::vector<float> bias = dense->bias;
  float& value = weight < kernel.size() ? kernel[weight] : bias[weight - kernel.size()];
  if (value == 0) return std::nullopt;
  value = 0;
  from.model.layers[at].op = std::make_shared<Dense>(dense->n_in, dense->n_out, std::move(kernel), std::move(bias));
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
      const auto* dense = as<Dense>(best_.model.layers[i]);
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
