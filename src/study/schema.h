#ifndef NARROW_STUDY_SCHEMA_H_
#define NARROW_STUDY_SCHEMA_H_

#include <string>
#include <vector>

#include "study/database.h"
#include "study/metric.h"

namespace narrow {

// Makes the tables of a study, or brings those of an older narrow to today's: in place where the study may be written, else in a copy in
// memory. Throws Error for a file that is not a study, or one of a version that this narrow does not know.
void prepare_schema(Database& database, bool write);

// The table of metrics. Of one that is there already with another title or meaning, as of a model with other outputs, what both have in
// common; what an older narrow wrote is replaced.
void write_metric_names(const Database& database, const std::vector<Metric>& metrics);
std::vector<Metric> read_metric_names(const Database& database);  // without their functions; titles of an older narrow's are empty

// The view `results`, with a column for each metric that the study ever had, and one for its error.
void make_results_view(const Database& database);

// What tells an assignment of types from others: a hash of its text (types_json).
std::string identity_of(const std::string& types);

}  // namespace narrow

#endif  // NARROW_STUDY_SCHEMA_H_
