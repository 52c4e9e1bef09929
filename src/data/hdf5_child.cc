#include "data/hdf5_child.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <type_traits>
#include <utility>

#include "error.h"

namespace narrow {
namespace {

enum class Answer : std::uint8_t { kResult, kError };

constexpr std::size_t kPiece = std::size_t{1} << 26;  // bytes of values
// What one answer, or one piece of values, may take beyond that.
constexpr rlim_t kSeconds = 5;  // of the processor
constexpr std::size_t kBytesPerSecond = 10'000'000;
constexpr std::size_t kMemory = std::size_t{1} << 30;
constexpr std::size_t kLongestText = std::size_t{1} << 31;

// The other end of the socket is closed, or answers what is no answer.
struct Closed {};

constexpr int kNoMemory = 3;  // the other process's exit status where it has not the memory that it needs

void close_all_from(int first) {
  if (close_range(static_cast<unsigned>(first), ~0U, 0) == 0) return;
  // Linux before 5.9 has no such call.
  std::vector<int> open;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end; !error && entry != end; entry.increment(error)) {
    open.push_back(std::atoi(entry->path().filename().c_str()));
  }
  if (open.empty()) {
    constexpr long kMost = 65536;
    for (int each = first; each < std::min(kMost, sysconf(_SC_OPEN_MAX)); ++each) open.push_back(each);
  }
  for (const int each : open) {
    if (each >= first) close(each);
  }
}

// Ends the process, which may have ended by itself, and says how it did; 0 where that is not known.
int end_of(pid_t child) {
  int status = 0;
  pid_t ended = waitpid(child, &status, WNOHANG);
  if (ended == 0) {
    // A process that is ending keeps its own status.
    kill(child, SIGKILL);
    do ended = waitpid(child, &status, 0);
    while (ended < 0 && errno == EINTR);
  }
  // Where the caller ignores SIGCHLD there is nothing to wait for, and the number may be another process's.
  return ended == child ? status : 0;
}

void limit(int resource, rlim_t most) {
  rlimit limits{};
  getrlimit(static_cast<__rlimit_resource>(resource), &limits);
  limits.rlim_cur = std::min(most, limits.rlim_max);
  setrlimit(static_cast<__rlimit_resource>(resource), &limits);
}

// For the next answer, with so many bytes of values, from what is used so far (to which the sanitizers' terabytes of addresses count).
void allow(std::size_t values) {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  limit(RLIMIT_CPU, static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + kSeconds + values / kBytesPerSecond);
  std::size_t pages[6] = {};  // size, resident, shared, text, library, data
  std::ifstream statm("/proc/self/statm");
  for (std::size_t& number : pages) statm >> number;
  if (statm) limit(RLIMIT_DATA, pages[5] * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + kMemory + 4 * values);
}

}  // namespace

enum class Hdf5Child::Request : std::uint8_t { kHas, kHasAttribute, kChildren, kShape, kIsWide, kFloats, kDoubles, kAttributes };

// One end of the socket.
struct Hdf5Child::Channel {
  int socket;
  explicit Channel(int end) : socket(end) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() { close(socket); }

  void put(const void* data, std::size_t size) const {
    const char* at = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t sent = send(socket, at, size, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) throw Closed();
      at += sent;
      size -= static_cast<std::size_t>(sent);
    }
  }
  void get(void* data, std::size_t size) const {
    char* at = static_cast<char*>(data);
    while (size > 0) {
      const ssize_t received = recv(socket, at, size, 0);
      if (received < 0 && errno == EINTR) continue;
      if (received <= 0) throw Closed();
      at += received;
      size -= static_cast<std::size_t>(received);
    }
  }

  template <class T>
  void put(const T& value) const {
    if constexpr (std::is_same_v<T, std::string>) {
      put<std::uint64_t>(value.size());
      put(value.data(), value.size());
    } else if constexpr (requires { value.begin(); }) {
      put<std::uint64_t>(value.size());
      for (const auto& each : value) put(each);
    } else {
      put(&value, sizeof value);
    }
  }
  template <class T>
  T get() const {
    if constexpr (std::is_same_v<T, std::string>) {
      const auto size = get<std::uint64_t>();
      if (size > kLongestText) throw Closed();
      std::string text(size, '\0');
      get(text.data(), size);
      return text;
    } else if constexpr (requires(T list) { list.begin(); }) {
      T list;
      for (auto count = get<std::uint64_t>(); count > 0; --count) list.push_back(get<typename T::value_type>());
      return list;
    } else {
      T value;
      get(&value, sizeof value);
      return value;
    }
  }

  // A result, or the Error that `compute` ends in, and then false.
  template <class Compute>
  bool answer(const Compute& compute) const {
    try {
      const auto result = compute();
      put(Answer::kResult);
      put(result);
      return true;
    } catch (const Error& error) {
      put(Answer::kError);
      put(std::string(error.what()));
      return false;
    }
  }
  void expect_result() const {
    if (get<Answer>() == Answer::kError) throw Error(get<std::string>());
  }

  template <class T>
  void answer_rows(const Hdf5File& file, const std::string& dataset, hsize_t first, hsize_t rows) const {
    std::vector<hsize_t> shape;
    hsize_t together = 1;
    const bool known = answer([&] {
      shape = file.shape_of_rows(dataset, first, rows);
      together = file.rows_of_chunk(dataset);
      return shape;
    });
    if (!known) return;
    const hsize_t values = count_of(shape);
    const hsize_t count = shape.empty() ? 1 : shape.front();
    for (hsize_t row = 0; row < count && values > 0;) {
      const hsize_t row_bytes = values / count * sizeof(T);
      hsize_t piece = std::max(together, kPiece / row_bytes / together * together);
      piece = std::min(piece - (first + row) % together, count - row);  // to the end of a chunk
      allow(piece * row_bytes);
      std::vector<T> read;
      const bool is_read = answer([&] {
        const hsize_t from = shape.empty() ? 0 : first + row;
        if constexpr (std::is_same_v<T, float>) read = file.read_floats(dataset, from, shape.empty() ? HSIZE_UNDEF : piece).values;
        else read = file.read_doubles(dataset, from, shape.empty() ? HSIZE_UNDEF : piece).values;
        return static_cast<std::uint64_t>(read.size());
      });
      if (!is_read) return;
      put(read.data(), read.size() * sizeof(T));
      row += piece;
    }
  }

  // Until the other end closes.
  [[noreturn]] void serve(const std::function<std::unique_ptr<Hdf5File>()>& open) const {
    allow(0);
    std::unique_ptr<Hdf5File> file;
    answer([&] {
      file = open();
      return true;
    });
    while (file) {
      const auto request = get<Request>();
      const auto object = get<std::string>();
      const auto attribute = get<std::string>();
      const auto first = get<hsize_t>();
      const auto rows = get<hsize_t>();
      allow(0);
      switch (request) {
        case Request::kHas: answer([&] { return file->has(object); }); break;
        case Request::kHasAttribute: answer([&] { return file->has_attribute(object, attribute); }); break;
        case Request::kChildren: answer([&] { return file->children(object); }); break;
        case Request::kShape: answer([&] { return file->shape(object); }); break;
        case Request::kIsWide: answer([&] { return file->is_wide(object); }); break;
        case Request::kFloats: answer_rows<float>(*file, object, first, rows); break;
        case Request::kDoubles: answer_rows<double>(*file, object, first, rows); break;
        case Request::kAttributes: answer([&] { return file->attributes(object, attribute); }); break;
      }
    }
    throw Closed();
  }

  void ask(Request request, const std::string& object, const std::string& attribute, hsize_t first, hsize_t rows) const {
    put(request);
    put(object);
    put(attribute);
    put(first);
    put(rows);
  }
  template <class T>
  T result() const {
    expect_result();
    return get<T>();
  }
};

Hdf5Child::Hdf5Child(std::string name, const std::function<std::unique_ptr<Hdf5File>()>& open) : name_(std::move(name)) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw Error(name_ + ": no socket for reading it: " + std::strerror(errno));
  channel_ = std::make_unique<Channel>(ends[0]);
  child_ = fork();
  if (child_ == 0) {
    try {
      // Nothing of the parent's is kept open, locks least of all; and what interrupts the parent lets it finish what it does.
      constexpr int kSocket = 3;
      dup2(ends[1], kSocket);
      close_all_from(kSocket + 1);
      std::signal(SIGINT, SIG_IGN);
      for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) std::signal(fault, SIG_DFL);
      limit(RLIMIT_CORE, 0);
      const auto* const channel = new Channel(kSocket);  // closed by the end of the process alone, which then has its status
      channel->serve(open);
    } catch (const std::bad_alloc&) {
      _exit(kNoMemory);
    } catch (...) {  // closed
    }
    _exit(0);
  }
  close(ends[1]);
  if (child_ < 0) throw Error(name_ + ": no process for reading it: " + std::strerror(errno));
  try {
    channel_->result<bool>();
  } catch (const Closed&) {
    gone("");
  } catch (...) {
    end_of(std::exchange(child_, -1));
    throw;
  }
}

Hdf5Child::~Hdf5Child() {
  channel_.reset();
  if (child_ > 0) end_of(child_);
}

void Hdf5Child::gone(const std::string& what) const {
  const pid_t child = std::exchange(child_, -1);
  const int status = child > 0 ? end_of(child) : 0;
  const std::string where = what.empty() ? name_ : name_ + ": " + what;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
    throw Error(where + " cannot be read: HDF5 does not come to an end; the file is damaged");
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoMemory) {
    throw Error(where + " cannot be read: it needs more memory than there is, or than reading it should (1 GB beside its values)");
  }
  const std::string how = WIFSIGNALED(status) ? std::string(" (") + strsignal(WTERMSIG(status)) + ")" : "";
  throw Error(where + " cannot be read: HDF5 crashed" + how + "; the file is damaged");
}

template <class T>
T Hdf5Child::ask(const std::string& what, Request request, const std::string& object, const std::string& attribute) const {
  try {
    channel_->ask(request, object, attribute, 0, 0);
    return channel_->result<T>();
  } catch (const Closed&) {
    gone(what);
  }
}

bool Hdf5Child::has(const std::string& object) const { return ask<bool>(object, Request::kHas, object); }
bool Hdf5Child::has_attribute(const std::string& object, const std::string& attribute) const {
  return ask<bool>("the attribute " + attribute + " of " + object, Request::kHasAttribute, object, attribute);
}
std::vector<std::string> Hdf5Child::children(const std::string& group) const {
  return ask<std::vector<std::string>>(group, Request::kChildren, group);
}
std::vector<hsize_t> Hdf5Child::shape(const std::string& dataset) const {
  return ask<std::vector<hsize_t>>(dataset, Request::kShape, dataset);
}
bool Hdf5Child::is_wide(const std::string& dataset) const { return ask<bool>(dataset, Request::kIsWide, dataset); }
std::vector<std::string> Hdf5Child::attributes(const std::string& object, const std::string& attribute) const {
  return ask<std::vector<std::string>>("the attribute " + attribute + " of " + object, Request::kAttributes, object, attribute);
}

template <class T>
Hdf5Array<T> Hdf5Child::read_rows(Request request, const std::string& dataset, hsize_t first, hsize_t rows) const {
  try {
    channel_->ask(request, dataset, "", first, rows);
    Hdf5Array<T> array{channel_->result<std::vector<hsize_t>>(), {}};
    array.values.resize(count_of(array.shape));
    for (std::size_t at = 0; at < array.values.size();) {
      const auto piece = channel_->result<std::uint64_t>();
      if (piece == 0 || piece > array.values.size() - at) throw Closed();
      channel_->get(array.values.data() + at, piece * sizeof(T));
      at += piece;
    }
    return array;
  } catch (const Closed&) {
    gone(dataset);
  }
}
Hdf5Array<float> Hdf5Child::read_floats(const std::string& dataset, hsize_t first, hsize_t rows) const {
  return read_rows<float>(Request::kFloats, dataset, first, rows);
}
Hdf5Array<double> Hdf5Child::read_doubles(const std::string& dataset, hsize_t first, hsize_t rows) const {
  return read_rows<double>(Request::kDoubles, dataset, first, rows);
}

}  // namespace narrow
