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
  std::string path;      // for messages
  std::size_t size = 0;  // number of samples
  Shape shape;           // of one sample: {vmax, features}; of several inputs the number of values of all, side by side
  std::vector<float> x;  // (size, shape)
  std::vector<std::pair<std::string, Shape>> inputs;  // by name and in order, where a model takes several; else empty
  std::size_t targets = 0;                            // columns of y; 0 where the file has none
  std::vector<float> y;                               // (size, targets)
  std::vector<float> weights;                         // (size); empty where all weigh the same
  std::vector<std::string> notes;                     // what a user should know of the reading, a line each
  // How the samples were made from clusters, where that is known.
  std::optional<Preparation> preparation;
  // Of read_dataset: samples (or clusters) of the files behind the last one that was read, nothing where a file cannot tell; how many of
  // the samples are of each file, in their order; and how many files were not reached.
  std::optional<std::size_t> left;
  std::vector<std::size_t> of_files;
  std::size_t unread = 0;
};

// Where samples come from.
struct DataSource {
  std::vector<std::string> paths;  // files and patterns; read one after the other
  Preparation preparation;         // of clusters; prepared samples are taken as they are
  // Options of the preparation that the user gave, by name: for prepared samples they must say how these were prepared.
  std::vector<std::string> given;
  // Options of the preparation that nobody gave and no model has, with the values that are taken instead: said in a note.
  std::vector<PreparationOption> assumed;
  // Names of the inputs of a model that takes several, in its order: an array for each is read in place of x.
  std::vector<std::string> inputs;
  bool drop_unfit = false;  // what Unfit means
  std::map<std::string, std::string> branches;
  std::string tree;
  std::string counts, indices;  // as ClusterColumns has them
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
  std::string counts, indices;
  // Neither is a model's: which samples there are, and what they weigh, it is only trained on.
  std::string weight;  // of clusters a feature's name, of prepared samples a dataset's; or `none`
  std::string select;
  bool drop_unfit = false;

  // As narrow prepares where nothing else is said. What is said here takes precedence. Throws Error.
  DataSource source() const;
  // For a model in use, or several: as `of_model`, with which it was trained. Where that is not known, a note will say what is assumed.
  DataSource source_for(const std::optional<Preparation>& of_model) const;
  DataSource source_for(const Model& model) const;
  std::size_t limit() const { return samples == 0 ? std::numeric_limits<std::size_t>::max() : samples; }
  bool operator==(const DataOptions&) const = default;
};

// Samples from their beginning to their end, a block at a time, so that files may be larger than memory:
//   prepared   .npy        the input x alone, (N, vmax, features); of several inputs A.npy,B.npy, in their order
//              .npz, .h5   datasets `x` (of several inputs one for each, under its name) and, where known, `y`, (N) or (N, targets), and
//                          `weight`, (N)
//              float32, or any other real type, rounded to float32 as Keras does
//   clusters   whatever open_clusters reads, prepared on the way
// Throws Error for other files and shapes, with the row, for an input or target that is not finite, and for prepared samples where an
// option asks for another preparation: but for `target`, which says what y is where the file does not, and `none`, which leaves y out.
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
  // Samples (or clusters) that were not read yet; nothing where a file cannot be opened.
  std::optional<std::size_t> remaining() const;
  // Samples that were read of each file so far, files that were not reached left out; and those files.
  const std::vector<std::size_t>& of_files() const;
  std::vector<DataFile> unread() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// At most `limit` samples at once. Throws Error where there is none, and where files have weights of their own and `limit` leaves some of
// them out altogether.
Dataset read_dataset(const DataSource& source, std::size_t limit = std::numeric_limits<std::size_t>::max());

// How many of how many samples were used, where a limit left some out, or asked for more than there are; else empty. `usual` is the limit
// that holds where the user names none, `data` what read_dataset gave.
std::string samples_in_words(const DataOptions& asked, std::size_t usual, const Dataset& data);

// The data as the model wants them: where samples have more rows than the model's vmax, its first vmax are kept and a
// note says so. Throws Error where the features differ, rows are missing, or the model was trained on inputs prepared in
// another way. Of several inputs the shapes must be the model's. Targets may differ: each is undone by its own.
Dataset fit_to(Dataset data, const Model& model);

// The names of a model's inputs where it takes several; else none.
std::vector<std::string> names_of_inputs(const Model& model);

}  // namespace narrow

#endif  // NARROW_DATA_DATASET_H_
