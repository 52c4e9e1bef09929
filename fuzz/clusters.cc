// Clusters in HDF5 and .npz, read in blocks of three and prepared.
#include "data/clusters.h"

#include <cstring>

#include "data/preparation.h"
#include "fuzz/fuzz.h"
#include "fuzz/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size >= 4 && std::memcmp(data, "root", 4) == 0) return 0;  // ROOT has faults of its own (docs/testing.md)
  const narrow::FileOf file(data, size);
  narrow::read_or_refuse([&] {
    narrow::Preparation preparation;
    preparation.features = {narrow::parse_feature("eta"), narrow::parse_feature("energy:log/10")};
    preparation.order = "energy";
    preparation.vmax = 4;
    const auto reader = narrow::open_clusters(file.path(), narrow::columns_of(preparation));
    narrow::Unfit unfit;
    while (true) {
      const narrow::Clusters block = reader->read(3);
      if (block.size() == 0) break;
      narrow::prepare(block, preparation, true, unfit);
    }
  });
  return 0;
}
