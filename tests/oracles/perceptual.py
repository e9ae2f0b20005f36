#!/usr/bin/env python3
"""LPIPS restated in PyTorch from its paper: narrow networks with random weights of a stated seed.
Writes <name>.json and <name>.npz beside itself; run by hand, never by the tests."""
import torch
import torch.nn.functional as F

from weights import Weights, differentiate, write

# Convolutions are (number, full width, kernel, stride, padding), pools "P", Fire modules (number,
# squeeze, expand); a list ends where features are compared.
NETS = {
    "alex": [[(0, 64, 11, 4, 2)], ["P3", (3, 192, 5, 1, 2)], ["P3", (6, 384, 3, 1, 1)],
             [(8, 256, 3, 1, 1)], [(10, 256, 3, 1, 1)]],
    "vgg": [[(0, 64, 3, 1, 1), (2, 64, 3, 1, 1)],
            ["P2", (5, 128, 3, 1, 1), (7, 128, 3, 1, 1)],
            ["P2"] + [(i, 256, 3, 1, 1) for i in (10, 12, 14)],
            ["P2"] + [(i, 512, 3, 1, 1) for i in (17, 19, 21)],
            ["P2"] + [(i, 512, 3, 1, 1) for i in (24, 26, 28)]],
    "squeeze": [[(0, 64, 3, 2, 0)], ["P3", (3, 16, 64), (4, 16, 64)],
                ["P3", (6, 32, 128), (7, 32, 128)], ["P3", (9, 48, 192)], [(10, 48, 192)],
                [(11, 64, 256)], [(12, 64, 256)]],
}


def features(w, c, x):
    taps = []
    for k, slice_ in enumerate(NETS[c["net"]]):
        for layer in slice_:
            if isinstance(layer, str):
                x = F.max_pool2d(x, int(layer[1]), 2, ceil_mode=c["net"] == "squeeze")
                continue
            name = "net.slice%d.%d" % (k + 1, layer[0])
            if len(layer) == 5:
                number, out, kernel, stride, pad = layer
                x = F.relu(w.conv(x, name, max(1, out // c["shrink"]), kernel, stride, pad))
            else:
                narrow, wide = (max(1, n // c["shrink"]) for n in layer[1:])
                x = F.relu(w.conv(x, name + ".squeeze", narrow, 1))
                x = F.relu(torch.cat([w.conv(x, name + ".expand1x1", wide, 1),
                                      w.conv(x, name + ".expand3x3", wide, 3)], 1))
        taps.append(x)
    return taps


def lpips(w, c, x, y):
    def prepare(u):
        shift, scale = torch.tensor([-.030, -.088, -.188]), torch.tensor([.458, .448, .450])
        return u if c["version"] == "0.0" else (u - shift[:, None, None]) / scale[:, None, None]

    total = 0.0
    for k, (f, g) in enumerate(zip(features(w, c, prepare(x)), features(w, c, prepare(y)))):
        f, g = (u / (u.pow(2).sum(1, keepdim=True).sqrt() + 1e-10) for u in (f, g))
        d = (f - g) ** 2
        if c["lpips"]:
            d = d * w("lin%d.model.1.weight" % k, 1, f.shape[1], 1, 1).abs_()
        d = d.sum(1, keepdim=True)
        if c["spatial"]:
            total = total + F.interpolate(d, x.shape[2:], mode="bilinear", align_corners=False)
        else:
            total = total + d.mean((1, 2, 3))
    return {"y": total}


def write_lpips(name, net, n, height, width, **options):
    c = {"arch": "lpips", "net": net, "version": "0.1", "lpips": True, "spatial": False} | options
    w = Weights(5)
    x, y = (torch.rand(n, 3, height, width) * 2 - 1 for _ in range(2))
    out, grad = differentiate(lambda x: lpips(w, c, x, y), x, "y", "r")
    write(name, c, w, out | {"x": x.detach(), "reference": y, "grad_x": grad})


torch.manual_seed(0)
write_lpips("lpips_alex", "alex", 2, 31, 33, shrink=40)
write_lpips("lpips_alex_spatial", "alex", 1, 33, 31, shrink=50, spatial=True, version="0.0")
write_lpips("lpips_vgg", "vgg", 1, 32, 34, shrink=40)
write_lpips("lpips_vgg_baseline", "vgg", 1, 33, 32, shrink=40, lpips=False)
write_lpips("lpips_squeeze", "squeeze", 1, 33, 36, shrink=16)
