#ifndef NARROW_RECOVER_NETWORK_H_
#define NARROW_RECOVER_NETWORK_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "layers/convolution.h"
#include "model/model.h"
#include "precision/precision.h"

namespace narrow {

// A network whose weights are changed for its types. `target` says in float what each layer should make; `model` is what the hardware gets.
// They begin as the same; what is exact in float (powers of two) changes both.
struct Network {
  Model target;
  Model model;
  Resolved resolved;  // of `model`, with its weights
};

// How a model gets its types.
using Resolve = std::function<Resolved(const Model&)>;

// The network as it begins. hls4ml computes a layer together with a normalization behind it: so the layer gets those numbers, and the
// normalization becomes one by 1, which configurations may go on naming. Where the types or the hardware's numbers would not be those of
// the model as it is, it is left so.
Network with_folded_normalizations(const Model& model, const Resolve& resolve);

// Whether a layer is a normalization that changes nothing.
bool is_idle(const Layer& layer);

// A layer whose weights can be changed, and its place in Network::model (and target), and in Network::resolved.
struct FreeLayer {
  std::size_t at = 0;
  std::size_t resolved_at = 0;
};
// Layers that have a matrix, in their order: of these the ones that the hardware computes with the numbers that they have in the model. Of
// each other one `notes` has a sentence.
std::vector<FreeLayer> free_layers(const Network& network, std::vector<std::string>& notes);

// Gives the hardware's layer other numbers.
void set_numbers(Network& network, const FreeLayer& layer, std::vector<float> kernel, std::vector<float> bias);

// The layers that read a layer, in their order; the network's outputs read one too, as the layer that nothing else is: -1.
std::vector<int> readers_of(const Model& model, int layer);

// The float network's layer that makes what a layer of the hardware's should: that of its name, or the normalization that it took in.
// -1 where there is none.
int in_float(const Network& network, std::size_t resolved_at);

// What a sample weighs, `weights` empty where all weigh the same. Of a negative weight the magnitude counts: what one sample loses is not
// made good by another.
inline double weight_of(std::span<const float> weights, std::size_t sample) {
  return weights.empty() ? 1 : std::abs(static_cast<double>(weights[sample]));
}

// The values of one layer, of samples that a network's inputs take: the layer's own network, whose output it is.
class ExactLayer {
 public:
  ExactLayer(const Resolved& resolved, std::size_t layer);
  // (n, the layer's shape), bit for bit those of the whole network.
  std::vector<double> values(std::span<const float> x, std::size_t n) const { return engine_.run(x, n).run.predictions; }

 private:
  Engine engine_;
};

// The same in float32: the layers of a model up to one, which is the output.
Model up_to(const Model& model, std::size_t layer);

// Blocks of samples, so that memory does not grow with their number: calls use(first, count).
inline constexpr std::size_t kSamplesAtOnce = 256;
template <class Use>
void for_blocks(std::size_t n, std::size_t block, const Use& use) {
  for (std::size_t first = 0; first < n; first += block) use(first, std::min(block, n - first));
}
template <class Use>
void for_blocks(std::size_t n, const Use& use) {
  for_blocks(n, kSamplesAtOnce, use);
}

}  // namespace narrow

#endif  // NARROW_RECOVER_NETWORK_H_
