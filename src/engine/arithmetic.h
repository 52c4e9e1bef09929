#ifndef NARROW_ENGINE_ARITHMETIC_H_
#define NARROW_ENGINE_ARITHMETIC_H_

namespace narrow {

// The version of narrow's arithmetic. Studies store it with each result, and compute results of another version again.
// Raise it with every change after which any model, at any types, could give another fixed-point result, type, overflow count or float
// result (or metric) than before: a mended kernel, bound or cast, a type inferred otherwise, another order of float32 sums.
// Version 1 are all results from before it was stored.
inline constexpr int kArithmetic = 6;

}  // namespace narrow

#endif  // NARROW_ENGINE_ARITHMETIC_H_
