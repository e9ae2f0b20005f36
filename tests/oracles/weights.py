"""What the scripts of this folder share: weights by name, gradients, and writing <name>.json and
<name>.npz (weights under "w.") beside them. Needs PyTorch and NumPy."""
import json
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))


class Weights:
    """Makes a weight the first time that its name is asked for."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)
        self.made = {}

    def __call__(self, name, *shape, scale=None):
        if name not in self.made:
            fan_in = math.prod(shape[1:]) if len(shape) > 1 else 1
            scale = scale if scale is not None else (1.0 if fan_in == 1 else fan_in ** -0.5)
            w = torch.randn(*shape, generator=self.generator) * scale
            if len(shape) == 1:
                w = 0.1 * w + (1.0 if name.endswith("weight") or name.endswith("gamma") else 0.0)
            self.made[name] = w
        return self.made[name]

    def linear(self, x, name, out, bias=True):
        w = self(name + ".weight", out, x.shape[-1])
        return F.linear(x, w, self(name + ".bias", out) if bias else None)

    def conv(self, x, name, out, k=3, stride=1, pad=None, bias=True):
        w = self(name + ".weight", out, x.shape[1], k, k)
        pad = (k - 1) // 2 if pad is None else pad
        return F.conv2d(x, w, self(name + ".bias", out) if bias else None, stride, pad)

    def layer_norm(self, x, name, eps):
        d = x.shape[-1]
        return F.layer_norm(x, (d,), self(name + ".weight", d), self(name + ".bias", d), eps)

    def group_norm(self, x, name, groups, eps):
        c = x.shape[1]
        return F.group_norm(x, groups, self(name + ".weight", c), self(name + ".bias", c), eps)


def differentiate(forward, x, out, r):
    """Results, a cotangent for `out`, and the gradient in x."""
    x = x.requires_grad_()
    results = forward(x)
    cotangent = torch.randn(results[out].shape)
    (results[out] * cotangent).sum().backward()
    return {k: v.detach() for k, v in results.items()} | {r: cotangent}, x.grad


def write(name, config, weights, arrays, packed=False):
    """packed: all weights in one array, in the order of their names, where files of many small ones
    would be mostly headers."""
    with open(os.path.join(HERE, name + ".json"), "w") as f:
        json.dump(config, f)
        f.write("\n")
    if packed:
        parts = [weights.made[k].flatten() for k in sorted(weights.made)]
        arrays = arrays | {"packed": torch.cat(parts)}
    else:
        arrays = arrays | {"w." + k: v for k, v in weights.made.items()}
    arrays = {k: v.numpy() for k, v in arrays.items()}
    path = os.path.join(HERE, name + ".npz")
    arrays = {k: v.astype("<f4") if v.dtype.kind == "f" else v for k, v in arrays.items()}
    np.savez_compressed(path, **arrays)
    assert os.path.getsize(path) <= 100000, (name, os.path.getsize(path))
