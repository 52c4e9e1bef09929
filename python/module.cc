// What the package `narrow` is made of: Model and FixedModel as C++ has them, on arrays that Python has brought into shape.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <oneapi/tbb/global_control.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "error.h"
#include "files/model_file.h"
#include "fixed/cast.h"
#include "hls4ml/graph.h"
#include "model/inference.h"
#include "precision/precision.h"
#include "precision/words.h"
#include "search/findings.h"
#include "search/profile_json.h"
#include "search/tensor_profile.h"
#include "study/store.h"
#include "study/trace.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace narrow {
namespace {

// The values of all inputs of a sample side by side, one sample behind the other.
using Samples = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;

std::span<const float> values_of(const Samples& x) { return {x.data(), x.size()}; }

std::size_t count_of(const Samples& x) {
  if (x.ndim() == 0) throw Error("x: it should hold one sample or more");
  return x.shape(0);
}

// The vector's own memory as an array of NumPy.
template <class T>
nb::ndarray<nb::numpy, T> array_of(std::vector<T>&& values, std::size_t n, const Shape& shape) {
  std::vector<std::size_t> sizes{n};
  for (const int size : shape) sizes.push_back(static_cast<std::size_t>(size));
  auto kept = std::make_unique<std::vector<T>>(std::move(values));
  T* data = kept->data();
  nb::capsule owner(kept.get(), [](void* held) noexcept { delete static_cast<std::vector<T>*>(held); });
  kept.release();
  return nb::ndarray<nb::numpy, T>(data, sizes.size(), sizes.data(), owner);
}

// Of a prediction: of one output its own, of several their values side by side.
Shape prediction_shape(const Model& model) {
  if (model.outputs.size() == 1) return model.layers[static_cast<std::size_t>(model.outputs.front())].shape;
  return {static_cast<int>(model.output_size())};
}

// Throws Error where a value is NaN or infinite.
void require_finite(const Model& model, std::span<const float> x) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  const auto is_finite = [](float value) { return (std::bit_cast<std::uint32_t>(value) & kExponent) != kExponent; };
  bool finite = true;
  for (const float value : x) finite &= is_finite(value);
  if (finite) return;
  const auto bad = static_cast<std::size_t>(std::find_if_not(x.begin(), x.end(), is_finite) - x.begin());
  throw Error("x: sample " + std::to_string(bad / model.input_size()) + " holds " + (x[bad] != x[bad] ? "NaN" : "an infinite value") +
              " (samples count from 0); every value must be finite");
}

// run(first, count) for consecutive samples without Python's lock, in blocks of some 0.1 s, between which Ctrl-C is heard.
template <class Run>
void in_blocks(std::size_t n, const Run& run) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kLong = std::chrono::milliseconds(50);
  std::size_t block = 1024;
  for (std::size_t first = 0; first < n;) {
    const std::size_t count = std::min(block, n - first);
    {
      const nb::gil_scoped_release released;
      const auto start = Clock::now();
      run(first, count);
      if (Clock::now() - start < kLong) block *= 2;
    }
    first += count;
    if (first < n && PyErr_CheckSignals() != 0) throw nb::python_error();
  }
}

template <class T>
void append(std::vector<T>& to, std::vector<T>&& from, std::size_t whole) {
  if (to.empty() && from.size() == whole) {
    to = std::move(from);
    return;
  }
  to.reserve(whole);
  to.insert(to.end(), from.begin(), from.end());
}

// Layers with their arrays, in the network's order.
template <class T>
nb::dict dict_of(const Model& model, std::vector<std::vector<T>>&& layers, std::size_t n) {
  nb::dict dict;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    dict[nb::str(layer.name.c_str(), layer.name.size())] = array_of(std::move(layers[i]), n, layer.shape);
  }
  return dict;
}

nb::list shapes_of(const Model& model, const std::vector<int>& layers) {
  nb::list list;
  for (const int i : layers) {
    const Layer& layer = model.layers[static_cast<std::size_t>(i)];
    nb::list shape;
    for (const int size : layer.shape) shape.append(size);
    list.append(nb::make_tuple(layer.name, nb::tuple(shape)));
  }
  return list;
}

// A program with its engines: one for predictions, and one each for counts and traces, which are built when they are needed.
class FixedModel {
 public:
  explicit FixedModel(Resolved resolved) : program_(build_program(std::move(resolved))), engine_(program_, {.counting = Counting::kNone}) {}

  const Program& program() const { return program_; }
  const Model& model() const { return program_.model(); }
  const Engine& engine() const { return engine_; }

  nb::ndarray<nb::numpy, double> predict(const Samples& x) const {
    const std::size_t n = check(x);
    const std::span<const float> values = values_of(x);
    std::vector<double> predictions;
    in_blocks(n, [&](std::size_t first, std::size_t count) {
      append(predictions, std::move(engine_.run(part(values, first, count), count).run.predictions), n * model().output_size());
    });
    return array_of(std::move(predictions), n, prediction_shape(model()));
  }

  nb::dict trace(const Samples& x) {
    const std::size_t n = check(x);
    const std::span<const float> values = values_of(x);
    std::vector<std::vector<double>> layers(model().layers.size());
    in_blocks(n, [&](std::size_t first, std::size_t count) {
      const Engine& engine = built(tracing_, {.counting = Counting::kNone, .dedup = false, .fuse = false});
      std::vector<std::vector<double>> block = engine.trace(part(values, first, count), count).run.trace;
      for (std::size_t i = 0; i < layers.size(); ++i) append(layers[i], std::move(block[i]), n * size_of(model().layers[i].shape));
    });
    return dict_of(model(), std::move(layers), n);
  }

  nb::dict counts(const Samples& x) {
    const std::size_t n = check(x);
    const std::span<const float> values = values_of(x);
    std::vector<LayerCounts> counts(model().layers.size());
    in_blocks(n, [&](std::size_t first, std::size_t count) {
      const Engine& engine = built(counting_, {.counting = Counting::kAll});
      const EngineResult result = engine.run(part(values, first, count), count);
      for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += result.run.counts[i];
    });
    nb::dict dict;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      nb::dict layer;
      layer["values"] = counts[i].values;
      layer["overflows"] = counts[i].overflows;
      layer["sum_overflows"] = counts[i].accum_overflows;
      layer["zeros"] = counts[i].zeros;
      std::uint64_t weights = 0, overflows = 0, zeros = 0;
      for (const auto& [type, each] : program_.steps[i].weights) {
        weights += each->raw.size();
        overflows += each->overflows;
        zeros += each->zeros;
      }
      layer["weights"] = weights;
      layer["weight_overflows"] = overflows;
      layer["weight_zeros"] = zeros;
      const std::string& name = model().layers[i].name;
      dict[nb::str(name.c_str(), name.size())] = layer;
    }
    return dict;
  }

 private:
  std::size_t check(const Samples& x) const {
    check_samples(program_, x.size(), count_of(x));
    require_finite(model(), values_of(x));
    return count_of(x);
  }
  std::span<const float> part(std::span<const float> x, std::size_t first, std::size_t count) const {
    return x.subspan(first * model().input_size(), count * model().input_size());
  }
  // Called without Python's lock.
  const Engine& built(std::optional<Engine>& engine, const EngineOptions& options) {
    const std::lock_guard lock(building_);
    if (!engine) engine.emplace(program_, options);
    return *engine;
  }

  Program program_;
  Engine engine_;
  std::mutex building_;
  std::optional<Engine> tracing_, counting_;
};

// A network as it was trained.
class FloatModel {
 public:
  explicit FloatModel(Model model) : model_(std::move(model)) {}

  const Model& model() const { return model_; }

  nb::ndarray<nb::numpy, float> predict(const Samples& x) const {
    const std::size_t n = check(x);
    std::vector<float> predictions;
    in_blocks(n, [&](std::size_t first, std::size_t count) {
      append(predictions, infer(model_, part(x, first, count), count), n * model_.output_size());
    });
    return array_of(std::move(predictions), n, prediction_shape(model_));
  }

  nb::dict trace(const Samples& x) const {
    const std::size_t n = check(x);
    std::vector<std::vector<float>> layers(model_.layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i) layers[i].resize(n * size_of(model_.layers[i].shape));
    in_blocks(n, [&](std::size_t first, std::size_t count) {
      infer(model_, part(x, first, count), count,
            [&](std::size_t start, std::size_t samples, std::size_t layer, std::span<const float> values) {
              std::copy(values.begin(), values.end(), layers[layer].data() + (first + start) * (values.size() / samples));
            });
    });
    return dict_of(model_, std::move(layers), n);
  }

  // JSON of the float values and, with types, of what these do; `fixed` is a model of this one.
  std::string profile(const Samples& x, const FixedModel* fixed) const {
    const std::size_t n = check(x);
    if (n == 0) throw Error("x: it should hold one sample or more");
    TensorProfiler profiler(model_, fixed != nullptr ? std::optional(fixed->program().resolved) : std::nullopt);
    // Sums of squares depend in their last digits on where blocks end: they are the command's.
    constexpr std::size_t kBlock = 1 << 14;
    const auto in_the_commands_blocks = [&](const auto& add) {
      for (std::size_t first = 0; first < n; first += kBlock) {
        const std::size_t count = std::min(kBlock, n - first);
        {
          const nb::gil_scoped_release released;
          add(part(x, first, count), count);
        }
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
      }
    };
    in_the_commands_blocks([&](std::span<const float> block, std::size_t count) { profiler.add(block, count); });
    in_the_commands_blocks([&](std::span<const float> block, std::size_t count) { profiler.add_again(block, count); });
    const nb::gil_scoped_release released;
    const std::vector<TensorProfile> tensors = profiler.tensors();
    const std::vector<Finding> found = fixed != nullptr ? findings(tensors) : std::vector<Finding>();
    return profile_json(model_, n, tensors, found, fixed != nullptr);
  }

  std::shared_ptr<FixedModel> fixed(const PrecisionWords& words) const {
    const nb::gil_scoped_release released;
    const PrecisionOptions options = parse_words(words, "");
    Resolved resolved = resolve(model_, make_config(model_, options));
    const std::vector<std::string> notes = notes_on(words, options, "");
    resolved.notes.insert(resolved.notes.begin(), notes.begin(), notes.end());
    return std::make_shared<FixedModel>(std::move(resolved));
  }

  std::shared_ptr<FixedModel> configured(const std::string& text, const std::string& name) const {
    const nb::gil_scoped_release released;
    return std::make_shared<FixedModel>(resolve(model_, parse_config(text, name, model_)));
  }

 private:
  std::size_t check(const Samples& x) const {
    const std::size_t n = count_of(x);
    if (x.size() != n * model_.input_size()) throw Error("x: a sample has " + std::to_string(model_.input_size()) + " values");
    require_finite(model_, values_of(x));
    return n;
  }
  std::span<const float> part(const Samples& x, std::size_t first, std::size_t count) const {
    return values_of(x).subspan(first * model_.input_size(), count * model_.input_size());
  }

  Model model_;
};

// Samples of float64, which hls4ml's program takes into the input's type as they are, as float32 that become the same raws. Throws Error
// where float32 does not hold them.
nb::ndarray<nb::numpy, float> singles_of(const FixedModel& fixed, const nb::ndarray<const double, nb::c_contig, nb::device::cpu>& x) {
  const Model& model = fixed.model();
  if (x.ndim() == 0 || x.size() != x.shape(0) * model.input_size())
    throw Error("x: a sample has " + std::to_string(model.input_size()) + " values");
  const std::size_t n = x.shape(0);
  std::vector<float> singles(x.size());
  {
    const nb::gil_scoped_release released;
    std::size_t offset = 0;
    for (const int input : model.inputs()) {
      const Format& format = fixed.program().format(static_cast<std::size_t>(input));
      const std::size_t size = size_of(model.layers[static_cast<std::size_t>(input)].shape);
      for (std::size_t i = 0; i < n * size; ++i) {
        const std::size_t at = i / size * model.input_size() + offset + i % size;
        const double value = x.data()[at];
        singles[at] = static_cast<float>(value);
        if (static_cast<double>(singles[at]) == value) continue;
        if (!(std::abs(value) <= std::numeric_limits<double>::max())) {
          throw Error("x: sample " + std::to_string(at / model.input_size()) + " holds " + (value != value ? "NaN" : "an infinite value") +
                      " (samples count from 0); every value must be finite");
        }
        const double typed = to_double(cast(value, format).raw, format.fraction());
        singles[at] = static_cast<float>(typed);
        if (static_cast<double>(singles[at]) != typed) {
          throw Error("x: sample " + std::to_string(at / model.input_size()) + " holds " + std::to_string(value) +
                      ", which is no float32, and of which the input's type " + to_string(format) +
                      " keeps more bits than float32 has; give x as float32");
        }
      }
      offset += size;
    }
  }
  return array_of(std::move(singles), n, {static_cast<int>(model.input_size())});
}

Numbers numbers_of(nb::handle array) {
  nb::ndarray<nb::c_contig, nb::device::cpu> any;
  if (!nb::try_cast(array, any)) throw Error("an array of the graph is not C-contiguous");
  if (any.dtype() == nb::dtype<float>()) {
    const auto* data = static_cast<const float*>(any.data());
    return std::vector<float>(data, data + any.size());
  }
  if (any.dtype() != nb::dtype<double>()) throw Error("an array of the graph is neither float32 nor float64");
  const auto* data = static_cast<const double*>(any.data());
  return Numbers(std::vector<double>(data, data + any.size()));
}

std::shared_ptr<FixedModel> from_graph(const std::string& name, const nb::list& layers, const std::vector<std::string>& outputs,
                                       bool parallel) {
  std::vector<GraphLayer> graph;
  for (const nb::handle each : layers) {
    const auto layer = nb::cast<nb::dict>(each);
    GraphLayer made{nb::cast<std::string>(layer["name"]),
                    nb::cast<std::string>(layer["kind"]),
                    nb::cast<std::vector<std::string>>(layer["inputs"]),
                    nb::cast<Shape>(layer["shape"]),
                    nb::cast<std::map<std::string, std::string>>(layer["types"]),
                    nb::cast<std::map<std::string, std::vector<int>>>(layer["numbers"]),
                    nb::cast<std::map<std::string, double>>(layer["reals"]),
                    nb::cast<std::map<std::string, std::string>>(layer["words"]),
                    {}};
    for (const nb::handle array : nb::cast<nb::list>(layer["arrays"])) made.arrays.push_back(numbers_of(array));
    graph.push_back(std::move(made));
  }
  const nb::gil_scoped_release released;
  return std::make_shared<FixedModel>(read_graph(name, graph, outputs, parallel));
}

std::shared_ptr<FloatModel> load(const std::string& path) {
  const nb::gil_scoped_release released;
  // HDF5 has no lock of its own.
  static std::mutex reading;
  const std::lock_guard lock(reading);
  return std::make_shared<FloatModel>(read_model(path));
}

// 0 for all cores.
void set_threads(std::size_t threads) {
  static std::optional<tbb::global_control> control;
  control.reset();
  if (threads > 0) control.emplace(tbb::global_control::max_allowed_parallelism, threads);
}

}  // namespace
}  // namespace narrow

NB_MODULE(_narrow, m) {
  using namespace narrow;
  nb::exception<Error>(m, "Error", PyExc_ValueError).doc() =
      "What the input is at fault for: one line that says what is wrong, where, and what would be right.";
  nb::class_<FixedModel>(m, "FixedModel")
      .def("predict", &FixedModel::predict, "x"_a)
      .def("trace", &FixedModel::trace, "x"_a, nb::sig("def trace(self, x: NDArray[numpy.float32]) -> dict[str, NDArray[numpy.float64]]"))
      .def("counts", &FixedModel::counts, "x"_a, nb::sig("def counts(self, x: NDArray[numpy.float32]) -> dict[str, dict[str, int]]"))
      .def("singles_of", &singles_of, "x"_a)
      .def_prop_ro(
          "inputs", [](const FixedModel& self) { return shapes_of(self.model(), self.model().inputs()); },
          nb::for_getter(nb::sig("def inputs(self) -> list[tuple[str, tuple[int, ...]]]")))
      .def_prop_ro(
          "outputs", [](const FixedModel& self) { return shapes_of(self.model(), self.model().outputs); },
          nb::for_getter(nb::sig("def outputs(self) -> list[tuple[str, tuple[int, ...]]]")))
      .def_prop_ro("notes", [](const FixedModel& self) { return self.program().resolved.notes; })
      .def_prop_ro("types_json", [](const FixedModel& self) { return types_json(self.program().resolved); })
      .def_prop_ro("float_layers_json", [](const FixedModel& self) { return float_layers_json(self.program().resolved); })
      .def_prop_ro("yaml", [](const FixedModel& self) { return to_yaml(self.program().resolved); })
      .def_prop_ro("kernels", [](const FixedModel& self) { return self.engine().kernels(); });
  nb::class_<FloatModel>(m, "Model")
      .def("predict", &FloatModel::predict, "x"_a)
      .def("trace", &FloatModel::trace, "x"_a, nb::sig("def trace(self, x: NDArray[numpy.float32]) -> dict[str, NDArray[numpy.float32]]"))
      .def(
          "fixed",
          [](const FloatModel& self, const std::string& v, const std::string& wb, const std::string& types, const std::string& relu,
             const std::string& maximum) {
            return self.fixed({.vector = v, .weight = wb, .types = types, .relu = relu, .maximum = maximum});
          },
          "v"_a, "wb"_a, "types"_a, "relu"_a, "maximum"_a)
      .def("profile", &FloatModel::profile, "x"_a, "fixed"_a.none())
      .def("configured", &FloatModel::configured, "text"_a, "name"_a)
      .def_prop_ro("name", [](const FloatModel& self) { return self.model().name; })
      .def_prop_ro("digest", [](const FloatModel& self) { return content_hash(self.model()); })
      .def_prop_ro(
          "inputs", [](const FloatModel& self) { return shapes_of(self.model(), self.model().inputs()); },
          nb::for_getter(nb::sig("def inputs(self) -> list[tuple[str, tuple[int, ...]]]")))
      .def_prop_ro(
          "outputs", [](const FloatModel& self) { return shapes_of(self.model(), self.model().outputs); },
          nb::for_getter(nb::sig("def outputs(self) -> list[tuple[str, tuple[int, ...]]]")))
      .def_prop_ro("notes", [](const FloatModel& self) { return self.model().notes; })
      .def_prop_ro(
          "layers",
          [](const FloatModel& self) {
            nb::list list;
            for (const Layer& layer : self.model().layers) list.append(nb::make_tuple(layer.name, layer.keras_class));
            return list;
          },
          nb::for_getter(nb::sig("def layers(self) -> list[tuple[str, str]]")));
  m.def("load", &load, "path"_a);
  m.def("from_graph", &from_graph, "name"_a, "layers"_a, "outputs"_a, "parallel"_a,
        nb::sig("def from_graph(name: str, layers: list[dict[str, object]], outputs: list[str], parallel: bool) -> FixedModel"));
  m.def("set_threads", &set_threads, "threads"_a);
  m.attr("version") = NARROW_VERSION;
}
