/*
 * A SiT as a prior (see gradus/prior_networks.h): of x_t and A it is told
 *     z = x_t / (a + b),  t = b / (a + b),    a = sqrt(A), b = sqrt(1 - A)
 * and answers u = eps - x_0, which is GR_PREDICT_FLOW as it stands. From a folder it comes with the
 * autoencoder that config.json names.
 */
#include "gradus/ops.h"
#include "gradus/prior_networks.h"
#include "prior_folder_priv.h"
#include "prior_priv.h"

static void sit_free(void *self)
{
	gr_sit_free(self);
}

/* The labels of a call: its own, or those for no class. */
static gr_tensor *labels_of(const gr_sit *net, const gr_prior_call *call)
{
	const gr_sit_config *c = gr_sit_get_config(net);
	int64_t none = c->class_dropout_prob > 0.0 ? c->num_classes : 0;
	if (call->labels)
		return call->labels;
	if (none == 0 && c->num_classes > 1) {
		gr_error_set(GR_EARG,
			"prior sit: the network was trained with classes alone; hint: gr_prior_set_class()");
		return NULL;
	}
	return gr_full(GR_I64, GR_DIMS(gr_tensor_dim(call->x_t, 0)), (double)none);
}

static gr_status sit_predict(void *self, const gr_prior *p, gr_prior_call *call)
{
	const gr_sit *net = self;
	const gr_sit_config *c = gr_sit_get_config(net);
	gr_tensor *scale = NULL, *t = NULL, *projected[GR_SIT_MAX_PROJECTORS] = {NULL};
	gr_dtype dtype = gr_tensor_dtype(call->x_t);
	gr_status status = gr__prior_levels(p, call, false, c->dtype, &scale, &t);
	if (status)
		return status;
	bool wanted = call->want_features && c->num_projectors > 0;
	gr_tensor *z = gr_mul(gr_cast(call->x_t, c->dtype), scale);
	gr_tensor *u = gr_sit_forward_with(net, z, t, labels_of(net, call),
		GR_OPTS(gr_sit_forward_opts, .projected = wanted ? projected : NULL));
	call->prediction = gr_cast(u, dtype);
	call->features = wanted ? gr_cast(projected[0], dtype) : NULL;
	return call->prediction ? GR_OK : gr_error_code();
}

/* dims of the state, from the network where opts say none; whether they are its own. */
static gr_status fill(gr_prior_opts *o, const gr_sit_config *c)
{
	static const gr_schedule_opts flow = {.size = sizeof(flow), .kind = GR_SCHEDULE_FLOW};
	if (c->is_dit)
		return gr_error_set(GR_EUNSUPPORTED,
			"prior sit: the network is a DiT, which knows diffusion steps and no times");
	if (o->prediction != GR_PREDICT_EPS && o->prediction != GR_PREDICT_FLOW)
		return gr_error_set(GR_EARG, "prior sit: it predicts the velocity");
	if ((o->channels && o->channels != c->in_channels) ||
		(o->height && o->height != c->input_size) || (o->width && o->width != c->input_size))
		return gr_error_set(GR_EARG, "prior sit: %lld x %lld x %lld, the network has %lld x %lld^2",
			(long long)o->channels, (long long)o->height, (long long)o->width,
			(long long)c->in_channels, (long long)c->input_size);
	o->channels = c->in_channels;
	o->height = c->input_size;
	o->width = c->input_size;
	o->prediction = GR_PREDICT_FLOW;
	o->schedule = o->schedule ? o->schedule : &flow;
	o->classes = c->num_classes > 1 || c->class_dropout_prob > 0.0 ? c->num_classes : 0;
	return GR_OK;
}

gr_prior *gr_prior_sit_new(gr_sit *net, const gr_prior_opts *opts)
{
	static const gr_prior_table table = {.name = "sit", .predict = sit_predict, .free = sit_free};
	gr_prior_opts filled = {.size = sizeof(filled)};
	if (opts)
		filled = *opts;
	gr_status status = GR_OK;
	if (!net)
		status =
			gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "prior sit: the network is NULL");
	if (!status)
		status = fill(&filled, gr_sit_get_config(net));
	if (!status)
		status = gr_module_set_trainable(gr_sit_module(net), false);
	if (status) {
		gr_sit_free(net);
		return NULL;
	}
	return gr_prior_new(&table, net, &filled);
}

/* --- a folder --- */

gr_status gr__prior_folder_sit(gr_prior **out, const prior_folder *f, gr_prior_find_fn find)
{
	static const char *const predictions[] = {"velocity", NULL};
	int choice = 0;
	gr_sit *sit = NULL;
	gr_vae *vae = NULL;
	prior_folder other = {.model = NULL};
	gr_latent_opts latent = {.size = sizeof(latent),
		.channels = f->dims[0],
		.height = f->dims[1],
		.width = f->dims[2]};
	gr_status status = gr__prior_folder_choice(f, f->root, "prediction", predictions, &choice);
	if (!status)
		status = gr__prior_folder_number(f, "latent_scale", 1.0, &latent.scale);
	if (!status)
		status = gr__prior_folder_number(f, "latent_shift", 0.0, &latent.shift);
	if (!status && !(latent.scale > 0.0))
		status = gr__prior_folder_malformed(f, "latent_scale", "above 0");
	if (!status)
		status = gr__prior_folder_beside(&other, f, find, "autoencoder", "autoencoder_sha256");
	if (!status)
		status = gr__folder_vae(&vae, &other);
	if (!status)
		status = gr__folder_sit(&sit, f);
	gr__folder_close(&other);
	if (status) {
		gr_vae_free(vae);
		gr_sit_free(sit);
		return status;
	}
	*out = gr_prior_vae_new(gr_prior_sit_new(sit, NULL), vae, &latent);
	return *out ? GR_OK : gr_error_code();
}
