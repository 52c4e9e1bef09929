#include "data/seen.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "data/hash.h"
#include "error.h"

namespace narrow {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";  // of base64
constexpr std::size_t kDigitsEach = 8;

std::vector<std::uint64_t> hashes_of(const Dataset& data) {
  const std::size_t size = size_of(data.shape);
  std::vector<std::uint64_t> hashes;
  for (std::size_t i = 0; i < data.size; ++i) {
    const std::uint64_t hash = hash_of_values(std::span(data.x).subspan(i * size, size));
    hashes.push_back(hash >> 16);
  }
  return hashes;
}

std::string text_of(const std::vector<std::uint64_t>& hashes) {
  std::string text;
  for (const std::uint64_t hash : hashes) {
    for (std::size_t i = 0; i < kDigitsEach; ++i) text += kDigits[(hash >> (6 * (kDigitsEach - 1 - i))) & 63];
  }
  return text;
}

Error damaged_record() { return Error("its record of the samples that it was trained on is not as narrow writes it"); }

std::vector<std::uint64_t> hashes_from(const std::string& text) {
  if (text.size() % kDigitsEach != 0) throw damaged_record();
  std::vector<std::uint64_t> hashes;
  for (std::size_t i = 0; i < text.size(); i += kDigitsEach) {
    std::uint64_t hash = 0;
    for (std::size_t k = 0; k < kDigitsEach; ++k) {
      const std::size_t digit = kDigits.find(text[i + k]);
      if (digit == std::string_view::npos) throw damaged_record();
      hash = hash << 6 | digit;
    }
    hashes.push_back(hash);
  }
  if (!std::is_sorted(hashes.begin(), hashes.end())) throw damaged_record();
  return hashes;
}

bool holds(const std::vector<std::uint64_t>& sorted, std::uint64_t hash) { return std::binary_search(sorted.begin(), sorted.end(), hash); }

}  // namespace

SeenSamples seen_samples(const Dataset& training, const Dataset& validation) {
  SeenSamples seen{SeenSamples::kLargest, hashes_of(training), hashes_of(validation)};
  std::vector<std::uint64_t> all = seen.training;
  all.insert(all.end(), seen.validation.begin(), seen.validation.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  if (all.size() > SeenSamples::kKept) seen.up_to = all[SeenSamples::kKept - 1];
  for (std::vector<std::uint64_t>* part : {&seen.training, &seen.validation}) {
    std::sort(part->begin(), part->end());
    part->erase(std::unique(part->begin(), part->end()), part->end());
    part->erase(std::upper_bound(part->begin(), part->end(), seen.up_to), part->end());
  }
  return seen;
}

std::string to_json(const SeenSamples& seen) {
  return ordered_json{{"up_to", seen.up_to}, {"training", text_of(seen.training)}, {"validation", text_of(seen.validation)}}.dump();
}

SeenSamples seen_from_json(const std::string& text) {
  try {
    const ordered_json json = ordered_json::parse(text);
    if (!json.at("up_to").is_number_unsigned()) throw damaged_record();
    return {json.at("up_to").get<std::uint64_t>(), hashes_from(json.at("training").get<std::string>()),
            hashes_from(json.at("validation").get<std::string>())};
  } catch (const nlohmann::json::exception&) {
    throw damaged_record();
  }
}

void SeenCount::add(const Dataset& data) {
  if (!seen_) return;
  samples_ += data.size;
  for (const std::uint64_t hash : hashes_of(data)) {
    if (hash > seen_->up_to) continue;
    ++compared_;
    if (holds(seen_->training, hash)) ++trained_;
    else if (holds(seen_->validation, hash)) ++validated_;
  }
}

std::vector<std::string> SeenCount::notes() const {
  if (trained_ + validated_ == 0) return {};
  const auto number = [](std::size_t n) { return std::to_string(n); };
  const std::string drawn = compared_ == samples_ ? "" : "(drawn from " + number(samples_) + ") ";
  return {"model " + name_ + " has seen these data: of " + number(compared_) + " samples " + drawn + "it was trained on " +
          number(trained_) + " and validated on " + number(validated_) + "; its errors on them may be smaller than on others"};
}

}  // namespace narrow
