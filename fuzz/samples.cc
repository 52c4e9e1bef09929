// Prepared samples: .npy, .npz, HDF5.
#include <cstring>

#include "data/dataset.h"
#include "fuzz/fuzz.h"
#include "fuzz/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size >= 4 && std::memcmp(data, "root", 4) == 0) return 0;  // ROOT has faults of its own (docs/testing.md)
  const narrow::FileOf file(data, size);
  narrow::read_or_refuse([&] {
    narrow::DataSource source;
    source.paths = {file.path()};
    narrow::read_dataset(source);
  });
  return 0;
}
