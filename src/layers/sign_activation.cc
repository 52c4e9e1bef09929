#include "layers/sign_activation.h"

#include <algorithm>

#include "layers/product.h"
#include "layers/turns.h"

namespace narrow {
namespace {

constexpr int kSignBits = 2;

// -1, 0 or 1 in the result type; an ap_uint<1> has 0 for -1 of a binary one.
CastResult sign_in(int sign, bool ternary, const Format& to) {
  const bool is_bit = to.is_integer && !to.is_signed && to.width == 1;
  return cast(Int128{is_bit && !ternary ? std::max(sign, 0) : sign}, 0, to);
}

}  // namespace

FloatFunction SignActivation::float_function() const {
  return [ternary = ternary_, t = static_cast<float>(threshold_)](const FloatCall& call) {
    // As BinaryNet and TernaryNet have them: 2 round((x + 1) / 2) - 1, and 1 above the threshold, -1 up to minus it.
    std::transform(call.inputs.front().begin(), call.inputs.front().end(), call.y.begin(), [=](float x) {
      return ternary ? (x > t ? 1.F : x <= -t ? -1.F : 0.F) : x > 0 ? 1.F : -1.F;
    });
  };
}

LayerPrecision SignActivation::types(const TypeRequest& request) const {
  if (ternary_) {
    request.notes.push_back(request.layer +
                            " (ternary_tanh) is computed as with io_parallel, with a threshold of 0.5; with io_stream hls4ml "
                            "1.3.0 has a threshold of 1");
  }
  return result_alone(request);
}

void SignActivation::plan(const Place& place, Step& step) const {
  const Format& x = place.input();
  step.bits = std::max(x.width + 2, kSignBits + std::max(x.fraction(), 0));
  step.word_bits = std::max(step.bits, cast_bits(kSignBits, 0, place.types.result()));
}

template <class Raw>
void SignActivation::compute(const ExactCall<Raw>& call) const {
  const Format& from = call.place.input();
  const Format& to = call.place.types.result();
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const auto x = static_cast<Int128>(call.x()[i]);
    int sign = x >= 0 ? 1 : -1;
    if (ternary_) {
      const Int128 twice = cast(2 * x, from, from).raw;
      // In steps of 2^-fraction; steps that are larger than 1 have no value between 0 and 1.
      const Int128 one = from.fraction() >= 0 ? Int128{1} << from.fraction() : Int128{0};
      sign = twice > one ? 1 : (one > 0 ? twice > -one : twice >= 0) ? 0 : -1;
    }
    const CastResult y = sign_in(sign, ternary_, to);
    count(call.counts, y, sign != 0);
    call.y[i] = static_cast<Raw>(y.raw);
  }
}
template void SignActivation::compute(const ExactCall<std::int64_t>&) const;
template void SignActivation::compute(const ExactCall<Int128>&) const;

Interval SignActivation::bounds(const Place& place, const Step&, const std::vector<Interval>&) const {
  const Format& to = place.types.result();
  const Int128 low = sign_in(-1, ternary_, to).raw;
  const Int128 high = sign_in(1, ternary_, to).raw;
  return hull({std::min(low, high), std::max(low, high)}, {});
}

}  // namespace narrow
