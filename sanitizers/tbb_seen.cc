// For the thread sanitizer: what a program needs of oneTBB's order of events, told where the sanitizer sees it.
//
// Debian's libtbb is not compiled with the sanitizer, which therefore does not know that what comes before a task is spawned comes
// before the task runs, and reports every task. Suppressing that would suppress races inside of tasks too. So the entry points of the
// library that tasks go through are defined here, before those of libtbb: they do what libtbb's do, and say what libtbb promises:
//   - what is before spawn(task) is before the task runs, on whichever thread;
//   - what a task did before it gave back its reference to a wait_context is before the end of a wait for that.
// Memory of tasks comes from malloc, which the sanitizer knows, not from libtbb's pools, whose pieces go from thread to thread unseen.
// All else (counting references, the thread-specific memory) is in oneTBB's headers, compiled with the sanitizer as narrow is.
#include <dlfcn.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <sanitizer/tsan_interface.h>

#include <cstdlib>

namespace tbb::detail {
namespace {

// libtbb's own.
template <class Function>
Function* next(const char* name) {
  void* const found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) std::abort();
  return reinterpret_cast<Function*>(found);
}

// Runs another task, after what came before that was spawned.
class Seen : public d1::task {
 public:
  explicit Seen(d1::task& task) : task_(task) { __tsan_release(this); }

  d1::task* execute(d1::execution_data& data) override {
    __tsan_acquire(this);
    d1::task* const following = task_.execute(data);
    delete this;
    return following;
  }
  // Also where `execute` has thrown.
  d1::task* cancel(d1::execution_data& data) override {
    __tsan_acquire(this);
    d1::task* const following = task_.cancel(data);
    delete this;
    return following;
  }

 private:
  d1::task& task_;
};

// However a wait ends.
struct Waited {
  d1::wait_context& context;
  ~Waited() { context.reserve(0); }  // an atomic operation on the counter that tasks have counted down
};

// A pool is only ever handed back.
struct Malloc : d1::small_object_pool {};
Malloc malloc_pool;

void* allocate_task(d1::small_object_pool*& pool, std::size_t bytes) {
  pool = &malloc_pool;
  return std::aligned_alloc(d1::task_alignment, (bytes + d1::task_alignment - 1) / d1::task_alignment * d1::task_alignment);
}

}  // namespace

namespace r1 {

void spawn(d1::task& task, d1::task_group_context& context) {
  static auto* const real =
      next<void(d1::task&, d1::task_group_context&)>("_ZN3tbb6detail2r15spawnERNS0_2d14taskERNS2_18task_group_contextE");
  real(*new Seen(task), context);
}
void spawn(d1::task& task, d1::task_group_context& context, d1::slot_id slot) {
  static auto* const real =
      next<void(d1::task&, d1::task_group_context&, d1::slot_id)>("_ZN3tbb6detail2r15spawnERNS0_2d14taskERNS2_18task_group_contextEt");
  real(*new Seen(task), context, slot);
}
void execute_and_wait(d1::task& task, d1::task_group_context& context, d1::wait_context& wait, d1::task_group_context& wait_group) {
  static auto* const real = next<void(d1::task&, d1::task_group_context&, d1::wait_context&, d1::task_group_context&)>(
      "_ZN3tbb6detail2r116execute_and_waitERNS0_2d14taskERNS2_18task_group_contextERNS2_12wait_contextES6_");
  const Waited waited{wait};
  real(task, context, wait, wait_group);
}
void wait(d1::wait_context& wait, d1::task_group_context& context) {
  static auto* const real =
      next<void(d1::wait_context&, d1::task_group_context&)>("_ZN3tbb6detail2r14waitERNS0_2d112wait_contextERNS2_18task_group_contextE");
  const Waited waited{wait};
  real(wait, context);
}

void* allocate(d1::small_object_pool*& pool, std::size_t bytes, const d1::execution_data& /*data*/) { return allocate_task(pool, bytes); }
void* allocate(d1::small_object_pool*& pool, std::size_t bytes) { return allocate_task(pool, bytes); }
void deallocate(d1::small_object_pool& /*pool*/, void* memory, std::size_t /*bytes*/, const d1::execution_data& /*data*/) {
  std::free(memory);
}
void deallocate(d1::small_object_pool& /*pool*/, void* memory, std::size_t /*bytes*/) { std::free(memory); }

}  // namespace r1
}  // namespace tbb::detail
