/*
 * Whole networks and steps: the peak that gr_estimate() foresees against the one that is measured.
 * The difference may be a tenth; it is what threads and scopes keep between calls.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "gradus/estimate.h"
#include "gradus/json.h"
#include "gradus/model.h"
#include "gradus/ops.h"
#include "steps.h"

typedef struct job {
	const char *name, *config;
	int64_t size;
	bool grad;
	uint64_t peak; /* of the evaluation alone, in either kind of run */
} job;

/* Cotangents for whatever has come out. */
static gr_status add_cotangents(gr_archive *in, const gr_archive *out)
{
	static const char *const names[][2] = {{"y", "r"}, {"moments", "r_moments"},
		{"latent", "r_latent"}};
	gr_status status = GR_OK;
	for (size_t i = 0; i < 3 && status == GR_OK; i++) {
		const gr_tensor *y = gr_archive_find(out, names[i][0]);
		if (y != NULL)
			status = gr_archive_add(in, names[i][1],
				gr_full(gr_tensor_dtype(y), gr_tensor_ndim(y), gr_tensor_dims(y), 1.0));
	}
	return status;
}

static gr_status evaluate(job *j, gr_model *m, gr_archive *in)
{
	gr_archive *first = gr_archive_new(), *out = gr_archive_new();
	gr_status status = first == NULL || out == NULL ? GR_EMEM : gr_model_run(m, in, false, first);
	if (status == GR_OK)
		status = add_cotangents(in, first);
	gr_archive_free(first);
	gr_memory_reset_peak();
	if (status == GR_OK)
		status = gr_model_run(m, in, j->grad, out);
	j->peak = gr_memory_stats().bytes_peak;
	gr_archive_free(out);
	return status;
}

static gr_status run(void *ctx)
{
	job *j = ctx;
	gr_json_error e;
	gr_json_doc *config = gr_json_parse(j->config, strlen(j->config), NULL, &e);
	gr_model *m = NULL;
	gr_archive *in = gr_archive_new();
	gr_status status = config == NULL || in == NULL ? gr_error_code() : GR_OK;
	if (status == GR_OK)
		status = gr_model_new(&m, j->name, gr_json_root(config));
	if (status == GR_OK)
		status = gr_module_set_trainable(gr_model_module(m), false);
	if (status == GR_OK)
		status = gr_module_init(gr_model_module(m), gr_key_seed(1));
	if (status == GR_OK)
		status = gr_model_example(m, j->size, j->size, gr_key_seed(2), in);
	if (status == GR_OK)
		status = evaluate(j, m, in);
	gr_archive_free(in);
	gr_model_free(m);
	gr_json_free(config);
	return status;
}

static void compare(const char *what, uint64_t estimated, uint64_t measured)
{
	double ratio = (double)estimated / (double)measured;
	printf("%-34s estimated %8.2f MiB, measured %8.2f MiB, %+.2f %%\n", what,
		(double)estimated / 1048576.0, (double)measured / 1048576.0, 100.0 * (ratio - 1.0));
	cr_assert(ratio > 0.9 && ratio < 1.1, "%s: off by a factor of %g", what, ratio);
}

Test(estimate, networks)
{
	static const job jobs[] = {
		{.name = "adm",
			.config = "{\"image_size\": 32, \"in_channels\": 3, \"model_channels\": 32, "
					  "\"out_channels\": 6, \"num_res_blocks\": 1, \"channel_mult\": [1, 2, 2], "
					  "\"attention_resolutions\": [2], \"num_head_channels\": 16, "
					  "\"use_scale_shift_norm\": true, \"resblock_updown\": true}",
			.size = 64},
		{.name = "taesd", .config = "{\"width\": 16}", .size = 64},
		{.name = "dinov2",
			.config = "{\"img_size\": 112, \"patch_size\": 14, \"embed_dim\": 96, \"depth\": 4, "
					  "\"num_heads\": 3, \"init_values\": 1.0}",
			.size = 224},
		{.name = "autoencoder_kl",
			.config = "{\"embed_dim\": 4, \"ddconfig\": {\"z_channels\": 4, \"resolution\": 64, "
					  "\"in_channels\": 3, \"out_ch\": 3, \"ch\": 32, \"ch_mult\": [1, 2], "
					  "\"num_res_blocks\": 1, \"attn_resolutions\": [32], \"double_z\": true}}",
			.size = 64},
	};
	gr_set_threads(2);
	for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
		for (int grad = 0; grad < 2; grad++) {
			job real = jobs[i], dry = jobs[i];
			char what[64];
			gr_cost cost;
			real.grad = dry.grad = grad != 0;
			const uint64_t before = gr_memory_stats().bytes_in_use;
			gr_scope_begin();
			gr_status status = run(&real);
			gr_scope_end();
			cr_assert_eq(status, GR_OK, "%s: %s", real.name, gr_error_message());
			status = gr_estimate(&cost, run, &dry);
			cr_assert_eq(status, GR_OK, "%s: %s", real.name, gr_error_message());
			snprintf(what, sizeof what, "%s%s", real.name, grad ? ", to the input" : "");
			compare(what, dry.peak, real.peak - before);
		}
	}
}

/* --- steps ------------------------------------------------------------------------------------- */

static uint64_t step_peak;

static gr_status train_one(void *ctx)
{
	train_steps w;
	(void)ctx;
	gr_status status = train_steps_new(&w, 32, 8);
	gr_memory_reset_peak();
	if (status == GR_OK)
		status = train_steps_next(&w);
	step_peak = gr_memory_stats().bytes_peak;
	if (status == GR_OK)
		train_steps_free(&w);
	return status;
}

static gr_status solve_one(void *ctx)
{
	solve_steps w;
	(void)ctx;
	gr_status status = solve_steps_new(&w, 32, 8);
	gr_memory_reset_peak();
	if (status == GR_OK)
		status = solve_steps_next(&w);
	step_peak = gr_memory_stats().bytes_peak;
	if (status == GR_OK)
		solve_steps_free(&w);
	return status;
}

static void compare_step(const char *what, gr_status (*step)(void *ctx))
{
	gr_cost cost;
	const uint64_t before = gr_memory_stats().bytes_in_use;
	gr_set_threads(2);
	gr_scope_begin();
	gr_status status = step(NULL);
	gr_scope_end();
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	const uint64_t real = step_peak - before;
	status = gr_estimate(&cost, step, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_assert_gt(cost.flops, 1e6);
	compare(what, step_peak, real);
}

Test(estimate, a_training_step)
{
	compare_step("training step", train_one);
}

Test(estimate, a_step_of_dps)
{
	compare_step("step of DPS", solve_one);
}
