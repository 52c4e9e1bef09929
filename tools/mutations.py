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
   ("SAT_SYM: the low end fits", "const Int128 low = least_raw(to);\n  // Position", "const Int128 low = min_raw(to);\n  // Position"),
   ("the high end is an overflow", "if (value <= max_raw(to) && value >= low)", "if (value < max_raw(to) && value >= low)"),
   ("the low end is an overflow where nothing is rounded", "&& raw >= -shift_right(-low, -shift)", "&& raw > -shift_right(-low, -shift)"),
   ("WRAP_SM looks at the wrong bit", "const int above = shift + to.width;", "const int above = shift + to.width - 1;"),
   ("ap_int(-0.25) is 0", "if (to.is_integer && value < 0 && value > -0.5)", "if (false)"))

of("fixed/format.cc",
   ("saturated bits wrap", "return format.overflow == Overflow::kWrap && format.saturated_bits == 0;", "return format.overflow == Overflow::kWrap;"),
   ("RND_INF does not look at the sign", "         format.rounding == Rounding::kRndInf;", "         false;",
    "it is asked for by running_sum alone, where what model/interval.cc says of it holds"),
   ("ap_int does not look at the sign", "return format.is_integer || format.rounding == Rounding::kTrnZero", "return format.rounding == Rounding::kTrnZero",
    "it is asked for by running_sum alone, where what model/interval.cc says of it holds"),
   ("steps of an ap_int round down", "if (format.is_integer) result.rounding = Rounding::kTrnZero;", ""),
   ("steps of an unsigned type have no sign", "  result.is_signed = true;\n", ""),
   ("unsigned values need no bit for the sign", "format.width + (format.is_signed ? 0 : 1) + std::max", "format.width + std::max"),
   ("RND_ZERO and RND_MIN_INF by each other's name", '"RND_ZERO", "RND_MIN_INF",', '"RND_MIN_INF", "RND_ZERO",'),
   ("a written type loses its overflow mode", "format.overflow != Overflow::kWrap ? 2", "format.overflow != Overflow::kWrap ? 1"))

of("model/interval.cc",
   ("an ap_int keeps the order of values", "&& !saturates(to)) || to.is_integer) return", "&& !saturates(to))) return"),
   ("only the low end may wrap", "(low.overflow || high.overflow)", "(low.overflow)"),
   ("SAT_ZERO keeps the order of values", "&& !saturates(to)) ||", "&& !saturates(to) && to.overflow != Overflow::kSatZero) ||"),
   ("sums that round by sign are wrapped once", "wraps(sum) && (fraction <= sum.fraction() || !rounds_by_sign(sum))", "wraps(sum)",
    "a partial sum of equal terms leaves the range only where the whole one does, whose cast is then the whole range"),
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
   ("inferred: a bit more for powers of two", "const int log = log2_ceil(static_cast<std::size_t>(terms));",
    "const int log = log2_ceil(static_cast<std::size_t>(terms) + 1);"),
   ("inferred: unsigned unless both are signed", "weight.is_signed || x.is_signed, bias_type", "weight.is_signed && x.is_signed, bias_type"),
   ("inferred: signs are numbers", "const bool numbers = is_number(weight) && is_number(x) && is_number(bias_type);", "const bool numbers = true;"),
   ("a quantized kernel has the type of the configuration", "kernel_ ? kernel_->type : request.asked(TypeName::kWeight)", "request.asked(TypeName::kWeight)"),
   ("a binary kernel has -1", "typed.type.meaning == Meaning::kSign ? 0.F : -1.F", "-1.F"),
   ("a moved bias stays", "bias.empty() || quantizers.bias_moved ?", "bias.empty() ?"),
   ("no bias has the bias's type", 'bias.empty() ? parse_format("uint<1>") : bias_ ?', "bias_ ?"),
   ("fusing does not scale the bias", "Numbers sums = sum(product(scale, added_), shift);", "Numbers sums = sum(added_, shift);"),
   ("a scaled bias is not quantized again", "quantized_as_trained(sums, *bias_type) : sums;", "sums : sums;"),
   ("word: a sum before it is wrapped has no room", "aligned_bias, sum + range})) + 1;", "aligned_bias, sum})) + 1;",
    "only the difference to the low end needs the room; its low bits, which alone are kept, are right in any word"),
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
   ("bounds: of a binary layer as of any", "  if (form(place) == Form::kAny) return range_of(result);\n", ""),
   ("bounds: an ap_int is any accum", "if (accum.is_integer || step.word_bits > kMaxBits", "if (step.word_bits > kMaxBits",
    "cast_interval gives the whole range of an ap_int"),
   ("bounds: a wrapping sum is not wrapped", "    if (wraps(accum)) {\n      sum = cast_interval(sum, accum.fraction(), accum);\n", "    if (wraps(accum)) {\n"),
   ("bounds: the high end is truncated", "cast(exact.high, product.fraction, free).raw};", "exact.high >> -up};"),
   ("bounds: of the last output alone", "all = j == 0 ? sum : hull(all, sum);", "all = sum;"),
   ("bounds: SAT_SYM reaches the low end of SAT", "const Interval range = cast_interval(range_of(free), free.fraction(), accum);", "const Interval range = range_of(accum);"),
   ("bounds: no cast to the result", "return accum == result ? sum : cast_interval(sum, accum.fraction(), result);", "return sum;"))

of("layers/set_sum.cc",
   ("each row is rounded before it is added", ": x << (fraction_ - x_.fraction());", ": cast(x, x_, sum_).raw << (fraction_ - sum_.fraction());"),
   ("rows are not truncated before an ap_int adds them", "sum_.is_integer ? cast(x, x_, kWholeNumbers).raw :", "sum_.is_integer && x_.integer > 60 ? cast(x, x_, kWholeNumbers).raw :"),
   ("rows without integer bits become 0 as ap_ints", "cast(x, x_, kWholeNumbers).raw", "cast(x, x_.fraction(), kWholeNumbers).raw"),
   ("overflow of a step is not counted", "  turns.bring(exact, fraction_, next);\n", ""),
   ("bounds: one row is missing", "static_cast<int>(set_size(place)), place.types.result());", "static_cast<int>(set_size(place)) - 1, place.types.result());"),
   ("word: no room for many rows", "bits_at(x, fraction) + static_cast<int>(std::bit_width(set_size(place))) + 2", "bits_at(x, fraction) + 2"))

of("layers/set_mean.cc",
   ("the mean is rounded down", "|| sum >= 0) return sum / n;", "|| sum >= 0) return (sum - (sum < 0 ? n - 1 : 0)) / n;"),
   ("an ap_int is divided as an ap_fixed", "if (!accum.is_integer || ", "if (true || "),
   ("an ap_int of 32 bits is divided without sign", "accum.width >= kUnsignedInt", "accum.width > kUnsignedInt"),
   ("rows are not cast to accum", "const Int128 term = cast(x, call.place.input(), accum).raw;",
    "const Int128 term = cast(x, call.place.input().fraction(), unbounded(accum)).raw;"),
   ("the sum is not brought into range", "total = cast(exact, accum.fraction(), accum).raw;", "total = exact;"),
   ("a row's overflow is not counted", "      turns.bring(x, call.place.input().fraction(), term);\n", ""),
   ("a mean without integer bits becomes 0 as an ap_int", "cast(quotient(total, set, accum), accum, call", "cast(quotient(total, set, accum), accum.fraction(), call"),
   ("bounds: rows are not brought into range", "  if (!wraps(accum)) term = cast_interval(term, accum.fraction(), accum);\n", "",
    "equal terms that leave the range on one side saturate every sum there"),
   ("bounds: an ap_int is any accum", "step.bits > kMaxBits || accum.is_integer", "step.bits > kMaxBits"),
   ("bounds: the high end is one too low", "sum.high / set}", "sum.high / set - 1}"))

of("layers/elementwise.cc",
   ("relu passes negative values", "relu && call.x()[i] < 0 ? 0", "relu && call.x()[i] > 0 ? 0"),
   ("a type without integer bits becomes 0 as an ap_int", "cast(value, call.place.input(), call.place", "cast(value, call.place.input().fraction(), call.place"),
   ("word: no room for the cast", "step.word_bits = cast_bits(step.bits, x.fraction(), place.types.result());", "step.word_bits = step.bits;"))

of("layers/relu.cc",
   ("bounds: a dead relu is negative", "cast_interval(positive_part(inputs.front()),", "cast_interval(Interval{std::max<Int128>(inputs.front().low, 0), inputs.front().high},"))

of("layers/linear.cc",
   ("bounds: no cast", "return cast_interval(inputs.front(), place.input().fraction(), place.types.result());", "return place.shape.empty() ? range_of(place.types.result()) : inputs.front();"))

of("layers/sloped.cc",
   ("the slope is that of positive values", "x > 0 ? cast(x, from, to)", "x < 0 ? cast(x, from, to)"),
   ("a product without integer bits, wrongly told", "const bool no_integer_bits = from.integer + param.integer <= 0;", "const bool no_integer_bits = from.integer <= 0;"),
   ("the slope of the first value is that of all", "slopes[slopes.size() == 1 ? 0 : i] * x", "slopes[0] * x"),
   ("a constant's type has a bit more", "constexpr int kMostBits = 8;", "constexpr int kMostBits = 9;"),
   ("a constant's type has an integer bit too few", "std::log2(value + std::ldexp(1.0, -fraction))", "std::log2(value)"),
   ("a constant's overflow is not counted", "result.overflow ? std::size_t{1} : 0", "std::size_t{0}"),
   ("bounds: the least slope alone", "*most * x.low, *most * top}", "*least * x.low, *least * top}"),
   ("bounds: negative values alone", "return x.high > 0 ? hull(positive, rest) : rest;", "return rest;"),
   ("bounds: products come from positive values too", "const Int128 top = std::min<Int128>(x.high, 0);", "const Int128 top = std::max<Int128>(x.high, 0);",
    "wider bounds, which are as true"),
   ("word: no room for the product", "step.bits = x.width + param.width + 1;", "step.bits = x.width;"),
   ("a constant is rounded up to coarser steps", "raw >> std::min(fraction - to, kSumBits)", "(raw >> std::min(fraction - to, kSumBits)) + 1"),
   ("a constant in steps that are twice as fine", "raw >> std::min(fraction - to, kSumBits)", "raw >> std::min(fraction - to - 1, kSumBits)"),
   ("kernel: slopes by value where there are as many as nodes", "slopes == static_cast<std::size_t>(place.shape.back())", "slopes >= static_cast<std::size_t>(place.shape.back())"))

of("layers/prelu.cc",
   ("the slopes' type is the default", "value_or(request.inputs.front())", "value_or(request.fallback)"))

of("layers/thresholded_relu.cc",
   ("theta's type is the default", "value_or(request.inputs.front())", "value_or(request.fallback)"),
   ("theta itself passes", "const CastResult y = x > below ?", "const CastResult y = x >= below ?"),
   ("bounds: 0 is not among them", "return low > below ? passed : hull(passed, {0, 0});", "return passed;"))

of("layers/windows.cc",
   ("same: the odd zero is in front", "std::max((whole - 1) * stride + window - size, 0) / 2, whole}", "(std::max((whole - 1) * stride + window - size, 0) + 1) / 2, whole}"),
   ("causal: no zeros in front", "return {size, window, stride, window - 1, whole};", "return {size, window, stride, 0, whole};"),
   ("valid: strides that leave values out are counted up", "(size - window) / stride + 1}", "(size - window + stride - 1) / stride + 1}"))

of("layers/windows.h",
   ("across and down are one", "u * across.window + v,", "u * down.window + v,"),
   ("windows do not move down", "(i * down.stride - down.before + u) * across.size", "(i - down.before + u) * across.size"),
   ("nothing is said to be padded behind", "begin(0) > 0 || end(count - 1) < window", "begin(0) > 0"))

of("layers/convolution.cc",
   ("bounds: zeros are not among the values", "pads(*place.shapes.front()) ? hull(inputs.front(), {}) : inputs.front()", "inputs.front()"),
   ("a run begins at the window's first column", "u * across.window + begin) * channels_", "u * across.window) * channels_"),
   ("pointwise: strides are passed over", "if (is_pointwise() && every_pixel)", "if (is_pointwise())"))

of("layers/reuse_factor.cc",
   ("reuse factors that do not divide the outputs", "(limit % n_out == 0 || reuse >= n_in) && ", ""),
   ("of two near reuse factors the larger", "std::abs(reuse - asked) < std::abs(best - asked)", "std::abs(reuse - asked) <= std::abs(best - asked)"))

of("layers/depthwise.cc",
   ("each filter is over all channels", "whole[k * n + k % n] = kernel[k];", "for (std::size_t j = 0; j < n; ++j) whole[k * n + j] = kernel[k];"),
   ("inferred: as many terms as a convolution", "dense().types(own, windows().pixels())", "dense().types(own)"),
   ("weights are those of a convolution", "arrays.front() = kernel_.weights().front();", "",
    "zeros have no part in sums; their range and their number are what a user sees"),
   ("folded: one scale for all channels", "product(kernel_.kernel_numbers(), scale),", "product(kernel_.kernel_numbers(), std::vector<float>{scale.singles().front()}),"),
   ("quantized: no product is one of 1 among powers of two", "powers ? kNoPower : 0", "0"),
   ("quantized: the type is the configuration's", "if (quantizer) {", "if (false) {"),
   ("quantized: a normalization is folded in", "if (quantizers().any()) return nullptr;", ""))

of("model/operation.h",
   ("zeros of the padding are what was there", "if (gather.pads) std::fill_n", "if (false) std::fill_n"))

of("layers/pooling.cc",
   ("max pooling pads with 0", "return x.is_signed ? min_raw(x) : Int128{1} << (x.width - 1);", "return 0;"),
   ("padding is looked at with io_stream alone", "return pads(input) || (!windows_.one_axis() && windows_.size != windows_.strides);", "return pads(input);"),
   ("an average is divided by all pixels of its window", "y = quotient(sum, static_cast<Int128>(real), accum);", "y = quotient(sum, static_cast<Int128>(pixels), accum);"),
   ("sums from the first to the last", "const std::size_t left = std::bit_floor(terms.size() - 1);", "const std::size_t left = terms.size() - 1;"),
   ("the largest is found before values are cast", "if (parallel || shift) {", "if (true) {"),
   ("auto: an average grows by no fractional bits", "{.width = x.width + 2 * more,", "{.width = x.width + more,"),
   ("auto: the result is accum's type", "request.choice(TypeName::kResult).value_or(x)", "request.choice(TypeName::kResult).value_or(accum)"),
   ("the overflow of a term is not counted", "else turns.bring(value, x.fraction(), term.raw);", ""),
   ("bounds: the padding is not among the values", "if (pads(shape)) values.high = std::max(values.high, pad_value(x));", ""),
   ("bounds: the mean of an ap_int is any accum's", "  if (accum.is_integer) return range_of(result);\n", ""))

of("layers/set_max.cc",
   ("the largest is found before values are cast", "const CastResult term = cast(value, x, accum);", "const CastResult term = cast(value, x, unbounded(accum));"))

of("layers/rearrangement.cc",
   ("axes are permuted the other way", "steps[axis];", "steps[i];"),
   ("what is cut off is added", "place -= added(i, 0);", "place += added(i, 0);"),
   ("a Cropping has its input's type", "move_ == Move::kCrop ? request.fallback : request.inputs.front()", "request.inputs.front()"),
   ("values repeat as a whole", "place /= numbers_[i];", "place %= input[axis];"),
   ("zeros behind are in front", "place -= added(i, 0);", "place -= added(i, 1);"),
   ("bounds: zeros are not among the values", "move_ == Move::kZeroPad ? hull(inputs.front(), {}) : inputs.front()", "inputs.front()"))

of("layers/merge.cc",
   ("an average is a sum", "fraction + (kind_ == MergeKind::kAverage ? 1 : 0)", "fraction"),
   ("ties take the first", "kMaximum ? a > b : a < b;", "kMaximum ? a >= b : a <= b;"),
   ("b is taken as a's type", "takes ? cast(first, a, to) : cast(second, b, to)", "takes ? cast(first, a, to) : cast(second, a, to)"),
   ("wide types are compared by value", "std::max(first, second) >= kInt &&", "false &&"),
   ("from 33 bits on", "constexpr int kInt = 32;", "constexpr int kInt = 33;"),
   ("the first grows by no bit where it is shifted", "(first ? 1 : 0), 1)", "0, 1)"),
   ("one bit of AP_SAT_SYM is -1", "return b.width == 1 && b.is_signed", "return false && b.is_signed"),
   ("a smaller input repeats value by value", "call.inputs[1][i % call.inputs[1].size()]", "call.inputs[1][i * call.inputs[1].size() / call.y.size()]"),
   ("auto: no bit for the sum", "(a.is_signed && !b.is_signed ? 1 : 0)) + 1;", "(a.is_signed && !b.is_signed ? 1 : 0));"),
   ("auto: a difference is unsigned", "|| kind_ == MergeKind::kSubtract},", "},"),
   ("auto: a maximum has the default modes", "same_type(a, b) ? a : format_of_both(a, b)", "format_of_both(a, b)"),
   ("the sum's integer bits are the first's", "compares(kind_) ? a.integer <= 0 : sum_integer(a, b) <= 0", "a.integer <= 0"),
   ("kernel: whatever becomes an ap_int", "if (!alike || !compares_values(a, b)) return Form::kAny;", "if (!compares_values(a, b)) return Form::kAny;"),
   ("kernel: wide types by value", "if (!alike || !compares_values(a, b)) return Form::kAny;", "if (!alike) return Form::kAny;"),
   ("bounds: wide types by value", "if (compares(kind_) && !compares_values(*place.inputs[0], *place.inputs[1])) {", "if (false) {"))

of("model/operation.cc",
   ("bounds: a difference is a sum", "return {p.low - q.high, p.high - q.low};", "return {p.low - q.low, p.high - q.high};"),
   ("bounds: products of the ends of one", "{p.low * q.low, p.low * q.high, p.high * q.low, p.high * q.high}", "{p.low * q.low, p.high * q.high}"),
   ("bounds: the larger is the first", "case Pairing::Kind::kLarger: return {std::max(p.low, q.low), std::max(p.high, q.high)};", "case Pairing::Kind::kLarger: return p;"))

of("layers/concatenate.cc",
   ("the second comes as the first's type", "cast(value, *call.place.inputs[k],", "cast(value, *call.place.inputs[0],"),
   ("auto: the modes are the second's", "inferred.overflow = a.overflow != Overflow::kWrap ? a.overflow : b.overflow;", "inferred.overflow = b.overflow;"),
   ("auto: the maximum does not cut", "capped(format_of_both(a, b), request.maximum)", "format_of_both(a, b)"),
   ("kernel: along any axis", "return by_row && alike &&", "return alike &&"))

of("layers/dot.cc",
   ("-2 counts as itself", "ternary && second == -2 ? 1 : second", "second"),
   ("auto: no bits for the sum", "const int log = n < 2 ? 0 :", "const int log = n < 1000 ? 0 :"),
   ("bounds: -2 counts as itself", "if (is_ternary(b)) second =", "if (false) second ="))

of("layers/relu_max.cc",
   ("6 itself is cast as 6", "x > below ? cast(Int128{most_}, 0, to)", "x >= below ? cast(Int128{most_}, 0, to)",
    "6 is 6 in either type"),
   ("bounds: the maximum alone", "return high > below ? hull(rest, most) : rest;", "return high > below ? most : rest;"))

of("layers/hard_sigmoid.cc",
   ("the slope is 1 / 6", "kFifth{13107, 16};", "kFifth{10922, 16};"),
   ("it ends at 2", "one = Int128{1} << fraction;", "one = Int128{2} << fraction;"),
   ("coarse steps: the shift is lost", "std::max(x.fraction() + slope.fraction, kShiftFraction)", "x.fraction() + slope.fraction"),
   ("a hard tanh is a hard sigmoid", "return tanh ? 2 * v - one : v;", "return v;"))

of("layers/exponential_unit.cc",
   ("0 is looked up", "CastResult y = x >= 0 ?", "CastResult y = x > 0 ?",
    "the first entry is exp(0) - 1 = 0"),
   ("selu's factor is an ap_ufixed<16,1>", "const Format type = parallel_ ? ufixed(16, 1) : place.input();", "const Format type = ufixed(16, 1);"),
   ("selu's factor of ONNX is of the input's type", "const Format type = parallel_ ? ufixed(16, 1) : place.input();", "const Format type = place.input();"),
   ("a product without integer bits, wrongly told", "x.integer + factor.format.integer <= 0", "x.integer <= 0"),
   ("a factor that does not fit is not told", "    y.overflow |= x > 0 && above.overflow;\n", ""),
   ("bounds: the table alone", "return high >= 0 ? hull(linear, table) : table;", "return table;"),
   ("bounds: 0 is left out", "std::min<Int128>(high, -1)", "std::min<Int128>(high, -2)"),
   ("the size is not asked for", "request.table_size.value_or(kTableSize)", "kTableSize"))

of("layers/table.cc",
   ("sigmoid is taken half a step off", "static_cast<float>(2 * 8.0 * (i - size / 2.0) / size);", "static_cast<float>(2 * 8.0 * (i + 0.5 - size / 2.0) / size);"),
   ("tanh is in double", "return std::tanh(x);", "return std::tanh(static_cast<double>(x));",
    "entries of the types in use are the same"),
   ("an infinite entry is 0", "return std::isinf(value) ? std::copysign(std::ldexp(1.0, kHuge), value) : value;", "return std::isinf(value) ? 0 : value;"),
   ("the middle of an entry, not its edge", "<< (of.width - std::countr_zero(static_cast<unsigned>(size)));", "<< (of.width - std::countr_zero(static_cast<unsigned>(size))) | ((static_cast<Int128>(1) << (of.width - std::countr_zero(static_cast<unsigned>(size)))) >> 1);"),
   ("upper entries of a signed type are positive", "if (of.is_signed && raw > max_raw(of))", "if (false)"),
   ("tables of all types are one", 'std::to_string(size) + " " + to_string(format)', 'std::to_string(size)'),
   ("tables of all sizes are one", '" " + std::to_string(size) + " " + to_string(format)', '" " + to_string(format)'),
   ("an index is rounded down", "cast(raw * size / span, format.fraction()", "cast((raw * size - (raw < 0 && span > 0 ? span - 1 : 0)) / span, format.fraction()"),
   ("an index has no wrap", "const auto index = static_cast<std::int32_t>(static_cast<std::uint32_t>(whole) + static_cast<std::uint32_t>(offset));", "const auto index = static_cast<std::int32_t>(std::clamp<Int128>(Int128{whole} + offset, 0, size - 1));"),
   ("indices reach one past the end", "std::clamp(index, 0, size - 1);", "std::clamp(index, 0, size - 2 < 0 ? 0 : size - 2);"),
   ("tanh has sigmoid's range", "span = 8, offset = 4 * entries / 8;", "span = 16, offset = 4 * entries / 8;"),
   ("bounds: indices that wrap", "if (integer >= kInt.width) return {0, size - 1};", ""))

of("layers/table_activation.cc",
   ("no cast of an entry", "const CastResult y = cast(entry, table, place.types.result());", "const CastResult y{entry, false};"),
   ("a table without integer bits becomes 0 as an ap_int", "cast(entry, table, place.types.result())", "cast(entry, table.fraction(), place.types.result())"),
   ("the size is not asked for", "request.table_size.value_or(kTableSize)", "kTableSize"),
   ("the type is not asked for", "request.choice(TypeName::kTable).value_or(default_table())", "default_table()"),
   ("bounds: the first entry alone", "entries.begin() + last + 1);", "entries.begin() + first + 1);"))

of("layers/table.h",
   ("indices are rounded down", "product < 0 ? (std::int64_t{1} << shift) - 1 : 0", "0"))

of("layers/softmax.cc",
   ("a key that wraps is looked up fast", "if (key > largest_key_) return false;", ""),
   ("a sum that leaves its range is looked up fast", "if (sum > largest_sum_) return false;", ""),
   ("a result that leaves its range is taken", "if (y[i] < low_ || y[i] > high_) return false;", ""),
   ("a term that does not fit is its low bits", "term.overflow ? -1 : term.raw", "term.raw"),
   ("a wrap of a key is not counted", "left_ |= raw > largest_key;  // a difference that wraps", ""),
   ("ties of fast products are truncated", "result.rounding == Rounding::kRnd && shift_ > 0", "false && shift_ > 0"),
   ("stable: the key has the sign", "const int sign = x.is_signed ? 1 : 0;", "const int sign = 0;"),
   ("stable: the table is not cut", "return std::min(size, 1 << (x.width - 1));", "return size;"),
   ("stable: x - max", "? highest - score : score;", "? score - highest : score;"),
   ("a plain sum", "const std::size_t left = std::bit_floor(terms.size() - 1);", "const std::size_t left = terms.size() - 1;"),
   ("exps are not cast to accum", "terms_.push_back(brought(cast(exps[index], types_[TypeName::kExpTable], accum)));", "terms_.push_back(cast(exps[index], types_[TypeName::kExpTable].fraction(), unbounded(accum)).raw);"),
   ("a product without integer bits, wrongly told", "accum.integer + inverse_type.integer <= 0", "accum.integer <= 0"),
   ("argmax: the last", "std::max_element(x.begin(), x.end()) - x.begin());  // the first", "x.size() - 1 - (std::max_element(x.rbegin(), x.rend()) - x.rbegin()));"),
   ("legacy: a score counts itself by the table", "const Int128 term = i == j ? one :", "const Int128 term = i > x.size() ? one :",
    "exp(0) is 1, and the table has it"),
   ("legacy: the other sign", "of_difference.of(x[j] - x[i], difference)", "of_difference.of(x[i] - x[j], difference)"),
   ("legacy: the configured size", "const TableIndex of_sum(TableFunction::kLegacyInverse, kTableSize);", "const TableIndex of_sum(TableFunction::kLegacyInverse, *types_.table_size);"),
   ("sizes are not cut", "1 << std::min({input.width, types[TypeName::kInvTable].width, kMost})", "1 << kMost"),
   ("a size of no power of two is taken", "if (!std::has_single_bit(static_cast<unsigned>(size)) || size == 1) {", "if (size == 1) {"),
   ("bounds: positive corners alone", "std::minmax_element(std::begin(corners), std::end(corners));", "std::minmax_element(std::begin(corners) + 2, std::end(corners));"),
   ("bounds: exps are not cast", "cast_interval(ends(step[TypeName::kExpTable].raw), types[TypeName::kExpTable].fraction(), accum);", "ends(step[TypeName::kExpTable].raw);"))

of("layers/batch_normalization.cc",
   ("a number for each value of a sample, row by row", "scale_numbers.size() != static_cast<std::size_t>(place.shape.back())) return Form::kAny;", "false) return Form::kAny;"),
   ("the mean is added", "result[i] = beta[i] - shift;", "result[i] = beta[i] + shift;"),
   ("epsilon is left out", "std::sqrt(variance[i] + epsilon)", "std::sqrt(variance[i])"),
   ("the bias is dropped", "<< product_up) + (bias << bias_up);", "<< product_up) + (bias & 0);"),
   ("the sum has no bit more", "bias.integer) + 1 <= 0;", "bias.integer) <= 0;"),
   ("ternary scales count as they are", "  read_weights(step, TypeName::kScale, place.input(), scale_type);\n", ""),
   ("inferred: unsigned unless both are signed", "x.is_signed || scale_type.is_signed, bias_type", "x.is_signed && scale_type.is_signed, bias_type"),
   ("bounds: a negative scale keeps the ends", "{std::min(a, b), std::max(a, b)}", "{a, b}"),
   ("bounds: of the last feature alone", "all = i == 0 ? value : hull(all, value);", "all = value;"))

of("layers/quantize.cc",
   ("text: ties away from zero", "rest > half || (rest == half && (down & 1) != 0) ? 1 : 0", "rest >= half ? 1 : 0"),
   ("text: truncated", "rest > half || (rest == half && (down & 1) != 0) ? 1 : 0", "false ? 1 : 0"),
   ("text: one decimal more", "std::max(0, format.fraction());", "std::max(0, format.fraction()) + 1;"),
   ("text of an ap_int has decimals", "format.is_integer ? 0 : std::max(0, format.fraction())", "std::max(format.is_integer ? 1 : 0, format.fraction())"),
   ("the cache forgets the type", "std::string type = to_string(format) +", 'std::string type ='),
   ("weights that overflow are not counted", "weights.overflows += result.overflow ? 1 : 0;", ""),
   ("weights that wrap to 0 vanish", "result.raw == 0 && !result.overflow ? 1 : 0;", "result.raw == 0 ? 1 : 0;"),
   ("weights that vanish are not counted", "weights.zeros += value != 0 && result.raw == 0 && !result.overflow ? 1 : 0;", ""))

of("layers/product.cc",
   ("a ternary -2 counts as -x", "const Int128 to = signs ? -1 : 1;", "const Int128 to = -1;"),
   ("a sign of 0 counts as 1", "const Int128 to = signs ? -1 : 1;", "const Int128 to = 1;"),
   ("signs: different bits give 1", "(value == weight ? 1 : 0)", "(value != weight ? 1 : 0)"),
   ("signs: 1 negates", "value == 0 ? -weight : weight", "value != 0 ? -weight : weight"),
   ("powers of two: rounded up", "shifted_type(x, w);\n    const auto exponent = static_cast<int>(weight >> 1);", "shifted_type(x, w);\n    const auto exponent = static_cast<int>(weight >> 1) + 1;"),
   ("powers of two have no sign", "return (weight & 1) != 0 ? shifted :", "return true ? shifted :"),
   ("ternary products have 2 integer bits", "(is_ternary(w) || is_sign(w) ? 1 : w.integer)", "w.integer"),
   ("word: no room to align", "bits + std::max(0, to.fraction() - fraction)", "bits"),
   ("word: no bit for rounding up", "to.width + 1) + 1; }", "to.width + 1); }",
    "lanes are given words of 63 bits, and have one more"))

of("layers/product.h",
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

of("precision/precision.cc",
   ("ResourceUnrolled: the largest reuse factor is one", "dense->n_out, size - 1, asked);", "dense->n_out, size, asked);"),
   ("fused although its values are read elsewhere", "if (norm == nullptr || !is_open(before(i)) || uses(model(), before(i)) > 1) return false;",
    "if (norm == nullptr || !is_open(before(i))) return false;"),
   ("fused although its result is given", "if (norm == nullptr || !is_open(before(i)) || uses(model(), before(i)) > 1) return false;",
    "if (norm == nullptr || uses(model(), before(i)) > 1) return false;"),
   ("no note of a fusion on sets", "as<Dense>(parent) != nullptr && parent.shape.size() > 1 && !replaced_.contains(parent.name)", "as<Dense>(parent) != nullptr && parent.shape.size() > 2"),
   ("a note of a fusion on sets that hls4ml keeps", "as<Dense>(parent) != nullptr && parent.shape.size() > 1 && !replaced_.contains(parent.name)",
    "as<Dense>(parent) != nullptr && parent.shape.size() > 1"),
   ("a note of a Dense on sets for a convolution", "as<Dense>(parent) != nullptr && parent.shape.size() > 1", "parent.shape.size() > 1"),
   ("what moves values has the type that its input got", "if (moved == nullptr || moved->move() == Move::kReshape) continue;", "continue;"),
   ("a Flatten casts", "in_place ? std::nullopt : built.of(model, layer)", "built.of(model, layer)"),
   ("behind a Flatten types come from its values", "declared != resolved.in_place.end() ? declared->second", "false ? declared->second"),
   ("consecutive normalizations although the first's result is given", "if (first == nullptr || !is_open(before(i)) ||", "if (first == nullptr ||"),
   ("consecutive normalizations: the first's bias is not scaled", "sum(product(scales[1]->given, biases[0]->given), biases[1]->given)",
    "sum(biases[0]->given, biases[1]->given)"),
   ("consecutive normalizations: quantized numbers are multiplied", "product(scales[0]->given, scales[1]->given)", "product(first->scale_numbers, second->scale_numbers)"),
   ("consecutive normalizations: quantized biases are added", "sum(product(scales[1]->given, biases[0]->given), biases[1]->given)",
    "sum(product(scales[1]->given, first->bias_numbers), second->bias_numbers)"),
   ("consecutive normalizations: both quantized", "if (!compatible(*scales[0], *scales[1], 1) || !compatible(*biases[0], *biases[1], 0)) return false;", ""),
   ("consecutive normalizations: no quantizer is kept", "const GivenNumbers& kept = all_are(a.given, 1) ? b : all_are(b.given, 1) ? a : none;", "const GivenNumbers& kept = none;"),
   ("consecutive normalizations: a one-bit type is kept", "    layer(i).set_own(TypeName::kScale, nullptr);\n", ""),
   ("consecutive normalizations stay", "any_layer(&Passes::fuse_consecutive_norms) ||", ""),
   ("linears of one type for both stay", "any_layer(&Passes::eliminate_linear) ||", ""),
   ("linear merged into any layer", "as<Linear>(layer(i)) == nullptr || !layer(before(i)).op->takes_linear() ||", "as<Linear>(layer(i)) == nullptr ||"),
   ("linear merged although the result is given", "!layer(before(i)).op->takes_linear() || !is_open(before(i))) return false;",
    "!layer(before(i)).op->takes_linear()) return false;"),
   ("linear that changes no type stays", "    if (resolved.precision[i].result() == resolved.precision[before].result()) remove_typed(resolved, i, built);\n", ""),
   ("a normalization with a bias is idle", "norm != nullptr && all_are(norm->given_scale.given, 1) && all_are(norm->given_bias.given, 0)", "norm != nullptr && all_are(norm->given_scale.given, 1)"),
   ("what is quantized to 1 is idle", "all_are(norm->given_scale.given, 1) &&", "all_are(norm->scale_numbers, 1) &&"),
   ("an idle normalization stays", "  remove_idle_norms(resolved, built);\n", ""),
   ("saved: what went late has the type of the layer before it", "resolved.model.find(name) >= 0 || resolved.typed.contains(name)) return name;", "resolved.model.find(name) >= 0) return name;"),
   ("saved: what went late is never open", "if (removed != resolved.typed.end()) return removed->second.is_open;", "if (removed != resolved.typed.end()) return false;"),
   ("saved: what was fused has no type of its own", "if (!norm->origin.is_made) resolved_.folded.emplace(name, asked(i));", ""),
   ("saved: a Cropping's type comes from the layer right before it", "from_[layer.name] = from_.contains(before.name) ? from_.at(before.name) : before.name;", "from_[layer.name] = before.name;"),
   ("saved: the scale of what went late is the default", "if (!is_of_table(name) && name != TypeName::kResult) type(", "if (false) type("),
   ("answers_for: a sum that saturates for one that wraps", "return wraps(b) && !(rounded && rounds_by_sign(a));", "return !(rounded && rounds_by_sign(a));"),
   ("answers_for: shifts in a type of any width", " || !shifts_alike(i)) return false;", ") return false;"),
   ("answers_for: ternary_tanh of a type of any width", "(sign != nullptr && sign->is_ternary()) || ", ""),
   ("answers_for: sums rounded by their sign", "return wraps(b) && !(rounded && rounds_by_sign(a));", "return wraps(b);"),
   ("weights of any width", "const int limit = sum ? kMaxSumWidth : kMaxWidth;", "const int limit = kMaxSumWidth;"),
   ("default before the type's own name", 'keys[] = {std::string(name_of(type)), "default"};', 'keys[] = {"default", std::string(name_of(type))};'),
   ("the class before the layer's name", "{find(config.by_name, name), find(config.by_type, hls4ml_class), &config.model}",
    "{find(config.by_type, hls4ml_class), find(config.by_name, name), &config.model}"),
   ("the name of a node is not looked up", "find(config.by_name, layer.configured_as), find(config.by_name, layer.name));", "nullptr, find(config.by_name, layer.name));"),
   ("the class of a node is not looked up", "&written : find(config.by_type, layer.made_of);", "&written : nullptr;"),
   ("a layer's own entry before its node's", "entry.types.emplace(type, choice);", "entry.types[type] = choice;"),
   ("a layer keeps its own default", "if (type != \"default\" || is_given) entry", "entry"),
   ("a node adds to the types of its class", "    if (first.types.empty()) first.types = entry.types;\n", "    first.types.merge(entry.types);\n"),
   ("Quants write no type into the entry of their class", "if (writes && !entry.types.empty()) entry", "if (false) entry"),
   ("a Transpose has the type of what a node became", "const bool is_behind = !layer.behind.empty();", "const bool is_behind = false;"),
   ("saved: types behind nodes are left out", "    if (resolved.model.find(node) >= 0) continue;  // a", "    continue;  // a"),
   ("the file's own types do not go first", "if (const OwnType* const own = layer.own_type(type)) return own->format;", ""),
   ("a quantizer's type is not handed on", "if (const OwnType* const own = layer(i).own_quantizer(TypeName::kResult))", "if (const OwnType* const own = nullptr)"),
   ("quantized weights are fused", "if (scaled == nullptr || !fuses_quantized(parent, *norm)) return false;", "if (scaled == nullptr) return false;"),
   ("a fused bias keeps no type of its quantizer", "fuse_quantizer(parent, TypeName::kBias, norm->given_bias);", ""),
   ("Resource is Latency", 'named == "resource" ||', 'named == "Resource" ||'),
   ("the maximum is not heard", ".maximum = resolved.maximum,", ".maximum = std::nullopt,"),
   ("answers_for: a wide symmetric type has the low end", "loses_low_end ? a.integer < b.integer : a.integer <= b.integer", "a.integer <= b.integer"),
   ("answers_for: fewer integer bits will do", "loses_low_end ? a.integer < b.integer : a.integer <= b.integer", "loses_low_end ? a.integer < b.integer : a.integer <= b.integer + 1"),
   ("answers_for: any rounding", "           a.rounding == b.rounding;", "           a.rounding <= b.rounding;"),
   ("answers_for: signed or not", "&& a.is_signed == b.is_signed &&", "&&"),
   ("answers_for: any steps", "return a.fraction() == b.fraction() && (loses", "return (loses"),
   ("answers_for: wider ap_ints", "    if (a.is_integer || b.is_integer) return a == b;\n", ""),
   ("answers_for: ap_ints made of wider types", "return !integers || same;", "return true;"),
   ("answers_for: fused or not", "from.fused != to.fused || from.merged", "from.merged",
    "where other layers are fused, other types stand at some place"),
   ("saved: fused layers keep the inferred accum", "(name == TypeName::kResult || (name == TypeName::kAccum && format == types.result()))", "(name == TypeName::kResult)",
    "an accum that is written is the one that is inferred"),
   ("saved: merged linear layers are left out", "  for (const auto& [linear, before] : resolved.merged) {\n    if (resolved.behind", "  for (const auto& [linear, before] : decltype(resolved.merged){}) {\n    if (resolved.behind"))

of("model/numbers.h",
   ("products of doubles are rounded to float32", "values[i] = combine(a[i % a.size()], b[i % b.size()]);",
    "values[i] = static_cast<float>(combine(a[i % a.size()], b[i % b.size()]));"),
   )

of("onnx/graph.cc",
   ("Resize: pixels are repeated along one axis", "std::vector{static_cast<int>(scale), static_cast<int>(scale)}", "std::vector{static_cast<int>(scale), 1}"),
   ("Resize: scales of the last axis are passed over", "scales.numbers[3] != 1 || ", ""),
   ("Resize: fractions of pixels are cut off", "scale == std::floor(scale) && ", ""),
   ("Resize: any coordinates", "if (!same) {", "if (false) {"),
   ("a bias is in the scale's type", "      made->weight_type = bit;\n", "      made->bias_type = bit;\n"),
   ("a difference is a sum", "made->bias = negative(of.value);", "made->bias = of.value;"),
   ("a power of two is not seen", "std::frexp(scale.numbers[0], &exponent) == 0.5);", "false);"),
   ("a scale of 2 has the bits of 1", "integer_bits += exponent - 1;", "integer_bits += exponent;"),
   ("ROUND is FLOOR", 'rounding == "ROUND" ? Rounding::kRndConv', 'rounding == "FLOOR" ? Rounding::kRndConv'),
   ("narrow types are not symmetric", "narrow ? Overflow::kSatSym : Overflow::kSat", "Overflow::kSat"),
   ("the shape of a constant with a batch is not taken", "size_of(b.shape) > size_of(a.shape) ? b.shape : a.shape;", "a.kind == Kind::kConstant ? b.shape : a.shape;"),
   ("a Dense keeps the row of a constant", "    if (from.size() > 1) throw not_a_vector(node, from);\n", ""),
   ("a zero point beside a power of two counts", "    if (one_scale) node.quant_scale = {};", "    if (one_scale && all(node.quant_zero, 0)) node.quant_scale = {};"),
   ("a scale of a row is taken for one of its values", "    require_broadcast(*old, old->quant_scale, old->shape);\n", ""),
   ("rows of scales are compared", "    if (node.compares_rows) throw", "    if (false) throw"),
   ("Pad: of the last axis", "pads[axes - 1] != 0 || pads[2 * axes - 1] != 0", "pads[axes - 1] != 0"),
   ("Pad: both sides as in front", "{pads[axis], pads[axes + axis]}", "{pads[axis], pads[axis]}"),
   ("Pad: with any number", "value.numbers.size() != 1 || value.numbers[0] != 0", "value.numbers.size() != 1"),
   ("a fact of one node is read by another", "if (shared != node->inputs.end()) throw", "if (false) throw"),
   ("a Dense is not known by its node's name", "node.configured_as = node.name;\n    node.name = \"Dense_\" + node.name;", "node.name = \"Dense_\" + node.name;"),
   )

of("engine/matrix_product.cc",
   ("columns without negative weights", "sums[j].low += std::min<Int128>(w, 0);", ""),
   ("high ends are rounded down", "return -floor_at(-value, up); };", "return floor_at(value, up); };"),
   ("products are not rounded", "product_up < 0 ? product.n_in : 0;", "0;"),
   ("the low end has no bias", "product_up) - rounding + bias.low,", "product_up) - rounding,"),
   ("the high end has no bias", "product_up) + rounding + bias.high};", "product_up) + rounding};"),
   ("negative weights take the wrong end", "positive * x.low + negative * x.high", "positive * x.low + negative * x.low"),
   ("partial sums cancel", "(positive - negative) * x.magnitude()", "(positive + negative) * x.magnitude()"),
   ("partial sums have no bias", "+ rounding + bias.magnitude();", "+ rounding;"),
   ("partial sums are not rounded", "product_up) + rounding + bias.magnitude();", "product_up) + bias.magnitude();"),
   ("a negative bias does not fall", "proven.never_falls &= bias.low >= 0 && ", "proven.never_falls &= "),
   ("negative inputs do not fall", "(x.low >= 0 || positive == 0)", "true"),
   ("negative weights do not fall", "(x.high <= 0 || negative == 0)", "true"),
   ("one more than the high end stays", "sums.magnitude <= max_raw(accum) &&", "sums.magnitude <= max_raw(accum) + 1 &&"),
   ("SAT_SYM has the low end of SAT", "-sums.magnitude >= least_raw(accum));", "-sums.magnitude >= min_raw(accum));",
    "the high end is the tighter one: magnitude <= max_raw is asked first"),
   ("unsigned sums never fall", "(sums.never_falls || -sums.magnitude >= least_raw(accum))", "(sums.never_falls || !accum.is_signed || -sums.magnitude >= least_raw(accum))"),
   ("of the last output alone", "proven.sum = j == 0 ? sum : Interval{std::min(proven.sum.low, sum.low), std::max(proven.sum.high, sum.high)};", "proven.sum = sum;"),
   ("the relu's word is not known", "relu ? program.steps[*relu].word_bits : 0;", "0;"))

of("engine/dense_kernel.cc",
   ("gathered rows of the block's second sample are the first's", "(first + done) / gather.rows() * size", "0 * size"),
   ("the relu's values are not counted", "if (at_.relu) tally.counts[*at_.relu].values += rows * n_out_;", ""),
   ("the last rows of a chunk are left out", "run_rows(x, first, std::min(kChunk, rows - first), y", "run_rows(x, first, std::min(kChunk - 1, rows - first), y"))

of("engine/dense/finish.cc",
   ("a type of 0 integer bits has integer bits", "to.is_integer && from.integer <= 0; }", "to.is_integer && from.integer < 0; }"),
   ("overflow of accum is not counted", "    tally.counts[at_.layer].accum_overflows += seen.overflows;\n", ""),
   ("overflow of accum is not told", "    tally.overflowed |= seen.overflows > 0;\n  }\n  const auto count", "  }\n  const auto count"),
   ("overflow of a result is not told", "    tally.overflowed |= seen.overflows > 0;\n  };\n", "  };\n"),
   ("the relu passes negative values", "cast(*to_relu_, true, values", "cast(*to_relu_, false, values"),
   ("RND adds nothing", "case Rounding::kRnd: return 1;", "case Rounding::kRnd: return 0;"),
   ("TRN_ZERO is TRN for negative values", "case Rounding::kTrnZero: return nonnegative ? std::optional(0) : std::nullopt;", "case Rounding::kTrnZero: return 0;",
    "it is asked for values without a relu only where nothing is shifted, and then not looked at"),
   ("RND_INF adds nothing", "return nonnegative ? std::optional(1) : std::nullopt;", "return nonnegative ? std::optional(0) : std::nullopt;"),
   ("ties down are ties up", "    case Rounding::kRndMinInf:\n    case Rounding::kRndZero:", "    case Rounding::kRndMinInf: return 1;\n    case Rounding::kRndZero:"),
   ("values below the type are not told", "return check && (seen.least < epilogue.low || seen.most > epilogue.high);", "return check && seen.most > epilogue.high;"),
   ("the high end is told as an overflow", "seen.least < epilogue.low || seen.most > epilogue.high", "seen.least < epilogue.low || seen.most >= epilogue.high"),
   ("accum and result may differ", "if (!fits_small(output) || product.accum != product.result) return", "if (!fits_small(output)) return"),
   ("a wrapped sum before another relu type", " || (product.relu && output != product.result))) return", ")) return"),
   ("any rounding is one of halves", "if ((shift > 0 && !halves) || !(wraps(to)", "if (!(wraps(to)"),
   ("every overflow mode wraps", "|| !(wraps(to) || saturates(to)) ||", "||"),
   ("SAT_SYM of one bit clamps", " || (to.is_signed && to.width == 1)) return", ") return",
    "Finish is made before, and refuses such a type"),
   ("half a step is a whole one", "static_cast<Int128>(1) << (shift - 1) : 0;", "static_cast<Int128>(1) << shift : 0;"),
   ("no room for the range", "if (sums.magnitude() + add + range > kMax32)", "if (sums.magnitude() + add > kMax32)",
    "only the difference to the low end needs the room; its low bits, which alone are kept, are right in any word"),
   ("SAT_SYM has the low end of SAT", "static_cast<std::int32_t>(least_raw(to))", "static_cast<std::int32_t>(min_raw(to))",
    "a sum without a relu is proven to stay above it, and what comes out of a relu is not negative"),
   ("no relu behind a wrapped sum", "epilogue.relu_last = product.relu && wrap;", "epilogue.relu_last = false;"),
   ("sums at most one over the end need no check", "!reached.within({epilogue.low, epilogue.high})", "!reached.within({epilogue.low - 1, epilogue.high + 1})"))

of("engine/dense/high_half.cc",
   ("accum of any rounding", "        accum.rounding != Rounding::kTrn || !wraps(accum)", "        !wraps(accum)"),
   ("accum of any overflow mode", "kTrn || !wraps(accum) || accum", "kTrn || accum"),
   ("accum and result may differ", "accum != product.result || product.output() != product.result ||\n", "product.output() != product.result ||\n"),
   ("a relu of any type", "product.output() != product.result ||\n        !fits_small(product.input)", "\n        !fits_small(product.input)"),
   ("a finer bias than accum", "product.bias.fraction() > accum.fraction() || product.bias.width", "product.bias.width",
    "the bias is cast to accum, which truncates it as accum does: the condition is not needed for the bits"),
   ("inputs shifted one bit too far", "(product.x.high << (x_up + 1)) <= kMax16 &&", "(product.x.high << (x_up + 1)) <= 2 * kMax16 &&"),
   ("negative inputs shifted one bit too far", ">= -kMax16 - 1) ++x_up;", ">= -2 * kMax16 - 2) ++x_up;"),
   ("the bias is not brought to accum's steps", "static_cast<std::int16_t>(cast(product.biases[j], product.bias, product.accum).raw);", "static_cast<std::int16_t>(product.biases[j]);"),
   ("what of the weights does not fit is left out", "    if (rest_) add_rest(from, rows, scratch);\n", ""),
   ("the rest of unshifted inputs", "static_cast<std::size_t>(rest_inputs_[k])] << x_up_);", "static_cast<std::size_t>(rest_inputs_[k])]);"),
   ("a weight's rest is one too large", "- low(i, j)) >> 16; }", "- low(i, j) + (1 << 16)) >> 16; }"),
   ("used although all is counted", "counting != Counting::kNone || drop < 1", "drop < 1"))

of("engine/dense/lane_dense.cc",
   ("products without integer bits may become ap_ints", "(product.product_integer <= 0 || product.bias.integer <= 0)", "(product.bias.integer <= 0)"),
   ("a bias without integer bits may become an ap_int", "(product.product_integer <= 0 || product.bias.integer <= 0)", "(product.product_integer <= 0)"),
   ("33 bits are narrow", "dense.wide = product.word_bits > kNarrow;", "dense.wide = product.word_bits > kNarrow + 1;"),
   ("weights in the order of the inputs", "product.at(dense.order[static_cast<std::size_t>(k)], j)", "product.at(k, j)"),
   ("the bias's overflow is not counted", "dense.bias_left[j] = bias.overflow ? 1 : 0;", ""),
   ("a bias of an ap_int rounds as its type says", "bias_format.rounding = Rounding::kTrnZero, bias_format.is_integer = false;", "bias_format.is_integer = false;"),
   ("unsigned 32 bits fit int32", "format.width + (format.is_signed ? 0 : 1) <= 32; }", "format.width <= 32; }"))

of("engine/dense/lanes.cc",
   ("overflow is not told", "  tally.overflowed |= overflows > 0;\n", ""),
   ("wide inputs of the first rows", "x.wide(rows.first * n_in, rows.count * n_in, scratch.wide[1]);", "x.wide(0, rows.count * n_in, scratch.wide[1]);"))

of("engine/dense/planes.cc",
   ("planes of 16 bits", "constexpr int kPlaneBits = 15;", "constexpr int kPlaneBits = 16;"),
   ("sums of two int32", "if (cuts.column * std::max(low_parts, top_part) <= kMax32) return cuts;", "if (cuts.column * std::max(low_parts, top_part) <= 2 * kMax32) return cuts;"),
   ("negative weights do not count", "largest = std::max(largest, column.high - column.low);", "largest = std::max(largest, column.high);"),
   ("the bias is wrapped", "return cast(product.biases[j], product.bias, unbounded(product.accum)).raw;", "return cast(product.biases[j], product.bias, product.accum).raw;"),
   ("bytes: twice too many in 16 bits", "kMax16 / std::max<std::int64_t>(sum, 1)", "2 * kMax16 / std::max<std::int64_t>(sum, 1)"),
   ("bytes: 256 is one", "std::numeric_limits<std::uint8_t>::max();", "std::numeric_limits<std::uint8_t>::max() + 1;"),
   ("bytes: weights of -129", "weights.low >= std::numeric_limits<std::int8_t>::min() &&", "weights.low >= std::numeric_limits<std::int8_t>::min() - 1 &&"),
   ("bytes: weights of 128", "weights.high <= std::numeric_limits<std::int8_t>::max() &&", "weights.high <= std::numeric_limits<std::int8_t>::max() + 1 &&"),
   ("saturating sums that may leave", "    if (!stays && !wraps(product.accum)) return nullptr;\n", ""),
   ("an accum that rounds", "if (up < 0 || product.accum.is_integer) return nullptr;\n    const std::optional<ProvenSums>", "if (product.accum.is_integer) return nullptr;\n    const std::optional<ProvenSums>"),
   ("accum an ap_int", "if (up < 0 || product.accum.is_integer) return nullptr;", "if (up < 0) return nullptr;"),
   ("sums that are wrapped are not", "Finish::make(product, at, sums->sum, !stays);", "Finish::make(product, at, sums->sum, false);"),
   ("one sum of more than 32 bits", "up == 0 && sums->magnitude <= kMax32", "up == 0 && sums->magnitude <= 2 * kMax32"),
   ("one sum whatever the shift", "kernel->cuts_.products() == 1 && up == 0 && sums", "kernel->cuts_.products() == 1 && sums"),
   ("in registers: no room for the half step", "sums.magnitude + epilogue->epilogue.add <= kMax32", "sums.magnitude <= kMax32",
    "an epilogue is only made where the sums, half a step and the whole range fit 32 bits"),
   ("in registers: no half step", "return b + plan.add; }", "return b; }"),
   ("in registers: what is too large passes", "if (seen.most > in_registers_->high || seen.most >= kMax16) return false;", "if (seen.most >= kMax16) return false;"),
   ("in registers: what is clamped to int16 passes", "if (seen.most > in_registers_->high || seen.most >= kMax16) return false;", "if (seen.most > in_registers_->high) return false;"),
   ("in registers: zeros are not counted", "    tally.counts[*at().relu].zeros += seen.zeros;\n", ""),
   ("an epilogue that does not count", "if (counting != Counting::kAll) epilogue_ = epilogue;", "epilogue_ = epilogue;"),
   ("many sums: accum and result may differ", "product.accum != product.result || wrap ||", "wrap ||"),
   ("many sums: a wrapped accum", "product.accum != product.result || wrap ||", "product.accum != product.result ||"),
   ("many sums: any rounding", "(shift > 0 && !halves) || !(wraps(output) || saturates(output))", "!(wraps(output) || saturates(output))"),
   ("many sums: no half step", "const Int128 add = shift > 0 && halves == 1 ?", "const Int128 add = shift > 0 && halves == 2 ?"),
   ("many sums: the high end is told as an overflow", "tally.overflowed |= most > wide_epilogue_->high;", "tally.overflowed |= most >= wide_epilogue_->high;"),
   ("small inputs: no room for the bias", "(kMaxSum - bias) / std::max", "kMaxSum / std::max"),
   ("small inputs: sums are never wrapped", "const bool wrap_small = wrap && !(product.accum.is_signed && max_raw(product.accum) >= kMaxSum);", "const bool wrap_small = false;"),
   ("small inputs: unsigned sums are not wrapped", "wrap && !(product.accum.is_signed && max_raw", "wrap && !(max_raw"),
   ("small inputs whatever the shift", "if (up_ != 0 || cuts_.weights.size() != 1 ||", "if (cuts_.weights.size() != 1 ||"),
   ("small inputs: one plane of the weights is enough", "if (up_ != 0 || cuts_.weights.size() != 1 ||", "if (up_ != 0 ||"),
   ("put together without the bias", "std::copy(bias_.begin(), bias_.end(), to + r * n_out());", "std::fill_n(to + r * n_out(), n_out(), 0);"),
   ("put together without the shift", "add_shifted32(sums, rows.count, n_out(), sums_stride(), shift, to);", "add_shifted32(sums, rows.count, n_out(), sums_stride(), 0, to);"),
   ("a plane keeps a bit too few", "-1 : (std::int64_t{1} << cuts_.x.width(p)) - 1;", "-1 : (std::int64_t{1} << (cuts_.x.width(p) - 1)) - 1;"),
   ("planes of inputs and weights by each other's place", "x.shifts[product / weights.size()] + weights.shifts[product % weights.size()]",
    "x.shifts[product % x.size()] + weights.shifts[product / x.size()]"))

of("engine/dense/saturating.cc",
   ("RND_MIN_INF is RND", "return TermPlan{Term::kRound, Weights::kNegated};", "return TermPlan{Term::kRound, Weights::kAsTheyAre};"),
   ("TRN_ZERO is TRN", "std::optional(TermPlan{Term::kFloor, Weights::kMagnitude})", "std::optional(TermPlan{Term::kFloor, Weights::kAsTheyAre})"),
   ("RND_ZERO is RND_INF", "std::optional(TermPlan{Term::kRound, Weights::kNegatedMagnitude})", "std::optional(TermPlan{Term::kRound, Weights::kMagnitude})"),
   ("inputs of -1 are not negative", "const bool nonnegative = product.x.low >= 0;", "const bool nonnegative = product.x.low >= -1;"),
   ("steps that are finer than the kernel's", "drop < 0 || drop > term->bits() ||", "drop < 0 ||",
    "the largest input is then 0 by a shift that only sanitizers see, and lanes compute the rest"),
   ("weights of 32768", "weight > kMax16) return nullptr;", "weight > kMax16 + 1) return nullptr;"),
   ("weights shifted too far", "(weight << (w_up + 1)) <= kMax16) ++w_up;", "(weight << (w_up + 1)) <= kMax16 + 1) ++w_up;"),
   ("always the order of the inputs", "in_order_ &= product.order[k] == static_cast<int>(k);", "in_order_ &= product.order[k] >= 0;"),
   ("inputs one bit too large", "x_limit_ = static_cast<int>(kMax16 >> x_up_);", "x_limit_ = static_cast<int>(2 * kMax16 >> x_up_);"),
   ("terms of the whole range are not clamped", "> max_raw(product.accum);\n", "> 2 * max_raw(product.accum);\n"),
   ("SAT_SYM of 16 bits clamps no terms", "if (product.accum.width == kBits && product.accum.overflow == Overflow::kSat) product_", "if (product.accum.width == kBits) product_",
    "a raised floor has the kernel clamp anyway"),
   ("SAT_SYM has the low end of SAT", "product_.raised_floor = accum.overflow == Overflow::kSatSym;", "product_.raised_floor = false;"),
   ("the bias's overflow is not counted", "product_.bias_left[j] = bias.overflow ? -1 : 0;", ""),
   ("the bias is not shifted", "static_cast<std::int16_t>(bias.raw << product_.up);", "static_cast<std::int16_t>(bias.raw);"),
   ("another type behind it", "plain_(product.accum == product.result && product.output() == product.result)", "plain_(product.accum == product.result)"),
   ("overflow is not told", "    tally.overflowed |= left > 0;\n", ""))

of("engine/dense/rounding.cc",
   ("RND adds less than a half", "TermRounding{Kind::kAdd, drop, half, half};", "TermRounding{Kind::kAdd, drop, below, below};"),
   ("RND_MIN_INF is RND", "TermRounding{Kind::kAdd, drop, below, below};", "TermRounding{Kind::kAdd, drop, half, half};"),
   ("TRN_ZERO is TRN", "TermRounding{Kind::kAdd, drop, 0, most}", "TermRounding{Kind::kAdd, drop, 0, 0}"),
   ("RND_INF and RND_ZERO by each other's name", "TermRounding{Kind::kAdd, drop, half, below}", "TermRounding{Kind::kAdd, drop, below, half}"),
   ("inputs of -1 are not negative", "const bool nonnegative = product.x.low >= 0;", "const bool nonnegative = product.x.low >= -1;"),
   ("sums of two int32", "proven->magnitude > kMax32) return nullptr;", "proven->magnitude > 2 * kMax32) return nullptr;"),
   ("saturating sums that may leave", "    if (!stays && !wraps(accum)) return nullptr;\n", ""),
   ("accum an ap_int", "accum.is_integer || accum.width", "accum.width"),
   ("sums one beside the range are not wrapped", "!proven->sum.within({min_raw(accum), max_raw(accum)});", "!proven->sum.within({min_raw(accum) - 1, max_raw(accum) + 1});",
    "the proof adds a step for the rounding of each product, so no sum reaches its ends"),
   ("the bias is wrapped", "cast(product.biases[j], product.bias, exact).raw);", "cast(product.biases[j], product.bias, product.accum).raw);"),
   ("parts of two int32", "if (largest > kMax32) continue;", "if (largest > 2 * kMax32) continue;"),
   ("weights of -32769", "w < -kMax16 - 1) return {};", "w < -kMax16 - 2) return {};"),
   ("parts read inputs from the first on", "from + part.first, stride", "from, stride"),
   ("an epilogue that does not count", "if (counting != Counting::kAll) kernel->epilogue_ =", "kernel->epilogue_ ="))

of("engine/quantizer.cc",
   ("RND adds nothing", "format.rounding == Rounding::kRnd ? 0.5 : 0.0;", "0.0;"),
   ("RND_MIN_INF is TRN", "format.rounding == Rounding::kRnd);", "format.rounding == Rounding::kRnd || format.rounding == Rounding::kRndMinInf);"),
   ("ap_ints are rounded down", "const bool floors = !format.is_integer && (", "const bool floors = ("),
   ("SAT_ZERO wraps", "y.small && range_->fit != Fit::kZero && counting", "y.small && counting"),
   ("values below the type are not told", "overflowed |= seen.least < into.low || seen.most > into.high;", "overflowed |= seen.most > into.high;"),
   ("values that vanish are not counted", "  counts.zeros += *zeros;\n", ""),
   ("an epilogue that does not count", "range_->fit != Fit::kZero && counting != Counting::kAll) {", "range_->fit != Fit::kZero) {"),
   ("types of 34 bits", "constexpr int kWidest = 29;", "constexpr int kWidest = 34;"),
   ("what overflows one by one is not told", "    overflowed |= result.overflow;\n    y.put", "    y.put"))

of("engine/machine.h",
   ("accum and result are one type", "if (types[TypeName::kAccum] == types.result()) {", "if (types[TypeName::kAccum] == types.result() || !to_result || types.result().width > 20) {"),
   ("relu passes negative values", "case Form::kReluCast: cast_all(*step.cast, true, layer, x)", "case Form::kReluCast: cast_all(*step.cast, false, layer, x)"),
   ("the last row is left out", "for (std::size_t i = 0; i < x.size(); i += width) {", "for (std::size_t i = 0; i + width < x.size(); i += width) {"),
   ("overflow of accum is not counted", "counts_[layer].accum_overflows += run_lane_dense(", "run_lane_dense("),
   ("zeros are not counted", "    counts_[layer].zeros += seen.zeros;\n", ""))

of("engine/program.cc",
   ("65 bits fit int64", "bits_at(each.format, each.format.fraction()) <= 64;", "bits_at(each.format, each.format.fraction()) <= 65;"),
   ("129 bits are enough", "if (step.bits > kWordBits) {", "if (step.bits > kWordBits + 1) {"))

of("engine/tensor.cc",
   ("17 bits are small", "(format.is_signed ? 0 : 1) <= 16; }", "(format.is_signed ? 0 : 1) <= 17; }"),
   ("unsigned 16 bits are small", "return format.width + (format.is_signed ? 0 : 1) <= 16; }", "return format.width <= 16; }"))

of("engine/interpreter.cc",
   ("the trace has one sample too few", "if (s >= traced) continue;", "if (s + 1 >= traced) continue;"),
   ("counts of one thread", "result.counts[i] += machine.all_counts()[i];", "result.counts[i] = machine.all_counts()[i];"),
   ("one by one in lanes", "options.one_by_one ? LaneStep{} : make_lane_step(program, i)", "make_lane_step(program, i)",
    "the two ways must give the same numbers: one_by_one is the slow one, and nothing else"))

of("engine/lane_step.cc",
   ("sums of rounded rows are whole sums", "if (result.fraction() >= place.input().fraction()) lanes.cast", "lanes.cast"),
   ("saturating sums are whole sums", "if (!lanes.cast || lanes.cast->fit != Fit::kWrap) lanes.form", "if (!lanes.cast) lanes.form"),
   ("a type without integer bits becomes 0 as an ap_int", "to.is_integer && from.integer <= 0);", "false);"))

of("engine/lanes-inl.h",
   ("TRN_ZERO truncates down", "(negative & ((one << shift) - 1))) >> shift;", "(negative & 0)) >> shift;"),
   ("RND_MIN_INF: ties up", "tie_up = every<T>(0);", "tie_up = one;"),
   ("RND_ZERO: ties away from zero", "kRndZero) tie_up = negative & 1;", "kRndZero) tie_up = ~negative & 1;"),
   ("RND_INF: ties to zero", "kRndInf) tie_up = ~negative & 1;", "kRndInf) tie_up = negative & 1;"),
   ("RND_CONV: ties to odd", "tie_up = (value >> shift) & 1;", "tie_up = ~(value >> shift) & 1;"),
   ("the high end is out of range", "return less(value, low) | less(high, value);", "return less(value, low) | ~less(value, high);"),
   ("WRAP masks a bit too few", "return ((value - low) & (high - low)) + low;", "return ((value - low) & ((high - low) >> 1)) + low;"),
   ("the low end does not clamp", "const T raised = value < low ? low : value;", "const T raised = value;"),
   ("SAT_ZERO wraps nothing to 0", "return ~out_of_range(value, low, high) & value;", "return value;"))

of("engine/lane_kernels.cc",
   ("relu passes -1", "const Word value = values[i] < floor ? floor : values[i];", "const Word value = values[i] < floor - relu ? floor : values[i];"),
   ("all zeros have vanished", "(aligned == 0) & (value != 0)", "(aligned == 0) & (value != 1)"),
   ("terms do not saturate", "const Vector fitted = fit_lane<kFit>(term, low, high);", "const Vector fitted = term;"),
   ("a saturated term is not counted", "left |= (fitted ^ term) | (sum ^ next);", "left |= (sum ^ next);"),
   ("a saturated sum is not counted", "left |= (fitted ^ term) | (sum ^ next);", "left |= (fitted ^ term);"),
   ("SAT_SYM has the low end of SAT", "  cast.low = least_raw(to);", "  cast.low = min_raw(to);"),
   ("SAT_SYM of one bit clamps", "saturates(to) && !(to.overflow == Overflow::kSatSym && to.is_signed && to.width == 1);", "saturates(to);"),
   ("saturated bits wrap", "cast.fit = wraps(to) ? Fit::kWrap", "cast.fit = to.overflow == Overflow::kWrap ? Fit::kWrap"),
   ("ap_ints are rounded down", "switch (to.is_integer ? Rounding::kTrnZero : to.rounding) {", "switch (to.rounding) {"),
   ("what has no integer bits may become an ap_int", "-shift > kMaxShift || no_integer_bits) return", "-shift > kMaxShift) return"),
   ("words: no room for the range", "return std::max(bits_of(aligned + range) + 1,", "return std::max(bits_of(aligned) + 1,"),
   ("words: no bit for the sign", "return std::max(bits_of(aligned + range) + 1,", "return std::max(bits_of(aligned + range),"),
   ("words: no room for rounding", "magnitude << cast.shift : magnitude + (Uint128{1} << cast.shift);", "magnitude << cast.shift : magnitude;"))

of("engine/saturating_kernels.cc",
   ("ties to odd", "term = sub16(term, both(both(tie, term), every16(1)));", "term = sub16(term, both(tie, every16(1)));"),
   ("terms are not negated", "term = sub16(differing(term, sign[b]), sign[b]);", "term = differing(term, sign[b]);"),
   ("a clamped term is not counted", "left[r][b] = or_differing(left[r][b], fitted, term);", "left[r][b] = or_differing(left[r][b], fitted, fitted);"),
   ("the raised floor is not raised", "next = max_all16(next, floor);", "next = max_all16(next, next);"),
   ("a saturated sum is not counted", "left[r][b] = or_differing(left[r][b], next, add16(sum[r][b], term));", "left[r][b] = or_differing(left[r][b], next, next);"),
   ("terms are not clamped below", "max_all16(min_all16(term, high), low);", "min_all16(term, high);"),
   ("the largest |x| is that of positive ones", "return std::max(most, -least);", "return most;"))

of("engine/kernels.cc",
   ("rounded: ties to odd", "add16(more, both(shift_right16(low, drop), one));", "add16(more, both(both(one, low), one));"),
   ("rounded: what is added to negative products", "differing(add, both(turn, shift_right16(w[b], 15)));", "differing(add, shift_right16(turn, 15));"),
   ("dot16: the last pair is left out", "  if (k < steps) step(k);\n", ""),
   ("dot8: the last fours are left out", "  for (; k < steps; ++k) {\n    for (int b = 0; b < B; ++b) {", "  for (; k + 1 < steps; ++k) {\n    for (int b = 0; b < B; ++b) {"),
   ("relu: the largest of the first rows", "        largest = max16(largest, value);", "        largest = r == 0 ? max16(largest, value) : largest;"),
   ("relu: vanished values from 0 on", "const Wide above = every32(add);", "const Wide above = every32(add - 1);"),
   ("high16: the bias is dropped", "for (int r = 0; r < R; ++r) sum[r] = load(bias);", "for (int r = 0; r < R; ++r) sum[r] = zero();"),
   ("finish16: the rest of a row keeps its low end", "      if constexpr (!kRelu) value = value < low ? low : value;\n", ""),
   ("finish16: wraps by the wrong end", "(_mm256_and_si256(_mm256_sub_epi16(narrow, low16), mask16), low16)", "(_mm256_and_si256(narrow, mask16), low16)"),
   ("finish_high: unsigned", "<< unused) >> unused);", "<< unused)) ;"),
   ("finish_planes: the third plane is left out", "if constexpr (kPlanes > 2) value += static_cast<std::int64_t>(s2[j]) << h2;", ""),
   ("narrow64: negative values always fit", " | static_cast<std::int64_t>(from[k] < -most);", ";"),
   ("quantize: truncated toward zero", "truncated - static_cast<std::int32_t>(static_cast<double>(truncated) > value);", "truncated;"),
   ("bytes: the largest of the vectors is not seen", "most = largest > most ? largest : most;\n#endif", "most = largest > 32767 ? largest : most;\n#endif"),
   ("pack8: the second of a pair has no size", " + std::abs(weight(4 * k + 2 * half + 1, j));", ";"),
   ("add_rows: one row too few", "for (std::size_t r = 0; r < rows; ++r) {\n    for (std::size_t j = 0; j < n; ++j) sums[j]", "for (std::size_t r = 1; r < rows; ++r) {\n    for (std::size_t j = 0; j < n; ++j) sums[j]"))

of("engine/kernels-inl.h",
   ("plain: rounds down", "return (x * y + (1 << 14)) >> 15; });", "return (x * y) >> 15; });"),
   ("plain: 2^15 is 2^15 - 1 too low", "x + y > 32767 ? 32767 :", "x + y > 32767 ? 32766 :"),
   ("AVX2: the second half of the lanes is that of the first", "_mm256_mulhi_epi16(a.v, b.v), _mm256_mulhi_epi16(a.w, b.w)", "_mm256_mulhi_epi16(a.v, b.v), _mm256_mulhi_epi16(a.v, b.w)",
    "the first operand is one input in every lane"),
   ("AVX-512: unsigned high halves", "return {_mm512_mulhi_epi16(a.v, b.v)}; }", "return {_mm512_mulhi_epu16(a.v, b.v)}; }"))

of("engine/engine.cc",
   ("pairs: the second is not shifted", "const auto q = power<Word>(pairing.shifts[1]);", "const Word q = 1;"),
   ("pairs: the smaller is the larger", "return each([](Word p, Word q) { return p < q ? p : q; });", "return each([](Word p, Word q) { return p > q ? p : q; });"),
   ("pairs: rows beside are one behind the other", "y + row * (first + second) + first);", "y + row * (first + second));"),
   ("pairs: 32 bits for what needs more", "stage.in_32_bits = lane_cast_bits(*stage.cast, *values) <= kSmallWord &&", "stage.in_32_bits = kSmallWord > 0 &&"),
   ("padding is looked for in the first input", "quantizers_[which_].run(x.data() + s * sample_size_ + offset_, size, sample,", "quantizers_[which_].run(x.data() + s * sample_size_, size, sample,",
    "rows of padding are found behind the other input's values too, and a row that is no padding is left out nowhere"),
   ("the set is read where the first input stands", "quantizers_[which_].run(x.data() + s * sample_size_ + offset_, size, work.sample,", "quantizers_[which_].run(x.data() + s * sample_size_, size, work.sample,"),
   ("the other input is read where the set stands", "x.data() + s * sample_size_ + end - size, size, work.values.data()", "x.data() + s * sample_size_, size, work.values.data()"),
   ("a relu is fused although its input is an output", "  if (std::find(model.outputs.begin(), model.outputs.end(), self) != model.outputs.end()) return std::nullopt;\n", ""),
   ("a relu is fused although its input is read elsewhere", "    if (user) return std::nullopt;\n", ""),
   ("sums of rounded rows are whole sums", "if (to.fraction() < from.fraction() || (!wraps(to)", "if ((!wraps(to)",
    "lanes of a sum over rows are only made where nothing is rounded"),
   ("negative rows climb", "(saturates(to) && input.low >= 0))) return false;", "saturates(to))) return false;"),
   ("SAT_ZERO climbs", "(!wraps(to) && !(saturates(to) && input.low >= 0))", "(!wraps(to) && input.low < 0)"),
   ("saturated bits wrap", "(!wraps(to) && !(saturates(to) && input.low >= 0))", "(to.overflow != Overflow::kWrap && !(saturates(to) && input.low >= 0))",
    "no lanes are made for saturated bits, so such a sum does not come here"),
   ("rows are counted where a layer needs them all", "    if (is_set(i) && !stages_[i].by_row) return false;\n", ""),
   ("rows are counted by any layer behind a set", "      if (stages_[i].kind != Stage::Kind::kSum) return false;\n", ""),
   ("rows are counted although an output is a set", "any_sum &= !is_set(static_cast<std::size_t>(output));", "any_sum &= output >= 0;"),
   ("the pad row's counts are counted once", "rows_counted * one.overflows, ", "one.overflows, "),
   ("the pad row's zeros are counted once", "rows_counted * one.zeros};", "one.zeros};"),
   ("the pad row's overflow is not told", "  tally.overflowed |= pad->tally.overflowed;\n", ""),
   ("the pad row is added once", "static_cast<Word>(static_cast<Int128>(work.counted[s]) * pad->values[from][j]);", "static_cast<Word>(pad->values[from][j]);"),
   ("overflow of the interpreter's layers is not told", "  work.tally.overflowed |= after.overflows != before.overflows || after.accum_overflows != before.accum_overflows;\n", ""),
   ("counts of the interpreter's layers are doubled", "counts.zeros += after.zeros - before.zeros;", "counts.zeros += after.zeros;"),
   ("rows counted while preparing are forgotten", "    input.rows_counted += work.counted.front();\n", ""),
   ("counted rows are lost behind a layer", "    to.counted = from.counted;\n", ""),
   ("starts where a fused layer's values are not", "return !skipped && std::all_of(model.outputs", "return std::all_of(model.outputs"),
   ("starts behind a layer that others pass by", "    if (!std::all_of(model.layers[i].inputs.begin(), model.layers[i].inputs.end(), behind)) return false;\n", ""),
   ("starts behind an output", "return !skipped && std::all_of(model.outputs.begin(), model.outputs.end(), behind);", "return !skipped;"),
   ("accepts what was counted otherwise", "if (input.counting != options_.counting || (", "if (("),
   ("accepts counted rows where none are", "(!input.pad.empty() && !dedup_)", "false"),
   ("accepts other types", "!placed || !(types == program_.resolved.precision[i]) ||", "!placed ||"),
   ("accepts other weights", " || !same(*made.op, *layer(i).op)) return false;", ") return false;"),
   ("wide programs see no overflow", "work.tally.overflowed |= after.overflows != before.overflows || after.accum_overflows != before.accum_overflows;", "work.tally.overflowed |= after.overflows != before.overflows;"),
   ("sums of wide sets in 32 bits", "layer(from).shape.front() <= kMaxSet;", "layer(from).shape.front() > 0;"))

of("engine/dense/wide.cc",
   ("operands of 63 bits", "constexpr int kOperandBits = 62;", "constexpr int kOperandBits = 63;"),
   ("sums of 63 bits", "constexpr int kSumBits = 62;", "constexpr int kSumBits = 64;"),
   ("all inputs are within the limit", "if (most > limit_ || least < -limit_) return", "if (false) return"),
   ("negative inputs are within the limit", "if (most > limit_ || least < -limit_) return", "if (most > limit_) return"),
   ("no sum leaves its range", "most <= stays_ && least >= -stays_ ? Fit::kWrap", "true ? Fit::kWrap"),
   ("sums of negative inputs never leave", "most <= stays_ && least >= -stays_ ? Fit::kWrap", "most <= stays_ ? Fit::kWrap"),
   ("sums that wrap are not wrapped", "const bool wrap = wraps(accum) && std::min(product.x.magnitude(), limit) > stays;", "const bool wrap = false;"),
   ("no input is negative", "const WideRows known{least < 0,", "const WideRows known{false,"),
   ("terms are small whatever the inputs", "terms_are_small(products_, std::max(most, -least) << x_up_)", "terms_are_small(products_, 0)"),
   ("terms of negative inputs are small", "std::max(most, -least) << x_up_", "most << x_up_"),
   ("inputs in their own order", "  if (std::is_sorted(order.begin(), order.end())) {", "  if (true) {"),
   ("a bias outside is no overflow", "return {sum, exact.overflow || exact.raw != sum};", "return {sum, false};"),
   ("a bias that no 128 bits hold is no overflow", "return {sum, exact.overflow || exact.raw != sum};", "return {sum, exact.raw != sum};"),
   ("rows of padded outputs", "r < count && stride != n_out(); ++r)", "r < count && false; ++r)"),
   ("overflows are not told", "tally.overflowed |= left > 0;\n    for", "for"),
   ("rounding toward zero is floor", "case Rounding::kTrnZero: products.term = Term::kMagnitude; return;", "case Rounding::kTrnZero: products.term = Term::kFloor; return;"),
   ("ties away from zero to zero", "products.add = {kHalf, 0}; return;", "products.add = {kHalf - 1, kLow}; return;"),
   ("128 bits: watched sums are left as they saturate", "if (one_by_one_ && left > 0) correct(x, rows, scratch);", ""),
   ("128 bits: sums in words that do not hold them", "kernel->dense_.words = term <= kMax64 &&", "kernel->dense_.words ="),
   ("128 bits: ranges that no word holds", "&& cast->high <= kMax64;", ";"),
   ("128 bits: wrapping sums without their bias", "const Int128 end = term * product.n_in + largest;", "const Int128 end = term;",
    "the interval only chooses words for the cast behind, and 128 bits are chosen for a term of such a product already"))

of("engine/dense/one_by_one.cc",
   ("terms are not brought into range", "cast(x[i] * weights_[i * n_out_ + output], fraction_, accum_).raw", "cast(x[i] * weights_[i * n_out_ + output], fraction_, unbounded(accum_)).raw"),
   ("the bias is not", "Int128 sum = cast(biases_[output], bias_, accum_).raw;", "Int128 sum = cast(biases_[output], bias_, unbounded(accum_)).raw;"),
   ("any order", "for (const int k : order_) {\n    const auto i = static_cast<std::size_t>(k);", "for (std::size_t i = 0; i < order_.size(); ++i) {"))

of("engine/dense/watched.cc",
   ("sums that leave are left as they saturate", "if (scratch.marks[i] != 0) sums[i]", "if (false) sums[i]"),
   ("the row of another output", "i / n_out() * n_in(), i % n_out()", "i / n_out() * n_in(), 0"),
   ("overflows are not told", "    tally.overflowed |= left > 0;\n", ""),
   ("an ap_int is watched", "if (product.accum.is_integer || !fit ||", "if (!fit ||", "an ap_int wraps, so its fit is never kOther"))

of("engine/wide_kernels.cc",
   ("the carry of the low parts", "    middle = hn::Add(middle, unsigned_shift_right<kBits>(all_low));\n", ""),
   ("one middle product", "    middle = hn::Add(middle, times(x.rest, w.low));\n", ""),
   ("ties down", "kTerm == Term::kHalfUp || kTerm == Term::kEven) middle = hn::Add(middle, hn::Set(d, kHalf));", "kTerm == Term::kHalfUp || kTerm == Term::kEven) middle = hn::Add(middle, hn::Set(d, kHalf - 1));"),
   ("ties up", "if constexpr (kTerm == Term::kHalfDown) middle = hn::Add(middle, hn::Set(d, kHalf - 1));", "if constexpr (kTerm == Term::kHalfDown) middle = hn::Add(middle, hn::Set(d, kHalf));"),
   ("a tie does not look at the low parts", "hn::ShiftLeft<64 - kBits>(kLowBits ? hn::Or(low, middle) : middle)", "hn::ShiftLeft<64 - kBits>(middle)"),
   ("ties to odd", "return hn::AndNot(unsigned_shift_right<63>(halfway), left);", "return hn::Or(unsigned_shift_right<63>(halfway), left);"),
   ("signs of the inputs", "W::kNegative ? hn::Xor(x.third, w.third) : w.third;", "w.third;"),
   ("what was added to the weights stays", "sum[r] = hn::Sub(sum[r], hn::Add(excess, hn::Set(", "sum[r] = hn::Sub(sum[r], hn::Add(hn::Zero(d), hn::Set("),
   ("terms are not brought into range", "const Vector fit_term = fitted<W::kFit>(term, least, most);", "const Vector fit_term = term;"),
   ("a changed term is not told", "hn::Or(hn::Xor(fit_term, term), hn::Xor(fit_next, next))", "hn::Xor(fit_next, next)"),
   ("small sums keep their high half", "      sum[r] = hn::ShiftRight<32>(hn::ShiftLeft<32>(sum[r]));\n", ""),
   ("small sums tell of their high half", "      left[r] = hn::ShiftLeft<32>(left[r]);\n", ""),
   ("terms one step too large are small", "return term <= products.most && -term >= products.least;", "return term - 2 <= products.most && -term + 2 >= products.least;"),
   ("ranges of 32 bits are small", "constexpr std::int64_t kEnd = std::int64_t{1} << 30;", "constexpr std::int64_t kEnd = std::int64_t{1} << 33;"),
   ("no weight has low bits", "      products.low_bits |= to[0] != 0;\n", ""),
   ("the largest weight is positive", "std::max(products.largest, std::abs(weight));", "std::max(products.largest, weight);"),
   ("rows behind the last whole tile", "for (; row < rows; ++row)\n", "for (; row + 1 < rows; ++row)\n"))

of("engine/row_sums.cc",
   ("sums never leave above", "const bool may_leave = above[j] > fit_.high ||", "const bool may_leave ="),
   ("sums never leave below", "|| below[j] < fit_.low;", ";"),
   ("zero is cast", "if (fit_.fit == Fit::kZero) return 0;", "",
    "the cast that other modes go through gives 0 too, only slower"),
   ("clamped to the other end", "value < fit_.low ? fit_.low : fit_.high", "value < fit_.low ? fit_.high : fit_.low"),
   ("the rows of a mean are not brought into range", "const Word term = mean ? fitted(*column) : *column;", "const Word term = *column;"),
   ("the rows of a sum are", "const Word term = mean ? fitted(*column) : *column;", "const Word term = fitted(*column);"),
   ("a wrapping sum left where a step did", "  if (fit_.fit == Fit::kWrap) left = gone != 0;\n", ""),
   ("overflows of a mean's sum are its result's", "(to_result_ ? counts.accum_overflows : counts.overflows) += left;", "counts.overflows += left;"),
   ("means that divide to zero are no zeros", "counts.zeros += sums[j] != 0 && mean == 0 ? 1 : 0;", ""),
   ("every rounding is of the row alone", "case Rounding::kRndConv: break;", "case Rounding::kRndConv: return true;"),
   ("roundings by sign, of any sign", "return x.low >= 0 && saturates(sum) && max_raw(sum) >= 0;", "return saturates(sum);"),
   ("roundings by sign, of sums that wrap", "return x.low >= 0 && saturates(sum) && max_raw(sum) >= 0;", "return x.low >= 0;"),
   ("modes of dropped bits", "(fit->fit == Fit::kOther && sum.fraction() < from.fraction())", "false"),
   ("words of 64 bits hold everything", "const int bits = std::max(bits_of(magnitude_of(x.magnitude())) + std::max(up, 0), sum.width) + bits_of(rows);", "const int bits = 1;"))

of("engine/lane_kernels.cc",
   ("128 bits: beyond the word is the low end", "kFit == Fit::kZero ? 0 : fitted < 0 ? low : high;", "kFit == Fit::kZero ? 0 : low;"),
   ("128 bits: beyond the word is no overflow", "return beyond || fitted != word || sum != next;", "return fitted != word || sum != next;",
    "a term has fewer than 63 bits, so that what a sum of 64 bits wraps to is neither 0 nor an end, and no sum of 128 bits goes beyond"),
   ("128 bits: a changed term is not told", "return beyond || fitted != word || sum != next;", "return beyond || sum != next;"),
   ("128 bits: one shift for all", "if (dense.product.shift < kWord) return large_outputs<kAlign, kFit, Int128, true>", "if (true) return large_outputs<kAlign, kFit, Int128, true>"),
   ("128 bits: outputs behind the last four", "for (; j < n_out; ++j) count += large_sums", "for (; j + 1 < n_out; ++j) count += large_sums"))

of("engine/matrix_product.cc",
   ("within: a bias that overflows", "if (bias.overflow || room < 0) return -1;", "if (room < 0) return -1;"),
   ("within: products are not rounded", "(bias.raw < 0 ? -bias.raw : bias.raw) - product.n_in;", "(bias.raw < 0 ? -bias.raw : bias.raw);"),
   ("within: negative weights do not count", "const Int128 column = columns[j].high - columns[j].low;", "const Int128 column = columns[j].high;"),
   ("within: no bias", "end - (bias.raw < 0 ? -bias.raw : bias.raw) - product.n_in", "end - product.n_in"))

of("engine/dense/finish.h",
   ("33 bits fit 32", "return bits_ <= 32;", "return bits_ <= 33;"))

of("engine/engine.cc",
   ("overflow of a cast or a sum is not told", "  work.tally.overflowed |= seen.overflows > 0;\n}", "}"),
   ("overflow of sums in order is not told", "  work.tally.counts[index] += seen;\n  work.tally.overflowed |= seen.overflows + seen.accum_overflows > 0;\n}\n\n// All rows", "  work.tally.counts[index] += seen;\n}\n\n// All rows"))

of("model/quantizer.cc",
   ("halves are rounded up", "return straight_through(x, std::nearbyint(x));", "return straight_through(x, std::floor(x + 0.5F));"),
   ("symmetric bits have the low end", "-m + (q.symmetric ? 1.F : 0.F)", "-m"),
   ("scales are summed row by row", "const std::size_t in_parts = in_packet && rows >= kFewest ? rows / kParts * kParts : 0;", "const std::size_t in_parts = 0;"),
   ("a tanh has its low end", "if (q.symmetric) overflow = Overflow::kSatSym;", ""),
   ("a leaky relu has no sign", "is_signed = q.negative_slope != 0;", "is_signed = false;"),
   ("ternary: the threshold is 0", "static_cast<float>(q.threshold.value_or(kThreshold))", "0.F"))

of("layers/sign_thresholds.cc",
   ("the threshold itself is -1", "int y = x >= high[k] ? 1 : 0;", "int y = x > high[k] ? 1 : 0;"),
   ("ternary: the low threshold itself is 0", "x <= call.step[TypeName::kThresholdLow].raw[k] ? -1 : 0", "x < call.step[TypeName::kThresholdLow].raw[k] ? -1 : 0"),
   ("thresholds are not floored", "return std::floor(value * steps) / steps;", "return value;"),
   ("behind counted signs thresholds stay", "return std::floor(value); };", "return value; };"))

of("layers/sign_activation.cc",
   ("0 is -1", "int sign = x >= 0 ? 1 : -1;", "int sign = x > 0 ? 1 : -1;"),
   ("ternary: twice the value does not wrap", "cast(2 * x, from, from).raw", "2 * x"))

of("precision/network.cc",
   ("inputs behind a layer taken out point too far", "return target > removed ? target - 1 : target;", "return target;"),
   ("what read a layer does not read the one put behind it", "index >= before ? index + 1 : index", "index > before ? index + 1 : index"))

of("precision/bit_exact.cc",
   ("a reshape asks again", "    if (is_reshape(of)) return found(before(i));\n", ""),
   ("an input has the default precision", "return Tensor(size(i), {1, kUnbounded, kUnbounded});\n    if (as<FixedQuantizer>", "return Tensor(size(i), {1, 5, 10});\n    if (as<FixedQuantizer>"),
   ("a relu keeps the sign", "for (Bits& bits : y) bits.k = 0;", ""),
   ("rounding up needs no bit", "++less.i;", ""),
   ("truncating needs a bit without a sign too", "(quantizer->rounding() != Rounding::kTrn || to.k != 0)", "true"),
   ("wrapping shrinks whatever reaches it", "quantizer->overflow() == Overflow::kSat || holds", "true"),
   ("saturating keeps its bits", "quantizer->overflow() == Overflow::kSat || holds", "holds"),
   ("integer bits shrink with the width", "std::max(shrunk.integers[entry], y[v].k + y[v].i)", "std::max(shrunk.integers[entry], shrunk.bits[entry] - y[v].f)"),
   ("the bias is left out of sums", "on_steps(sum) + Steps{bias, bias, power(-fraction_of(bias))}", "on_steps(sum)"),
   ("a mean has no more fractional bits", "bits.f += fraction_of(1.0 / pixels);", ""),
   ("ReLU asks as Activation does", 'relu != nullptr && relu->keras_class() == "Activation"', "relu != nullptr"),
   ("Activation asks for everything", 'relu != nullptr && relu->keras_class() == "Activation"', "false"),
   ("saturating quantizers ask for their integer bits", "if (quantizer.overflow() != Overflow::kWrap) bits.k = 1, bits.i = kUnbounded;", ""),
   ("AP_RND asks for no more", "if (quantizer.rounding() == Rounding::kRnd) ++bits.f;", "if (quantizer.rounding() == Rounding::kRnd) bits.f += 0;"),
   ("the sign is that of what is made", "wraps ? wanted[v].k : std::min(made[v].k, wanted[v].k)", "std::min(made[v].k, wanted[v].k)"),
   ("a fused quantizer's modes are lost", ".rounding = quantizer->rounding(),\n                .overflow = quantizer->overflow()};", "};"),
   ("a quantizer goes whoever else reads", "|| uses(model_, before(i)) != 1) continue;", ") continue;"),
   ("a quantizer stays behind a Flatten", "if (is_reshape(layer(i)) && uses(model_, before(i)) == 1) hand_on(", "if (false) hand_on("),
   ("a normalization has no bias", "}) + Steps{bias, bias, power(-fraction_of(bias))}));", "})));"),
   ("a normalization's steps stay", "from.delta * power(-fraction_of(scale))", "from.delta"),
   ("a mean of all pixels has no more fractional bits", "bits.f += fraction_of(1.0 / pooled_count(shape_before(i)));", "bits.f += 0 * pooled_count(shape_before(i));"),
   ("an average has the sum's bits", "++y.back().f;\n          --y.back().i;", ""),
   ("a normalization of ones stays until types are known", "for (int i = count(); i-- > 0;) remove_idle(i);", ""),
   ("a product of vectors has the first one's steps", "std::min(sum.delta, term.delta)", "std::min(sum.delta, steps_of(x[v]).delta)"),
   ("an input wraps before saturating quantizers", "if (saturates) type.overflow = Overflow::kSat;", ""))

of("layers/fixed_quantizer.cc",
   ("all values have the first one's bits", "if (bits[axis] > 1) entries[value] += rest % size * stride;", ""),
   ("no bits are a type", "if (bits_.bits[entries_[i]] == 0) {", "if (false) {"),
   ("a value goes to the result at once", "CastResult y = cast(between.raw, own, to);", "CastResult y = cast(x, from, to);"),
   ("what leaves its own type is not counted", "y.overflow |= between.overflow;", ""),
   ("bounds of the first type alone", "all = all ? hull(*all, values) : values;", "if (!all) all = values;"))

of("keras/hgq2.cc",
   ("bits are cut off", "std::nearbyint(i.values[entry])", "std::trunc(i.values[entry])"),
   ("integer bits are counted without the sign", "const float integers = k_[entry] + i_[entry];", "const float integers = i_[entry];"),
   ("no bits are some", "if (!(bits > 0)) return {};", ""),
   ("weights without bits stay", "if (!(k + i + f > 0)) return 0;", ""),
   ("SAT_SYM goes to the low end", "overflow_ == Overflow::kSatSym ? -high * k : -std::exp2(integers) * k", "-std::exp2(integers) * k"),
   ("weights that wrap never follow", "if (follows_) return on_grid(x);", ""),
   ("weights that wrap always follow", "is_set(\"trainable\") && (by_fraction_ || rounding_ == Rounding::kRnd);", "is_set(\"trainable\");"),
   ("b is f", "by_fraction_ ? other : other - integers", "other"),
   ("arrays of WRAP come as those of SAT", "arrays[wraps ? 2 : by_fraction_ ? 0 : 1]", "arrays[by_fraction_ ? 0 : 1]"),
   ("a scaler is left out", "if (scaler_) y *= *scaler_;", ""),
   ("the mean is scaled", "static_cast<double>(mean.values[i]) * trained.values[i * n_out + j]", "static_cast<double>(mean.values[i]) * fused.values[i * n_out + j]"),
   ("a beta that is not there is 0", "betas->values.at(i) : 1.F;", "betas->values.at(i) : 0.F;"),
   ("a table begins with its least input", "entry >= entries / 2 ? entry - entries : entry", "true ? entry - entries / 2 : entry"),
   ("a table's errors are not looked at", "std::ldexp(std::abs(y), -20)", "0 * y"),
   ("bits of an axis are those of its first value", "bits.shape = shape;", "bits.shape = shape;\n    std::fill(bits.bits.begin(), bits.bits.end(), bits.bits.front());"))

of("layers/unary_lut.cc",
   ("the highest bit is not looked up by", "call.x()[i] & mask)", "call.x()[i] & (mask >> 1))"),
   ("bounds leave the last entry out", "table.begin() + (std::ptrdiff_t{1} << place.input().width)", "table.begin() + (std::ptrdiff_t{1} << place.input().width) / 2"))

of("precision/quantized_layers.cc",
   ("a threshold on a set is one of each channel", ".of_all_values = layer.shape.size() > 1", ".of_all_values = false"),
   ("a scale stays in the weights", "!matrix->has_scale() || as<Depthwise>(layer) != nullptr) return false;", "true) return false;"),
   ("a normalization is folded into a quantized depthwise convolution",
    "if (!quantizers.any() || (quantizers.bias && !all_are(norm->bias(), 0.F))) return;", "return;"),
   ("a ternary threshold stays", "if (sign == nullptr || !sign->is_ternary() ||", "if (true || sign == nullptr || !sign->is_ternary() ||"),
   ("powers of two have a bit more", "std::max(static_cast<int>(most) + 1, 2)", "std::max(static_cast<int>(most) + 2, 2)"),
   ("signs are not counted", "if (count_signs(resolved, i)) quantized", "if (i < 0) quantized"),
   ("the largest of signs is a number", "return largest && resolved", "return false && resolved"),
   ("weights that hls4ml quantizes twice are taken", "if (!quantized.empty()) {", "if (false) {"),
   ("a Flatten of signs has its type", "if (as<Flatten>(layer) == nullptr && !pools_signs", "if (!pools_signs"))

of("search/range.cc",
   ("a range's low end is not looked at", "range.high < end - step / 2 && range.low >= -end - step / 2", "range.high < end - step / 2"),
   ("the sign's bit is not counted", "std::ldexp(1.0, integer - (is_signed ? 1 : 0))", "std::ldexp(1.0, integer)"),
   ("half a step of room is not asked for", "range.high < end - step / 2 &&", "range.high < end &&"),
   ("zeros are values of the lowest octave", "octaves.front() -= own;", ""))

of("search/tensors.cc",
   ("a Dense in front of a relu that wraps gets its type", "if (types[tensor].overflow == Overflow::kSat && !types[tensor].is_signed)", "if (!types[tensor].is_signed)"),
   ("a Dense that took in a normalization gets a type", "return std::any_of(base_.fused.begin(), base_.fused.end(), [&](const auto& pair) { return pair.first == layer; });",
    "return layer.empty();"),
   ("what does not take its type is listed", "return !is_taken(tensor);", "return false;"),
   ("differences of scores do not count", "own.high = std::max(own.high, largest_difference(values, softmax->second));", ";"))

of("search/search.cc",
   ("an unknown metric meets its bound", "!std::isnan(cost) && std::max(0.0, cost) +", "std::max(0.0, cost) +"),
   ("the error does not count", "+ options.sigmas * error <= bound.most", "<= bound.most"),
   ("the judging half is the one searched on", "Evaluator unseen(tensors, judge.data.x, judge.data.size, {});\n  result.judged",
    "Evaluator unseen(tensors, on.data.x, on.data.size, {});\n  result.judged"))

of("recover/rounding.cc",
   ("what the output lacks does not count", "slope[i] = -problem.correlated[i];", "slope[i] = 0;"),
   ("flips go up alone", "if (own < gain && own <", "if (!is_high[i] && own < gain && own <"),
   ("descent stops after one flip", "is_high[best] = !is_high[best];\n  }", "is_high[best] = !is_high[best];\n    return is_high;\n  }"),
   ("the slope is not kept up", "slope[i] += problem.gram[i * n + best] * step;", "static_cast<void>(step);"),
   ("samples do not count by their weights", "of_rows[row] = weight_of(weights, first + row / rows);", "of_rows[row] = 1;"),
   ("the bias is no input of 1", "std::vector<double> with_one(count * width_, 1.0);", "std::vector<double> with_one(count * width_, 0.0);"),
   ("windows are not gathered", "if (!gather) return x;", "if (!gather || true) return x;"))

of("recover/bias.cc",
   ("a bias moves rows that a relu stops", "moved += !is_relu_ || value > 0 ? 1 : 0;", "moved += 1;"),
   ("samples do not count by their weights", "const double weight = weight_of(weights_, first + row / rows_);", "const double weight = 1;"),
   ("what makes it worse is kept", "if (of_tried.cost[c] < fit.cost[c])", "if (of_tried.cost[c] < fit.cost[c] || true)"),
   ("the shift is of the float bias", "nearest(now + fit.shift[c])", "nearest(static_cast<double>(best[c]) + fit.shift[c])"),
   ("the shift has the other sign", "nearest(now + fit.shift[c])", "nearest(now - fit.shift[c])"),
   ("rows are never added up", "if (as<SetSum>(reader) != nullptr || as<SetMean>(reader) != nullptr) return true;",
    "if (as<SetSum>(reader) != nullptr || as<SetMean>(reader) != nullptr) return false;"))

of("recover/singles.cc",
   ("numbers beyond their type leave it", "std::clamp(value, static_cast<double>(least), static_cast<double>(most))", "value"),
   ("a type's end has more bits than a float32", "std::max({bits_of(magnitude) - kMantissa, fraction - kSmallest, 0})", "std::max(fraction - kSmallest, 0)"),
   ("biases are rounded down", "std::nearbyint(steps)", "std::floor(steps)"))

of("recover/written.cc",
   ("what does not pass takes its name", "const UncheckedFolder folder(path);", "write_keras(model, path);\n  const UncheckedFolder folder(path);"))

of("recover/equalise.cc",
   ("what is scaled up is not scaled down", "static_cast<std::size_t>(dense.n_out), -1), dense.bias);", "static_cast<std::size_t>(dense.n_out), 1), dense.bias);"),
   ("a bias is not scaled", "scale(dense.bias, 1, 1))", "dense.bias)"),
   ("values have no headroom", "room(values.high * kHeadroom, high_end(type))", "room(values.high, high_end(type))"),
   ("weights that are scaled up leave their type", "room(largest, high_end(of_first[TypeName::kWeight]))", "kMostPower"),
   ("weights that read what is scaled down leave their type", "reading > 0 ? -room(reading, high_end(of_second[TypeName::kWeight])) : -kMostPower", "-kMostPower"),
   ("a relu with a maximum passes scales", 'each.name == "max_value"', 'each.name == "maximum"'),
   ("a layer with several readers passes scales", "if (readers.size() != 1 || readers.front() < 0) break;", "if (readers.empty() || readers.front() < 0) break;"))

of("recover/padding.cc",
   ("two equal rows are padding", "|| most->second * kPaddedAtLeast < n", ""),
   ("padded rows are the others", "sums = is_padded ? padded : others;", "sums = is_padded ? others : padded;"))

of("recover/network.cc",
   ("what a layer took in makes nothing in float", "at = std::max(at, network.target.find(norm));", "static_cast<void>(norm);"),
   ("a Dropout keeps a normalization from its layer", "as<Linear>(between) == nullptr && !is_idle(between)", "!is_idle(between)"),
   ("a normalization stays as it is", "behind.op = idle(*norm);", ";"),
   ("a normalization leaves the layer's numbers", "layer.op = scaled;", ";"),
   ("layers that the hardware computes with other numbers are free", "have_same_numbers(network.resolved.model.layers[static_cast<std::size_t>(at)], layer)", "true"),
   ("the network's outputs read nothing", "readers.push_back(-1);", ";"))

of("search/coster.cc",
   ("a layer's cost does not depend on what it reads", 'key += "<" + to_string(resolved.precision[static_cast<std::size_t>(input)].result());', "static_cast<void>(input);"))

of("cost/ebops.cc",
   ("a zero has a bit", "if (raw == 0) return 0;", "if (raw == 0) return 1;"),
   ("a constant's low zeros count", "return bits_of(magnitude) - zeros;", "return bits_of(magnitude) - 0 * zeros;"),
   ("a saturating type has no sign", "format.is_signed && format.overflow != Overflow::kSat ? 1 : 0", "format.is_signed ? 1 : 0"),
   ("biases are added once", "added * static_cast<double>(layer.rows);", "added;"),
   ("a difference costs what a sum does", "case Pairing::Kind::kSum: return values * kAddition *", "case Pairing::Kind::kSum: return values *"),
   ("an addition costs a bit for each bit", "kAddition = 0.65;", "kAddition = 1;"),
   ("a table's entry costs ten times as much", "kTableEntry = 1e-4;", "kTableEntry = 1e-3;"),
   ("entries that no value reaches count", "std::min(std::ldexp(1.0, std::min(value_bits(key), 64)), static_cast<double>(entries))", "static_cast<double>(entries)"),
   ("a softmax adds its first value too", "(values - values / row) * value_bits(exp_type)", "values * value_bits(exp_type)"),
   ("a softmax inverts every value", "values / row * table_ebops", "values * table_ebops"),
   ("a latency softmax subtracts", "if (kind != SoftmaxKind::kLatency) bits", "if (true) bits"),
   ("a normalization adds nothing", "return scaled + each_times(", "return scaled + 0 * each_times("),
   ("the first row of a sum is added", "static_cast<double>(layer.values_before - layer.values)", "static_cast<double>(layer.values_before)"),
   ("a pooling compares its outputs", "value_bits(place.input())) * static_cast<double>(layer.values_before);", "value_bits(place.input())) * static_cast<double>(layer.values);"),
   ("the narrower number of a sum counts", "kAddition * std::max(a, b);", "kAddition * std::min(a, b);"),
   ("a power of two has all bits of its type", "return 1;  // a sign, or a power of two", "return format.width;"))

of("cost/fpga.cc",
   ("a weight's magnitudes are not shared", "seen.erase(std::unique(seen.begin(), seen.end()), seen.end());", ";"),
   ("terms do not wait for each other", "circuit_.ff += std::abs(stage(a) - stage(b))", "circuit_.ff += 0 * std::abs(stage(a) - stage(b))"),
   ("two digits take a multiplier", "constant.digits > 2 && !fits_luts", "constant.digits > 1 && !fits_luts"),
   ("a slice has 26 bits", "constexpr int kDspWide = 27", "constexpr int kDspWide = 26"),
   ("zeros take multipliers", "multipliers -= std::floor(static_cast<double>(zeros) / reuse);", ";"),
   ("a term that loses bits is negated for nothing", "if (term.negative) circuit_.lut += term.bits + 1;", ";"),
   ("bits below a subtraction are wires", "(borrows ? result.low :", "(false ? result.low :"),
   ("sums are kept a cycle late", "if (result.level % kAddersPerCycle == 0)", "if (result.level % kAddersPerCycle == 1)"),
   ("tables of a few inputs share nothing", "      circuit.lut -= tables - forms;\n", ""),
   ("an input that is shifted alone is kept nowhere", "if (is_wired) circuit.ff += matrix.x.width;", "if (is_wired) circuit.ff += 0;"),
   ("a block RAM has 5 bits a word", "{36, 18, 9, 4, 2, 1}", "{36, 18, 9, 5, 2, 1}"),
   ("rounding takes no LUT", "to.rounding != Rounding::kTrn) luts += to.width;", "to.rounding != Rounding::kTrn) luts += 0;"),
   ("saturating takes no LUT", "to.saturated_bits > 0)) luts += to.width;", "to.saturated_bits > 0)) luts += 0;"),
   ("a multiplier has a bit more in each further part", "up(of - 1, width - 1)", "up(of, width)"),
   ("digits are the ones of a number", "digits = magnitude ^ (magnitude * 3);", "digits = magnitude;"),
   ("a sum of one term takes no cycle", "+ std::max(1, cycles_of(levels));", "+ cycles_of(levels);"))

of("cost/reading.cc",
   ("a pixel of the padding is multiplied", "if (!gather || !gather->pads) return {};", "if (true) return {};"),
   ("a maximum is an average", "pooling->kind() == PoolKind::kAverage", "pooling->kind() == PoolKind::kMax"),
   ("a bias of zeros is none in any type", "return type == TypeName::kBias && is_bit && ", "return type == TypeName::kBias && "),
   ("a slope is a choice", "case Form::kAffine: return Work::kSlope;", "case Form::kAffine: return Work::kChoice;"))

of("cost/part.cc",
   ("a part with its package is unknown", "name.substr(0, name.find('-'))", "name"))

of("layers/table.cc",
   ("steps wider than 1 are looked up as others are", "no_integer_bits || format.fraction() < 0 ||", "no_integer_bits || shift < 0 ||"))

of("engine/dense/planes.cc",
   ("in place: an odd run's last value counts twice", "i + 1 < run.count ? run.to + i + 1 : -1", "run.to + std::min(i + 1, run.count - 1)"),
   ("in place: rows are alike wherever their values lie", "a.from - runs.front().from == b.from - first.front().from", "true",
    "the windows of a convolution that are whole are all alike; it is for gathers to come"),
   ("in place: rows with zeros of their own", "if (!gather.is_whole(row)) continue;", "if (gather.first[row] == gather.first[row + 1]) continue;",
    "rows like such a one leave out zeros, which add nothing, and all others are gathered"),
   ("in place: all samples are the first", "run_in_place(x.s.data() + s * size,", "run_in_place(x.s.data(),"),
   ("in place: pairs begin anew in each run", "plan.pairs.push_back(run.from - first.front().from + i);", "plan.pairs.push_back(i);"),
   ("in place: the types of the inputs are wide", "if (product.gather != nullptr && fits_small(product.input))", "if (product.gather != nullptr)",
    "sums of one product have inputs of int16"))

of("engine/kernels.cc",
   ("a relu's last outputs are stored whole", "if (columns >= (b + 1) * kBlock) store_half", "if (true) store_half"))

of("engine/tensor.cc",
   ("pieces go over a row's own zeros", "if (gather.pads && !gather.is_whole(row)) {", "if (false) {"))

of("engine/engine.cc",
   ("rows: overflow is not told", "  to.put(0, out, y.data());\n  work.tally.counts[index] += seen;\n  work.tally.overflowed |= seen.overflows + seen.accum_overflows > 0;", "  to.put(0, out, y.data());\n  work.tally.counts[index] += seen;"),
   ("moves: all samples are the first", "move_values(stage.sources, from + s * in, to + s * out);", "move_values(stage.sources, from, to + s * out);"),
   ("moves: values are not counted", "    work.tally.counts[index].values += size;\n    return;", "    return;"),
   ("largest: values are not counted", "  work.tally.counts[index].values += samples * windows.size() * channels;\n", ""),
   ("samples at once: rows begin one too early", "work.starts.push_back(s * rows);", "work.starts.push_back(s * rows - 1);"))

of("layers/pooling.cc",
   ("unsigned types are padded with their least value", "(x.is_signed || !pads(*place.shapes.front()))", "true"),
   ("average: sums that leave accum stay", "max_raw(accum) / n;", "max_raw(accum);"),
   ("average: low sums that leave accum stay", "least_raw(accum) / n &&", "least_raw(accum) &&"),
   ("average: sums are not brought to accum's steps", "const Raw mean = (sum << *shift) / static_cast<Raw>(pixels);", "const Raw mean = sum / static_cast<Raw>(pixels);"),
   ("the largest is in accum's type", "const bool one_type = x == place.types[TypeName::kAccum] && x == place.types.result();", "const bool one_type = x == place.types.result();"))

of("layers/table_activation.cc",
   ("results of 127 bits stand above flags", "return result.width + kFlagBits < 128;", "return result.width > 0;"))

of("precision/precision.cc",
   ("pads of any type answer for another's", "return a.is_signed || a == to.precision[layer].result() || !pads_a_maximum(from.model, layer);", "return a.width > 0;"),
   ("maxima that do not pad keep their sign", "&& pooling->pads(model.layers[layer].shape)) return true;", ") return true;"))

of("model/operation.h",
   ("moves: zeros are the first value", "*y++ = source < 0 ? Value{} : x[source];", "*y++ = x[source < 0 ? 0 : source];"),
   ("largest: channels are mixed", "y[c] = std::max(y[c], x[pixel * channels + c]);", "y[c] = std::max(y[c], x[pixel * channels]);"))
