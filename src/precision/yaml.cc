#include "precision/yaml.h"

#include <yaml-cpp/eventhandler.h>

#include <sstream>

#include "error.h"

namespace narrow {
namespace {

// Reads a document and makes nothing of it.
class Skip : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

}  // namespace

YAML::Node parse_yaml(const std::string& text, const std::string& path) {
  try {
    // Not LoadAll, which never ends on some texts that are not YAML (0.7.0).
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    Skip skip;
    if (parser.HandleNextDocument(skip) && parser) throw Error(path + ": it holds more than one YAML document; give one");
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw Error(path + ", line " + std::to_string(error.mark.line + 1) + ": it is not valid YAML: " + error.msg);
  }
}

}  // namespace narrow
