#!/usr/bin/env python3
"""FID's Inception and residual networks restated in PyTorch: narrow, random weights of a stated
seed. Writes <name>.json and <name>.npz beside itself; run by hand, never by the tests."""
import torch
import torch.nn.functional as F

from weights import Weights, differentiate, write


def batch_norm(w, x, name, eps):
    c, new = x.shape[1], name + ".bias" not in w.made
    weight, bias = w(name + ".weight", c), w(name + ".bias", c)
    mean, var = w(name + ".running_mean", c), w(name + ".running_var", c)
    if new:  # as drawn both are around 0; most ReLUs of a narrow network would be dead
        bias.add_(1.0)
        var.abs_().add_(0.5)
    return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)


def inception(w, c, x):
    def unit(x, name, out, kh=1, kw=1, stride=1, valid=False):
        out = max(1, out // c["shrink"])
        weight = w(name + ".conv.weight", out, x.shape[1], kh, kw)
        pad = (0, 0) if valid or stride > 1 else ((kh - 1) // 2, (kw - 1) // 2)
        return F.relu(batch_norm(w, F.conv2d(x, weight, None, stride, pad), name + ".bn", 1e-3))

    def mean_pool(x):
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

    def halve(x):
        return F.max_pool2d(x, 3, 2)

    def a(x, b, pool):
        y1 = unit(x, b + ".branch1x1", 64)
        y2 = unit(unit(x, b + ".branch5x5_1", 48), b + ".branch5x5_2", 64, 5, 5)
        y3 = unit(unit(x, b + ".branch3x3dbl_1", 64), b + ".branch3x3dbl_2", 96, 3, 3)
        y3 = unit(y3, b + ".branch3x3dbl_3", 96, 3, 3)
        return torch.cat([y1, y2, y3, unit(mean_pool(x), b + ".branch_pool", pool)], 1)

    def seven(x, b, k):
        y1 = unit(x, b + ".branch1x1", 192)
        y2 = unit(unit(x, b + ".branch7x7_1", k), b + ".branch7x7_2", k, 1, 7)
        y2 = unit(y2, b + ".branch7x7_3", 192, 7, 1)
        y3 = unit(x, b + ".branch7x7dbl_1", k)
        for i, (kh, kw, out) in enumerate([(7, 1, k), (1, 7, k), (7, 1, k), (1, 7, 192)]):
            y3 = unit(y3, b + ".branch7x7dbl_%d" % (i + 2), out, kh, kw)
        return torch.cat([y1, y2, y3, unit(mean_pool(x), b + ".branch_pool", 192)], 1)

    def e(x, b, pool):
        y1 = unit(x, b + ".branch1x1", 320)
        u = unit(x, b + ".branch3x3_1", 384)
        y2 = [unit(u, b + ".branch3x3_2a", 384, 1, 3), unit(u, b + ".branch3x3_2b", 384, 3, 1)]
        u = unit(unit(x, b + ".branch3x3dbl_1", 448), b + ".branch3x3dbl_2", 384, 3, 3)
        y3 = [unit(u, b + ".branch3x3dbl_3a", 384, 1, 3), unit(u, b + ".branch3x3dbl_3b", 384, 3, 1)]
        return torch.cat([y1] + y2 + y3 + [unit(pool(x), b + ".branch_pool", 192)], 1)

    if c["resize_input"]:
        x = F.interpolate(x, (299, 299), mode="bilinear", align_corners=False)
    x = 2 * x - 1 if c["normalize_input"] else x
    x = unit(x, "Conv2d_1a_3x3", 32, 3, 3, 2)
    x = unit(unit(x, "Conv2d_2a_3x3", 32, 3, 3, 1, True), "Conv2d_2b_3x3", 64, 3, 3)
    x = unit(unit(halve(x), "Conv2d_3b_1x1", 80), "Conv2d_4a_3x3", 192, 3, 3, 1, True)
    x = halve(x)
    for name, pool in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        x = a(x, name, pool)
    y = unit(unit(x, "Mixed_6a.branch3x3dbl_1", 64), "Mixed_6a.branch3x3dbl_2", 96, 3, 3)
    x = torch.cat([unit(x, "Mixed_6a.branch3x3", 384, 3, 3, 2),
                   unit(y, "Mixed_6a.branch3x3dbl_3", 96, 3, 3, 2), halve(x)], 1)
    for name, k in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        x = seven(x, name, k)
    y1 = unit(unit(x, "Mixed_7a.branch3x3_1", 192), "Mixed_7a.branch3x3_2", 320, 3, 3, 2)
    y2 = unit(unit(x, "Mixed_7a.branch7x7x3_1", 192), "Mixed_7a.branch7x7x3_2", 192, 1, 7)
    y2 = unit(unit(y2, "Mixed_7a.branch7x7x3_3", 192, 7, 1), "Mixed_7a.branch7x7x3_4", 192, 3, 3, 2)
    x = torch.cat([y1, y2, halve(x)], 1)
    x = e(x, "Mixed_7b", mean_pool)
    x = e(x, "Mixed_7c", lambda u: F.max_pool2d(u, 3, 1, 1))
    y = x.mean((2, 3))
    return {"y": y, "logits": w.linear(y, "fc", max(1, 1008 // c["shrink"]))}


def resnet(w, c, x):
    basic = c["block"] == "basic"

    def pair(x, conv, norm, out, k, stride=1, groups=1):
        weight = w(conv + ".weight", out, x.shape[1] // groups, k, k)
        return batch_norm(w, F.conv2d(x, weight, None, stride, (k - 1) // 2, 1, groups), norm, 1e-5)

    x = F.max_pool2d(F.relu(pair(x, "conv1", "bn1", c["width"], 7, 2)), 3, 2, 1)
    for k, blocks in enumerate(c["layers"]):
        for i in range(blocks):
            b, planes = "layer%d.%d." % (k + 1, i), c["width"] << k
            stride, out = (2 if k > 0 and i == 0 else 1), planes * (1 if basic else 4)
            if basic:
                y = F.relu(pair(x, b + "conv1", b + "bn1", planes, 3, stride))
                y = pair(y, b + "conv2", b + "bn2", planes, 3)
            else:
                inner = planes * c["width_per_group"] // 64 * c["groups"]
                y = F.relu(pair(x, b + "conv1", b + "bn1", inner, 1))
                y = F.relu(pair(y, b + "conv2", b + "bn2", inner, 3, stride, c["groups"]))
                y = pair(y, b + "conv3", b + "bn3", out, 1)
            if stride != 1 or x.shape[1] != out:
                x = pair(x, b + "downsample.0", b + "downsample.1", out, 1, stride)
            x = F.relu(x + y)
    out = {"y": x, "pooled": x.mean((2, 3))}
    if c["num_classes"]:
        out["logits"] = w.linear(out["pooled"], "fc", c["num_classes"])
    return out


def write_one(name, forward, c, height, width, gradient=True):
    w = Weights(11)  # a seed with which the narrow stem is not dead
    x = torch.randint(256, (1, 3, height, width)) / 256  # packs better
    out, grad = differentiate(lambda x: forward(w, c, x), x, "y", "r")
    out |= {"x": x.detach()} | ({"grad_x": grad} if gradient else {})
    if not gradient:  # as large as the image
        del out["r"]
    write(name, c, w, out, packed=True)


def main():
    torch.manual_seed(0)
    INCEPTION = {"arch": "inception", "shrink": 48, "resize_input": True, "normalize_input": True}
    write_one("inception", inception, INCEPTION, 20, 33)
    write_one("inception_bare", inception, INCEPTION | {
        "resize_input": False, "normalize_input": False, "shrink": 64}, 75, 79, gradient=False)
    RESNET = {"arch": "resnet", "block": "bottleneck", "layers": [1, 2, 1, 1], "width": 2, "groups": 1,
              "width_per_group": 64, "num_classes": 5}
    write_one("resnet", resnet, RESNET, 40, 33)
    write_one("resnet_basic", resnet, RESNET | {"block": "basic", "num_classes": 0, "width": 3}, 33, 40)
    write_one("resnet_groups", resnet, RESNET | {"groups": 2, "width_per_group": 32,
                                                 "layers": [1, 1, 1, 1]}, 32, 32)


if __name__ == "__main__":
    main()
