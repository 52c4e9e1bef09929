#include "precision/network.h"

#include <algorithm>
#include <string>

#include "fixed/cast.h"

namespace narrow {
namespace {

// Applies `moved` to the index of every layer that is read, the model's outputs among them.
template <class Moved>
void rewire(Model& model, const Moved& moved) {
  for (Layer& layer : model.layers) std::transform(layer.inputs.begin(), layer.inputs.end(), layer.inputs.begin(), moved);
  std::transform(model.outputs.begin(), model.outputs.end(), model.outputs.begin(), moved);
}

}  // namespace

int uses(const Model& model, int index) {
  int count = 0;
  for (const Layer& layer : model.layers) count += static_cast<int>(std::count(layer.inputs.begin(), layer.inputs.end(), index));
  return count;
}

bool all_are(std::span<const float> values, float value) {
  return std::all_of(values.begin(), values.end(), [&](float each) { return each == value; });
}

bool all_are(const Numbers& numbers, double value) {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] != value) return false;
  }
  return true;
}

void remove_layer(Model& model, int removed, int replacement) {
  rewire(model, [&](int index) {
    const int target = index == removed ? replacement : index;
    return target > removed ? target - 1 : target;
  });
  model.layers.erase(model.layers.begin() + removed);
}

void insert_layer(Model& model, int at, Layer layer) {
  rewire(model, [&](int index) { return index >= at ? index + 1 : index; });
  model.layers.insert(model.layers.begin() + at, std::move(layer));
}

void insert_behind(Model& model, int before, Layer layer) {
  rewire(model, [&](int index) { return index >= before ? index + 1 : index; });
  model.layers.insert(model.layers.begin() + before + 1, std::move(layer));
}

bool counts_all(const Shape& larger, const Shape& smaller) {
  const auto text = [](const Shape& shape) {
    std::string size;
    for (const int d : shape) size += (size.empty() ? "" : "*") + std::to_string(d);
    return size;
  };
  return text(larger) > text(smaller);
}

bool takes_all(const Format& from, const Format& to) {
  const auto with = [&](Int128 raw) {
    const CastResult value = cast(raw, from, to);
    return !value.overflow && from.fraction() <= to.fraction();
  };
  return from == to || (!to.is_integer && with(min_raw(from)) && with(max_raw(from)));
}

}  // namespace narrow
