#ifndef NARROW_DATA_PLUGIN_H_
#define NARROW_DATA_PLUGIN_H_

#include <string>

namespace narrow {

// ROOT and libtorch stand in libraries of their own beside the program, loaded when they are needed: they are large, slow to
// load, and not everybody has them.
//
// The address of `function` in `library`. Throws Error: with `otherwise` where narrow was built without the library, and else with the
// place where it is missing.
void* load_plugin(const std::string& library, const char* function, const std::string& otherwise);

}  // namespace narrow

#endif  // NARROW_DATA_PLUGIN_H_
