#include "layers/convolution.h"

#include <algorithm>

#include "layers/float_kernels.h"

namespace narrow {
namespace {

std::vector<std::int64_t> wide(const std::vector<int>& values) { return {values.begin(), values.end()}; }

}  // namespace

Convolution::Convolution(Windows windows, int channels, int filters, const Numbers& kernel, const Numbers& bias, Quantizers quantizers)
    : windows_(std::move(windows)),
      channels_(channels),
      dense_(windows_.pixels() * channels, filters, kernel, bias, std::move(quantizers)) {
  assert(windows_.size.size() == windows_.strides.size());
}

std::shared_ptr<const Convolution> Convolution::with(const Numbers& kernel, const Numbers& bias, Quantizers quantizers) const {
  return std::make_shared<Convolution>(windows_, channels_, dense_.n_out, kernel, bias, std::move(quantizers));
}

std::vector<Setting> Convolution::settings() const {
  const std::vector<std::int64_t> ones(windows_.size.size(), 1);
  std::vector<Setting> settings{{"filters", std::int64_t{dense_.n_out}},
                                {"kernel_size", wide(windows_.size)},
                                {"strides", wide(windows_.strides)},
                                {"padding", std::string(name_of(windows_.padding))},
                                {"data_format", std::string("channels_last")},
                                {"dilation_rate", ones},
                                {"groups", std::int64_t{1}},
                                {"use_bias", !dense_.bias.empty()}};
  if (windows_.padding == Padding::kGiven) settings.push_back({"pads", wide(windows_.given)});
  dense_.quantizers.add_to(settings);
  return settings;
}

std::vector<ParameterArray> Convolution::parameters() const {
  std::vector<ParameterArray> arrays = dense_.parameters();
  arrays.front().shape = windows_.size;
  arrays.front().shape.insert(arrays.front().shape.end(), {channels_, dense_.n_out});
  return arrays;
}

Shape Convolution::shape(const std::vector<Shape>& inputs) const {
  Shape shape = windows_.shape(inputs.front(), dense_.n_out);
  if (inputs.front().back() != channels_) throw Misfit{std::to_string(channels_) + " channels, as its kernel"};
  return shape;
}

bool Convolution::pads(const Shape& input) const {
  const std::vector<WindowAxis> axes = windows_.axes(input);
  return axes[0].pads() || axes[1].pads();
}

// A run for each row of a window: its columns and channels lie side by side in both.
Gather Convolution::gather_from(const Shape& input) const {
  const std::vector<WindowAxis> axes = windows_.axes(input);
  const WindowAxis& down = axes[0];
  const WindowAxis& across = axes[1];
  Gather gather{.width = static_cast<std::size_t>(dense_.n_in), .runs = {}, .first = {0}, .pads = pads(input)};
  for (int i = 0; i < down.count; ++i) {
    for (int j = 0; j < across.count; ++j) {
      const int begin = across.begin(j);
      const int count = across.end(j) - begin;
      for (int u = down.begin(i); u < down.end(i) && count > 0; ++u) {
        const int row = i * down.stride - down.before + u;
        const int column = j * across.stride - across.before + begin;
        gather.runs.push_back({(row * across.size + column) * channels_, (u * across.window + begin) * channels_, count * channels_});
      }
      gather.first.push_back(gather.runs.size());
    }
  }
  return gather;
}

std::optional<Gather> Convolution::gather(const Place& place) const {
  // The rows of the input are the windows.
  const bool every_pixel = std::all_of(windows_.strides.begin(), windows_.strides.end(), [](int stride) { return stride == 1; });
  if (is_pointwise() && every_pixel) return std::nullopt;
  return gather_from(*place.shapes.front());
}

FloatFunction Convolution::float_function() const {
  return [this, packed = pack(dense_.n_in, dense_.n_out, dense_.float_kernel())](const FloatCall& call) {
    const Gather gather = gather_from(call.shapes.front());
    const std::size_t size = size_of(call.shapes.front());
    std::vector<float> rows(gather.rows() * gather.width);
    for (std::size_t s = 0; s < call.samples; ++s) {
      gather_rows(gather, call.inputs.front().data() + s * size, 0, gather.rows(), rows.data());
      dense_float(packed, dense_.float_bias(), rows.data(), gather.rows(), call.y.data() + s * (call.y.size() / call.samples));
    }
  };
}

OperationPtr Convolution::scaled(const Numbers& scale, const Numbers& shift, const Format* bias_type) const {
  const OperationPtr scaled = dense_.scaled(scale, shift, bias_type);
  if (scaled == nullptr) return nullptr;
  const auto& dense = static_cast<const Dense&>(*scaled);
  return with(dense.kernel_numbers(), dense.added());
}

// Value by value: not by the runs that kernels rely on.
template <class Raw>
void Convolution::compute(const ExactCall<Raw>& call) const {
  const auto channels = static_cast<std::size_t>(channels_);
  const auto width = static_cast<std::size_t>(dense_.n_in);
  std::vector<Raw> rows(call.y.size() / static_cast<std::size_t>(dense_.n_out) * width);
  const std::vector<WindowAxis> axes = windows_.axes(*call.place.shapes.front());
  for (std::size_t window = 0; window * width < rows.size(); ++window) {
    const auto across = static_cast<std::size_t>(axes[1].count);
    for_each_pixel(axes, static_cast<int>(window / across), static_cast<int>(window % across), [&](int of_window, int pixel) {
      for (std::size_t c = 0; c < channels; ++c) {
        rows[window * width + static_cast<std::size_t>(of_window) * channels + c] =
            call.x()[static_cast<std::size_t>(pixel) * channels + c];
      }
    });
  }
  dense_.compute<Raw>({call.place, call.step, {rows}, {}, call.y, call.counts});
}
template void Convolution::compute(const ExactCall<std::int64_t>&) const;
template void Convolution::compute(const ExactCall<Int128>&) const;

Interval Convolution::bounds(const Place& place, const Step& step, const std::vector<Interval>& inputs) const {
  return dense_.bounds(place, step, {pads(*place.shapes.front()) ? hull(inputs.front(), {}) : inputs.front()});
}

const Dense* matrix_of(const Layer& layer) {
  const auto* convolution = as<Convolution>(layer);
  return convolution != nullptr ? &convolution->dense() : as<Dense>(layer);
}

Quantizers quantizers_of(const Layer& layer) {
  if (const auto* convolution = as<Convolution>(layer)) return convolution->quantizers();
  const auto* dense = as<Dense>(layer);
  return dense != nullptr ? dense->quantizers : Quantizers();
}

OperationPtr with_numbers(const Layer& layer, const Numbers& kernel, const Numbers& bias, Quantizers quantizers) {
  if (const auto* convolution = as<Convolution>(layer)) return convolution->with(kernel, bias, std::move(quantizers));
  const auto* dense = as<Dense>(layer);
  return std::make_shared<Dense>(dense->n_in, dense->n_out, kernel, bias, std::move(quantizers));
}

}  // namespace narrow
