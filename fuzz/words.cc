// The short texts of options: types, modes, features, ranges, shards, metrics to keep; the first byte says which.
#include "data/preparation.h"
#include "fixed/format.h"
#include "fuzz/fuzz.h"
#include "study/definition.h"
#include "study/grid.h"

namespace {

using namespace narrow;

void round_trip(const Format& format) {
  if (parse_format(to_string(format)) != format) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  read_or_refuse([&] {
    switch (data[0] % 8) {
      case 0: return round_trip(parse_format(text));
      case 1: return round_trip(parse_short_format(text));
      case 2: {
        const Feature feature = parse_feature(text);
        if (parse_feature(to_string(feature)) != feature) std::abort();
        return;
      }
      case 3: static_cast<void>(parse_range("--v-full", text)); return;
      case 4: {
        const Preparation preparation = preparation_from_json(text);
        if (preparation_from_json(to_json(preparation)) != preparation) std::abort();
        return;
      }
      case 5: static_cast<void>(parse_shard(text)); return;
      case 6: {
        PrecisionOptions options;
        return parse_relu(text, options);
      }
      default: {
        Keep keep;
        return parse_keep("--keep", text, keep);
      }
    }
  });
  return 0;
}
