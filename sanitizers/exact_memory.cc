// For the address sanitizer: memory of the kernels that ends where it was asked to end.
//
// Highway's allocator takes more than it is asked for, so that reading or writing behind a Buffer would stay unseen. These stand in
// for its functions and ask the sanitizer's own allocator, which watches every byte behind.
#include <hwy/aligned_allocator.h>

#include <cstdlib>

namespace hwy {

void* AllocateAlignedBytes(std::size_t size, AllocPtr /*alloc*/, void* /*opaque*/) {
  void* memory = nullptr;
  return posix_memalign(&memory, HWY_ALIGNMENT, size) == 0 ? memory : nullptr;
}

void FreeAlignedBytes(const void* memory, FreePtr /*free*/, void* /*opaque*/) { std::free(const_cast<void*>(memory)); }

}  // namespace hwy
