#include "cost/cost.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "cost/ebops.h"
#include "cost/fpga.h"
#include "cost/reading.h"
#include "error.h"
#include "layers/product.h"

namespace narrow {
namespace {

constexpr std::array<std::string_view, 5> kCostNames = {"bits", "total_bits", "ebops", "dsp", "lut"};
constexpr std::array<std::string_view, 2> kIoNames = {"io_parallel", "io_stream"};

template <class Kind, std::size_t Count>
Kind parsed(std::string_view text, const std::array<std::string_view, Count>& names, std::string_view what) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found != names.end()) return static_cast<Kind>(found - names.begin());
  std::string all;
  for (const std::string_view name : names) all += (all.empty() ? "" : ", ") + std::string(name);
  throw Error(std::string(what) + " `" + std::string(text) + "` should be one of " + all);
}

void add_bits(const Program& program, const Place& place, std::size_t index, const Reading& layer, LayerCost& cost) {
  const Layer& at = program.model().layers[index];
  for (const WeightArray& array : at.op->weights()) {
    const Format& type = place.types[array.type];
    if (is_absent(array.type, type, program.steps[index][array.type])) continue;
    cost.weight_bits += static_cast<double>(array.values.size()) * type.width;
    cost.tensor_bits += type.width;
    ++cost.tensors;
  }
  if (layer.work == Work::kNone && !at.inputs.empty()) return;
  cost.value_bits = static_cast<double>(layer.values) * place.types.result().width;
  cost.tensor_bits += place.types.result().width;
  ++cost.tensors;
}

void add_products(double count, const Format& a, const Format& b, LayerCost& cost) {
  Circuit circuit;
  add_product(a.width + (a.is_signed ? 0 : 1), b.width + (b.is_signed ? 0 : 1), count, circuit);
  cost.lut += circuit.lut;
  cost.dsp += circuit.dsp;
}

// A comparison takes half a LUT for each bit, the choice of one of both a whole one.
constexpr double kLutsOfChoice = 1.5;

// Values that are computed at once: all, or those of a row.
struct Lanes {
  double values;  // of the result
  double rows;    // in turn
};

void add_products_with_weights(const Place& place, const Reading& layer, const CostOptions& options, LayerCost& cost) {
  const LayerPrecision& types = place.types;
  const MatrixCircuit matrix{layer.weights->raw,     layer.biases->raw,       place.input(), types[TypeName::kWeight],
                             types[TypeName::kBias], types[TypeName::kAccum], types.result()};
  const Strategy strategy = types.strategy.value_or(Strategy::kLatency);
  const Circuit circuit = types.reuse_factor > 1 ? multiplexed(matrix, types.reuse_factor, strategy) : unrolled(matrix);
  cost.dsp += circuit.dsp;
  cost.lut += circuit.lut;
  cost.ff += circuit.ff;
  cost.bram += circuit.bram;
  cost.interval = circuit.interval * static_cast<double>(layer.rows);
  // In parallel all rows leave together.
  cost.latency = circuit.latency + (options.io == Io::kParallel ? cost.interval - circuit.interval : 0);
}

void add_tables(const QuantizedWeights& table, const Format& type, double lookups, LayerCost& cost) {
  const std::size_t words = table.raw.size();
  if (words <= kLutRomWords) cost.lut += lookups * type.width;
  else cost.bram += std::ceil(lookups / 2) * block_rams(words, type.width);  // two ports each
}

void add_softmax(const Place& place, const Reading& layer, const Lanes& lanes, LayerCost& cost) {
  const Format& x = place.input();
  const auto row = static_cast<double>(place.shape.back());
  const double rows = lanes.values / row;
  if (layer.exp_table == nullptr) {
    cost.lut += rows * (row - 1) * kLutsOfChoice * x.width;
    cost.latency += 1 + log2_ceil(place.shape.back() > 0 ? static_cast<std::size_t>(place.shape.back()) : 1);
    return;
  }
  const bool typed = place.types.has(TypeName::kExpTable);
  const Format exp_type = typed ? place.types[TypeName::kExpTable] : kSoftmaxTable;
  const Format inv_type = typed ? place.types[TypeName::kInvTable] : kSoftmaxTable;
  const Format accum = place.types.has(TypeName::kAccum) ? place.types[TypeName::kAccum] : kSoftmaxTable;
  const int levels = log2_ceil(static_cast<std::size_t>(place.shape.back()));
  const bool stable = *place.types.softmax != SoftmaxKind::kLatency;
  if (stable) cost.lut += rows * ((row - 1) * kLutsOfChoice * x.width + row * (x.width + 1));
  add_tables(*layer.exp_table, exp_type, lanes.values, cost);
  add_tables(*layer.inv_table, inv_type, rows, cost);
  cost.lut += rows * (row - 1) * accum.width;
  add_products(lanes.values, accum, inv_type, cost);
  cost.ff += lanes.values * (exp_type.width + x.width) + rows * (accum.width + inv_type.width);
  cost.latency += (stable ? 1 + levels : 0) + 1 + std::ceil(static_cast<double>(levels) / kAddersPerCycle) + 1 + 1;
}

void add_fpga(const Place& place, const Reading& layer, const CostOptions& options, LayerCost& cost) {
  const Format& result = place.types.result();
  const auto row = static_cast<double>(place.shape.back());
  const auto all = static_cast<double>(layer.values);
  const bool stream = options.io == Io::kStream;
  const Lanes lanes{stream ? row : all, stream ? all / row : 1};
  cost.interval = lanes.rows;
  switch (layer.work) {
    case Work::kNone: return;
    case Work::kProducts: add_products_with_weights(place, layer, options, cost); return;
    case Work::kScale: {
      const Format& scale = place.types[TypeName::kScale];
      // Each channel's factor is a constant.
      double dsp = 0;
      double lut = 0;
      const int bits_x = place.input().width + (place.input().is_signed ? 0 : 1);
      for (const Int128 factor : layer.scales->raw) {
        const int digits = scale.meaning == Meaning::kNumber ? signed_digits(factor) : 1;
        const int bits = significant_bits(factor, scale) + 1;
        if (digits > 2 && !fits_luts(bits_x, bits)) dsp += dsps_of_product(bits_x, bits);
        else lut += std::max(0, digits - 1) * (bits_x + 1);
      }
      const double times = lanes.values / static_cast<double>(layer.scales->raw.size());
      cost.dsp += dsp * times;
      cost.lut += lut * times + lanes.values * (result.width + luts_of_cast(place.input(), result));
      cost.latency = 2;
      break;
    }
    case Work::kSlope:
      for (const Int128 slope : layer.slopes->raw) {
        const double times = lanes.values / static_cast<double>(layer.slopes->raw.size());
        cost.lut += times * std::max(0, signed_digits(slope) - 1) * (place.input().width + 1);
      }
      cost.lut += lanes.values * (result.width + luts_of_cast(place.input(), result));
      cost.latency = 2;
      break;
    case Work::kSum: {
      const auto terms = static_cast<double>(layer.values_before) / all;
      // In a stream, a running sum for each value of a row (nnet_ksum.h); else a tree, whose sums grow to the result's bits.
      cost.lut += stream ? all * result.width : (terms - 1) * all * (place.input().width + result.width) / 2;
      cost.interval = stream ? terms : 1;
      cost.latency = stream ? 1 : std::max(1.0, std::ceil(std::log2(terms) / kAddersPerCycle));
      break;
    }
    case Work::kPool: {
      const double work = layer.averages ? 1 : kLutsOfChoice;
      const double compared = static_cast<double>(layer.values_before) / (stream ? static_cast<double>(layer.values_before) / row : 1);
      cost.lut += compared * work * place.input().width;
      cost.interval = stream ? static_cast<double>(layer.values_before) / row : 1;
      cost.latency = stream ? 1 : std::max(1.0, std::ceil(std::log2(static_cast<double>(layer.values_before) / all)));
      break;
    }
    case Work::kPair: {
      const Format& a = *place.inputs[0];
      const Format& b = *place.inputs[1];
      const Pairing::Kind kind = layer.op.pairing(place).kind;
      cost.latency = 1;
      if (layer.is_dot) {
        const double count = static_cast<double>(layer.op.multiplications(place.shape));
        add_products(count, a, b, cost);
        cost.lut += count * place.types[TypeName::kAccum].width;
        cost.latency = 1 + std::ceil(std::log2(std::max(count, 1.0)) / kAddersPerCycle);
      } else if (kind == Pairing::Kind::kProduct) {
        add_products(lanes.values, a, b, cost);
      } else {
        const bool chooses = kind == Pairing::Kind::kLarger || kind == Pairing::Kind::kSmaller;
        cost.lut += lanes.values * (chooses ? kLutsOfChoice : 1) * std::max(a.width, b.width);
      }
      cost.lut += lanes.values * luts_of_cast(a, result);
      break;
    }
    case Work::kTable:
      add_tables(*layer.table, place.types[TypeName::kTable], lanes.values, cost);
      cost.latency = 2;
      break;
    case Work::kSoftmax: add_softmax(place, layer, lanes, cost); break;
    case Work::kChoice:
      // A cast alone is wires.
      cost.lut += lanes.values * ((layer.op.form(place) == Form::kCast ? 0 : result.width) + luts_of_cast(place.input(), result));
      cost.latency = 1;
      break;
  }
  cost.ff += lanes.values * result.width;
}

// When the first row of each layer's result is there, and the last.
struct Arrival {
  double first = 0, last = 0;
};

double network_latency(const Program& program, const std::vector<LayerCost>& layers, Io io) {
  std::vector<Arrival> arrivals(layers.size());
  double latest = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer& at = program.model().layers[i];
    Arrival before;
    std::size_t rows_before = 0;
    for (const int input : at.inputs) {
      const auto k = static_cast<std::size_t>(input);
      before.first = std::max(before.first, arrivals[k].first);
      before.last = std::max(before.last, arrivals[k].last);
      const Shape& shape = program.model().layers[k].shape;
      rows_before = std::max(rows_before, size_of(shape) / static_cast<std::size_t>(shape.back()));
    }
    const std::size_t rows = size_of(at.shape) / static_cast<std::size_t>(at.shape.back());
    const LayerCost& cost = layers[i];
    if (io == Io::kParallel) {
      arrivals[i].first = arrivals[i].last = before.last + cost.latency;
    } else if (rows < rows_before) {  // needs all that it reads
      arrivals[i].first = arrivals[i].last = std::max(before.last, before.first + cost.interval - 1) + cost.latency;
    } else {
      arrivals[i] = {before.first + cost.latency, std::max(before.last, before.first + cost.interval - 1) + cost.latency};
    }
    latest = std::max(latest, arrivals[i].last);
  }
  return latest;
}

}  // namespace

CostKind parse_cost(std::string_view text) { return parsed<CostKind>(text, kCostNames, "the cost"); }
std::string_view name_of(CostKind kind) { return kCostNames[static_cast<std::size_t>(kind)]; }
Io parse_io(std::string_view text) { return parsed<Io>(text, kIoNames, "the io type"); }
std::string_view name_of(Io io) { return kIoNames[static_cast<std::size_t>(io)]; }

LayerCost cost_of_layer(const Program& program, std::size_t index, const CostOptions& options) {
  LayerCost cost;
  const Place place = program.place(index);
  const Reading layer(program, index, place);
  add_bits(program, place, index, layer, cost);
  cost.ebops = ebops(program, index);
  add_fpga(place, layer, options, cost);
  return cost;
}

Cost cost_of(const Program& program, const CostOptions& options) {
  Cost cost;
  LayerCost& all = cost.all;
  all.layer = "all";
  for (std::size_t i = 0; i < program.model().layers.size(); ++i) {
    LayerCost layer = cost_of_layer(program, i, options);
    layer.layer = program.model().layers[i].name;
    all.tensors += layer.tensors;
    all.tensor_bits += layer.tensor_bits;
    all.weight_bits += layer.weight_bits;
    all.value_bits += layer.value_bits;
    all.ebops += layer.ebops;
    all.dsp += layer.dsp;
    all.lut += layer.lut;
    all.ff += layer.ff;
    all.bram += layer.bram;
    all.interval = std::max(all.interval, layer.interval);
    cost.layers.push_back(std::move(layer));
  }
  all.latency = network_latency(program, cost.layers, options.io);
  cost.average_bits = all.tensors > 0 ? all.tensor_bits / all.tensors : 0;
  return cost;
}

double layer_cost(const Program& program, std::size_t index, CostKind kind, const CostOptions& options) {
  if (kind == CostKind::kEbops) return ebops(program, index);
  const Place place = program.place(index);
  const Reading layer(program, index, place);
  LayerCost cost;
  if (kind == CostKind::kDsp || kind == CostKind::kLut) {
    add_fpga(place, layer, options, cost);
    return kind == CostKind::kDsp ? cost.dsp : cost.lut;
  }
  add_bits(program, place, index, layer, cost);
  return kind == CostKind::kBits ? cost.tensor_bits : cost.weight_bits + cost.value_bits;
}

int tensors(const Program& program) {
  int count = 0;
  for (std::size_t i = 0; i < program.model().layers.size(); ++i) {
    const Place place = program.place(i);
    LayerCost cost;
    add_bits(program, place, i, Reading(program, i, place), cost);
    count += cost.tensors;
  }
  return count;
}

double total(const Cost& cost, CostKind kind) {
  switch (kind) {
    case CostKind::kBits: return cost.average_bits;
    case CostKind::kTotalBits: return cost.all.weight_bits + cost.all.value_bits;
    case CostKind::kEbops: return cost.all.ebops;
    case CostKind::kDsp: return cost.all.dsp;
    case CostKind::kLut: return cost.all.lut;
  }
  return 0;
}

}  // namespace narrow
