// The functions that must give the same numbers on any machine, and preparation where Python does not reach.
#include <gtest/gtest.h>

#include <cmath>

#include "data/hash.h"
#include "data/portable.h"
#include "data/preparation.h"
#include "error.h"

namespace narrow {
namespace {

TEST(Portable, LogAndExpAreThoseOfTheLibrary) {
  PortableRandom random(1);
  for (int i = 0; i < 200000; ++i) {
    const double x = std::ldexp(random.uniform(0.5, 1), static_cast<int>(random.integer(0, 120)) - 60);
    ASSERT_NEAR(portable_log(x), std::log(x), 4e-16 * std::max(1.0, std::abs(std::log(x)))) << x;
    const double y = random.uniform(-40, 40);
    ASSERT_NEAR(portable_exp(y) / std::exp(y), 1, 1e-14) << y;
  }
}

TEST(Portable, DistributionsHaveTheirMoments) {
  PortableRandom random(2);
  constexpr int kDraws = 400000;
  for (const double shape : {0.4, 1.0, 3.0, 50.0}) {
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double x = random.gamma(shape);
      ASSERT_GE(x, 0);
      sum += x;
      squares += x * x;
    }
    const double mean = sum / kDraws;
    EXPECT_NEAR(mean / shape, 1, 5 / std::sqrt(kDraws * shape));
    EXPECT_NEAR((squares / kDraws - mean * mean) / shape, 1, 0.05);
  }
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double z = random.normal();
    sum += z;
    squares += z * z;
  }
  EXPECT_NEAR(sum / kDraws, 0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 0.01);
}

// The published values of XXH3, 128 bits, seed 0 (xxHash's own xsum_sanity_check.c begins with that of the empty input).
TEST(Hash, IsXxh3) {
  EXPECT_EQ(Hash().text(), "99aa06d3014798d86001c324468d497f");
  Hash ends_elsewhere;
  ends_elsewhere.add(std::vector<float>{1});
  ends_elsewhere.add(std::vector<float>{2, 3});
  Hash other;
  other.add(std::vector<float>{1, 2});
  other.add(std::vector<float>{3});
  EXPECT_NE(ends_elsewhere.text(), other.text());
}

TEST(Preparation, SurvivesJson) {
  Preparation preparation;
  preparation.features = {parse_feature("a:log10/3"), parse_feature("b/0.1"), parse_feature("c:log")};
  preparation.target = std::nullopt;
  preparation.order = "b";
  preparation.vmax = 7;
  preparation.padding = 0.1;
  EXPECT_EQ(preparation_from_json(to_json(preparation)), preparation);
  EXPECT_EQ(preparation_from_json(to_json({})), Preparation{});
  EXPECT_THROW(preparation_from_json("{}"), Error);
  EXPECT_THROW(preparation_from_json("[1"), Error);
  // As narrow writes it but for one value, which would be a size or a divisor.
  const std::string text = to_json({});
  const auto with = [&](const std::string& from, const std::string& to) {
    return std::string(text).replace(text.find(from), from.size(), to);
  };
  for (const char* vmax : {"-1", "0", "1e300", "128.5", "4294967297"}) {
    EXPECT_THROW(preparation_from_json(with("\"vmax\":128", std::string("\"vmax\":") + vmax)), Error) << vmax;
  }
  EXPECT_THROW(preparation_from_json(with("\"divide\":1.0", "\"divide\":0.0")), Error);
  EXPECT_THROW(preparation_from_json(with("\"name\":\"eta\"", "\"name\":\"\"")), Error);
  const std::size_t features = text.find('[') + 1;
  EXPECT_THROW(preparation_from_json(text.substr(0, features) + text.substr(text.find(']'))), Error);
}

// A regular expression would take the stack for it.
TEST(Preparation, FeaturesMayBeLong) {
  const std::string name(1 << 20, 'e');
  EXPECT_EQ(parse_feature(name + ":log/10").name, name);
}

TEST(Preparation, FeaturesAreWrittenAsTheyAreRead) {
  for (const char* text : {"eta", "layer/10", "energy:log/10", "e:log10", "a/0.25"}) EXPECT_EQ(to_string(parse_feature(text)), text);
  for (const char* text : {"", ":log", "a:ln", "a/0", "a/inf", "a/", "a/b", "a:log:log"}) EXPECT_THROW(parse_feature(text), Error) << text;
  const Feature energy = parse_feature("energy:log10/4");
  EXPECT_NEAR(energy.undo(energy.prepare(37.5)), 37.5, 1e-12);
}

}  // namespace
}  // namespace narrow
