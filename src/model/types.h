#ifndef NARROW_MODEL_TYPES_H_
#define NARROW_MODEL_TYPES_H_

#include <array>
#include <cassert>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "fixed/format.h"

namespace narrow {

// The types that a layer may have, under hls4ml's names: `weight` of a configuration is `weight_t` of hls4ml's C++.
enum class TypeName : std::uint8_t {
  kResult,
  kWeight,
  kBias,
  kAccum,
  kScale,
  kParam,
  kThreshold,
  kThresholdHigh,
  kThresholdLow,
  kTable,
  kExpTable,
  kInvTable,
  kInvInp
};
inline constexpr std::array<std::string_view, 13> kTypeNames = {"result",    "weight",    "bias",         "accum",        "scale",
                                                                "param",     "threshold", "threshold_hi", "threshold_lo", "table",
                                                                "exp_table", "inv_table", "inv_inp"};
inline constexpr std::string_view name_of(TypeName type) { return kTypeNames[static_cast<std::size_t>(type)]; }

// Types of tables, and of what is looked up in one. hls4ml takes them from keys of the layer itself (`exp_table_t:`), and ignores those
// under Precision:.
inline constexpr bool is_of_table(TypeName type) { return type >= TypeName::kTable; }

// How hls4ml orders the products of a sum (docs/numerics.md, Dense).
enum class Strategy : std::uint8_t { kLatency, kResource };

// What hls4ml offers for a softmax (docs/numerics.md).
enum class SoftmaxKind : std::uint8_t { kStable, kLatency, kArgmax, kLegacy };
inline constexpr std::array<std::string_view, 4> kSoftmaxKinds = {"stable", "latency", "argmax", "legacy"};
inline constexpr std::string_view name_of(SoftmaxKind kind) { return kSoftmaxKinds[static_cast<std::size_t>(kind)]; }

// The types of one layer: a list of those that it has, in the order of TypeName. Whatever is written of a layer's types (a
// configuration, JSON, the identity of a point) goes through this list.
class LayerPrecision {
 public:
  struct Named {
    TypeName name;
    Format format;
    bool operator==(const Named&) const = default;
  };

  // Requires that the layer has such a type.
  const Format& operator[](TypeName name) const {
    const std::optional<Format>& format = formats_[static_cast<std::size_t>(name)];
    assert(format);
    return *format;
  }
  bool has(TypeName name) const { return formats_[static_cast<std::size_t>(name)].has_value(); }
  void set(TypeName name, const Format& format) { formats_[static_cast<std::size_t>(name)] = format; }
  const Format& result() const { return (*this)[TypeName::kResult]; }
  std::vector<Named> all() const {
    std::vector<Named> named;
    for (std::size_t i = 0; i < formats_.size(); ++i) {
      if (formats_[i]) named.push_back({static_cast<TypeName>(i), *formats_[i]});
    }
    return named;
  }

  // Of layers that multiply by a matrix; a reuse factor is valid for the layer's shape, as hls4ml would correct it.
  std::optional<Strategy> strategy;
  int reuse_factor = 1;

  std::optional<int> table_size;       // of layers that look values up in tables
  std::optional<SoftmaxKind> softmax;  // of a softmax

  bool operator==(const LayerPrecision&) const = default;

 private:
  std::array<std::optional<Format>, kTypeNames.size()> formats_;
};

}  // namespace narrow

#endif  // NARROW_MODEL_TYPES_H_
