#ifndef NARROW_PRECISION_BIT_EXACT_H_
#define NARROW_PRECISION_BIT_EXACT_H_

#include "precision/precision.h"

namespace narrow {

// Whether the network holds quantizers of HGQ 1 or HGQ2, from which hls4ml infers every type.
bool is_proxy(const Model& model);

// hls4ml 1.3.0's passes bit_exact, fuse_fixed_point_quantizer and fix_input_precision (docs/numerics.md, Proxy models of HGQ): each layer
// gets types of its own, whatever the configuration says; quantizers with one type for all values go, and the layer before has their type.
// Throws Error for a layer that narrow does not take there, and where hls4ml's program would read outside of a table.
void make_bit_exact(Resolved& resolved);

}  // namespace narrow

#endif  // NARROW_PRECISION_BIT_EXACT_H_
