// Prepared samples: .npy, .npz, HDF5.
#include "data/dataset.h"
#include "fuzz/fuzz.h"
#include "fuzz/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const narrow::FileOf file(data, size);
  narrow::read_or_refuse([&] {
    narrow::DataSource source;
    source.paths = {file.path()};
    narrow::read_dataset(source);
  });
  return 0;
}
