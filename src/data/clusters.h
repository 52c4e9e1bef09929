#ifndef NARROW_DATA_CLUSTERS_H_
#define NARROW_DATA_CLUSTERS_H_

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace narrow {

// Clusters as a calorimeter gives them: any number of cells each, one value a cell for each feature, and a target.
struct Clusters {
  std::string path;                        // the file they are from
  std::size_t first = 0;                   // which of the file's clusters the first one is
  std::vector<std::size_t> starts{0};      // first cell of each cluster, and the end of the last
  std::vector<std::vector<double>> cells;  // for each feature the values of all cells
  std::vector<double> target;              // one a cluster; empty where none was asked for
  std::vector<double> weight;              // the same
  std::vector<bool> uneven;                // features of unequal lengths in the file; such a cluster has no cells here
  struct Place {
    std::size_t entry, cluster;  // of the entry
  };
  std::vector<Place> places;  // of a file with entries: where each cluster stands
  bool events = false;        // an entry has several clusters
  std::size_t size() const { return starts.size() - 1; }
  // `cluster 12`, or `cluster 2 of entry 7`.
  std::string name_of(std::size_t cluster) const {
    if (places.empty()) return "cluster " + std::to_string(first + cluster);
    const Place& place = places[cluster];
    return events ? "cluster " + std::to_string(place.cluster) + " of entry " + std::to_string(place.entry)
                  : "cluster " + std::to_string(place.entry);
  }
};

// What to read. A feature `energy` is the file's branch or dataset `energy`, or what `branches` says.
struct ClusterColumns {
  std::vector<std::string> features;
  std::string target;  // empty for none
  std::string weight;  // the same
  // Of a .root file whose entries are events, where branches hold the cells of all clusters: the branch with the number of cells of each
  // cluster, or the one that says which cells are whose (EntryForm).
  std::string counts, indices;
  std::string select;  // of a .root file: an expression of TTreeFormula, true for the entries or clusters that are read
  std::map<std::string, std::string> branches;
  std::string tree;  // of a .root file: the TTree or RNTuple; may be left empty where there is only one

  const std::string& branch(const std::string& name) const {
    const auto found = branches.find(name);
    return found == branches.end() ? name : found->second;
  }
};

// A file of clusters, read from its beginning to its end.
class ClusterReader {
 public:
  ClusterReader() = default;
  ClusterReader(const ClusterReader&) = delete;
  ClusterReader& operator=(const ClusterReader&) = delete;
  virtual ~ClusterReader() = default;
  // At most `limit` clusters; none at the end.
  virtual Clusters read(std::size_t limit) = 0;
  // Clusters looked at so far, those that `select` left out among them.
  virtual std::size_t seen() const { return 0; }
  // Clusters that were not read yet, as far as that is known.
  virtual std::optional<std::size_t> remaining() const { return std::nullopt; }
};

// Opens
//   .root       a TTree with a branch for each feature, an array or a std::vector of any number type, one entry a cluster; one
//               entry an event with several clusters (EntryForm); or an RNTuple with such fields
//   .h5, .npz   for each feature a dataset with the values of all cells, one cluster behind the other, and `offsets`: the first
//               cell of each cluster and, at the end, the number of cells
// Throws Error for any other file, and for a missing branch or dataset, naming those that exist.
std::unique_ptr<ClusterReader> open_clusters(const std::string& path, const ClusterColumns& columns);

// Whether the file holds clusters rather than prepared samples: `offsets` or a ROOT file.
bool holds_clusters(const std::string& path);

// The files of `cells.npy,event.npy`, which together are samples of several inputs; the path itself where it is no such list.
std::vector<std::string> files_of_list(const std::string& path);

// The files that each path or pattern (`run*.root`) stands for, in the order of their names. Throws Error where none is.
std::vector<std::string> expand_paths(const std::vector<std::string>& patterns);

// A file or pattern as --data has it: `signal.root`, `background*.root:weight=0.5`, where all weights of its samples are multiplied by
// that number. Throws Error where it is no number.
struct DataPattern {
  std::string path;
  std::optional<double> weight;
};
DataPattern parse_pattern(const std::string& text);

// The same, and what the samples of each are multiplied by: 1 where others have a weight, nothing where none has.
using DataFile = DataPattern;
std::vector<DataFile> expand_files(const std::vector<std::string>& patterns);

// A file of clusters to write: .h5, .npz or .root by the name's ending. It takes its name only when `commit` is called.
class ClusterWriter {
 public:
  ClusterWriter() = default;
  ClusterWriter(const ClusterWriter&) = delete;
  ClusterWriter& operator=(const ClusterWriter&) = delete;
  virtual ~ClusterWriter() = default;
  virtual void write(const Clusters& clusters) = 0;
  virtual void commit() = 0;
};
// Columns are written as float32 under the names in `columns`; the tree's name is `clusters` where none is given.
std::unique_ptr<ClusterWriter> create_clusters(const std::string& path, const ClusterColumns& columns);

}  // namespace narrow

#endif  // NARROW_DATA_CLUSTERS_H_
