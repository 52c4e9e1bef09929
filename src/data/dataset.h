#ifndef NARROW_DATA_DATASET_H_
#define NARROW_DATA_DATASET_H_

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

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
};

// Reads at most `limit` samples from
//   .npy        the input x alone, (N, vmax, features)
//   .npz, .h5   datasets `x` and, where known, `y`, (N) or (N, targets)
// float32, or any other real type, rounded to float32 as Keras does. Throws Error for other files and shapes, and, with the
// row, for an input or target that is not finite.
Dataset read_dataset(const std::string& path, std::size_t limit = std::numeric_limits<std::size_t>::max());

// The data as the model wants them: where samples have more rows than the model's vmax, its first vmax are kept and a
// note says so. Throws Error where the features differ or rows are missing.
Dataset fit_to(Dataset data, const Model& model);

}  // namespace narrow

#endif  // NARROW_DATA_DATASET_H_
