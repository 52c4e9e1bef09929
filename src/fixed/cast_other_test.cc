// Casts from double and to ap_int against AMD's headers; printing and parsing of types.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "error.h"
#include "fixed/ap_types.h"
#include "fixed/cast.h"

namespace narrow {
namespace {

using ap_types::FormatOf;

constexpr std::uint64_t kSeed = 7;

double random_double(std::mt19937_64& random) {
  switch (random() % 4) {
    case 0: return std::ldexp(static_cast<double>(static_cast<std::int64_t>(random())), -static_cast<int>(random() % 90));
    case 1:
      return std::ldexp(static_cast<double>(static_cast<std::int64_t>(random() % 65) - 32), -static_cast<int>(random() % 12));  // ties
    case 2: return static_cast<float>(std::ldexp(static_cast<double>(static_cast<std::int32_t>(random())), -28));
    default: return std::ldexp(static_cast<double>(static_cast<std::int16_t>(random())), static_cast<int>(random() % 60) - 40);
  }
}

template <class To>
void doubles() {
  constexpr Format kTo = FormatOf<To>::kFormat;
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 20'000; ++i) {
    const double value = random_double(random);
    ASSERT_TRUE(cast(value, kTo).raw == ap_types::raw_of(To(value))) << "seed " << kSeed << ": " << value << " to " << to_string(kTo);
  }
}

TEST(CastDouble, AsAmdsHeaders) {
  doubles<ap_fixed<16, 6>>();
  doubles<ap_fixed<16, 6, AP_RND, AP_SAT>>();
  doubles<ap_fixed<8, 4, AP_RND_ZERO, AP_SAT_SYM>>();
  doubles<ap_fixed<8, -2, AP_RND_MIN_INF, AP_SAT_ZERO>>();
  doubles<ap_fixed<12, 14, AP_RND_INF, AP_WRAP, 2>>();
  doubles<ap_fixed<40, 20, AP_RND_CONV, AP_WRAP_SM>>();
  doubles<ap_fixed<64, 32, AP_TRN_ZERO>>();
  doubles<ap_ufixed<9, 4, AP_RND, AP_SAT>>();
  doubles<ap_ufixed<10, 5>>();
  doubles<ap_int<8>>();
  doubles<ap_uint<5>>();
  doubles<ap_int<33>>();
}

template <class From, class To>
void to_integer() {
  constexpr Format kFrom = FormatOf<From>::kFormat;
  for (Int128 raw = min_raw(kFrom); raw <= max_raw(kFrom); ++raw) {
    const To expected = ap_types::with_raw<From>(raw);
    ASSERT_TRUE(cast(raw, kFrom, FormatOf<To>::kFormat).raw == ap_types::raw_of(expected))
        << static_cast<int>(raw) << " of " << to_string(kFrom) << " to " << to_string(FormatOf<To>::kFormat);
  }
}

template <class To>
void to_integer_from_all() {
  to_integer<ap_fixed<8, 4>, To>();
  to_integer<ap_fixed<8, 8>, To>();
  to_integer<ap_fixed<8, 11>, To>();
  to_integer<ap_fixed<8, 1>, To>();
  to_integer<ap_fixed<8, 0>, To>();
  to_integer<ap_ufixed<8, 4>, To>();
  to_integer<ap_ufixed<8, 0>, To>();
  to_integer<ap_int<8>, To>();
  to_integer<ap_uint<8>, To>();
}

TEST(CastToInteger, AsAmdsHeaders) {
  to_integer_from_all<ap_int<3>>();
  to_integer_from_all<ap_int<6>>();
  to_integer_from_all<ap_int<16>>();
  to_integer_from_all<ap_uint<1>>();
  to_integer_from_all<ap_uint<4>>();
  to_integer_from_all<ap_uint<12>>();
}

TEST(ToDouble, AsAmdsHeaders) {
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 20'000; ++i) {
    const Int128 raw = (static_cast<Int128>(random()) << 40) ^ static_cast<Int128>(random());
    const Int128 kept = (raw << 27) >> 27;
    const auto value = ap_types::with_raw<ap_fixed<101, 40>>(kept);
    ASSERT_EQ(to_double(kept, 61), value.to_double()) << "seed " << kSeed;
  }
}

TEST(Overflow, IsReported) {
  EXPECT_FALSE(cast(127, fixed(10, 10), fixed(8, 8)).overflow);
  EXPECT_TRUE(cast(128, fixed(10, 10), fixed(8, 8)).overflow);
  EXPECT_FALSE(cast(-128, fixed(10, 10), fixed(8, 8)).overflow);
  EXPECT_TRUE(cast(-128, fixed(10, 10), parse_format("ap_fixed<8,8,AP_TRN,AP_SAT_SYM>")).overflow);
  EXPECT_TRUE(cast(-1, fixed(10, 10), ufixed(8, 8)).overflow);
  EXPECT_TRUE(cast(1, -130, parse_format("ap_int<8>")).overflow);  // 2^130, of which 128 bits are 0
}

TEST(Format, ParsesBothSpellings) {
  EXPECT_EQ(parse_format("ap_fixed<16,6>"), fixed(16, 6));
  EXPECT_EQ(parse_format(" fixed< 16 , 6 ,TRN,WRAP,0>"), fixed(16, 6));
  EXPECT_EQ(parse_short_format("16,6"), fixed(16, 6));
  const Format modes = parse_format("ap_ufixed<9,-4,AP_RND_CONV,AP_SAT_SYM>");
  EXPECT_EQ(modes, (Format{9, -4, false, false, Rounding::kRndConv, Overflow::kSatSym, 0}));
  EXPECT_EQ(parse_format("uint<1>"), (Format{1, 1, false, true, Rounding::kTrn, Overflow::kWrap, 0}));
}

TEST(Format, PrintingParsesBack) {
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 2000; ++i) {
    Format format{static_cast<int>(random() % 127) + 1,
                  static_cast<int>(random() % 200) - 60,
                  random() % 2 == 0,
                  random() % 5 == 0,
                  static_cast<Rounding>(random() % kRoundings),
                  static_cast<Overflow>(random() % kOverflows),
                  static_cast<int>(random() % 2)};
    if (format.is_integer) format = {format.width, format.width, format.is_signed, true, Rounding::kTrn, Overflow::kWrap, 0};
    if (!format.is_signed && format.overflow == Overflow::kWrapSm) format.overflow = Overflow::kWrap;
    EXPECT_EQ(parse_format(to_string(format)), format) << to_string(format);
    EXPECT_EQ(parse_format(to_hls4ml_string(format)), format) << to_hls4ml_string(format);
  }
}

TEST(Format, SaysWhatIsWrong) {
  for (const char* bad :
       {"", "ap_fixed", "ap_fixed<16>", "ap_fixed<16,6", "ap_fixed<16,6,AP_RDN>", "ap_fixed<16,6,AP_RND,AP_CLIP>", "ap_fixed<0,0>",
        "ap_fixed<128,6>", "ap_fixed<16,6,AP_TRN,AP_WRAP,17>", "ap_fixed<16,x>", "ap_int<8,4>", "float", "ap_fixed<16,6>x",
        "ap_ufixed<8,4,AP_TRN,AP_WRAP_SM>", "ap_fixed<16,6,AP_RND,AP_SAT,0,0>", "ap_fixed<16,99999>", "16,6"}) {
    EXPECT_THROW(parse_format(bad), Error) << bad;
  }
  try {
    parse_format("ap_fixed<16,6,AP_RDN>");
  } catch (const Error& error) {
    EXPECT_NE(std::strstr(error.what(), "AP_RND_CONV"), nullptr) << error.what();
  }
}

}  // namespace
}  // namespace narrow
