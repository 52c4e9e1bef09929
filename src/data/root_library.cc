// C++17, as ROOT's wheel is built.
#include <TError.h>
#include <TFile.h>
#include <TKey.h>
#include <TLeaf.h>
#include <TTree.h>
#include <ROOT/RNTupleReader.hxx>
#include <ROOT/RNTupleView.hxx>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <type_traits>

#include "data/root.h"
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

// `float` of `vector<float>`, `std::vector<float>` or `ROOT::VecOps::RVec<float>`; nothing of other names.
std::optional<std::string> element_of(const std::string& type) {
  for (const char* start : {"vector<", "std::vector<", "ROOT::VecOps::RVec<", "ROOT::RVec<"}) {
    const std::string prefix = start;
    if (type.compare(0, prefix.size(), prefix) != 0) continue;
    return type.substr(prefix.size(), type.find_first_of(",>", prefix.size()) - prefix.size());
  }
  return std::nullopt;
}

// ROOT's Char_t is a number with a sign, whatever the machine takes char for.
template <class T>
double number(T value) {
  if constexpr (std::is_same_v<T, char>) return static_cast<double>(static_cast<signed char>(value));
  else return static_cast<double>(value);
}

// What both kinds of trees share: entries in order, lengths compared.
class EntryReader : public ClusterReader {
 public:
  Clusters read(std::size_t limit) override {
    Clusters clusters;
    clusters.path = path_;
    clusters.first = next_;
    clusters.cells.resize(features_);
    const std::size_t end = limit < entries_ - next_ ? next_ + limit : entries_;
    for (; next_ < end; ++next_) {
      read_entry(next_, clusters);
      const std::size_t before = clusters.starts.back();
      const std::size_t length = clusters.cells.front().size() - before;
      bool uneven = false;
      for (const std::vector<double>& column : clusters.cells) uneven |= column.size() - before != length;
      if (uneven) {
        for (std::vector<double>& column : clusters.cells) column.resize(before);
      }
      clusters.uneven.push_back(uneven);
      clusters.starts.push_back(clusters.cells.front().size());
    }
    return clusters;
  }

 protected:
  EntryReader(std::string path, const ClusterColumns& columns)
      : path_(std::move(path)), features_(columns.features.size()), has_target_(!columns.target.empty()) {}
  virtual void read_entry(std::size_t entry, Clusters& clusters) = 0;
  void take_target(const std::vector<double>& values, std::size_t entry, Clusters& clusters) const {
    if (values.size() != 1) {
      throw Error(path_ + ": the target of cluster " + std::to_string(entry) + " is " + std::to_string(values.size()) +
                  " numbers, not one");
    }
    clusters.target.push_back(values.front());
  }
  [[noreturn]] void throw_damaged(std::size_t entry) const {
    throw Error(path_ + ": entry " + std::to_string(entry) + " cannot be read; is the file damaged?");
  }

  std::string path_;
  std::size_t features_;
  bool has_target_;
  std::size_t entries_ = 0;
  std::size_t next_ = 0;
};

// One branch of a TTree: where ROOT puts an entry's values.
class Branch {
 public:
  Branch() = default;
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;
  virtual ~Branch() = default;
  virtual void append(std::vector<double>& to) const = 0;
};

// Throws Error where ROOT would leave the values alone instead: its types must be the same.
template <class T>
void set_address(TTree& tree, const char* branch, T* address) {
  if (tree.SetBranchAddress(branch, address) < 0) {
    throw Error(std::string("branch ") + branch + " of tree " + tree.GetName() + " cannot be read as what it says it is");
  }
}

template <class T>
class VectorBranch : public Branch {
 public:
  VectorBranch(TTree& tree, const std::string& branch) { set_address(tree, branch.c_str(), &values_); }
  ~VectorBranch() override { delete values_; }
  void append(std::vector<double>& to) const override {
    for (const T value : *values_) to.push_back(number(value));
  }

 private:
  std::vector<T>* values_ = nullptr;  // ROOT makes it
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
  void append(std::vector<double>& to) const override {
    const auto count = std::min<std::size_t>(static_cast<std::size_t>(leaf_.GetLen()), size_);
    for (std::size_t i = 0; i < count; ++i) to.push_back(number(values_[i]));
  }

 private:
  TLeaf& leaf_;
  std::size_t size_ = 0;
  std::unique_ptr<T[]> values_;
};

class TreeReader : public EntryReader {
 public:
  TreeReader(const std::string& path, std::unique_ptr<TFile> file, const std::string& name, const ClusterColumns& columns)
      : EntryReader(path, columns), file_(std::move(file)) {
    tree_ = file_->Get<TTree>(name.c_str());
    if (tree_ == nullptr) throw Error(path + ": its tree " + name + " cannot be read");
    tree_->SetBranchStatus("*", false);
    for (const std::string& feature : columns.features) branches_.push_back(open(columns.branch(feature)));
    if (has_target_) target_ = open(columns.branch(columns.target));
    constexpr int kCache = 10'000'000;  // bytes
    tree_->SetCacheSize(kCache);
    tree_->AddBranchToCache("*", true);
    entries_ = static_cast<std::size_t>(tree_->GetEntries());
  }

 private:
  std::unique_ptr<Branch> open(const std::string& name) {
    TBranch* found = tree_->FindBranch(name.c_str());
    if (found == nullptr) {
      std::vector<std::string> names;
      for (const TObject* object : *tree_->GetListOfBranches()) names.emplace_back(object->GetName());
      throw Error(path_ + ": tree " + tree_->GetName() + " has no branch " + name + "; it has " + listed(names));
    }
    tree_->SetBranchStatus(found->GetName(), true);
    std::string type = found->GetClassName();
    std::unique_ptr<Branch> branch;
    if (const auto element = element_of(type)) {
      branch = with_type(*element, [&](auto zero) -> std::unique_ptr<Branch> {
        return std::make_unique<VectorBranch<decltype(zero)>>(*tree_, found->GetName());
      });
    } else if (type.empty() && found->GetListOfLeaves()->GetEntries() == 1) {
      auto* leaf = static_cast<TLeaf*>(found->GetListOfLeaves()->At(0));
      type = leaf->GetTypeName();
      if (leaf->GetLeafCount() != nullptr) tree_->SetBranchStatus(leaf->GetLeafCount()->GetBranch()->GetName(), true);
      branch = with_type(
          type, [&](auto zero) -> std::unique_ptr<Branch> { return std::make_unique<ArrayBranch<decltype(zero)>>(*tree_, *leaf); });
    }
    if (branch == nullptr) {
      throw Error(path_ + ": branch " + name + " has the type '" + type + "'; arrays and std::vectors of numbers can be read");
    }
    return branch;
  }

  void read_entry(std::size_t entry, Clusters& clusters) override {
    if (tree_->GetEntry(static_cast<Long64_t>(entry)) <= 0) throw_damaged(entry);
    for (std::size_t i = 0; i < branches_.size(); ++i) branches_[i]->append(clusters.cells[i]);
    if (!has_target_) return;
    values_.clear();
    target_->append(values_);
    take_target(values_, entry, clusters);
  }

  std::unique_ptr<TFile> file_;
  TTree* tree_ = nullptr;  // the file's
  std::vector<std::unique_ptr<Branch>> branches_;
  std::unique_ptr<Branch> target_;
  std::vector<double> values_;
};

class NTupleReader : public EntryReader {
 public:
  NTupleReader(const std::string& path, const std::string& name, const ClusterColumns& columns) : EntryReader(path, columns) {
    try {
      reader_ = ROOT::RNTupleReader::Open(name, path);
    } catch (const std::exception&) {
      throw Error(path + ": its RNTuple " + name + " cannot be read; is the file damaged?");
    }
    for (const std::string& feature : columns.features) fields_.push_back(open(columns.branch(feature)));
    if (has_target_) fields_.push_back(open(columns.branch(columns.target)));
    entries_ = static_cast<std::size_t>(reader_->GetNEntries());
  }

 private:
  using Append = std::function<void(std::size_t entry, std::vector<double>& to)>;

  Append open(const std::string& name) {
    const auto& descriptor = reader_->GetDescriptor();
    const auto id = descriptor.FindFieldId(name);
    if (id == ROOT::kInvalidDescriptorId) {
      std::vector<std::string> names;
      for (const auto& field : descriptor.GetTopLevelFields()) names.push_back(field.GetFieldName());
      throw Error(path_ + ": RNTuple " + descriptor.GetName() + " has no field " + name + "; it has " + listed(names));
    }
    const std::string type = descriptor.GetFieldDescriptor(id).GetTypeName();
    Append append;
    if (const auto element = element_of(type)) {
      append = with_type(*element, [&](auto zero) -> Append {
        using T = decltype(zero);
        auto collection = std::make_shared<ROOT::RNTupleCollectionView>(reader_->GetCollectionView(name));
        auto values = std::make_shared<ROOT::RNTupleView<T>>(collection->template GetView<T>("_0"));
        return [collection, values](std::size_t entry, std::vector<double>& to) {
          for (const auto i : collection->GetCollectionRange(entry)) to.push_back(number((*values)(i)));
        };
      });
    } else {
      append = with_type(type, [&](auto zero) -> Append {
        auto value = std::make_shared<ROOT::RNTupleView<decltype(zero)>>(reader_->GetView<decltype(zero)>(name));
        return [value](std::size_t entry, std::vector<double>& to) { to.push_back(number((*value)(entry))); };
      });
    }
    if (!append) throw Error(path_ + ": field " + name + " has the type '" + type + "'; numbers and std::vectors of numbers can be read");
    return append;
  }

  void read_entry(std::size_t entry, Clusters& clusters) override {
    std::vector<double> target;
    try {
      for (std::size_t i = 0; i < features_; ++i) fields_[i](entry, clusters.cells[i]);
      if (has_target_) fields_.back()(entry, target);
    } catch (const std::exception&) {
      throw_damaged(entry);
    }
    if (has_target_) take_target(target, entry, clusters);
  }

  std::unique_ptr<ROOT::RNTupleReader> reader_;
  std::vector<Append> fields_;
};

class TreeWriter : public ClusterWriter {
 public:
  TreeWriter(std::string path, ClusterColumns columns) : path_(std::move(path)), columns_(std::move(columns)) {
    silence();
    file_.reset(TFile::Open((path_ + ".partial").c_str(), "RECREATE"));
    if (!file_ || file_->IsZombie())
      throw Error(path_ + ": it cannot be written; does its folder exist, and do you have permission to write there?");
    tree_ = new TTree(columns_.tree.empty() ? "clusters" : columns_.tree.c_str(), "clusters");  // the file's
    values_.resize(columns_.features.size());
    for (std::size_t i = 0; i < values_.size(); ++i) tree_->Branch(columns_.branch(columns_.features[i]).c_str(), &values_[i]);
    if (!columns_.target.empty()) tree_->Branch(columns_.branch(columns_.target).c_str(), &target_);
  }
  ~TreeWriter() override {
    if (!file_) return;
    file_.reset();
    std::error_code ignored;
    std::filesystem::remove(path_ + ".partial", ignored);
  }
  void write(const Clusters& clusters) override {
    for (std::size_t c = 0; c < clusters.size(); ++c) {
      for (std::size_t k = 0; k < values_.size(); ++k) {
        const auto from = clusters.cells[k].begin();
        values_[k].assign(from + static_cast<std::ptrdiff_t>(clusters.starts[c]),
                          from + static_cast<std::ptrdiff_t>(clusters.starts[c + 1]));
      }
      if (!columns_.target.empty()) target_ = static_cast<float>(clusters.target[c]);
      if (tree_->Fill() < 0) throw failed();
    }
  }
  void commit() override {
    if (file_->Write() <= 0 || file_->TestBit(TFile::kWriteError)) throw failed();
    file_->Close();
    file_.reset();
    std::error_code error;
    std::filesystem::rename(path_ + ".partial", path_, error);
    if (error) throw Error(path_ + ": it cannot be written: " + error.message());
  }

 private:
  Error failed() const { return Error(path_ + ": writing failed; is the disk full?"); }

  std::string path_;
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
