#include "engine/engine.h"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/enumerable_thread_specific.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <stdexcept>

#include "engine/bounds.h"
#include "engine/dense_kernel.h"
#include "engine/kernels.h"
#include "engine/machine.h"
#include "engine/quantizer.h"
#include "engine/row_sums.h"
#include "error.h"
#include "fixed/cast.h"

namespace narrow {
namespace {

// Samples at a time: the values of the largest layer fit the second cache, and layers on vectors have rows enough for a tile.
std::size_t samples_at_a_time(const Model& model) {
  constexpr std::size_t kValues = std::size_t{1} << 16;
  constexpr std::size_t kLeast = 8;
  constexpr std::size_t kMost = 96;
  std::size_t largest = 1;
  for (const Layer& layer : model.layers) largest = std::max(largest, size_of(layer.shape));
  return std::clamp(kValues / largest, kLeast, kMost);
}

// What computes one layer.
struct Stage {
  enum class Kind {
    kInput,
    kDense,
    kCast,
    kAffine,
    kPairs,
    kSum,
    kRowSums,
    kExact,
    kMoves,
    kLargest,
    kMachine,
    kFused
  } kind = Kind::kMachine;
  std::unique_ptr<DenseKernel> dense;
  std::optional<Gather> gather;  // of its rows
  std::optional<LaneCast> cast;  // of kCast, kAffine, kPairs and kSum; of kMoves where the types differ
  Affine affine;
  Pairing pairing;
  std::optional<RowSums> sums;          // of kRowSums
  std::vector<std::ptrdiff_t> sources;  // of kMoves
  std::vector<Window> windows;          // of kLargest
  bool in_128_bits = false;             // which they need
  bool in_32_bits = false;              // which are enough, of kPairs
  bool relu = false;
  bool by_row = false;  // each row of its output depends on the same row of its input alone
};

// What a cast must know of the values besides their interval.
struct CastFrom {
  int fraction;
  bool no_integer_bits;  // fixed/cast.h
};

// Between which x * factor + summand lies, the sum and its parts alike; nothing where 128 bits might not hold it.
std::optional<Interval> affine_values(const Affine& affine, const Interval& x) {
  constexpr int kMostBits = 124;
  int factor_bits = 0;
  int summand_bits = 0;
  for (const auto* factors : {&affine.factors, &affine.other_factors}) {
    for (const Int128 each : *factors) factor_bits = std::max(factor_bits, bits_of(magnitude_of(each)));
  }
  for (const Int128 each : affine.summands) summand_bits = std::max(summand_bits, bits_of(magnitude_of(each)));
  const int bits = std::max(factor_bits + bits_of(magnitude_of(x.magnitude())), summand_bits) + 1;
  if (bits > kMostBits) return std::nullopt;
  return Interval{-(Int128{1} << bits), Int128{1} << bits};
}

// Between which what two layers' values make lies, and each of them at the common step; nothing where 128 bits might not hold it.
std::optional<Interval> paired_values(const Pairing& pairing, const Interval& a, const Interval& b) {
  constexpr int kMostBits = 124;
  const int first = bits_of(magnitude_of(a.magnitude())) + pairing.shifts[0];
  const int second = bits_of(magnitude_of(b.magnitude())) + pairing.shifts[1];
  if ((pairing.kind == Pairing::Kind::kProduct ? first + second : std::max(first, second)) + 1 > kMostBits) return std::nullopt;
  const Interval beside{.low = std::min(a.low << pairing.shifts[0], b.low << pairing.shifts[1]),
                        .high = std::max(a.high << pairing.shifts[0], b.high << pairing.shifts[1])};
  return hull(paired(pairing, a, b), beside);
}

// A thread's memory for a block of samples.
struct Workspace {
  std::vector<Tensor> tensors;
  std::vector<std::size_t> starts;   // first row of each sample in tensors of sets, and the end
  std::vector<std::size_t> counted;  // rows of each sample that are the pad row
  Tensor sample;
  std::vector<float> values;  // of one of several inputs
  Scratch scratch;
  Tally tally;
  std::size_t rows_counted = 0;
  std::optional<Machine<std::int64_t>> machine;
  std::optional<Machine<Int128>> large_machine;  // in place of the other where some tensor needs it
};

// What the layers make of the row that stands for padding.
struct PadRow {
  std::vector<std::vector<Int128>> values;  // by layer, of those that work by row
  Tally tally;                              // of one such row
};

}  // namespace

struct PreparedInput {
  std::span<const float> x;
  std::size_t n = 0;
  std::vector<Int128> pad;  // the layer's row that is counted; empty where none is
  // Whether the layer's values are here; otherwise samples are quantized as they are needed.
  bool kept = false;
  std::size_t layer = 0;
  Tensor rows;                         // of all samples but the counted ones
  std::vector<std::size_t> starts{0};  // first row of each sample, and the end
  std::vector<std::size_t> counted;    // rows of each sample that are the pad row; empty where none is
  // What the layers up to this one met, counted rows included, and by which they can be told.
  Tally tally;
  std::size_t rows_counted = 0;
  Counting counting = Counting::kNone;
  std::vector<std::pair<Layer, LayerPrecision>> made_by;
};

class Engine::Impl {
 public:
  Impl(Program program, const EngineOptions& options) : program_(std::move(program)), options_(options) {
    const Model& model = program_.model();
    for (const int input : model.inputs()) inputs_.push_back(static_cast<std::size_t>(input));
    sample_size_ = model.input_size();
    block_ = samples_at_a_time(model);
    choose_input();
    for (std::size_t i = 0; i < model.layers.size(); ++i) lanes_.push_back(make_lane_step(program_, i));
    plan();
  }

  EngineResult run(const PreparedInput& input, bool traced) const;
  PreparedInput prepare(std::span<const float> x, std::size_t n, bool keep) const;
  PreparedInput prepare(const PreparedInput& from, std::size_t layer) const;
  bool can_start_behind(std::size_t layer) const;
  bool accepts(const PreparedInput& input) const;
  const Program& program() const { return program_; }
  bool counts_rows() const { return dedup_; }
  std::vector<std::string> kernels() const;
  double layer_rate(std::size_t index) const;

 private:
  void choose_input();
  void plan();
  bool plan_sum(std::size_t index, const Interval& input, Stage& stage) const;
  bool plan_cast(std::size_t index, const CastFrom& from, const Interval& values, Stage& stage) const;
  bool can_dedup() const;
  std::optional<std::size_t> fusable_relu(std::size_t layer) const;
  std::vector<Int128> find_pad(std::span<const float> x, std::size_t n) const;
  PadRow run_pad(const PreparedInput& from, std::size_t last) const;
  // Runs the layers behind those that `from` has, up to `last`, block by block: take(first, samples, work).
  template <class Take>
  void run_blocks(const PreparedInput& from, std::size_t last, Tally& tally, std::size_t& rows_counted, const Take& take) const;
  void run_stage(std::size_t layer, std::size_t samples, const PadRow* pad, Workspace& work) const;
  std::vector<std::pair<Layer, LayerPrecision>> layers_through(std::size_t last) const;
  void check_accepts(const PreparedInput& input) const;
  void quantize(std::span<const float> x, std::size_t samples, const std::vector<Int128>& pad, Workspace& work) const;
  void quantize_others(std::span<const float> x, std::size_t samples, Workspace& work) const;
  EngineResult run_prepared(const PreparedInput& prepared, bool traced) const;
  void load(const PreparedInput& input, std::size_t first, std::size_t samples, Workspace& work) const;
  void run_cast(std::size_t layer, std::size_t rows, Workspace& work) const;
  void run_pairs(std::size_t layer, std::size_t rows, Workspace& work) const;
  void run_sum(std::size_t layer, std::size_t samples, const PadRow* pad, Workspace& work) const;
  void count_cast(const CastCounts& seen, std::size_t layer, std::size_t values, Workspace& work) const;
  void run_row_sums(std::size_t layer, std::size_t samples, Workspace& work) const;
  template <class Raw>
  void run_exact(std::size_t layer, std::size_t rows, Buffer<Raw>& x, Buffer<Raw>& y, Workspace& work) const;
  void run_moves(std::size_t layer, std::size_t samples, Workspace& work) const;
  void run_largest(std::size_t layer, std::size_t samples, Workspace& work) const;
  template <class Raw>
  void run_machine(std::size_t layer, std::size_t samples, Machine<Raw>& machine, Workspace& work) const;

  const Layer& layer(std::size_t i) const { return program_.model().layers[i]; }
  Form form(std::size_t i) const { return layer(i).op->form(program_.place(i)); }
  std::size_t other_input_of(std::size_t i) const { return static_cast<std::size_t>(layer(i).inputs.back()); }
  std::size_t input_of(std::size_t i) const { return static_cast<std::size_t>(layer(i).inputs.front()); }
  bool is_set(std::size_t i) const { return layer(i).shape.size() > 1; }
  std::size_t width_of(std::size_t i) const { return static_cast<std::size_t>(layer(i).shape.back()); }
  // Where the rows of sample s begin in the layer's tensor: with s = samples, how many there are.
  std::size_t start_of(std::size_t i, std::size_t s, const Workspace& work) const {
    return is_set(i) && dedup_ ? work.starts[s] : s * (size_of(layer(i).shape) / width_of(i));
  }

  Program program_;
  EngineOptions options_;
  std::vector<std::size_t> inputs_;
  std::size_t input_ = 0;   // the only one, or the only set, or the first
  std::size_t which_ = 0;   // of inputs_ it is
  std::size_t offset_ = 0;  // of its values in a sample
  std::size_t sample_size_ = 0;
  std::size_t block_ = 0;  // samples at a time
  bool dedup_ = false;
  std::vector<LaneStep> lanes_;
  std::vector<Stage> stages_;
  std::vector<Quantizer> quantizers_;  // of inputs_
};

// Rows that repeat are looked for in the one input that is a set.
void Engine::Impl::choose_input() {
  const auto sets = std::count_if(inputs_.begin(), inputs_.end(), [&](std::size_t input) { return is_set(input); });
  while (sets == 1 && !is_set(inputs_[which_])) offset_ += size_of(layer(inputs_[which_++]).shape);
  input_ = inputs_[which_];
}

std::optional<std::size_t> Engine::Impl::fusable_relu(std::size_t index) const {
  if (!options_.fuse) return std::nullopt;
  const Model& model = program_.model();
  const auto self = static_cast<int>(index);
  if (std::find(model.outputs.begin(), model.outputs.end(), self) != model.outputs.end()) return std::nullopt;
  std::optional<std::size_t> user;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    if (std::find(model.layers[i].inputs.begin(), model.layers[i].inputs.end(), self) == model.layers[i].inputs.end()) continue;
    if (user) return std::nullopt;
    user = i;
  }
  return user && form(*user) == Form::kReluCast ? user : std::nullopt;
}

void Engine::Impl::plan() {
  const Model& model = program_.model();
  const std::vector<Interval> intervals = result_intervals(program_);
  stages_.resize(model.layers.size());
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    Stage& stage = stages_[i];
    if (stage.kind == Stage::Kind::kFused) continue;
    if (form(i) == Form::kInput) {
      stage.kind = Stage::Kind::kInput;
      stage.by_row = true;
      quantizers_.emplace_back(program_.format(i));
      continue;
    }
    const Interval& input = intervals[input_of(i)];
    if (form(i) == Form::kMatrixProduct) {
      const auto relu = fusable_relu(i);
      stage.gather = layer(i).op->gather(program_.place(i));
      const Interval values = stage.gather && stage.gather->pads ? hull(input, {}) : input;
      MatrixProduct product = make_matrix_product(program_, i, relu, values);
      if (stage.gather) product.gather = &*stage.gather;
      stage.dense = choose_dense_kernel(product, {i, relu}, options_.counting);
      if (!stage.dense) continue;
      stage.kind = Stage::Kind::kDense;
      stage.by_row = !stage.gather;
      if (relu) {
        stages_[*relu].kind = Stage::Kind::kFused;
        stages_[*relu].by_row = stage.by_row;
      }
    } else if (form(i) == Form::kReluCast || form(i) == Form::kCast) {
      stage.relu = form(i) == Form::kReluCast;
      const Format& from = program_.format(input_of(i));
      if (!plan_cast(i, {from.fraction(), from.integer <= 0}, stage.relu ? positive_part(input) : input, stage)) continue;
      stage.kind = Stage::Kind::kCast;
      stage.by_row = true;
    } else if (form(i) == Form::kRowSum || form(i) == Form::kRowMean) {
      if (form(i) == Form::kRowSum && plan_sum(i, input, stage)) stage.kind = Stage::Kind::kSum;
      else if ((stage.sums = RowSums::make(program_, i, input))) stage.kind = Stage::Kind::kRowSums;
    } else if (form(i) == Form::kAffine) {
      stage.affine = layer(i).op->affine(program_.place(i), program_.steps[i]);
      const std::optional<Interval> values = affine_values(stage.affine, input);
      if (!values || !plan_cast(i, {stage.affine.fraction, stage.affine.no_integer_bits}, *values, stage)) continue;
      stage.kind = Stage::Kind::kAffine;
      stage.by_row = true;
    } else if (form(i) == Form::kPairs) {
      stage.pairing = layer(i).op->pairing(program_.place(i));
      const std::optional<Interval> values = paired_values(stage.pairing, input, intervals[other_input_of(i)]);
      if (!values || !plan_cast(i, {stage.pairing.fraction, stage.pairing.no_integer_bits}, *values, stage)) continue;
      stage.in_128_bits |= !fits_word(program_.format(other_input_of(i)));
      constexpr int kSmallWord = 32;
      stage.in_32_bits = lane_cast_bits(*stage.cast, *values) <= kSmallWord && fits_small(program_.format(i)) &&
                         fits_small(program_.format(input_of(i))) && fits_small(program_.format(other_input_of(i)));
      stage.kind = Stage::Kind::kPairs;
      stage.by_row = true;
    } else if (form(i) == Form::kRows) {
      stage.kind = Stage::Kind::kExact;
      stage.in_128_bits = !fits_int64(program_);
      stage.by_row = true;
    } else if (form(i) == Form::kMoves) {
      const Format& from = program_.format(input_of(i));
      const bool one_type = from == program_.format(i);
      if (!one_type && !plan_cast(i, {from.fraction(), from.integer <= 0}, hull(input, {}), stage)) continue;
      stage.sources = layer(i).op->sources(program_.place(i));
      stage.kind = Stage::Kind::kMoves;
    } else if (form(i) == Form::kLargest) {
      stage.windows = layer(i).op->pools(program_.place(i));
      stage.kind = Stage::Kind::kLargest;
    }
  }
  dedup_ = options_.dedup && can_dedup();
}

// Whether a sum over rows is the exact sum, brought into range at the end: one that wraps, or that saturates at the upper end and never
// falls.
bool Engine::Impl::plan_sum(std::size_t index, const Interval& input, Stage& stage) const {
  const Format& from = program_.format(input_of(index));
  const Format& to = program_.format(index);
  if (to.fraction() < from.fraction() || (!wraps(to) && !(saturates(to) && input.low >= 0))) return false;
  const Int128 rows = layer(input_of(index)).shape.front();
  constexpr int kMostBits = 120;
  if (bits_of(magnitude_of(input.magnitude())) + bits_of(magnitude_of(rows)) > kMostBits) return false;
  return plan_cast(index, {from.fraction(), from.integer <= 0}, hull({rows * input.low, rows * input.high}, {}), stage);
}

// The cast of such values to the layer's result type; false where lanes do not do it.
bool Engine::Impl::plan_cast(std::size_t index, const CastFrom& from, const Interval& values, Stage& stage) const {
  const Format& to = program_.format(index);
  constexpr int kWord = 64;
  constexpr int kLargeWord = 128;
  stage.cast = take_apart(from.fraction, to, to.is_integer && from.no_integer_bits);
  if (!stage.cast) return false;
  const int bits = lane_cast_bits(*stage.cast, values);
  stage.in_128_bits = bits > kWord || !fits_word(program_.format(input_of(index))) || !fits_word(to);
  return bits <= kLargeWord;
}

// Rows may be left out where every layer on sets works row by row, up to sums that can count them.
bool Engine::Impl::can_dedup() const {
  bool any_sum = false;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    const bool from_set = !layer(i).inputs.empty() && is_set(input_of(i));
    if (is_set(i) && !stages_[i].by_row) return false;
    if (from_set && !is_set(i)) {
      if (stages_[i].kind != Stage::Kind::kSum) return false;
      any_sum = true;
    }
  }
  for (const int output : program_.model().outputs) any_sum &= !is_set(static_cast<std::size_t>(output));
  const auto sets = std::count_if(inputs_.begin(), inputs_.end(), [&](std::size_t input) { return is_set(input); });
  return any_sum && sets == 1;
}

std::vector<std::string> Engine::Impl::kernels() const {
  std::vector<std::string> names(program_.model().layers.size(), "interpreter");
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    switch (stages_[i].kind) {
      case Stage::Kind::kInput: names[i] = "quantize"; break;
      case Stage::Kind::kDense:
        names[i] = stages_[i].dense->name();
        if (stages_[i].dense->at().output() != i) names[stages_[i].dense->at().output()] = "with " + layer(i).name;
        break;
      case Stage::Kind::kCast:
      case Stage::Kind::kAffine:
      case Stage::Kind::kPairs: names[i] = "lanes"; break;
      case Stage::Kind::kSum: names[i] = "row sums"; break;
      case Stage::Kind::kRowSums: names[i] = "row sums in order"; break;
      case Stage::Kind::kExact: names[i] = "rows"; break;
      case Stage::Kind::kMoves: names[i] = "moved"; break;
      case Stage::Kind::kLargest: names[i] = "largest"; break;
      case Stage::Kind::kMachine:
      case Stage::Kind::kFused: break;
    }
  }
  return names;
}

double Engine::Impl::layer_rate(std::size_t index) const {
  if (stages_[index].kind != Stage::Kind::kDense) return 0;
  constexpr std::size_t kRows = 1024;
  constexpr double kSeconds = 0.05;
  const std::size_t from = input_of(index);
  const Interval values = result_intervals(program_)[from];
  std::mt19937_64 random(1);
  Workspace work;
  work.tensors.resize(stages_.size());
  work.tally.counts.resize(stages_.size());
  work.starts = {0, kRows};
  Tensor& x = work.tensors[from];
  x.hold(program_.format(from));
  const std::size_t width = stages_[index].gather ? stages_[index].gather->width : width_of(from);
  x.resize(kRows * width);
  // Values as activations are: mostly small, within what is possible.
  const auto high = static_cast<std::int64_t>(std::min<Int128>(values.high, 255));
  const auto low = static_cast<std::int64_t>(std::max<Int128>(values.low, -128));
  for (std::size_t i = 0; i < kRows * width; ++i) {
    const std::int64_t value = std::uniform_int_distribution<std::int64_t>(low, std::max(low, high))(random);
    x.put(i, 1, &value);
  }
  double best = 0;
  const double products = static_cast<double>(kRows * width * width_of(index));
  const auto start = std::chrono::steady_clock::now();
  auto before = start;
  do {
    stages_[index].dense->run(x, kRows, work.tensors[stages_[index].dense->at().output()], work.scratch, work.tally);
    const auto now = std::chrono::steady_clock::now();
    best = std::max(best, products / std::chrono::duration<double>(now - before).count());
    before = now;
  } while (std::chrono::duration<double>(before - start).count() < kSeconds);
  return best;
}

// The row that most of the first samples repeat, if it is worth counting.
std::vector<Int128> Engine::Impl::find_pad(std::span<const float> x, std::size_t n) const {
  const std::size_t input = input_;
  const std::size_t width = width_of(input);
  const std::size_t size = size_of(layer(input).shape);
  std::map<std::vector<Int128>, std::size_t> seen;
  Scratch scratch;
  Tensor sample;
  sample.hold(program_.format(input));
  sample.resize(size);
  LayerCounts counts;
  bool overflowed = false;
  constexpr std::size_t kLooked = 16;
  const std::size_t step = std::max<std::size_t>(1, n / kLooked);
  std::size_t rows = 0;
  for (std::size_t s = 0; s < n; s += step) {
    quantizers_[which_].run(x.data() + s * sample_size_ + offset_, size, sample, scratch, counts, overflowed, Counting::kOverflow);
    for (std::size_t r = 0; r < size; r += width, ++rows) {
      std::vector<Int128> row(width);
      for (std::size_t k = 0; k < width; ++k) row[k] = sample[r + k];
      ++seen[row];
    }
  }
  const auto most = std::max_element(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  constexpr std::size_t kWorth = 20;  // one row in so many
  if (most == seen.end() || most->second * kWorth < rows) return {};
  return most->first;
}

// A row's way through the layers that work by row, as a block of one sample with one row.
PadRow Engine::Impl::run_pad(const PreparedInput& from, std::size_t last) const {
  PadRow pad;
  Workspace work;
  work.tensors.resize(stages_.size());
  work.starts = {0, 1};
  work.tally.counts.resize(stages_.size());
  pad.values.resize(stages_.size());
  Tensor& row = work.tensors[from.layer];
  row.hold(program_.format(from.layer));
  row.resize(from.pad.size());
  row.put(0, from.pad.size(), from.pad.data());
  pad.values[from.layer] = from.pad;
  for (std::size_t i = from.layer + 1; i <= last; ++i) {
    if (!stages_[i].by_row || !is_set(i)) continue;
    run_stage(i, 1, nullptr, work);
    if (stages_[i].kind == Stage::Kind::kDense && stages_[i].dense->at().output() != i) continue;
    for (std::size_t k = 0; k < width_of(i); ++k) pad.values[i].push_back(work.tensors[i][k]);
  }
  pad.tally = work.tally;
  return pad;
}

void Engine::Impl::quantize(std::span<const float> x, std::size_t samples, const std::vector<Int128>& pad, Workspace& work) const {
  const std::size_t input = input_;
  const std::size_t size = size_of(layer(input).shape);
  Tensor& y = work.tensors[input];
  y.hold(program_.format(input));
  y.resize(samples * size);
  work.starts.assign(1, 0);
  work.counted.assign(samples, 0);
  const std::size_t width = width_of(input);
  const std::size_t rows = is_set(input) ? size / width : 1;
  if (pad.empty() && size == sample_size_) {
    quantizers_[which_].run(x.data(), samples * size, y, work.scratch, work.tally.counts[input], work.tally.overflowed, options_.counting);
    for (std::size_t s = 1; s <= samples; ++s) work.starts.push_back(s * rows);
    return;
  }
  work.sample.hold(program_.format(input));
  work.sample.resize(size);
  const std::vector<std::int16_t> pad16(pad.begin(), pad.end());
  const std::vector<std::int64_t> pad64(pad.begin(), pad.end());
  for (std::size_t s = 0; s < samples; ++s) {
    quantizers_[which_].run(x.data() + s * sample_size_ + offset_, size, work.sample, work.scratch, work.tally.counts[input],
                            work.tally.overflowed, options_.counting);
    std::size_t at = work.starts.back();
    const auto copy = [&](const auto* from, auto* to, const auto* pad_row) {
      if (pad.empty()) {
        std::copy_n(from, size, to + at * width);
        at += rows;
        return;
      }
      for (std::size_t r = 0; r < rows; ++r) {
        // Rows are a few values: a call of memcmp for each costs more than this.
        std::size_t k = 0;
        while (k < width && from[r * width + k] == pad_row[k]) ++k;
        if (k == width) ++work.counted[s];
        else std::copy_n(from + r * width, width, to + at++ * width);
      }
    };
    if (y.small) copy(work.sample.s.data(), y.s.data(), pad16.data());
    else if (y.large) copy(work.sample.l.data(), y.l.data(), pad.data());
    else copy(work.sample.w.data(), y.w.data(), pad64.data());
    work.starts.push_back(at);
  }
}

// The same of the other inputs, whose values stand beside in a sample; no row is left out.
void Engine::Impl::quantize_others(std::span<const float> x, std::size_t samples, Workspace& work) const {
  std::size_t end = 0;
  for (std::size_t k = 0; k < inputs_.size(); ++k) {
    const std::size_t input = inputs_[k];
    const std::size_t size = size_of(layer(input).shape);
    end += size;
    if (k == which_) continue;
    work.values.resize(samples * size);
    for (std::size_t s = 0; s < samples; ++s) {
      std::copy_n(x.data() + s * sample_size_ + end - size, size, work.values.data() + s * size);
    }
    Tensor& y = work.tensors[input];
    y.hold(program_.format(input));
    y.resize(samples * size);
    quantizers_[k].run(work.values.data(), samples * size, y, work.scratch, work.tally.counts[input], work.tally.overflowed,
                       options_.counting);
  }
}

// A block of samples into the working memory.
void Engine::Impl::load(const PreparedInput& input, std::size_t first, std::size_t samples, Workspace& work) const {
  if (!input.kept) {
    const std::size_t size = sample_size_;
    const auto block = input.x.subspan(first * size, samples * size);
    quantize(block, samples, input.pad, work);
    quantize_others(block, samples, work);
    for (const std::size_t counted : work.counted) work.rows_counted += counted;
    return;
  }
  const std::size_t width = width_of(input.layer);
  const std::size_t start = input.starts[first];
  work.starts.clear();
  for (std::size_t s = first; s <= first + samples; ++s) work.starts.push_back(input.starts[s] - start);
  work.counted.assign(samples, 0);
  if (!input.counted.empty()) std::copy_n(input.counted.begin() + static_cast<std::ptrdiff_t>(first), samples, work.counted.begin());
  Tensor& y = work.tensors[input.layer];
  y.hold(program_.format(input.layer));
  y.resize(work.starts.back() * width);
  y.copy(input.rows, start * width, work.starts.back() * width, 0);
}

PreparedInput Engine::Impl::prepare(std::span<const float> x, std::size_t n, bool keep) const {
  check_samples(program_, x.size(), n);
  PreparedInput input;
  input.x = x;
  input.n = n;
  input.layer = input_;
  input.counting = options_.counting;
  // Several inputs are quantized where they are run, for any engine's types.
  if (inputs_.size() > 1) return input;
  if (dedup_) input.pad = find_pad(x, n);
  if (!keep) return input;
  const std::size_t size = size_of(layer(input_).shape);
  const std::size_t width = width_of(input_);
  input.rows.hold(program_.format(input_));
  input.rows.resize(n * size);
  Workspace work;
  work.tensors.resize(stages_.size());
  work.tally.counts.resize(stages_.size());
  for (std::size_t s = 0; s < n; ++s) {
    quantize(x.subspan(s * size, size), 1, input.pad, work);
    const std::size_t at = input.starts.back() * width;
    const std::size_t count = work.starts.back() * width;
    input.rows.copy(work.tensors[input_], 0, count, at);
    input.starts.push_back(input.starts.back() + work.starts.back());
    input.counted.push_back(work.counted.front());
    input.rows_counted += work.counted.front();
  }
  input.tally = std::move(work.tally);
  input.kept = true;
  input.made_by = layers_through(input_);
  return input;
}

PreparedInput Engine::Impl::prepare(const PreparedInput& from, std::size_t index) const {
  if (!from.kept) return prepare(from.x, from.n, true);
  check_accepts(from);
  if (index < from.layer || !can_start_behind(index)) throw std::logic_error("an engine cannot start behind layer " + layer(index).name);
  PreparedInput to;
  to.x = from.x;
  to.n = from.n;
  to.counting = options_.counting;
  to.layer = index;
  to.rows.hold(program_.format(index));
  const std::size_t size = size_of(layer(index).shape);
  const std::size_t width = width_of(index);
  to.starts.resize(to.n + 1);
  for (std::size_t s = 0; s < to.n; ++s) to.starts[s + 1] = is_set(index) && dedup_ ? from.starts[s + 1] : to.starts[s] + size / width;
  to.rows.resize(to.starts.back() * width);
  to.tally = from.tally;
  to.rows_counted = from.rows_counted;
  if (is_set(index) && !from.pad.empty()) {
    to.pad = run_pad(from, index).values[index];
    to.counted = from.counted;
  }
  run_blocks(from, index, to.tally, to.rows_counted, [&](std::size_t first, std::size_t samples, const Workspace& work) {
    const std::size_t at = to.starts[first] * width;
    const std::size_t count = to.starts[first + samples] * width - at;
    to.rows.copy(work.tensors[index], 0, count, at);
  });
  to.kept = true;
  to.made_by = layers_through(index);
  return to;
}

std::vector<std::pair<Layer, LayerPrecision>> Engine::Impl::layers_through(std::size_t last) const {
  std::vector<std::pair<Layer, LayerPrecision>> layers;
  for (std::size_t i = 0; i <= last; ++i) layers.emplace_back(layer(i), program_.resolved.precision[i]);
  return layers;
}

// Where all that follows depends on this layer alone, and its values are not skipped over on the way.
bool Engine::Impl::can_start_behind(std::size_t index) const {
  if (index < input_ || (inputs_.size() > 1 && layer(index).inputs.empty())) return false;
  const auto self = static_cast<int>(index);
  const Model& model = program_.model();
  const auto behind = [&](int i) { return i >= self; };
  for (std::size_t i = index + 1; i < model.layers.size(); ++i) {
    if (model.layers[i].inputs.empty()) return false;
    if (!std::all_of(model.layers[i].inputs.begin(), model.layers[i].inputs.end(), behind)) return false;
  }
  const Stage& stage = stages_[index];
  const bool skipped = stage.kind == Stage::Kind::kDense && stage.dense->at().output() != index;
  return !skipped && std::all_of(model.outputs.begin(), model.outputs.end(), behind);
}

bool Engine::Impl::accepts(const PreparedInput& input) const {
  if (!input.kept) return true;
  if (input.counting != options_.counting || (!input.pad.empty() && !dedup_)) return false;
  if (input.made_by.size() > stages_.size() || !can_start_behind(input.layer)) return false;
  for (std::size_t i = 0; i < input.made_by.size(); ++i) {
    const auto& [made, types] = input.made_by[i];
    const bool placed = made.inputs == layer(i).inputs && made.shape == layer(i).shape;
    if (!placed || !(types == program_.resolved.precision[i]) || !same(*made.op, *layer(i).op)) return false;
  }
  return true;
}

void Engine::Impl::check_accepts(const PreparedInput& input) const {
  if (!accepts(input)) throw std::logic_error("these values were prepared by other layers or types than this engine has");
}

// values (rows, columns) = values * factor + summand, in words that hold it.
template <class Word>
void apply(const Affine& affine, Word* values, std::size_t size) {
  const std::size_t columns = affine.factors.size();
  std::vector<Word> factors(affine.factors.begin(), affine.factors.end());
  std::vector<Word> others(affine.other_factors.begin(), affine.other_factors.end());
  std::vector<Word> summands(affine.summands.begin(), affine.summands.end());
  if (columns == 1) {
    const Word factor = factors.front();
    const Word other = others.front();
    const Word summand = summands.front();
    for (std::size_t i = 0; i < size; ++i) values[i] = values[i] * (values[i] > 0 ? factor : other) + summand;
    return;
  }
  for (std::size_t row = 0; row < size; row += columns) {
    for (std::size_t j = 0; j < columns; ++j) {
      Word& value = values[row + j];
      value = value * (value > 0 ? factors[j] : others[j]) + summands[j];
    }
  }
}

void Engine::Impl::run_cast(std::size_t index, std::size_t rows, Workspace& work) const {
  const Tensor& x = work.tensors[input_of(index)];
  Tensor& y = work.tensors[index];
  const std::size_t size = rows * width_of(index);
  y.hold(program_.format(index));
  y.resize(size);
  const auto in = [&](auto& buffer, const auto& run) {
    buffer.resize(size);
    x.get(0, size, buffer.data());
    if (stages_[index].kind == Stage::Kind::kAffine) apply(stages_[index].affine, buffer.data(), size);
    const CastCounts seen = run(*stages_[index].cast, stages_[index].relu, buffer.data(), buffer.data(), size);
    y.put(0, size, buffer.data());
    return seen;
  };
  count_cast(stages_[index].in_128_bits ? in(work.scratch.large, run_lane_cast128) : in(work.scratch.wide[0], run_lane_cast), index, size,
             work);
}

// 2^shift; 0 where the word has no such value, as only zeros are shifted so far.
template <class Word>
Word power(int shift) {
  return shift < static_cast<int>(8 * sizeof(Word)) - 1 ? Word{1} << shift : Word{0};
}

// What the values a and b of each pair make, at their common step.
template <class Word>
void pair_up(const Pairing& pairing, Word* a, const Word* b, std::size_t size) {
  const auto each = [&](const auto& f) {
    const auto p = power<Word>(pairing.shifts[0]);
    const auto q = power<Word>(pairing.shifts[1]);
    for (std::size_t i = 0; i < size; ++i) a[i] = f(static_cast<Word>(a[i] * p), static_cast<Word>(b[i] * q));
  };
  switch (pairing.kind) {
    case Pairing::Kind::kSum: return each([](Word p, Word q) { return p + q; });
    case Pairing::Kind::kDifference: return each([](Word p, Word q) { return p - q; });
    case Pairing::Kind::kProduct: return each([](Word p, Word q) { return p * q; });
    case Pairing::Kind::kLarger: return each([](Word p, Word q) { return p > q ? p : q; });
    case Pairing::Kind::kSmaller: return each([](Word p, Word q) { return p < q ? p : q; });
    case Pairing::Kind::kBeside: break;
  }
}

// Rows of both, one behind the other, at their common step.
template <class Word>
void put_beside(const Pairing& pairing, const Word* a, std::size_t first, const Word* b, std::size_t second, std::size_t rows, Word* y) {
  const auto copy = [](const Word* from, std::size_t count, int shift, Word* to) {
    for (std::size_t i = 0; i < count; ++i) to[i] = from[i] * power<Word>(shift);
  };
  for (std::size_t row = 0; row < rows; ++row) {
    copy(a + row * first, first, pairing.shifts[0], y + row * (first + second));
    copy(b + row * second, second, pairing.shifts[1], y + row * (first + second) + first);
  }
}

void Engine::Impl::run_pairs(std::size_t index, std::size_t rows, Workspace& work) const {
  const std::size_t inputs[] = {input_of(index), other_input_of(index)};
  const std::size_t widths[] = {width_of(inputs[0]), width_of(inputs[1])};
  const Pairing& pairing = stages_[index].pairing;
  Tensor& y = work.tensors[index];
  const std::size_t size = rows * width_of(index);
  y.hold(program_.format(index));
  y.resize(size);
  const auto in = [&](auto& a, auto& b, auto& beside, const auto& run) {
    a.resize(rows * widths[0]);
    b.resize(rows * widths[1]);
    work.tensors[inputs[0]].get(0, rows * widths[0], a.data());
    work.tensors[inputs[1]].get(0, rows * widths[1], b.data());
    auto* values = a.data();
    if (pairing.kind == Pairing::Kind::kBeside) {
      beside.resize(size);
      values = beside.data();
      put_beside(pairing, a.data(), widths[0], b.data(), widths[1], rows, values);
    } else {
      pair_up(pairing, a.data(), b.data(), size);
    }
    const CastCounts seen = run(*stages_[index].cast, false, values, values, size);
    y.put(0, size, values);
    return seen;
  };
  Scratch& scratch = work.scratch;
  const CastCounts seen = stages_[index].in_32_bits    ? in(scratch.sums[0], scratch.sums[1], scratch.sums[2], run_lane_cast32)
                          : stages_[index].in_128_bits ? in(scratch.large, scratch.more_large[0], scratch.more_large[1], run_lane_cast128)
                                                       : in(scratch.wide[0], scratch.wide[1], scratch.groups[0], run_lane_cast);
  count_cast(seen, index, size, work);
}

void Engine::Impl::count_cast(const CastCounts& seen, std::size_t index, std::size_t size, Workspace& work) const {
  LayerCounts& counts = work.tally.counts[index];
  counts.values += size;
  counts.overflows += seen.overflows;
  // A sum over rows rounds nothing.
  if (stages_[index].kind != Stage::Kind::kSum) counts.zeros += seen.zeros;
  work.tally.overflowed |= seen.overflows > 0;
}

void Engine::Impl::run_sum(std::size_t index, std::size_t samples, const PadRow* pad, Workspace& work) const {
  const std::size_t from = input_of(index);
  const Tensor& x = work.tensors[from];
  Tensor& y = work.tensors[index];
  const std::size_t width = width_of(index);
  y.hold(program_.format(index));
  y.resize(samples * width);
  // Sums of 2^15 rows of int16 fit 32 bits.
  constexpr int kMaxSet = 1 << 15;
  const bool narrow_sums = x.small && layer(from).shape.front() <= kMaxSet;
  const auto in = [&](auto& sums, const auto& run) {
    using Word = std::remove_reference_t<decltype(sums[0])>;
    sums.resize(samples * width);
    for (std::size_t s = 0; s < samples; ++s) {
      const std::size_t first = start_of(from, s, work);
      const std::size_t rows = start_of(from, s + 1, work) - first;
      Word* to = sums.data() + s * width;
      std::fill_n(to, width, 0);
      const auto add = [&](const auto* values) {
        for (std::size_t r = 0; r < rows; ++r) {
          for (std::size_t j = 0; j < width; ++j) to[j] += static_cast<Word>(values[(first + r) * width + j]);
        }
      };
      if (narrow_sums) {
        work.scratch.pairs.resize(width);
        work.scratch.pairs.fill(0);
        add_rows16(x.s.data() + first * width, rows, width, work.scratch.pairs.data());
        std::copy_n(work.scratch.pairs.data(), width, to);
      } else if (x.small) {
        add(x.s.data());
      } else if (x.large) {
        add(x.l.data());
      } else {
        add(x.w.data());
      }
      if (pad == nullptr || work.counted[s] == 0) continue;
      for (std::size_t j = 0; j < width; ++j) to[j] += static_cast<Word>(static_cast<Int128>(work.counted[s]) * pad->values[from][j]);
    }
    const CastCounts seen = run(*stages_[index].cast, false, sums.data(), sums.data(), samples * width);
    y.put(0, samples * width, sums.data());
    return seen;
  };
  count_cast(stages_[index].in_128_bits ? in(work.scratch.large, run_lane_cast128) : in(work.scratch.wide[0], run_lane_cast), index,
             samples * width, work);
}

// Every row is there: where the order matters, none is left out.
void Engine::Impl::run_row_sums(std::size_t index, std::size_t samples, Workspace& work) const {
  Tensor& y = work.tensors[index];
  y.hold(program_.format(index));
  y.resize(samples * width_of(index));
  const std::size_t rows = size_of(layer(input_of(index)).shape) / width_of(index);
  LayerCounts seen;
  for (std::size_t s = 0; s < samples; ++s)
    stages_[index].sums->run(work.tensors[input_of(index)], s * rows, rows, y, s, work.scratch, seen);
  work.tally.counts[index] += seen;
  work.tally.overflowed |= seen.overflows + seen.accum_overflows > 0;
}

// All rows by the layer's own arithmetic.
template <class Raw>
void Engine::Impl::run_exact(std::size_t index, std::size_t rows, Buffer<Raw>& x, Buffer<Raw>& y, Workspace& work) const {
  const std::size_t in = rows * width_of(input_of(index));
  const std::size_t out = rows * width_of(index);
  x.resize(in);
  y.resize(out);
  work.tensors[input_of(index)].get(0, in, x.data());
  LayerCounts seen;
  seen.values = out;
  const Place place = program_.place(index);
  layer(index).op->exact(ExactCall<Raw>{place, program_.steps[index], {{x.data(), in}}, {}, {y.data(), out}, seen});
  Tensor& to = work.tensors[index];
  to.hold(program_.format(index));
  to.resize(out);
  to.put(0, out, y.data());
  work.tally.counts[index] += seen;
  work.tally.overflowed |= seen.overflows + seen.accum_overflows > 0;
}

// The same function of the words in which both tensors, of one type, hold their values.
template <class Function>
void in_words(const Tensor& x, Tensor& y, const Function& function) {
  if (y.small) function(x.s.data(), y.s.data());
  else if (y.large) function(x.l.data(), y.l.data());
  else function(x.w.data(), y.w.data());
}

void Engine::Impl::run_moves(std::size_t index, std::size_t samples, Workspace& work) const {
  const Stage& stage = stages_[index];
  const Tensor& x = work.tensors[input_of(index)];
  Tensor& y = work.tensors[index];
  const std::size_t in = size_of(layer(input_of(index)).shape);
  const std::size_t out = stage.sources.size();
  const std::size_t size = samples * out;
  const auto move = [&](const auto* from, auto* to) {
    for (std::size_t s = 0; s < samples; ++s) move_values(stage.sources, from + s * in, to + s * out);
  };
  y.hold(program_.format(index));
  y.resize(size);
  if (!stage.cast) {
    in_words(x, y, move);
    work.tally.counts[index].values += size;
    return;
  }
  const auto in_words_of = [&](auto& values, auto& moved, const auto& run) {
    values.resize(samples * in);
    moved.resize(size);
    x.get(0, samples * in, values.data());
    move(values.data(), moved.data());
    const CastCounts seen = run(*stage.cast, false, moved.data(), moved.data(), size);
    y.put(0, size, moved.data());
    return seen;
  };
  Scratch& scratch = work.scratch;
  count_cast(stage.in_128_bits ? in_words_of(scratch.large, scratch.more_large[0], run_lane_cast128)
                               : in_words_of(scratch.wide[0], scratch.wide[1], run_lane_cast),
             index, size, work);
}

void Engine::Impl::run_largest(std::size_t index, std::size_t samples, Workspace& work) const {
  const std::vector<Window>& windows = stages_[index].windows;
  const std::size_t channels = width_of(index);
  const std::size_t in = size_of(layer(input_of(index)).shape);
  Tensor& y = work.tensors[index];
  y.hold(program_.format(index));
  y.resize(samples * windows.size() * channels);
  in_words(work.tensors[input_of(index)], y, [&](const auto* from, auto* to) {
    for (std::size_t s = 0; s < samples; ++s, from += in) {
      for (const Window& window : windows) {
        take_largest(window, from, channels, to);
        to += channels;
      }
    }
  });
  work.tally.counts[index].values += samples * windows.size() * channels;
}

// Sample by sample through the interpreter.
template <class Raw>
void Engine::Impl::run_machine(std::size_t index, std::size_t samples, Machine<Raw>& machine, Workspace& work) const {
  Tensor& y = work.tensors[index];
  y.hold(program_.format(index));
  const std::size_t out = size_of(layer(index).shape);
  y.resize(samples * out);
  const LayerCounts before = machine.all_counts()[index];
  for (std::size_t s = 0; s < samples; ++s) {
    for (const int each : layer(index).inputs) {
      const auto from = static_cast<std::size_t>(each);
      std::vector<Raw>& values = machine.values(from);
      work.tensors[from].get(s * values.size(), values.size(), values.data());
    }
    machine.run_layer(index);
    y.put(s * out, out, machine.values(index).data());
  }
  const LayerCounts& after = machine.all_counts()[index];
  LayerCounts& counts = work.tally.counts[index];
  counts.values += after.values - before.values;
  counts.overflows += after.overflows - before.overflows;
  counts.accum_overflows += after.accum_overflows - before.accum_overflows;
  counts.zeros += after.zeros - before.zeros;
  work.tally.overflowed |= after.overflows != before.overflows || after.accum_overflows != before.accum_overflows;
}

void Engine::Impl::run_stage(std::size_t index, std::size_t samples, const PadRow* pad, Workspace& work) const {
  switch (stages_[index].kind) {
    case Stage::Kind::kInput:
    case Stage::Kind::kFused: break;
    case Stage::Kind::kDense: {
      const DenseKernel& kernel = *stages_[index].dense;
      const Tensor& x = work.tensors[input_of(index)];
      Tensor& y = work.tensors[kernel.at().output()];
      if (const std::optional<Gather>& gather = stages_[index].gather) {
        kernel.run_gathered(*gather, x, size_of(layer(input_of(index)).shape), samples, y, work.scratch, work.tally);
      } else {
        kernel.run(x, start_of(index, samples, work), y, work.scratch, work.tally);
      }
      break;
    }
    case Stage::Kind::kCast:
    case Stage::Kind::kAffine: run_cast(index, start_of(index, samples, work), work); break;
    case Stage::Kind::kPairs: run_pairs(index, start_of(index, samples, work), work); break;
    case Stage::Kind::kSum: run_sum(index, samples, pad, work); break;
    case Stage::Kind::kRowSums: run_row_sums(index, samples, work); break;
    case Stage::Kind::kExact: {
      const std::size_t rows = start_of(index, samples, work);
      if (stages_[index].in_128_bits) run_exact(index, rows, work.scratch.large, work.scratch.more_large[0], work);
      else run_exact(index, rows, work.scratch.wide[0], work.scratch.wide[1], work);
      break;
    }
    case Stage::Kind::kMoves: run_moves(index, samples, work); break;
    case Stage::Kind::kLargest: run_largest(index, samples, work); break;
    case Stage::Kind::kMachine:
      if (work.machine) run_machine(index, samples, *work.machine, work);
      else run_machine(index, samples, *work.large_machine, work);
      break;
  }
}

template <class Take>
void Engine::Impl::run_blocks(const PreparedInput& from, std::size_t last, Tally& tally, std::size_t& rows_counted,
                              const Take& take) const {
  std::optional<PadRow> pad;
  if (!from.pad.empty()) pad = run_pad(from, last);
  tbb::enumerable_thread_specific<Workspace> workspaces([&] {
    Workspace work;
    work.tensors.resize(stages_.size());
    work.tally.counts.resize(stages_.size());
    if (fits_int64(program_)) work.machine.emplace(program_, lanes_);
    else work.large_machine.emplace(program_, lanes_);
    return work;
  });
  const std::size_t blocks = (from.n + block_ - 1) / block_;
  tbb::parallel_for(tbb::blocked_range<std::size_t>(0, blocks), [&](const tbb::blocked_range<std::size_t>& range) {
    Workspace& work = workspaces.local();
    for (std::size_t block = range.begin(); block < range.end(); ++block) {
      const std::size_t first = block * block_;
      const std::size_t samples = std::min(block_, from.n - first);
      load(from, first, samples, work);
      for (std::size_t i = from.kept ? from.layer + 1 : 0; i <= last; ++i) run_stage(i, samples, pad ? &*pad : nullptr, work);
      take(first, samples, work);
    }
  });
  tally.counts.resize(stages_.size());
  for (const Workspace& work : workspaces) {
    tally.overflowed |= work.tally.overflowed;
    rows_counted += work.rows_counted;
    for (std::size_t i = 0; i < stages_.size(); ++i) tally.counts[i] += work.tally.counts[i];
  }
  if (!pad || rows_counted == 0) return;
  // The pad row has no counts of the layer that it starts at: those were made row by row.
  tally.overflowed |= pad->tally.overflowed;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    const LayerCounts& one = pad->tally.counts[i];
    tally.counts[i] +=
        {rows_counted * one.values, rows_counted * one.overflows, rows_counted * one.accum_overflows, rows_counted * one.zeros};
  }
}

EngineResult Engine::Impl::run(const PreparedInput& prepared, bool traced) const {
  if (inputs_.size() == 1 || prepared.kept) return run_prepared(prepared, traced);
  PreparedInput own;
  own.x = prepared.x;
  own.n = prepared.n;
  own.layer = input_;
  if (dedup_) own.pad = find_pad(own.x, own.n);
  return run_prepared(own, traced);
}

EngineResult Engine::Impl::run_prepared(const PreparedInput& prepared, bool traced) const {
  const Model& model = program_.model();
  const std::size_t n = prepared.n;
  EngineResult result;
  check_accepts(prepared);
  if (traced && (options_.fuse || dedup_)) throw std::logic_error("a trace needs an engine with neither fuse nor dedup");
  const std::size_t output_size = model.output_size();
  result.run.predictions.resize(n * output_size);
  result.run.trace.resize(model.layers.size());
  for (std::size_t i = 0; traced && i < model.layers.size(); ++i) result.run.trace[i].resize(n * size_of(layer(i).shape));
  const auto write = [&](const Workspace& work, std::size_t index, std::size_t samples, double* to, std::size_t stride) {
    const Tensor& tensor = work.tensors[index];
    const std::size_t size = size_of(layer(index).shape);
    const ToDouble value_of(program_.format(index).fraction());
    const auto copy = [&](const auto* from) {
      for (std::size_t s = 0; s < samples; ++s) {
        for (std::size_t k = 0; k < size; ++k) to[s * stride + k] = value_of(from[s * size + k]);
      }
    };
    if (tensor.small) copy(tensor.s.data());
    else if (tensor.large) copy(tensor.l.data());
    else copy(tensor.w.data());
  };
  Tally tally = prepared.tally;
  std::size_t rows_counted = prepared.rows_counted;
  run_blocks(prepared, stages_.size() - 1, tally, rows_counted, [&](std::size_t first, std::size_t samples, const Workspace& work) {
    double* to = result.run.predictions.data() + first * output_size;
    for (const int output : model.outputs) {
      const auto index = static_cast<std::size_t>(output);
      write(work, index, samples, to, output_size);
      to += size_of(layer(index).shape);
    }
    if (!traced) return;
    for (std::size_t i = 0; i < model.layers.size(); ++i) {
      const std::size_t size = size_of(layer(i).shape);
      write(work, i, samples, result.run.trace[i].data() + first * size, size);
    }
  });
  result.overflowed = tally.overflowed;
  if (options_.counting == Counting::kAll) result.run.counts = std::move(tally.counts);
  if (rows_counted > 0) {
    result.counted_rows =
        static_cast<double>(rows_counted) / static_cast<double>(n * static_cast<std::size_t>(layer(input_).shape.front()));
  }
  return result;
}

namespace {

// Once in a process: an instruction set that narrow was not tested on must not go wrong in silence.
void trust_kernels() {
  static std::once_flag once;
  std::call_once(once, [] {
    constexpr std::uint64_t kSeed = 20261123;
    if (kernels_are_right(kSeed)) return;
    throw Error("the SIMD kernels for " + instruction_set() +
                " give wrong sums on this machine; please report it, and use --interpreter until then");
  });
}

}  // namespace

Engine::Engine(Program program, const EngineOptions& options) : impl_(std::make_unique<Impl>(std::move(program), options)) {
  trust_kernels();
}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

EngineResult Engine::run(std::span<const float> x, std::size_t n) const { return impl_->run(impl_->prepare(x, n, false), false); }
std::shared_ptr<const PreparedInput> Engine::prepare(std::span<const float> x, std::size_t n) const {
  return std::make_shared<const PreparedInput>(impl_->prepare(x, n, true));
}
std::shared_ptr<const PreparedInput> Engine::prepare(const PreparedInput& from, std::size_t layer) const {
  return std::make_shared<const PreparedInput>(impl_->prepare(from, layer));
}
bool Engine::can_start_behind(std::size_t layer) const { return impl_->can_start_behind(layer); }
bool Engine::accepts(const PreparedInput& input) const { return impl_->accepts(input); }
EngineResult Engine::run(const PreparedInput& input) const { return impl_->run(input, false); }

std::size_t memory_of(const PreparedInput& input) {
  const std::size_t rows =
      input.rows.s.size() * sizeof(std::int16_t) + input.rows.w.size() * sizeof(std::int64_t) + input.rows.l.size() * sizeof(Int128);
  return rows + (input.starts.size() + input.counted.size()) * sizeof(std::size_t);
}
EngineResult Engine::trace(std::span<const float> x, std::size_t n) const { return impl_->run(impl_->prepare(x, n, false), true); }
bool Engine::counts_rows() const { return impl_->counts_rows(); }
const Program& Engine::program() const { return impl_->program(); }
std::vector<std::string> Engine::kernels() const { return impl_->kernels(); }
double Engine::layer_rate(std::size_t layer) const { return impl_->layer_rate(layer); }

}  // namespace narrow
