#ifndef NARROW_SEARCH_STUDY_SEARCH_H_
#define NARROW_SEARCH_STUDY_SEARCH_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "search/search.h"
#include "study/definition.h"
#include "study/run.h"
#include "study/store.h"
#include "study/study_data.h"

namespace narrow {

// What a study's search found for a model on a data set.
struct SearchedTypes {
  Scan scan;         // that has the point
  std::string file;  // the types, as an hls4ml configuration
  double cost = 0;   // of the kind that was asked for
  std::vector<Bound> bounds;
  Standings on_search;  // on the samples that were searched on
  Standings judged;     // on those of the study
};

struct StudySearchWatch {
  std::function<void(const std::vector<std::string>&)> notes;
  // Of which model, what the search does, and how many candidates it has tried.
  std::function<void(const std::string& label, const std::string& what, std::size_t candidates)> progress;
};

// The samples to search on, and those of each data set of the study.
struct SearchData {
  FittedData searched;
  std::vector<FittedData> judging;
};
// Reads them, before anything is trained or computed. Throws Error where definition.search cannot be done: data that cannot be read, do not
// fit the models or are the study's own, or bounds on metrics that there are not. Models that are still to be trained need not be there.
SearchData read_search_data(const Definition& definition);

// Searches, after run_study, a type for each tensor of every model: on definition.search's samples, judged on each data set of the study.
// The answer is a point of the model's first scan there, labelled `searched`, with every metric of the study, and a file in the scan's
// folder, `{nodes}.searched.yml`. What an earlier run found by the same search is not searched again, and one that was interrupted resumes.
// A bound that cannot be met is a note. Throws Interrupted.
std::vector<SearchedTypes> search_study(const Definition& definition, const SearchData& data, const RunOptions& options,
                                        const StudySearchWatch& watch);

// A fact of a study: what was searched for (JSON: identity, point, below, cost, value, samples, candidates, standings), of a model on a
// data set.
std::string fact_of_search(const std::string& label, const std::string& data_name);

}  // namespace narrow

#endif  // NARROW_SEARCH_STUDY_SEARCH_H_
