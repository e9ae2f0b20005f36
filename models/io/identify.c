/*
 * Which architecture a file looks like, by the names of its tensors: each has a few that no other
 * has. For people who hold a file of unknown origin; nothing is decided by it.
 */
#include <string.h>

#include "gradus/checkpoint.h"

/* All of `keys` must be there; '*' at the end stands for any rest. The first that fits counts. */
static const struct look {
	const char *name;
	const char *keys[3];
} looks[] = {
	{"Stable Diffusion checkpoint (U-Net, autoencoder, text encoder)",
		{"model.diffusion_model.input_blocks.*", "first_stage_model.*", "cond_stage_model.*"}},
	{"latent diffusion checkpoint (U-Net, autoencoder)",
		{"model.diffusion_model.input_blocks.*", "first_stage_model.*"}},
	{"latent diffusion U-Net, in a checkpoint of the whole",
		{"model.diffusion_model.input_blocks.*"}},
	{"Stable Diffusion U-Net, keys of diffusers",
		{"down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight", "time_embedding.*"}},
	{"U-Net, keys of diffusers", {"down_blocks.0.resnets.0.*", "time_embedding.*"}},
	{"KL autoencoder, keys of diffusers", {"encoder.down_blocks.0.resnets.0.*", "quant_conv.*"}},
	{"latent diffusion U-Net with cross-attention",
		{"input_blocks.0.0.weight", "time_embed.0.weight",
			"middle_block.1.transformer_blocks.0.attn2.to_k.weight"}},
	{"ADM U-Net", {"input_blocks.0.0.weight", "time_embed.0.weight", "middle_block.1.qkv.weight"}},
	{"latent diffusion or ADM U-Net", {"input_blocks.0.0.weight", "time_embed.0.weight"}},
	{"VQ autoencoder", {"encoder.conv_in.weight", "quantize.embedding.weight"}},
	{"KL autoencoder", {"encoder.conv_in.weight", "decoder.conv_in.weight", "quant_conv.weight"}},
	{"DDPM U-Net", {"temb.dense.0.weight", "down.0.block.0.conv1.weight"}},
	{"EDM network (SongUNet)", {"model.map_layer0.weight", "model.enc.*"}},
	{"EDM network (SongUNet)", {"map_layer0.weight", "enc.*"}},
	{"TAESD tiny autoencoder: encoder",
		{
			"0.weight",
			"1.conv.0.weight",
			"2.weight",
		}},
	{"TAESD tiny autoencoder: decoder", {"1.weight", "3.conv.0.weight", "7.weight"}},
	{"TAESD tiny autoencoder: decoder", {"0.weight", "2.conv.0.weight", "6.weight"}},
	{"TAESD tiny autoencoder", {"encoder.1.conv.0.weight", "decoder.3.conv.0.weight"}},
	{"SiT with the REPA projector", {"x_embedder.proj.weight", "projectors.0.*", "final_layer.*"}},
	{"SiT or DiT", {"x_embedder.proj.weight", "blocks.0.adaLN_modulation.1.weight"}},
	{"DINOv2 ViT", {"cls_token", "mask_token", "blocks.*"}},
	{"DINOv2 ViT, keys of Hugging Face",
		{"embeddings.mask_token", "encoder.layer.0.attention.attention.query.weight"}},
	{"DINO or timm ViT", {"cls_token", "patch_embed.proj.weight", "blocks.*"}},
	{"CLIP text encoder", {"text_model.embeddings.token_embedding.weight"}},
	{"CLIP text encoder", {"transformer.text_model.embeddings.token_embedding.weight"}},
	{"LPIPS linear heads", {"lin0.model.1.weight", "lin4.model.1.weight"}},
	{"Inception v3", {"Mixed_5b.branch1x1.conv.weight"}},
	{"ResNet", {"layer1.0.conv1.weight", "layer4.0.conv1.weight", "bn1.weight"}},
	{"SqueezeNet", {"features.0.weight", "features.3.squeeze.weight"}},
	{"AlexNet or VGG", {"features.0.weight", "classifier.1.weight"}},
	{"AlexNet or VGG", {"features.0.weight", "classifier.0.weight"}},
	{"FNO or U-NO", {"fno_blocks.convs.*"}},
};

static bool has(const gr_tensorfile *f, const char *key)
{
	size_t bytes = strcspn(key, "*");
	gr_tensor_info info;
	if (key[bytes] == '\0')
		return gr_tensorfile_find(f, key) >= 0;
	for (int64_t i = 0; gr_tensorfile_info(f, i, &info); i++) {
		if (strncmp(info.name, key, bytes) == 0)
			return true;
	}
	return false;
}

const char *gr_checkpoint_guess(const gr_tensorfile *f)
{
	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
		bool all = true;
		for (int k = 0; k < 3 && all && looks[i].keys[k] != NULL; k++)
			all = has(f, looks[i].keys[k]);
		if (all)
			return looks[i].name;
	}
	return NULL;
}
