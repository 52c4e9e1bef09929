#include "engine/dense/lane_dense.h"

#include "fixed/cast.h"

namespace narrow {
namespace {

bool fits_int32(const Format& format) { return format.width + (format.is_signed ? 0 : 1) <= 32; }

}  // namespace

std::optional<LaneDense> make_lane_dense(const MatrixProduct& product) {
  const Format& accum = product.accum;
  const int fraction = product.input.fraction() + product.weight.fraction();
  const bool no_integer_bits = accum.is_integer && (product.product_integer <= 0 || product.bias.integer <= 0);
  const auto to_accum = make_lane_cast(fraction, accum, product.word_bits, no_integer_bits);
  if (!to_accum || !fits_int32(product.input) || !fits_int32(product.weight)) return std::nullopt;
  LaneDense dense;
  dense.n_in = product.n_in;
  dense.n_out = product.n_out;
  constexpr int kNarrow = 32;
  dense.wide = product.word_bits > kNarrow;
  dense.product = *to_accum;
  dense.order.assign(product.order.begin(), product.order.end());
  constexpr int kLanes = LaneDense::kLanes;
  const int blocks = (product.n_out + kLanes - 1) / kLanes;
  dense.weights.assign(static_cast<std::size_t>(blocks) * static_cast<std::size_t>(product.n_in * kLanes), 0);
  dense.bias.assign(static_cast<std::size_t>(blocks) * kLanes, 0);
  dense.bias_left = dense.bias;
  // A wrapping accum takes the bias with all its bits, so that the exact sum can be told from its wrapped value.
  Format bias_format = accum;
  if (to_accum->fit == Fit::kWrap) bias_format.width = kMaxSumWidth;
  bias_format.integer = bias_format.width - accum.fraction();
  if (accum.is_integer) bias_format.rounding = Rounding::kTrnZero, bias_format.is_integer = false;
  for (int k = 0; k < product.n_in; ++k) {
    for (int j = 0; j < product.n_out; ++j) {
      const auto to = static_cast<std::size_t>(((j / kLanes) * product.n_in + k) * kLanes + j % kLanes);
      dense.weights[to] = static_cast<std::int32_t>(product.at(dense.order[static_cast<std::size_t>(k)], j));
    }
  }
  for (std::size_t j = 0; j < static_cast<std::size_t>(product.n_out); ++j) {
    const CastResult bias = cast(product.biases[j], product.bias, bias_format);
    dense.bias[j] = static_cast<std::int64_t>(bias.raw);
    dense.bias_left[j] = bias.overflow ? 1 : 0;
  }
  return dense;
}

}  // namespace narrow
