#include "cost/part.h"

#include <algorithm>
#include <array>
#include <string>

#include "error.h"

namespace narrow {
namespace {

// The KU115 is an UltraScale device, whose DSP48E2 is the same; that of an Alveo U250 (xcu250) is a VU13P.
constexpr std::array<Part, 5> kParts = {{{"xcvu13p", 1728000, 3456000, 12288, 2688},
                                         {"xcvu9p", 1182240, 2364480, 6840, 2160},
                                         {"xcu250", 1728000, 3456000, 12288, 2688},
                                         {"xcku115", 663360, 1326720, 5520, 2160},
                                         {"xczu7ev", 230400, 460800, 1728, 312}}};

}  // namespace

std::span<const Part> parts() { return kParts; }

const Part& part_of(std::string_view name) {
  const auto* const found =
      std::find_if(kParts.begin(), kParts.end(), [&](const Part& part) { return part.name == name.substr(0, name.find('-')); });
  if (found != kParts.end()) return *found;
  std::string names;
  for (const Part& part : kParts) names += (names.empty() ? "" : ", ") + std::string(part.name);
  throw Error("the part `" + std::string(name) + "` should be one of " + names);
}

}  // namespace narrow
