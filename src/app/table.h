#ifndef NARROW_APP_TABLE_H_
#define NARROW_APP_TABLE_H_

#include <string>
#include <vector>

namespace narrow {

// Columns of text for a terminal, each as wide as its widest entry; the first is aligned left, the others right.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::size_t rows() const { return rows_.size() - 1; }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// `%.4g`, as tables show numbers.
std::string short_number(double value);

}  // namespace narrow

#endif  // NARROW_APP_TABLE_H_
