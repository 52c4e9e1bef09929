#ifndef NARROW_DATA_TEXT_H_
#define NARROW_DATA_TEXT_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace narrow {

// `%.18e` as numpy.savetxt writes it: one row a sample, `columns` values each, separated by a blank.
std::string savetxt(std::span<const double> values, std::size_t columns);
std::string savetxt(std::span<const float> values, std::size_t columns);

// A number as people read it, rounded to `digits` significant digits: `100`, `0.00231`, `12300`; a power of ten only below 1e-4 and from
// 1e6 on. `unknown` for NaN, `infinite` and `-infinite` for the infinities.
std::string number_text(double value, int digits);

// `50`, `0.5`: at most nine significant digits, as names of metrics and files have a number.
std::string short_text(double value);
// A whole number, with commas: `12,300`.
std::string count_text(double value);
// To so many significant digits; NaN and the infinities stay.
double rounded_to(double value, int digits);

// The whole of a file. Throws Error where it cannot be read.
std::string read_file(const std::string& path);

// Makes a folder and those above it where they are missing. Throws Error where something else has the name.
void make_folder(const std::string& path);

// Writes `text` to `path` under a temporary name first, then renames. Throws Error where that fails.
void write_file(const std::string& path, std::string_view text);

}  // namespace narrow

#endif  // NARROW_DATA_TEXT_H_
