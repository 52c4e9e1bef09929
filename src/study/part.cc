#include "study/part.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "data/text.h"
#include "error.h"

namespace narrow {

using nlohmann::ordered_json;

std::vector<Store::KnownModel> StudyPart::known() const {
  std::vector<Store::KnownModel> known;
  known.reserve(models.size());
  for (const Of& of : models) known.push_back(of.model);
  return known;
}

std::vector<Point> StudyPart::points_of(const std::string& label) const {
  const auto of = std::find_if(models.begin(), models.end(), [&](const Of& each) { return each.model.label == label; });
  return of == models.end() ? std::vector<Point>() : of->points;
}

std::string to_json(const StudyPart& part) {
  ordered_json document{{"files", part.files}, {"models", ordered_json::array()}};
  for (const auto& [model, points] : part.models) {
    ordered_json own{{"label", model.label}, {"name", model.name}, {"hash", model.hash}, {"points", ordered_json::array()}};
    for (const Point& p : points) own["points"].push_back({p.v_full, p.v_int, p.wb_full, p.wb_int});
    document["models"].push_back(std::move(own));
  }
  return document.dump() + "\n";
}

StudyPart read_part(const std::string& path) {
  try {
    const auto document = ordered_json::parse(read_file(path));
    StudyPart part;
    if (document.contains("files")) part.files = document.at("files").get<std::vector<std::string>>();
    for (const ordered_json& own : document.at("models")) {
      StudyPart::Of of{{own.at("label"), own.at("name"), own.at("hash")}, {}};
      for (const auto& [v_full, v_int, wb_full, wb_int] : own.at("points").get<std::vector<std::array<int, 4>>>())
        of.points.push_back({v_full, v_int, wb_full, wb_int});
      part.models.push_back(std::move(of));
    }
    return part;
  } catch (const nlohmann::json::exception&) {
    throw Error(path + ": it should hold points of a study, as narrow sweep --begin writes them");
  }
}

}  // namespace narrow
