// ONNX files that hls4ml does not take, or that nobody should believe, end in one line that says which node and why. What is read
// rightly is held against hls4ml in golden_test.
#include "onnx/reader.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <random>

#include "data/text.h"
#include "error.h"
#include "layers/batch_normalization.h"
#include "layers/dense.h"
#include "onnx/onnx.pb.h"

namespace narrow {
namespace {

constexpr int kFloat = 1;  // TensorProto.FLOAT

// x (1, 2) -> MatMul -> Add -> y
class OnnxFile : public testing::Test {
 public:
  OnnxFile() {
    auto* input = graph().add_input();
    input->set_name("x");
    auto* tensor = input->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(kFloat);
    for (const int size : {1, 2}) tensor->mutable_shape()->add_dim()->set_dim_value(size);
    array("w", {2, 3}, {1, 2, 3, 4, 5, 6});
    array("b", {3}, {0.5F, 0, -0.5F});
    node("MatMul_0", "MatMul", {"x", "w"}, "m");
    node("Add_0", "Add", {"m", "b"}, "y");
    graph().add_output()->set_name("y");
  }

 protected:
  onnx::GraphProto& graph() { return *model_.mutable_graph(); }
  onnx::TensorProto& array(const std::string& name, const std::vector<int>& shape, const std::vector<float>& values) {
    onnx::TensorProto& tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(kFloat);
    for (const int size : shape) tensor.add_dims(size);
    for (const float value : values) tensor.add_float_data(value);
    return tensor;
  }
  onnx::NodeProto& node(const std::string& name, const std::string& op, const std::vector<std::string>& inputs, const std::string& output) {
    onnx::NodeProto& made = *graph().add_node();
    made.set_name(name);
    made.set_op_type(op);
    for (const std::string& input : inputs) made.add_input(input);
    made.add_output(output);
    return made;
  }
  Model read() const { return onnx_model(model_.SerializeAsString()); }
  std::string refusal() const {
    try {
      read();
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      return message;
    }
    return "none";
  }
  void expect_refusal(const std::string& part) const {
    const std::string message = refusal();
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  // A Quant of the output.
  onnx::NodeProto& quant(float scale, float zero, float bits, const std::string& rounding = "ROUND") {
    array("s", {}, {scale});
    array("z", {}, {zero});
    array("n", {}, {bits});
    onnx::NodeProto& made = node("Quant_0", "Quant", {"y", "s", "z", "n"}, "q");
    attribute(made, "signed").set_i(1);
    attribute(made, "narrow").set_i(0);
    attribute(made, "rounding_mode").set_s(rounding);
    graph().mutable_output(0)->set_name("q");
    return made;
  }
  static onnx::AttributeProto& attribute(onnx::NodeProto& node, const std::string& name) {
    onnx::AttributeProto& made = *node.add_attribute();
    made.set_name(name);
    return made;
  }

  onnx::ModelProto model_;
};

TEST_F(OnnxFile, LayersAreHls4mls) {
  const Model model = read();
  ASSERT_EQ(model.layers.size(), 3U);
  EXPECT_EQ(model.layers[0].name, "x");
  EXPECT_EQ(model.layers[1].name, "Dense_MatMul_0");
  EXPECT_EQ(model.layers[1].configured_as, "MatMul_0");
  EXPECT_EQ(as<Dense>(model.layers[1])->kernel, (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(as<Dense>(model.layers[1])->bias, (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(model.layers[2].name, "bn_Add_0");
  EXPECT_EQ(as<BatchNormalization>(model.layers[2])->bias(), (std::vector{0.5F, 0.F, -0.5F}));
  EXPECT_EQ(to_string(model.layers[2].own_type(TypeName::kScale)->format), "ap_uint<1>");
}

TEST_F(OnnxFile, QuantsAreTypes) {
  quant(0.25F, 0, 6);
  const Model model = read();
  EXPECT_EQ(model.layers.back().name, "Quant_0_act");
  EXPECT_EQ(to_string(model.layers.back().own_type(TypeName::kResult)->format), "ap_fixed<6,4,AP_RND_CONV,AP_SAT>");
}

TEST_F(OnnxFile, OtherScalesAreLayers) {
  quant(0.3F, 0, 6, "FLOOR");
  const Model model = read();
  ASSERT_EQ(model.layers.size(), 6U);
  EXPECT_EQ(model.layers[3].name, "Quant_0_scale");
  EXPECT_EQ(as<BatchNormalization>(model.layers[3])->scale().front(), 1 / 0.3F);
  EXPECT_EQ(to_string(model.layers[4].own_type(TypeName::kResult)->format), "ap_fixed<6,6,AP_TRN,AP_SAT>");
  EXPECT_EQ(model.layers[5].name, "Quant_0_rescale");
}

TEST_F(OnnxFile, OfQuants) {
  quant(0.3F, 0, 65);
  expect_refusal("node Quant_0 (Quant): its bit width should be from 1 to 64");
}

TEST_F(OnnxFile, OfRoundings) {
  quant(1, 0, 6, "CEIL");
  expect_refusal("node Quant_0 (Quant): its rounding_mode is CEIL");
}

TEST_F(OnnxFile, OfNegativeScales) {
  quant(-1, 0, 6);
  expect_refusal("its scale should be above 0");
}

TEST_F(OnnxFile, CutShort) {
  const std::string bytes = model_.SerializeAsString();
  std::size_t read_whole = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    try {
      onnx_model(std::string_view(bytes).substr(0, size));
      ++read_whole;  // what is cut off may be a whole message
    } catch (const Error&) {
    }
  }
  EXPECT_LT(read_whole, 3U);
  EXPECT_THROW(onnx_model("PK not an ONNX file"), Error);
}

// Files in which some bytes are others, or some are missing, are read or refused, each in one line.
TEST(DamagedOnnx, IsReadOrRefused) {
  std::mt19937 random(20261127);
  for (const char* name : {"mlp", "norms", "branches", "quantized", "image"}) {
    const std::string whole = read_file(NARROW_SOURCE_DIR "/golden/onnx/" + std::string(name) + ".onnx");
    int refused = 0;
    for (int i = 0; i < 400; ++i) {
      std::string bytes = whole;
      for (unsigned n = random() % 4; n-- > 0;) bytes[random() % bytes.size()] = static_cast<char>(random());
      if (random() % 4 == 0) bytes.erase(random() % bytes.size(), random() % 40);
      try {
        onnx_model(bytes);
      } catch (const Error& error) {
        ++refused;
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      }
    }
    EXPECT_GT(refused, 20) << name;
  }
}

TEST_F(OnnxFile, UnknownNodesAndAttributes) {
  node("Gelu_0", "Gelu", {"y"}, "g");
  expect_refusal("node Gelu_0 (Gelu) is not supported; these are: Add,");
  graph().mutable_node(2)->set_op_type("Relu");
  attribute(*graph().mutable_node(2), "slope").set_f(1);
  expect_refusal("node Gelu_0 (Relu): narrow does not know its attribute slope");
}

TEST_F(OnnxFile, Uncleaned) {
  graph().mutable_node(0)->set_op_type("Gemm");
  expect_refusal("clean the file with qonnx");
  graph().mutable_node(0)->set_op_type("MatMul");
  graph().mutable_node(0)->clear_name();
  expect_refusal("a node MatMul has no name");
}

TEST_F(OnnxFile, Cycles) {
  graph().mutable_node(0)->set_input(0, "y");
  expect_refusal("node MatMul_0 (MatMul): its input y is neither an initializer nor the output of a node before it");
}

TEST_F(OnnxFile, MissingInitializers) {
  graph().mutable_initializer()->DeleteSubrange(1, 1);
  expect_refusal("node Add_0 (Add): its input b is neither");
}

TEST_F(OnnxFile, UnusedInitializers) {
  array("unused", {2}, {1, 2});
  expect_refusal("initializer unused is read where hls4ml 1.3.0 takes no constant, or by no node");
}

TEST_F(OnnxFile, HugeArrays) {
  graph().mutable_initializer(0)->set_dims(0, std::int64_t{1} << 62);
  expect_refusal("initializer w has an axis of 4611686018427387904 values");
  graph().mutable_initializer(0)->set_dims(0, 1 << 20);
  graph().mutable_initializer(0)->set_dims(1, 1 << 20);
  expect_refusal("initializer w is too large");
  graph().mutable_initializer(0)->set_dims(1, 3);
  expect_refusal("initializer w does not have the 3145728 numbers of its shape");
  graph().mutable_initializer(0)->set_dims(0, -1);
  expect_refusal("initializer w has an axis of -1 values");
}

// w is (2, 0), of no numbers, with which a MatMul would have no output; y would be (2, 2^28) with w as (0, 2^28).
TEST_F(OnnxFile, EmptyArrays) {
  onnx::TensorProto& w = *graph().mutable_initializer(0);
  w.clear_float_data();
  w.set_dims(1, 0);
  expect_refusal("initializer w has an axis of 0 values");
}

TEST_F(OnnxFile, ManyInitializers) {
  for (int i = 0; i < 8192; ++i) array("a" + std::to_string(i), {1}, {0});
  expect_refusal("it has 8194 initializers; narrow reads at most 8192");
}

TEST_F(OnnxFile, DoublingsWithoutEnd) {
  std::string tensor = "y";
  for (int i = 0; i < 40; ++i) {
    onnx::NodeProto& concat = node("Concat_" + std::to_string(i), "Concat", {tensor, tensor}, "c" + std::to_string(i));
    attribute(concat, "axis").set_i(1);
    tensor = concat.output(0);
  }
  graph().mutable_output(0)->set_name(tensor);
  expect_refusal("node Concat_26 (Concat): a sample of shape 402653184 is too large");
}

// hls4ml takes the batch of a constant that is a first input for an axis of the values, until it makes another layer of the node.
TEST_F(OnnxFile, ConstantsWithABatch) {
  array("c", {1, 3}, {1, 2, 3});
  array("v", {3, 2}, {1, 2, 3, 4, 5, 6});
  onnx::NodeProto& sub = node("Sub_0", "Sub", {"c", "y"}, "s");
  node("Relu_0", "Relu", {"s"}, "r");
  onnx::NodeProto& last = node("Flatten_0", "Flatten", {"r"}, "f");
  graph().mutable_output(0)->set_name("f");
  expect_refusal(
      "node Flatten_0 (Flatten): in front of it stands an Add, a Sub or a Mul whose first input is a constant with an axis for the batch");
  last.set_op_type("MatMul");
  last.add_input("v");
  expect_refusal("node Flatten_0 (MatMul): it multiplies a sample of shape 1x3, for hls4ml 1.3.0 takes the axis of the batch");
  last.set_input(0, "s");
  graph().mutable_node()->SwapElements(3, 4);
  graph().mutable_output(0)->set_name("r");
  graph().mutable_node(4)->set_input(0, "f");
  EXPECT_EQ(read().layers.back().shape, Shape{2});
  sub.set_input(0, "w");
  expect_refusal("node Sub_0 (Sub): its constant of shape 2x3 does not fit values of shape 3");
}

TEST_F(OnnxFile, ColumnsOfScales) {
  onnx::NodeProto& made = quant(0.25F, 0, 6);
  array("column", {3, 1}, {0.25F, 0.3F, 0.25F});
  made.set_input(1, "column");
  graph().mutable_initializer()->DeleteSubrange(2, 1);
  expect_refusal("node Quant_0 (Quant): numbers of shape 3x1 do not fit values of shape 3 in hls4ml 1.3.0");
}

TEST_F(OnnxFile, RowsOfScales) {
  onnx::NodeProto& made = quant(0.25F, 0, 6);
  array("rows", {1, 3}, {0.25F, 0.25F, 0.25F});
  made.set_input(1, "rows");
  graph().mutable_initializer()->DeleteSubrange(2, 1);
  expect_refusal("node Quant_0 (Quant): hls4ml 1.3.0 stops at a scale whose rows are equal");
  array("zeros", {1, 3}, {1, 2, 3});
  made.set_input(2, "zeros");
  graph().mutable_initializer()->DeleteSubrange(2, 1);
  graph().mutable_initializer(3)->clear_float_data();
  for (const float scale : {1.F, 1.F, 1.F}) graph().mutable_initializer(3)->add_float_data(scale);
  EXPECT_EQ(read().notes.size(), 1U);  // zeros that hls4ml does not look at
}

TEST_F(OnnxFile, HugeInputs) {
  auto* shape = graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->mutable_dim(1)->set_dim_value(std::int64_t{1} << 40);
  expect_refusal("input x: its shape must be fixed");
  shape->mutable_dim(1)->clear_dim_value();
  expect_refusal("input x: its shape must be fixed");
}

TEST_F(OnnxFile, NumbersThatAreNone) {
  graph().mutable_initializer(1)->set_float_data(1, std::numeric_limits<float>::infinity());
  expect_refusal("initializer b holds numbers that are not finite");
}

TEST_F(OnnxFile, OtherFiles) {
  graph().mutable_initializer(1)->set_data_location(1);
  expect_refusal("initializer b: its numbers are in another file");
}

TEST_F(OnnxFile, ShapesThatDoNotFit) {
  graph().mutable_initializer(0)->set_dims(0, 3);
  graph().mutable_initializer(0)->set_dims(1, 2);
  expect_refusal("node MatMul_0 (MatMul): its input of shape 2 does not fit its weights of shape 3x2");
}

TEST_F(OnnxFile, SharedInitializers) {
  node("Add_1", "Add", {"y", "b"}, "z");
  graph().mutable_output(0)->set_name("z");
  expect_refusal("node Add_0 (Add): the initializer b is shared with another node");
}

// The weights of a product as the scale of a Quant, which hls4ml takes out of the graph.
TEST_F(OnnxFile, InitializersThatAreFactsOfAnotherNode) {
  quant(1, 0, 6).set_input(1, "w");
  expect_refusal("node MatMul_0 (MatMul): the initializer w is shared with another node");
}

TEST_F(OnnxFile, EqualNames) {
  graph().mutable_node(1)->set_name("ADD_0");
  node("add_0", "Relu", {"y"}, "r");
  node("Add_0", "Relu", {"r"}, "s");
  graph().mutable_output(0)->set_name("s");
  expect_refusal("two layers have this name");
}

TEST_F(OnnxFile, ChannelsThatAreNotLast) {
  auto* shape = graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->add_dim()->set_dim_value(4);
  graph().mutable_node()->Clear();
  onnx::NodeProto& pool = node("MaxPool_0", "MaxPool", {"x"}, "y");
  attribute(pool, "kernel_shape").add_ints(2);
  expect_refusal("node MaxPool_0 (MaxPool): its channels are not last; convert the file with qonnx-to-channels-last");
}

// A file of golden/onnx after `change` to all nodes of an op is refused with `part` in the message.
void expect_refused(const std::string& file, const std::string& op, const std::function<void(onnx::ModelProto&, onnx::NodeProto&)>& change,
                    const std::string& part) {
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(read_file(NARROW_SOURCE_DIR "/golden/onnx/" + file)));
  for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node()) {
    if (node.op_type() == op) change(model, node);
  }
  try {
    onnx_model(model.SerializeAsString());
    ADD_FAILURE() << "no error: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

onnx::TensorProto& initializer(onnx::ModelProto& model, const std::string& name) {
  for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer()) {
    if (tensor.name() == name) return tensor;
  }
  throw std::runtime_error("no initializer " + name);
}

// A Resize that hls4ml computes otherwise than the file means it, or does not convert.
TEST(Resize, ThatHls4mlTakesOtherwiseIsRefused) {
  const auto expect = [](const auto& change, const std::string& part) { expect_refused("unet.onnx", "Resize", change, part); };
  const auto mode = [](onnx::NodeProto& node, const std::string& name, const std::string& text) {
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.name() == name) attribute.set_s(text);
    }
  };
  const auto scales = [](onnx::ModelProto& model, const onnx::NodeProto& node, std::vector<float> values) {
    onnx::TensorProto& tensor = initializer(model, node.input(2));
    tensor.clear_raw_data();
    tensor.mutable_float_data()->Assign(values.begin(), values.end());
  };
  expect([&](auto&, auto& node) { mode(node, "mode", "linear"); }, "its mode should be nearest");
  expect([&](auto&, auto& node) { mode(node, "nearest_mode", "ceil"); }, "its coordinates (asymmetric, ceil) are not those");
  expect([&](auto& model, auto& node) { scales(model, node, {1, 2, 1, 1}); }, "narrow takes whole scales of square images");
  expect([&](auto& model, auto& node) { scales(model, node, {1, 1.5, 1.5, 1}); }, "narrow takes whole scales of square images");
  expect([&](auto& model, auto& node) { scales(model, node, {1, 2, 2, 2}); }, "narrow takes whole scales of square images");
  expect([&](auto&, auto& node) { node.mutable_input()->RemoveLast(); }, "hls4ml 1.3.0 takes it with three inputs");
}

// Its last windows have no pixel of the image.
TEST(MaxPool, WindowsOfPaddingAloneAreRefused) {
  const auto pads = [](onnx::ModelProto&, onnx::NodeProto& node) {
    for (onnx::AttributeProto& each : *node.mutable_attribute()) {
      if (each.name() == "kernel_shape") ASSERT_EQ(each.ints(0), 2);
      if (each.name() != "pads") continue;
      each.clear_ints();
      for (const int pad : {0, 0, 2, 2}) each.add_ints(pad);
    }
  };
  expect_refused("pictures.onnx", "MaxPool", pads, "pads that are less than the pool_size");
}

// What hls4ml leaves out of a Pad, or does not convert.
TEST(Pad, ThatHls4mlTakesOtherwiseIsRefused) {
  const auto expect = [](const auto& change, const std::string& part) { expect_refused("padded.onnx", "Pad", change, part); };
  const auto pads = [](onnx::ModelProto& model, const onnx::NodeProto& node, std::vector<std::int64_t> values) {
    onnx::TensorProto& tensor = initializer(model, node.input(1));
    tensor.clear_raw_data();
    tensor.mutable_int64_data()->Assign(values.begin(), values.end());
    tensor.set_dims(0, static_cast<std::int64_t>(values.size()));
  };
  const auto mode = [](auto&, onnx::NodeProto& node) {
    node.clear_attribute();
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name("mode");
    attribute.set_s("reflect");
  };
  const auto value = [](onnx::ModelProto& model, onnx::NodeProto& node) {
    if (node.input_size() == 3) initializer(model, node.input(2)).set_raw_data(std::string("\0\0\x80\x3f", 4));
  };
  expect(mode, "its mode should be constant");
  expect(value, "its constant value should be 0");
  expect([&](auto& model, auto& node) { pads(model, node, {0, 1, 1, 1, 0, 1, 1, 0}); }, "its pads of the batch and of the last axis");
  expect([&](auto& model, auto& node) { pads(model, node, {0, 1, 1, 0, 0, 1, 1, 1}); }, "its pads of the batch and of the last axis");
  expect([&](auto& model, auto& node) { pads(model, node, {0, 1, 1, 0, 1, 1, 1, 0}); }, "its pads of the batch and of the last axis");
  expect([&](auto& model, auto& node) { pads(model, node, {0, 1, -1, 0, 0, 1, 1, 0}); }, "its pads must not be negative");
  expect([&](auto& model, auto& node) { pads(model, node, {0, 1, 0, 0, 1, 0}); }, "its pads should be two numbers for each axis");
  expect([](auto&, auto& node) { node.mutable_input()->DeleteSubrange(1, node.input_size() - 1); }, "two inputs, or three");
}

TEST_F(OnnxFile, NamesOfOtherCharacters) {
  graph().mutable_node(0)->set_name("Mat\nMul");
  expect_refusal("characters other than printable ASCII");
}

TEST_F(OnnxFile, OutputsOfNoNode) {
  graph().mutable_output(0)->set_name("nothing");
  expect_refusal("an output of it is the output of no node");
}

}  // namespace
}  // namespace narrow
