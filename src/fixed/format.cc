#include "fixed/format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "error.h"

namespace narrow {
namespace {

constexpr std::array<std::string_view, kRoundings> kRoundingNames = {"RND",      "RND_ZERO", "RND_MIN_INF", "RND_INF",
                                                                     "RND_CONV", "TRN",      "TRN_ZERO"};
constexpr std::array<std::string_view, kOverflows> kOverflowNames = {"SAT", "SAT_ZERO", "SAT_SYM", "WRAP", "WRAP_SM"};

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool strip_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::vector<std::string_view> split_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto comma = text.find(',');
    parts.push_back(trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

template <std::size_t N>
std::size_t parse_mode(std::string_view text, const std::array<std::string_view, N>& names, std::string_view what) {
  std::string_view name = trim(text);
  strip_prefix(name, "AP_");
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  std::string known;
  for (const auto& each : names) known.append(known.empty() ? "AP_" : ", AP_").append(each);
  throw Error("unknown " + std::string(what) + " mode '" + std::string(text) + "': there are " + known);
}

int parse_bits(std::string_view text, std::string_view whole) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Error("'" + std::string(whole) + "' is not a valid type: '" + std::string(text) + "' should be a number of bits");
  }
  return value;
}

// `fields` are width, integer (not for ap_int), Q, O, N; those from Q on may be left out.
Format from_fields(const std::vector<std::string_view>& fields, bool is_signed, bool is_integer, std::string_view whole) {
  const auto complain = [&](const std::string& why) -> Error { return Error("'" + std::string(whole) + "' is not a valid type: " + why); };
  Format format;
  format.is_signed = is_signed;
  format.is_integer = is_integer;
  const std::size_t sizes = is_integer ? 1 : 2;
  if (fields.size() < sizes || fields.size() > (is_integer ? 1 : 5)) {
    throw complain(is_integer ? "one number of bits is needed, as in ap_int<8>"
                              : "total and integer bits are needed, then rounding, overflow and saturated bits may "
                                "follow, as in ap_fixed<16,6,AP_RND,AP_SAT>");
  }
  format.width = parse_bits(fields[0], whole);
  format.integer = is_integer ? format.width : parse_bits(fields[1], whole);
  if (format.width < 1 || format.width > kMaxSumWidth) {
    throw complain("its width must be 1 to " + std::to_string(kMaxSumWidth) + " bits");
  }
  if (std::abs(format.integer) > kMaxIntegerBits) {
    throw complain("its integer bits must be within " + std::to_string(kMaxIntegerBits) + " of 0");
  }
  try {
    if (fields.size() > 2) format.rounding = parse_rounding(fields[2]);
    if (fields.size() > 3) format.overflow = parse_overflow(fields[3]);
  } catch (const Error& error) {
    throw complain(error.what());
  }
  if (fields.size() > 4) format.saturated_bits = parse_bits(fields[4], whole);
  if (format.saturated_bits < 0 || format.saturated_bits > format.width) {
    throw complain("its saturated bits must be 0 to its width");
  }
  if (!format.is_signed && format.overflow == Overflow::kWrapSm) {
    throw complain("AMD's ap_ufixed does not have AP_WRAP_SM; use AP_WRAP or AP_SAT");
  }
  return format;
}

}  // namespace

Rounding parse_rounding(std::string_view text) { return static_cast<Rounding>(parse_mode(text, kRoundingNames, "rounding")); }

Overflow parse_overflow(std::string_view text) { return static_cast<Overflow>(parse_mode(text, kOverflowNames, "overflow")); }

Format parse_format(std::string_view text) {
  std::string_view rest = trim(text);
  strip_prefix(rest, "ap_");
  const bool is_signed = !strip_prefix(rest, "u");
  const bool is_integer = strip_prefix(rest, "int");
  if ((!is_integer && !strip_prefix(rest, "fixed")) || !rest.starts_with('<') || !rest.ends_with('>')) {
    throw Error("'" + std::string(text) +
                "' is not a valid type: write ap_fixed<W,I>, ap_ufixed<W,I>, ap_int<W> or ap_uint<W>, with rounding and overflow "
                "modes after I where they differ from AP_TRN,AP_WRAP");
  }
  return from_fields(split_commas(rest.substr(1, rest.size() - 2)), is_signed, is_integer, text);
}

Format parse_short_format(std::string_view text) {
  if (text.find('<') != std::string_view::npos) return parse_format(text);
  return from_fields(split_commas(text), true, false, text);
}

bool saturates(const Format& format) { return format.overflow == Overflow::kSat || format.overflow == Overflow::kSatSym; }
bool wraps(const Format& format) { return format.overflow == Overflow::kWrap && format.saturated_bits == 0; }

bool rounds_by_sign(const Format& format) {
  return format.is_integer || format.rounding == Rounding::kTrnZero || format.rounding == Rounding::kRndZero ||
         format.rounding == Rounding::kRndInf;
}

Format unbounded(const Format& format) {
  Format result = format;
  result.width = kMaxSumWidth;
  result.integer = kMaxSumWidth - format.fraction();
  result.is_signed = true;
  result.is_integer = false;
  if (format.is_integer) result.rounding = Rounding::kTrnZero;
  return result;
}

int bits_at(const Format& format, int fraction) {
  return format.width + (format.is_signed ? 0 : 1) + std::max(0, fraction - format.fraction());
}

std::string to_string(Rounding rounding) { return "AP_" + std::string(kRoundingNames[static_cast<std::size_t>(rounding)]); }
std::string to_string(Overflow overflow) { return "AP_" + std::string(kOverflowNames[static_cast<std::size_t>(overflow)]); }

std::string to_string(const Format& format) {
  std::string text = format.is_signed ? "ap_" : "ap_u";
  if (format.is_integer) return text + "int<" + std::to_string(format.width) + ">";
  text += "fixed<" + std::to_string(format.width) + "," + std::to_string(format.integer);
  const int trailing = format.saturated_bits != 0 ? 3 : format.overflow != Overflow::kWrap ? 2 : format.rounding != Rounding::kTrn ? 1 : 0;
  if (trailing > 0) text += "," + to_string(format.rounding);
  if (trailing > 1) text += "," + to_string(format.overflow);
  if (trailing > 2) text += "," + std::to_string(format.saturated_bits);
  return text + ">";
}

std::string to_hls4ml_string(const Format& format) {
  std::string text = format.is_signed ? "" : "u";
  if (format.is_integer) return text + "int<" + std::to_string(format.width) + ">";
  text += "fixed<" + std::to_string(format.width) + "," + std::to_string(format.integer) + ",";
  text += kRoundingNames[static_cast<std::size_t>(format.rounding)];
  text += ",";
  text += kOverflowNames[static_cast<std::size_t>(format.overflow)];
  return text + "," + std::to_string(format.saturated_bits) + ">";
}

}  // namespace narrow
