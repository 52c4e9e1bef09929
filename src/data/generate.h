#ifndef NARROW_DATA_GENERATE_H_
#define NARROW_DATA_GENERATE_H_

#include <cstddef>
#include <cstdint>

#include "data/clusters.h"

namespace narrow {

enum class GeneratorKind : std::uint8_t { kShowers, kUniform };

// Clusters `first` to `first + count` of an endless sequence that a seed stands for, the same on any machine. Features eta, phi,
// layer and energy, target true_energy.
//
// kUniform, the study's dummy data: from 4 to vmax - 1 cells, features uniform in [0, 1), target uniform in [0, 1).
//
// kShowers, electromagnetic showers in a sampling calorimeter of eight layers, energies in GeV:
// - true energy E from 2 to 200, uniform in log E.
// - Longitudinal profile dE/dt ~ (b t)^(a-1) e^(-b t), t in radiation lengths (Longo and Sestili, NIM 128 (1975) 283), with
//   T = (a-1)/b the depth of the maximum. ln T and ln a fluctuate as correlated normals with the means, widths and correlation
//   of Grindhammer and Peters, hep-ex/0001020, appendix A (homogeneous media): with y = E / Ec,
//   <ln T> = ln(ln y - 0.812), sigma = 1 / (-1.4 + 1.26 ln y); <ln a> = ln(0.81 + (0.458 + 2.26/Z) ln y),
//   sigma = 1 / (-0.58 + 0.86 ln y); rho = 0.705 - 0.023 ln y.
// - Sampling: the energy seen in a layer that takes the share f is Gamma distributed with mean f E and variance s^2 f E,
//   s = 10 % sqrt(GeV): the sum over layers has sigma/E = 10 % / sqrt(E) (Wigmans, Calorimetry, ch. 4).
// - Lateral profile f(r) = 2 r R^2 / (r^2 + R^2)^2 for a core and a tail (same paper, section 3.2), here with the same two
//   radii at all depths; drawn as spots.
// - Cells of 0.025 x 0.025 (layers 0 to 4) and 0.1 x 0.1 (5 to 7) in eta x phi around the cluster's centre, within 0.2; Gaussian
//   noise in each; those above a threshold are kept, the largest energy first.
Clusters generate(GeneratorKind kind, std::uint64_t seed, std::size_t first, std::size_t count, int vmax);

// The columns that generate() fills.
ClusterColumns generated_columns();

}  // namespace narrow

#endif  // NARROW_DATA_GENERATE_H_
