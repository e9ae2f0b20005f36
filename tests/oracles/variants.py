#!/usr/bin/env python3
"""Small networks with options that no reference case covers, restated in PyTorch from their papers
and code bases' documentation. Writes <name>.json and <name>.npz (weights under "w.", inputs,
outputs, gradients) beside itself, with random weights of a stated seed. Needs PyTorch and NumPy;
run by hand when an option is added, never by the tests."""
import math

import torch
import torch.nn.functional as F

from weights import Weights, differentiate, write


def attend(q, k, v, scale=None):
    return torch.softmax(q @ k.transpose(-1, -2) * (scale or q.shape[-1] ** -0.5), -1) @ v


def multihead(w, x, name, heads, qk_norm=False, scale=None):
    n, t, d = x.shape
    qkv = w.linear(x, name + ".qkv", 3 * d).reshape(n, t, 3, heads, d // heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    if qk_norm:
        q = w.layer_norm(q, name + ".q_norm", 1e-5)
        k = w.layer_norm(k, name + ".k_norm", 1e-5)
    return w.linear(attend(q, k, v, scale).transpose(1, 2).reshape(n, t, d), name + ".proj", d)


def vit(w, c, x):
    d, p, heads = c["embed_dim"], c["patch_size"], c["num_heads"]
    m = c["img_size"] // p
    n, h, g = x.shape[0], x.shape[2] // p, x.shape[3] // p
    tokens = w.conv(x, "patch_embed.proj", d, k=p, stride=p, pad=0).flatten(2).transpose(1, 2)
    table = w("pos_embed", 1, 1 + m * m, d, scale=1.0)
    w("mask_token", 1, d)
    grid = table[:, 1:].reshape(1, m, m, d).permute(0, 3, 1, 2)
    if (h, g) != (m, m):
        offset = c.get("interpolate_offset", 0.1)
        how = {"scale_factor": ((h + offset) / m, (g + offset) / m)} if offset else {"size": (h, g)}
        grid = F.interpolate(grid, mode="bicubic", antialias=c["interpolate_antialias"], **how)
    tokens = tokens + grid.flatten(2).transpose(1, 2)
    parts = [(w("cls_token", 1, 1, d, scale=1.0) + table[:, :1]).expand(n, 1, d)]
    r = c["num_register_tokens"]
    if r:
        parts.append(w("register_tokens", 1, r, d, scale=1.0).expand(n, r, d))
    x = torch.cat(parts + [tokens], 1)
    for i in range(c["depth"]):
        b = "blocks.%d.%d." % (i // 2, i) if c.get("block_chunks") else "blocks.%d." % i
        a = multihead(w, w.layer_norm(x, b + "norm1", 1e-6), b + "attn", heads,
                      scale=c.get("qk_scale"))
        x = x + a * (w(b + "ls1.gamma", d) if c["init_values"] else 1.0)
        u = w.layer_norm(x, b + "norm2", 1e-6)
        hidden = int(d * c["mlp_ratio"])
        if c["ffn_layer"] == "swiglufused":
            hidden = (int(hidden * 2 / 3) + 7) // 8 * 8
            first, second = w.linear(u, b + "mlp.w12", 2 * hidden).chunk(2, -1)
            u = w.linear(F.silu(first) * second, b + "mlp.w3", d)
        elif c["ffn_layer"] == "mlp":
            u = w.linear(F.gelu(w.linear(u, b + "mlp.fc1", hidden)), b + "mlp.fc2", d)
        x = x + u * (w(b + "ls2.gamma", d) if c["init_values"] else 1.0)
    x = w.layer_norm(x, "norm", 1e-6)
    return {"cls": x[:, 0], "y": x[:, 1 + r:]}


def sit(w, c, x, t, labels):
    d, p, s = c["hidden_size"], c["patch_size"], c["input_size"] // c["patch_size"]
    channels = c["in_channels"]
    h = w.conv(x, "x_embedder.proj", d, k=p, stride=p, pad=0).flatten(2).transpose(1, 2)
    h = h + w("pos_embed", 1, s * s, d, scale=1.0)
    f = torch.exp(-math.log(10000.0) * torch.arange(128) / 128)
    e = torch.cat([torch.cos(t[:, None] * f), torch.sin(t[:, None] * f)], -1)
    e = w.linear(F.silu(w.linear(e, "t_embedder.mlp.0", d)), "t_embedder.mlp.2", d)
    rows = c["num_classes"] + (c["class_dropout_prob"] > 0)
    cond = F.silu(e + w("y_embedder.embedding_table.weight", rows, d, scale=1.0)[labels])
    out = {}
    for i in range(c["depth"]):
        b = "blocks.%d." % i
        m = w.linear(cond, b + "adaLN_modulation.1", 6 * d)[:, None].chunk(6, -1)
        u = F.layer_norm(h, (d,), eps=1e-6) * (1 + m[1]) + m[0]
        h = h + m[2] * multihead(w, u, b + "attn", c["num_heads"], c["qk_norm"])
        u = F.layer_norm(h, (d,), eps=1e-6) * (1 + m[4]) + m[3]
        u = w.linear(u, b + "mlp.fc1", int(d * c["mlp_ratio"]))
        u = 0.5 * u * (1 + torch.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u ** 3)))
        h = h + m[5] * w.linear(u, b + "mlp.fc2", d)
        for k, z in enumerate(c["z_dims"] if i + 1 == c["encoder_depth"] else []):
            v = w.linear(h, "projectors.%d.0" % k, c["projector_dim"])
            v = w.linear(F.silu(v), "projectors.%d.2" % k, c["projector_dim"])
            out["projected" + (".%d" % k if k else "")] = w.linear(
                F.silu(v), "projectors.%d.4" % k, z)
    m = w.linear(cond, "final_layer.adaLN_modulation.1", 2 * d)[:, None].chunk(2, -1)
    u = F.layer_norm(h, (d,), eps=1e-6) * (1 + m[1]) + m[0]
    u = w.linear(u, "final_layer.linear", p * p * channels).reshape(-1, s, s, p, p, channels)
    out["y"] = torch.einsum("nhwpqc->nchpwq", u).reshape(-1, channels, s * p, s * p)
    return out


def vae_res(w, x, name, out, groups):
    a = w.conv(F.silu(w.group_norm(x, name + ".norm1", groups, 1e-6)), name + ".conv1", out)
    a = w.conv(F.silu(w.group_norm(a, name + ".norm2", groups, 1e-6)), name + ".conv2", out)
    return a + (x if x.shape[1] == out else w.conv(x, name + ".nin_shortcut", out, k=1))


def vae_attention(w, x, name, kind, groups):
    n, c, height, width = x.shape
    if kind == "none":
        return x
    if kind == "linear":
        q, k, v = w.conv(x, name + ".to_qkv", 3 * c, k=1, bias=False).flatten(2).chunk(3, 1)
        y = torch.einsum("nde,ndt->net", torch.einsum("ndt,net->nde", k.softmax(-1), v), q)
        return w.conv(y.reshape(x.shape), name + ".to_out", c, k=1)
    u = w.group_norm(x, name + ".norm", groups, 1e-6)
    q, k, v = (w.conv(u, name + "." + part, c, k=1).flatten(2).transpose(1, 2) for part in "qkv")
    y = attend(q, k, v).transpose(1, 2).reshape(x.shape)
    return x + w.conv(y, name + ".proj_out", c, k=1)


def vae_middle(w, x, name, c):
    for part in ("block_1", "attn_1", "block_2"):
        if part == "attn_1":
            x = vae_attention(w, x, name + part, c["attn_type"], c["norm_groups"])
        else:
            x = vae_res(w, x, name + part, x.shape[1], c["norm_groups"])
    return x


def attends(c, level, up=False):
    """The side is halved on the way down and doubled on the way up, whatever was lost."""
    last = len(c["ch_mult"]) - 1
    side = c["resolution"] >> last << (last - level) if up else c["resolution"] >> level
    return side in c["attn_resolutions"]


def vae_level(w, x, name, c, level, up=False):
    inside = attends(c, level, up)
    for i in range(c["num_res_blocks"] + up):
        x = vae_res(w, x, name + "block.%d" % i, c["ch"] * c["ch_mult"][level], c["norm_groups"])
        if inside:
            x = vae_attention(w, x, name + "attn.%d" % i, c["attn_type"], c["norm_groups"])
    return x


def vae_end(w, x, name, c, out):
    x = F.silu(w.group_norm(x, name + "norm_out", c["norm_groups"], 1e-6))
    return w.conv(x, name + "conv_out", out)


def vae_encode(w, c, x):
    levels = len(c["ch_mult"])
    h = w.conv(x, "encoder.conv_in", c["ch"])
    for level in range(levels):
        name = "encoder.down.%d." % level
        h = vae_level(w, h, name, c, level)
        if level + 1 < levels and c["resamp_with_conv"]:
            h = w.conv(F.pad(h, (0, 1, 0, 1)), name + "downsample.conv", h.shape[1], 3, 2, 0)
        elif level + 1 < levels:
            h = F.avg_pool2d(h, 2)
    h = vae_end(w, vae_middle(w, h, "encoder.mid.", c), "encoder.", c, 2 * c["z_channels"])
    return {"moments": w.conv(h, "quant_conv", 2 * c["embed_dim"], k=1)}


def vae_decode(w, c, z):
    h = w.conv(z, "post_quant_conv", c["z_channels"], k=1)
    h = w.conv(h, "decoder.conv_in", c["ch"] * c["ch_mult"][-1])
    h = vae_middle(w, h, "decoder.mid.", c)
    for level in reversed(range(len(c["ch_mult"]))):
        name = "decoder.up.%d." % level
        h = vae_level(w, h, name, c, level, True)
        if level > 0:
            h = F.interpolate(h, scale_factor=2.0, mode="nearest")
            if c["resamp_with_conv"]:
                h = w.conv(h, name + "upsample.conv", h.shape[1])
    h = vae_end(w, h, "decoder.", c, c["out_ch"])
    return {"y": torch.tanh(h) if c["tanh_out"] else h}


def unet_res(w, x, e, name, out, c, how=None):
    a = F.silu(w.group_norm(x, name + "in_layers.0", c["norm_groups"], 1e-5))
    if how == "up":
        a, x = (F.interpolate(u, scale_factor=2.0, mode="nearest") for u in (a, x))
    elif how == "down":
        a, x = F.avg_pool2d(a, 2), F.avg_pool2d(x, 2)
    a = w.conv(a, name + "in_layers.2", out)
    both = c["use_scale_shift_norm"]
    v = w.linear(F.silu(e), name + "emb_layers.1", 2 * out if both else out)[:, :, None, None]
    if both:
        scale, shift = v.chunk(2, 1)
        a = w.group_norm(a, name + "out_layers.0", c["norm_groups"], 1e-5) * (1 + scale) + shift
    else:
        a = w.group_norm(a + v, name + "out_layers.0", c["norm_groups"], 1e-5)
    a = w.conv(F.silu(a), name + "out_layers.3", out)
    return a + (x if x.shape[1] == out else w.conv(x, name + "skip_connection", out, k=1))


def unet_attention(w, x, name, c, heads):
    n, ch, height, width = x.shape
    u = w.group_norm(x, name + "norm", c["norm_groups"], 1e-5).flatten(2)
    qkv = F.conv1d(u, w(name + "qkv.weight", 3 * ch, ch, 1), w(name + "qkv.bias", 3 * ch))
    if c["use_new_attention_order"]:
        q, k, v = qkv.reshape(n, 3, heads, ch // heads, -1).transpose(-1, -2).unbind(1)
    else:
        q, k, v = qkv.reshape(n, heads, 3, ch // heads, -1).transpose(-1, -2).unbind(2)
    y = attend(q, k, v).transpose(-1, -2).reshape(n, ch, -1)
    y = F.conv1d(y, w(name + "proj_out.weight", ch, ch, 1), w(name + "proj_out.bias", ch))
    return x + y.reshape(x.shape)


def cross(w, x, context, name, heads):
    n, t, d = x.shape
    q = w.linear(x, name + "to_q", d, bias=False)
    k, v = (w.linear(context, name + part, d, bias=False) for part in ("to_k", "to_v"))
    q, k, v = (u.reshape(n, -1, heads, d // heads).transpose(1, 2) for u in (q, k, v))
    return w.linear(attend(q, k, v).transpose(1, 2).reshape(n, t, d), name + "to_out.0", d)


def unet_transformer(w, x, name, c, heads, context):
    n, ch, height, width = x.shape
    u = w.group_norm(x, name + "norm", c["norm_groups"], 1e-6)
    if c["use_linear_in_transformer"]:
        u = w.linear(u.flatten(2).transpose(1, 2), name + "proj_in", ch)
    else:
        u = w.conv(u, name + "proj_in", ch, k=1).flatten(2).transpose(1, 2)
    for i in range(c["transformer_depth"]):
        b = name + "transformer_blocks.%d." % i
        v = w.layer_norm(u, b + "norm1", 1e-5)
        u = u + cross(w, v, v, b + "attn1.", heads)
        u = u + cross(w, w.layer_norm(u, b + "norm2", 1e-5), context, b + "attn2.", heads)
        value, gate = w.linear(w.layer_norm(u, b + "norm3", 1e-5), b + "ff.net.0.proj",
                               8 * ch).chunk(2, -1)
        u = u + w.linear(value * F.gelu(gate), b + "ff.net.2", ch)
    if c["use_linear_in_transformer"]:
        u = w.linear(u, name + "proj_out", ch).transpose(1, 2).reshape(x.shape)
    else:
        u = w.conv(u.transpose(1, 2).reshape(x.shape), name + "proj_out", ch, k=1)
    return x + u


def unet(w, c, x, t, labels, context):
    mc, levels = c["model_channels"], len(c["channel_mult"])
    f = torch.exp(-math.log(10000.0) * torch.arange(mc // 2) / (mc // 2))
    e = torch.cat([torch.cos(t[:, None] * f), torch.sin(t[:, None] * f)], -1)
    e = w.linear(F.silu(w.linear(e, "time_embed.0", 4 * mc)), "time_embed.2", 4 * mc)
    if c["num_classes"]:
        e = e + w("label_emb.weight", c["num_classes"], 4 * mc, scale=1.0)[labels]

    def attention(h, name):
        heads = h.shape[1] // c["num_head_channels"] if c["num_head_channels"] > 0 else c["num_heads"]
        if c["use_spatial_transformer"]:
            return unet_transformer(w, h, name, c, heads, context)
        return unet_attention(w, h, name, c, heads)

    def resample(h, name, how):
        if c["resblock_updown"]:
            return unet_res(w, h, e, name, h.shape[1], c, how)
        if how == "up":
            h = F.interpolate(h, scale_factor=2.0, mode="nearest")
            return w.conv(h, name + "conv", h.shape[1]) if c["conv_resample"] else h
        return w.conv(h, name + "op", h.shape[1], 3, 2) if c["conv_resample"] else F.avg_pool2d(h, 2)

    h = w.conv(x, "input_blocks.0.0", mc * c["channel_mult"][0])
    skips, k, ds = [h], 1, 1
    for level in range(levels):
        for _ in range(c["num_res_blocks"]):
            h = unet_res(w, h, e, "input_blocks.%d.0." % k, mc * c["channel_mult"][level], c)
            if ds in c["attention_resolutions"]:
                h = attention(h, "input_blocks.%d.1." % k)
            skips, k = skips + [h], k + 1
        if level + 1 < levels:
            h = resample(h, "input_blocks.%d.0." % k, "down")
            skips, k, ds = skips + [h], k + 1, 2 * ds
    h = unet_res(w, h, e, "middle_block.0.", h.shape[1], c)
    h = attention(h, "middle_block.1.")
    h = unet_res(w, h, e, "middle_block.2.", h.shape[1], c)
    k = 0
    for level in reversed(range(levels)):
        for i in range(c["num_res_blocks"] + 1):
            h, child = torch.cat([h, skips.pop()], 1), 1
            h = unet_res(w, h, e, "output_blocks.%d.0." % k, mc * c["channel_mult"][level], c)
            if ds in c["attention_resolutions"]:
                h, child = attention(h, "output_blocks.%d.1." % k), 2
            if level > 0 and i == c["num_res_blocks"]:
                h, ds = resample(h, "output_blocks.%d.%d." % (k, child), "up"), ds // 2
            k += 1
    h = F.silu(w.group_norm(h, "out.0", c["norm_groups"], 1e-5))
    return {"y": w.conv(h, "out.2", c["out_channels"])}


def ddpm(w, c, x, t):
    ch, levels, groups = c["ch"], len(c["ch_mult"]), c["norm_groups"]
    half = ch // 2
    f = torch.exp(-math.log(10000.0) * torch.arange(half) / (half - 1))
    e = torch.cat([torch.sin(t[:, None] * f), torch.cos(t[:, None] * f)], -1)
    e = w.linear(F.silu(w.linear(e, "temb.dense.0", 4 * ch)), "temb.dense.1", 4 * ch)

    def res(h, name, out):
        a = w.conv(F.silu(w.group_norm(h, name + ".norm1", groups, 1e-6)), name + ".conv1", out)
        a = a + w.linear(F.silu(e), name + ".temb_proj", out)[:, :, None, None]
        a = w.conv(F.silu(w.group_norm(a, name + ".norm2", groups, 1e-6)), name + ".conv2", out)
        return a + (h if h.shape[1] == out else w.conv(h, name + ".nin_shortcut", out, k=1))

    def pair(h, name, level, i):
        h = res(h, name + "block.%d" % i, ch * c["ch_mult"][level])
        if attends(c, level, name.startswith("up")):
            h = vae_attention(w, h, name + "attn.%d" % i, "vanilla", groups)
        return h

    skips = [w.conv(x, "conv_in", ch)]
    for level in range(levels):
        name = "down.%d." % level
        for i in range(c["num_res_blocks"]):
            skips.append(pair(skips[-1], name, level, i))
        if level + 1 < levels and c["resamp_with_conv"]:
            h = F.pad(skips[-1], (0, 1, 0, 1))
            skips.append(w.conv(h, name + "downsample.conv", h.shape[1], 3, 2, 0))
        elif level + 1 < levels:
            skips.append(F.avg_pool2d(skips[-1], 2))
    h = res(skips[-1], "mid.block_1", skips[-1].shape[1])
    h = vae_attention(w, h, "mid.attn_1", "vanilla", groups)
    h = res(h, "mid.block_2", h.shape[1])
    for level in reversed(range(levels)):
        name = "up.%d." % level
        for i in range(c["num_res_blocks"] + 1):
            h = pair(torch.cat([h, skips.pop()], 1), name, level, i)
        if level > 0:
            h = F.interpolate(h, scale_factor=2.0, mode="nearest")
            if c["resamp_with_conv"]:
                h = w.conv(h, name + "upsample.conv", h.shape[1])
    h = F.silu(w.group_norm(h, "norm_out", groups, 1e-6))
    return {"y": w.conv(h, "conv_out", c["out_ch"])}


def write_vit(name, height, width, **options):
    c = {"arch": "dinov2", "img_size": 20, "patch_size": 4, "embed_dim": 16, "depth": 2,
         "num_heads": 2, "mlp_ratio": 4, "init_values": 1.0, "num_register_tokens": 0,
         "ffn_layer": "mlp", "interpolate_antialias": False} | options
    w = Weights(1)
    x = torch.randn(2, 3, height, width)
    out, grad = differentiate(lambda x: vit(w, c, x), x, "y", "r")
    write(name, c, w, out | {"x": x.detach(), "grad_x": grad})


def write_sit(name, **options):
    c = {"arch": "sit", "input_size": 8, "patch_size": 2, "in_channels": 3, "hidden_size": 16,
         "depth": 2, "num_heads": 2, "mlp_ratio": 2.5, "num_classes": 4, "encoder_depth": 1,
         "z_dims": [5, 6], "projector_dim": 12, "class_dropout_prob": 0.1, "qk_norm": True} | options
    w = Weights(2)
    x, t, labels = torch.randn(2, 3, 8, 8), torch.rand(2), torch.tensor([3, 1])
    out, grad = differentiate(lambda x: sit(w, c, x, t, labels), x, "y", "r")
    write(name, c, w, out | {"x": x.detach(), "t": t, "labels": labels, "grad_x": grad})


def write_vae(name, **options):
    c = {"arch": "autoencoder_kl", "embed_dim": 2, "z_channels": 3, "resolution": 16,
         "in_channels": 3, "out_ch": 3, "ch": 3, "ch_mult": [1, 2], "num_res_blocks": 1,
         "attn_resolutions": [8], "attn_type": "vanilla", "resamp_with_conv": True,
         "tanh_out": False, "norm_groups": 3} | options
    w = Weights(3)
    x, z = torch.randn(2, 3, 8, 12), torch.randn(2, 2, 4, 6)
    encoded, grad_x = differentiate(lambda x: vae_encode(w, c, x), x, "moments", "r_moments")
    decoded, grad_z = differentiate(lambda z: vae_decode(w, c, z), z, "y", "r")
    write(name, c, w, encoded | decoded | {"x": x.detach(), "z": z.detach(), "grad_x": grad_x,
                                           "grad_z": grad_z})


def write_unet(name, **options):
    c = {"arch": "adm", "in_channels": 3, "model_channels": 2, "out_channels": 6,
         "num_res_blocks": 1, "attention_resolutions": [2], "channel_mult": [1, 2],
         "num_heads": 2, "num_head_channels": -1, "num_classes": None,
         "use_scale_shift_norm": False, "resblock_updown": False, "conv_resample": True,
         "use_new_attention_order": False, "norm_groups": 2,
         "use_spatial_transformer": False} | options
    w = Weights(4)
    x, t, labels = torch.randn(2, 3, 8, 12), torch.tensor([3.0, 712.5]), torch.tensor([1, 4])
    context = torch.randn(2, 5, c.get("context_dim", 1))
    out, grad = differentiate(lambda x: unet(w, c, x, t, labels, context), x, "y", "r")
    extra = {"labels": labels} if c["num_classes"] else {}
    extra |= {"context": context} if c["use_spatial_transformer"] else {}
    write(name, c, w, out | extra | {"x": x.detach(), "t": t, "grad_x": grad})


def write_ddpm(name, **options):
    c = {"arch": "ddpm", "resolution": 16, "in_channels": 3, "out_ch": 3, "ch": 4,
         "ch_mult": [1, 2], "num_res_blocks": 1, "attn_resolutions": [8], "norm_groups": 2,
         "resamp_with_conv": True} | options
    w = Weights(7)
    x, t = torch.randn(2, 3, 8, 12), torch.tensor([3.0, 712.5])
    out, grad = differentiate(lambda x: ddpm(w, c, x, t), x, "y", "r")
    write(name, c, w, out | {"x": x.detach(), "t": t, "grad_x": grad})


def main():
    torch.manual_seed(0)
    write_vit("vit_offset", 16, 28)
    write_vit("vit_registers", 12, 28, num_register_tokens=3, ffn_layer="swiglufused",
              interpolate_antialias=True, interpolate_offset=0.0)
    write_vit("vit_exact", 28, 16, init_values=None, interpolate_offset=0.0)
    write_sit("sit_qk_norm")
    write_sit("sit_no_dropout", class_dropout_prob=0.0, qk_norm=False)
    write_vae("vae_inside")
    write_vae("vae_linear", attn_type="linear", attn_resolutions=[16], tanh_out=True)
    write_vae("vae_none", attn_type="none", attn_resolutions=[], resamp_with_conv=False)
    write_unet("unet_plain")
    write_unet("unet_new_order", use_new_attention_order=True, use_scale_shift_norm=True,
               resblock_updown=True, num_classes=5, num_head_channels=2)
    write_unet("unet_no_conv", conv_resample=False, attention_resolutions=[1, 2])
    LATENT = {"arch": "ldm_unet", "use_spatial_transformer": True, "context_dim": 6,
              "transformer_depth": 1, "use_linear_in_transformer": False, "model_channels": 4,
              "channel_mult": [2], "attention_resolutions": []}
    write_unet("ldm_deep", **(LATENT | {"transformer_depth": 2}))
    write_unet("ldm_linear", **(LATENT | {"use_linear_in_transformer": True, "num_head_channels": 4,
                                          "legacy": False, "use_scale_shift_norm": True}))
    write_ddpm("ddpm")
    write_ddpm("ddpm_plain", resamp_with_conv=False, attn_resolutions=[], num_res_blocks=2,
               out_ch=6, ch_mult=[1, 1, 1])
    write_vit("vit_identity", 20, 20, ffn_layer="identity", qk_scale=0.3, depth=4, block_chunks=2)
    write_vae("vae_odd", resolution=18, attn_resolutions=[9], ch_mult=[1, 1, 1])
    write_ddpm("ddpm_odd", resolution=18, attn_resolutions=[8], ch_mult=[1, 1, 1])


if __name__ == "__main__":
    main()
