#include "search/findings.h"

#include <algorithm>
#include <tuple>

#include "data/text.h"

namespace narrow {
namespace {

std::string per_cent(double share) {
  constexpr double kPerCent = 100;
  return number_text(kPerCent * share, 2) + " %";
}

std::string bits(int count, const std::string& kind) { return std::to_string(count) + " " + kind + (count == 1 ? " bit" : " bits"); }

// Whatever the effect of a tensor's own type.
const TypeEffect& own_effect(const TensorProfile& tensor) { return tensor.is_weight() ? tensor.effect : tensor.alone; }

double noise_share(const TensorProfile& tensor) {
  const TypeEffect& effect = own_effect(tensor);
  return effect.compared && effect.noise > 0 ? std::min(1.0, effect.noise / effect.signal) : 0;
}

// `9 integer bits hold them`, where the type has too few for the float model's values.
std::string remedy(const TensorProfile& tensor, const Format& type) {
  if (!tensor.in_float) return "the float model has no values of this meaning";
  const double low = std::min(tensor.in_float->low, 0.0);
  const double high = std::max(tensor.in_float->high, 0.0);
  const bool loses_sign = !type.is_signed && low < 0;
  Format held = type;
  if (loses_sign) held.is_signed = true;
  // Values below 0 that a relu takes to 0 need no place.
  const std::optional<int> integer =
      tensor.is_in_front_of_relu ? integer_bits_to_hold(0, high, type) : integer_bits_to_hold(low, high, held);
  if (!integer) return "no type that narrow computes with holds them at these steps";
  if (loses_sign && !tensor.is_in_front_of_relu)
    return bits(*integer, "integer") + " with a sign hold" + (*integer == 1 ? "s" : "") + " them";
  if (*integer <= type.integer) return "the float model's values fit, so what the layer takes in is off";
  return bits(*integer, "integer") + " hold" + (*integer == 1 ? "s" : "") + " them";
}

class Findings {
 public:
  void add(const TensorProfile& tensor) {
    if (!tensor.type || tensor.type->meaning != Meaning::kNumber) return;
    overflow(tensor);
    sum_overflow(tensor);
    zero(tensor);
    saving(tensor);
  }

  std::vector<Finding> sorted() {
    std::stable_sort(all_.begin(), all_.end(), [](const Finding& a, const Finding& b) {
      return std::tuple(a.harm, a.share, a.saved) > std::tuple(b.harm, b.share, b.saved);
    });
    return std::move(all_);
  }

 private:
  void overflow(const TensorProfile& tensor) {
    // What a relu behind takes to 0 all the same is no loss; of what is too large the float model's values tell.
    const double share = tensor.is_in_front_of_relu ? tensor.alone.share(tensor.alone.above) : tensor.effect.overflow_share();
    if (share == 0) return;
    all_.push_back({tensor.name, "overflow",
                    per_cent(share) + " of its values overflow " + to_string(*tensor.type) + "; " + remedy(tensor, *tensor.type),
                    std::max(share, noise_share(tensor)), share});
  }

  void sum_overflow(const TensorProfile& tensor) {
    if (tensor.sum_overflows == 0) return;
    const double share = tensor.effect.share(tensor.sum_overflows);
    std::string text = per_cent(share) + " of its sums overflow";
    if (tensor.sum_type) text += " " + to_string(*tensor.sum_type);
    // The whole sum is the result before its cast; of a sum over rows that is then divided the float model has no value.
    if (tensor.sum_type && tensor.is_sum && tensor.in_float) {
      const std::optional<int> integer = integer_bits_to_hold(tensor.in_float->low, tensor.in_float->high, *tensor.sum_type);
      if (integer && *integer > tensor.sum_type->integer) {
        text += "; " + bits(*integer, "integer") + " hold" + (*integer == 1 ? "s" : "") + " the whole sums";
      } else if (integer) {
        text += "; the float model's whole sums fit, those on the way or of what the layer takes in do not";
      }
    }
    all_.push_back({tensor.layer + ".accum", "sum_overflow", text, share, share});
  }

  void zero(const TensorProfile& tensor) {
    const Format& type = *tensor.type;
    const double share = tensor.effect.zero_share();
    // Where the float model's values are kept, they are small for a reason that lies before this type.
    if (share <= kLostToZero || own_effect(tensor).zero_share() <= kLostToZero || !tensor.in_float) return;
    std::string text = per_cent(share) + " of its values become 0";
    if (type.is_integer) {
      text += "; " + to_string(type) + " has no fractional bits";
    } else {
      // Down to minus infinity, what is below 0 never becomes 0; to the nearest, what is below half a step does.
      const bool above_alone = type.rounding == Rounding::kTrn;
      const bool cuts = type.rounding == Rounding::kTrn || type.rounding == Rounding::kTrnZero;
      int more = 1;
      while (tensor.in_float->share_below(-(type.fraction() + more) - (cuts ? 0 : 1), above_alone) > kLostToZero) ++more;
      text +=
          "; " + std::to_string(more) + " more fractional " + (more == 1 ? "bit keeps" : "bits keep") + " all but " + per_cent(kLostToZero);
    }
    all_.push_back({tensor.name, "zero", text, noise_share(tensor), share});
  }

  // A type that holds the same values in fewer bits.
  void saving(const TensorProfile& tensor) {
    const Format& type = *tensor.type;
    if (!tensor.is_free || !tensor.in_float || tensor.effect.overflows > 0) return;
    double low = tensor.fixed_low;
    double high = tensor.fixed_high;
    if (!tensor.is_weight()) {
      low = std::min(low, tensor.in_float->low);
      high = std::max(high, tensor.in_float->high);
    }
    if (low == 0 && high == 0) return;
    Format other = type;
    const bool drops_sign = type.is_signed && !tensor.pads_a_maximum && low >= 0 && tensor.in_float->low >= 0 && type.width > 1;
    if (drops_sign) {
      other = with_integer_bits(type, type.integer - 1);
      other.is_signed = false;
    }
    const std::optional<int> integer = integer_bits_to_hold(low, high, other);
    if (!integer) return;
    const int unused = other.integer - *integer;
    const bool shrinks = unused > (tensor.is_weight() ? 0 : kRoom);
    if (shrinks) other = with_integer_bits(other, *integer);
    if (!shrinks && !drops_sign) return;
    std::string text = drops_sign ? "never negative" : "";
    if (shrinks) text += (drops_sign ? ", and " : "") + bits(unused, "integer") + (unused == 1 ? " is" : " are") + " never used";
    all_.push_back({tensor.name, drops_sign ? "unsigned" : "unused", text + "; " + to_string(other) + " holds the same", 0, 0,
                    type.width - other.width});
  }

  std::vector<Finding> all_;
};

}  // namespace

std::vector<Finding> findings(const std::vector<TensorProfile>& tensors) {
  Findings all;
  for (const TensorProfile& tensor : tensors) all.add(tensor);
  return all.sorted();
}

}  // namespace narrow
