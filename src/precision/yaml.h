#ifndef NARROW_PRECISION_YAML_H_
#define NARROW_PRECISION_YAML_H_

#include <yaml-cpp/yaml.h>

#include <string>

namespace narrow {

// The one YAML document of a text; null for an empty one. Throws Error, with `path` and the line, for what is not YAML and for a second
// document, which would be passed over in silence.
YAML::Node parse_yaml(const std::string& text, const std::string& path);

}  // namespace narrow

#endif  // NARROW_PRECISION_YAML_H_
