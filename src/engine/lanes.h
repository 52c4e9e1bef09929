// The casts that engine/lanes-inl.h does on machine words, and how its templates are chosen at run time.
#ifndef NARROW_ENGINE_LANES_H_
#define NARROW_ENGINE_LANES_H_

#include <cstdint>

#include "fixed/format.h"

namespace narrow {

// How a value gets the fractional bits of its new type: by a shift to the left, which is exact, or by a rounding.
enum class Align : std::uint8_t { kUp, kRnd, kRndZero, kRndMinInf, kRndInf, kRndConv, kTrn, kTrnZero };
inline constexpr int kAligns = 8;

// How it gets into the range of its new type.
enum class Fit : std::uint8_t {
  kWrap,
  kClamp,
  kZero,
  kOther,  // by fixed/cast.h where a value is outside: sign-magnitude wraps and saturated bits
};
inline constexpr int kFits = 3;  // without kOther, which no lanes do

// A cast taken apart for lanes.
struct LaneCast {
  Align align = Align::kUp;
  Fit fit = Fit::kWrap;
  int shift = 0;   // bits to the left for kUp, else to the right
  Int128 low = 0;  // range of the type; AP_SAT_SYM's low end is raised
  Int128 high = 0;
  int fraction = 0;  // of the values, and what they are cast to: for kOther
  Format to;
};

// Calls function<kAlign, kFit>() for run-time values of both.
template <class Function>
auto with_modes(Align align, Fit fit, const Function& function) {
  const auto with_fit = [&]<Align kAlign>() {
    switch (fit) {
      case Fit::kWrap: return function.template operator()<kAlign, Fit::kWrap>();
      case Fit::kClamp: return function.template operator()<kAlign, Fit::kClamp>();
      case Fit::kZero:
      case Fit::kOther: break;
    }
    return function.template operator()<kAlign, Fit::kZero>();
  };
  switch (align) {
    case Align::kUp: return with_fit.template operator()<Align::kUp>();
    case Align::kRnd: return with_fit.template operator()<Align::kRnd>();
    case Align::kRndZero: return with_fit.template operator()<Align::kRndZero>();
    case Align::kRndMinInf: return with_fit.template operator()<Align::kRndMinInf>();
    case Align::kRndInf: return with_fit.template operator()<Align::kRndInf>();
    case Align::kRndConv: return with_fit.template operator()<Align::kRndConv>();
    case Align::kTrn: return with_fit.template operator()<Align::kTrn>();
    case Align::kTrnZero: break;
  }
  return with_fit.template operator()<Align::kTrnZero>();
}

}  // namespace narrow

#endif  // NARROW_ENGINE_LANES_H_
