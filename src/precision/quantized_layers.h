#ifndef NARROW_PRECISION_QUANTIZED_LAYERS_H_
#define NARROW_PRECISION_QUANTIZED_LAYERS_H_

#include "precision/precision.h"

namespace narrow {

// What hls4ml 1.3.0 makes of layers that were trained with quantized weights and values (docs/numerics.md, Quantized networks). The
// passes below look at layer `i` and say whether they changed the network.

// QKerasFactorizeAlpha: the scale goes out of the weights into a layer of its own behind them, NAME_alpha, and takes the bias along.
// Throws Error where hls4ml's answer is undefined.
bool factorize_alpha(Resolved& resolved, int i);
// ExtractTernaryThreshold: a ternary activation with a threshold other than 0.5 has its values scaled before it, in NAME_scale.
bool extract_threshold(Resolved& resolved, int i);
// ReplaceMultidimensionalDenseWithConv forgets the quantizers of a Dense on a set or an image.
void forget_quantizers(Resolved& resolved, int i);

// When types are known: MergeBatchNormAndQuantizedTanh, QuantizeDenseOutput.
void merge_sign_activations(Resolved& resolved);

// The quantizer of an activation that is left out, where that changes the numbers.
void note_dropped_quantizer(Resolved& resolved, const Layer& layer);

// Whether hls4ml makes the layer itself; a configuration cannot speak of it, and it has no place in one that is written.
bool is_made(const Layer& layer);

// Whether hls4ml would fold a normalization into the layer. Throws Error for a quantized one whose numbers come out otherwise.
void require_unfused(const Layer& layer, const Layer& norm);

}  // namespace narrow

#endif  // NARROW_PRECISION_QUANTIZED_LAYERS_H_
