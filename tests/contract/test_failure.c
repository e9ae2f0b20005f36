/*
 * Memory fails at the n-th block, for every n: each attempt ends in GR_EMEM or goes through, leaks
 * nothing and changes nothing, so that the step that is tried again gives the bits of one that was
 * never disturbed. On one thread: which block is the n-th must not depend on a schedule.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "gradus/checkpoint.h"
#include "gradus/model.h"
#include "gradus/ops.h"
#include "steps.h"

/* What is swept, and whether what it works on is as it was before. */
typedef struct subject {
	gr_status (*attempt)(void *ctx);
	bool (*is_untouched)(void *ctx); /* optional */
	void *ctx;
} subject;

/* One attempt with the n-th block refused; true when it went through all the same. */
static bool try_at(const subject *s, uint64_t n)
{
	const gr_memory before = gr_memory_stats();
	gr_memory_fail_at(n);
	gr_status status = s->attempt(s->ctx);
	gr_memory_fail_at(0);
	const gr_memory after = gr_memory_stats();
	cr_assert(status == GR_OK || status == GR_EMEM, "block %d: status %d, %s", (int)n, status,
		gr_error_message());
	cr_assert_eq(gr_error_code(), status, "block %d: %s", (int)n, gr_error_message());
	cr_assert(status == GR_OK || strstr(gr_error_message(), "bytes were refused") != NULL,
		"block %d: %s", (int)n, gr_error_message());
	char why[512];
	snprintf(why, sizeof why, "%s", gr_error_message());
	gr_error_clear();
	if (status == GR_OK)
		return true;
	cr_assert_eq(after.tensors_live, before.tensors_live, "block %d: tensors left after %s", (int)n,
		why);
	cr_assert_eq(after.bytes_in_use, before.bytes_in_use, "block %d: %lld bytes left after %s",
		(int)n, (long long)(after.bytes_in_use - before.bytes_in_use), why);
	cr_assert(s->is_untouched == NULL || s->is_untouched(s->ctx), "block %d: changed after %s",
		(int)n, why);
	return false;
}

/* Until it goes through three times in a row: it may do without a block or two. Blocks refused. */
static uint64_t sweep(const subject *s)
{
	uint64_t n = 1;
	gr_set_threads(1);
	for (int through = 0; through < 3; n++)
		through = try_at(s, n) ? through + 1 : 0;
	return n - 4;
}

/* --- a training step --------------------------------------------------------------------------- */

typedef struct trained {
	train_steps w;
	gr_tensor **values; /* of the parameters before the step, then of the average */
	int64_t count, done;
} trained;

static gr_tensor *value_of(const trained *t, int64_t i)
{
	gr_module *m = gr_unet_module(t->w.net);
	return i < t->count ? gr_module_param(m, i)
						: gr_ema_tensor(gr_trainer_ema(t->w.trainer), (int)(i - t->count));
}

static bool same_values(gr_tensor *a, gr_tensor *b)
{
	return memcmp(gr_tensor_data_const(a), gr_tensor_data_const(b),
			   (size_t)gr_tensor_size(a) * sizeof(float)) == 0;
}

static void remember(trained *t)
{
	for (int64_t i = 0; i < 2 * t->count; i++)
		gr_param_update(t->values[i], value_of(t, i));
	t->done = gr_trainer_done(t->w.trainer);
}

static void train_begin(trained *t)
{
	cr_assert_eq(train_steps_new(&t->w, 8, 2), GR_OK, "%s", gr_error_message());
	t->count = gr_module_param_count(gr_unet_module(t->w.net));
	t->values = gr_alloc(2 * (size_t)t->count * sizeof *t->values);
	for (int64_t i = 0; i < 2 * t->count; i++) {
		const gr_tensor *p = value_of(t, i);
		t->values[i] = gr_zeros(GR_F32, gr_tensor_ndim(p), gr_tensor_dims(p));
	}
}

static bool train_untouched(void *ctx)
{
	trained *t = ctx;
	bool same = gr_trainer_done(t->w.trainer) == t->done;
	for (int64_t i = 0; same && i < 2 * t->count; i++)
		same = same_values(t->values[i], value_of(t, i));
	return same;
}

static gr_status train_attempt(void *ctx)
{
	trained *t = ctx;
	gr_status status = train_steps_next(&t->w);
	if (status == GR_OK)
		remember(t);
	return status;
}

Test(failure, a_training_step_happens_whole_or_not_at_all)
{
	trained swept, calm;
	train_begin(&swept);
	train_begin(&calm);
	/* After a step the order of the epoch is cached. */
	cr_assert_eq(train_attempt(&swept), GR_OK, "%s", gr_error_message());
	uint64_t blocks = sweep(&(subject){train_attempt, train_untouched, &swept});
	printf("training step: %llu blocks refused in turn\n", (unsigned long long)blocks);
	cr_assert_gt(blocks, 1000);
	cr_assert_eq(train_attempt(&swept), GR_OK);
	while (gr_trainer_done(calm.w.trainer) < gr_trainer_done(swept.w.trainer))
		cr_assert_eq(train_attempt(&calm), GR_OK);
	for (int64_t i = 0; i < 2 * calm.count; i++)
		cr_assert(same_values(value_of(&calm, i), value_of(&swept, i)), "value %d", (int)i);
	gr_free(swept.values);
	gr_free(calm.values);
	train_steps_free(&swept.w);
	train_steps_free(&calm.w);
}

/* --- a solver's step --------------------------------------------------------------------------- */

typedef struct solved {
	solve_steps w;
	gr_tensor *x;
	int64_t done;
} solved;

static bool solve_untouched(void *ctx)
{
	const solved *s = ctx;
	return gr_solver_done(s->w.solver) == s->done &&
		same_values(gr_solver_state(s->w.solver, 0), s->x);
}

static gr_status solve_attempt(void *ctx)
{
	solved *s = ctx;
	gr_status status = solve_steps_next(&s->w);
	if (status == GR_OK) {
		gr_param_update(s->x, gr_solver_state(s->w.solver, 0));
		s->done = gr_solver_done(s->w.solver);
	}
	return status;
}

Test(failure, a_step_of_dps_happens_whole_or_not_at_all)
{
	solved swept = {0}, calm = {0};
	cr_assert_eq(solve_steps_new(&swept.w, 8, 2), GR_OK, "%s", gr_error_message());
	cr_assert_eq(solve_steps_new(&calm.w, 8, 2), GR_OK, "%s", gr_error_message());
	swept.x = gr_zeros(GR_F32, GR_DIMS(2, 3, 16, 16));
	calm.x = gr_zeros(GR_F32, GR_DIMS(2, 3, 16, 16));
	cr_assert_eq(solve_attempt(&swept), GR_OK, "%s", gr_error_message());
	uint64_t blocks = sweep(&(subject){solve_attempt, solve_untouched, &swept});
	printf("step of DPS: %llu blocks refused in turn\n", (unsigned long long)blocks);
	cr_assert_gt(blocks, 500);
	cr_assert_eq(solve_attempt(&swept), GR_OK);
	while (calm.done < swept.done)
		cr_assert_eq(solve_attempt(&calm), GR_OK, "%s", gr_error_message());
	cr_assert(same_values(calm.x, swept.x));
	solve_steps_free(&swept.w);
	solve_steps_free(&calm.w);
}

/* --- making and opening ------------------------------------------------------------------------ */

static gr_status build_training(void *ctx)
{
	train_steps w;
	(void)ctx;
	gr_status status = train_steps_new(&w, 8, 2);
	if (status == GR_OK)
		train_steps_free(&w);
	return status;
}

static gr_status build_solver(void *ctx)
{
	solve_steps w;
	(void)ctx;
	gr_status status = solve_steps_new(&w, 8, 2);
	if (status == GR_OK)
		solve_steps_free(&w);
	return status;
}

Test(failure, building_a_network_a_trainer_a_solver)
{
	cr_assert_gt(sweep(&(subject){.attempt = build_training}), 500);
	cr_assert_gt(sweep(&(subject){.attempt = build_solver}), 500);
}

typedef struct opening {
	gr_unet *net;
	const char *path;
} opening;

static gr_status open_checkpoint(void *ctx)
{
	const opening *o = ctx;
	gr_tensorfile *f = NULL;
	gr_status status = gr_checkpoint_open(&f, o->path, NULL);
	if (status == GR_OK)
		status = gr_module_load_file(gr_unet_module(o->net), f, NULL);
	gr_tensorfile_close(f);
	return status;
}

static void open_all(opening *o, const char *path)
{
	o->path = path;
	cr_assert_eq(open_checkpoint(o), GR_OK, "%s: %s", path, gr_error_message());
	cr_assert_gt(sweep(&(subject){.attempt = open_checkpoint, .ctx = o}), 50);
}

Test(failure, opening_and_loading_a_checkpoint)
{
	train_steps w;
	char path[] = "/tmp/gradus-failure-XXXXXX";
	cr_assert_eq(train_steps_new(&w, 8, 2), GR_OK);
	cr_assert_geq(mkstemp(path), 0);
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_module_save(gr_unet_module(w.net), a, GR_F16), GR_OK);
	opening o = {.net = w.net};
	cr_assert_eq(gr_safetensors_write(path, a), GR_OK, "%s", gr_error_message());
	open_all(&o, path);
	cr_assert_eq(gr_npz_write(path, a), GR_OK, "%s", gr_error_message());
	open_all(&o, path);
	gr_archive_free(a);
	unlink(path);
	train_steps_free(&w);
}

static gr_status open_foreign(void *ctx)
{
	gr_tensorfile *f = NULL;
	gr_tensor_info t;
	gr_status status = gr_scope_begin();
	if (status == GR_OK)
		status = gr_checkpoint_open(&f, ctx, NULL);
	for (int64_t i = 0; status == GR_OK && gr_tensorfile_info(f, i, &t); i++)
		status = t.refused != NULL || gr_tensorfile_read(f, i) != NULL ? GR_OK : gr_error_code();
	gr_scope_end();
	gr_tensorfile_close(f);
	return status;
}

/* Pickles in a zip archive and in a stream of their own. */
Test(failure, reading_foreign_checkpoints)
{
	static const char *const files[] = {"zip.pt", "legacy.pth", "module.pkl"};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char path[512];
		snprintf(path, sizeof path, "%s/tests/fuzz/corpus/checkpoint/%s", GRADUS_SOURCE_DIR,
			files[i]);
		gr_status status = open_foreign(path);
		gr_error_clear();
		if (status == GR_OK)
			cr_assert_gt(sweep(&(subject){.attempt = open_foreign, .ctx = path}), 5);
	}
}
