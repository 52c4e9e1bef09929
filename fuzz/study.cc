// A study's store, read as `status`, `best` and `report` do.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fuzz/fuzz.h"
#include "study/store.h"

namespace {

using namespace narrow;

struct Folder {
  Folder() {
    std::string made = (std::filesystem::temp_directory_path() / "narrow_fuzz_XXXXXX").string();
    if (mkdtemp(made.data()) == nullptr) std::abort();
    path = made;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder kFolder;
  std::ofstream(kFolder.path + "/study.db", std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  read_or_refuse([&] {
    const Store store(kFolder.path, Store::Mode::kRead);
    store.definitions();
    store.known(kUnitFact);
    std::vector<std::string> names;
    for (const MetricName& metric : store.metrics()) names.push_back(metric.name);
    for (const Scan& scan : store.scans()) {
      store.float_metrics(scan);
      store.float_curves(scan);
      store.profile(scan);
      for (const StoredPoint& point : store.points(scan, names)) {
        store.curves(point);
        store.counts(point);
        store.counted(point);
        store.types(point);
      }
    }
  });
  return 0;
}
