#ifndef NARROW_STUDY_SCHEMA_H_
#define NARROW_STUDY_SCHEMA_H_

#include <string>

#include "study/database.h"

namespace narrow {

// Makes the tables of a study, or brings those of an older narrow to today's: in place where the study may be written, else in a copy in
// memory. Throws Error for a file that is not a study, or one of a version that this narrow does not know.
void prepare_schema(Database& database, bool write);

// The view `results`, with a column for each metric that the study ever had.
void make_results_view(const Database& database);

// What tells an assignment of types from others: a hash of its text (types_json).
std::string identity_of(const std::string& types);

}  // namespace narrow

#endif  // NARROW_STUDY_SCHEMA_H_
