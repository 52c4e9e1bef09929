#ifndef NARROW_DATA_ROOT_H_
#define NARROW_DATA_ROOT_H_

#include <memory>
#include <string>

#include "data/clusters.h"

namespace narrow {

// Clusters in ROOT files. ROOT is a build option: without it both throw an Error that says how to get it.
std::unique_ptr<ClusterReader> open_root(const std::string& path, const ClusterColumns& columns);
std::unique_ptr<ClusterWriter> create_root(const std::string& path, const ClusterColumns& columns);

// What the library with ROOT in it (root_library.cc) has under kRootFunctions.
constexpr const char* kRootLibrary = "libnarrow_root.so";
constexpr const char* kRootFunctions = "narrow_root_functions";
struct RootFunctions {
  std::unique_ptr<ClusterReader> (*open)(const std::string& path, const ClusterColumns& columns);
  std::unique_ptr<ClusterWriter> (*create)(const std::string& path, const ClusterColumns& columns);
};

}  // namespace narrow

#endif  // NARROW_DATA_ROOT_H_
