// C++17, as ROOT's wheel is built: a part of the library that reads ROOT files.
#include "data/root_event.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "error.h"

namespace narrow {
namespace {

std::string number(std::size_t n) { return std::to_string(n); }

EntryForm form_of(const std::string& path, const EntryFields& fields) {
  const auto deep = std::find_if(fields.features.begin(), fields.features.end(), [](const EntryField& each) { return each.depth == 2; });
  const bool nested = deep != fields.features.end();
  for (const auto* each : {&fields.target, &fields.weight, &fields.counts}) {
    if (*each && (*each)->depth == 2) throw Error(path + ": " + (*each)->name + " holds lists of lists; one number a cluster is expected");
  }
  if (!fields.counts && !fields.indices) return nested ? EntryForm::kNested : EntryForm::kCluster;
  const std::string option = fields.counts ? "--counts" : "--indices";
  const EntryField& divider = fields.counts ? *fields.counts : *fields.indices;
  if (fields.counts && fields.indices) throw Error(path + ": give --counts or --indices, not both");
  if (nested) throw Error(path + ": " + deep->name + " holds the cells of each cluster as a list already; leave out " + option);
  if (divider.depth == 0) throw Error(path + ": " + option + " " + divider.name + " is one number an entry; a list is expected");
  if (std::all_of(fields.features.begin(), fields.features.end(), [](const EntryField& each) { return each.depth == 0; })) {
    throw Error(path + ": " + option + " " + divider.name + " divides cells, but " + fields.features.front().name +
                " is one number an entry");
  }
  if (fields.counts) return EntryForm::kCounts;
  return divider.depth == 1 ? EntryForm::kClusterOfCell : EntryForm::kCellsOfCluster;
}

}  // namespace

struct EventSplitter::Entry {
  std::size_t number;
  const std::vector<EntryValues>& features;
  const EntryValues *target = nullptr, *weight = nullptr, *counts = nullptr, *indices = nullptr;

  Entry(std::size_t entry, const EntryFields& fields, const std::vector<EntryValues>& values) : number(entry), features(values) {
    std::size_t next = fields.features.size();
    if (fields.target) target = &values[next++];
    if (fields.weight) weight = &values[next++];
    if (fields.counts) counts = &values[next++];
    if (fields.indices) indices = &values[next++];
  }
  std::string where() const { return "entry " + std::to_string(number) + ": "; }
};

std::size_t EntryFields::size() const {
  return features.size() + (target ? 1 : 0) + (weight ? 1 : 0) + (counts ? 1 : 0) + (indices ? 1 : 0);
}

EventSplitter::EventSplitter(std::string path, EntryFields fields)
    : path_(std::move(path)), fields_(std::move(fields)), form_(form_of(path_, fields_)) {}

void EventSplitter::split(std::size_t entry, const std::vector<EntryValues>& values, Clusters& clusters) const {
  const Entry own(entry, fields_, values);
  clusters.events = form_ != EntryForm::kCluster;
  const std::size_t size = count_clusters(own);
  if (form_ == EntryForm::kCluster) append_cluster(own, clusters);
  else if (form_ == EntryForm::kNested) append_nested(own, size, clusters);
  else append_flat(own, size, clusters);
  for (std::size_t c = 0; c < size; ++c) {
    if (own.target != nullptr) clusters.target.push_back(number_of(own, *fields_.target, *own.target, c, size));
    if (own.weight != nullptr) clusters.weight.push_back(number_of(own, *fields_.weight, *own.weight, c, size));
    clusters.places.push_back({entry, c});
  }
}

std::size_t EventSplitter::count_clusters(const Entry& entry) const {
  if (form_ == EntryForm::kCluster) return 1;
  if (form_ == EntryForm::kCounts) return entry.counts->values.size();
  if (form_ == EntryForm::kCellsOfCluster) return entry.indices->ends.size();
  if (form_ == EntryForm::kNested) {
    for (std::size_t i = 0; i < fields_.features.size(); ++i) {
      if (fields_.features[i].depth == 2) return entry.features[i].ends.size();
    }
  }
  // What is one number a cluster says how many there are, and else the cells do.
  if (fields_.target && fields_.target->depth == 1) return entry.target->values.size();
  if (fields_.weight && fields_.weight->depth == 1) return entry.weight->values.size();
  double last = -1;
  for (const double index : entry.indices->values) last = std::max(last, index);
  constexpr double kMost = 1e6;
  if (last >= kMost)
    throw Error(path_ + ": " + entry.where() + fields_.indices->name + " holds " + std::to_string(last) + ", which is no cluster");
  return static_cast<std::size_t>(std::floor(last) + 1);
}

// The number that a field has for a cluster: its own, or the entry's.
double EventSplitter::number_of(const Entry& entry, const EntryField& field, const EntryValues& values, std::size_t cluster,
                                std::size_t size) const {
  if (field.depth == 0) return values.values.front();
  if (values.values.size() == size) return values.values[cluster];
  if (form_ == EntryForm::kCluster) {
    throw Error(path_ + ": " + field.name + " of cluster " + number(entry.number) + " is " + number(values.values.size()) +
                " numbers, not one; if an entry is an event with several clusters, --counts or --indices says which cells are whose");
  }
  throw Error(path_ + ": " + entry.where() + field.name + " has " + number(values.values.size()) + " values for " + number(size) +
              " clusters");
}

void EventSplitter::append_cluster(const Entry& entry, Clusters& clusters) const {
  const std::size_t before = clusters.starts.back();
  const std::size_t length = entry.features.front().values.size();
  bool uneven = false;
  for (std::size_t i = 0; i < fields_.features.size(); ++i) uneven |= entry.features[i].values.size() != length;
  for (std::size_t i = 0; i < fields_.features.size() && !uneven; ++i) {
    const std::vector<double>& values = entry.features[i].values;
    clusters.cells[i].insert(clusters.cells[i].end(), values.begin(), values.end());
  }
  clusters.uneven.push_back(uneven);
  clusters.starts.push_back(uneven ? before : before + length);
}

void EventSplitter::append_nested(const Entry& entry, std::size_t size, Clusters& clusters) const {
  for (std::size_t i = 0; i < fields_.features.size(); ++i) {
    if (fields_.features[i].depth == 2 && entry.features[i].ends.size() != size) {
      throw Error(path_ + ": " + entry.where() + fields_.features[i].name + " has lists for " + number(entry.features[i].ends.size()) +
                  " clusters, others for " + number(size));
    }
  }
  const auto begin_of = [](const EntryValues& values, std::size_t c) { return c == 0 ? 0 : values.ends[c - 1]; };
  for (std::size_t c = 0; c < size; ++c) {
    std::optional<std::size_t> length;
    bool uneven = false;
    for (std::size_t i = 0; i < fields_.features.size(); ++i) {
      if (fields_.features[i].depth < 2) continue;
      const std::size_t own = entry.features[i].ends[c] - begin_of(entry.features[i], c);
      uneven |= length.value_or(own) != own;
      length = own;
    }
    if (uneven) length = 0;
    for (std::size_t i = 0; i < fields_.features.size(); ++i) {
      const EntryField& field = fields_.features[i];
      std::vector<double>& to = clusters.cells[i];
      if (field.depth == 2) {
        const auto from = entry.features[i].values.begin() + static_cast<std::ptrdiff_t>(begin_of(entry.features[i], c));
        to.insert(to.end(), from, from + static_cast<std::ptrdiff_t>(*length));
      } else {
        to.insert(to.end(), *length, number_of(entry, field, entry.features[i], c, size));
      }
    }
    clusters.uneven.push_back(uneven);
    clusters.starts.push_back(clusters.starts.back() + *length);
  }
}

// How many cells the entry has: as many in each feature.
std::size_t EventSplitter::flat_length(const Entry& entry) const {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < fields_.features.size(); ++i) {
    if (fields_.features[i].depth == 0) continue;
    const std::size_t length = entry.features[i].values.size();
    if (!first) first = i;
    if (const std::size_t wanted = entry.features[*first].values.size(); length != wanted) {
      throw Error(path_ + ": " + entry.where() + fields_.features[i].name + " has " + number(length) + " cells, " +
                  fields_.features[*first].name + " has " + number(wanted));
    }
  }
  return entry.features[*first].values.size();
}

// The numbers of each cluster's cells.
std::vector<std::vector<std::size_t>> EventSplitter::flat_cells(const Entry& entry, std::size_t size) const {
  const std::size_t length = flat_length(entry);
  std::vector<std::vector<std::size_t>> cells(size);
  const EntryField& divider = fields_.counts ? *fields_.counts : *fields_.indices;
  const EntryValues& values = fields_.counts ? *entry.counts : *entry.indices;
  const auto refuse = [&](const std::string& why) { return Error(path_ + ": " + entry.where() + divider.name + " " + why); };
  const auto whole = [&](double value, double below, const char* what) {
    if (!(value >= 0 && value < below) || value != std::floor(value)) throw refuse("holds " + std::to_string(value) + what);
    return static_cast<std::size_t>(value);
  };
  if (form_ == EntryForm::kCounts) {
    std::size_t next = 0;
    for (std::size_t c = 0; c < size; ++c) {
      constexpr double kMost = 1e15;
      const std::size_t count = whole(values.values[c], kMost, ", which is no number of cells");
      for (std::size_t i = 0; i < count && next + i < length; ++i) cells[c].push_back(next + i);
      next += count;
    }
    if (next != length) throw refuse("counts " + number(next) + " cells, there are " + number(length));
  } else if (form_ == EntryForm::kClusterOfCell) {
    if (values.values.size() != length) throw refuse("has " + number(values.values.size()) + " values for " + number(length) + " cells");
    for (std::size_t i = 0; i < length; ++i) {
      if (values.values[i] < 0) continue;  // of no cluster
      const std::string what = ", and there are " + number(size) + " clusters (they count from 0)";
      cells[whole(values.values[i], static_cast<double>(size), what.c_str())].push_back(i);
    }
  } else {
    std::size_t next = 0;
    for (std::size_t c = 0; c < size; ++c) {
      for (; next < values.ends[c]; ++next) {
        const std::string what = ", and there are " + number(length) + " cells (they count from 0)";
        cells[c].push_back(whole(values.values[next], static_cast<double>(length), what.c_str()));
      }
    }
  }
  return cells;
}

void EventSplitter::append_flat(const Entry& entry, std::size_t size, Clusters& clusters) const {
  for (const std::vector<std::size_t>& cells : flat_cells(entry, size)) {
    for (std::size_t i = 0; i < fields_.features.size(); ++i) {
      const std::vector<double>& values = entry.features[i].values;
      for (const std::size_t cell : cells) clusters.cells[i].push_back(fields_.features[i].depth == 0 ? values.front() : values[cell]);
    }
    clusters.uneven.push_back(false);
    clusters.starts.push_back(clusters.starts.back() + cells.size());
  }
}

}  // namespace narrow
