#include "data/root.h"

#include "data/plugin.h"

namespace narrow {
namespace {

const RootFunctions& functions(const std::string& path) {
  static const auto* const kLoaded =
      static_cast<const RootFunctions*>(load_plugin(kRootLibrary, kRootFunctions,
                                                    path + ": this narrow was built without ROOT; `pip install root`, then build with "
                                                           "-DNARROW_ROOT=PREFIX/lib/python3.*/site-packages/ROOT (docs/data.md)"));
  return *kLoaded;
}

}  // namespace

std::unique_ptr<ClusterReader> open_root(const std::string& path, const ClusterColumns& columns) {
  return functions(path).open(path, columns);
}
std::unique_ptr<ClusterWriter> create_root(const std::string& path, const ClusterColumns& columns) {
  return functions(path).create(path, columns);
}

}  // namespace narrow
