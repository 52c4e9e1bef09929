#ifndef NARROW_SEARCH_JOURNAL_H_
#define NARROW_SEARCH_JOURNAL_H_

#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace narrow {

// What a search computed of its candidates, in a text file that grows with it, so that one that was stopped or killed resumes where it was:
// a line for the search that it belongs to, then one for each answer. A last line that is cut short is left out. From any thread.
class Journal {
 public:
  // One that is kept nowhere.
  Journal() = default;
  // Reads what the file has of the search with this identity, a word; where it belongs to another one, or to none, it is begun anew. Throws
  // Error where it cannot be written.
  Journal(std::string path, const std::string& identity);

  std::optional<std::vector<double>> find(const std::string& key) const;
  // `key` is a word. Throws Error where the file cannot be written.
  void add(const std::string& key, const std::vector<double>& values);
  std::size_t found() const { return found_; }  // answers that the file had
  void remove();                                // the file, when the search has ended

 private:
  std::string path_;
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<double>> known_;
  std::size_t found_ = 0;
  std::ofstream file_;
};

}  // namespace narrow

#endif  // NARROW_SEARCH_JOURNAL_H_
