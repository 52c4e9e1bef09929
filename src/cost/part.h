#ifndef NARROW_COST_PART_H_
#define NARROW_COST_PART_H_

#include <span>
#include <string_view>

namespace narrow {

// What an FPGA has: LUTs, registers, DSP slices, blocks of RAM of 36 Kb (AMD DS890, UltraScale Architecture and Product Data Sheet).
struct Part {
  std::string_view name;
  double lut, ff, dsp, bram;
};
std::span<const Part> parts();

// By its name, or by that of a whole device, `xcvu13p-flga2577-2-e`. Throws Error, with the parts there are, on anything else.
const Part& part_of(std::string_view name);

}  // namespace narrow

#endif  // NARROW_COST_PART_H_
