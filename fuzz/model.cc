// Keras models: .keras archives, legacy HDF5, weights without an architecture.
#include "fuzz/fuzz.h"
#include "fuzz/zip.h"
#include "keras/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const narrow::FileOf file(data, size);
  narrow::read_or_refuse([&] { narrow::read_keras(file.path()); });
  return 0;
}
