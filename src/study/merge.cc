#include "study/merge.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "data/text.h"
#include "error.h"
#include "study/kept.h"
#include "study/layout.h"
#include "study/store.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

void take_file(const fs::path& from, const fs::path& to) {
  if (!fs::exists(from) || (fs::exists(to) && fs::equivalent(from, to))) return;
  make_folder(to.parent_path().string());
  std::error_code error;
  fs::remove(to, error);
  fs::create_hard_link(from, to, error);
  if (error) fs::copy_file(from, to, error);
  if (error) throw Error(to.string() + ": it cannot be written: " + error.message());
}

bool same(const Scan& a, const Scan& b) { return a.label == b.label && a.data_name == b.data_name && a.options == b.options; }

// What a part has of a scan, beside the part's store: the files of the points that the joined study took from it, and of the scan as a
// whole. Results are made anew from the joined store.
void take_files(const Store& part, const std::string& part_folder, const Store& store, const std::string& folder) {
  const std::vector<Scan> joined = store.scans();
  for (const Scan& scan : part.scans()) {
    const auto own = std::find_if(joined.begin(), joined.end(), [&](const Scan& each) { return same(each, scan); });
    const fs::path from = fs::path(part_folder) / scan.folder;
    const fs::path to = fs::path(folder) / own->folder;
    for (const std::string& file : files_of(scan)) take_file(from / file, to / file);
    std::map<std::string, std::string> kept;  // by the points' names
    for (const StoredPoint& point : store.points(*own, {})) kept[point_name(own->label, point)] = point.kept;
    for (const StoredPoint& point : part.points(scan, {})) {
      // The hash in this text is that of the files.
      if (point.kept != kept[point_name(scan.label, point)]) continue;
      for (const std::string& file : files_of(scan.label, point)) take_file(from / file, to / file);
    }
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
      throw Error(part + ": it is shard " + text + ", another part is one of " + std::to_string(result.of) + " shards");
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
    const Store taken(part, Store::Mode::kRead);
    take_files(taken, part, store, folder);
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
