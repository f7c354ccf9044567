#!/usr/bin/env python3
"""PyTorch on the same network: our U-Net from a model file, checked against our forward, then timed in training.

    python3 bench/pytorch_unet.py MODEL.safetensors --check IN.safetensors OUT.safetensors
    python3 bench/pytorch_unet.py MODEL.safetensors --device cuda --batch 128 --compile

OUT is what `langevin forward MODEL --in IN --out OUT` wrote. The step that is timed is the one that
`langevin bench train` times: forward and backward of a batch, clipping of the gradient's norm, AdamW and the
moving average of the weights; channels-last, under bf16 with autocast over fp32 weights, as PyTorch users do it.
Prints one JSON object.
"""
import argparse
import json
import math
import struct
import time

import torch
from torch import nn
from torch.nn import functional as F

TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64, "F64": torch.float64}


def read_safetensors(path):
    """The tensors and the metadata of a file."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    body = bytearray(data[8 + length :])
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        values = torch.frombuffer(body[first:last] or bytearray(1), dtype=TYPES[entry["dtype"]], count=math.prod(entry["shape"]))
        tensors[name] = values.reshape(entry["shape"]).clone()
    return tensors, metadata


class Resnet(nn.Module):
    def __init__(self, c, channels, out, embed, scale=1.0):
        super().__init__()
        self.scale_shift, self.scale, self.p = c["resnet_time_scale_shift"] == "scale_shift", scale, c.get("dropout", 0.0)
        self.norm1 = nn.GroupNorm(c["norm_num_groups"], channels, c["norm_eps"])
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1)
        self.time_emb_proj = nn.Linear(embed, 2 * out if self.scale_shift else out)
        self.norm2 = nn.GroupNorm(c["norm_num_groups"], out, c["norm_eps"])
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        if channels != out:
            self.conv_shortcut = nn.Conv2d(channels, out, 1)

    def forward(self, x, temb):
        h = self.conv1(F.silu(self.norm1(x)))
        t = self.time_emb_proj(temb)[:, :, None, None]
        if self.scale_shift:
            scale, shift = t.chunk(2, 1)
            h = self.norm2(h) * (1 + scale) + shift
        else:
            h = self.norm2(h + t)
        h = self.conv2(F.dropout(F.silu(h), self.p, self.training))
        skip = self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x
        return (skip + h) / self.scale


class Attention(nn.Module):
    def __init__(self, c, channels, scale=1.0):
        super().__init__()
        head = c["attention_head_dim"] or channels
        self.heads, self.scale = channels // head, scale
        self.group_norm = nn.GroupNorm(c["norm_num_groups"], channels, c["norm_eps"])
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x):
        n, channels, height, width = x.shape
        h = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (f(h).view(n, height * width, self.heads, -1).transpose(1, 2) for f in (self.to_q, self.to_k, self.to_v))
        if hasattr(F, "scaled_dot_product_attention"):
            h = F.scaled_dot_product_attention(q, k, v)
        else:
            h = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(q.shape[3]), -1) @ v
        h = self.to_out[0](h.transpose(1, 2).reshape(n, height * width, channels))
        return (x + h.transpose(1, 2).reshape(x.shape)) / self.scale


class Sampler(nn.Module):
    """Down by a convolution of stride 2, or up to a size and a convolution."""

    def __init__(self, channels, padding=None):
        super().__init__()
        self.padding = padding
        self.conv = nn.Conv2d(channels, channels, 3, stride=1 if padding is None else 2, padding=1 if padding is None else padding)

    def forward(self, x, size=None):
        if self.padding is None:
            x = F.interpolate(x, size=size)
        elif self.padding == 0:
            x = F.pad(x, (0, 1, 0, 1))
        return self.conv(x)


class Block(nn.Module):
    def __init__(self, resnets, attentions):
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        if attentions:
            self.attentions = nn.ModuleList(attentions)

    def layer(self, i, x, temb):
        x = self.resnets[i](x, temb)
        return self.attentions[i](x) if hasattr(self, "attentions") else x


class UNet2D(nn.Module):
    """langevin/nn/unet2d.h, from the same configuration and under the same names."""

    def __init__(self, c):
        super().__init__()
        self.c, widths, layers = c, c["block_out_channels"], c["layers_per_block"]
        embed = 4 * widths[0]
        self.time_embedding = nn.ModuleDict({"linear_1": nn.Linear(widths[0], embed), "linear_2": nn.Linear(embed, embed)})
        if c.get("num_class_embeds"):
            self.class_embedding = nn.Embedding(c["num_class_embeds"], embed)
        self.conv_in = nn.Conv2d(c["in_channels"], widths[0], 3, padding=1)
        skips, channels = [widths[0]], widths[0]
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for i, out in enumerate(widths):
            attends = c["down_block_types"][i] == "AttnDownBlock2D"
            block = Block(
                [Resnet(c, channels if j == 0 else out, out, embed) for j in range(layers)],
                [Attention(c, out) for _ in range(layers)] if attends else [],
            )
            skips += [out] * layers
            if i + 1 < len(widths):
                block.downsamplers = nn.ModuleList([Sampler(out, c["downsample_padding"])])
                skips.append(out)
            self.down_blocks.append(block)
            channels = out
        scale = c.get("mid_block_scale_factor", 1)
        self.mid_block = Block(
            [Resnet(c, channels, channels, embed, scale) for _ in range(2)],
            [Attention(c, channels, scale)] if c.get("add_attention", True) else [],
        )
        for i, out in enumerate(reversed(widths)):
            attends = c["up_block_types"][i] == "AttnUpBlock2D"
            resnets = []
            for j in range(layers + 1):
                resnets.append(Resnet(c, channels + skips.pop(), out, embed))
                channels = out
            block = Block(resnets, [Attention(c, out) for _ in resnets] if attends else [])
            if i + 1 < len(widths):
                block.upsamplers = nn.ModuleList([Sampler(out)])
            self.up_blocks.append(block)
        self.conv_norm_out = nn.GroupNorm(c["norm_num_groups"], channels, c["norm_eps"])
        self.conv_out = nn.Conv2d(channels, c["out_channels"], 3, padding=1)

    def forward(self, x, t, labels=None):
        c, half = self.c, self.c["block_out_channels"][0] // 2
        angle = t.float()[:, None] * torch.exp(
            torch.arange(half, device=t.device, dtype=torch.float32) * (-math.log(10000) / (half - c["freq_shift"]))
        )
        features = [angle.cos(), angle.sin()] if c["flip_sin_to_cos"] else [angle.sin(), angle.cos()]
        temb = self.time_embedding["linear_2"](F.silu(self.time_embedding["linear_1"](torch.cat(features, 1))))
        if labels is not None:
            temb = temb + self.class_embedding(labels)
        temb = F.silu(temb)
        h = self.conv_in(2 * x - 1 if c.get("center_input_sample") else x)
        skips = [h]
        for block in self.down_blocks:
            for i in range(len(block.resnets)):
                h = block.layer(i, h, temb)
                skips.append(h)
            if hasattr(block, "downsamplers"):
                h = block.downsamplers[0](h)
                skips.append(h)
        h = self.mid_block.layer(0, h, temb)
        h = self.mid_block.resnets[1](h, temb)
        for block in self.up_blocks:
            for i in range(len(block.resnets)):
                h = block.layer(i, torch.cat([h, skips.pop()], 1), temb)
            if hasattr(block, "upsamplers"):
                h = block.upsamplers[0](h, skips[-1].shape[2:])
        return self.conv_out(F.silu(self.conv_norm_out(h)))


def load(path):
    tensors, metadata = read_safetensors(path)
    config = json.loads(metadata["langevin"])["network"]
    network = UNet2D(config)
    network.load_state_dict(tensors)
    return network, config


def check(network, given, written):
    """Relative error of this network's output to the one that langevin wrote."""
    inputs, expected = read_safetensors(given)[0], read_safetensors(written)[0]["output"].double()
    t = inputs["timestep"].reshape(-1).float().expand(inputs["sample"].shape[0])
    with torch.no_grad():
        output = network.eval()(inputs["sample"], t, inputs.get("class_labels")).double()
    return ((output - expected).norm() / expected.norm()).item()


def seconds_of(step, device, seconds):
    wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    for _ in range(5):
        step()
    times, start = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        wait()
        begin = time.perf_counter()
        step()
        wait()
        times.append(time.perf_counter() - begin)
    times.sort()
    return times


def train(network, config, o):
    network = network.to(o.device, memory_format=torch.channels_last).train()
    parameters = list(network.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, 1e-4, (0.9, 0.99), weight_decay=0.01, **({"fused": True} if o.device == "cuda" else {}))
    compiled = torch.compile(network, mode=o.mode) if o.compile else network
    size = config["sample_size"]
    height, width = (o.size, o.size) if o.size else (size, size) if isinstance(size, int) else size
    shape = (o.batch, config["in_channels"], height, width)
    x, target = (torch.randn(shape, device=o.device).to(memory_format=torch.channels_last) for _ in range(2))
    t = torch.randint(0, 1000, (o.batch,), device=o.device)
    labels = torch.zeros(o.batch, dtype=torch.long, device=o.device) if config.get("num_class_embeds") else None

    def step():
        with torch.autocast(o.device, dtype=torch.bfloat16, enabled=o.precision == "bf16"):
            output = compiled(x, t, labels)
        loss = F.mse_loss(output.float(), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_mul_(average, 0.999)
            torch._foreach_add_(average, parameters, alpha=0.001)

    times = seconds_of(step, o.device, o.seconds)
    return {"images_per_second": o.batch / times[len(times) // 2], "seconds_median": times[len(times) // 2],
            "seconds_min": times[0], "seconds_max": times[-1], "steps": len(times)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--check", nargs=2, metavar=("IN", "OUT"), help="compare with what langevin forward wrote; no timing")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp32"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=0, help="height and width; 0: the model's")
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    parser.add_argument("--mode", default="default", help="of torch.compile: default, reduce-overhead, max-autotune")
    parser.add_argument("--seconds", type=float, default=20)
    o = parser.parse_args()
    network, config = load(o.model)
    if o.check:
        print(json.dumps({"relative_error": check(network, *o.check)}))
        return
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    result = {"torch": torch.__version__, "device": o.device, "precision": o.precision, "batch": o.batch,
              "compile": o.mode if o.compile else None}
    print(json.dumps({**result, **train(network, config, o)}))


if __name__ == "__main__":
    main()
