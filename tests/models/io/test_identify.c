/* What a list of names looks like. */
#include <criterion/criterion.h>
#include <string.h>

#include "pt_build.h"

TestSuite(identify, .init = pt_begin, .fini = pt_end);

Test(identify, by_names)
{
	static const struct {
		const char *names[4];
		const char *look;
	} cases[] = {
		{{"input_blocks.0.0.weight", "time_embed.0.weight", "middle_block.1.qkv.weight"},
			"ADM U-Net"},
		{{"input_blocks.0.0.weight", "time_embed.0.weight",
			 "middle_block.1.transformer_blocks.0.attn2.to_k.weight"},
			"latent diffusion U-Net with cross-attention"},
		{{"model.diffusion_model.input_blocks.0.0.weight", "first_stage_model.x",
			 "cond_stage_model.y"},
			"Stable Diffusion checkpoint (U-Net, autoencoder, text encoder)"},
		{{"encoder.conv_in.weight", "decoder.conv_in.weight", "quant_conv.weight"},
			"KL autoencoder"},
		{{"cls_token", "mask_token", "blocks.0.norm1.weight"}, "DINOv2 ViT"},
		{{"x_embedder.proj.weight", "projectors.0.0.weight", "final_layer.linear.weight"},
			"SiT with the REPA projector"},
		{{"x", "y"}, NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		gr_archive *a = gr_archive_new();
		gr_tensorfile *f;
		gr_status status = GR_OK;
		for (int k = 0; k < 4 && cases[i].names[k] != NULL && status == GR_OK; k++)
			status = gr_archive_add(a, cases[i].names[k], gr_zeros(GR_F32, GR_DIMS(1)));
		if (status == GR_OK)
			status = gr_safetensors_write(pt_path("f"), a);
		if (status == GR_OK)
			status = gr_checkpoint_open(&f, pt_path("f"), NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		const char *guess = gr_checkpoint_guess(f);
		if (cases[i].look == NULL)
			cr_assert_null(guess);
		else
			cr_assert(guess != NULL && strcmp(guess, cases[i].look) == 0, "%s, not %s",
				guess != NULL ? guess : "nothing", cases[i].look);
		gr_tensorfile_close(f);
		gr_archive_free(a);
	}
}
