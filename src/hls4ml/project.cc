#include "hls4ml/project.h"

#include <filesystem>
#include <string_view>

#include "data/text.h"
#include "error.h"
#include "keras/architecture.h"
#include "keras/writer.h"

// The project's own files, put into the program by the assembler.
__asm__(
    ".pushsection .rodata\n"
    ".global narrow_convert_begin\n.global narrow_convert_end\nnarrow_convert_begin:\n.incbin \"" NARROW_HLS4ML
    "/convert.py\"\nnarrow_convert_end:\n"
    ".global narrow_ksum_begin\n.global narrow_ksum_end\nnarrow_ksum_begin:\n.incbin \"" NARROW_HLS4ML
    "/nnet_ksum.h\"\nnarrow_ksum_end:\n"
    ".popsection\n");
extern "C" const char narrow_convert_begin[];  // NOLINT(readability-identifier-naming)
extern "C" const char narrow_convert_end[];    // NOLINT(readability-identifier-naming)
extern "C" const char narrow_ksum_begin[];     // NOLINT(readability-identifier-naming)
extern "C" const char narrow_ksum_end[];       // NOLINT(readability-identifier-naming)

namespace narrow {
namespace {

namespace fs = std::filesystem;

std::string_view between(const char* begin, const char* end) { return {begin, static_cast<std::size_t>(end - begin)}; }

// Throws Error for a layer whose types hls4ml would not find.
void require_names(const Model& model) {
  for (const Layer& layer : model.layers) {
    if (is_renamed(layer.name)) {
      throw Error("layer " + layer.name + " (" + layer.keras_class + "): hls4ml 1.3.0's reader of Keras 3 calls it " + layer.name +
                  "_0, and finds none of its types; give it a longer name");
    }
  }
}

void fill(const Resolved& resolved, const std::string& folder) {
  require_names(resolved.model);
  // Of the network that is written nothing was folded or left out.
  const Resolved computed{
      .model = resolved.model, .precision = resolved.precision, .notes = {}, .maximum = resolved.maximum, .fallback = resolved.fallback};
  write_keras2(computed.model, folder + "/model.h5");
  write_file(folder + "/hls4ml_config.yml", to_yaml(computed));
  write_file(folder + "/convert.py", between(narrow_convert_begin, narrow_convert_end));
  write_file(folder + "/nnet_ksum.h", between(narrow_ksum_begin, narrow_ksum_end));
}

}  // namespace

void write_project(const Resolved& resolved, const std::string& folder) {
  std::error_code error;
  const fs::path whole = fs::path(folder).has_filename() ? fs::path(folder) : fs::path(folder).parent_path();
  if (fs::exists(whole) && (!fs::is_directory(whole) || !fs::is_empty(whole, error) || error)) {
    throw Error(folder + ": it exists and is not an empty folder; give another");
  }
  const std::string partial = whole.string() + ".partial";
  fs::remove_all(partial, error);
  make_folder(partial);
  try {
    fill(resolved, partial);
    fs::rename(partial, whole);
  } catch (...) {
    fs::remove_all(partial, error);
    throw;
  }
}

}  // namespace narrow
