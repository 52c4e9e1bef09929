// ONNX and QONNX files.
#include "fuzz/fuzz.h"
#include "onnx/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  narrow::read_or_refuse([&] { narrow::onnx_model({reinterpret_cast<const char*>(data), size}); });
  return 0;
}
