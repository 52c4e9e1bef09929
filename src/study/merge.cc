#include "study/merge.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "data/text.h"
#include "error.h"
#include "study/layout.h"
#include "study/store.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// Whether a shard's file is the whole study's too. Results are made anew from the joined store.
bool is_shared(const fs::path& file) {
  const std::string name = file.filename().string();
  if (name.ends_with(".partial") || name.starts_with("study.")) return false;
  for (const char* made : {"results_", "points_", "heatmap_", "report"}) {
    if (name.starts_with(made)) return false;
  }
  return true;
}

void take_files(const std::string& part, const std::string& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(part)) {
    const fs::path to = fs::path(folder) / fs::relative(entry.path(), part);
    if (!entry.is_regular_file() || !is_shared(entry.path()) || fs::exists(to)) continue;
    make_folder(to.parent_path().string());
    std::error_code error;
    fs::create_hard_link(entry.path(), to, error);
    if (error) fs::copy_file(entry.path(), to, error);
    if (error) throw Error(to.string() + ": it cannot be written: " + error.message());
  }
}

}  // namespace

std::string shard_folder(const std::string& study, int number, int of) {
  return study + "/shard-" + std::to_string(number) + "-of-" + std::to_string(of);
}

MergeResult merge_shards(const std::string& folder, std::vector<std::string> parts) {
  MergeResult result;
  if (parts.empty() && fs::is_directory(folder)) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().filename().string().starts_with("shard-") && entry.is_directory()) parts.push_back(entry.path().string());
    }
    std::sort(parts.begin(), parts.end());
  }
  if (parts.empty()) throw Error(folder + ": it holds no shards (shard-1-of-2, ...)");
  std::set<int> found;
  for (const std::string& part : parts) {
    const std::string text = Store(part, Store::Mode::kRead).known("shard");
    if (text.empty()) continue;
    const Shard shard = parse_shard(text);
    if (result.of != 0 && result.of != shard.of) {
      throw Error(part + ": it is shard " + text + "; another part is one of " + std::to_string(result.of));
    }
    result.of = shard.of;
    found.insert(shard.number);
  }
  for (int i = 1; i <= result.of; ++i) {
    if (!found.contains(i)) result.missing.push_back(i);
  }
  make_folder(folder);
  Store store(folder, Store::Mode::kWrite);
  for (const std::string& part : parts) {
    store.take(part);
    take_files(part, folder);
    const Store taken(part, Store::Mode::kRead);
    for (const Scan& scan : taken.scans()) result.left_out.add(taken.points(scan, {}));
  }
  for (const Scan& scan : store.scans()) {
    const std::vector<StoredPoint> points = store.points(scan, {});
    result.points += points.size();
    result.finished +=
        static_cast<std::size_t>(std::count_if(points.begin(), points.end(), [](const auto& p) { return p.finished && !p.outdated(); }));
    write_results(folder, store, scan);
  }
  return result;
}

}  // namespace narrow
