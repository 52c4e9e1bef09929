#include "data/plugin.h"

#include <dlfcn.h>

#include <filesystem>

#include "error.h"

namespace narrow {
namespace {

// Whether this narrow was built with the library.
bool was_built(const std::string& library) {
#ifdef NARROW_HAS_narrow_root
  if (library == "libnarrow_root.so") return true;
#endif
#ifdef NARROW_HAS_narrow_torch
  if (library == "libnarrow_torch.so") return true;
#endif
  return false;
}

}  // namespace

void* load_plugin(const std::string& library, const char* function, const std::string& otherwise) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / library;
  if (!std::filesystem::exists(path)) {
    if (!was_built(library)) throw Error(otherwise);
    throw Error(path.string() + ": it is missing: a narrow that is copied needs it beside the program, so copy both");
  }
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* symbol = handle == nullptr ? nullptr : dlsym(handle, function);
  if (symbol == nullptr) throw Error(path.string() + ": it cannot be loaded: " + dlerror());
  return symbol;
}

}  // namespace narrow
