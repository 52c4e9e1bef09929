// The functions that must give the same numbers on any machine, and preparation where Python does not reach.
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <numeric>
#include <random>

#include "data/hash.h"
#include "data/hdf5.h"
#include "data/hdf5_child.h"
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

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A file in the temporary folder, for as long as this lives.
struct TemporaryFile {
  std::string path = std::filesystem::temp_directory_path() / ("narrow_hdf5_" + std::to_string(getpid()) + ".h5");
  TemporaryFile() = default;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::filesystem::remove(path); }
};

std::string error_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// The process that reads is another one: here it ends as HDF5 may make it end.
TEST(Hdf5, WhatTheOtherProcessDoesIsAnError) {
  using File = std::unique_ptr<Hdf5File>;
  for (const int fault : {SIGSEGV, SIGFPE, SIGBUS, SIGABRT}) {
    const std::string error = error_of([&] {
      Hdf5Child("x.h5", [&]() -> File {
        std::signal(fault, SIG_DFL);
        std::raise(fault);
        return nullptr;
      });
    });
    EXPECT_EQ(error, std::string("x.h5 cannot be read: HDF5 crashed (") + strsignal(fault) + "); the file is damaged");
  }
  EXPECT_EQ(error_of([] {
              Hdf5Child("x.h5", []() -> File {
                for (volatile unsigned i = 0;; i = i + 1) {
                }
              });
            }),
            "x.h5 cannot be read: HDF5 does not come to an end; the file is damaged");
  EXPECT_EQ(error_of([] { Hdf5Child("x.h5", []() -> File { throw Error("x.h5: what is wrong"); }); }), "x.h5: what is wrong");
  EXPECT_EQ(error_of([] { Hdf5Child("x.h5", []() -> File { throw std::bad_alloc(); }); }),
            "x.h5 cannot be read: it needs more memory than there is, or than reading it should (1 GB beside its values)");
  // What is no answer, from a process that lives on.
  EXPECT_NE(error_of([] {
              Hdf5Child("x.h5", []() -> File {
                constexpr std::uint64_t kLength = std::uint64_t{1} << 40;
                constexpr std::uint8_t kError = 1;
                if (write(3, &kError, sizeof kError) < 0 || write(3, &kLength, sizeof kLength) < 0) return nullptr;
                for (;;) pause();
              });
            }).find("x.h5 cannot be read"),
            std::string::npos);
  // Where nobody waits for it.
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(error_of([] {
              Hdf5Child("x.h5", []() -> File {
                std::signal(SIGSEGV, SIG_DFL);
                std::raise(SIGSEGV);
                return nullptr;
              });
            }).find("x.h5 cannot be read: HDF5 crashed"),
            0);
  std::signal(SIGCHLD, before);
}

// A file that could not be closed has not its name: here the file is closed behind HDF5's back. In a process of its own, for HDF5 then
// keeps memory that it cannot release.
TEST(Hdf5, AFileThatIsNotWholeIsNotNamed) {
  const TemporaryFile temporary;
  EXPECT_EXIT(
      {
        const std::vector<float> values(1000);
        Hdf5Writer writer(temporary.path);
        writer.write<float>("/x", {values.size()}, values);
        for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
          std::error_code ignored;
          if (std::filesystem::read_symlink(each, ignored) == temporary.path + ".partial") close(std::stoi(each.path().filename()));
        }
        std::cerr << error_of([&] { writer.commit(); });
        std::_Exit(0);
      },
      testing::ExitedWithCode(0), "is the disk full\\?");
  EXPECT_FALSE(std::filesystem::exists(temporary.path));
}

// More values than one piece, from any row on, stored as they are and in chunks: the same as in this process.
TEST(Hdf5, PiecesAreTheWhole) {
  constexpr std::size_t kRows = 600'000;
  constexpr std::size_t kColumns = 31;
  const TemporaryFile temporary;
  const std::string& path = temporary.path;
  std::vector<float> values(kRows * kColumns);
  std::iota(values.begin(), values.end(), 0.0F);
  {
    Hdf5Writer writer(path);
    writer.write<float>("/plain", {kRows, kColumns}, values);
    writer.write<float>("/none", {0, kColumns}, {});
    for (std::size_t row = 0; row < kRows; row += kRows / 3)
      writer.append<float>("/chunked", {kRows / 3, kColumns}, std::span(values).subspan(row * kColumns, kRows / 3 * kColumns));
    writer.commit();
  }
  {
    const Hdf5Reader other(path);
    const Hdf5Reader here(path, Hdf5Trust::kOwn);
    EXPECT_EQ(other.children("/"), here.children("/"));
    for (const char* dataset : {"/plain", "/chunked"}) {
      for (const hsize_t first : {hsize_t{0}, hsize_t{7}, hsize_t{400'001}}) {
        const Hdf5Array<float> read = other.read_rows<float>(dataset, first, HSIZE_UNDEF);
        ASSERT_EQ(read.shape, (std::vector<hsize_t>{kRows - first, kColumns}));
        ASSERT_TRUE(std::equal(read.values.begin(), read.values.end(), values.begin() + static_cast<std::ptrdiff_t>(first * kColumns)));
      }
      const Hdf5Array<double> few = other.read_rows<double>(dataset, kRows - 2, 100);
      EXPECT_EQ(few.shape, (std::vector<hsize_t>{2, kColumns}));
      EXPECT_EQ(few.values, here.read_rows<double>(dataset, kRows - 2, 100).values);
      EXPECT_EQ(other.read_rows<float>(dataset, kRows, 5).shape, (std::vector<hsize_t>{0, kColumns}));
    }
    EXPECT_EQ(other.read<float>("/none").shape, (std::vector<hsize_t>{0, kColumns}));
    EXPECT_EQ(error_of([&] { other.read<float>("/absent"); }), error_of([&] { here.read<float>("/absent"); }));
    EXPECT_EQ(other.read<float>("/plain").values, values);  // it goes on after an Error
  }
}

// A byte for which HDF5 1.10.8 divides by 0, and any others: an Error or values.
TEST(Hdf5, DamagedFilesDoNotCrash) {
  constexpr unsigned kSeed = 1;
  const std::string whole = bytes_of(NARROW_SOURCE_DIR "/fuzz/corpus/clusters/chunked.h5");
  const TemporaryFile file;
  const auto read_all = [&](const std::string& bytes) {
    std::ofstream(file.path, std::ios::binary) << bytes;
    return error_of([&] {
      const Hdf5Reader reader(file.path);
      for (const std::string& name : reader.children("/")) reader.read<double>("/" + name);
    });
  };
  ASSERT_EQ(read_all(whole), "no error");
  std::string divides = whole;
  divides[5690] = 0;
  EXPECT_NE(read_all(divides).find("cannot be read"), std::string::npos) << read_all(divides);
  std::mt19937 random(kSeed);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = whole;
    for (int k = 0; k < 8; ++k) damaged[random() % damaged.size()] = static_cast<char>(random());
    EXPECT_EQ(read_all(damaged).find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace narrow
