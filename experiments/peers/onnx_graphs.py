"""Recognisers of many architectures as ONNX files, with an input and what ONNX Runtime computes of it.

    python experiments/peers/onnx_graphs.py FOLDER [NAME ...]
    python experiments/peers/onnx_graphs.py crates/graph/tests/fixtures/networks tiny

The weights are random (seeded), scaled so that activations neither vanish nor explode. NAME.onnx gets NAME.input.npy
(u8, 1 x side x side x 3, RGB) and NAME.output.npy (f32, the embedding). The network's input is (x - 127.5) / 127.5, or
the pixels as they are if the graph normalises itself (`*_normalising`). Files that exist are kept.

Needs torch, torchvision, timm, facenet-pytorch, onnx, onnxruntime, onnxscript.
"""

import sys
import zlib
from pathlib import Path

import numpy
import onnx
import onnxruntime
import torch
from torch import nn

# --- Definitions that no package holds: arcface_torch of insightface, IR-SE of face.evoLVe, written plainly. ---


class IResNetBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        return y + (x if self.downsample is None else self.downsample(x))


class IResNet(nn.Module):
    def __init__(self, blocks, width=64, side=112, dimension=512):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width))
        layers, inputs = [], width
        for stage, count in enumerate(blocks):
            outputs = width << stage
            for block in range(count):
                layers.append(IResNetBlock(inputs, outputs, 2 if block == 0 else 1))
                inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.bn2 = nn.BatchNorm2d(inputs)
        self.dropout = nn.Dropout(0.4)
        self.fc = nn.Linear(inputs * (side // 16) ** 2, dimension)
        self.features = nn.BatchNorm1d(dimension)

    def forward(self, x):
        x = self.dropout(self.bn2(self.layers(self.stem(x))))
        return self.features(self.fc(torch.flatten(x, 1)))


class SqueezeExcite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        narrow = max(1, channels // 16)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, narrow, 1, bias=False)
        self.fc2 = nn.Conv2d(narrow, channels, 1, bias=False)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(self.pool(x)))))


class IrSeBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        if inputs == outputs:
            self.shortcut = nn.MaxPool2d(1, stride)
        else:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.residual = nn.Sequential(
            nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), SqueezeExcite(outputs),
        )

    def forward(self, x):
        return self.residual(x) + self.shortcut(x)


class IrSe(nn.Module):
    """With the L2 normalisation at its end."""

    def __init__(self, blocks=(3, 4, 14, 3), width=64, side=112, dimension=512):
        super().__init__()
        self.input = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width))
        layers, inputs = [], width
        for stage, count in enumerate(blocks):
            for block in range(count):
                layers.append(IrSeBlock(inputs, width << stage, 2 if block == 0 else 1))
                inputs = width << stage
        self.body = nn.Sequential(*layers)
        self.output = nn.Sequential(
            nn.BatchNorm2d(inputs), nn.Dropout(0.4), nn.Flatten(), nn.Linear(inputs * (side // 16) ** 2, dimension),
            nn.BatchNorm1d(dimension),
        )

    def forward(self, x):
        x = self.output(self.body(self.input(x)))
        return torch.div(x, torch.norm(x, 2, 1, True))


def conv_block(inputs, outputs, kernel, stride=1, padding=0, groups=1, linear=False):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([] if linear else [nn.PReLU(outputs)]))


class DepthWise(nn.Module):
    def __init__(self, inputs, outputs, groups, stride=2, residual=False):
        super().__init__()
        self.residual = residual
        self.layers = nn.Sequential(
            conv_block(inputs, groups, 1),
            conv_block(groups, groups, 3, stride, 1, groups),
            conv_block(groups, outputs, 1, linear=True),
        )

    def forward(self, x):
        return x + self.layers(x) if self.residual else self.layers(x)


def mobilefacenet(a=128, blocks=(1, 4, 6, 2), last=512, side=112):
    b = 2 * a
    stack = lambda channels, count, groups: [DepthWise(channels, channels, groups, 1, True) for _ in range(count)]
    return nn.Sequential(
        conv_block(3, a, 3, 2, 1), conv_block(a, a, 3, 1, 1, a // 2),
        DepthWise(a, a, a), *stack(a, blocks[1], a),
        DepthWise(a, b, b), *stack(b, blocks[2], b),
        DepthWise(b, b, 2 * b), *stack(b, blocks[3], b),
        conv_block(b, last, 1), conv_block(last, last, side // 16, groups=last, linear=True),
        nn.Flatten(), nn.Linear(last, last, bias=False), nn.BatchNorm1d(last),
    )


class ArcFaceAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        weights = ((q @ k.transpose(-2, -1)) * self.scale).softmax(dim=-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(batch, tokens, width))


class ArcFaceBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attention, self.norm2 = nn.LayerNorm(width), ArcFaceAttention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU6(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ArcFaceVit(nn.Module):
    def __init__(self, width, depth=12, heads=8, side=112, patch=9, dimension=512):
        super().__init__()
        tokens = (side // patch) ** 2
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.positions = nn.Parameter(torch.randn(1, tokens, width) * 0.02)
        self.blocks = nn.Sequential(*[ArcFaceBlock(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.feature = nn.Sequential(
            nn.Linear(width * tokens, width, bias=False), nn.BatchNorm1d(width, eps=2e-5),
            nn.Linear(width, dimension, bias=False), nn.BatchNorm1d(dimension, eps=2e-5),
        )

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        x = self.norm(self.blocks(x))
        return self.feature(x.reshape(x.shape[0], -1))


class SFace(nn.Module):
    """MobileNet (v1) with PReLU, as OpenCV's SFace: 128 numbers."""

    def __init__(self):
        super().__init__()
        layers, inputs = [conv_block(3, 32, 3, 1, 1)], 32
        for outputs, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]:
            layers += [conv_block(inputs, inputs, 3, stride, 1, inputs), conv_block(inputs, outputs, 1)]
            inputs = outputs
        self.layers = nn.Sequential(*layers, nn.BatchNorm2d(1024), nn.Dropout(0.4), nn.Flatten(), nn.Linear(1024 * 49, 128), nn.BatchNorm1d(128))

    def forward(self, x):
        return self.layers(x)


class Normalising(nn.Module):
    """Takes pixels as they are, as insightface's files made from MXNet do."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network((x - 127.5) * 0.0078125)


class Interleaved(nn.Module):
    """Takes (1, height, width, 3), as files made from TensorFlow do."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.permute(0, 3, 1, 2))


class Float(nn.Module):
    """Takes and gives f32 around a network of f16."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.half()).float()


def of_timm(name, **options):
    def build():
        import timm

        return timm.create_model(name, pretrained=False, **{"num_classes": 512, **options})

    return build


def of_torchvision(name, **options):
    def build():
        import torchvision

        return getattr(torchvision.models, name)(weights=None, **{"num_classes": 512, **options})

    return build


def inception_resnet_v1():
    from facenet_pytorch import InceptionResnetV1

    return InceptionResnetV1(pretrained=None, classify=False)


# name -> (network, side, exporter, opset). The first ones are what engines are tuned on.
GRAPHS = {
    "iresnet18": (lambda: IResNet((2, 2, 2, 2)), 112, "script", 11),
    "mobilefacenet": (mobilefacenet, 112, "script", 12),
    "iresnet50": (lambda: IResNet((3, 4, 14, 3)), 112, "script", 11),
    "inception_resnet_v1": (inception_resnet_v1, 160, "script", 13),
    "vit_s": (lambda: ArcFaceVit(512), 112, "script", 17),
    "iresnet100": (lambda: IResNet((3, 13, 30, 3)), 112, "script", 11),
    "vit_t": (lambda: ArcFaceVit(256), 112, "script", 13),
    "ir_se_50": (IrSe, 112, "script", 14),
    "sface": (SFace, 112, "script", 9),
    "ghostnetv2": (of_timm("ghostnetv2_100"), 112, "script", 13),
    "edgenext_x_small": (of_timm("edgenext_x_small"), 112, "script", 16),
    "mobilenet_v2": (of_torchvision("mobilenet_v2"), 112, "script", 10),
    "mobilenet_v3": (of_torchvision("mobilenet_v3_large"), 112, "script", 14),
    "efficientnet_b0": (of_torchvision("efficientnet_b0"), 112, "script", 15),
    "resnet18": (of_torchvision("resnet18"), 112, "script", 7),
    "resnet50": (of_torchvision("resnet50"), 112, "script", 8),
    "resnext50": (of_torchvision("resnext50_32x4d"), 112, "script", 12),
    "densenet121": (of_torchvision("densenet121"), 112, "script", 13),
    "shufflenet_v2": (of_torchvision("shufflenet_v2_x1_0"), 112, "script", 12),
    "squeezenet": (of_torchvision("squeezenet1_1"), 112, "script", 13),
    "convnext_tiny": (of_torchvision("convnext_tiny"), 112, "script", 17),
    "regnet_y_400mf": (of_torchvision("regnet_y_400mf"), 112, "script", 13),
    "repvgg_a0": (of_timm("repvgg_a0"), 112, "script", 13),
    "googlenet": (of_torchvision("googlenet", aux_logits=False, init_weights=False), 160, "script", 11),
    "dinov2_vits14": (of_timm("vit_small_patch14_dinov2", num_classes=0, img_size=224), 224, "script", 17),
    "clip_vit_b32": (of_timm("vit_base_patch32_clip_224", depth=4), 224, "script", 17),
    "swin_tiny": (of_timm("swin_tiny_patch4_window7_224", img_size=112), 112, "script", 17),
    "iresnet18_dynamo": (lambda: IResNet((2, 2, 2, 2)), 112, "dynamo", 18),
    "mobilefacenet_dynamo": (mobilefacenet, 112, "dynamo", 21),
    "vit_t_dynamo": (lambda: ArcFaceVit(256), 112, "dynamo", 20),
    "ir_se_50_dynamo": (IrSe, 112, "dynamo", 18),
    "edgenext_x_small_dynamo": (of_timm("edgenext_x_small"), 112, "dynamo", 18),
    "mobilenet_v3_dynamo": (of_torchvision("mobilenet_v3_large"), 112, "dynamo", 19),
    "convnext_tiny_dynamo": (of_torchvision("convnext_tiny"), 112, "dynamo", 20),
    "dinov2_vits14_dynamo": (of_timm("vit_small_patch14_dinov2", num_classes=0, img_size=224, depth=4), 224, "dynamo", 18),
    "clip_vit_b32_dynamo": (of_timm("vit_base_patch32_clip_224", depth=4), 224, "dynamo", 18),
    "shufflenet_v2_dynamo": (of_torchvision("shufflenet_v2_x1_0"), 112, "dynamo", 18),
    "ghostnetv2_dynamo": (of_timm("ghostnetv2_100"), 112, "dynamo", 18),
    "iresnet18_normalising": (lambda: Normalising(IResNet((2, 2, 2, 2))), 112, "script", 11),
    "mobilenet_v2_interleaved": (lambda: Interleaved(of_torchvision("mobilenet_v2")()), 112, "script", 13),
    "iresnet18_fp16": (lambda: IResNet((2, 2, 2, 2)), 112, "half", 16),
    "iresnet18_external": (lambda: IResNet((2, 2, 2, 2)), 112, "external", 11),
    "mobilefacenet_qdq": (mobilefacenet, 112, "qdq", 13),
    "resnet18_qdq": (of_torchvision("resnet18"), 112, "qdq", 17),
}

# For the tests: as deep as these, a tenth as wide.
TINY = {
    "iresnet": (lambda: IResNet((1, 2, 1, 1), 2, 32, 16), 32, "script", 11),
    "iresnet_dynamo": (lambda: IResNet((1, 1, 1, 1), 2, 32, 16), 32, "dynamo", 18),
    "ir_se_normalising": (lambda: Normalising(IrSe((1, 1, 1, 1), 2, 32, 16)), 32, "script", 14),
    "mobilefacenet_interleaved": (lambda: Interleaved(mobilefacenet(4, (1, 1, 1, 1), 16, 32)), 32, "script", 12),
    "vit": (lambda: ArcFaceVit(8, 2, 2, 27, dimension=16), 27, "script", 17),
    "vit_dynamo": (lambda: ArcFaceVit(8, 1, 2, 27, dimension=16), 27, "dynamo", 20),
    "iresnet_fp16": (lambda: IResNet((1, 1, 1, 1), 2, 32, 16), 32, "half", 16),
    "iresnet_external": (lambda: IResNet((1, 1, 1, 1), 2, 32, 16), 32, "external", 11),
}


def picture(side, seed, count=1):
    """Noise of several scales, as u8."""
    random = numpy.random.default_rng(seed)
    faces = torch.zeros(count, 3, side, side)
    for scale in (4, 9, 24, side):
        noise = torch.from_numpy(random.standard_normal((count, 3, scale, scale), dtype=numpy.float32))
        faces += nn.functional.interpolate(noise, size=(side, side), mode="bilinear", align_corners=False)
    return (faces * 32 + 127).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def network_input(name, faces):
    """What the network is given: NCHW, normalised, unless its name says otherwise."""
    x = faces.astype(numpy.float32)
    if not name.endswith("_normalising"):
        x = (x - 127.5) / 127.5
    return x if name.endswith("_interleaved") else numpy.ascontiguousarray(x.transpose(0, 3, 1, 2))


def randomise(network, x):
    """Random parameters and statistics, with each BatchNorm scaled by what it sees."""
    for name, parameter in network.named_parameters():
        if any(part in name for part in ("gamma", "layer_scale", ".ls1", ".ls2")):
            nn.init.uniform_(parameter, 0.1, 0.6)
    hooks = []

    def settle(module, inputs):
        seen = inputs[0].detach()
        axes = [axis for axis in range(seen.dim()) if axis != 1]
        square = seen.square().mean(dim=axes)
        square = 0.5 * square + 0.5 * square.mean()
        noise = lambda low, high: torch.empty_like(square).uniform_(low, high)
        module.running_mean.copy_(noise(-0.3, 0.3) * square.sqrt())
        module.running_var.copy_(square * noise(0.7, 1.4) + 1e-6)
        if module.affine:
            module.weight.data.copy_(noise(0.7, 1.3))
            module.bias.data.copy_(noise(-0.2, 0.2))

    for module in network.modules():
        if isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.05, 0.45)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            hooks.append(module.register_forward_pre_hook(settle))
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()


def export(network, x, path, exporter, opset):
    layout = {"input_names": ["input"], "output_names": ["embedding"]}
    if exporter == "dynamo":
        torch.onnx.export(network, (x,), str(path), dynamo=True, opset_version=opset, external_data=False, verbose=False, **layout)
    else:
        torch.onnx.export(
            network, (x,), str(path), dynamo=False, opset_version=opset,
            dynamic_axes={"input": {0: "batch"}, "embedding": {0: "batch"}}, **layout,
        )


def widened(model):
    """The same graph with f32 wherever it has f16."""
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    for place, tensor in enumerate(model.graph.initializer):
        if tensor.data_type == half:
            array = onnx.numpy_helper.to_array(tensor).astype(numpy.float32)
            model.graph.initializer[place].CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == half:
                attribute.i = single
    for value in model.graph.value_info:
        if value.type.tensor_type.elem_type == half:
            value.type.tensor_type.elem_type = single
    return model


def bare(model):
    """Without what exporters write for people: paths of their source, shapes, versions."""
    del model.graph.value_info[:], model.metadata_props[:], model.graph.metadata_props[:]
    for part in [model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    return model


def ort(file, x, optimise=True):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(file if isinstance(file, bytes) else str(file), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


class Faces:
    """What the quantiser calibrates with."""

    def __init__(self, name, side):
        self.batches = iter([{"input": network_input(name, picture(side, seed))} for seed in range(4)])

    def get_next(self):
        return next(self.batches, None)


def make(folder, name):
    build, side, exporter, opset = {**GRAPHS, **TINY}[name]
    seed = zlib.crc32(name.encode())
    torch.manual_seed(seed)
    network = build().eval()
    face = picture(side, seed)
    randomise(network, torch.from_numpy(network_input(name, picture(side, seed + 1, 2))))
    x = network_input(name, face)
    tensor = torch.from_numpy(x)
    path, partial = folder / f"{name}.onnx", folder / f"{name}.partial.onnx"
    if exporter == "half":
        # Arithmetic in f32 on weights of f16 is what is asked for: f16 sums differ in the third digit.
        network.half()
        export(Float(network).eval(), tensor, partial, "script", opset)
        output = ort(widened(onnx.load(partial)).SerializeToString(), x)
    elif exporter == "qdq":
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        plain = folder / f"{name}.plain.onnx"
        export(network, tensor, plain, "script", opset)
        quant_pre_process(str(plain), str(plain))
        quantize_static(
            str(plain), str(partial), Faces(name, side), quant_format=QuantFormat.QDQ, per_channel=True,
            weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
        )
        plain.unlink()
        output = ort(partial, x, optimise=False)
    elif exporter == "external":
        export(network, tensor, partial, "script", opset)
        output = ort(partial, x)
        (folder / f"{name}.bin").unlink(missing_ok=True)
        onnx.save_model(onnx.load(partial), partial, save_as_external_data=True, location=f"{name}.bin", size_threshold=64)
    else:
        export(network, tensor, partial, exporter, opset)
        output = ort(partial, x)
    numpy.save(folder / f"{name}.input.npy", face)
    numpy.save(folder / f"{name}.output.npy", output.astype(numpy.float32))
    if name in TINY:
        onnx.save(bare(onnx.load(partial, load_external_data=False)), partial)
    partial.rename(path)
    with torch.no_grad():
        off = numpy.abs(unit(network.float().eval()(tensor).numpy()) - unit(output)).max()
    rms = float(numpy.sqrt(numpy.mean(output.astype(numpy.float64) ** 2)))
    print(f"{name}: {output.shape}, rms {rms:.3g}, {path.stat().st_size >> 20} MiB, off PyTorch by {off:.1e}", flush=True)


def unit(x):
    x = x.reshape(-1).astype(numpy.float64)
    return x / numpy.linalg.norm(x)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    failed = False
    names = sys.argv[2:] or GRAPHS
    for name in TINY if names == ["tiny"] else names:
        if (folder / f"{name}.onnx").exists():
            continue
        try:
            make(folder, name)
        except Exception as error:  # noqa: BLE001: the others are still wanted
            failed = True
            print(f"{name}: {type(error).__name__}: {str(error).splitlines()[:3]}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
