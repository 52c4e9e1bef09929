#include "search/journal.h"

#include <cstdlib>
#include <filesystem>
#include <iomanip>
#include <sstream>

#include "data/text.h"
#include "error.h"

namespace narrow {
namespace {

constexpr const char* kTitle = "narrow search ";

// Numbers of a line behind its key, as `add` writes them; nothing where one is not whole.
std::optional<std::vector<double>> numbers_in(std::istringstream& line) {
  std::vector<double> values;
  std::string word;
  while (line >> word) {
    char* end = nullptr;
    values.push_back(std::strtod(word.c_str(), &end));
    if (*end != '\0') return std::nullopt;
  }
  return values;
}

}  // namespace

Journal::Journal(std::string path, const std::string& identity) : path_(std::move(path)) {
  std::string kept = kTitle + identity + "\n";
  if (std::filesystem::is_regular_file(path_)) {
    const std::string text = read_file(path_);
    if (text.starts_with(kept)) {
      std::size_t at = kept.size();
      for (std::size_t end = text.find('\n', at); end != std::string::npos; at = end + 1, end = text.find('\n', at)) {
        std::istringstream line(text.substr(at, end - at));
        std::string key;
        line >> key;
        const auto values = numbers_in(line);
        if (!values || values->empty()) break;
        known_[key] = *values;
        kept += text.substr(at, end - at + 1);
      }
    }
  }
  found_ = known_.size();
  write_file(path_, kept);
  file_.open(path_, std::ios::app);
  if (!file_) throw Error(path_ + ": cannot be written");
}

std::optional<std::vector<double>> Journal::find(const std::string& key) const {
  const std::scoped_lock lock(mutex_);
  const auto known = known_.find(key);
  return known == known_.end() ? std::nullopt : std::optional(known->second);
}

void Journal::add(const std::string& key, const std::vector<double>& values) {
  const std::scoped_lock lock(mutex_);
  known_[key] = values;
  if (!file_.is_open()) return;
  // Exact, and whole lines at a time.
  std::ostringstream line;
  line << key << std::hexfloat;
  for (const double value : values) line << ' ' << value;
  if (!(file_ << line.str() + "\n" << std::flush)) throw Error(path_ + ": cannot be written; is the disk full?");
}

void Journal::remove() {
  const std::scoped_lock lock(mutex_);
  file_.close();
  if (!path_.empty()) std::filesystem::remove(path_);
}

}  // namespace narrow
