#include "recover/written.h"

#include <cassert>
#include <filesystem>
#include <system_error>

#include "error.h"
#include "keras/writer.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// It goes with all that is in it.
class UncheckedFolder {
 public:
  explicit UncheckedFolder(const std::string& path) : folder_(path + ".unchecked") {
    std::error_code error;
    fs::create_directory(folder_, error);
    if (error || !fs::is_directory(folder_)) {
      throw Error(path + ": it cannot be written, for the folder " + folder_.string() + " cannot be made" +
                  (error ? ": " + error.message() : "; is there a file of that name?"));
    }
  }
  UncheckedFolder(const UncheckedFolder&) = delete;
  UncheckedFolder& operator=(const UncheckedFolder&) = delete;
  ~UncheckedFolder() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  std::string of(const std::string& path) const { return (folder_ / fs::path(path).filename()).string(); }

 private:
  fs::path folder_;
};

}  // namespace

bool is_keras2(const Model& model) { return !model.linear.empty(); }

void write_checked(const Model& model, const std::string& path, const std::function<void(const std::string& written)>& require) {
  const UncheckedFolder folder(path);
  if (is_keras2(model)) write_keras2(model, folder.of(path));
  else write_keras(model, folder.of(path));
  require(folder.of(path));
  const std::vector<std::string> files = files_written(path);
  // The model itself last: a reader between sees that the weights are not its own.
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    std::error_code error;
    fs::rename(folder.of(*file), *file, error);
    if (error) throw Error(*file + ": it cannot be written: " + error.message());
  }
}

std::vector<std::string> layers_that_differ(const Model& model, const Model& other) {
  assert(model.layers.size() == other.layers.size());
  std::vector<std::string> names;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    if (!same(*model.layers[i].op, *other.layers[i].op)) names.push_back(model.layers[i].name);
  }
  return names;
}

}  // namespace narrow
