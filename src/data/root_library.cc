// C++17, as ROOT's wheel is built.
#include <TClass.h>
#include <TError.h>
#include <TFile.h>
#include <TKey.h>
#include <TLeaf.h>
#include <TTree.h>
#include <TTreeFormula.h>
#include <TVirtualCollectionProxy.h>
#include <ROOT/RNTupleReader.hxx>
#include <ROOT/RNTupleView.hxx>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <type_traits>
#include <typeinfo>

#include "data/partial_file.h"
#include "data/root.h"
#include "data/root_event.h"
#include "error.h"

namespace narrow {
namespace {

// ROOT prints to stderr unless told not to; narrow says what went wrong itself.
void silence() { gErrorIgnoreLevel = kFatal; }

std::unique_ptr<TFile> open_to_read(const std::string& path) {
  silence();
  std::unique_ptr<TFile> file(TFile::Open(path.c_str(), "READ"));
  if (!file || file->IsZombie() || file->TestBit(TFile::kRecovered)) {
    throw Error(path + ": it cannot be read as a ROOT file; is it cut short, or something else?");
  }
  return file;
}

bool is_ntuple(const std::string& class_name) { return class_name == "ROOT::RNTuple" || class_name == "ROOT::Experimental::RNTuple"; }

struct TreeName {
  std::string name;
  bool ntuple;
};

TreeName find_tree(const std::string& path, TFile& file, const std::string& wanted) {
  std::vector<TreeName> found;
  std::vector<std::string> names;
  for (const TObject* object : *file.GetListOfKeys()) {
    const auto* key = static_cast<const TKey*>(object);
    const std::string class_name = key->GetClassName();
    if (class_name != "TTree" && class_name != "TNtuple" && !is_ntuple(class_name)) continue;
    // Older cycles of a tree stand behind its newest.
    if (std::find(names.begin(), names.end(), key->GetName()) != names.end()) continue;
    found.push_back({key->GetName(), is_ntuple(class_name)});
    names.emplace_back(key->GetName());
  }
  if (!wanted.empty()) {
    for (const TreeName& tree : found) {
      if (tree.name == wanted) return tree;
    }
    // In a folder of the file.
    if (file.Get<TTree>(wanted.c_str()) != nullptr) return {wanted, false};
    throw Error(path + ": it has no tree " + wanted + "; it has " + listed(names));
  }
  if (found.empty()) throw Error(path + ": it has no TTree or RNTuple; if it is in a folder, name it with --tree FOLDER/NAME");
  if (found.size() > 1) throw Error(path + ": it has several trees, " + listed(names) + "; name one with --tree");
  return found.front();
}

// Calls make(T{}) for the C++ type T behind one of the names by which ROOT calls it; nullptr for other names.
template <class Make>
auto with_type(const std::string& name, const Make& make) -> decltype(make(float{})) {
  const auto is = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* one) { return name == one; });
  };
  if (is({"float", "Float_t", "Float16_t"})) return make(float{});
  if (is({"double", "Double_t", "Double32_t"})) return make(double{});
  if (is({"int", "Int_t", "std::int32_t", "int32_t"})) return make(int{});
  if (is({"unsigned int", "UInt_t", "std::uint32_t", "uint32_t"})) return make(0U);
  if (is({"short", "Short_t", "std::int16_t", "int16_t"})) return make(short{});
  if (is({"unsigned short", "UShort_t", "std::uint16_t", "uint16_t"})) return make(static_cast<unsigned short>(0));
  if (is({"char", "Char_t"})) return make(static_cast<char>(0));
  if (is({"signed char", "std::int8_t", "int8_t"})) return make(static_cast<signed char>(0));
  if (is({"unsigned char", "UChar_t", "std::uint8_t", "uint8_t"})) return make(static_cast<unsigned char>(0));
  // As large as each other, but ROOT tells them apart.
  if (is({"long", "Long_t", "std::int64_t", "int64_t"})) return make(0L);
  if (is({"long long", "Long64_t"})) return make(0LL);
  if (is({"unsigned long", "ULong_t", "std::uint64_t", "uint64_t"})) return make(0UL);
  if (is({"unsigned long long", "ULong64_t"})) return make(0ULL);
  if (is({"bool", "Bool_t"})) return make(false);
  return nullptr;
}

// A type as lists of numbers: `vector<vector<float> >` has depth 2 and the element `float`; so have ROOT's own names for its RVec.
struct ListType {
  int depth = 0;
  std::string element;
};
ListType list_type(std::string type) {
  ListType list;
  for (bool found = true; found;) {
    found = false;
    for (const char* start : {"vector<", "std::vector<", "ROOT::VecOps::RVec<", "ROOT::RVec<"}) {
      const std::string prefix = start;
      if (type.compare(0, prefix.size(), prefix) != 0) continue;
      type = type.substr(prefix.size());
      ++list.depth;
      found = true;
    }
  }
  list.element = list.depth == 0 ? type : type.substr(0, type.find_first_of(",>"));
  while (!list.element.empty() && list.element.back() == ' ') list.element.pop_back();
  return list;
}

// ROOT's Char_t is a number with a sign, whatever the machine takes char for.
template <class T>
double number(T value) {
  if constexpr (std::is_same_v<T, char>) return static_cast<double>(static_cast<signed char>(value));
  else return static_cast<double>(value);
}

// What both kinds of trees share: entries in order, each split into its clusters.
class EntryReader : public ClusterReader {
 public:
  // An entry may have any number of clusters, and a selection leave out any.
  std::optional<std::size_t> remaining() const override {
    return next_ == entries_ && next_in_entry_ == entry_.size() ? std::optional<std::size_t>(0) : std::nullopt;
  }
  Clusters read(std::size_t limit) override {
    Clusters clusters = none();
    clusters.first = given_;
    while (clusters.size() < limit) {
      if (next_in_entry_ == entry_.size() && !read_next()) break;
      append(clusters, next_in_entry_, std::min(entry_.size(), next_in_entry_ + (limit - clusters.size())));
    }
    given_ += clusters.size();
    return clusters;
  }
  std::size_t seen() const override { return seen_; }

 protected:
  EntryReader(std::string path, const ClusterColumns& columns) : path_(std::move(path)), columns_(columns) {}
  // Opens a field of the tree and says what it is, for each column in the order of EntryFields.
  template <class Open>
  void open_fields(const Open& open) {
    EntryFields fields;
    for (const std::string& feature : columns_.features) fields.features.push_back(open(columns_.branch(feature)));
    if (!columns_.target.empty()) fields.target = open(columns_.branch(columns_.target));
    if (!columns_.weight.empty()) fields.weight = open(columns_.branch(columns_.weight));
    if (!columns_.counts.empty()) fields.counts = open(columns_.counts);
    if (!columns_.indices.empty()) fields.indices = open(columns_.indices);
    values_.resize(fields.size());
    splitter_.emplace(path_, std::move(fields));
    entry_ = none();
  }
  virtual void read_entry(std::size_t entry, std::vector<EntryValues>& values) = 0;
  // Which of an entry's clusters are selected.
  virtual std::vector<bool> selected(std::size_t /*entry*/, std::size_t clusters) { return std::vector<bool>(clusters, true); }
  [[noreturn]] void throw_damaged(std::size_t entry) const {
    throw Error(path_ + ": entry " + std::to_string(entry) + " cannot be read; is the file damaged?");
  }

  std::string path_;
  ClusterColumns columns_;
  std::size_t entries_ = 0;

 private:
  Clusters none() const {
    Clusters clusters;
    clusters.path = path_;
    clusters.cells.resize(columns_.features.size());
    return clusters;
  }
  // The next entry's clusters; false at the end.
  bool read_next() {
    if (next_ == entries_) return false;
    for (EntryValues& values : values_) values.clear();
    read_entry(next_, values_);
    entry_ = none();
    splitter_->split(next_, values_, entry_);
    selected_ = selected(next_, entry_.size());
    seen_ += entry_.size();
    next_in_entry_ = 0;
    ++next_;
    return true;
  }
  // Of the entry's clusters from next_in_entry_ to `last`, those that are selected.
  void append(Clusters& to, std::size_t first, std::size_t last) {
    to.events = entry_.events;
    for (std::size_t c = first; c < last; ++c) {
      if (!selected_[c]) continue;
      const auto begin = static_cast<std::ptrdiff_t>(entry_.starts[c]);
      const auto end = static_cast<std::ptrdiff_t>(entry_.starts[c + 1]);
      for (std::size_t i = 0; i < to.cells.size(); ++i)
        to.cells[i].insert(to.cells[i].end(), entry_.cells[i].begin() + begin, entry_.cells[i].begin() + end);
      to.starts.push_back(to.starts.back() + static_cast<std::size_t>(end - begin));
      if (!entry_.target.empty()) to.target.push_back(entry_.target[c]);
      if (!entry_.weight.empty()) to.weight.push_back(entry_.weight[c]);
      to.uneven.push_back(entry_.uneven[c]);
      to.places.push_back(entry_.places[c]);
    }
    next_in_entry_ = last;
  }

  std::optional<EventSplitter> splitter_;
  std::vector<EntryValues> values_;
  Clusters entry_;              // of the entry before next_
  std::vector<bool> selected_;  // of its clusters
  std::size_t next_in_entry_ = 0;
  std::size_t next_ = 0;
  std::size_t given_ = 0, seen_ = 0;
};

// One branch of a TTree: where ROOT puts an entry's values.
class Branch {
 public:
  Branch() = default;
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;
  virtual ~Branch() = default;
  virtual void append(EntryValues& to) const = 0;
};

Error unreadable(TTree& tree, const char* branch) {
  return Error(std::string("branch ") + branch + " of tree " + tree.GetName() + " cannot be read as what it says it is");
}

// Throws Error where ROOT would leave the values alone instead: its types must be the same.
template <class T>
void set_address(TTree& tree, const char* branch, T* address) {
  if (tree.SetBranchAddress(branch, address) < 0) throw unreadable(tree, branch);
}

template <class T>
class VectorBranch : public Branch {
 public:
  VectorBranch(TTree& tree, const std::string& branch) { set_address(tree, branch.c_str(), &values_); }
  ~VectorBranch() override { delete values_; }
  void append(EntryValues& to) const override {
    for (const T value : *values_) to.values.push_back(number(value));
  }

 private:
  std::vector<T>* values_ = nullptr;  // ROOT makes it
};

// Of vectors of vectors ROOT knows some by their C++ type, and lays out the others as it likes: its proxy gives the inner vectors of both.
template <class T>
class NestedBranch : public Branch {
 public:
  NestedBranch(TTree& tree, const std::string& branch, const std::string& type) : class_(TClass::GetClass(type.c_str())) {
    const TVirtualCollectionProxy* proxy = class_ == nullptr ? nullptr : class_->GetCollectionProxy();
    TClass* inner = proxy == nullptr ? nullptr : class_->GetCollectionProxy()->GetValueClass();
    const std::type_info* info = inner == nullptr ? nullptr : inner->GetTypeInfo();
    if (info == nullptr || *info != typeid(std::vector<T>)) throw unreadable(tree, branch.c_str());
    proxy_.reset(proxy->Generate());
    if (tree.SetBranchAddress(branch.c_str(), static_cast<void*>(&lists_)) < 0) throw unreadable(tree, branch.c_str());
  }
  ~NestedBranch() override {
    if (lists_ != nullptr) class_->Destructor(lists_);
  }
  void append(EntryValues& to) const override {
    const TVirtualCollectionProxy::TPushPop of_lists(proxy_.get(), lists_);
    for (UInt_t i = 0; i < proxy_->Size(); ++i) {
      for (const T value : *static_cast<const std::vector<T>*>(proxy_->At(i))) to.values.push_back(number(value));
      to.ends.push_back(to.values.size());
    }
  }

 private:
  TClass* class_;  // ROOT's
  std::unique_ptr<TVirtualCollectionProxy> proxy_;
  void* lists_ = nullptr;  // ROOT makes it
};

template <class T>
class ArrayBranch : public Branch {
 public:
  ArrayBranch(TTree& tree, TLeaf& leaf) : leaf_(leaf) {
    const TLeaf* count = leaf.GetLeafCount();
    size_ = static_cast<std::size_t>(std::max(1, leaf.GetLenStatic())) *
            static_cast<std::size_t>(count == nullptr ? 1 : std::max(1, count->GetMaximum()));
    values_ = std::make_unique<T[]>(size_);
    set_address(tree, leaf.GetBranch()->GetName(), values_.get());
  }
  void append(EntryValues& to) const override {
    const auto count = std::min<std::size_t>(static_cast<std::size_t>(leaf_.GetLen()), size_);
    for (std::size_t i = 0; i < count; ++i) to.values.push_back(number(values_[i]));
  }

 private:
  TLeaf& leaf_;
  std::size_t size_ = 0;
  std::unique_ptr<T[]> values_;
};

// What ROOT reports while it lives, instead of on stderr.
class Reports {
 public:
  Reports() : before_(SetErrorHandler(&take)), level_(gErrorIgnoreLevel) {
    said().clear();
    gErrorIgnoreLevel = kWarning;
  }
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;
  ~Reports() {
    SetErrorHandler(before_);
    gErrorIgnoreLevel = level_;
  }
  // The first of them, on one line.
  std::string text() const {
    std::string text = said().substr(0, said().find_last_not_of(" \n") + 1);
    text.erase(0, text.find_first_not_of(" \n"));
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
  }

 private:
  static std::string& said() {
    static std::string text;
    return text;
  }
  static void take(int level, Bool_t /*abort*/, const char* /*location*/, const char* message) {
    if (level >= kError && said().empty()) said() = message;
  }
  ErrorHandlerFunc_t before_;
  Int_t level_;
};

// --select: an expression of TTreeFormula, for an entry or for each of its clusters.
class Selection {
 public:
  Selection(std::string path, TTree& tree, const std::string& expression) : path_(std::move(path)), expression_(expression) {
    const Reports reports;
    formula_ = std::make_unique<TTreeFormula>("select", expression.c_str(), &tree);
    if (formula_->GetNdim() == 0 || !reports.text().empty()) {
      throw Error(path_ + ": ROOT does not accept --select '" + expression + "' for tree " + tree.GetName() +
                  (reports.text().empty() ? "" : ": " + reports.text()));
    }
    if (formula_->IsString()) throw Error(path_ + ": --select '" + expression + "' is a text, neither true nor false");
    // Every entry is looked at in turn.
    formula_->SetQuickLoad(false);
  }
  std::vector<bool> of(std::size_t entry, std::size_t clusters) {
    const auto values = static_cast<std::size_t>(formula_->GetNdata());
    const auto holds = [&](std::size_t i) {
      const double value = formula_->EvalInstance(static_cast<int>(i));
      return value != 0 && !std::isnan(value);
    };
    // As many values as the branches in it have in this entry, or always one.
    const bool varies = formula_->GetMultiplicity() == 1;
    if (values == 1 && (!varies || clusters != 1)) {
      if (varies) throw_unequal(entry, values, clusters);
      return std::vector<bool>(clusters, holds(0));
    }
    // An element that this entry has not.
    if (values == 0 && !varies) return std::vector<bool>(clusters, false);
    if (values != clusters) throw_unequal(entry, values, clusters);
    std::vector<bool> selected(clusters);
    for (std::size_t i = 0; i < clusters; ++i) selected[i] = holds(i);
    return selected;
  }

 private:
  [[noreturn]] void throw_unequal(std::size_t entry, std::size_t values, std::size_t clusters) const {
    throw Error(path_ + ": entry " + std::to_string(entry) + ": --select '" + expression_ + "' has " + std::to_string(values) +
                (values == 1 ? " value for " : " values for ") + std::to_string(clusters) + (clusters == 1 ? " cluster" : " clusters") +
                "; a selection has one value for each cluster, or one for the whole entry, as Sum$ of any branch makes");
  }

  std::string path_, expression_;
  std::unique_ptr<TTreeFormula> formula_;
};

class TreeReader : public EntryReader {
 public:
  TreeReader(const std::string& path, std::unique_ptr<TFile> file, const std::string& name, const ClusterColumns& columns)
      : EntryReader(path, columns), file_(std::move(file)) {
    tree_ = file_->Get<TTree>(name.c_str());
    if (tree_ == nullptr) throw Error(path + ": its tree " + name + " cannot be read");
    constexpr int kCache = 10'000'000;  // bytes
    tree_->SetCacheSize(kCache);
    open_fields([&](const std::string& branch) { return open(branch); });
    if (!columns.select.empty()) selection_.emplace(path, *tree_, columns.select);
    entries_ = static_cast<std::size_t>(tree_->GetEntries());
  }

 private:
  EntryField open(const std::string& name) {
    TBranch* found = tree_->FindBranch(name.c_str());
    if (found == nullptr) {
      std::vector<std::string> names;
      for (const TObject* object : *tree_->GetListOfBranches()) names.emplace_back(object->GetName());
      throw Error(path_ + ": tree " + tree_->GetName() + " has no branch " + name + "; it has " + listed(names));
    }
    tree_->AddBranchToCache(found, true);
    std::string type = found->GetClassName();
    const ListType list = list_type(type);
    EntryField field{name, list.depth};
    // A branch has one address: in a second part, as a feature and the target, it is the same one.
    const auto same = std::find_if(branches_.begin(), branches_.end(), [&](const auto& each) { return each.first == found; });
    if (same != branches_.end()) {
      field.depth = fields_[static_cast<std::size_t>(same - branches_.begin())].depth;
      return remember(field, found, same->second);
    }
    std::unique_ptr<Branch> branch;
    if (list.depth == 1 || list.depth == 2) {
      branch = with_type(list.element, [&](auto zero) -> std::unique_ptr<Branch> {
        using T = decltype(zero);
        if (list.depth == 2) return std::make_unique<NestedBranch<T>>(*tree_, found->GetName(), type);
        return std::make_unique<VectorBranch<T>>(*tree_, found->GetName());
      });
    } else if (type.empty() && found->GetListOfLeaves()->GetEntries() == 1) {
      auto* leaf = static_cast<TLeaf*>(found->GetListOfLeaves()->At(0));
      type = leaf->GetTypeName();
      if (leaf->GetLeafCount() != nullptr) tree_->AddBranchToCache(leaf->GetLeafCount()->GetBranch(), true);
      field.depth = leaf->GetLeafCount() != nullptr || leaf->GetLenStatic() > 1 ? 1 : 0;
      branch = with_type(
          type, [&](auto zero) -> std::unique_ptr<Branch> { return std::make_unique<ArrayBranch<decltype(zero)>>(*tree_, *leaf); });
    }
    if (branch == nullptr) {
      throw Error(path_ + ": branch " + name + " has the type '" + type +
                  "'; numbers, arrays and std::vectors of them, and vectors of such vectors can be read");
    }
    return remember(field, found, std::move(branch));
  }
  EntryField remember(EntryField field, TBranch* of, std::shared_ptr<Branch> branch) {
    branches_.emplace_back(of, std::move(branch));
    fields_.push_back(field);
    return field;
  }

  void read_entry(std::size_t entry, std::vector<EntryValues>& values) override {
    const auto number = static_cast<Long64_t>(entry);
    if (tree_->LoadTree(number) < 0) throw_damaged(entry);
    for (std::size_t i = 0; i < branches_.size(); ++i) {
      if (branches_[i].first->GetEntry(number) < 0) throw_damaged(entry);
      branches_[i].second->append(values[i]);
    }
  }
  std::vector<bool> selected(std::size_t entry, std::size_t clusters) override {
    return selection_ ? selection_->of(entry, clusters) : EntryReader::selected(entry, clusters);
  }

  std::unique_ptr<TFile> file_;
  TTree* tree_ = nullptr;  // the file's
  std::vector<std::pair<TBranch*, std::shared_ptr<Branch>>> branches_;
  std::vector<EntryField> fields_;
  std::optional<Selection> selection_;
};

class NTupleReader : public EntryReader {
 public:
  NTupleReader(const std::string& path, const std::string& name, const ClusterColumns& columns) : EntryReader(path, columns) {
    try {
      reader_ = ROOT::RNTupleReader::Open(name, path);
    } catch (const std::exception&) {
      throw Error(path + ": its RNTuple " + name + " cannot be read; is the file damaged?");
    }
    if (!columns.select.empty()) throw Error(path + ": --select is of TTrees, and " + name + " is an RNTuple; leave it out");
    open_fields([&](const std::string& field) { return open(field); });
    entries_ = static_cast<std::size_t>(reader_->GetNEntries());
  }

 private:
  using Append = std::function<void(std::size_t entry, EntryValues& to)>;
  using Collection = ROOT::RNTupleCollectionView;
  // What a collection's elements are called.
  static constexpr const char* kElement = "_0";

  template <class T>
  Append nested(const std::string& name) {
    auto lists = std::make_shared<Collection>(reader_->GetCollectionView(name));
    auto list = std::make_shared<Collection>(lists->GetCollectionView(kElement));
    auto values = std::make_shared<ROOT::RNTupleView<T>>(list->template GetView<T>(kElement));
    return [lists, list, values](std::size_t entry, EntryValues& to) {
      for (const auto i : lists->GetCollectionRange(entry)) {
        for (const auto k : list->GetCollectionRange(i)) to.values.push_back(number((*values)(k)));
        to.ends.push_back(to.values.size());
      }
    };
  }
  template <class T>
  Append vector(const std::string& name) {
    auto list = std::make_shared<Collection>(reader_->GetCollectionView(name));
    auto values = std::make_shared<ROOT::RNTupleView<T>>(list->template GetView<T>(kElement));
    return [list, values](std::size_t entry, EntryValues& to) {
      for (const auto i : list->GetCollectionRange(entry)) to.values.push_back(number((*values)(i)));
    };
  }
  template <class T>
  Append single(const std::string& name) {
    auto value = std::make_shared<ROOT::RNTupleView<T>>(reader_->GetView<T>(name));
    return [value](std::size_t entry, EntryValues& to) { to.values.push_back(number((*value)(entry))); };
  }

  EntryField open(const std::string& name) {
    const auto& descriptor = reader_->GetDescriptor();
    const auto id = descriptor.FindFieldId(name);
    if (id == ROOT::kInvalidDescriptorId) {
      std::vector<std::string> names;
      for (const auto& field : descriptor.GetTopLevelFields()) names.push_back(field.GetFieldName());
      throw Error(path_ + ": RNTuple " + descriptor.GetName() + " has no field " + name + "; it has " + listed(names));
    }
    const std::string type = descriptor.GetFieldDescriptor(id).GetTypeName();
    const ListType list = list_type(type);
    const Append append = with_type(list.element, [&](auto zero) -> Append {
      using T = decltype(zero);
      if (list.depth > 2) return nullptr;
      return list.depth == 2 ? nested<T>(name) : list.depth == 1 ? vector<T>(name) : single<T>(name);
    });
    if (!append) {
      throw Error(path_ + ": field " + name + " has the type '" + type +
                  "'; numbers, std::vectors of them, and vectors of such vectors can be read");
    }
    fields_.push_back(append);
    return {name, list.depth};
  }

  void read_entry(std::size_t entry, std::vector<EntryValues>& values) override {
    try {
      for (std::size_t i = 0; i < fields_.size(); ++i) fields_[i](entry, values[i]);
    } catch (const std::exception&) {
      throw_damaged(entry);
    }
  }

  std::unique_ptr<ROOT::RNTupleReader> reader_;
  std::vector<Append> fields_;
};

class TreeWriter : public ClusterWriter {
 public:
  TreeWriter(std::string path, ClusterColumns columns) : partial_(std::move(path)), columns_(std::move(columns)) {
    silence();
    file_.reset(TFile::Open(partial_.name().c_str(), "RECREATE"));
    partial_.opened(file_ && !file_->IsZombie());
    tree_ = new TTree(columns_.tree.empty() ? "clusters" : columns_.tree.c_str(), "clusters");  // the file's
    values_.resize(columns_.features.size());
    for (std::size_t i = 0; i < values_.size(); ++i) tree_->Branch(columns_.branch(columns_.features[i]).c_str(), &values_[i]);
    if (!columns_.target.empty()) tree_->Branch(columns_.branch(columns_.target).c_str(), &target_);
  }
  void write(const Clusters& clusters) override {
    for (std::size_t c = 0; c < clusters.size(); ++c) {
      for (std::size_t k = 0; k < values_.size(); ++k) {
        const auto from = clusters.cells[k].begin();
        values_[k].assign(from + static_cast<std::ptrdiff_t>(clusters.starts[c]),
                          from + static_cast<std::ptrdiff_t>(clusters.starts[c + 1]));
      }
      if (!columns_.target.empty()) target_ = static_cast<float>(clusters.target[c]);
      if (tree_->Fill() < 0) throw partial_.failed();
    }
  }
  void commit() override {
    if (file_->Write() <= 0 || file_->TestBit(TFile::kWriteError)) throw partial_.failed();
    file_->Close();
    file_.reset();
    partial_.commit();
  }

 private:
  PartialFile partial_;  // removed when file_ is closed
  ClusterColumns columns_;
  std::unique_ptr<TFile> file_;
  TTree* tree_ = nullptr;
  std::vector<std::vector<float>> values_;
  float target_ = 0;
};

std::unique_ptr<ClusterReader> open_file(const std::string& path, const ClusterColumns& columns) {
  std::unique_ptr<TFile> file = open_to_read(path);
  const TreeName tree = find_tree(path, *file, columns.tree);
  if (tree.ntuple) return std::make_unique<NTupleReader>(path, tree.name, columns);
  return std::make_unique<TreeReader>(path, std::move(file), tree.name, columns);
}

std::unique_ptr<ClusterWriter> create_file(const std::string& path, const ClusterColumns& columns) {
  return std::make_unique<TreeWriter>(path, columns);
}

}  // namespace
}  // namespace narrow

extern "C" const narrow::RootFunctions narrow_root_functions = {narrow::open_file, narrow::create_file};
