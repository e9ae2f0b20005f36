#!/usr/bin/env python3
"""Gradus and PyTorch on the same work, in turns: the cases of `gradus bench` restated in PyTorch.

    torch_pairs.py [--gradus PROGRAM] [--threads N] [--rounds R] [--only CASE]

Each round times PyTorch's parts of a case, then gradus' in a process of its own; a line holds the
medians over the rounds and the median of the rounds' ratios (PyTorch's time over gradus', above 1
where gradus is faster). PyTorch gets the same number of threads and its AVX-512 kernels. Prints
"skipped" and ends with 0 where PyTorch is not installed."""
import argparse
import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx512")
try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("skipped: no PyTorch (Debian: python3-torch)")
    sys.exit(0)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "oracles"))
import variants  # noqa: E402


def noise(*shape):
    return torch.randn(*shape)


def conv(n, c, h, k, r, stride):
    x, w = noise(n, c, h, h), noise(k, c, r, r)
    g = noise(n, k, h // stride, h // stride)
    mask = [(".bwd_data", [True, False, False]), (".bwd_weights", [False, True, False])]
    parts = {".fwd": lambda: F.conv2d(x, w, None, stride, r // 2)}
    for name, want in mask:
        parts[name] = lambda want=want: torch.ops.aten.convolution_backward(
            g, x, w, None, [stride] * 2, [r // 2] * 2, [1, 1], False, [0, 0], 1, want)
    return parts


def gemm(n):
    a, b = noise(n, n), noise(n, n)
    return {"": lambda: a @ b}


def both(x, forward, g):
    def run():
        torch.autograd.grad(forward(*x), x, g)
    return run


def no_grad(forward):
    def run():
        with torch.no_grad():
            forward()
    return run


def attention(heads, tokens, width):
    x = [noise(1, heads, tokens, width).requires_grad_() for _ in range(3)]
    g = noise(1, heads, tokens, width)
    return {".fwd": no_grad(lambda: variants.attend(*x)), ".fwdbwd": both(x, variants.attend, g)}


def norm(c, h):
    x = [t.requires_grad_() for t in (noise(1, c, h, h), noise(c), noise(c))]
    g = noise(1, c, h, h)

    def forward(a, w, b):
        return F.silu(F.group_norm(a, 32, w, b, 1e-5))
    return {".fwd": no_grad(lambda: forward(*x)), ".fwdbwd": both(x, forward, g)}


def chain(elements):
    """1000 ops; .bwd is what a pass with its gradient takes beyond one without."""
    x, w, g = noise(elements).requires_grad_(), noise(elements), noise(elements)

    def forward():
        y = x
        for _ in range(250):
            y = torch.tanh((y + w) * w) + 1.0
        return y

    def backward():
        y = forward()
        start = time.perf_counter()
        torch.autograd.grad(y, x, g)
        return time.perf_counter() - start
    return {".fwd": forward, ".bwd": backward}


def mlp(n):
    tanh, linear = torch.nn.Tanh, torch.nn.Linear
    net = torch.nn.Sequential(linear(2, 16), tanh(), linear(16, 16), tanh(), linear(16, 1))
    optim = torch.optim.SGD(net.parameters(), lr=1e-3)
    x, y = noise(n, 2), noise(n, 1)

    def steps():
        for _ in range(1000):
            optim.zero_grad()
            F.mse_loss(net(x), y).backward()
            optim.step()
    return {".step": steps}


def net(forward, x):
    """The three parts of a network; its weights are made by the first call."""
    w = variants.Weights(1)
    with torch.no_grad():
        forward(w, x)
    weights = list(w.made.values())

    def input_step():
        z = x.clone().requires_grad_()
        return torch.autograd.grad(forward(w, z).square().sum(), z)

    def params_step():
        for p in weights:
            p.requires_grad_()
        torch.autograd.grad(forward(w, x).square().sum(), weights, allow_unused=True)
        for p in weights:
            p.requires_grad_(False)
    return {".fwd": no_grad(lambda: forward(w, x)), ".fwdbwd_input": input_step,
            ".fwdbwd_params": params_step}


def unet(n, side, base, fashion):
    c = {"in_channels": 1 if fashion else 3, "out_channels": 1 if fashion else 6,
         "model_channels": base, "num_res_blocks": 2, "num_heads": 1, "num_classes": None,
         "channel_mult": [1, 2, 3] if fashion else [1, 2, 3, 4],
         "attention_resolutions": [4] if fashion else [4, 8],
         "num_head_channels": 32 if fashion else 64, "use_scale_shift_norm": True,
         "resblock_updown": True, "use_new_attention_order": False, "norm_groups": 32,
         "use_spatial_transformer": False}
    t = torch.full((n,), 500.0)
    return net(lambda w, x: variants.unet(w, c, x, t, None, None)["y"],
               noise(n, c["in_channels"], side, side))


def vit(n):
    c = {"embed_dim": 384, "patch_size": 14, "num_heads": 6, "img_size": 224, "depth": 12,
         "num_register_tokens": 0, "init_values": None, "mlp_ratio": 4, "ffn_layer": "mlp"}
    return net(lambda w, x: w.linear(variants.vit(w, c, x)["cls"], "head", 1000),
               noise(n, 3, 224, 224))


def vaedec(n):
    c = {"ch": 128, "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "z_channels": 4, "out_ch": 3,
         "attn_type": "vanilla", "attn_resolutions": [], "resolution": 256, "norm_groups": 32,
         "resamp_with_conv": True, "tanh_out": False}
    parts = net(lambda w, z: variants.vae_decode(w, c, z)["y"], noise(n, 4, 32, 32))
    del parts[".fwdbwd_params"]
    return parts


CASES = {
    "sgemm_2048": lambda: gemm(2048),
    "conv_n1_c128_h64_k128_f3_s1": lambda: conv(1, 128, 64, 128, 3, 1),
    "conv_n4_c256_h32_k256_f3_s1": lambda: conv(4, 256, 32, 256, 3, 1),
    "conv_n1_c128_h256_k128_f3_s1": lambda: conv(1, 128, 256, 128, 3, 1),
    "conv_n64_c64_h32_k32_f3_s1": lambda: conv(64, 64, 32, 32, 3, 1),
    "conv_n4_c128_h64_k128_f3_s2": lambda: conv(4, 128, 64, 128, 3, 2),
    "conv_n4_c256_h32_k512_f1_s1": lambda: conv(4, 256, 32, 512, 1, 1),
    "attention_h8_n1024_d64": lambda: attention(8, 1024, 64),
    "gn32silu_n1_c128_h256": lambda: norm(128, 256),
    "small_op_4": lambda: chain(4),
    "mlp_2_16_16_1": lambda: mlp(1),
    "fashion_b1": lambda: unet(1, 32, 32, True),
    "fashion_b64": lambda: unet(64, 32, 32, True),
    "unet64_b1": lambda: unet(1, 64, 64, False),
    "unet64_b4": lambda: unet(4, 64, 64, False),
    "vit_s14_b1": lambda: vit(1),
    "vaedec_b1": lambda: vaedec(1),
}
COUNT = {"small_op_4": 1000, "mlp_2_16_16_1": 1000}  # runs in one call


def time_torch(run, seconds, count):
    """Median of the runs that fit, three at least; a run may time itself."""
    run()
    times, begin = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        own = run()
        end = time.perf_counter() - start
        times.append((own if isinstance(own, float) else end) / count)
    return 1e3 * statistics.median(times)


def time_gradus(program, case, threads, seconds):
    out = subprocess.run([program, "bench", "--only", case, "--threads", str(threads),
                          "--seconds", str(seconds)], check=True, capture_output=True, text=True)
    rows = (line.split(",") for line in out.stdout.splitlines()[1:])
    return {row[0][len(case):]: float(row[3]) for row in rows if row[1] == "gradus"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gradus", default=os.path.join(HERE, "../../build/release/gradus"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    print("case,threads,torch_ms,gradus_ms,ratio,ratio_min,ratio_max")
    for case in (c for c in CASES if args.only in c):
        parts, ours, theirs = CASES[case](), {}, {}
        for _ in range(args.rounds):
            for part, run in parts.items():
                ms = time_torch(run, args.seconds, COUNT.get(case, 1))
                theirs.setdefault(part, []).append(ms)
            for part, ms in time_gradus(args.gradus, case, args.threads, args.seconds).items():
                ours.setdefault(part, []).append(ms)
        for part in parts:
            ratio = sorted(a / b for a, b in zip(theirs[part], ours[part]))
            print("%s%s,%d,%.4g,%.4g,%.2f,%.2f,%.2f" % (
                case, part, args.threads, statistics.median(theirs[part]),
                statistics.median(ours[part]), statistics.median(ratio), ratio[0], ratio[-1]),
                flush=True)


main()
