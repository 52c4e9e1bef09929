// The estimate of a circuit against circuits that yosys made: src/cost/testdata/yosys.csv, which tools/circuits.py counts; and EBOPs
// against designs that Vivado placed and routed: src/cost/testdata/jedi-linear.csv, from the reports of github.com/calad0i/JEDI-linear
// (Apache-2.0). $NARROW_PREDICTED, a file's name, takes what is predicted, for the figure of docs/cost.md.
#include "cost/fpga.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "cost/ebops.h"

namespace narrow {
namespace {

using Row = std::map<std::string, std::string>;

// No field has a comma of its own but types in quotes.
std::vector<Row> read_csv(const std::string& name) {
  std::ifstream file(std::string(NARROW_SOURCE_DIR) + "/src/cost/testdata/" + name);
  std::vector<std::string> header;
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (const char c : line) {
      if (c == '"') quoted = !quoted;
      else if (c == ',' && !quoted) fields.emplace_back();
      else fields.back() += c;
    }
    if (header.empty()) {
      header = fields;
      continue;
    }
    Row row;
    for (std::size_t i = 0; i < header.size(); ++i) row[header[i]] = fields.at(i);
    rows.push_back(row);
  }
  return rows;
}

std::vector<Int128> numbers(const std::string& text) {
  std::istringstream words(text);
  std::vector<Int128> values;
  for (long long value = 0; words >> value;) values.push_back(value);
  return values;
}

struct Compared {
  Row row;
  Circuit predicted;
  bool at_once;
  double counted(const std::string& what) const { return std::stod(row.at(what)); }
};

const std::vector<Compared>& compared() {
  static const std::vector<Compared> kAll = [] {
    std::vector<Compared> all;
    for (const Row& row : read_csv("yosys.csv")) {
      const std::vector<Int128> weights = numbers(row.at("weights"));
      const std::vector<Int128> biases = numbers(row.at("biases"));
      const Format x = parse_format(row.at("x"));
      const Format weight = parse_format(row.at("weight"));
      const Format bias = parse_format(row.at("bias"));
      const Format accum = parse_format(row.at("accum"));
      const MatrixCircuit matrix{weights, biases, x, weight, bias, accum, accum};
      const int reuse = std::stoi(row.at("reuse"));
      const Strategy strategy = row.at("strategy") == "Resource" ? Strategy::kResource : Strategy::kLatency;
      all.push_back({row, reuse == 1 ? unrolled(matrix) : multiplexed(matrix, reuse, strategy), reuse == 1});
    }
    if (const char* path = std::getenv("NARROW_PREDICTED")) {
      std::ofstream file(path);
      file << "name,lut,ff,dsp,bram\n";
      for (const Compared& each : all) {
        const Circuit& made = each.predicted;
        file << each.row.at("name") << ',' << made.lut << ',' << made.ff << ',' << made.dsp << ',' << made.bram << '\n';
      }
    }
    return all;
  }();
  return kAll;
}

struct Errors {
  double median, ninetieth, bias;  // of |predicted / counted - 1|; the mean of predicted / counted - 1
  std::size_t layers;
};

Errors errors(
    bool at_once, const std::string& what, double Circuit::*predicted,
    const std::function<bool(const Compared&)>& counts = [](const Compared&) { return true; }) {
  std::vector<double> all;
  double sum = 0;
  for (const Compared& each : compared()) {
    if (each.at_once != at_once || each.counted(what) == 0 || !counts(each)) continue;
    const double error = each.predicted.*predicted / each.counted(what) - 1;
    sum += error;
    all.push_back(std::abs(error));
  }
  std::sort(all.begin(), all.end());
  const Errors found{all.at(all.size() / 2), all.at(all.size() * 9 / 10), sum / static_cast<double>(all.size()), all.size()};
  std::printf("%s, %s: %zu layers, |error| median %.3f, 90%% %.3f, largest %.3f, mean error %+.3f\n", at_once ? "at once" : "in turns",
              what.c_str(), found.layers, found.median, found.ninetieth, all.back(), found.bias);
  return found;
}

TEST(Fpga, ThereAreEnoughLayersOfBothKinds) {
  const auto at_once = std::count_if(compared().begin(), compared().end(), [](const Compared& each) { return each.at_once; });
  EXPECT_GE(at_once, 40);
  EXPECT_GE(static_cast<std::ptrdiff_t>(compared().size()) - at_once, 20);
}

// The figures of docs/cost.md.
TEST(Fpga, LutsAreNearThoseThatYosysCounts) {
  const Errors at_once = errors(true, "lut", &Circuit::lut);
  const Errors in_turns = errors(false, "lut", &Circuit::lut);
  EXPECT_LE(at_once.median, 0.09);
  EXPECT_LE(at_once.ninetieth, 0.43);
  EXPECT_LE(in_turns.median, 0.09);
  EXPECT_LE(in_turns.ninetieth, 0.31);
}

TEST(Fpga, LutsOfInputsThatFillNoTableAreNearer) {
  const auto is_usual = [](const Compared& each) { return each.counted("lut") >= 50 && parse_format(each.row.at("x")).width > 6; };
  const Errors at_once = errors(true, "lut", &Circuit::lut, is_usual);
  const Errors in_turns = errors(false, "lut", &Circuit::lut, is_usual);
  EXPECT_GE(at_once.layers, 30U);
  EXPECT_LE(at_once.median, 0.05);
  EXPECT_LE(at_once.ninetieth, 0.16);
  EXPECT_LE(in_turns.median, 0.09);
  EXPECT_LE(in_turns.ninetieth, 0.27);
}

TEST(Fpga, RegistersAreNearThoseThatYosysCounts) {
  const Errors at_once = errors(true, "ff", &Circuit::ff);
  const Errors in_turns = errors(false, "ff", &Circuit::ff);
  EXPECT_LE(at_once.median, 0.025);
  EXPECT_LE(at_once.ninetieth, 0.21);
  EXPECT_LE(in_turns.median, 0.03);
  EXPECT_LE(in_turns.ninetieth, 0.12);
}

TEST(Fpga, DspSlicesAndBlockRamsAreThoseThatYosysCounts) {
  for (const Compared& each : compared()) {
    EXPECT_EQ(each.predicted.dsp, each.counted("dsp")) << each.row.at("name");
    EXPECT_EQ(each.predicted.bram, each.counted("bram")) << each.row.at("name");
  }
}

TEST(Fpga, LutsOfPlacedDesignsFollowTheirEbops) {
  std::vector<double> ratios;
  for (const Row& row : read_csv("jedi-linear.csv")) ratios.push_back(std::stod(row.at("lut")) / std::stod(row.at("ebops")));
  ASSERT_EQ(ratios.size(), 20U);
  std::sort(ratios.begin(), ratios.end());
  EXPECT_NEAR((ratios[9] + ratios[10]) / 2, kLutsOfEbop, 0.005);
  for (const double ratio : ratios) EXPECT_NEAR(kLutsOfEbop / ratio, 1, 0.24);
}

TEST(Fpga, DigitsAndSlices) {
  const auto digits = [](int value) { return signed_digits(value); };
  EXPECT_EQ(digits(0), 0);
  EXPECT_EQ(digits(-64), 1);
  EXPECT_EQ(digits(7), 2);    // 8 - 1
  EXPECT_EQ(digits(11), 3);   // 8 + 4 - 1
  EXPECT_EQ(digits(-23), 3);  // 16 + 8 - 1
  // UG579: 27 by 18 bits.
  EXPECT_EQ(dsps_of_product(18, 27), 1);
  EXPECT_EQ(dsps_of_product(18, 28), 2);
  EXPECT_EQ(dsps_of_product(19, 19), 2);
  EXPECT_EQ(dsps_of_product(27, 35), 2);
  EXPECT_EQ(dsps_of_product(35, 53), 4);
  EXPECT_EQ(dsps_of_product(18, 54), 3);  // 53 bits and a sign: 26, 26, 1
  EXPECT_TRUE(fits_luts(8, 30));
  EXPECT_FALSE(fits_luts(9, 9));
}

TEST(Fpga, BlockRams) {
  EXPECT_EQ(block_rams(0, 18), 0);
  EXPECT_EQ(block_rams(1024, 18), 0.5);
  EXPECT_EQ(block_rams(512, 36), 0.5);
  EXPECT_EQ(block_rams(1025, 18), 1);
  EXPECT_EQ(block_rams(16384, 1), 0.5);
  EXPECT_EQ(block_rams(4096, 5), 1);
}

// The zeros of a matrix cost nothing, nor does what is multiplied with them.
TEST(Fpga, ZerosPowersOfTwoAndTwoDigitsTakeNoMultiplier) {
  const Format x = fixed(16, 6);
  const Format weight = fixed(16, 6);
  const Format accum = fixed(40, 20);
  const std::vector<Int128> no_bias{0};
  const auto circuit = [&](const std::vector<Int128>& weights) { return unrolled({weights, no_bias, x, weight, weight, accum, accum}); };
  EXPECT_EQ(circuit({0, 0, 0}).lut, 0);
  EXPECT_EQ(circuit({0, 0, 0}).ff, 0);
  EXPECT_EQ(circuit({0, 1024, 0}).lut, 0);
  EXPECT_EQ(circuit({0, 0, 1025 * 4}).lut, 17);  // one adder of 16 + 1 bits
  EXPECT_EQ(circuit({0, 0, 1025 * 4}).dsp, 0);
  EXPECT_EQ(circuit({0, 0, 0b1011010011}).dsp, 1);
  EXPECT_EQ(circuit({0, 0, 0b1011010011}).lut, 0);
  EXPECT_EQ(circuit({0, 0, 0b1010011}).dsp, 0);  // 7 bits and a sign
  EXPECT_EQ(circuit({0, 1024, 0}).latency, 1);
  const std::vector<Int128> zeros(16);
  EXPECT_EQ(multiplexed({zeros, no_bias, x, weight, weight, accum, accum}, 4, Strategy::kLatency).dsp, 0);
  EXPECT_EQ(multiplexed({zeros, no_bias, x, weight, weight, accum, accum}, 4, Strategy::kResource).dsp, 4);
}

// Of 4 x - y no low bit is a wire; of -4 x + y two are, as of 4 x + y.
TEST(Fpga, LowBitsAreWiresWhereTheyAreNotSubtracted) {
  const Format type = fixed(16, 6), accum = fixed(40, 20);
  const std::vector<Int128> no_bias{0};
  const auto lut = [&](const std::vector<Int128>& weights) { return unrolled({weights, no_bias, type, type, type, accum, accum}).lut; };
  EXPECT_EQ(lut({4096, -1024}), lut({4096, 1024}) + 2);
  EXPECT_EQ(lut({-4096, 1024}), lut({4096, 1024}));
}

// Products of 4 bits and odd constants of 7, which have four signed digits: tables of 4 + 7 - 1 bits. Their lowest bits are the input's
// own, the next have 2 forms at most, those behind them 4.
TEST(Fpga, TablesOfAFewInputsShareTheirLowBits) {
  const Format x = fixed(4, 2), weight = fixed(16, 6), accum = fixed(40, 20);
  const auto lut = [&](const std::vector<Int128>& weights) {
    return unrolled({weights, std::vector<Int128>(weights.size()), x, weight, weight, accum, accum}).lut;
  };
  EXPECT_EQ(lut({85, 91}), 2 * 10);
  EXPECT_EQ(lut({85, 91, 107}), 3 * 10 - 1);
  EXPECT_EQ(lut({85, 91, 107, 83, 109}), 5 * 10 - 3 - 1);
}

TEST(Fpga, CastsThatRoundOrSaturateTakeLuts) {
  const auto luts = [](const char* from, const char* to) { return luts_of_cast(parse_format(from), parse_format(to)); };
  EXPECT_EQ(luts("ap_fixed<16,6>", "ap_fixed<12,4>"), 0);
  EXPECT_EQ(luts("ap_fixed<16,6>", "ap_fixed<12,6,AP_RND>"), 12);
  EXPECT_EQ(luts("ap_fixed<16,6>", "ap_fixed<14,4,AP_TRN,AP_SAT>"), 14);
  EXPECT_EQ(luts("ap_fixed<16,6>", "ap_fixed<12,4,AP_RND,AP_SAT>"), 24);
  EXPECT_EQ(luts("ap_fixed<16,6>", "ap_fixed<18,7,AP_RND,AP_SAT>"), 0);
}

}  // namespace
}  // namespace narrow
