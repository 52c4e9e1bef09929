// C++17, as libtorch 1.13 needs.
#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "error.h"
#include "train/training.h"

namespace narrow {
namespace {

using torch::Tensor;

// A batch is cut into so many parts, which may be computed at the same time; their gradients are added in order. The number
// is fixed, so that results do not depend on the cores.
constexpr std::size_t kParts = 8;

// (rows, n) -> (samples, n): the sum of each sample's rows, and so many times the last row, which stands for padding.
template <class Real>
struct SegmentSum : public torch::autograd::Function<SegmentSum<Real>> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& rows, const Tensor& starts, const Tensor& padded) {
    context->save_for_backward({starts, padded});
    context->saved_data["rows"] = rows.size(0);
    const int64_t samples = starts.size(0) - 1;
    const int64_t n = rows.size(1);
    Tensor sums = torch::empty({samples, n}, rows.options());
    const auto* from = rows.data_ptr<Real>();
    const auto* begin = starts.data_ptr<int64_t>();
    const auto* times = padded.data_ptr<Real>();
    const Real* pad = from + (rows.size(0) - 1) * n;
    auto* to = sums.data_ptr<Real>();
    for (int64_t s = 0; s < samples; ++s, to += n) {
      for (int64_t j = 0; j < n; ++j) to[j] = times[s] * pad[j];
      for (int64_t r = begin[s]; r < begin[s + 1]; ++r) {
        for (int64_t j = 0; j < n; ++j) to[j] += from[r * n + j];
      }
    }
    return sums;
  }
  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context, const torch::autograd::tensor_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor gradient = gradients[0].contiguous();
    const int64_t n = gradient.size(1);
    const int64_t rows = context->saved_data["rows"].toInt();
    Tensor result = torch::empty({rows, n}, gradient.options());
    const auto* begin = saved[0].data_ptr<int64_t>();
    const auto* times = saved[1].data_ptr<Real>();
    const auto* from = gradient.data_ptr<Real>();
    auto* to = result.data_ptr<Real>();
    Real* pad = to + (rows - 1) * n;
    std::fill_n(pad, n, Real{0});
    for (int64_t s = 0; s < gradient.size(0); ++s, from += n) {
      for (int64_t r = begin[s]; r < begin[s + 1]; ++r) std::copy_n(from, n, to + r * n);
      for (int64_t j = 0; j < n; ++j) pad[j] += times[s] * from[j];
    }
    return {result, Tensor(), Tensor()};
  }
};

// A part of a batch, ready for the network.
struct Part {
  Tensor rows, starts, padded, y;
  Tensor weights;  // of each sample, (samples, 1); undefined where all are 1
};

Part gather(const TrainData& data, const std::vector<std::size_t>& order, std::size_t first, std::size_t last, bool count_padding) {
  const std::size_t samples = last - first;
  std::vector<int64_t> starts{0};
  std::vector<float> padded;
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t own = data.starts[order[i] + 1] - data.starts[order[i]];
    starts.push_back(starts.back() + static_cast<int64_t>(count_padding ? own : data.vmax));
    padded.push_back(count_padding ? static_cast<float>(data.vmax - own) : 0.F);
  }
  Part part;
  // The pad row is always the last one, if only to be multiplied by 0.
  part.rows = torch::empty({starts.back() + 1, static_cast<int64_t>(data.features)});
  part.y = torch::empty({static_cast<int64_t>(samples), static_cast<int64_t>(data.targets)});
  auto* to = part.rows.data_ptr<float>();
  auto* y = part.y.data_ptr<float>();
  const auto put_pad = [&] { to = std::copy(data.pad.begin(), data.pad.end(), to); };
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t s = order[i];
    const auto at = [&](std::size_t row) { return data.rows.begin() + static_cast<std::ptrdiff_t>(row * data.features); };
    to = std::copy(at(data.starts[s]), at(data.starts[s + 1]), to);
    if (!count_padding) {
      for (std::size_t r = data.starts[s + 1] - data.starts[s]; r < data.vmax; ++r) put_pad();
    }
    y = std::copy_n(data.y.begin() + static_cast<std::ptrdiff_t>(s * data.targets), data.targets, y);
  }
  put_pad();
  part.starts = torch::tensor(starts, torch::kInt64);
  part.padded = torch::tensor(padded);
  if (!data.weights.empty()) {
    std::vector<float> weights;
    for (std::size_t i = first; i < last; ++i) weights.push_back(data.weights[order[i]]);
    part.weights = torch::tensor(weights).unsqueeze(1);
  }
  return part;
}

Tensor activated(Nonlinearity function, Tensor x) {
  switch (function) {
    case Nonlinearity::kLinear: return x;
    case Nonlinearity::kRelu: return x.relu_();
    case Nonlinearity::kTanh: return x.tanh();
    case Nonlinearity::kSigmoid: return x.sigmoid();
    case Nonlinearity::kSoftmax: return x.softmax(1);
  }
  return {};
}

class Trainer {
 public:
  Trainer(DeepSetsWeights& network, const TrainOptions& options)
      : options_(options), network_(network), device_(options.device), type_(options.double_precision ? torch::kFloat64 : torch::kFloat32) {
    // Keeps memory of torch's own threads out of the way: parts are the parallel work.
    at::set_num_threads(1);
    for (const DenseWeights* dense : network_.all()) {
      weights_.push_back(torch::tensor(dense->kernel).reshape({dense->n_in, dense->n_out}).to(device_, type_));
      weights_.push_back(torch::tensor(dense->bias).to(device_, type_));
    }
    for (const Tensor& weight : weights_) {
      first_.push_back(torch::zeros_like(weight));
      second_.push_back(torch::zeros_like(weight));
    }
  }

  // Mean loss over all samples.
  double evaluate(const TrainData& data) const {
    torch::NoGradGuard guard;
    std::vector<std::size_t> order(data.size);
    std::iota(order.begin(), order.end(), std::size_t{0});
    const std::size_t step = part_size();
    const std::size_t parts = (data.size + step - 1) / step;
    std::vector<double> losses(parts);
    tbb::parallel_for(std::size_t{0}, parts, [&](std::size_t i) {
      torch::NoGradGuard own_guard;
      const Part part = gather(data, order, i * step, std::min(data.size, (i + 1) * step), options_.count_padding);
      losses[i] = loss_of(predict(part, weights_), part).item<double>();
    });
    return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(data.size * values_of(options_.loss, data.targets));
  }

  // One step on samples order[first] to order[last]; their summed loss.
  double step(const TrainData& data, const std::vector<std::size_t>& order, std::size_t first, std::size_t last, double learning_rate) {
    const std::size_t size = (last - first + kParts - 1) / kParts;
    std::vector<std::vector<Tensor>> gradients(kParts);
    std::vector<double> losses(kParts);
    tbb::parallel_for(std::size_t{0}, kParts, [&](std::size_t i) {
      const std::size_t begin = std::min(last, first + i * size);
      const std::size_t end = std::min(last, begin + size);
      if (begin == end) return;
      const Part part = gather(data, order, begin, end, options_.count_padding);
      std::vector<Tensor> weights;
      for (const Tensor& weight : weights_) weights.push_back(weight.detach().requires_grad_());
      const Tensor loss = loss_of(predict(part, weights), part);
      losses[i] = loss.item<double>();
      gradients[i] = torch::autograd::grad({loss}, weights);
    });
    ++steps_;
    // Keras' Adam (Kingma and Ba, end of section 2): epsilon is added after the correction has gone into the rate.
    constexpr double kBeta1 = 0.9;
    constexpr double kBeta2 = 0.999;
    constexpr double kEpsilon = 1e-7;
    const auto t = static_cast<double>(steps_);
    const double rate = learning_rate * std::sqrt(1 - std::pow(kBeta2, t)) / (1 - std::pow(kBeta1, t));
    torch::NoGradGuard guard;
    const double scale = 1.0 / static_cast<double>((last - first) * values_of(options_.loss, data.targets));
    for (std::size_t k = 0; k < weights_.size(); ++k) {
      Tensor gradient;
      for (std::size_t i = 0; i < kParts; ++i) {
        if (gradients[i].empty()) continue;
        gradient = gradient.defined() ? gradient.add_(gradients[i][k]) : gradients[i][k];
      }
      gradient.mul_(scale);
      first_[k].add_(gradient - first_[k], 1 - kBeta1);
      second_[k].add_(gradient.square() - second_[k], 1 - kBeta2);
      weights_[k].sub_(first_[k] * rate / (second_[k].sqrt() + kEpsilon));
    }
    return std::accumulate(losses.begin(), losses.end(), 0.0);
  }

  void save(TrainState& state) const {
    state.weights = arrays_of(weights_);
    state.first_moments = arrays_of(first_);
    state.second_moments = arrays_of(second_);
    state.step = steps_;
  }
  void restore(const TrainState& state) {
    for (const auto* arrays : {&state.weights, &state.first_moments, &state.second_moments, &state.best_weights}) {
      if (arrays->size() != weights_.size()) throw Error("the checkpoint is not of this network; give --restart to begin anew");
    }
    set(weights_, state.weights);
    set(first_, state.first_moments);
    set(second_, state.second_moments);
    steps_ = state.step;
  }
  // Weights into the model.
  void finish(const std::vector<std::vector<float>>& weights) const {
    std::size_t at = 0;
    for (DenseWeights* dense : network_.all()) {
      dense->kernel = weights[at++];
      dense->bias = weights[at++];
    }
  }

 private:
  std::size_t part_size() const { return std::max<std::size_t>(1, (static_cast<std::size_t>(options_.batch_size) + kParts - 1) / kParts); }

  Tensor predict(const Part& part, const std::vector<Tensor>& weights) const {
    std::size_t at = 0;
    const auto dense = [&](const Tensor& x) {
      at += 2;
      return torch::addmm(weights[at - 1], x, weights[at - 2]);
    };
    Tensor h = part.rows.to(device_, type_);
    const Tensor padded = part.padded.to(device_, type_);
    for (std::size_t i = 0; i < network_.phi.size(); ++i) h = activated(options_.activation, dense(h));
    // On the CPU by hand; elsewhere as torch has it.
    if (device_.is_cpu()) {
      h = options_.double_precision ? SegmentSum<double>::apply(h.contiguous(), part.starts, padded)
                                    : SegmentSum<float>::apply(h.contiguous(), part.starts, padded);
    } else {
      const int64_t samples = part.starts.size(0) - 1;
      const Tensor lengths = part.starts.slice(0, 1) - part.starts.slice(0, 0, samples);
      const Tensor owner = torch::repeat_interleave(torch::arange(samples), lengths).to(device_);
      const Tensor pad = h.slice(0, h.size(0) - 1);
      h = torch::zeros({samples, h.size(1)}, h.options()).index_add(0, owner, h.slice(0, 0, h.size(0) - 1)) + padded.unsqueeze(1) * pad;
    }
    for (std::size_t i = 0; i + 1 < network_.rho.size(); ++i) h = activated(options_.activation, dense(h));
    // Crossentropies are computed from what goes into the softmax or sigmoid, as Keras does.
    return is_crossentropy(options_.loss) ? dense(h) : activated(options_.output, dense(h));
  }

  // Summed over samples and targets. As in Keras, a weight multiplies its sample's loss, and the mean divides by the number of samples.
  Tensor loss_of(const Tensor& prediction, const Part& part) const {
    const Tensor y = part.y.to(device_, type_);
    if (part.weights.defined()) return (elementwise(prediction, y, at::Reduction::None) * part.weights.to(device_, type_)).sum();
    return elementwise(prediction, y, at::Reduction::Sum);
  }
  Tensor elementwise(const Tensor& prediction, const Tensor& y, at::Reduction::Reduction sum) const {
    switch (options_.loss) {
      case Loss::kMse: return at::mse_loss(prediction, y, sum);
      case Loss::kMae: return at::l1_loss(prediction, y, sum);
      case Loss::kHuber: return at::huber_loss(prediction, y, sum, 1.0);
      case Loss::kBinaryCrossentropy: return at::binary_cross_entropy_with_logits(prediction, y, {}, {}, sum);
      case Loss::kCategoricalCrossentropy: {
        const Tensor each = -(y * prediction.log_softmax(1)).sum(1, true);
        return sum == at::Reduction::None ? each : each.sum();
      }
    }
    return {};
  }

  static std::vector<std::vector<float>> arrays_of(const std::vector<Tensor>& tensors) {
    std::vector<std::vector<float>> values;
    for (const Tensor& tensor : tensors) {
      const Tensor local = tensor.to(torch::kCPU, torch::kFloat32).contiguous();
      values.emplace_back(local.data_ptr<float>(), local.data_ptr<float>() + local.numel());
    }
    return values;
  }
  void set(std::vector<Tensor>& tensors, const std::vector<std::vector<float>>& values) const {
    for (std::size_t k = 0; k < tensors.size(); ++k) tensors[k] = torch::tensor(values[k]).reshape(tensors[k].sizes()).to(device_, type_);
  }

  const TrainOptions& options_;
  DeepSetsWeights& network_;
  torch::Device device_;
  torch::ScalarType type_;
  std::vector<Tensor> weights_, first_, second_;
  std::uint64_t steps_ = 0;
};

// Keras' callbacks, after an epoch: ReduceLROnPlateau and EarlyStopping.
void after_epoch(const TrainOptions& options, TrainState& state) {
  const double loss = state.history.back().val_loss;
  if (state.history.size() == 1 || loss < state.best_loss) {
    state.best_loss = loss;
    state.best_epoch = state.history.back().epoch;
    state.best_weights = state.weights;
    state.stop_wait = 0;
  } else {
    ++state.stop_wait;
  }
  if (state.history.size() == 1 || loss < state.reduce_best - options.reduce_min_delta) {
    state.reduce_best = loss;
    state.reduce_wait = 0;
  } else if (options.reduce_patience > 0 && ++state.reduce_wait >= options.reduce_patience) {
    state.learning_rate = std::max(state.learning_rate * options.reduce_factor, std::min(state.learning_rate, options.min_learning_rate));
    state.reduce_wait = 0;
  }
}

// Whether there is nothing left to train: also of a state that was read, whose model could not be written.
bool is_done(const TrainOptions& options, const TrainState& state) {
  if (state.history.empty()) return false;
  return state.history.back().epoch >= options.epochs || (options.stop_patience > 0 && state.stop_wait >= options.stop_patience);
}

// The learning rate of a step, the first of which is 0, of `steps` in all. Loshchilov and Hutter, ICLR 2017, eq. 5, without restarts.
double rate_of(const TrainOptions& options, const TrainState& state, std::uint64_t step, std::uint64_t steps) {
  if (options.schedule == Schedule::kConstant) return state.learning_rate;
  constexpr double kPi = 3.14159265358979323846;
  const double done = std::min(1.0, static_cast<double>(step) / static_cast<double>(steps));
  return options.learning_rate * 0.5 * (1 + std::cos(kPi * done));
}

// Fisher and Yates, with a seed for each epoch: the order does not depend on where training was taken up again.
std::vector<std::size_t> order_of(std::size_t size, const TrainOptions& options, int epoch) {
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!options.shuffle) return order;
  // A seed_seq keeps 32 bits of each word.
  constexpr int kWord = 32;
  std::vector<std::uint64_t> words{options.seed, static_cast<std::uint64_t>(epoch)};
  if (options.seed >> kWord != 0) words.push_back(options.seed >> kWord);
  std::seed_seq seed(words.begin(), words.end());
  std::mt19937_64 random(seed);
  for (std::size_t i = size; i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

void run(DeepSetsWeights& network, const TrainData& data, const TrainData& validation, const TrainOptions& options, TrainState& state,
         const OnBatch& on_batch, const OnEpoch& on_epoch) {
  Trainer trainer(network, options);
  if (state.history.empty()) state.learning_rate = options.learning_rate;
  else trainer.restore(state);
  const auto batch = static_cast<std::size_t>(options.batch_size);
  const std::size_t batches = (data.size + batch - 1) / batch;
  while (!is_done(options, state)) {
    const auto start = std::chrono::steady_clock::now();
    const int epoch = static_cast<int>(state.history.size()) + 1;
    const std::vector<std::size_t> order = order_of(data.size, options, epoch);
    const auto steps_before = static_cast<std::uint64_t>(epoch - 1) * batches;
    const std::uint64_t steps = batches * static_cast<std::uint64_t>(options.epochs);
    const double learning_rate = rate_of(options, state, steps_before, steps);
    double sum = 0;
    for (std::size_t i = 0; i < batches; ++i) {
      const std::size_t last = std::min(data.size, (i + 1) * batch);
      sum += trainer.step(data, order, i * batch, last, rate_of(options, state, steps_before + i, steps));
      if (!std::isfinite(sum)) break;
      on_batch(i + 1, batches, sum / static_cast<double>(last * values_of(options.loss, data.targets)));
    }
    const double val_loss = std::isfinite(sum) ? trainer.evaluate(validation) : sum;
    if (!std::isfinite(sum) || !std::isfinite(val_loss)) {
      state.failed = true;
      break;
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    state.history.push_back(
        {epoch, sum / static_cast<double>(data.size * values_of(options.loss, data.targets)), val_loss, learning_rate, seconds});
    trainer.save(state);
    after_epoch(options, state);
    on_epoch(state);
  }
  if (!state.best_weights.empty()) trainer.finish(state.best_weights);
}

}  // namespace
}  // namespace narrow

extern "C" void narrow_train_with_torch(narrow::DeepSetsWeights& network, const narrow::TrainData& data,
                                        const narrow::TrainData& validation, const narrow::TrainOptions& options, narrow::TrainState& state,
                                        const narrow::OnBatch& on_batch, const narrow::OnEpoch& on_epoch) {
  if (options.device == "cuda" && !torch::cuda::is_available()) {
    throw narrow::Error("--device cuda: this libtorch has no CUDA, or the machine no such device; leave it out to train on the CPU");
  }
  try {
    tbb::task_arena arena(options.threads > 0 ? options.threads : tbb::task_arena::automatic);
    arena.execute([&] { narrow::run(network, data, validation, options, state, on_batch, on_epoch); });
  } catch (const c10::Error& error) {
    throw narrow::Error(std::string("libtorch: ") + error.what_without_backtrace());
  }
}
