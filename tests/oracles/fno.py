#!/usr/bin/env python3
"""The Fourier neural operator restated in PyTorch: small, random weights of a stated seed. Writes
fno.json and fno.npz beside itself; run by hand, never by the tests."""
import torch
import torch.nn.functional as F

from weights import Weights, differentiate, write


def spectral(w, x, name, modes, modes_w):
    n, c, h, width = x.shape
    low, high, columns = (modes + 1) // 2, modes // 2, modes_w // 2 + 1
    k = torch.view_as_complex(w(name + ".weight", c, c, modes, columns, 2).contiguous())
    f = torch.fft.rfft2(x, norm="forward")
    g = torch.zeros_like(f)
    for rows, part in ((slice(0, low), k[:, :, :low]), (slice(h - high, h), k[:, :, low:])):
        g[:, :, rows, :columns] = torch.einsum("nixy,oixy->noxy", f[:, :, rows, :columns], part)
    return torch.fft.irfft2(g, (h, width), norm="forward") + w(name + ".bias", c)[:, None, None]


def fno(w, c, x):
    n, _, h, width = x.shape
    u = torch.cat([x, torch.linspace(0, 1, h)[:, None].expand(n, 1, h, width),
                   torch.linspace(0, 1, width).expand(n, 1, h, width)], 1)
    u = w.conv(u, "lifting", c["hidden_channels"], 1)
    for i in range(c["n_layers"]):
        name = "layers.%d." % i
        u = spectral(w, u, name + "spectral", c["n_modes"], c["n_modes_w"]) + w.conv(
            u, name + "skip", u.shape[1], 1)
        u = F.gelu(u) if i + 1 < c["n_layers"] else u
    u = F.gelu(w.conv(u, "projection.0", c["projection_channels"], 1))
    return {"y": w.conv(u, "projection.1", c["out_channels"], 1)}


torch.manual_seed(0)
CONFIG = {"arch": "fno", "in_channels": 2, "out_channels": 3, "hidden_channels": 6,
          "projection_channels": 10, "n_layers": 3, "n_modes": 5, "n_modes_w": 8}
weights = Weights(12)
values = torch.randn(2, 2, 9, 14)
results, gradient = differentiate(lambda x: fno(weights, CONFIG, x), values, "y", "r")
write("fno", CONFIG, weights, results | {"x": values.detach(), "grad_x": gradient})
