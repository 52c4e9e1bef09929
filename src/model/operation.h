// The contract of a layer: everything that the rest of narrow asks of it. Each layer of src/layers/ answers all of it in one
// file; whatever is forgotten does not compile.
#ifndef NARROW_MODEL_OPERATION_H_
#define NARROW_MODEL_OPERATION_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "fixed/format.h"
#include "model/interval.h"
#include "model/numbers.h"
#include "model/types.h"

namespace narrow {

// Shape of one sample's tensor, the batch left out: {vmax, features} for a cluster, {features} after the sum over cells.
using Shape = std::vector<int>;
std::size_t size_of(const Shape& shape);
std::string to_string(const Shape& shape);  // `128x4`

// --- what a layer is

// An array of trained numbers under Keras' name for it, row major.
struct ParameterArray {
  std::string_view name;
  Shape shape;
  std::span<const float> values;
};

// An input's shape that a layer cannot take; `needs` is what would be right: "a set of rows, such as 128x64".
struct Misfit {
  std::string needs;
};

// A fact of a layer that is no array, under Keras' name for it.
struct Setting {
  std::string_view name;
  std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<std::vector<std::int64_t>>> value;
  bool operator==(const Setting&) const = default;
};

// --- in float32

struct FloatCall {
  std::vector<std::span<const float>> inputs;  // (samples, shape) each
  const std::vector<Shape>& shapes;            // of the inputs
  std::size_t samples;
  std::span<float> y;  // (samples, the layer's shape)
};
// Computes the layer as Keras does. Called from several threads at once.
using FloatFunction = std::function<void(const FloatCall&)>;

// --- types

// What decides a layer's types: what was asked for, and what stands before it.
struct TypeRequest {
  const std::string& layer;
  std::vector<Format> inputs;                             // result types of the layers before
  std::function<std::optional<Format>(TypeName)> choice;  // a type that was given; nothing for `auto`
  Format fallback;                                        // the default precision
  std::optional<Format> maximum;                          // the cap on inferred types
  Strategy strategy = Strategy::kLatency;
  int reuse_factor = 1;                        // as asked for
  std::optional<int> table_size;               // as asked for
  SoftmaxKind softmax = SoftmaxKind::kStable;  // of a softmax
  std::vector<std::string>& notes;             // lines that a user should see

  // `auto` on a type that hls4ml does not infer is the default precision.
  Format asked(TypeName type) const { return choice(type).value_or(fallback); }
};

// --- in fixed point

// Numbers that the layer keeps in a type of its own: hls4ml prints them as decimal text and casts that (layers/quantize.h).
struct WeightArray {
  TypeName type;
  std::span<const float> values;
  std::span<const double> doubles = {};  // the same where hls4ml has them in float64
};

// One array of weights in its type, and what quantizing did to it.
struct QuantizedWeights {
  std::vector<Int128> raw;
  std::size_t overflows = 0;  // did not fit the type
  std::size_t zeros = 0;      // not 0 before, 0 after
};

// One layer ready to run.
struct Step {
  // Of each of Operation::weights, by its type, and the layer's tables; shared by all programs that need the same.
  std::vector<std::pair<TypeName, std::shared_ptr<const QuantizedWeights>>> weights;
  // Of a matrix product: the k in the order in which products are added (numerics.md: Latency 0, 1, 2, ...; Resource by
  // (k mod R, k)).
  std::vector<int> order;
  // Bits, sign included, that hold every exact value when the layer is computed one operation at a time with fixed/cast.h.
  int bits = 0;
  // Bits, sign included, that also hold operands shifted to a common step, room for rounding up, and a whole sum of cast
  // products before it is brought into accum's range: what arithmetic in one machine word needs.
  int word_bits = 0;

  // Requires that the layer has weights of this type.
  const QuantizedWeights& operator[](TypeName type) const;
};

// Where an operation stands in a program.
struct Place {
  const LayerPrecision& types;
  const Shape& shape;
  std::vector<const Format*> inputs;  // result types and shapes of the layers before
  std::vector<const Shape*> shapes;
  const Format& input() const { return *inputs.front(); }
};

// What a layer's values met on the way to their types, over all samples of a run.
struct LayerCounts {
  std::uint64_t values = 0;     // outputs computed
  std::uint64_t overflows = 0;  // outputs that did not fit the result type
  std::uint64_t accum_overflows =
      0;                    // outputs whose sum left the accum type: the whole exact sum where it wraps, any step where it saturates
  std::uint64_t zeros = 0;  // outputs other than 0 that the result type rounded to 0
  bool operator==(const LayerCounts&) const = default;
  LayerCounts& operator+=(const LayerCounts& more) {
    values += more.values;
    overflows += more.overflows;
    accum_overflows += more.accum_overflows;
    zeros += more.zeros;
    return *this;
  }
};

// One sample of a layer: raws in, raws out. Raw is std::int64_t where every tensor of the network fits it, else Int128.
template <class Raw>
struct ExactCall {
  const Place& place;
  const Step& step;
  std::vector<std::span<const Raw>> inputs;
  std::span<const float> sample;  // of an Input
  std::span<Raw> y;
  LayerCounts& counts;  // `values` is counted by the caller
  std::span<const Raw> x() const { return inputs.front(); }
};

// What a layer's arithmetic amounts to, by which the engine chooses a kernel; kAny is computed by `exact`.
enum class Form : std::uint8_t {
  kInput,          // samples into the result type
  kMatrixProduct,  // y = (result) of a sum of products in accum, on each row of the last axis, or on rows that are gathered
  kCast,           // y = (result) x
  kReluCast,       // y = (result) max(x, 0)
  kRowSum,         // y = sum over the rows of a set, in result
  kRowMean,        // y = (result) the sum of (accum) x over the rows of a set, in accum, divided by their number
  kAffine,         // y = (result)(x * factor + summand), exact before the cast
  kPairs,          // y = (result) of what two layers' values make together, exact before the cast
  kRows,           // y = what `exact` makes of each row of the last axis by itself: any number of rows may be handed to it
  kMoves,          // y = (result) of values that lie elsewhere in the input, or 0; as they are where the types are one
  kLargest,        // y = the largest values of windows, channel by channel, in the input's type
  kAny,
};

// The numbers of Form::kAffine: one for each value of the last axis, or one for all.
struct Affine {
  int fraction = 0;              // fractional bits of x * factor + summand
  bool no_integer_bits = false;  // of some type that is cast (fixed/cast.h)
  std::vector<Int128> factors;   // where x is above 0
  std::vector<Int128> other_factors;
  std::vector<Int128> summands;
};
// A layer whose numbers have to be shifted by more than this to a common step is kAny.
inline constexpr int kMaxAffineShift = 60;

// Of Form::kPairs: what a value of each layer makes, both brought to a common step, or the rows of both side by side.
struct Pairing {
  enum class Kind : std::uint8_t { kSum, kDifference, kProduct, kLarger, kSmaller, kBeside } kind = Kind::kSum;
  int shifts[2] = {0, 0};        // to the left, to the common step; of a product 0
  int fraction = 0;              // fractional bits of what they make
  bool no_integer_bits = false;  // of the type that is cast (fixed/cast.h)
};
// Between which it lies, for values of these intervals.
Interval paired(const Pairing& pairing, const Interval& a, const Interval& b);

// Of Form::kMatrixProduct: the values of one sample that make its rows, where those are not the rows of the last axis. What no run
// covers is 0.
struct Gather {
  struct Run {
    int from;  // in the sample
    int to;    // in the row
    int count;
  };
  std::size_t width = 0;           // of a row
  std::vector<Run> runs;           // of all rows, one after the other, in a row by `to`
  std::vector<std::size_t> first;  // run of each row, and the end
  bool pads = false;               // some row has a 0 of its own
  std::size_t rows() const { return first.size() - 1; }
  bool is_whole(std::size_t row) const {  // without a 0 of its own
    std::size_t values = 0;
    for (std::size_t i = first[row]; i < first[row + 1]; ++i) values += static_cast<std::size_t>(runs[i].count);
    return values == width;
  }
};
// Rows [from, from + count) of a sample x, each of `width` values.
template <class Value>
void gather_rows(const Gather& gather, const Value* x, std::size_t from, std::size_t count, Value* rows) {
  if (gather.pads) std::fill_n(rows, count * gather.width, Value{});
  for (std::size_t row = from; row < from + count; ++row, rows += gather.width) {
    for (std::size_t i = gather.first[row]; i < gather.first[row + 1]; ++i) {
      const Gather::Run& run = gather.runs[i];
      std::copy_n(x + run.from, run.count, rows + run.to);
    }
  }
}

// The pixels (steps, positions: all axes but the last) of a sample that one of the output is made of.
using Window = std::vector<std::size_t>;
// y (channels): the largest of the window's pixels in a sample x, channel by channel.
template <class Value>
void take_largest(const Window& window, const Value* x, std::size_t channels, Value* y) {
  std::copy_n(x + window.front() * channels, channels, y);
  for (const std::size_t pixel : window) {
    for (std::size_t c = 0; c < channels; ++c) y[c] = std::max(y[c], x[pixel * channels + c]);
  }
}

// y[i] = the value of a sample x at sources[i], 0 where that is -1.
template <class Value>
void move_values(std::span<const std::ptrdiff_t> sources, const Value* x, Value* y) {
  for (const std::ptrdiff_t source : sources) *y++ = source < 0 ? Value{} : x[source];
}

class Operation;
using OperationPtr = std::shared_ptr<const Operation>;

// Immutable, so that models share them.
class Operation {
 public:
  Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  virtual ~Operation() = default;

  // What it is.
  virtual std::string_view keras_class() const = 0;  // of Keras' layer that saves it
  // All that its arrays do not say and that changes what it computes; what Keras' own layer has not, of quantizers, is not saved.
  virtual std::vector<Setting> settings() const = 0;
  virtual std::vector<ParameterArray> parameters() const = 0;  // in the order in which Keras saves them
  virtual std::size_t inputs() const = 0;                      // how many layers it reads
  // Of the output. Throws Misfit where the inputs do not fit.
  virtual Shape shape(const std::vector<Shape>& inputs) const = 0;
  virtual std::size_t multiplications(const Shape& shape) const = 0;  // for one sample; `shape` is the output's

  virtual FloatFunction float_function() const = 0;

  // Types.
  virtual std::string_view hls4ml_class(const std::vector<Shape>& inputs) const = 0;  // under which LayerType entries are looked up
  virtual LayerPrecision types(const TypeRequest& request) const = 0;
  // Whether hls4ml drops a linear activation behind it where its own result is left to `auto` (MergeLinearActivation).
  virtual bool takes_linear() const = 0;
  // The same layer with y * scale + shift behind it, as hls4ml fuses a BatchNormalization; null where it does not. `bias_type`: of a bias
  // that a Quant brought to it, which hls4ml does again; null for none.
  virtual OperationPtr scaled(const Numbers& scale, const Numbers& shift, const Format* bias_type) const = 0;

  // Fixed point (docs/numerics.md has the rules).
  virtual std::vector<WeightArray> weights() const = 0;
  // Settles what is left of `step`, whose weights are quantized: bits, the order of sums, weights that hls4ml reads otherwise.
  virtual void plan(const Place& place, Step& step) const = 0;
  virtual Form form(const Place& place) const = 0;
  virtual Affine affine(const Place&, const Step&) const { return {}; }              // of Form::kAffine
  virtual Pairing pairing(const Place&) const { return {}; }                         // of Form::kPairs
  virtual std::optional<Gather> gather(const Place&) const { return std::nullopt; }  // of Form::kMatrixProduct
  virtual std::vector<std::ptrdiff_t> sources(const Place&) const { return {}; }     // of Form::kMoves: where in the input, -1 for 0
  virtual std::vector<Window> pools(const Place&) const { return {}; }               // of Form::kLargest: for each pixel of the output
  virtual void exact(const ExactCall<std::int64_t>& call) const = 0;
  virtual void exact(const ExactCall<Int128>& call) const = 0;
  // Of its results, whatever lies in the inputs' intervals.
  virtual Interval bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const = 0;
};

// Whether two operations compute the same: one class, with equal settings and parameters.
bool same(const Operation& a, const Operation& b);

// For a layer whose `exact` is one template, compute<Raw>(call).
template <class Self>
class ExactOperation : public Operation {
 public:
  void exact(const ExactCall<std::int64_t>& call) const override { static_cast<const Self&>(*this).compute(call); }
  void exact(const ExactCall<Int128>& call) const override { static_cast<const Self&>(*this).compute(call); }
};

}  // namespace narrow

#endif  // NARROW_MODEL_OPERATION_H_
