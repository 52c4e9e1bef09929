#ifndef NARROW_REPORT_TEXT_H_
#define NARROW_REPORT_TEXT_H_

#include <span>
#include <string>
#include <string_view>

namespace narrow {

// `%.18e` as numpy.savetxt writes it: one row a sample, `columns` values each, separated by a blank.
std::string savetxt(std::span<const double> values, std::size_t columns);
std::string savetxt(std::span<const float> values, std::size_t columns);

// Writes `text` to `path` under a temporary name first, then renames. Throws Error where that fails.
void write_file(const std::string& path, std::string_view text);

}  // namespace narrow

#endif  // NARROW_REPORT_TEXT_H_
