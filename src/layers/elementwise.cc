#include "layers/elementwise.h"

#include "layers/product.h"
#include "layers/turns.h"

namespace narrow {

void plan_cast(const Place& place, Step& step) {
  const Format& x = place.input();
  step.bits = bits_at(x, x.fraction());
  step.word_bits = cast_bits(step.bits, x.fraction(), place.types.result());
}

template <class Raw>
void compute_cast(const ExactCall<Raw>& call, bool relu) {
  for (std::size_t i = 0; i < call.y.size(); ++i) {
    const Int128 value = relu && call.x()[i] < 0 ? 0 : static_cast<Int128>(call.x()[i]);
    const CastResult result = cast(value, call.place.input(), call.place.types.result());
    count(call.counts, result, value != 0);
    call.y[i] = static_cast<Raw>(result.raw);
  }
}
template void compute_cast(const ExactCall<std::int64_t>&, bool);
template void compute_cast(const ExactCall<Int128>&, bool);

}  // namespace narrow
