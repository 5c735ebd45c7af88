"""Goldens of single ONNX operators: what ONNX Runtime makes of each, with many attributes, shapes and operator sets.

    python experiments/peers/onnx_operators.py crates/graph/tests/fixtures/operators

NAME.onnx reads a face (1, 3, 6, 8) whose number i is ((7919 i + 13) mod 101 - 50.3) / 20, gives it the shape that the
operator needs, and ends as (1, n). NAME.npy is ONNX Runtime's (1, n), computed without its optimisations.

Needs onnx, onnxruntime and numpy. The files are the same for the same versions of these.
"""

import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

RANDOM = numpy.random.default_rng(19)
FACE = (((numpy.arange(144) * 7919 + 13) % 101 - 50.3) / 20).astype(numpy.float32).reshape(1, 3, 6, 8)
FOLDER = Path(sys.argv[1])
SMALLEST_IR = {7: 3, 8: 3, 9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}


def f32(*shape, low=-1.0, high=1.0):
    return RANDOM.uniform(low, high, shape).astype(numpy.float32)


def i64(*numbers):
    return numpy.array(numbers, dtype=numpy.int64)


class Graph:
    """Nodes in the order in which they are added; every call gives the name of its output."""

    def __init__(self, opset):
        self.opset, self.nodes, self.tensors = opset, [], []

    def tensor(self, array):
        array = numpy.asarray(array)
        name = f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator, *inputs, outputs=1, domain="", **attributes):
        names = [x if isinstance(x, str) else self.tensor(x) for x in inputs]
        made = [f"v{len(self.nodes)}_{at}" for at in range(outputs)]
        self.nodes.append(helper.make_node(operator, names, made, f"{operator}{len(self.nodes)}", domain=domain, **attributes))
        return made[0] if outputs == 1 else made

    def save(self, name, output):
        # An extent of -1 is not copied as 0 would be.
        flat = self.add("Reshape", output, i64(1, -1))
        graph = helper.make_graph(
            self.nodes, name,
            [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["batch", 3, 6, 8])],
            [helper.make_tensor_value_info(flat, TensorProto.FLOAT, None)], self.tensors,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        if any(node.domain for node in self.nodes):
            opsets.append(helper.make_opsetid("com.microsoft", 1))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=SMALLEST_IR[self.opset], producer_name="")
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        made = session.run(None, {"face": FACE})[0]
        assert numpy.isfinite(made).all() and made.size > 0 and made.shape[0] == 1, (name, made)
        onnx.save(model, FOLDER / f"{name}.onnx")
        numpy.save(FOLDER / f"{name}.npy", made.astype(numpy.float32))


def case(name, operator, *inputs, opset=17, shape=None, before=None, domain="", **attributes):
    """One operator of the face, in another shape and made positive or bounded first if asked."""
    graph = Graph(opset)
    x = "face"
    if before == "positive":
        x = graph.add("Add", graph.add("Abs", x), numpy.float32(0.1))
    if shape:
        x = graph.add("Reshape", x, i64(*shape))
    graph.save(name, graph.add(operator, x, *inputs, domain=domain, **attributes))


def functions():
    for operator in ["Relu", "Sigmoid", "Tanh", "Erf", "Softplus", "Exp", "Reciprocal", "Abs", "Neg", "Softsign", "Identity"]:
        case(operator.lower(), operator, opset=13)
    for operator in ["Log", "Sqrt"]:
        case(operator.lower(), operator, opset=9, before="positive")
    case("leaky_relu", "LeakyRelu", alpha=0.2, opset=7)
    case("leaky_relu_default", "LeakyRelu")
    case("elu", "Elu", alpha=1.7)
    case("selu", "Selu")
    case("celu", "Celu", alpha=0.6, opset=12)
    case("hard_sigmoid", "HardSigmoid", alpha=0.25, beta=0.4)
    case("hard_sigmoid_default", "HardSigmoid", opset=7)
    case("hard_swish", "HardSwish", opset=14)
    case("mish", "Mish", opset=18)
    case("gelu", "Gelu", opset=20)
    case("gelu_tanh", "Gelu", opset=20, approximate="tanh")
    case("clip_attributes", "Clip", opset=7, min=-0.5, max=1.5)
    case("clip_attributes_default", "Clip", opset=10, max=1.5)
    case("clip_inputs", "Clip", numpy.float32(0), numpy.float32(6), opset=11)
    case("clip_inputs_low", "Clip", numpy.float32(-1), opset=13)
    case("clip_inputs_high", "Clip", "", numpy.float32(1), opset=13)
    case("prelu", "PRelu", f32(3, 1, 1, low=0), opset=7)
    case("prelu_one", "PRelu", f32(1), opset=16)
    case("prelu_last_axis", "PRelu", f32(18, low=0), opset=9, shape=(1, 8, 18))
    case("dropout", "Dropout", opset=7, ratio=0.3)
    case("dropout_inputs", "Dropout", numpy.float32(0.3), opset=13)
    case("cast", "Cast", opset=13, to=TensorProto.FLOAT)
    graph = Graph(13)
    gate = graph.add("Sigmoid", "face")
    graph.save("swish", graph.add("Mul", "face", gate))


def arithmetic():
    for operator in ["Add", "Sub", "Mul", "Div"]:
        case(f"{operator.lower()}_constant", operator, f32(3, 1, 1, low=0.5, high=2), opset=7)
        graph = Graph(14)
        x = graph.add("ReduceMean", graph.add("Abs", "face"), axes=[2], keepdims=1)
        graph.save(f"{operator.lower()}_broadcast", graph.add(operator, "face", x))
    graph = Graph(13)
    graph.save("sub_from_constant", graph.add("Sub", f32(1, 1, 8), "face"))
    graph = Graph(13)
    graph.save("add_rank_up", graph.add("Add", graph.add("Reshape", "face", i64(18, 8)), f32(2, 1, 1)))
    case("pow_two", "Pow", numpy.float32(2), opset=13)
    case("pow_root", "Pow", numpy.float32(0.5), opset=7, before="positive")
    case("pow_whole_exponent", "Pow", i64(3)[0], opset=13)
    case("pow_each", "Pow", f32(8, low=-1, high=2), opset=13, before="positive")
    for operator in ["Min", "Max", "Sum", "Mean"]:
        graph = Graph(13)
        graph.save(operator.lower(), graph.add(operator, "face", f32(6, 1), graph.add("Neg", "face")))
        case(f"{operator.lower()}_alone", operator, opset=8)
    for at, mask in enumerate([RANDOM.integers(0, 2, (6, 8)) > 0, RANDOM.integers(0, 2, (3, 1, 1)) > 0]):
        graph = Graph(16)
        graph.save(f"where_{at}", graph.add("Where", mask, "face", graph.add("Neg", "face")))
    graph = Graph(9)
    y = graph.add("Where", numpy.tri(6, 8) > 0, "face", numpy.float32(-numpy.inf))
    graph.save("where_mask", graph.add("Softmax", y, axis=3))


def convolutions():
    case("conv_plain", "Conv", f32(4, 3, 3, 3), f32(4), opset=7)
    case("conv_kernel_said", "Conv", f32(2, 3, 3, 2), opset=11, kernel_shape=[3, 2], pads=[1, 0, 1, 1])
    case("conv_depthwise", "Conv", f32(6, 1, 3, 3), f32(6), shape=(1, 6, 4, 6), group=6, pads=[1, 1, 1, 1])
    case("conv_multiplier", "Conv", f32(6, 1, 3, 3), group=3, strides=[2, 2])
    case("conv_groups", "Conv", f32(4, 3, 1, 3), f32(4), shape=(1, 6, 4, 6), group=2)
    case("conv_dilated", "Conv", f32(2, 3, 2, 3), dilations=[3, 2], pads=[2, 3, 1, 0])
    case("conv_padded_beyond", "Conv", f32(2, 3, 1, 1), pads=[2, 1, 0, 3], strides=[3, 2])
    case("conv_line", "Conv", f32(4, 6, 3), f32(4), shape=(1, 6, 24), strides=[2], pads=[1, 0])
    for mode in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
        case(f"conv_{mode.lower()}", "Conv", f32(2, 3, 2, 3), auto_pad=mode, strides=[2, 2])
    case("conv_valid_dilated", "Conv", f32(1, 3, 3, 2), auto_pad="VALID", dilations=[1, 2])
    for at in range(8):
        groups = int(RANDOM.choice([1, 2, 3, 6]))
        kernel, stride, dilation = RANDOM.integers(1, 4, 2), RANDOM.integers(1, 4, 2), RANDOM.integers(1, 3, 2)
        pads = [int(n) for n in RANDOM.integers(0, 4, 4)]
        weight = f32(groups * int(RANDOM.integers(1, 3)), 6 // groups, *kernel)
        # The window fits.
        pads = [max(pad, int((k - 1) * d)) for pad, k, d in zip(pads, [*kernel, *kernel], [*dilation, *dilation])]
        case(
            f"conv_random_{at}", "Conv", weight, f32(len(weight)), shape=(1, 6, 4, 6), group=groups, pads=pads,
            strides=[int(n) + 1 for n in stride], dilations=[int(n) for n in dilation],
        )


def pools():
    for at, (kernel, stride, pads, ceil) in enumerate([
        ([2, 2], [2, 2], [0, 0, 0, 0], 0), ([3, 3], [2, 2], [1, 1, 1, 1], 0), ([3, 3], [2, 2], [0, 0, 0, 0], 1),
        ([3, 2], [2, 3], [1, 0, 2, 1], 1), ([1, 1], [2, 2], [0, 0, 0, 0], 0), ([2, 3], [3, 4], [1, 2, 1, 2], 1),
    ]):
        options = {"kernel_shape": kernel, "strides": stride, "pads": pads}
        if ceil:
            options["ceil_mode"] = 1
        opset = [11, 10, 19][at % 3]
        case(f"max_pool_{at}", "MaxPool", opset=opset, **options)
        case(f"average_pool_{at}", "AveragePool", opset=opset, **options)
        case(f"average_pool_{at}_with_padding", "AveragePool", opset=opset, count_include_pad=1, **options)
    case("max_pool_dilated", "MaxPool", kernel_shape=[2, 3], dilations=[2, 3], pads=[1, 2, 0, 1], opset=12)
    case("average_pool_dilated", "AveragePool", kernel_shape=[2, 2], dilations=[2, 3], opset=19)
    case("max_pool_line", "MaxPool", kernel_shape=[3], strides=[2], pads=[1, 1], shape=(1, 6, 24), opset=11)
    for mode in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
        case(f"max_pool_{mode.lower()}", "MaxPool", kernel_shape=[3, 2], strides=[2, 2], auto_pad=mode, opset=11)
        case(f"average_pool_{mode.lower()}", "AveragePool", kernel_shape=[3, 2], strides=[2, 2], auto_pad=mode, opset=11)
    case("global_average_pool", "GlobalAveragePool", opset=7)
    case("global_max_pool", "GlobalMaxPool", opset=13, shape=(1, 6, 4, 6))


def matrices():
    case("matmul", "MatMul", f32(8, 5), opset=9)
    case("matmul_batches", "MatMul", f32(3, 8, 2))
    case("matmul_vector", "MatMul", f32(8))
    graph = Graph(13)
    graph.save("matmul_row", graph.add("MatMul", f32(6), "face"))
    graph = Graph(13)
    graph.save("matmul_both", graph.add("MatMul", "face", graph.add("Transpose", "face", perm=[0, 1, 3, 2])))
    graph = Graph(13)
    graph.save("matmul_constant_left", graph.add("MatMul", f32(4, 1, 2, 6), "face"))
    case("gemm", "Gemm", f32(5, 12), f32(5), shape=(12, 12), transB=1, opset=7)
    case("gemm_all", "Gemm", f32(12, 5), f32(1, 5), shape=(12, 12), transA=1, alpha=0.5, beta=-2.0, opset=11)
    case("gemm_alone", "Gemm", f32(12, 3), shape=(12, 12), alpha=1.5, opset=13)
    graph = Graph(13)
    x = graph.add("Reshape", "face", i64(8, 18))
    graph.save("gemm_both", graph.add("Gemm", x, x, numpy.float32(0.5), transB=1, alpha=0.25))
    graph = Graph(12)
    x = graph.add("Reshape", "face", i64(1, 2, 9, 8))
    graph.save("einsum_attention", graph.add("Einsum", x, graph.add("Neg", x), equation="bhid,bhjd->bhij"))
    graph = Graph(13)
    graph.save("einsum_mixed", graph.add("Einsum", "face", f32(8, 2, 3), equation="bchw, wkc -> ckhb"))


def reductions():
    for operator in ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"]:
        name = operator.replace("Reduce", "reduce_").lower()
        case(name, operator, axes=[-1, 1], opset=11)
        case(f"{name}_dropped", operator, axes=[2], keepdims=0, opset=7)
        case(f"{name}_input", operator, i64(2, 3), opset=18)
    case("reduce_all", "ReduceMean", opset=13, keepdims=0)
    case("reduce_none", "ReduceSum", opset=13, noop_with_empty_axes=1)
    case("softmax_flat", "Softmax", opset=11, axis=2)
    case("softmax_flat_default", "Softmax", opset=7)
    case("softmax_last_flat", "Softmax", opset=12, axis=-1)
    case("softmax", "Softmax", opset=13, axis=1)
    case("softmax_default", "Softmax", opset=13)
    case("log_softmax", "LogSoftmax", opset=13, axis=-2)
    case("log_softmax_flat", "LogSoftmax", opset=11, axis=3)


def normalisations():
    norm = [f32(3, low=0.5), f32(3), f32(3), f32(3, low=0.2, high=2)]
    case("batch_normalization", "BatchNormalization", *norm, opset=7, epsilon=1e-3)
    case("batch_normalization_15", "BatchNormalization", *norm, opset=15)
    flat = [f32(12, low=0.5), f32(12), f32(12), f32(12, low=0.2, high=2)]
    case("batch_normalization_matrix", "BatchNormalization", *flat, opset=9, shape=(12, 12))
    case("layer_normalization", "LayerNormalization", f32(8), f32(8), epsilon=1e-6)
    case("layer_normalization_axes", "LayerNormalization", f32(6, 8), axis=2)
    case("instance_normalization", "InstanceNormalization", f32(3), f32(3), epsilon=1e-4, opset=7)
    case("group_normalization_groups", "GroupNormalization", f32(2), f32(2), num_groups=2, shape=(1, 6, 4, 6), opset=18)
    case("group_normalization_groups_20", "GroupNormalization", numpy.float32([0.5, 2]), numpy.float32([1, -1]), num_groups=2, shape=(1, 6, 4, 6), opset=20)
    case("group_normalization_channels", "GroupNormalization", f32(6), f32(6), num_groups=3, shape=(1, 6, 4, 6), opset=21)
    case("lp_normalization", "LpNormalization", axis=1, p=2)
    case("lp_normalization_sum", "LpNormalization", p=1)


def movement():
    graph = Graph(13)
    graph.save("concat", graph.add("Concat", "face", f32(1, 2, 6, 8), graph.add("Neg", "face"), axis=1))
    case("slice_attributes", "Slice", opset=9, starts=[1, -7], ends=[100, -1], axes=[2, 3])
    case("slice_attributes_all", "Slice", opset=7, starts=[0, 1], ends=[1, 3])
    case("slice_inputs", "Slice", i64(-1, 0), i64(-9223372036854775807, 5), i64(3, -2), i64(-2, 2), opset=13)
    case("slice_beyond", "Slice", i64(100, -100), i64(-100, 100), i64(2, 3), i64(-1, 3), opset=13)
    case("slice_one", "Slice", i64(2), i64(3), i64(1), opset=10)
    graph = Graph(11)
    a, b = graph.add("Split", "face", outputs=2, axis=3, split=[3, 5])
    graph.save("split_attribute", graph.add("Concat", b, a, axis=3))
    graph = Graph(13)
    a, b, c = graph.add("Split", "face", outputs=3, axis=1)
    graph.save("split_equal", graph.add("Sub", graph.add("Mul", a, b), c))
    graph = Graph(13)
    a, b = graph.add("Split", "face", i64(1, 5), outputs=2, axis=2)
    graph.save("split_input", graph.add("Mul", a, b))
    graph = Graph(18)
    a, b, c = graph.add("Split", "face", outputs=3, axis=3, num_outputs=3)
    graph.save("split_uneven", graph.add("Concat", c, a, axis=3))
    case("gather", "Gather", i64(2, 0, -1), axis=3)
    case("gather_one", "Gather", numpy.array(1), axis=1)
    case("gather_matrix", "Gather", i64(0, 1, 5, 2).reshape(2, 2), axis=2)
    case("transpose", "Transpose", perm=[0, 2, 3, 1])
    case("transpose_default", "Transpose")
    case("reshape_rest", "Reshape", i64(0, 2, -1))
    case("reshape_5", "Reshape", i64(1, 3, 2, 4, 6), opset=7)
    case("reshape_allowzero", "Reshape", i64(12, 12), allowzero=1, opset=14)
    case("flatten", "Flatten", axis=2, opset=9)
    case("flatten_end", "Flatten", axis=-1, opset=13)
    case("squeeze", "Squeeze", opset=11, axes=[0])
    case("squeeze_all", "Squeeze", opset=7, shape=(1, 12, 1, 12))
    case("squeeze_input", "Squeeze", i64(-2), opset=13, shape=(1, 12, 1, 12))
    case("unsqueeze", "Unsqueeze", opset=11, axes=[0, 3])
    case("unsqueeze_input", "Unsqueeze", i64(-1, 1), opset=13)
    case("expand", "Expand", i64(2, 1, 1, 8), opset=8, shape=(1, 18, 8))
    case("tile", "Tile", i64(1, 2, 1, 2), opset=13, shape=(1, 3, 6, 8))
    case("pad_attributes", "Pad", opset=7, pads=[0, 0, 1, 2, 0, 0, 0, 1], value=0.5)
    case("pad_inputs", "Pad", i64(0, 1, 0, -2, 0, 0, 2, 1), numpy.float32(-1), opset=13)
    case("pad_axes", "Pad", i64(1, 2), "", i64(-1), opset=18)
    for mode in ["reflect", "edge", "wrap"]:
        case(f"pad_{mode}", "Pad", i64(0, 0, 2, 3, 0, 0, 1, 4), opset=19, mode=mode)
    case("depth_to_space", "DepthToSpace", blocksize=2, shape=(1, 12, 3, 4), opset=11)
    case("depth_to_space_crd", "DepthToSpace", blocksize=2, shape=(1, 12, 3, 4), mode="CRD")
    case("space_to_depth", "SpaceToDepth", blocksize=2, opset=13)
    graph = Graph(13)
    x = graph.add("ReduceMean", "face", axes=[2, 3], keepdims=1)
    graph.save("expand_to_shape", graph.add("Expand", x, graph.add("Shape", "face")))


def resizes():
    half = numpy.array([1, 1, 0.5, 0.5], dtype=numpy.float32)
    larger = numpy.array([1, 1, 2, 1.5], dtype=numpy.float32)
    case("upsample_7", "Upsample", opset=7, mode="nearest", scales=[1.0, 1.0, 2.0, 3.0])
    case("upsample_9", "Upsample", larger, opset=9, mode="linear")
    case("resize_10", "Resize", larger, opset=10, mode="nearest")
    case("resize_10_linear", "Resize", half, opset=10, mode="linear")
    empty = numpy.array([], dtype=numpy.float32)
    for mode in ["nearest", "linear", "cubic"]:
        for place in ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]:
            scales = larger if place != "align_corners" else half
            case(f"resize_{mode}_{place}", "Resize", empty, scales, opset=13, mode=mode, coordinate_transformation_mode=place)
    for nearest in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]:
        case(f"resize_{nearest}", "Resize", empty, half, opset=11, mode="nearest", nearest_mode=nearest)
    case("resize_sizes", "Resize", "", "", i64(1, 3, 4, 11), opset=13, mode="linear")
    case("resize_axes", "Resize", "", "", i64(4, 5), opset=18, mode="cubic", axes=[2, 3], cubic_coeff_a=-0.5, exclude_outside=1)


def quantisation():
    scale, zero = numpy.float32(0.04), numpy.uint8(120)
    graph = Graph(13)
    y = graph.add("QuantizeLinear", "face", scale, zero)
    graph.save("quantize", graph.add("DequantizeLinear", y, scale, zero))
    graph = Graph(10)
    y = graph.add("QuantizeLinear", "face", numpy.float32(0.01), numpy.int8(-3))
    graph.save("quantize_signed_clips", graph.add("DequantizeLinear", y, numpy.float32(0.5), numpy.int8(-3)))
    weight = RANDOM.integers(-127, 128, (4, 3, 3, 3)).astype(numpy.int8)
    graph = Graph(13)
    w = graph.add("DequantizeLinear", weight, f32(4, low=0.01, high=0.02), numpy.zeros(4, numpy.int8), axis=0)
    b = graph.add("DequantizeLinear", RANDOM.integers(-999, 999, 4).astype(numpy.int32), f32(4, low=0.001, high=0.01), axis=0)
    graph.save("dequantize_channels", graph.add("Conv", "face", w, b))
    graph = Graph(13)
    w = graph.add("DequantizeLinear", RANDOM.integers(0, 255, (8, 5)).astype(numpy.uint8), f32(5, low=0.01, high=0.02), RANDOM.integers(100, 150, 5).astype(numpy.uint8), axis=-1)
    graph.save("dequantize_last_axis", graph.add("MatMul", "face", w))
    graph = Graph(19)
    w = graph.add("QuantizeLinear", f32(8, 5), f32(5, low=0.01, high=0.02), numpy.zeros(5, numpy.int8), axis=1)
    w = graph.add("DequantizeLinear", w, f32(5, low=0.01, high=0.02), numpy.zeros(5, numpy.int8), axis=1)
    graph.save("quantize_channels_of_constant", graph.add("MatMul", "face", w))


def constants():
    """What exporters compute from shapes."""
    graph = Graph(13)
    shape = graph.add("Shape", "face")
    batch = graph.add("Unsqueeze", graph.add("Gather", shape, numpy.array(0)), i64(0))
    area = graph.add("Mul", graph.add("Gather", shape, i64(2)), graph.add("Gather", shape, i64(3)))
    graph.save("shape_flatten", graph.add("Softmax", graph.add("Reshape", "face", graph.add("Concat", batch, i64(-1), area, axis=0)), axis=1))
    graph = Graph(15)
    tail = graph.add("Shape", "face", start=-2, end=4)
    ones = graph.add("ConstantOfShape", tail, value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1.5]))
    graph.save("constant_of_shape", graph.add("Mul", "face", ones))
    graph = Graph(11)
    steps = graph.add("Cast", graph.add("Range", i64(1)[0], i64(9)[0], i64(1)[0]), to=TensorProto.FLOAT)
    graph.save("range", graph.add("Add", "face", graph.add("Sqrt", graph.add("Div", steps, numpy.float32(3)))))
    graph = Graph(13)
    size = graph.add("Cast", graph.add("Size", "face"), to=TensorProto.FLOAT)
    graph.save("size", graph.add("Div", "face", graph.add("Floor", graph.add("Sqrt", size))))
    graph = Graph(16)
    odd = graph.add("Equal", graph.add("Mod", graph.add("Range", i64(0)[0], i64(8)[0], i64(1)[0]), i64(2)), i64(1))
    low = graph.add("Less", graph.add("Range", i64(0)[0], i64(8)[0], i64(1)[0]), i64(5))
    chosen = graph.add("And", graph.add("Not", odd), low)
    graph.save("masks", graph.add("Where", chosen, "face", graph.add("Where", odd, numpy.float32(7), numpy.float32(-7))))
    graph = Graph(14)
    graph.save("trilu", graph.add("Mul", "face", graph.add("Trilu", f32(6, 8), i64(1)[0], upper=0)))
    graph = Graph(14)
    sums = graph.add("CumSum", numpy.ones((6, 8), numpy.float32), numpy.array(1, numpy.int64), reverse=1, exclusive=1)
    angles = graph.add("Concat", graph.add("Sin", sums), graph.add("Cos", sums), axis=0)
    graph.save("cumulative_sum", graph.add("Add", graph.add("Concat", "face", "face", axis=2), angles))
    graph = Graph(12)
    value = graph.add("Constant", value_floats=[0.5, 1.5, 2.5])
    graph.save("constant_floats", graph.add("Mul", "face", graph.add("Unsqueeze", value, axes=[1, 2])))
    graph = Graph(17)
    width = graph.add("Div", graph.add("Gather", graph.add("Shape", "face"), numpy.array(3)), i64(3)[0])
    ends = graph.add("Neg", graph.add("Unsqueeze", width, i64(0)))
    graph.save("slice_by_shape", graph.add("Slice", "face", i64(0), ends, i64(3)))
    graph = Graph(13)
    count = graph.add("ReduceProd", graph.add("Slice", graph.add("Shape", "face"), i64(1), i64(4)), keepdims=1)
    graph.save("reshape_by_product", graph.add("ReduceL2", graph.add("Reshape", "face", graph.add("Concat", i64(-1), count, axis=0)), axes=[1]))


def element_types():
    for kind in ["float16", "float64"]:
        graph = Graph(13)
        w = graph.add("Cast", f32(8, 4).astype(kind), to=TensorProto.FLOAT)
        graph.save(f"weights_{kind}", graph.add("MatMul", "face", w))
    graph = Graph(13)
    w = graph.tensor(f32(8, 4))
    floats = numpy_helper.to_array(graph.tensors[-1]).reshape(-1)
    graph.tensors[-1] = helper.make_tensor(w, TensorProto.FLOAT, [8, 4], floats)
    graph.save("weights_typed", graph.add("MatMul", "face", w))
    graph = Graph(13)
    graph.tensors.append(helper.make_tensor("half", TensorProto.BFLOAT16, [8, 4], floats))
    graph.save("weights_bfloat16", graph.add("MatMul", "face", graph.add("Cast", "half", to=TensorProto.FLOAT)))


def microsoft():
    domain = {"domain": "com.microsoft"}
    case("microsoft_gelu", "Gelu", **domain)
    case("microsoft_fast_gelu", "FastGelu", f32(8), **domain)
    case("microsoft_bias_gelu", "BiasGelu", f32(8), **domain)
    case("microsoft_quick_gelu", "QuickGelu", alpha=1.5, **domain)
    case("microsoft_fused_conv", "FusedConv", f32(2, 3, 3, 3), f32(2), activation="LeakyRelu", activation_params=[0.3], **domain)
    graph = Graph(17)
    x = graph.add("Reshape", "face", i64(1, 18, 8))
    y = graph.add("SkipLayerNormalization", x, graph.add("Abs", x), f32(8), f32(8), f32(8), epsilon=1e-5, **domain)
    graph.save("microsoft_skip_layer_normalization", y)


def edges():
    """Where the last bit, a window that ends outside, or a number beyond f32 decides."""
    overhang = {"kernel_shape": [3, 3], "dilations": [2, 2], "strides": [3, 3], "pads": [0, 0, 1, 1], "ceil_mode": 1}
    case("average_pool_dilated_overhang", "AveragePool", count_include_pad=1, opset=19, **overhang)
    # In f64, the quotients lie beside the middle of two steps.
    tenths, zeros = numpy.full(5, 0.1, numpy.float32), numpy.zeros(5, numpy.int8)
    halves = (numpy.arange(-20, 20).reshape(8, 5) / 10 + 0.05).astype(numpy.float32)
    graph = Graph(13)
    w = graph.add("DequantizeLinear", graph.add("QuantizeLinear", halves, tenths, zeros, axis=1), tenths, zeros, axis=1)
    graph.save("quantize_halves_of_constant", graph.add("MatMul", "face", w))
    for name, shape, scale in [("seven_thirds", (1, 3, 6, 8), 7 / 3), ("three_tenths", (1, 1, 6, 24), 0.3)]:
        scales = numpy.array([1, 1, scale, scale], numpy.float32)
        for mode in ["nearest", "linear", "cubic"]:
            place = {"mode": mode, "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
            case(f"resize_{name}_{mode}", "Resize", "", scales, opset=13, shape=shape, **place)
    for name, opset, axis in [("log_softmax_far", 13, -1), ("log_softmax_far_flat", 11, 2)]:
        graph = Graph(opset)
        graph.save(name, graph.add("LogSoftmax", graph.add("Mul", "face", numpy.float32(200)), axis=axis))
    for name, p in [("lp_normalization_zero", 2), ("lp_normalization_zero_sum", 1)]:
        graph = Graph(17)
        rows = graph.add("Mul", "face", numpy.float32([0, 1, 1, 0, 1, 1]).reshape(6, 1))
        graph.save(name, graph.add("LpNormalization", rows, p=p))
    case("slice_back_from_before", "Slice", i64(-100), i64(-1000), i64(3), i64(-1))


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.*"):
        old.unlink()
    for group in [functions, arithmetic, convolutions, pools, matrices, reductions, normalisations, movement, resizes, quantisation, constants, element_types, microsoft, edges]:
        group()
