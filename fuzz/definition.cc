// Definitions of studies; what narrow writes of one, it reads as the same.
#include "study/definition.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  narrow::read_or_refuse([&] {
    const std::string written = to_yaml(narrow::parse_definition(text, "study.yaml"));
    try {
      if (to_yaml(narrow::parse_definition(written, "written.yaml")) != written) std::abort();
    } catch (const narrow::Error&) {
      std::abort();
    }
  });
  return 0;
}
