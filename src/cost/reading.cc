#include "cost/reading.h"

#include <algorithm>
#include <numeric>

#include "layers/dot.h"
#include "layers/flatten.h"
#include "layers/pooling.h"
#include "layers/rearrangement.h"

namespace narrow {
namespace {

Work work_of(const Layer& at, const Place& place, const Reading& layer) {
  if (layer.weights != nullptr) return Work::kProducts;
  if (layer.scales != nullptr) return Work::kScale;
  if (place.types.softmax) return Work::kSoftmax;
  if (layer.table != nullptr) return Work::kTable;
  if (at.inputs.empty() || as<Flatten>(at) != nullptr || as<Rearrangement>(at) != nullptr) return Work::kNone;
  if (at.inputs.size() == 2) {
    const bool beside = !layer.is_dot && at.op->pairing(place).kind == Pairing::Kind::kBeside;
    return beside ? Work::kNone : Work::kPair;
  }
  switch (at.op->form(place)) {
    case Form::kRowSum:
    case Form::kRowMean: return Work::kSum;
    case Form::kAffine: return Work::kSlope;
    default: break;
  }
  if (layer.values != layer.values_before) return Work::kPool;
  // A slope for each value of a sample has no form of its own; a threshold is compared with.
  return layer.slopes != nullptr && at.op->form(place) == Form::kAny && layer.slopes->raw.size() > 1 ? Work::kSlope : Work::kChoice;
}

}  // namespace

Reading::Reading(const Program& program, std::size_t index, const Place& place) : op(*program.model().layers[index].op) {
  values = size_of(place.shape);
  for (const Shape* shape : place.shapes) values_before += size_of(*shape);
  for (const auto& [type, array] : program.steps[index].weights) {
    switch (type) {
      case TypeName::kWeight: weights = array.get(); break;
      case TypeName::kBias: biases = array.get(); break;
      case TypeName::kScale: scales = array.get(); break;
      case TypeName::kParam: slopes = array.get(); break;
      case TypeName::kTable: table = array.get(); break;
      case TypeName::kExpTable: exp_table = array.get(); break;
      case TypeName::kInvTable: inv_table = array.get(); break;
      default: break;
    }
  }
  if (weights != nullptr) rows = values / biases->raw.size();
  const Layer& at = program.model().layers[index];
  is_dot = as<Dot>(at) != nullptr;
  work = work_of(at, place, *this);
  if (work == Work::kPool) {
    const auto* pooling = as<Pooling>(at);
    averages = pooling != nullptr && pooling->kind() == PoolKind::kAverage;
  }
}

std::vector<std::size_t> uses_of_inputs(const Place& place, const Reading& layer) {
  const std::optional<Gather> gather = layer.op.gather(place);
  if (!gather || !gather->pads) return {};
  std::vector<std::size_t> changes(gather->width + 1, 0);  // modulo 2^64
  for (const Gather::Run& run : gather->runs) {
    ++changes[static_cast<std::size_t>(run.to)];
    --changes[static_cast<std::size_t>(run.to + run.count)];
  }
  std::partial_sum(changes.begin(), changes.end(), changes.begin());
  changes.pop_back();
  return changes;
}

bool is_absent(TypeName type, const Format& format, const QuantizedWeights& weights) {
  const bool is_bit = format.is_integer && !format.is_signed && format.width == 1;
  return type == TypeName::kBias && is_bit && std::all_of(weights.raw.begin(), weights.raw.end(), [](Int128 raw) { return raw == 0; });
}

}  // namespace narrow
