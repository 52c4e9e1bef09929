// hls4ml configurations, and the types that follow from them.
#include "precision/precision.h"

#include "fuzz/fuzz.h"
#include "layers/dense.h"
#include "layers/input.h"
#include "layers/relu.h"
#include "layers/set_sum.h"

namespace {

using namespace narrow;

Model model() {
  Model made;
  const auto add = [&](const std::string& name, OperationPtr op) {
    Layer layer{name, std::string(op->keras_class()), std::move(op), {}, {}};
    if (!made.layers.empty()) layer.inputs = {static_cast<int>(made.layers.size()) - 1};
    layer.shape = output_shape(layer, made.input_shapes(layer));
    made.layers.push_back(std::move(layer));
  };
  add("cells", std::make_shared<Input>(Shape{3, 2}));
  add("phi1", std::make_shared<Dense>(2, 2, std::vector<float>{0.5F, -1, 2, 0.25F}, std::vector<float>{0.5F, 1}));
  add("phi1_relu", std::make_shared<Relu>());
  add("ksum", std::make_shared<SetSum>());
  add("regression", std::make_shared<Dense>(2, 1, std::vector<float>{1, -1}, std::vector<float>{}));
  made.outputs = {static_cast<int>(made.layers.size()) - 1};
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Model kModel = model();
  const FileOf file(data, size);
  read_or_refuse([&] {
    const Resolved resolved = resolve(kModel, read_config(file.path(), kModel));
    // What narrow writes, it reads.
    const std::string text = to_yaml(resolved);
    const FileOf again(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    try {
      if (resolve(kModel, read_config(again.path(), kModel)).precision != resolved.precision) std::abort();
    } catch (const Error&) {
      std::abort();
    }
  });
  return 0;
}
