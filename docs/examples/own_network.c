/* A network of one's own: trained, saved, loaded back, filled from somebody else's file. Part of
 * docs/own-network.md. */
#include <gradus/checkpoint.h>
#include <gradus/layers.h>
#include <gradus/ops.h>
#include <gradus/train.h>
#include <math.h>
#include <stdio.h>

/* y = x + out(SiLU(GN(middle(SiLU(in(x)))))), images [N,1,H,W] */
typedef struct denoiser {
	gr_module *module;
	gr_conv *in, *middle, *out;
	gr_groupnorm *norm;
} denoiser;

static gr_status denoiser_build(denoiser *d, int64_t width)
{
	gr_module *m = d->module = gr_module_new();
	d->in = gr_conv_new(m, "in", GR_OPTS(gr_conv_layer_opts, .in = 1, .out = width));
	d->middle = gr_conv_new(m, "middle", GR_OPTS(gr_conv_layer_opts, .in = width, .out = width));
	d->norm = gr_groupnorm_new(m, "norm",
		GR_OPTS(gr_groupnorm_opts, .channels = width, .groups = 4, .silu = true));
	d->out = gr_conv_new(m, "out", GR_OPTS(gr_conv_layer_opts, .in = width, .out = 1));
	return gr_module_status(m);
}

static gr_tensor *denoiser_forward(const denoiser *d, gr_tensor *x)
{
	gr_tensor *h = gr_conv_forward(d->middle, gr_silu(gr_conv_forward(d->in, x)));
	return gr_add(x, gr_conv_forward(d->out, gr_groupnorm_forward(d->norm, h)));
}

/* Stripes behind noise; each step draws others by its key. */
static gr_tensor *loss(int64_t step, gr_key key, void *ctx)
{
	gr_tensor *phase = gr_random_uniform(key, GR_F32, GR_DIMS(8, 1, 1, 1), 0.0, 6.28);
	gr_tensor *columns = gr_reshape(gr_arange(GR_F32, 16, 0.0, 0.8), GR_DIMS(1, 1, 1, 16));
	gr_tensor *clean = gr_expand(gr_sin(gr_add(columns, phase)), GR_DIMS(8, 1, 16, 16));
	gr_tensor *noise = gr_random_normal(gr_key_fold(key, 1), GR_F32, GR_DIMS(8, 1, 16, 16));
	(void)step;
	return gr_mse(denoiser_forward(ctx, gr_axpby(clean, 1.0, noise, 0.5)), clean);
}

static gr_status train(denoiser *d)
{
	gr_trainer *trainer = NULL;
	const gr_lr_opts rate = {.size = sizeof rate, .base = 1e-2};
	const gr_train_opts opts = {.size = sizeof opts, .steps = 150, .lr = &rate};
	gr_status status = gr_module_init(d->module, gr_key_seed(1));
	if (status == GR_OK)
		status = gr_trainer_new(&trainer, d->module, loss, &opts, d);
	if (status == GR_OK)
		status = gr_trainer_run(trainer);
	gr_trainer_free(trainer);
	return status;
}

static gr_status save(const denoiser *d, const char *path)
{
	gr_archive *a = gr_archive_new();
	gr_status status = gr_module_save(d->module, a, GR_F32);
	if (status == GR_OK)
		status = gr_safetensors_write(path, a);
	gr_archive_free(a);
	return status;
}

/* From a file of any format; map NULL: its keys are our names. */
static gr_status load(denoiser *d, const char *path, const gr_keymap *map)
{
	gr_tensorfile *f = NULL;
	gr_status status = gr_checkpoint_open(&f, path, NULL);
	if (status == GR_OK)
		status = gr_module_load_file(d->module, f,
			GR_OPTS(gr_load_opts, .place = map == NULL ? NULL : gr_keymap_place, .map = map));
	gr_tensorfile_close(f);
	return status;
}

int main(void)
{
	static const char path[] = "/tmp/gradus_own_network.safetensors";
	/* Their names, and ours; what follows the dot is put in the star's place. */
	static const gr_keymap_rule rules[] = {{"stem.conv.*", "in.*", 0, 0},
		{"body.0.conv.*", "middle.*", 0, 0}, {"body.0.norm.*", "norm.*", 0, 0},
		{"head.*", "out.*", 0, 0}, {"teacher.**", NULL, 0, 0}};
	static const gr_keymap map = {rules, 5};
	gr_on_error(GR_ABORT); /* report the first error where it happens, and stop */
	denoiser ours, copy, theirs;
	if (denoiser_build(&ours, 8) || denoiser_build(&copy, 8) || denoiser_build(&theirs, 8))
		return 1;

	if (train(&ours) || save(&ours, path) || load(&copy, path, NULL))
		return 1;
	remove(path);
	double before = gr_item(loss(0, gr_key_seed(2), &ours));
	double after = gr_item(loss(0, gr_key_seed(2), &copy));
	printf("trained: error %.4f, of the copy %.4f, of the noise 0.25\n", before, after);

	if (load(&theirs, "docs/examples/theirs.pth", &map))
		return 1;
	gr_tensor *x = gr_full(GR_F32, GR_DIMS(1, 1, 8, 8), 0.5);
	double mean = gr_item(gr_mean(denoiser_forward(&theirs, x), GR_ALL_AXES, false));
	printf("theirs: mean %.6f\n", mean);
	gr_module_free(ours.module);
	gr_module_free(copy.module);
	gr_module_free(theirs.module);
	return before == after && before < 0.06 && fabs(mean - 0.370132) < 1e-5 ? 0 : 1;
}
