#include "cost/cost.h"

#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/inputs.h"
#include "app/options.h"
#include "app/table.h"
#include "cost/part.h"
#include "data/text.h"
#include "error.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

struct CostCommand {
  InputArguments inputs;
  PrecisionArguments precision;
  std::string part = "xcvu13p", io = "io_parallel", json;
};

std::string shown(double count) { return count == 0 ? "-" : count_text(std::ceil(count)); }
std::string blocks(double count) { return count == 0 ? "-" : count_text(std::floor(count)) + (std::floor(count) < count ? ".5" : ""); }

std::string percent(double part, double of) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f%%", 100 * part / of);
  return text;
}

std::vector<std::string> row_of(const LayerCost& layer) {
  return {layer.layer,      shown(layer.weight_bits), shown(layer.value_bits), shown(layer.ebops),   shown(layer.dsp),
          shown(layer.lut), shown(layer.ff),          blocks(layer.bram),      shown(layer.latency), shown(layer.interval)};
}

std::string text_of(const Cost& cost, const Part& part) {
  Table table({"layer", "weight bits", "value bits", "EBOPs", "DSP", "LUT", "FF", "BRAM", "latency", "interval"});
  for (const LayerCost& layer : cost.layers) table.add(row_of(layer));
  table.add(row_of(cost.all));
  table.add({std::string(part.name), "", "", "", percent(cost.all.dsp, part.dsp), percent(cost.all.lut, part.lut),
             percent(cost.all.ff, part.ff), percent(cost.all.bram, part.bram), "", ""});
  return table.text() + "average bits of " + std::to_string(cost.all.tensors) + " tensors: " + short_number(cost.average_bits) + "\n";
}

ordered_json json_of(const LayerCost& layer) {
  return {{"layer", layer.layer},
          {"tensors", layer.tensors},
          {"tensor_bits", layer.tensor_bits},
          {"weight_bits", layer.weight_bits},
          {"value_bits", layer.value_bits},
          {"ebops", layer.ebops},
          {"dsp", layer.dsp},
          {"lut", layer.lut},
          {"ff", layer.ff},
          {"bram", layer.bram},
          {"latency", layer.latency},
          {"interval", layer.interval}};
}

ordered_json json_of(const Cost& cost, const CostCommand& command, const Part& part) {
  ordered_json out = {{"model", command.inputs.path()},
                      {"io", command.io},
                      {"part", {{"name", part.name}, {"lut", part.lut}, {"ff", part.ff}, {"dsp", part.dsp}, {"bram", part.bram}}},
                      {"average_bits", cost.average_bits},
                      {"all", json_of(cost.all)},
                      {"layers", ordered_json::array()}};
  for (const LayerCost& layer : cost.layers) out["layers"].push_back(json_of(layer));
  return out;
}

void run(const CostCommand& command, const Globals& globals) {
  const Part& part = usage([&] { return part_of(command.part); });
  const CostOptions options{usage([&] { return parse_io(command.io); })};
  if (!command.precision.given()) throw UsageError("a cost needs a precision, as in --v 16,6 --wb 12,3, or --precision FILE.yml");
  for (const std::vector<std::string>& read : {command.inputs.files(), command.precision.files()}) {
    if (!command.json.empty()) keep_inputs("--json", {command.json}, read);
  }
  const Program program = build_program(command.precision.resolve_for(command.inputs.model()));
  const Cost cost = cost_of(program, options);
  if (!globals.quiet) std::printf("%s", text_of(cost, part).c_str());
  if (!command.json.empty()) write_file(command.json, json_of(cost, command, part).dump(1) + "\n");
  print_notes(program.resolved.notes, globals.quiet);
}

}  // namespace

void add_cost(CLI::App& app, const Globals& globals) {
  auto* command = app.add_subcommand("cost", "estimate what a model costs on an FPGA, layer by layer: bits, EBOPs, DSPs, LUTs, latency");
  const auto arguments = std::make_shared<CostCommand>();
  arguments->inputs.add_model_to(*command);
  arguments->precision.add_to(*command);
  std::string names;
  for (const Part& part : parts()) names += (names.empty() ? "" : ", ") + std::string(part.name);
  command->add_option("--part", arguments->part, "the FPGA whose share is shown: " + names)->capture_default_str();
  command->add_option("--io", arguments->io, "hls4ml's io_type: io_parallel or io_stream")->capture_default_str();
  command->add_option("--json", arguments->json, "write all numbers to this file as well");
  command->callback([arguments, &globals] { run(*arguments, globals); });
}

}  // namespace narrow
