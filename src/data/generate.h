#ifndef NARROW_DATA_GENERATE_H_
#define NARROW_DATA_GENERATE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

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

// Jets of five classes, gluon, light quark, W, Z and top, by 16 features of their substructure: a toy for classifiers, of no simulation.
// Jet i of the sequence is the same on any machine and whatever the number of jets.
// - The class is drawn uniformly; its index is the place of the 1 in a row of y.
// - Each jet has a groomed mass, in GeV: for W, Z and top a normal about 80.4, 91.2 and 173 of the width 8, 8 and 14, but with the
//   probability 0.15 a decay product is lost and the mass is that times a uniform of 0.4 to 1; for gluon and quark 50 and 38 times exp(0.55
//   z).
// - A common latent normal, the amount of radiation, and one of its own make each other feature: mean of the class + width of the feature
//   * (r * common + sqrt(1 - r^2) * own), with the tables of generate.cc. x holds all, shifted and scaled to be of order 1.
struct Jets {
  std::vector<float> x, y;  // (count, 16) and (count, 5), classes in the order of above
};
Jets generate_jets(std::uint64_t seed, std::size_t first, std::size_t count);

// showers, uniform, jets.
std::vector<std::string> generator_kinds();

// A file as `narrow generate` makes it, of any kind. Jets are prepared samples, .npz or .h5; the others clusters. `progress` is called with
// the samples done.
struct GeneratedFile {
  std::string path, kind = "showers";
  std::size_t samples = 10000;
  std::uint64_t seed = 1;
  int vmax = 128;
};
void write_generated(const GeneratedFile& file, const std::function<void(std::size_t done)>& progress);

// The columns that generate() fills.
ClusterColumns generated_columns();

}  // namespace narrow

#endif  // NARROW_DATA_GENERATE_H_
