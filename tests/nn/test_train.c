/*
 * The trainer on a tiny perceptron: it learns, repeats, and a run cut anywhere and resumed ends
 * with the bits of an uninterrupted one.
 */
#include <criterion/criterion.h>

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/train.h"
#include "nn_check.h"

static char folder[64];

static void make_folder(void)
{
	strcpy(folder, "/tmp/gradus_train_XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(train, .init = make_folder, .fini = remove_folder);

typedef struct perceptron {
	gr_module *root;
	gr_linear *a, *b;
	gr_batchnorm *norm;      /* whose running statistics a checkpoint holds */
	int64_t nan_at, stop_at; /* steps; -1 for never */
	int steps, checkpoints;
} perceptron;

static perceptron perceptron_new(void)
{
	perceptron p = {.root = gr_module_new(), .nan_at = -1, .stop_at = -1};
	p.a = gr_linear_new(p.root, "a", GR_OPTS(gr_linear_opts, .in = 2, .out = 8));
	p.norm = gr_batchnorm_new(p.root, "norm", GR_OPTS(gr_batchnorm_opts, .channels = 8));
	p.b = gr_linear_new(p.root, "b", GR_OPTS(gr_linear_opts, .in = 8, .out = 1));
	cr_assert_eq(gr_module_init(p.root, gr_key_seed(1)), GR_OK);
	return p;
}

/* Fit sin(x0) + x1 on points drawn from the step's key. */
static gr_tensor *loss_at(int64_t step, gr_key key, void *ctx)
{
	const perceptron *p = ctx;
	gr_tensor *x = gr_random_normal(key, GR_F32, GR_DIMS(16, 2));
	gr_tensor *y = gr_add(gr_sin(gr_slice(x, 1, 0, 1, 1)), gr_slice(x, 1, 1, 2, 1));
	gr_tensor *h = gr_tanh(gr_batchnorm_train(p->norm, gr_linear_forward(p->a, x)));
	gr_tensor *loss = gr_mean(gr_square(gr_sub(gr_linear_forward(p->b, h), y)), GR_ALL_AXES, false);
	return step == p->nan_at ? gr_mul_s(loss, (double)NAN) : loss;
}

static gr_status on_step(gr_trainer *t, const gr_train_report *r, void *ctx)
{
	perceptron *p = ctx;
	cr_assert_eq(r->done, gr_trainer_done(t));
	p->steps++;
	/* An error of the user's own stands for a kill: nothing is saved on the way out. */
	return r->done == p->stop_at ? gr_error_set(GR_ESTATE, "stop here") : GR_OK;
}

static gr_status on_checkpoint(gr_trainer *t, const gr_train_report *r, void *ctx)
{
	(void)t;
	(void)r;
	((perceptron *)ctx)->checkpoints++;
	return GR_OK;
}

static gr_train_opts options(const char *output)
{
	static const gr_lr_opts lr = {.size = sizeof lr,
		.base = 0.02,
		.warmup = 5,
		.steps = 60,
		.decay = GR_LR_COSINE};
	return (gr_train_opts){.size = sizeof(gr_train_opts),
		.steps = 60,
		.seed = 7,
		.lr = &lr,
		.clip = 1.0,
		.output = output,
		.config = "perceptron",
		.checkpoint_steps = 10,
		.on_step = on_step,
		.on_checkpoint = on_checkpoint};
}

static gr_status train(perceptron *p, const gr_train_opts *opts)
{
	gr_trainer *t;
	gr_status status = gr_trainer_new(&t, p->root, loss_at, opts, p);
	if (!status)
		status = gr_trainer_run(t);
	gr_trainer_free(t);
	return status;
}

static const char *in_folder(const char *name)
{
	static char path[2][256];
	static int next;
	next = !next;
	snprintf(path[next], sizeof(path[next]), "%s/%s", folder, name);
	return path[next];
}

static bool same_files(const char *a, const char *b)
{
	char hash_a[65], hash_b[65];
	cr_assert_eq(gr_sha256_file(a, hash_a), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_sha256_file(b, hash_b), GR_OK, "%s", gr_error_message());
	return strcmp(hash_a, hash_b) == 0;
}

Test(train, learns_and_keeps_two_checkpoints)
{
	perceptron p = perceptron_new();
	gr_train_opts opts = options(in_folder("run/deep"));
	cr_assert_eq(train(&p, &opts), GR_OK, "%s", gr_error_message());
	cr_assert_eq(p.steps, 60);
	cr_assert_geq(p.checkpoints, 6);
	gr_scope_begin();
	cr_assert_lt(gr_item(loss_at(0, gr_key_seed(99), &p)), 0.25);
	gr_scope_end();
	int found = 0;
	DIR *dir = opendir(in_folder("run/deep"));
	for (const struct dirent *e; (e = readdir(dir));)
		found += strncmp(e->d_name, "checkpoint-", 11) == 0;
	closedir(dir);
	cr_assert_eq(found, 2);
	FILE *log = fopen(in_folder("run/deep/log.csv"), "r");
	char line[128];
	int lines = 0;
	while (fgets(line, sizeof(line), log))
		lines++;
	fclose(log);
	cr_assert_eq(lines, 61);
	cr_assert_eq(strncmp(line, "60,", 3), 0);
	gr_module_free(p.root);
}

/* Stopped after any number of steps, as by kill -9, then resumed: every file is the same. */
Test(train, resumes_to_the_bit)
{
	perceptron p = perceptron_new();
	gr_train_opts opts = options(in_folder("whole"));
	cr_assert_eq(train(&p, &opts), GR_OK);
	gr_module_free(p.root);
	const int64_t stops[] = {3, 10, 29, 59};
	for (int i = 0; i < 4; i++) {
		char output[256], mine[300];
		snprintf(output, sizeof(output), "%s/cut%d", folder, i);
		opts = options(output);
		p = perceptron_new();
		p.stop_at = stops[i];
		cr_assert_eq(train(&p, &opts), GR_ESTATE);
		gr_error_clear();
		gr_module_free(p.root);
		p = perceptron_new();
		opts.resume = true;
		cr_assert_eq(train(&p, &opts), GR_OK, "%s", gr_error_message());
		cr_assert_eq(p.steps, 60 - (stops[i] == 10 ? 0 : stops[i] / 10 * 10),
			"a stop before the save repeats the step");
		gr_module_free(p.root);
		const char *names[] = {"log.csv", "checkpoint-00000050.safetensors",
			"checkpoint-00000060.safetensors"};
		for (int k = 0; k < 3; k++) {
			snprintf(mine, sizeof(mine), "%s/%s", output, names[k]);
			char theirs[300];
			snprintf(theirs, sizeof(theirs), "%s/whole/%s", folder, names[k]);
			cr_assert(same_files(mine, theirs), "%s after stop at %d", names[k], (int)stops[i]);
		}
	}
}

Test(train, finished_run_resumes_to_nothing)
{
	perceptron p = perceptron_new();
	gr_train_opts opts = options(in_folder("run"));
	cr_assert_eq(train(&p, &opts), GR_OK);
	gr_tensor *w = gr_affine(gr_module_param(p.root, 0), 1.0, 0.0);
	gr_module_free(p.root);
	p = perceptron_new();
	opts.resume = true;
	cr_assert_eq(train(&p, &opts), GR_OK);
	cr_assert_eq(p.steps, 0);
	cr_assert(nn_same_bits(w, gr_module_param(p.root, 0)));
	gr_module_free(p.root);
}

Test(train, refuses_a_foreign_checkpoint)
{
	perceptron p = perceptron_new();
	gr_train_opts opts = options(in_folder("run"));
	opts.steps = 10;
	cr_assert_eq(train(&p, &opts), GR_OK);
	/* Neither over it, nor with another seed or configuration. */
	cr_assert_eq(train(&p, &opts), GR_ESTATE);
	cr_assert(strstr(gr_error_message(), "resume"), "%s", gr_error_message());
	gr_error_clear();
	opts.resume = true;
	opts.seed = 8;
	cr_assert_eq(train(&p, &opts), GR_ESTATE);
	gr_error_clear();
	opts.seed = 7;
	opts.config = "another";
	cr_assert_eq(train(&p, &opts), GR_ESTATE);
	gr_error_clear();
	opts.config = "perceptron";
	FILE *f = fopen(in_folder("run/checkpoint-00000010.safetensors"), "wb");
	fclose(f);
	cr_assert_eq(train(&p, &opts), GR_EFORMAT);
	gr_error_clear();
	gr_module_free(p.root);
}

/* NaN stops the run before anything is updated but what the loss itself moves, naming the step. */
Test(train, stops_at_nan)
{
	perceptron p = perceptron_new(), good = perceptron_new();
	gr_train_opts opts = options(NULL);
	p.nan_at = 12;
	cr_assert_eq(train(&p, &opts), GR_ENUMERIC);
	cr_assert(strstr(gr_error_message(), "step 12"), "%s", gr_error_message());
	gr_error_clear();
	opts.steps = 12;
	cr_assert_eq(train(&good, &opts), GR_OK);
	for (int64_t i = 0; i < gr_module_param_count(p.root); i++) {
		if (!strstr(gr_module_param_name(p.root, i), "running_"))
			cr_assert(nn_same_bits(gr_module_param(p.root, i), gr_module_param(good.root, i)));
	}
	gr_module_free(p.root);
	gr_module_free(good.root);
}

Test(train, interrupt_saves)
{
	perceptron p = perceptron_new();
	gr_train_opts opts = options(in_folder("run"));
	gr_trainer *t;
	cr_assert_eq(gr_trainer_new(&t, p.root, loss_at, &opts, &p), GR_OK);
	gr_interrupt();
	cr_assert_eq(gr_trainer_run(t), GR_OK);
	cr_assert_eq(gr_trainer_done(t), 0);
	gr_trainer_free(t);
	char hash[65];
	cr_assert_eq(gr_sha256_file(in_folder("run/checkpoint-00000000.safetensors"), hash), GR_OK);
	gr_module_free(p.root);
}

static uint64_t allocs_at_10;

static gr_status count_allocs(gr_trainer *t, const gr_train_report *r, void *ctx)
{
	(void)t;
	(void)ctx;
	if (r->done == 10)
		allocs_at_10 = gr_memory_stats().system_allocs;
	return GR_OK;
}

Test(train, no_system_allocation_in_steady_state)
{
	perceptron p = perceptron_new();
	gr_train_opts opts = options(NULL);
	opts.on_step = count_allocs;
	cr_assert_eq(train(&p, &opts), GR_OK);
	cr_assert_gt(allocs_at_10, 0);
	cr_assert_eq(gr_memory_stats().system_allocs, allocs_at_10);
	gr_module_free(p.root);
}
