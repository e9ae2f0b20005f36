#!/usr/bin/env python3
"""CLIP's text encoder restated in PyTorch: small, random weights of a stated seed, under the names
of openai/CLIP. Writes <name>.json and <name>.npz beside itself; run by hand, never by the tests."""
import torch
import torch.nn.functional as F

from weights import Weights, differentiate, write


def encode(w, c, x):
    n, length, width = x.shape
    heads = c["num_attention_heads"]
    x = x + w("positional_embedding", c["max_position_embeddings"], width, scale=1.0)[:length]
    mask = torch.full((length, length), float("-inf")).triu(1)
    for i in range(c["num_hidden_layers"]):
        b = "transformer.resblocks.%d." % i
        u = w.layer_norm(x, b + "ln_1", 1e-5)
        qkv = F.linear(u, w(b + "attn.in_proj_weight", 3 * width, width),
                       w(b + "attn.in_proj_bias", 3 * width))
        q, k, v = (p.reshape(n, length, heads, -1).transpose(1, 2) for p in qkv.chunk(3, -1))
        p = torch.softmax(q @ k.transpose(-1, -2) * (width // heads) ** -0.5 + mask, -1)
        last = i + c["skip_layers"] >= c["num_hidden_layers"]
        a = w.linear((p @ v).transpose(1, 2).reshape(x.shape), b + "attn.out_proj", width)
        u = w.layer_norm(x + a, b + "ln_2", 1e-5)
        u = w.linear(u, b + "mlp.c_fc", c["intermediate_size"])
        u = u * torch.sigmoid(1.702 * u) if c["hidden_act"] == "quick_gelu" else F.gelu(u)
        y = x + a + w.linear(u, b + "mlp.c_proj", width)
        x = x if last else y  # a layer that is skipped still has its weights
    return {"y": w.layer_norm(x, "ln_final", 1e-5)}


def write_clip(name, embedded, **options):
    c = {"arch": "clip_text", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24,
         "num_hidden_layers": 3, "num_attention_heads": 2, "max_position_embeddings": 11,
         "hidden_act": "quick_gelu", "skip_layers": 0} | options
    w = Weights(8)
    ids = torch.tensor([[38, 5, 7, 39, 39, 39, 39], [38, 1, 0, 36, 22, 39, 39]])
    x = w("token_embedding.weight", c["vocab_size"], 16, scale=1.0)[ids]
    if embedded:
        out, grad = differentiate(lambda x: encode(w, c, x), x.clone(), "y", "r")
        out |= {"embeddings": x, "grad_embeddings": grad}
    else:
        out = encode(w, c, x) | {"ids": ids}
    write(name, c, w, out)


torch.manual_seed(0)
write_clip("clip_quick", False)
write_clip("clip_exact", True, hidden_act="gelu", skip_layers=1)
