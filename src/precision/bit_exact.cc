#include "precision/bit_exact.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <optional>

#include "error.h"
#include "layers/batch_normalization.h"
#include "layers/concatenate.h"
#include "layers/convolution.h"
#include "layers/dense.h"
#include "layers/depthwise.h"
#include "layers/dot.h"
#include "layers/fixed_quantizer.h"
#include "layers/flatten.h"
#include "layers/input.h"
#include "layers/linear.h"
#include "layers/merge.h"
#include "layers/pooling.h"
#include "layers/product.h"
#include "layers/rearrangement.h"
#include "layers/relu.h"
#include "layers/set_max.h"
#include "layers/set_mean.h"
#include "layers/unary_lut.h"
#include "precision/network.h"

// Names follow bit_exact.py: k is 1 where a value may be negative, i its integer bits without the sign's, f its fractional bits.

namespace narrow {
namespace {

// More than any value has.
constexpr int kUnbounded = 126;
constexpr int kNone = -127;
// hls4ml looks for fractional bits of constants up to these.
constexpr int kMostFraction = 32;

struct Bits {
  int k = 0, i = 0, f = 0;
};
Bits most_of(const Bits& a, const Bits& b) { return {std::max(a.k, b.k), std::max(a.i, b.i), std::max(a.f, b.f)}; }
Bits most_of(const std::vector<Bits>& all) {
  Bits most = all.front();
  for (const Bits& each : all) most = most_of(most, each);
  return most;
}
using Tensor = std::vector<Bits>;  // for each value of a sample

// Values between two ends, in steps of a power of two (qinterval.py, QIntervalArray).
struct Steps {
  double low = 0, high = 0, delta = 1;
};

double power(int exponent) { return std::ldexp(1.0, exponent); }

Steps steps_of(const Bits& bits) { return {-power(bits.i) * bits.k, power(bits.i) - power(-bits.f), power(-bits.f)}; }

// Its least number of fractional bits, as hls4ml searches it.
int fraction_of(double value) {
  int low = -kMostFraction;
  int high = kMostFraction;
  while (low < high - 1) {
    const int middle = static_cast<int>(std::floor((low + high) / 2.0));
    const double scaled = value * power(middle);
    (scaled == std::trunc(scaled) ? high : low) = middle;
  }
  return high;
}

// minimal_kif
Bits bits_of_constant(double value) {
  if (value == 0) return {};
  const int f = fraction_of(value);
  return {value < 0 ? 1 : 0, static_cast<int>(std::ceil(std::log2(std::max(value + power(-f), -value)))), f};
}

Bits bits_of(const Steps& steps) {
  const int k = steps.low < 0 ? 1 : 0;
  if (steps.low == 0 && steps.high == 0) return {k, 0, 0};
  const int f = -std::ilogb(steps.delta);
  return {k, static_cast<int>(std::ceil(std::log2(std::max(steps.high + power(-f), -steps.low)))), f};
}

// Ends of constants with more fractional bits than hls4ml looks for are brought to the steps.
Steps on_steps(const Steps& steps) {
  return {std::nearbyint(steps.low / steps.delta) * steps.delta, std::nearbyint(steps.high / steps.delta) * steps.delta, steps.delta};
}

Steps operator+(const Steps& a, const Steps& b) { return on_steps({a.low + b.low, a.high + b.high, std::min(a.delta, b.delta)}); }
Steps operator-(const Steps& a, const Steps& b) { return on_steps({a.low - b.high, a.high - b.low, std::min(a.delta, b.delta)}); }
Steps operator*(const Steps& a, const Steps& b) {
  const auto [low, high] = std::minmax({a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high});
  return {low, high, a.delta * b.delta};
}

// to_hls4ml_fixed
Format format_of(const Bits& bits) {
  const int width = bits.k + bits.i + bits.f;
  return width >= 1 ? Format{.width = width, .integer = bits.k + bits.i, .is_signed = bits.k != 0} : ufixed(2, 32);
}

template <class Values>
Format format_of_constants(const Values& values) {
  Bits most{0, kNone, kNone};
  for (const float value : values) most = most_of(most, bits_of_constant(value));
  return format_of(most);
}

bool is_reshape(const Layer& layer) {
  const auto* moved = as<Rearrangement>(layer);
  return as<Flatten>(layer) != nullptr || (moved != nullptr && moved->move() == Move::kReshape);
}

// One type for all values.
bool is_homogeneous(const QuantizerBits& bits) {
  const auto same = [](const std::vector<int>& values) {
    return std::all_of(values.begin(), values.end(), [&](int value) { return value == values.front(); });
  };
  return same(bits.keep_negative) && same(bits.bits) && same(bits.integers);
}

class BitExact {
 public:
  explicit BitExact(Resolved& resolved) : resolved_(resolved), model_(resolved.model) {}

  void run() {
    for (const Layer& each : model_.layers) require_known(each);
    for (int i = 0; i < count(); ++i) require_unfused(i);
    give_biases();
    produced_.assign(model_.layers.size(), {});
    requests_.assign(model_.layers.size(), {});
    for (int i = 0; i < count(); ++i) produced_[at(i)] = compute(i);
    for (int i = 0; i < count(); ++i) settle(i);
    // The two passes behind forget what was found.
    while (fuse_any()) {
    }
    for (int i = 0; i < count(); ++i) fix_input(i);
    for (int i = count(); i-- > 0;) remove_idle(i);
    for (int i = 0; i < count(); ++i) keep_in_place(i);
    for (int i = 0; i < count(); ++i) check(i);
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  int count() const { return static_cast<int>(model_.layers.size()); }
  Layer& layer(int i) { return model_.layers[at(i)]; }
  int before(int i, std::size_t which = 0) { return layer(i).inputs[which]; }
  std::size_t size(int i) { return size_of(layer(i).shape); }
  const Shape& shape_before(int i) { return layer(before(i)).shape; }

  std::vector<int> readers(int i) {
    std::vector<int> all;
    for (int k = 0; k < count(); ++k) {
      const std::vector<int>& inputs = layer(k).inputs;
      if (std::find(inputs.begin(), inputs.end(), i) != inputs.end()) all.push_back(k);
    }
    return all;
  }

  static Error refuse(const Layer& layer, const std::string& why) {
    return Error("layer " + layer.name + " (" + layer.keras_class + "): " + why);
  }

  static void require_known(const Layer& layer) {
    const auto* convolution = as<Convolution>(layer);
    const bool known = as<Input>(layer) != nullptr || as<FixedQuantizer>(layer) != nullptr || as<UnaryLut>(layer) != nullptr ||
                       as<Dense>(layer) != nullptr || (convolution != nullptr && as<Depthwise>(layer) == nullptr) ||
                       as<Relu>(layer) != nullptr || as<Pooling>(layer) != nullptr || as<SetMax>(layer) != nullptr ||
                       as<SetMean>(layer) != nullptr || as<BatchNormalization>(layer) != nullptr || is_reshape(layer) ||
                       as<Merge>(layer) != nullptr || as<Dot>(layer) != nullptr || as<Concatenate>(layer) != nullptr;
    if (!known) {
      throw refuse(layer,
                   "in a network with quantizers of HGQ narrow takes FixedPointQuantizer, Dense, Conv1D, Conv2D, BatchNormalization, ReLU, "
                   "UnaryLUT, pooling, Flatten, Reshape, Add, Subtract, Multiply, Average, Maximum, Minimum, Dot and Concatenate");
    }
    if (quantizers_of(layer).any()) throw refuse(layer, "a proxy model of HGQ has no layers of QKeras");
  }

  // bn_fuse.py and batchnorm_opt.py, which come before.
  void require_unfused(int i) {
    if (as<BatchNormalization>(layer(i)) == nullptr) return;
    const Layer& parent = layer(before(i));
    if (matrix_of(parent) == nullptr && as<BatchNormalization>(parent) == nullptr) return;
    throw refuse(layer(i),
                 "without a quantizer between it and " + parent.name +
                     " hls4ml 1.3.0 makes one layer of both or not, as its configuration says; narrow takes it behind a quantizer");
  }

  // hls4ml has zeros where a layer has no bias, and infers their type.
  void give_biases() {
    for (Layer& each : model_.layers) {
      const Dense* const matrix = matrix_of(each);
      if (matrix == nullptr || !matrix->bias.empty()) continue;
      const std::vector<float> zeros(at(matrix->n_out), 0.F);
      if (const auto* convolution = as<Convolution>(each)) each.op = convolution->with(matrix->kernel, zeros);
      else each.op = std::make_shared<Dense>(matrix->n_in, matrix->n_out, matrix->kernel, zeros);
    }
  }

  // --- forward: what a layer makes (_produce_kif). A quantizer's own bits shrink to what reaches it, each time that it is asked.

  Tensor compute(int i) {
    const Layer& of = layer(i);
    if (as<Input>(of) != nullptr) return Tensor(size(i), {1, kUnbounded, kUnbounded});
    if (as<FixedQuantizer>(of) != nullptr) return quantized(i);
    if (const auto* lut = as<UnaryLut>(of)) {
      Bits most{0, kNone, kNone};
      for (const float value : lut->table()) most = most_of(most, bits_of_constant(value));
      return Tensor(size(i), most);
    }
    // What was found before, where it was: of a quantizer that is asked twice the second answer may be another.
    if (is_reshape(of)) return found(before(i));
    const Tensor x = compute(before(i));
    if (const Dense* const matrix = matrix_of(of)) return product(i, *matrix, x);
    if (const auto* norm = as<BatchNormalization>(of)) return normalized(*norm, x);
    if (as<Pooling>(of) != nullptr) return pooled(i, x);
    if (as<SetMax>(of) != nullptr || as<SetMean>(of) != nullptr) return pooled_whole(i, x);
    if (as<Merge>(of) != nullptr) return merged(i, x);
    if (as<Concatenate>(of) != nullptr) return beside(i, x);
    if (as<Dot>(of) != nullptr) return dotted(i, x);
    Tensor y = x;
    if (as<Relu>(of) != nullptr) {
      for (Bits& bits : y) bits.k = 0;
    }
    return y;
  }

  const Tensor& found(int i) {
    if (produced_[at(i)].empty()) produced_[at(i)] = compute(i);
    return produced_[at(i)];
  }

  Tensor quantized(int i) {
    const auto* quantizer = as<FixedQuantizer>(layer(i));
    const QuantizerBits& own = quantizer->bits();
    const Tensor& from = found(before(i));
    Tensor y;
    for (std::size_t v = 0; v < from.size(); ++v) {
      const std::size_t entry = quantizer->entries()[v];
      Bits to{own.keep_negative[entry], own.integers[entry] - own.keep_negative[entry], own.bits[entry] - own.integers[entry]};
      const Bits& x = from[v];
      Bits less{std::min(to.k, x.k), std::min(to.i, x.i), std::min(to.f, x.f)};
      // A value that is rounded up may need another bit.
      if (x.f > to.f && to.i > x.i && (quantizer->rounding() != Rounding::kTrn || to.k != 0)) ++less.i;
      const bool holds = power(to.i) - power(-to.f) >= power(x.i) - power(-x.f) && to.k >= x.k;
      if (quantizer->overflow() == Overflow::kSat || holds) to = less;
      if (to.k + to.i + to.f <= 0) to = {};
      y.push_back(to);
    }
    // Back to the shape of its bits; widths and integer bits each by their largest.
    QuantizerBits shrunk = own;
    std::fill(shrunk.keep_negative.begin(), shrunk.keep_negative.end(), 0);
    std::fill(shrunk.bits.begin(), shrunk.bits.end(), kNone);
    std::fill(shrunk.integers.begin(), shrunk.integers.end(), kNone);
    for (std::size_t v = 0; v < y.size(); ++v) {
      const std::size_t entry = quantizer->entries()[v];
      shrunk.keep_negative[entry] = std::max(shrunk.keep_negative[entry], y[v].k);
      shrunk.bits[entry] = std::max(shrunk.bits[entry], y[v].k + y[v].i + y[v].f);
      shrunk.integers[entry] = std::max(shrunk.integers[entry], y[v].k + y[v].i);
    }
    layer(i).op = quantizer->with(std::move(shrunk));
    return y;
  }

  Tensor product(int i, const Dense& matrix, const Tensor& x) {
    const auto n_in = static_cast<std::size_t>(matrix.n_in);
    const auto n_out = static_cast<std::size_t>(matrix.n_out);
    std::vector<double> deltas;
    for (const float weight : matrix.kernel) deltas.push_back(power(-fraction_of(weight)));
    Tensor y;
    const auto row = [&](const Bits* values) {
      for (std::size_t j = 0; j < n_out; ++j) {
        Steps sum{0, 0, std::numeric_limits<double>::infinity()};
        for (std::size_t k = 0; k < n_in; ++k) {
          const Steps steps = steps_of(values[k]);
          const double weight = matrix.kernel[k * n_out + j];
          sum.low += std::min(steps.low * weight, steps.high * weight);
          sum.high += std::max(steps.low * weight, steps.high * weight);
          sum.delta = std::min(sum.delta, steps.delta * deltas[k * n_out + j]);
        }
        const double bias = matrix.bias[j];
        y.push_back(bits_of(on_steps(sum) + Steps{bias, bias, power(-fraction_of(bias))}));
      }
    };
    const Place place{.types = {}, .shape = layer(i).shape, .inputs = {}, .shapes = {&shape_before(i)}};
    const std::optional<Gather> gather = layer(i).op->gather(place);
    if (!gather) {
      for (std::size_t from = 0; from < x.size(); from += n_in) row(x.data() + from);
      return y;
    }
    std::vector<Bits> rows(gather->width);
    for (std::size_t each = 0; each < gather->rows(); ++each) {
      std::fill(rows.begin(), rows.end(), Bits{});
      gather_rows(*gather, x.data(), each, 1, rows.data());
      row(rows.data());
    }
    return y;
  }

  static Tensor normalized(const BatchNormalization& norm, const Tensor& x) {
    Tensor y;
    for (std::size_t v = 0; v < x.size(); ++v) {
      const std::size_t c = v % norm.scale().size();
      const Steps from = steps_of(x[v]);
      const double scale = norm.scale_numbers[c];
      const double bias = norm.bias_numbers[c];
      const auto [low, high] = std::minmax({from.low * scale, from.high * scale});
      y.push_back(bits_of(on_steps({low, high, from.delta * power(-fraction_of(scale))}) + Steps{bias, bias, power(-fraction_of(bias))}));
    }
    return y;
  }

  // Over all rows or pixels.
  Tensor pooled_whole(int i, const Tensor& x) {
    Tensor most(size(i), {0, kNone, kNone});
    for (std::size_t v = 0; v < x.size(); ++v) most[v % most.size()] = most_of(most[v % most.size()], x[v]);
    if (as<SetMean>(layer(i)) != nullptr) {
      for (Bits& bits : most) bits.f += fraction_of(1.0 / pooled_count(shape_before(i)));
    }
    return most;
  }

  Tensor pooled(int i, const Tensor& x) {
    const auto* pooling = as<Pooling>(layer(i));
    const Shape& shape = shape_before(i);
    const auto channels = static_cast<std::size_t>(shape.back());
    const std::vector<WindowAxis> axes = pooling->windows().axes(shape);
    Tensor y;
    for (int down = 0; down < axes[0].count; ++down) {
      for (int across = 0; across < axes[1].count; ++across) {
        Tensor most(channels, {0, kNone, kNone});
        int pixels = 0;
        for_each_pixel(axes, down, across, [&](int, int pixel) {
          ++pixels;
          for (std::size_t c = 0; c < channels; ++c) most[c] = most_of(most[c], x[at(pixel) * channels + c]);
        });
        for (Bits& bits : most) {
          if (pixels < pooling->windows().pixels()) bits = most_of(bits, {});  // zeros of the padding
          if (pooling->kind() == PoolKind::kAverage) bits.f += fraction_of(1.0 / pixels);
        }
        y.insert(y.end(), most.begin(), most.end());
      }
    }
    return y;
  }

  Tensor merged(int i, const Tensor& x) {
    const Tensor other = compute(before(i, 1));
    if (other.size() != x.size()) throw refuse(layer(i), "in a network with quantizers of HGQ narrow merges layers of one shape alone");
    const MergeKind kind = as<Merge>(layer(i))->kind();
    Tensor y;
    for (std::size_t v = 0; v < x.size(); ++v) {
      const Steps a = steps_of(x[v]);
      const Steps b = steps_of(other[v]);
      switch (kind) {
        case MergeKind::kAdd: y.push_back(bits_of(a + b)); break;
        case MergeKind::kSubtract: y.push_back(bits_of(a - b)); break;
        case MergeKind::kMultiply: y.push_back(bits_of(a * b)); break;
        case MergeKind::kAverage:
          y.push_back(bits_of(a + b));
          ++y.back().f;
          --y.back().i;
          break;
        default: y.push_back(most_of(x[v], other[v]));
      }
    }
    return y;
  }

  Tensor dotted(int i, const Tensor& x) {
    const Tensor other = compute(before(i, 1));
    Steps sum{0, 0, std::numeric_limits<double>::infinity()};
    for (std::size_t v = 0; v < x.size(); ++v) {
      const Steps term = steps_of(x[v]) * steps_of(other[v]);
      sum = {sum.low + term.low, sum.high + term.high, std::min(sum.delta, term.delta)};
    }
    return {bits_of(sum)};
  }

  Tensor beside(int i, const Tensor& x) {
    const Tensor other = compute(before(i, 1));
    Tensor y;
    for (const auto& [which, value] : sources(i)) y.push_back(which == 0 ? x[value] : other[value]);
    return y;
  }

  // Of each value of a Concatenate the input that it comes from, and where it stands there.
  std::vector<std::pair<int, std::size_t>> sources(int i) {
    const Shape& whole = layer(i).shape;
    const Shape& first = layer(before(i)).shape;
    std::size_t axis = 0;
    while (axis + 1 < whole.size() && whole[axis] == first[axis]) ++axis;
    std::size_t inner = 1;
    for (std::size_t a = axis + 1; a < whole.size(); ++a) inner *= static_cast<std::size_t>(whole[a]);
    const std::size_t mine = static_cast<std::size_t>(first[axis]) * inner;
    const std::size_t all = static_cast<std::size_t>(whole[axis]) * inner;
    std::vector<std::pair<int, std::size_t>> from;
    for (std::size_t v = 0; v < size(i); ++v) {
      const std::size_t outer = v / all;
      const std::size_t rest = v % all;
      if (rest < mine) from.emplace_back(0, outer * mine + rest);
      else from.emplace_back(1, outer * (all - mine) + rest - mine);
    }
    return from;
  }

  // --- backward: what the layers behind can make use of (_request_kif, requested_kif)

  // For each input of layer i.
  const std::vector<Tensor>& request(int i) {
    std::vector<Tensor>& known = requests_[at(i)];
    if (!known.empty()) return known;
    const Layer& of = layer(i);
    const auto* relu = as<Relu>(of);
    if (const auto* quantizer = as<FixedQuantizer>(of)) {
      known = {requested_by(*quantizer)};
    } else if (is_reshape(of)) {
      known = {requested(i)};
    } else if (relu != nullptr && relu->keras_class() == "Activation") {  // hls4ml does not know ReLU by its name with capitals
      Tensor all = requested(i);
      for (Bits& bits : all) bits = {1, kUnbounded, bits.f};
      known = {std::move(all)};
    } else if (as<Concatenate>(of) != nullptr) {
      const Tensor all = requested(i);
      known = {Tensor(size(before(i, 0))), Tensor(size(before(i, 1)))};
      std::size_t v = 0;
      for (const auto& [which, value] : sources(i)) known[at(which)][value] = all[v++];
    } else {
      for (const int input : of.inputs) known.emplace_back(size(input), Bits{1, kUnbounded, kUnbounded});
    }
    return known;
  }

  static Tensor requested_by(const FixedQuantizer& quantizer) {
    const QuantizerBits& own = quantizer.bits();
    Tensor x;
    for (const std::size_t entry : quantizer.entries()) {
      Bits bits{own.keep_negative[entry], own.integers[entry] - own.keep_negative[entry], own.bits[entry] - own.integers[entry]};
      if (quantizer.overflow() != Overflow::kWrap) bits.k = 1, bits.i = kUnbounded;
      if (quantizer.rounding() == Rounding::kRnd) ++bits.f;
      else if (quantizer.rounding() != Rounding::kTrn) bits.f = kUnbounded;
      x.push_back(bits);
    }
    return x;
  }

  Tensor requested(int i) {
    const std::vector<int> all = readers(i);
    if (all.empty()) return Tensor(size(i), {1, kUnbounded, kUnbounded});
    Tensor most(size(i), {0, kNone, kNone});
    for (const int reader : all) {
      const std::vector<int>& inputs = layer(reader).inputs;
      const auto which = static_cast<std::size_t>(std::find(inputs.begin(), inputs.end(), i) - inputs.begin());
      const Tensor& each = request(reader)[which];
      for (std::size_t v = 0; v < most.size(); ++v) most[v] = most_of(most[v], each[v]);
    }
    return most;
  }

  bool requested_to_wrap(int i) {
    for (const int reader : readers(i)) {
      const auto* quantizer = as<FixedQuantizer>(layer(reader));
      if (quantizer != nullptr && quantizer->overflow() != Overflow::kSat && quantizer->overflow() != Overflow::kSatSym) return true;
      if (is_reshape(layer(reader))) return requested_to_wrap(reader);
    }
    return false;
  }

  // --- together (register_precision)

  void set(int i, TypeName type, const Format& format) {
    const OwnType own{type, format, false};
    layer(i).set_own(type, &own);
  }

  void settle(int i) {
    if (produced_[at(i)].empty()) produced_[at(i)] = compute(i);
    const Tensor& made = produced_[at(i)];
    const Tensor wanted = requested(i);
    const bool wraps = requested_to_wrap(i);
    Bits most{0, kNone, kNone};
    for (std::size_t v = 0; v < made.size(); ++v) {
      most = most_of(most, {wraps ? wanted[v].k : std::min(made[v].k, wanted[v].k), std::min(made[v].i, wanted[v].i),
                            std::min(made[v].f, wanted[v].f)});
    }
    set(i, TypeName::kResult, format_of(most));
    Format sum = format_of(most_of(made));
    if (const Dense* const matrix = matrix_of(layer(i))) {
      set(i, TypeName::kAccum, sum);
      set(i, TypeName::kWeight, format_of_constants(matrix->kernel));
      set(i, TypeName::kBias, format_of_constants(matrix->bias));
    } else if (const auto* pooling = as<Pooling>(layer(i))) {
      if (pooling->kind() == PoolKind::kAverage) {
        const int more = log2_ceil(at(pooling->windows().pixels()));
        sum.width += more;
        sum.integer += more;
      }
      set(i, TypeName::kAccum, sum);
    } else if (as<Dot>(layer(i)) != nullptr) {
      set(i, TypeName::kAccum, sum);
    } else if (as<SetMax>(layer(i)) != nullptr || as<SetMean>(layer(i)) != nullptr) {
      if (as<SetMean>(layer(i)) != nullptr) {
        const int more = log2_ceil(at(pooled_count(shape_before(i))));
        sum.width += more;
        sum.integer += more;
      }
      set(i, TypeName::kAccum, sum);
    } else if (const auto* norm = as<BatchNormalization>(layer(i))) {
      set(i, TypeName::kScale, format_of_constants(norm->scale()));
      set(i, TypeName::kBias, format_of_constants(norm->bias()));
    } else if (const auto* lut = as<UnaryLut>(layer(i))) {
      set(i, TypeName::kTable, format_of_constants(lut->table()));
    }
    // The size of a relu's table, which it does not have: its input is asked once more.
    if (as<Relu>(layer(i)) != nullptr) compute(before(i));
  }

  // --- fuse_fixed_point_quantizer

  bool fuse_any() {
    for (int i = 0; i < count(); ++i) {
      const auto* quantizer = as<FixedQuantizer>(layer(i));
      if (quantizer == nullptr || !is_homogeneous(quantizer->bits()) || uses(model_, before(i)) != 1) continue;
      Format type = layer(i).own_type(TypeName::kResult)->format;
      const QuantizerBits& bits = quantizer->bits();
      if (quantizer->rounding() != Rounding::kTrn || quantizer->overflow() != Overflow::kWrap) {
        type = {.width = std::max(bits.bits.front(), 1),
                .integer = bits.integers.front(),
                .is_signed = bits.keep_negative.front() != 0,
                .rounding = quantizer->rounding(),
                .overflow = quantizer->overflow()};
      }
      hand_on(before(i), type, layer(i).name);
      remove_layer(model_, i, before(i));
      return true;
    }
    return false;
  }

  void hand_on(int i, const Format& type, const std::string& quantizer) {
    set(i, TypeName::kResult, type);
    resolved_.fused.emplace_back(layer(i).name, quantizer);
    if (is_reshape(layer(i)) && uses(model_, before(i)) == 1) hand_on(before(i), type, quantizer);
  }

  // --- fix_input_precision: of an input that quantizers read which saturate.

  // The quantizers behind a layer, and the layers in between.
  void collect(int i, std::vector<int>& between, std::vector<int>& quantizers) {
    for (const int reader : readers(i)) {
      if (as<FixedQuantizer>(layer(reader)) != nullptr) {
        quantizers.push_back(reader);
      } else if (is_reshape(layer(reader)) || as<Concatenate>(layer(reader)) != nullptr) {
        between.push_back(reader);
        collect(reader, between, quantizers);
      } else {
        throw refuse(layer(reader), "hls4ml 1.3.0 takes no such layer of a proxy model between an input and its quantizer");
      }
    }
  }

  void fix_input(int i) {
    constexpr int kTooWide = 100;
    constexpr int kFractionOfOthers = 24;
    if (as<Input>(layer(i)) == nullptr) return;
    const Format found = layer(i).own_type(TypeName::kResult)->format;
    if (found.width <= kTooWide) return;
    std::vector<int> between;
    std::vector<int> quantizers;
    collect(i, between, quantizers);
    if (quantizers.empty()) return set(i, TypeName::kResult, format_of({0, 0, 1}));
    // What only hands values on has the input's type in the end; hls4ml means to infer those of others again, from what it remembers.
    for (const int each : between) {
      if (is_reshape(layer(each))) continue;
      throw refuse(layer(each), "between an input and quantizers that saturate hls4ml 1.3.0 leaves it with a type of " +
                                    std::to_string(found.width) + " bits; put a quantizer before it");
    }
    produced_.assign(model_.layers.size(), {});
    Bits most{0, kNone, kNone};
    bool saturates = true;
    bool other_roundings = false;
    for (const int each : quantizers) {
      const auto* quantizer = as<FixedQuantizer>(layer(each));
      saturates &= to_string(quantizer->overflow()).starts_with("AP_SAT");
      other_roundings |= quantizer->rounding() != Rounding::kTrn && quantizer->rounding() != Rounding::kRnd;
      most = most_of(most, most_of(compute(each)));
    }
    Format type = format_of({most.k, most.i, other_roundings ? kFractionOfOthers : found.fraction()});
    if (saturates) type.overflow = Overflow::kSat;
    set(i, TypeName::kResult, type);
  }

  // remove_nop_batch_normalization: normalizations that change nothing go, and the type that they have of a quantizer with them.
  void remove_idle(int i) {
    const auto* norm = as<BatchNormalization>(layer(i));
    if (norm == nullptr || !all_are(norm->scale_numbers, 1) || !all_are(norm->bias_numbers, 0)) return;
    for (const auto& [name, quantizer] : resolved_.fused) {
      if (name != layer(i).name) continue;
      resolved_.notes.push_back(name + " (BatchNormalization) changes nothing, and hls4ml 1.3.0 takes it out, with the type of " +
                                quantizer + " behind it; its answers are not those of the Keras model");
    }
    resolved_.merged.emplace_back(layer(i).name, layer(before(i)).name);
    remove_layer(model_, i, before(i));
  }

  // A Reshape hands on what it reads, with its type (inplace_parallel_reshape.py).
  void keep_in_place(int i) {
    if (is_reshape(layer(i))) set(i, TypeName::kResult, layer(before(i)).own_type(TypeName::kResult)->format);
  }

  void check(int i) {
    if (as<FixedQuantizer>(layer(i)) != nullptr) {
      resolved_.notes.push_back(layer(i).name +
                                " (FixedPointQuantizer): hls4ml 1.3.0 has quantizers with several types with io_parallel alone");
    }
    const auto* lut = as<UnaryLut>(layer(i));
    if (lut == nullptr) return;
    const Format& x = layer(before(i)).own_type(TypeName::kResult)->format;
    if (x.width >= kMaxWidth || (std::size_t{1} << x.width) > lut->table().size()) {
      throw refuse(layer(i), "its table has " + std::to_string(lut->table().size()) +
                                 " entries, and hls4ml 1.3.0's program would read outside "
                                 "of it: the type of " +
                                 layer(before(i)).name + " is " + to_string(x));
    }
    if ((std::size_t{1} << x.width) < lut->table().size() || x.fraction() != lut->fraction()) {
      resolved_.notes.push_back(layer(i).name + " (UnaryLUT): hls4ml 1.3.0 looks values up by all bits of " + to_string(x) +
                                ", which are others than those that the table was made for; its answers are not those of the Keras model");
    }
  }

  Resolved& resolved_;
  Model& model_;
  std::vector<Tensor> produced_;               // of each layer
  std::vector<std::vector<Tensor>> requests_;  // of each layer, for each of its inputs
};

}  // namespace

bool is_proxy(const Model& model) {
  return std::any_of(model.layers.begin(), model.layers.end(), [](const Layer& layer) { return as<FixedQuantizer>(layer) != nullptr; });
}

void make_bit_exact(Resolved& resolved) {
  // No explicit linear layers are needed.
  for (int i = static_cast<int>(resolved.model.layers.size()); i-- > 0;) {
    const Layer& layer = resolved.model.layers[static_cast<std::size_t>(i)];
    if (as<Linear>(layer) == nullptr) continue;
    const int before = layer.inputs.front();
    resolved.merged.emplace_back(layer.name, resolved.model.layers[static_cast<std::size_t>(before)].name);
    remove_layer(resolved.model, i, before);
  }
  BitExact(resolved).run();
  resolved.notes.push_back(
      "the model has quantizers of HGQ: hls4ml 1.3.0 infers its types from them (bit_exact) and uses none of the configuration");
}

}  // namespace narrow
