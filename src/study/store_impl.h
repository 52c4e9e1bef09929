#ifndef NARROW_STUDY_STORE_IMPL_H_
#define NARROW_STUDY_STORE_IMPL_H_

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "study/database.h"
#include "study/store.h"
#include "study/store_lock.h"

namespace narrow {

// The folder of a scan that is new: the one of other models' scans on the same data (which they may take in other shapes) with the same
// options, the study's own for the first of a study, as the study's scripts expect it, and else one that no scan has (`a b` and `a-b`
// would be called alike).
std::string folder_for(const Database& database, std::int64_t data, const std::string& options);

class Store::Impl {
 public:
  Impl(const std::string& folder, Mode mode);

  StoredPoint point(std::int64_t id);  // without values

  // Results that wait to be written. One thread at a time writes them; others leave theirs to it and go on.
  void write_waiting();
  void write_point(const PointResult& point);
  void write_metrics(std::int64_t point, const NamedEstimates& values, const NamedCurves& curves);

  std::optional<StoreLock> lock;
  Database database;
  std::mutex mutex;         // of the database
  std::mutex writer_mutex;  // of who writes what waits
  std::mutex waiting_mutex;
  std::vector<PointResult> waiting;
};

}  // namespace narrow

#endif  // NARROW_STUDY_STORE_IMPL_H_
