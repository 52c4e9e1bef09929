#include "data/plugin.h"

#include <dlfcn.h>

#include <filesystem>

#include "error.h"

namespace narrow {

void* load_plugin(const std::string& library, const char* function, const std::string& otherwise) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / library;
  if (!std::filesystem::exists(path)) throw Error(otherwise);
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* symbol = handle == nullptr ? nullptr : dlsym(handle, function);
  if (symbol == nullptr) throw Error(path.string() + ": it cannot be loaded: " + dlerror());
  return symbol;
}

}  // namespace narrow
