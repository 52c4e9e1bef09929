#ifndef NARROW_DATA_ROOT_EVENT_H_
#define NARROW_DATA_ROOT_EVENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/clusters.h"

namespace narrow {

// One branch of a tree, or field of an RNTuple: a number an entry (depth 0), a list of them (1), or a list of lists (2).
struct EntryField {
  std::string name;
  int depth = 0;
};

// What an entry has of it.
struct EntryValues {
  std::vector<double> values;
  std::vector<std::size_t> ends;  // of depth 2: where each list ends
  void clear() {
    values.clear();
    ends.clear();
  }
};

// The fields that are read, in this order: the features, then the others where they are asked for.
struct EntryFields {
  std::vector<EntryField> features;
  std::optional<EntryField> target, weight, counts, indices;
  std::size_t size() const;
};

// What an entry is.
enum class EntryForm : std::uint8_t {
  kCluster,         // a cluster: a list for each feature
  kNested,          // an event: for each feature a list of lists, the cells of each cluster
  kCounts,          // an event: for each feature all cells, cluster by cluster; how many cells each cluster has
  kClusterOfCell,   // the same, the cells in any order; of each cell its cluster's number
  kCellsOfCluster,  // the same; of each cluster a list of its cells' numbers
};

// Makes clusters from a file's entries.
class EventSplitter {
 public:
  // Throws Error where the depths of the fields make none of the forms, saying what would.
  EventSplitter(std::string path, EntryFields fields);
  EntryForm form() const { return form_; }
  // Appends the entry's clusters; `values` in the order of EntryFields. Throws Error, naming the entry and the field, where numbers of
  // clusters or cells do not agree.
  void split(std::size_t entry, const std::vector<EntryValues>& values, Clusters& clusters) const;

 private:
  struct Entry;
  std::size_t count_clusters(const Entry& entry) const;
  std::vector<std::vector<std::size_t>> flat_cells(const Entry& entry, std::size_t size) const;
  std::size_t flat_length(const Entry& entry) const;
  void append_cluster(const Entry& entry, Clusters& clusters) const;
  void append_nested(const Entry& entry, std::size_t size, Clusters& clusters) const;
  void append_flat(const Entry& entry, std::size_t size, Clusters& clusters) const;
  double number_of(const Entry& entry, const EntryField& field, const EntryValues& values, std::size_t cluster, std::size_t size) const;

  std::string path_;
  EntryFields fields_;
  EntryForm form_ = EntryForm::kCluster;
};

}  // namespace narrow

#endif  // NARROW_DATA_ROOT_EVENT_H_
