#ifndef NARROW_DATA_DATASET_H_
#define NARROW_DATA_DATASET_H_

#include <cstddef>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/preparation.h"
#include "model/model.h"

namespace narrow {

// Prepared samples, ready for a model: what Keras and hls4ml would be given.
struct Dataset {
  std::string path;                // for messages
  std::size_t size = 0;            // number of samples
  Shape shape;                     // of one sample: {vmax, features}
  std::vector<float> x;            // (size, shape)
  std::size_t targets = 0;         // columns of y; 0 where the file has none
  std::vector<float> y;            // (size, targets)
  std::vector<std::string> notes;  // what a user should know of the reading, a line each
  std::string preparation;         // how the samples were made from clusters, as JSON; empty where not known
};

// Where samples come from.
struct DataSource {
  std::vector<std::string> paths;  // files and patterns; read one after the other
  Preparation preparation;         // of clusters; prepared samples are taken as they are
  bool drop_unfit = false;         // what Unfit means
  std::map<std::string, std::string> branches;
  std::string tree;
};

// The same as a user says it, on the command line or in a file; what is left empty follows from the model, or from what is usual.
struct DataOptions {
  std::vector<std::string> paths;
  std::size_t samples = 0;            // at most; 0 for all
  std::vector<std::string> features;  // as parse_feature takes them
  std::string target;                 // the same, or `none`
  std::string order;                  // a feature, or `as-is`
  int vmax = 0;
  std::optional<double> padding;
  std::map<std::string, std::string> branches;
  std::string tree;
  bool drop_unfit = false;

  // `preparation` is that of the model in use, as JSON, or empty; what is said here takes precedence. Throws Error.
  DataSource source(const std::string& preparation) const;
  std::size_t limit() const { return samples == 0 ? std::numeric_limits<std::size_t>::max() : samples; }
  bool operator==(const DataOptions&) const = default;
};

// Samples from their beginning to their end, a block at a time, so that files may be larger than memory:
//   prepared   .npy        the input x alone, (N, vmax, features)
//              .npz, .h5   datasets `x` and, where known, `y`, (N) or (N, targets)
//              float32, or any other real type, rounded to float32 as Keras does
//   clusters   whatever open_clusters reads, prepared on the way
// Throws Error for other files and shapes, and, with the row, for an input or target that is not finite.
class SampleReader {
 public:
  explicit SampleReader(DataSource source);
  SampleReader(SampleReader&&) noexcept;
  SampleReader& operator=(SampleReader&&) noexcept;
  SampleReader(const SampleReader&) = delete;
  SampleReader& operator=(const SampleReader&) = delete;
  ~SampleReader();
  // At most `limit` samples, fewer only at the end.
  Dataset read(std::size_t limit);
  // What a user should know of all that was read so far, a line each.
  std::vector<std::string> notes() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// At most `limit` samples at once. Throws Error where there is none.
Dataset read_dataset(const DataSource& source, std::size_t limit = std::numeric_limits<std::size_t>::max());

// The data as the model wants them: where samples have more rows than the model's vmax, its first vmax are kept and a
// note says so. Throws Error where the features differ, rows are missing, or the model was trained on data prepared in
// another way.
Dataset fit_to(Dataset data, const Model& model);

}  // namespace narrow

#endif  // NARROW_DATA_DATASET_H_
