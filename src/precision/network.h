#ifndef NARROW_PRECISION_NETWORK_H_
#define NARROW_PRECISION_NETWORK_H_

#include <span>

#include "model/model.h"

namespace narrow {

// What hls4ml's passes ask of a network, and how they change it.

// How often other layers read layer `index`; hls4ml does not count a model's outputs.
int uses(const Model& model, int index);
// Whether all of a layer's numbers are `value`.
bool all_are(std::span<const float> values, float value);
bool all_are(const Numbers& numbers, double value);

// Takes layer `removed` out; what read it reads `replacement`.
void remove_layer(Model& model, int removed, int replacement);
// Puts a layer at `at`, where nothing reads it yet.
void insert_layer(Model& model, int at, Layer layer);
// Puts a layer that reads layer `before` behind it; what read that one reads the new one.
void insert_behind(Model& model, int before, Layer layer);

}  // namespace narrow

#endif  // NARROW_PRECISION_NETWORK_H_
