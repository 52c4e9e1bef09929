#ifndef NARROW_LAYERS_REUSE_FACTOR_H_
#define NARROW_LAYERS_REUSE_FACTOR_H_

namespace narrow {

// FPGABackend.set_closest_reuse_factor, of a matrix of n_in x n_out: the nearest valid one up to `most`, the smaller of two equally near.
int closest_reuse_factor(int n_in, int n_out, int most, int asked);

}  // namespace narrow

#endif  // NARROW_LAYERS_REUSE_FACTOR_H_
