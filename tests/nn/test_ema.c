/* Moving averages: the recursion, warm-up, swapping, archives. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/optim.h"
#include "nn_check.h"

static gr_params one_param(gr_tensor **slot, const char **name, gr_dtype dtype)
{
	*slot = gr_full(dtype, GR_DIMS(2, 3), 1.0);
	*name = "w";
	return (gr_params){.n = 1, .names = name, .tensors = slot};
}

static void check_recursion(bool no_warmup)
{
	gr_tensor *w;
	const char *name;
	gr_params params = one_param(&w, &name, GR_F64);
	gr_ema *e;
	double want = 1.0;
	cr_assert_eq(gr_ema_new(&e, &params,
					 GR_OPTS(gr_ema_opts, .decay = 0.5, .no_warmup = no_warmup)),
		GR_OK);
	for (int n = 0; n < 20; n++) {
		double value = 1.0 + n * n, decay = no_warmup ? 0.5 : fmin(0.5, (1.0 + n) / (10.0 + n));
		cr_assert_eq(gr_param_update(w, gr_full(GR_F64, GR_DIMS(2, 3), value)), GR_OK);
		cr_assert_eq(gr_ema_update(e), GR_OK);
		want = decay * want + (1.0 - decay) * value;
		cr_assert_float_eq(gr_tensor_at(gr_ema_tensor(e, 0), (const int64_t[]){1, 2}), want,
			1e-12 * want);
	}
	gr_ema_free(e);
}

Test(ema, recursion)
{
	check_recursion(true);
	check_recursion(false);
}

Test(ema, swap_twice_is_nothing)
{
	gr_tensor *w;
	const char *name;
	gr_params params = one_param(&w, &name, GR_F32);
	gr_ema *e;
	cr_assert_eq(gr_ema_new(&e, &params, NULL), GR_OK);
	gr_tensor *values = nn_normal(3, GR_F32, GR_DIMS(2, 3));
	cr_assert_eq(gr_param_update(w, values), GR_OK);
	cr_assert_eq(gr_ema_swap(e), GR_OK);
	cr_assert_eq(gr_tensor_at(w, (const int64_t[]){0, 0}), 1.0);
	cr_assert(nn_same_bits(gr_ema_tensor(e, 0), values));
	cr_assert_eq(gr_ema_swap(e), GR_OK);
	cr_assert(nn_same_bits(w, values));
	gr_ema_free(e);
}

Test(ema, round_trip)
{
	gr_tensor *w;
	const char *name;
	gr_params params = one_param(&w, &name, GR_F32);
	gr_ema *a, *b;
	cr_assert_eq(gr_ema_new(&a, &params, NULL), GR_OK);
	cr_assert_eq(gr_ema_new(&b, &params, NULL), GR_OK);
	cr_assert_eq(gr_param_update(w, nn_normal(4, GR_F32, GR_DIMS(2, 3))), GR_OK);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(gr_ema_update(a), GR_OK);
	gr_archive *archive = gr_archive_new();
	cr_assert_eq(gr_ema_save(a, archive, "ema.", GR_F32), GR_OK);
	cr_assert_not_null(gr_archive_find(archive, "ema.w"));
	cr_assert_eq(gr_ema_load(b, archive, "ema."), GR_OK);
	/* The number of updates came along: the next one decays alike. */
	cr_assert_eq(gr_ema_update(a), GR_OK);
	cr_assert_eq(gr_ema_update(b), GR_OK);
	cr_assert(nn_same_bits(gr_ema_tensor(a, 0), gr_ema_tensor(b, 0)));
	cr_assert_eq(gr_ema_load(b, archive, "other."), GR_EFORMAT);
	gr_error_clear();
	gr_archive_free(archive);
	archive = gr_archive_new();
	cr_assert_eq(gr_ema_save(a, archive, "", GR_F16), GR_OK);
	cr_assert_eq(gr_tensor_dtype(gr_archive_find(archive, "w")), GR_F16);
	gr_archive_free(archive);
	gr_ema_free(a);
	gr_ema_free(b);
	gr_ema_free(NULL);
}

Test(ema, refuses)
{
	gr_tensor *w;
	const char *name;
	gr_params params = one_param(&w, &name, GR_F32);
	gr_ema *e;
	cr_assert_eq(gr_ema_new(&e, &params, GR_OPTS(gr_ema_opts, .decay = 1.0)), GR_EARG);
	gr_error_clear();
}
