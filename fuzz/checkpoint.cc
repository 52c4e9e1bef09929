// What training leaves behind, to be resumed.
#include "train/checkpoint.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const narrow::FileOf file(data, size);
  narrow::read_or_refuse([&] { narrow::read_checkpoint(file.path(), ""); });
  return 0;
}
