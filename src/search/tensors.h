#ifndef NARROW_SEARCH_TENSORS_H_
#define NARROW_SEARCH_TENSORS_H_

#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "engine/program.h"
#include "model/model.h"
#include "precision/precision.h"
#include "search/range.h"

namespace narrow {

// A tensor whose type is free: the samples, a layer's weights or biases, or its results.
struct FreeTensor {
  std::string name;   // `phi1.weight`, `activation.result`
  std::string layer;  // of the resolved model, and where it stands there
  std::size_t at = 0;
  TypeName type = TypeName::kResult;
  // In the float model, on the calibration samples. Of the scores of a stable softmax their differences too, which it looks up.
  Range range;
  bool is_signed = false;  // some value is below 0
  // Whether integer bits may be taken from it that hold its range: its values then saturate. Not of the scores of a stable softmax, whose
  // differences would wrap; nor of a result that is to have a margin.
  bool may_saturate = true;
  bool is_weight() const { return type != TypeName::kResult; }
};

// One type for each tensor, in the order of Tensors::all.
using Assignment = std::vector<Format>;

// Rounding and overflow of the types that are tried.
struct Modes {
  Rounding rounding = Rounding::kRnd;
  Overflow overflow = Overflow::kSat;
};

// Whether hls4ml takes the type of a layer's result from the configuration, and does not infer it: it is not `types`' own with the default
// precision `other`, one that no tensor of the network has. `inputs` are the types of the layers before.
bool takes_type_from_default(const Layer& layer, const LayerPrecision& types, std::vector<Format> inputs, const Format& other,
                             const std::optional<Format>& maximum);

// Whether only relus read the layer and its type saturates at 0: what is below 0 leaves the type without a loss.
bool is_in_front_of_relu(const Program& program, std::size_t layer);

// The tensors of a network whose types hls4ml takes from its configuration, as far as it has numbers of them: a bias that a layer does not
// have is none. What hls4ml infers so that no bit is lost (sums, what moves or joins values) stays `auto`; so do types that the network's
// file gives. The result of a Dense that one relu reads has no type of its own either: where that of the relu saturates, it is the same,
// which gives the same numbers behind the relu as any wider type.
class Tensors {
 public:
  // Ranges are those of the float model on `calibration`; types of results are to hold `margin` times as much. Throws Error where no tensor
  // is free, or the float model's values are not finite.
  Tensors(const Model& model, const Dataset& calibration, double margin = 1);

  const std::vector<FreeTensor>& all() const { return tensors_; }
  std::size_t size() const { return tensors_.size(); }
  const Model& model() const { return model_; }   // as it was given
  const Resolved& base() const { return base_; }  // with wide types
  // The type of tensor `i` with so many bits in all that holds its range, with fewest integer bits; nothing where there is none.
  std::optional<Format> fitted(std::size_t i, int width, const Modes& modes) const;
  // An assignment as an hls4ml configuration. `tied` gives a Dense in front of a relu the relu's type; without it its result is as wide
  // as hls4ml infers, with the same numbers behind the relu.
  PrecisionConfig config(const Assignment& types, bool tied) const;
  Resolved resolve(const Assignment& types, bool tied) const { return narrow::resolve(model_, config(types, tied)); }

 private:
  void add_weights(std::size_t at);
  bool is_taken(const FreeTensor& tensor) const;
  bool is_free(std::size_t at) const;
  bool takes_in_another(const std::string& layer) const;
  std::optional<std::size_t> relu_behind(std::size_t at) const;
  void measure(const Dataset& calibration);

  Model model_;
  double margin_;
  PrecisionConfig wide_;
  Resolved base_;
  std::map<std::string, std::string> in_float_;  // float_layers of base_
  std::vector<FreeTensor> tensors_;
  std::vector<std::pair<std::string, std::size_t>> tied_;  // a Dense, and the tensor of its relu
};

inline constexpr int kLeastWidth = 2;

}  // namespace narrow

#endif  // NARROW_SEARCH_TENSORS_H_
