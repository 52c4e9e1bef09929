#include "data/generate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>

#include "data/hdf5.h"
#include "data/npy.h"
#include "data/portable.h"
#include "data/zip.h"
#include "error.h"

namespace narrow {
namespace {

struct Cell {
  double eta, phi, layer, energy;
};

constexpr double kLeastEnergy = 2;
constexpr double kMostEnergy = 200;
constexpr double kCriticalEnergy = 0.0074;  // GeV, of lead (PDG)
constexpr double kZ = 82;
constexpr double kSampling = 0.10;  // sqrt(GeV)
constexpr double kThreshold = 0.06;
constexpr double kMoliere = 0.02;     // in eta and phi
constexpr double kCoreRadius = 0.25;  // in Moliere radii
constexpr double kTailRadius = 1.5;
constexpr double kCoreShare = 0.85;
constexpr double kHalfWindow = 0.2;
constexpr int kLayers = 8;

struct LayerOfCells {
  double begin, end;  // radiation lengths
  double size;        // of a cell in eta and phi
  double noise;       // GeV
};
constexpr std::array<LayerOfCells, kLayers> kCalorimeter = {{{0, 2, 0.025, 0.02},
                                                             {2, 6, 0.025, 0.02},
                                                             {6, 14, 0.025, 0.03},
                                                             {14, 20, 0.025, 0.03},
                                                             {20, 24, 0.025, 0.025},
                                                             {24, 28, 0.1, 0.03},
                                                             {28, 34, 0.1, 0.03},
                                                             {34, 42, 0.1, 0.03}}};

// The share of a shower's energy in each layer.
std::array<double, kLayers> longitudinal(PortableRandom& random, double energy) {
  const double ln_y = portable_log(energy / kCriticalEnergy);
  const double rho = 0.705 - 0.023 * ln_y;
  const double z1 = random.normal();
  const double z2 = random.normal();
  const double ln_t = portable_log(ln_y - 0.812) + z1 / (-1.4 + 1.26 * ln_y);
  const double correlated = rho * z1 + std::sqrt(1 - rho * rho) * z2;
  const double ln_a = portable_log(0.81 + (0.458 + 2.26 / kZ) * ln_y) + correlated / (-0.58 + 0.86 * ln_y);
  const double t = portable_exp(ln_t);
  const double a = std::max(portable_exp(ln_a), 1.1);
  const double b = (a - 1) / t;
  // Midpoints of half a radiation length, scaled to 1 at the maximum.
  constexpr double kStep = 0.5;
  std::array<double, kLayers> shares{};
  for (std::size_t i = 0; i < kLayers; ++i) {
    for (double depth = kCalorimeter[i].begin + kStep / 2; depth < kCalorimeter[i].end; depth += kStep) {
      shares[i] += portable_exp((a - 1) * portable_log(depth / t) - b * (depth - t));
    }
  }
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= sum;
  return shares;
}

// The energy of one layer spread over its cells, with noise; (side, side) row major.
void fill_layer(PortableRandom& random, std::size_t index, double energy, double eta, double phi, std::vector<Cell>& cells) {
  const LayerOfCells& layer = kCalorimeter[index];
  const auto half = static_cast<int>(std::lround(kHalfWindow / layer.size));
  const int side = 2 * half + 1;
  std::vector<double> grid(static_cast<std::size_t>(side) * static_cast<std::size_t>(side));
  for (double& value : grid) value = layer.noise * random.normal();
  constexpr double kMostSpots = 400;
  const double spots = std::ceil(std::min(kMostSpots, std::max(1.0, energy / (kSampling * kSampling))));
  for (int i = 0; energy > 0 && i < static_cast<int>(spots); ++i) {
    const double radius = kMoliere * (random.uniform() < kCoreShare ? kCoreRadius : kTailRadius);
    const double u = random.uniform();
    const double r = radius * std::sqrt(u / (1 - u));
    double x = 0;
    double y = 0;
    random.direction(x, y);
    const double column = std::floor((eta + r * x) / layer.size + 0.5) + half;
    const double row = std::floor((phi + r * y) / layer.size + 0.5) + half;
    if (column < 0 || row < 0 || column >= side || row >= side) continue;
    grid[static_cast<std::size_t>(row) * static_cast<std::size_t>(side) + static_cast<std::size_t>(column)] += energy / spots;
  }
  for (int row = 0; row < side; ++row) {
    for (int column = 0; column < side; ++column) {
      const double value = grid[static_cast<std::size_t>(row * side + column)];
      if (value < kThreshold) continue;
      cells.push_back({(column - half) * layer.size, (row - half) * layer.size, static_cast<double>(index), value});
    }
  }
}

double shower(PortableRandom& random, std::vector<Cell>& cells) {
  const double energy = kLeastEnergy * portable_exp(random.uniform() * portable_log(kMostEnergy / kLeastEnergy));
  const std::array<double, kLayers> shares = longitudinal(random, energy);
  // Where the particle enters, within the central cell.
  const double eta = random.uniform(-0.0125, 0.0125);
  const double phi = random.uniform(-0.0125, 0.0125);
  for (std::size_t i = 0; i < kLayers; ++i) {
    const double mean = shares[i] * energy;
    const double shape = mean / (kSampling * kSampling);
    // Fewer than a third of a spot: seen whole or not at all.
    double seen = 0;
    if (shape > 0.34) seen = random.gamma(shape) * kSampling * kSampling;
    else if (random.uniform() < shape) seen = kSampling * kSampling;
    fill_layer(random, i, seen, eta, phi, cells);
  }
  std::stable_sort(cells.begin(), cells.end(), [](const Cell& a, const Cell& b) { return a.energy > b.energy; });
  return energy;
}

double uniform_cluster(PortableRandom& random, int vmax, std::vector<Cell>& cells) {
  constexpr std::uint64_t kLeastCells = 4;
  const std::uint64_t count = random.integer(kLeastCells, static_cast<std::uint64_t>(std::max(vmax, 5)) - 1);
  for (std::uint64_t i = 0; i < count; ++i) {
    const double eta = random.uniform();
    const double phi = random.uniform();
    const double layer = random.uniform();
    cells.push_back({eta, phi, layer, random.uniform()});
  }
  return random.uniform();
}

// A good seed for each cluster from the file's: the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
std::uint64_t seed_of(std::uint64_t seed, std::uint64_t cluster) {
  std::uint64_t z = seed * 0x9e3779b97f4a7c15 + cluster + 1;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

namespace {

constexpr std::size_t kJetFeatures = 16;
constexpr std::size_t kJetClasses = 5;
struct JetFeature {
  const char* name;                      // for whoever reads the table
  std::array<double, kJetClasses> mean;  // of g, q, w, z, t
  double width;
  double common;  // r, of the width the part that follows the common radiation
};
// (The mass is drawn by itself.)
constexpr std::array<JetFeature, kJetFeatures> kJets{{{"mass", {}, 0, 0},
                                                      {"multiplicity", {62, 40, 45, 46, 68}, 13, 0.8},
                                                      {"zlogz", {-3.4, -2.8, -2.9, -2.9, -3.5}, 0.45, -0.8},
                                                      {"c1_b0", {0.46, 0.42, 0.43, 0.43, 0.47}, 0.02, 0.6},
                                                      {"c1_b1", {0.14, 0.10, 0.13, 0.14, 0.19}, 0.045, 0.5},
                                                      {"c1_b2", {0.05, 0.03, 0.04, 0.045, 0.075}, 0.025, 0.4},
                                                      {"c2_b1", {0.13, 0.11, 0.07, 0.075, 0.11}, 0.035, 0.5},
                                                      {"c2_b2", {0.07, 0.055, 0.025, 0.028, 0.05}, 0.03, 0.3},
                                                      {"d2_b1", {2.2, 2.1, 1.2, 1.2, 1.6}, 0.5, 0.3},
                                                      {"d2_b2", {3.2, 3.0, 1.1, 1.1, 1.9}, 1.1, 0.2},
                                                      {"m2_b1", {0.10, 0.09, 0.06, 0.06, 0.09}, 0.025, 0.4},
                                                      {"m2_b2", {0.05, 0.04, 0.02, 0.02, 0.04}, 0.02, 0.3},
                                                      {"n2_b1", {0.36, 0.34, 0.24, 0.24, 0.29}, 0.06, 0.2},
                                                      {"n2_b2", {0.33, 0.31, 0.19, 0.19, 0.26}, 0.08, 0.2},
                                                      {"tau21", {0.66, 0.62, 0.36, 0.35, 0.52}, 0.12, 0.1},
                                                      {"tau32", {0.80, 0.78, 0.74, 0.74, 0.52}, 0.11, 0.1}}};

void jet(PortableRandom& random, float* x, float* y) {
  const auto own = static_cast<std::size_t>(random.integer(0, kJetClasses - 1));
  constexpr std::array<double, kJetClasses> kMass{50, 38, 80.4, 91.2, 173};
  constexpr std::array<double, kJetClasses> kWidth{0, 0, 8, 8, 14};
  constexpr double kSpread = 0.55;
  constexpr double kLost = 0.15;
  double mass = kMass[own];
  if (kWidth[own] == 0) mass *= portable_exp(kSpread * random.normal());
  else mass += kWidth[own] * random.normal();
  if (kWidth[own] > 0 && random.uniform() < kLost) mass *= random.uniform(0.4, 1);
  const double common = random.normal();
  constexpr double kUsualMass = 85;
  constexpr double kMassScale = 45;
  x[0] = static_cast<float>((mass - kUsualMass) / kMassScale);
  for (std::size_t i = 1; i < kJetFeatures; ++i) {
    const JetFeature& feature = kJets[i];
    const double value =
        feature.mean[own] + feature.width * (feature.common * common + std::sqrt(1 - feature.common * feature.common) * random.normal());
    const double middle = std::accumulate(feature.mean.begin(), feature.mean.end(), 0.0) / kJetClasses;
    x[i] = static_cast<float>((value - middle) / feature.width);
  }
  std::fill_n(y, kJetClasses, 0.0F);
  y[own] = 1;
}

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

void write_jets(const GeneratedFile& file, const std::function<void(std::size_t done)>& progress) {
  const bool is_hdf5 = file.path.ends_with(".h5");
  if (!is_hdf5 && !file.path.ends_with(".npz")) throw Error(file.path + ": jets are prepared samples, written to .npz or .h5");
  constexpr std::size_t kBlock = 10000;
  std::optional<Hdf5Writer> hdf5;
  if (is_hdf5) hdf5.emplace(file.path);
  Jets all;
  for (std::size_t done = 0; done < file.samples; done += kBlock) {
    const std::size_t count = std::min(kBlock, file.samples - done);
    const Jets jets = generate_jets(file.seed, done, count);
    if (hdf5) {
      hdf5->append<float>("/x", {count, kJetFeatures}, jets.x);
      hdf5->append<float>("/y", {count, kJetClasses}, jets.y);
    } else {
      all.x.insert(all.x.end(), jets.x.begin(), jets.x.end());
      all.y.insert(all.y.end(), jets.y.begin(), jets.y.end());
    }
    progress(done + count);
  }
  if (hdf5) return hdf5->commit();
  ZipWriter zip(file.path);
  zip.add("x.npy", npy_header("<f4", {file.samples, kJetFeatures}) + bytes_of(all.x));
  zip.add("y.npy", npy_header("<f4", {file.samples, kJetClasses}) + bytes_of(all.y));
  zip.commit();
}

}  // namespace

Jets generate_jets(std::uint64_t seed, std::size_t first, std::size_t count) {
  Jets jets{std::vector<float>(count * kJetFeatures), std::vector<float>(count * kJetClasses)};
  for (std::size_t i = 0; i < count; ++i) {
    PortableRandom random(seed_of(seed, first + i));
    jet(random, jets.x.data() + i * kJetFeatures, jets.y.data() + i * kJetClasses);
  }
  return jets;
}

std::vector<std::string> generator_kinds() { return {"showers", "uniform", "jets"}; }

void write_generated(const GeneratedFile& file, const std::function<void(std::size_t done)>& progress) {
  if (file.kind == "jets") return write_jets(file, progress);
  const GeneratorKind kind = file.kind == "uniform" ? GeneratorKind::kUniform : GeneratorKind::kShowers;
  const std::unique_ptr<ClusterWriter> writer = create_clusters(file.path, generated_columns());
  constexpr std::size_t kBlock = 1000;
  for (std::size_t done = 0; done < file.samples; done += kBlock) {
    const std::size_t count = std::min(kBlock, file.samples - done);
    writer->write(generate(kind, file.seed, done, count, file.vmax));
    progress(done + count);
  }
  writer->commit();
}

ClusterColumns generated_columns() { return {{"eta", "phi", "layer", "energy"}, "true_energy", {}, ""}; }

Clusters generate(GeneratorKind kind, std::uint64_t seed, std::size_t first, std::size_t count, int vmax) {
  Clusters clusters;
  clusters.path = "generated clusters";
  clusters.first = first;
  clusters.cells.resize(generated_columns().features.size());
  std::vector<Cell> cells;
  for (std::size_t i = 0; i < count; ++i) {
    PortableRandom random(seed_of(seed, first + i));
    cells.clear();
    clusters.target.push_back(kind == GeneratorKind::kShowers ? shower(random, cells) : uniform_cluster(random, vmax, cells));
    for (const Cell& cell : cells) {
      clusters.cells[0].push_back(cell.eta);
      clusters.cells[1].push_back(cell.phi);
      clusters.cells[2].push_back(cell.layer);
      clusters.cells[3].push_back(cell.energy);
    }
    clusters.starts.push_back(clusters.cells[0].size());
  }
  clusters.uneven.assign(count, false);
  return clusters;
}

}  // namespace narrow
