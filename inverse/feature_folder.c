/* Feature networks in folders (see gradus/feature.h). */
#include <stdio.h>
#include <string.h>

#include "gradus/feature.h"
#include "gradus/ops.h"
#include "netfolder.h"

/* --- dino --- */

static gr_status vit_apply(void *self, gr_feature_call *call)
{
	call->tokens =
		gr_vit_forward_with(self, call->x, GR_OPTS(gr_vit_forward_opts, .cls = &call->vector));
	return gr_error_code();
}

static void vit_free(void *self)
{
	gr_vit_free(self);
}

static gr_feature *open_vit(const prior_folder *f, const gr_feature_opts *opts)
{
	static const gr_feature_table table = {.name = "dino", .apply = vit_apply, .free = vit_free};
	gr_vit *net;
	return gr__folder_vit(&net, f) ? NULL : gr_feature_new(&table, net, opts);
}

/* --- mpe_cnn --- */

static gr_status mpe_apply(void *self, gr_feature_call *call)
{
	gr_tensor *x = gr_cast(call->x, gr_mpe_cnn_get_config(self)->dtype);
	call->map = gr_cast(gr_mpe_cnn_forward(self, x, NULL), gr_tensor_dtype(call->x));
	call->vector = gr_mean(call->map, GR_AXES(2, 3), false);
	return gr_error_code();
}

static void mpe_free(void *self)
{
	gr_mpe_cnn_free(self);
}

static gr_feature *open_mpe_cnn(const prior_folder *f, const gr_feature_opts *opts)
{
	static const gr_feature_table table = {.name = "mpe_cnn", .apply = mpe_apply, .free = mpe_free};
	gr_mpe_cnn *net;
	return gr__folder_mpe_cnn(&net, f) ? NULL : gr_feature_new(&table, net, opts);
}

/* --- autoencoder_kl --- */

static gr_status vae_apply(void *self, gr_feature_call *call)
{
	gr_tensor *x = gr_cast(call->x, gr_vae_get_config(self)->dtype);
	call->map = gr_cast(gr_vae_encode(self, x, NULL), gr_tensor_dtype(call->x));
	return gr_error_code();
}

static void vae_free(void *self)
{
	gr_vae_free(self);
}

static gr_feature *open_vae(const prior_folder *f, const gr_feature_opts *opts)
{
	static const gr_feature_table table = {.name = "autoencoder_kl",
		.apply = vae_apply,
		.free = vae_free};
	gr_vae *net;
	return gr__folder_vae(&net, f) ? NULL : gr_feature_new(&table, net, opts);
}

/* --- by model --- */

gr_status gr_feature_open(gr_feature **out, const char *folder, bool resize)
{
	static const struct {
		const char *model;
		gr_feature *(*open)(const prior_folder *f, const gr_feature_opts *opts);
	} kinds[] = {{"dino", open_vit}, {"mpe_cnn", open_mpe_cnn}, {"autoencoder_kl", open_vae}};
	prior_folder f;
	if (!out || !folder)
		return gr_error_set(GR_EARG, "feature network: %s is NULL", out ? "the folder" : "out");
	*out = NULL;
	gr_status status = gr__folder_read(&f, folder);
	const gr_feature_opts *opts =
		!resize ? NULL : GR_OPTS(gr_feature_opts, .height = f.dims[1], .width = f.dims[2]);
	bool known = false;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !status; i++) {
		if (strcmp(kinds[i].model, f.model) != 0)
			continue;
		known = true;
		*out = kinds[i].open(&f, opts);
		status = *out ? GR_OK : gr_error_code();
	}
	if (!status && !known)
		status = gr_error_set(GR_EUNSUPPORTED,
			"%s: a model \"%s\" is no feature network; those are \"dino\", \"mpe_cnn\" and "
			"\"autoencoder_kl\"",
			f.path, f.model);
	gr__folder_close(&f);
	return status;
}
