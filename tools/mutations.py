"""The mutations of tools/mutate.py: what is broken, the text that stands once in the file, and what takes its place. `equivalent` says
why no test can notice."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    file: str
    what: str
    old: str
    new: str
    equivalent: str = ""

    @property
    def name(self):
        return f"{self.file}: {self.what}"


MUTATIONS = []


def of(file, *mutations):
    MUTATIONS.extend(Mutation("src/" + file, *each) for each in mutations)


of("fixed/cast.cc",
   ("TRN_ZERO truncates down", "kTrnZero) return down + (raw < 0 ? 1 : 0);", "kTrnZero) return down;"),
   ("RND: ties down", "case Rounding::kRnd: return down + 1;", "case Rounding::kRnd: return down;"),
   ("RND_MIN_INF: ties up", "case Rounding::kRndMinInf: return down;", "case Rounding::kRndMinInf: return down + 1;"),
   ("RND_ZERO: ties away from zero", "kRndZero: return down + (raw < 0 ? 1 : 0);", "kRndZero: return down + (raw < 0 ? 0 : 1);"),
   ("RND_INF: ties to zero", "kRndInf: return down + (raw < 0 ? 0 : 1);", "kRndInf: return down + (raw < 0 ? 1 : 0);"),
   ("RND_CONV: ties to odd", "return down + (down & 1);", "return down + (1 - (down & 1));"),
   ("above a half rounds down", "if (above_half) return down + 1;", "if (above_half) return down;"),
   ("the half bit is one too low", "bit(raw, shift - 1) : raw < 0;", "bit(raw, shift > 1 ? shift - 2 : 0) : raw < 0;"),
   ("exact values are rounded too", "if (exact || rounding == Rounding::kTrn)", "if (rounding == Rounding::kTrn)"),
   ("unsigned types wrap as signed ones", "return to.is_signed ? static_cast<Int128>(top)", "return true ? static_cast<Int128>(top)"),
   ("WRAP with saturated bits, unsigned", "if (!to.is_signed) return set_range(low_bits,", "if (false) return set_range(low_bits,"),
   ("WRAP with saturated bits: wrong sign below", "to.width - to.saturated_bits, top - 1, !negative);\n}\n\n// AP_WRAP_SM",
    "to.width - to.saturated_bits, top - 1, negative);\n}\n\n// AP_WRAP_SM"),
   ("WRAP_SM: inverted when it should not be", "dropped == sign ? low_bits", "dropped != sign ? low_bits"),
   ("WRAP_SM with 1 saturated bit", "if (negative != sign) bits = ~bits;", "if (negative == sign) bits = ~bits;"),
   ("WRAP_SM with more saturated bits", "to.width - to.saturated_bits) == negative) bits", "to.width - to.saturated_bits) != negative) bits"),
   ("SAT_ZERO gives the low end", "case Overflow::kSatZero: return 0;", "case Overflow::kSatZero: return min_raw(to);"),
   ("SAT: one below the high end", "case Overflow::kSat: return negative ? min_raw(to) : max_raw(to);",
    "case Overflow::kSat: return negative ? min_raw(to) : max_raw(to) - 1;"),
   ("SAT_SYM has the low end of SAT", "min_raw(to) + (to.is_signed && to.width > 1 ? 1 : 0)", "min_raw(to)"),
   ("SAT_SYM of one bit", "(to.is_signed && to.width > 1 ? 1 : 0)", "(to.is_signed ? 1 : 0)"),
   ("a negative fraction becomes 0 as an ap_int", "if (no_integer_bits) return", "if (no_integer_bits && false) return"),
   ("ap_int rounds down", "round_right(raw, shift, Rounding::kTrnZero) : shift_left", "round_right(raw, shift, Rounding::kTrn) : shift_left"),
   ("ap_int: growing is no overflow", "{wrap(value, to), grows || value >", "{wrap(value, to), value >"),
   ("SAT_SYM: the low end fits", "kSatSym && to.is_signed ? -max_raw(to) : min_raw(to);\n  // Position", "kSatSym && to.is_signed ? min_raw(to) : min_raw(to);\n  // Position"),
   ("the high end is an overflow", "if (value <= max_raw(to) && value >= low)", "if (value < max_raw(to) && value >= low)"),
   ("the low end is an overflow where nothing is rounded", "&& raw >= -shift_right(-low, -shift)", "&& raw > -shift_right(-low, -shift)"),
   ("WRAP_SM looks at the wrong bit", "const int above = shift + to.width;", "const int above = shift + to.width - 1;"),
   ("ap_int(-0.25) is 0", "if (to.is_integer && value < 0 && value > -0.5)", "if (false)"))

of("fixed/format.cc",
   ("saturated bits wrap", "return format.overflow == Overflow::kWrap && format.saturated_bits == 0;", "return format.overflow == Overflow::kWrap;"),
   ("RND_INF does not look at the sign", "         format.rounding == Rounding::kRndInf;", "         false;"),
   ("ap_int does not look at the sign", "return format.is_integer || format.rounding == Rounding::kTrnZero", "return format.rounding == Rounding::kTrnZero"),
   ("steps of an ap_int round down", "if (format.is_integer) result.rounding = Rounding::kTrnZero;", ""),
   ("steps of an unsigned type have no sign", "  result.is_signed = true;\n", ""),
   ("unsigned values need no bit for the sign", "format.width + (format.is_signed ? 0 : 1) + std::max", "format.width + std::max"),
   ("RND_ZERO and RND_MIN_INF by each other's name", '"RND_ZERO", "RND_MIN_INF",', '"RND_MIN_INF", "RND_ZERO",'),
   ("a written type loses its overflow mode", "format.overflow != Overflow::kWrap ? 2", "format.overflow != Overflow::kWrap ? 1"))

of("model/interval.cc",
   ("an ap_int keeps the order of values", "&& !saturates) || to.is_integer) return", "&& !saturates)) return"),
   ("only the low end may wrap", "(low.overflow || high.overflow)", "(low.overflow)"),
   ("SAT_ZERO keeps the order of values", "to.overflow == Overflow::kSat ||", "to.overflow == Overflow::kSatZero || to.overflow == Overflow::kSat ||"),
   ("sums that round by sign are wrapped once", "wraps(sum) && (fraction <= sum.fraction() || !rounds_by_sign(sum))", "wraps(sum)"),
   ("a sum is never wrapped", "return once ? cast_interval(running, sum.fraction(), sum) : running;", "return running;"),
   ("one term is missing", "i < times; ++i", "i < times - 1; ++i"),
   ("steps of a saturating sum do not saturate", "const Format step = once ? unbounded(sum) : sum;", "const Format step = unbounded(sum);"),
   ("a hull has the second's high end", "std::max(a.high, b.high)", "b.high"))

of("layers/dense.cc",
   ("the bias is not cast to accum", "Int128 sum = cast(biases[j], bias_type, accum).raw;",
    "Int128 sum = cast(biases[j], bias_type.fraction(), unbounded(accum)).raw;"),
   ("products in the order of the inputs", "for (const int k : call.step.order) {", "for (int k = 0; k < n_in; ++k) {"),
   ("Resource adds from behind", "a % types.reuse_factor < b % types.reuse_factor", "a % types.reuse_factor > b % types.reuse_factor"),
   ("products are rounded but not brought into range", "cast(exact, product.fraction, accum, product.no_integer_bits).raw;",
    "cast(exact, product.fraction, unbounded(accum), product.no_integer_bits).raw;"),
   ("products without integer bits become 0 as ap_ints", "accum, product.no_integer_bits).raw;", "accum).raw;"),
   ("sums are brought into range in the end only", "sum = cast(next, accum.fraction(), accum).raw;\n",
    "sum = &k == &call.step.order.back() ? cast(next, accum.fraction(), accum).raw : next;\n"),
   ("an accum without integer bits becomes 0 as an ap_int", "const CastResult y = cast(sum, accum, result);",
    "const CastResult y = cast(sum, accum.fraction(), result);"),
   ("binary: 2 * sum", " - (static_cast<Int128>(n_in) << fraction);", ";"),
   ("binary: a bit too few", "{.width = log2_ceil(static_cast<std::size_t>(n_in)) + 2,", "{.width = log2_ceil(static_cast<std::size_t>(n_in)) + 1,"),
   ("the bias's overflow is not counted", "    turns.bring(biases[j], bias_type.fraction(), sum);\n", ""),
   ("a product's overflow is not counted", "      turns.bring(exact, product.fraction, term);\n", ""),
   ("binary layers run as matrix products", "? Form::kAny : Form::kMatrixProduct;", "? Form::kMatrixProduct : Form::kMatrixProduct;"),
   ("inferred: a bit more for powers of two", "const int log = log2_ceil(static_cast<std::size_t>(n_in));",
    "const int log = log2_ceil(static_cast<std::size_t>(n_in) + 1);"),
   ("inferred: unsigned unless both are signed", "weight.is_signed || x.is_signed,\n", "weight.is_signed && x.is_signed,\n"),
   ("no bias has the bias's type", 'bias.empty() ? parse_format("uint<1>") : request.asked(TypeName::kBias)', "request.asked(TypeName::kBias)"),
   ("reuse factors that do not divide the outputs", "(limit % n_out == 0 || reuse >= n_in) && ", ""),
   ("of two near reuse factors the larger", "std::abs(reuse - asked) < std::abs(best - asked)", "std::abs(reuse - asked) <= std::abs(best - asked)"),
   ("fusing does not scale the bias", "const float product = scale[j] * added_[j];", "const float product = added_[j];"),
   ("word: a sum before it is wrapped has no room", "aligned_bias, sum + range})) + 1;", "aligned_bias, sum})) + 1;"),
   ("word: no room for the bias", "align(whole_sum, up) + n_in + aligned_bias :", "align(whole_sum, up) + n_in :"),
   ("word: no bit for the sign", "aligned_bias, sum + range})) + 1;", "aligned_bias, sum + range}));"),
   ("word: the high end for the largest input", "const Int128 x = std::max(max_raw(place.input()), -min_raw(place.input()));",
    "const Int128 x = max_raw(place.input());"),
   ("word: no room for the result", "std::max(word_bits(place, step), cast_bits(accum.width + 1, accum.fraction(), types.result()))", "word_bits(place, step)"),
   ("bounds: the old rule, exact ends saturated, bias uncast", "    } else if (!inside || !reached.within(range)) {\n",
    """    } else if (!inside || !reached.within(range)) {
      const Int128 uncast = cast(biases[j], bias_type.fraction(), free).raw;
      sum = cast_interval({sum.low - start + uncast, sum.high - start + uncast}, accum.fraction(), accum);
    } else if (start > range.high) {
"""),
   ("bounds: the bias is not cast", "cast(biases[j], bias_type.fraction(), wraps(accum) ? free : accum).raw;", "cast(biases[j], bias_type.fraction(), free).raw;"),
   ("bounds: partial sums never fall", "      reached.low += std::min<Int128>(terms[k].low, 0);\n", ""),
   ("bounds: partial sums never climb", "      reached.high += std::max<Int128>(terms[k].high, 0);\n", ""),
   ("bounds: products always fit", "      inside &= terms[k].within(range);\n", ""),
   ("bounds: the order of the inputs", "for (const int k : step.order) {\n        const Interval term", "for (int k = 0; k < dense.n_in; ++k) {\n        const Interval term"),
   ("bounds: negative weights keep the ends", "w < 0 ? Interval{x.high * w, x.low * w}", "w < 0 ? Interval{x.low * w, x.high * w}"),
   ("bounds: of a binary layer as of any", "  if (is_binary(place.input(), place.types[TypeName::kWeight])) return range_of(result);\n", ""),
   ("bounds: an ap_int is any accum", "if (accum.is_integer || step.word_bits > kMaxBits", "if (step.word_bits > kMaxBits"),
   ("bounds: a wrapping sum is not wrapped", "    if (wraps(accum)) {\n      sum = cast_interval(sum, accum.fraction(), accum);\n", "    if (wraps(accum)) {\n"),
   ("bounds: the high end is truncated", "cast(exact.high, product.fraction, free).raw};", "exact.high >> -up};"),
   ("bounds: of the last output alone", "all = j == 0 ? sum : hull(all, sum);", "all = sum;"),
   ("bounds: SAT_SYM reaches the low end of SAT", "const Interval range = cast_interval(range_of(free), free.fraction(), accum);", "const Interval range = range_of(accum);"),
   ("bounds: no cast to the result", "return accum == result ? sum : cast_interval(sum, accum.fraction(), result);", "return sum;"))

of("layers/set_sum.cc",
   ("each row is rounded before it is added", "(static_cast<Int128>(call.x()[i]) << (fraction - x.fraction()))",
    "(cast(static_cast<Int128>(call.x()[i]), x, sum).raw << (fraction - sum.fraction()))"),
   ("a sum without integer bits becomes 0 as an ap_int", "cast(exact, fraction, sum, no_integer_bits).raw;", "cast(exact, fraction, sum).raw;"),
   ("the sum has no bit more", "std::max(x.integer, sum.integer) + 1 <= 0", "std::max(x.integer, sum.integer) <= 0"),
   ("overflow of a step is not counted", "      turns.bring(exact, fraction, total);\n", ""),
   ("bounds: one row is missing", "static_cast<int>(set_size(place)), place.types.result());", "static_cast<int>(set_size(place)) - 1, place.types.result());"),
   ("word: no room for many rows", "bits_at(x, fraction) + static_cast<int>(std::bit_width(set_size(place))) + 2", "bits_at(x, fraction) + 2"))

of("layers/set_mean.cc",
   ("the mean is rounded down", "cast(total / set, accum,", "cast((total - (total < 0 ? set - 1 : 0)) / set, accum,"),
   ("rows are not cast to accum", "const Int128 term = cast(x, call.place.input(), accum).raw;",
    "const Int128 term = cast(x, call.place.input().fraction(), unbounded(accum)).raw;"),
   ("the sum is not brought into range", "total = cast(exact, accum.fraction(), accum).raw;", "total = exact;"),
   ("a row's overflow is not counted", "      turns.bring(x, call.place.input().fraction(), term);\n", ""),
   ("a mean without integer bits becomes 0 as an ap_int", "cast(total / set, accum, call.place.types.result())", "cast(total / set, accum.fraction(), call.place.types.result())"),
   ("bounds: rows are not brought into range", "  if (!wraps(accum)) term = cast_interval(term, accum.fraction(), accum);\n", ""),
   ("bounds: an ap_int is any accum", "step.bits > kMaxBits || accum.is_integer", "step.bits > kMaxBits"),
   ("bounds: the high end is one too low", "sum.high / set}", "sum.high / set - 1}"))

of("layers/elementwise.cc",
   ("relu passes negative values", "relu && call.x()[i] < 0 ? 0", "relu && call.x()[i] > 0 ? 0"),
   ("a type without integer bits becomes 0 as an ap_int", "cast(value, call.place.input(), call.place", "cast(value, call.place.input().fraction(), call.place"),
   ("word: no room for the cast", "step.word_bits = cast_bits(step.bits, x.fraction(), place.types.result());", "step.word_bits = step.bits;"))

of("layers/relu.cc",
   ("bounds: a dead relu is negative", "std::max<Int128>(inputs.front().high, 0)};", "inputs.front().high};"))

of("layers/linear.cc",
   ("bounds: no cast", "return cast_interval(inputs.front(), place.input().fraction(), place.types.result());", "return place.shape.empty() ? range_of(place.types.result()) : inputs.front();"))

of("layers/leaky_relu.cc",
   ("the slope is that of positive values", "x > 0 ? cast(x, from, to)", "x < 0 ? cast(x, from, to)"),
   ("a product without integer bits, wrongly told", "from.integer + param.integer <= 0", "from.integer <= 0"),
   ("the slope's type has a bit more", "constexpr int kMaxWidth = 8;", "constexpr int kMaxWidth = 9;"),
   ("the slope's type has an integer bit too few", "std::log2(value + std::ldexp(1.0, -fraction))", "std::log2(value)"),
   ("the slope's overflow is not counted", "slope.overflow ? std::size_t{1} : 0", "std::size_t{0}"),
   ("bounds: a negative slope keeps the ends", "{std::min(one, other), std::max(one, other)}", "{one, other}"),
   ("bounds: negative values alone", "return high > 0 ? hull(positive, rest) : rest;", "return rest;"),
   ("bounds: products come from positive values too", "const Int128 other = slope * std::min<Int128>(high, 0);", "const Int128 other = slope * std::max<Int128>(high, 0);",
    "wider bounds, which are as true"),
   ("word: no room for the product", "step.bits = x.width + param.width + 1;", "step.bits = x.width;"))

of("layers/batch_normalization.cc",
   ("the mean is added", "result[i] = beta[i] - shift;", "result[i] = beta[i] + shift;"),
   ("epsilon is left out", "std::sqrt(variance[i] + epsilon)", "std::sqrt(variance[i])"),
   ("the bias is dropped", "((x * scale) << product_up) + (bias << bias_up);", "((x * scale) << product_up) + (bias & 0);"),
   ("the sum has no bit more", "bias.integer) + 1 <= 0;", "bias.integer) <= 0;"),
   ("ternary scales count as they are", "  read_ternary(step, TypeName::kScale, scale_type);\n", ""),
   ("inferred: unsigned unless both are signed", "x.is_signed || scale_type.is_signed, bias_type", "x.is_signed && scale_type.is_signed, bias_type"),
   ("bounds: a negative scale keeps the ends", "{std::min(a, b), std::max(a, b)}", "{a, b}"),
   ("bounds: of the last feature alone", "all = i == 0 ? value : hull(all, value);", "all = value;"))

of("layers/quantize.cc",
   ("text: ties away from zero", "rest > half || (rest == half && (down & 1) != 0) ? 1 : 0", "rest >= half ? 1 : 0"),
   ("text: truncated", "rest > half || (rest == half && (down & 1) != 0) ? 1 : 0", "false ? 1 : 0"),
   ("text: one decimal more", "std::max(0, format.fraction());", "std::max(0, format.fraction()) + 1;"),
   ("text of an ap_int has decimals", "format.is_integer ? 0 : std::max(0, format.fraction())", "std::max(format.is_integer ? 1 : 0, format.fraction())"),
   ("the cache forgets the type", "values.size(), to_string(format)}", 'values.size(), std::string()}'),
   ("weights that overflow are not counted", "weights.overflows += result.overflow ? 1 : 0;", ""),
   ("weights that vanish are not counted", "weights.zeros += value != 0 && result.raw == 0 ? 1 : 0;", ""))

of("layers/product.cc",
   ("a ternary -2 counts as -x", "Int128{-2}, Int128{1});", "Int128{-2}, Int128{-1});"),
   ("word: no room to align", "bits + std::max(0, to.fraction() - fraction)", "bits"),
   ("word: no bit for rounding up", "to.width + 1) + 1; }", "to.width + 1); }"))

of("layers/product.h",
   ("ternary products have 2 integer bits", "(is_ternary(w) ? 1 : w.integer)", "w.integer"),
   ("binary where the weight is a bit", "return is_bit(x) && is_bit(w);", "return is_bit(w);"))

of("layers/inferred_sum.cc",
   ("an unsigned product and a signed bias", "(bias.is_signed && !is_signed ? 1 : 0)", "0"),
   ("a signed product and an unsigned bias", "(is_signed && !bias.is_signed ? 1 : 0)", "0"),
   ("the bias adds no bit", "(is_signed && !bias.is_signed ? 1 : 0)) + 1;", "(is_signed && !bias.is_signed ? 1 : 0));"),
   ("the bias's steps do not matter", "std::max(width - integer, bias.fraction())", "width - integer"),
   ("the maximum leaves the integer bits", "    sum.integer = std::min(sum.integer, maximum->integer);\n", ""))

of("layers/turns.h",
   ("a sum that wraps and comes back has left", "left_ |= exact.overflow || (!wraps_ && exact.raw != result);", "left_ |= exact.overflow || exact.raw != result;"),
   ("wrapping is no overflow", "return left_ || turns_ != 0;", "return left_;"),
   ("what overflowed to 0 was rounded to 0", "result.raw == 0 && !result.overflow ? 1 : 0;", "result.raw == 0 ? 1 : 0;"))
