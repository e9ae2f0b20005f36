#!/usr/bin/env python3
"""EDM's networks and preconditioners restated in PyTorch from the paper and the notes on their
checkpoints: small, random weights of a stated seed. Writes <name>.json and <name>.npz beside
itself; run by hand, never by the tests."""
import math
import re

import torch
import torch.nn.functional as F

from weights import Weights, differentiate, write


def norm(w, c, x, name):
    eps = 1e-6 if c["model_type"] != "DhariwalUNet" else 1e-5
    return w.group_norm(x, name, min(32, x.shape[1] // 4), eps)


def resample(c, x, how):
    """Depthwise, stride 2, by the filter's outer product."""
    f = torch.tensor(c["resample_filter"], dtype=torch.float32)
    f = f[:, None] * f[None, :] / f.sum() ** 2
    f = f.expand(x.shape[1], 1, *f.shape)
    pad = (f.shape[-1] - 1) // 2
    if how == "up":
        return F.conv_transpose2d(x, 4 * f, stride=2, padding=pad, groups=x.shape[1])
    return F.conv2d(x, f, stride=2, padding=0 if how == "fused" else pad, groups=x.shape[1])


def conv(w, c, x, name, out, k=3, how=None):
    if how == "fused":  # weights first, padded for both
        x = w.conv(x, name, out, k, pad=k // 2 + (len(c["resample_filter"]) - 1) // 2)
        return resample(c, x, how)
    x = resample(c, x, how) if how else x
    return w.conv(x, name, out, k) if k else x


def spectral(w, x, name, out, how=None):
    """A factor for each frequency below a quarter of the sampling rate of the level's resolution."""
    n, ch, h, width = x.shape
    modes = int(re.search(r"(\d+)x", name).group(1)) // 2
    new_h, new_w = ({"up": 2 * u, "down": u // 2, None: u}[how] for u in (h, width))
    low, high, columns = (modes + 1) // 2, modes // 2, modes // 2 + 1
    factor = torch.view_as_complex(w(name + ".weight", out, ch, modes, columns, 2).contiguous())
    f = torch.fft.rfft2(x, norm="forward")[..., :columns]
    g = torch.zeros(n, out, new_h, new_w // 2 + 1, dtype=torch.complex64)
    g[:, :, :low, :columns] = torch.einsum("nixy,oixy->noxy", f[:, :, :low], factor[:, :, :low])
    g[:, :, new_h - high:, :columns] = torch.einsum("nixy,oixy->noxy", f[:, :, h - high:],
                                                    factor[:, :, low:])
    y = torch.fft.irfft2(g, (new_h, new_w), norm="forward")
    return y + w(name + ".bias", out)[:, None, None]


def block(w, c, x, emb, name, out, how=None, attention=False):
    song = c["model_type"] != "DhariwalUNet"
    operator = c["model_type"] == "UNO"
    a = F.silu(norm(w, c, x, name + "norm0"))
    if operator:
        a = spectral(w, a, name + "conv0", out, how)
    else:
        a = conv(w, c, a, name + "conv0", out, 3, how)
    e = w.linear(emb, name + "affine", out if song else 2 * out)[:, :, None, None]
    if song:
        a = F.silu(norm(w, c, a + e, name + "norm1"))
    else:
        scale, shift = e.chunk(2, 1)
        a = F.silu(norm(w, c, a, name + "norm1") * (1 + scale) + shift)
    a = spectral(w, a, name + "conv1", out) if operator else conv(w, c, a, name + "conv1", out)
    if x.shape[1] != out or how:
        x = conv(w, c, x, name + "skip", out, 1 if song or x.shape[1] != out else 0, how)
    scale = math.sqrt(0.5) if song else 1.0
    x = (a + x) * scale
    heads = (1 if song else out // 64) if attention else 0
    if heads:
        n, ch, height, width = x.shape
        qkv = conv(w, c, norm(w, c, x, name + "norm2"), name + "qkv", 3 * ch, 1)
        q, k, v = qkv.reshape(n * heads, ch // heads, 3, -1).unbind(2)
        weight = torch.softmax(torch.einsum("ncq,nck->nqk", q, k / math.sqrt(ch // heads)), -1)
        a = torch.einsum("nqk,nck->ncq", weight, v).reshape(x.shape)
        x = (conv(w, c, a, name + "proj", ch, 1) + x) * scale
    return x


def mapping(w, c, label, classes, augment, p):
    song, mc = c["model_type"] != "DhariwalUNet", c["model_channels"]
    noise, width = mc * c["channel_mult_noise"], mc * c["channel_mult_emb"]
    half = noise // 2
    if c["embedding_type"] == "fourier":
        angle = label[:, None] * (2 * math.pi * w(p + "map_noise.freqs", half, scale=1.0))
    else:
        last = half - 1 if song else half
        angle = label[:, None] * (1 / 10000) ** (torch.arange(half) / last)
    both = [angle.sin(), angle.cos()] if song else [angle.cos(), angle.sin()]
    e = torch.cat(both, 1)
    if c["label_dim"] and song:
        e = e + w.linear(classes * math.sqrt(c["label_dim"]), p + "map_label", noise)
    if c["augment_dim"]:
        e = e + w.linear(augment, p + "map_augment", noise, bias=False)
    e = w.linear(F.silu(w.linear(e, p + "map_layer0", width)), p + "map_layer1", width)
    if c["label_dim"] and not song:
        e = e + w.linear(classes, p + "map_label", width, bias=False)
    return F.silu(e)


def network(w, c, x, label, classes, augment, p):
    song, mc, mult = c["model_type"] != "DhariwalUNet", c["model_channels"], c["channel_mult"]
    emb, kernel = mapping(w, c, label, classes, augment, p), 3
    if c["model_type"] == "UNO":  # coordinates; lifting and projection are 1 x 1
        n, _, h, width = x.shape
        rows = torch.linspace(0, 1, h)[:, None].expand(n, 1, h, width)
        columns = torch.linspace(0, 1, width).expand(n, 1, h, width)
        x, kernel = torch.cat([x, rows, columns], 1), 1
    aux, skips, last = x, [], len(mult) - 1
    for level, m in enumerate(mult):
        r = c["img_resolution"] >> level
        name = p + "enc.%dx%d_" % (r, r)
        if level == 0:
            x = conv(w, c, x, name + "conv", mc if song else mc * m, kernel)
            skips.append(x)
        else:
            x = block(w, c, x, emb, name + "down.", x.shape[1], "down")
            skips.append(x)
            if c["encoder_type"] == "skip":
                aux = resample(c, aux, "down")
                x = skips[-1] = x + conv(w, c, aux, name + "aux_skip", x.shape[1], 1)
            elif c["encoder_type"] == "residual":
                aux = conv(w, c, aux, name + "aux_residual", x.shape[1], 3, "fused")
                x = skips[-1] = aux = (x + aux) / math.sqrt(2)
        for i in range(c["num_blocks"]):
            x = block(w, c, x, emb, name + "block%d." % i, mc * m,
                      attention=r in c["attn_resolutions"])
            skips.append(x)
    out = None
    for level in range(last, -1, -1):
        r = c["img_resolution"] >> level
        name = p + "dec.%dx%d_" % (r, r)
        if level == last:
            x = block(w, c, x, emb, name + "in0.", x.shape[1], attention=True)
            x = block(w, c, x, emb, name + "in1.", x.shape[1])
        else:
            x = block(w, c, x, emb, name + "up.", x.shape[1], "up")
        for i in range(c["num_blocks"] + 1):
            inside = r in c["attn_resolutions"] and (not song or i == c["num_blocks"])
            x = block(w, c, torch.cat([x, skips.pop()], 1), emb, name + "block%d." % i,
                      mc * mult[level], attention=inside)
        if song and (c["decoder_type"] == "skip" or level == 0):
            if out is not None:
                out = resample(c, out, "up")
            y = F.silu(norm(w, c, x, name + "aux_norm"))
            y = conv(w, c, y, name + "aux_conv", c["out_channels"], kernel)
            out = y if out is None else out + y
    if not song:
        out = conv(w, c, F.silu(norm(w, c, x, p + "out_norm")), p + "out_conv", c["out_channels"])
    return out


def denoiser(w, c, x, sigma, classes, augment):
    s, how = sigma[:, None, None, None], c["precond"]
    m, sd = 1000, 0.5
    if how == "none":
        return {"y": network(w, c, x, sigma, classes, augment, "")}
    if how == "edm":
        c_skip, c_out = sd ** 2 / (s ** 2 + sd ** 2), s * sd / (s ** 2 + sd ** 2).sqrt()
        c_in, c_noise = 1 / (sd ** 2 + s ** 2).sqrt(), sigma.log() / 4
    elif how == "ve":
        c_skip, c_out, c_in, c_noise = 1, s, 1, (0.5 * sigma).log()
    else:
        c_skip, c_out, c_in = 1, -s, 1 / (s ** 2 + 1).sqrt()
    if how == "vp":
        d, b = 19.9, 0.1
        c_noise = (m - 1) * ((b ** 2 + 2 * d * (1 + sigma ** 2).log()).sqrt() - b) / d
    elif how == "iddpm":
        bar = [math.sin(0.5 * math.pi * j / m / 1.008) ** 2 for j in range(m + 1)]
        u = [0.0] * (m + 1)
        for j in range(m, 0, -1):
            u[j - 1] = math.sqrt((u[j] ** 2 + 1) / max(bar[j - 1] / bar[j], 0.001) - 1)
        nearest = [min(range(m + 1), key=lambda j: abs(u[j] - float(v))) for v in sigma]
        c_noise = m - 1 - torch.tensor(nearest, dtype=torch.float32)
    f = network(w, c, c_in * x, c_noise, classes, augment, "model.")
    return {"y": c_skip * x + c_out * f[:, :3]}


def write_edm(name, seed=6, t=(0.4, 3.0), **options):
    c = {"arch": "edm", "model_type": "SongUNet", "precond": "edm", "img_resolution": 8,
         "in_channels": 3, "label_dim": 0, "augment_dim": 0, "model_channels": 4,
         "channel_mult": [1, 2], "channel_mult_emb": 2, "channel_mult_noise": 1, "num_blocks": 1,
         "attn_resolutions": [4], "embedding_type": "positional", "encoder_type": "standard",
         "decoder_type": "standard", "resample_filter": [1, 1]} | options
    c["out_channels"] = 6 if c["precond"] == "iddpm" else 3
    w = Weights(seed)
    x, sigma, labels = torch.randn(2, 3, 8, 12), torch.tensor(t), torch.tensor([3, 0])
    classes = F.one_hot(labels, c["label_dim"]).float() if c["label_dim"] else None
    augment = torch.randn(2, c["augment_dim"]) if c["augment_dim"] else None
    out, grad = differentiate(lambda x: denoiser(w, c, x, sigma, classes, augment), x, "y", "r")
    out |= {"labels": labels} if c["label_dim"] else {}
    out |= {"augment": augment} if c["augment_dim"] else {}
    write(name, c, w, out | {"x": x.detach(), "t": sigma, "grad_x": grad})


torch.manual_seed(0)
NCSNPP = {"embedding_type": "fourier", "channel_mult_noise": 2, "encoder_type": "residual",
          "resample_filter": [1, 3, 3, 1]}
write_edm("edm_ddpmpp", label_dim=4, augment_dim=2, model_channels=8, channel_mult=[1])
write_edm("edm_ncsnpp", precond="ve", **NCSNPP)
write_edm("edm_skips", precond="vp", channel_mult=[1, 1, 1], encoder_type="skip", decoder_type="skip",
          resample_filter=[1, 3, 3, 1])
write_edm("edm_dhariwal", model_type="DhariwalUNet", precond="iddpm", label_dim=4, augment_dim=3,
          attn_resolutions=[8])
write_edm("song_unet", arch="song_unet", precond="none", t=(700.0, 3.5), attn_resolutions=[],
          channel_mult=[1, 1], num_blocks=2)
write_edm("edm_operator", model_type="UNO", channel_mult=[1, 1])
