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

// Whether hls4ml computes all values of a merge of two shapes: it takes the larger of two sizes that it has as texts, `6` and `3*6`, for
// how many there are (merge_templates.py).
bool counts_all(const Shape& larger, const Shape& smaller);
// Whether every value of a type is one of the other's.
bool takes_all(const Format& from, const Format& to);

// Takes layer `removed` out; what read it reads `replacement`.
void remove_layer(Model& model, int removed, int replacement);
// Puts a layer at `at`, where nothing reads it yet.
void insert_layer(Model& model, int at, Layer layer);
// Puts a layer that reads layer `before` behind it; what read that one reads the new one.
void insert_behind(Model& model, int before, Layer layer);

}  // namespace narrow

#endif  // NARROW_PRECISION_NETWORK_H_
