/*
 * An equivariance network f: on held-out images, and on the same images corrupted,
 *
 *	raw = mean over g of |S_g f(x) - f(T_g x)|,   error = the same over (|f(x)| + |f(T_g x)|) / 2
 *
 * per image and group, means over images; and how often a corrupted image has a larger error than a
 * clean one (the area under the curve of telling them apart by it; ties count half). Beside it the
 * same network untrained, as the control: what is wanted is an error that is low on images and rises
 * off them, which training has to bring about.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "data_path.h"
#include "evaluate.h"
#include "gradus/operator.h"
#include "gradus/ops.h"
#include "mpe_group.h"

#define AT_ONCE 64

static const struct {
	const char *name;
	double noise;
	bool blur, mask;
} conditions[] = {
	{"clean", 0.0, false, false},
	{"noise 0.1", 0.1, false, false},
	{"noise 0.2", 0.2, false, false},
	{"noise 0.4", 0.4, false, false},
	{"blurred", 0.0, true, false},
	{"half the sides masked", 0.0, false, true},
};

#define NCONDITIONS ((int)(sizeof conditions / sizeof *conditions))

typedef struct contrast {
	const gr_mpe_cnn *net;
	gr_dataset *data;
	gr_operator *blur;
	gr_key key;
	int64_t n;
	double *raw, *error; /* [NCONDITIONS,n] of one group */
} contrast;

/* Images of condition c: x [m,C,S,S], first being the number of the first. */
static gr_tensor *corrupt(const contrast *e, int c, gr_tensor *x, int64_t first)
{
	const int64_t m = gr_tensor_dim(x, 0), side = gr_tensor_dim(x, 2);
	if (conditions[c].blur)
		return gr_operator_apply(e->blur, x);
	if (conditions[c].mask) {
		const int64_t before = side / 4, after = side - side / 2 - side / 4;
		gr_tensor *hole = gr_full(GR_F32, GR_DIMS(1, 1, side / 2, side / 2), 1.0);
		hole = gr_pad(gr_pad(hole, 2, before, after), 3, before, after);
		return gr_sub(x, gr_mul(x, hole));
	}
	if (conditions[c].noise == 0.0)
		return x;
	gr_key keys[AT_ONCE];
	for (int64_t i = 0; i < m; i++)
		keys[i] = gr_key_fold(e->key, (uint64_t)(first + i));
	return gr_axpby(x, 1.0, gr__evaluate_draw(keys, m, gr_tensor_dims(x) + 1), conditions[c].noise);
}

/* |x_i| of each sample, in the scope: [m] */
static gr_tensor *sizes(gr_tensor *x)
{
	return gr_norm(x, GR_AXES(1, 2, 3), false);
}

static gr_status measure(const contrast *e, const mpe_group *g, int c, int64_t first, int64_t m)
{
	gr_tensor *x = corrupt(e, c, gr__data_images(e->data, first, m), first);
	gr_tensor *f = gr_mpe_cnn_forward(e->net, x, NULL), *fs = sizes(f);
	for (int k = 0; k < g->count; k++) {
		gr_tensor *moved = gr_mpe_cnn_forward(e->net, gr__mpe_group_move(g, x, k), NULL);
		gr_tensor *raw = sizes(gr_sub(gr__mpe_group_move(g, f, k), moved));
		gr_tensor *mean = gr_mul_s(gr_add(fs, sizes(moved)), 0.5);
		gr_tensor *error = gr_div(raw, gr_add_s(mean, 1e-12));
		if (error == NULL)
			return gr_error_code();
		for (int64_t i = 0; i < m; i++) {
			const int64_t at = c * e->n + first + i;
			e->raw[at] += (double)((const float *)gr_tensor_data_const(raw))[i] / g->count;
			e->error[at] += (double)((const float *)gr_tensor_data_const(error))[i] / g->count;
		}
	}
	return GR_OK;
}

static double mean_of(const double *v, int64_t n)
{
	double sum = 0.0;
	for (int64_t i = 0; i < n; i++)
		sum += v[i];
	return sum / (double)n;
}

/* The part of pairs in which b's number is larger than a's. */
static double larger(const double *a, const double *b, int64_t n)
{
	double pairs = 0.0;
	for (int64_t i = 0; i < n; i++) {
		for (int64_t j = 0; j < n; j++)
			pairs += b[j] > a[i] ? 1.0 : b[j] == a[i] ? 0.5 : 0.0;
	}
	return pairs / ((double)n * (double)n);
}

/* The rows of one network and group. */
static gr_status report(const contrast *e, const mpe_group *g, const char *name)
{
	memset(e->raw, 0, (size_t)(NCONDITIONS * e->n) * sizeof *e->raw);
	memset(e->error, 0, (size_t)(NCONDITIONS * e->n) * sizeof *e->error);
	for (int c = 0; c < NCONDITIONS; c++) {
		for (int64_t first = 0; first < e->n; first += AT_ONCE) {
			gr_scope_begin();
			const int64_t m = e->n - first < AT_ONCE ? e->n - first : AT_ONCE;
			gr_status status = measure(e, g, c, first, m);
			gr_status ended = gr_scope_end();
			if (status != GR_OK || ended != GR_OK)
				return status != GR_OK ? status : ended;
		}
		const double *error = e->error + c * e->n;
		printf("| %s | %s | %s | %.4f | %.4f | ", name, g->name, conditions[c].name,
			mean_of(e->raw + c * e->n, e->n), mean_of(error, e->n));
		if (c > 0)
			printf("%.3f ", larger(e->error, error, e->n));
		printf("|\n");
		fflush(stdout);
	}
	return GR_OK;
}

/* A network of the same form with its first weights. */
static gr_status make_untrained(gr_mpe_cnn **out, const gr_mpe_cnn *net, gr_key key)
{
	*out = gr_mpe_cnn_new(gr_mpe_cnn_get_config(net));
	if (*out == NULL)
		return gr_error_code();
	return gr_module_init(gr_mpe_cnn_module(*out), gr_key_fold_name(key, "init"));
}

static gr_status measure_all(contrast *e, const gr_mpe_cnn *trained)
{
	gr_mpe_cnn *untrained = NULL;
	mpe_group g;
	gr_status status = make_untrained(&untrained, trained, e->key);
	printf("| network | group | images | raw | error | above clean |\n|---|---|---|---|---|---|\n");
	for (int i = 0; gr__mpe_group_at(&g, i) && status == GR_OK; i++) {
		e->net = trained;
		status = report(e, &g, "trained");
		e->net = untrained;
		if (status == GR_OK)
			status = report(e, &g, "untrained");
	}
	gr_mpe_cnn_free(untrained);
	return status;
}

gr_status gr__evaluate_mpe(const prior_folder *f, const evaluate_options *o)
{
	gr_mpe_cnn *net = NULL;
	contrast e = {.key = gr_key_fold_name(gr_key_seed((uint64_t)o->seed), "evaluate")};
	gr_status status = gr__folder_mpe_cnn(&net, f);
	if (status == GR_OK)
		status = gr__evaluate_data(&e.data, o->data, f, o->limit);
	if (status == GR_OK) {
		e.n = gr_dataset_describe(e.data).count;
		e.blur = gr_operator_new("blur_gauss",
			GR_OPTS(gr_operator_opts, .channels = f->dims[0], .height = f->dims[1],
				.width = f->dims[2]));
		e.raw = gr_alloc((size_t)(NCONDITIONS * e.n) * sizeof *e.raw);
		e.error = gr_alloc((size_t)(NCONDITIONS * e.n) * sizeof *e.error);
		status = e.blur == NULL || e.raw == NULL || e.error == NULL ? gr_error_code() : GR_OK;
	}
	if (status == GR_OK)
		status = measure_all(&e, net);
	gr_free(e.raw);
	gr_free(e.error);
	gr_operator_free(e.blur);
	gr_dataset_free(e.data);
	gr_mpe_cnn_free(net);
	return status;
}
