#ifndef NARROW_ENGINE_COUNTING_H_
#define NARROW_ENGINE_COUNTING_H_

#include <cstdint>

namespace narrow {

// What is counted on the way.
enum class Counting : std::uint8_t {
  kNone,      // nothing: a wrapping sum may then be kept in as few bits as its type has
  kOverflow,  // whether any value anywhere left its type (RunResult::counts stay empty)
  kAll,       // LayerCounts of every layer, as the interpreter counts
};

}  // namespace narrow

#endif  // NARROW_ENGINE_COUNTING_H_
