/* Subjects: inputs from a case, layouts, running an op, comparing. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/ops.h"
#include "generator.h"

bool gen_fail(gen *g, const char *format, ...)
{
	va_list args;

	if (g->why[0] != '\0')
		return false;
	va_start(args, format);
	vsnprintf(g->why, sizeof g->why, format, args);
	va_end(args);
	return false;
}

/* --- numbers ------------------------------------------------------------------------------- */

static gr_key key_of(const gen *g, const char *purpose, int index)
{
	gr_key key = gr_key_fold_name(gr_key_seed(20240131), g->op->name);

	key = gr_key_fold_name(gr_key_fold_name(key, g->c->name), purpose);
	return gr_key_fold(key, (uint64_t)index);
}

void gen_random(const gen *g, const char *purpose, int index, double *out, int64_t n)
{
	gr_key key = key_of(g, purpose, index);

	for (int64_t i = 0; i < n; i++)
		out[i] = (float)(2.0 * gr_key_uniform(key, (uint64_t)i) - 1.0);
}

static int64_t largest_input(const gen *g)
{
	int64_t most = 1;

	for (int i = 0; i < g->nin; i++)
		most = g->size[i] > most ? g->size[i] : most;
	return most;
}

/*
 * lo..hi cut into as many cells as the largest input has elements; each element takes the cell of
 * a random permutation, and inputs sit at different places inside their cells. So no two values
 * come near each other: a maximum has no near-tie that a finite difference would step across.
 */
static bool draw_floats(gen *g, int i, int64_t cells)
{
	gr_key key = key_of(g, "input", i);
	bool unset = g->c->lo == 0.0 && g->c->hi == 0.0;
	double lo = unset ? -1.0 : g->c->lo, hi = unset ? 1.0 : g->c->hi;
	double inside = (i + 0.25 + 0.5 * gr_key_uniform(key_of(g, "shift", 0), 0)) / g->nin;
	int64_t *cell = malloc((size_t)cells * sizeof *cell);

	if (cell == NULL)
		return false;
	for (int64_t k = 0; k < cells; k++) {
		int64_t other = (int64_t)gr_key_below(key, (uint64_t)k, (uint64_t)k + 1);
		cell[k] = cell[other];
		cell[other] = k;
	}
	int64_t n = g->shape[i].ndim > 0 ? g->shape[i].dims[g->shape[i].ndim - 1] : 1;
	for (int64_t k = 0; k < g->size[i]; k++) {
		double value = lo + (hi - lo) * ((double)cell[k] + inside) / (double)cells;
		bool diagonal = i == 0 && k % n == k / n % n;
		g->value[i][k] = (float)(value + (diagonal ? g->c->diagonal : 0.0));
	}
	free(cell);
	return true;
}

static void draw_indices(gen *g, int i)
{
	gr_key key = key_of(g, "input", i);
	uint64_t below = (uint64_t)(g->c->index_max > 0 ? g->c->index_max : 1);

	for (int64_t k = 0; k < g->size[i]; k++)
		g->value[i][k] = (double)gr_key_below(key, (uint64_t)k, below);
}

bool gen_begin(gen *g, const gr_op *op, const gr_case *c)
{
	*g = (gen){.op = op, .c = c, .nin = c->nin != 0 ? c->nin : op->nin};
	if (g->nin < 0 || g->nin > GR_OP_MAX_IN)
		return gen_fail(g, "the case has %d inputs", g->nin);
	for (int i = 0; i < g->nin; i++) {
		bool is_index = (c->indices >> i & 1) != 0;
		gr_operand *s = &g->shape[i];
		s->dtype = is_index ? GR_I64 : GR_F64;
		g->size[i] = 1;
		for (int d = 0; d < GR_MAX_DIMS; d++) {
			s->dims[d] = c->dims[i][d];
			if (s->dims[d] != 0)
				s->ndim = d + 1;
		}
		for (int d = 0; d < s->ndim; d++)
			g->size[i] *= s->dims[d];
		g->value[i] = malloc((size_t)(g->size[i] + 1) * sizeof(double));
		if (g->value[i] == NULL)
			return gen_fail(g, "no memory for input %d", i);
		if (!is_index)
			g->diff |= 1u << i;
	}
	for (int i = 0; i < g->nin; i++) {
		if ((g->diff >> i & 1) == 0)
			draw_indices(g, i);
		else if (!draw_floats(g, i, largest_input(g)))
			return gen_fail(g, "no memory for input %d", i);
	}
	return true;
}

void gen_end(gen *g)
{
	for (int i = 0; i < GR_OP_MAX_IN; i++) {
		free(g->value[i]);
		g->value[i] = NULL;
	}
}

bool gen_is_float(const gr_tensor *t)
{
	return gr_tensor_dtype(t) == GR_F32 || gr_tensor_dtype(t) == GR_F64;
}

bool gen_has_gradient(const gen *g)
{
	return !g->c->no_gradient && (g->op->flags & GR_OP_NONDIFF) == 0 && g->diff != 0;
}

/* --- layouts ------------------------------------------------------------------------------- */

/* Where element `at` of the values lies in the storage of the layout, and that storage's dims. */
static int64_t place(enum gen_layout layout, int ndim, const int64_t *dims, const int64_t *at)
{
	int64_t flat = 0;

	for (int k = 0; k < ndim; k++) {
		int d = layout == GEN_TRANSPOSED ? ndim - 1 - k : k;
		int64_t length = layout == GEN_STEPPED ? 2 * dims[d] + 1 : dims[d];
		int64_t i = at[d];
		i = layout == GEN_STEPPED ? 2 * i + 1 : layout == GEN_FLIPPED ? dims[d] - 1 - i : i;
		flat = flat * length + i;
	}
	return flat;
}

static gr_tensor *view_back(gr_tensor *t, enum gen_layout layout, int ndim, const int64_t *dims)
{
	int perm[GR_MAX_DIMS];

	for (int d = 0; d < ndim; d++) {
		perm[d] = ndim - 1 - d;
		if (layout == GEN_STEPPED)
			t = gr_slice(t, d, 1, 2 * dims[d] + 1, 2);
		if (layout == GEN_FLIPPED)
			t = gr_flip(t, d);
	}
	return layout == GEN_TRANSPOSED ? gr_permute(t, perm) : t;
}

gr_tensor *gen_tensor(gr_dtype dtype, int ndim, const int64_t *dims, const double *value,
	enum gen_layout layout)
{
	int64_t stored[GR_MAX_DIMS] = {0}, at[GR_MAX_DIMS] = {0}, size = 1, count = 1;

	for (int d = 0; d < ndim; d++) {
		stored[d] = layout == GEN_TRANSPOSED ? dims[ndim - 1 - d] : dims[d];
		stored[d] = layout == GEN_STEPPED ? 2 * dims[d] + 1 : stored[d];
		size *= stored[d];
		count *= dims[d];
	}
	double *data = malloc((size_t)(size + 1) * sizeof *data);
	if (data == NULL)
		return NULL;
	for (int64_t i = 0; i < size; i++)
		data[i] = dtype == GR_I64 ? -1.0 : (double)NAN;
	for (int64_t i = 0; i < count; i++) {
		data[place(layout, ndim, dims, at)] = value[i];
		for (int d = ndim - 1; d >= 0 && ++at[d] == dims[d]; d--)
			at[d] = 0;
	}
	gr_tensor *t = gr_from_f64(dtype, data, ndim, stored);
	free(data);
	return view_back(t, layout, ndim, dims);
}

/* --- running ------------------------------------------------------------------------------- */

bool gen_inputs(gen *g, gr_dtype dtype, enum gen_layout layout, gr_tensor **in)
{
	for (int i = 0; i < g->nin; i++) {
		const gr_operand *s = &g->shape[i];
		in[i] =
			gen_tensor(s->dtype == GR_I64 ? GR_I64 : dtype, s->ndim, s->dims, g->value[i], layout);
		if (in[i] == NULL)
			return gen_fail(g, "input %d: %s", i, gr_error_message());
	}
	return true;
}

bool gen_forward(gen *g, gen_run *r, uint32_t watch)
{
	for (int i = 0; i < g->nin; i++)
		if ((watch >> i & 1) != 0)
			r->in[i] = gr_watch(r->in[i]);
	if (gr_apply(g->op, g->nin, r->in, g->c->attr, r->out) != GR_OK)
		return gen_fail(g, "forward: %s", gr_error_message());
	return true;
}

bool gen_cotangents(gen *g, gen_run *r, enum gen_layout layout)
{
	for (int o = 0; o < g->op->nout; o++) {
		gr_tensor *y = r->out[o];
		double *value = malloc((size_t)(gr_tensor_size(y) + 1) * sizeof *value);
		if (value == NULL || !gen_is_float(y)) {
			free(value);
			continue;
		}
		gen_random(g, "cotangent", o, value, gr_tensor_size(y));
		r->cot[o] =
			gen_tensor(gr_tensor_dtype(y), gr_tensor_ndim(y), gr_tensor_dims(y), value, layout);
		free(value);
		if (r->cot[o] == NULL)
			return gen_fail(g, "cotangent %d: %s", o, gr_error_message());
	}
	return true;
}

/* y and cotangent whose gradient is that of <out, cot>: the output itself when there is one. */
static gr_tensor *objective(const gen *g, const gen_run *r, int only, gr_tensor **cotangent)
{
	gr_tensor *sum = NULL;
	bool first = true;

	*cotangent = only >= 0 ? r->cot[only] : g->op->nout == 1 ? r->cot[0] : NULL;
	if (*cotangent != NULL)
		return r->out[only >= 0 ? only : 0];
	for (int o = 0; o < g->op->nout; o++) {
		if (r->cot[o] == NULL)
			continue;
		gr_tensor *term = gr_sum(gr_mul(r->out[o], r->cot[o]), GR_ALL_AXES, false);
		sum = first ? term : gr_add(sum, term);
		first = false;
	}
	return sum;
}

bool gen_gradient(gen *g, gen_run *r, uint32_t watch, int only, bool create_graph)
{
	gr_tensor *x[GR_OP_MAX_IN], *grads[GR_OP_MAX_IN], *cotangent;
	int n = 0;

	for (int i = 0; i < g->nin; i++)
		if ((watch >> i & 1) != 0)
			x[n++] = r->in[i];
	gr_tensor *y = objective(g, r, only, &cotangent);
	gr_grad_opts opts = {.size = sizeof opts,
		.cotangent = cotangent,
		.create_graph = create_graph,
		.allow_unused = true};
	if (y == NULL || gr_grad(grads, y, n, x, &opts) != GR_OK)
		return gen_fail(g, "gradient: %s", gr_error_message());
	for (int i = g->nin - 1; i >= 0; i--)
		r->grad[i] = (watch >> i & 1) != 0 ? grads[--n] : NULL;
	return true;
}

/* --- comparing ----------------------------------------------------------------------------- */

static double *values_of(const gr_tensor *t)
{
	double *v = malloc((size_t)(gr_tensor_size(t) + 1) * sizeof *v);

	if (v != NULL && gr_tensor_to_f64(t, v) != GR_OK) {
		free(v);
		return NULL;
	}
	return v;
}

/* Both as doubles; false when they cannot be compared. */
static bool both_values(gen *g, const char *what, const gr_tensor *a, const gr_tensor *b,
	double **va, double **vb)
{
	char ta[128], tb[128];

	*va = *vb = NULL;
	if (a == NULL || b == NULL)
		return gen_fail(g, "%s: no tensor (%s)", what, gr_error_message());
	if (!gr_is_same_shape(a, b))
		return gen_fail(g, "%s: %s against %s", what, gr_tensor_describe(a, ta, sizeof ta),
			gr_tensor_describe(b, tb, sizeof tb));
	*va = values_of(a);
	*vb = values_of(b);
	return *va != NULL && *vb != NULL ? true : gen_fail(g, "%s: %s", what, gr_error_message());
}

bool gen_close(gen *g, const char *what, const gr_tensor *a, const gr_tensor *b, double tolerance)
{
	double *va, *vb, most = 0.0;
	bool ok = both_values(g, what, a, b, &va, &vb);
	int64_t n = gr_tensor_size(a);

	for (int64_t i = 0; ok && i < n; i++)
		if (isfinite(vb[i]))
			most = fmax(most, fabs(vb[i]));
	for (int64_t i = 0; ok && i < n; i++) {
		bool same = isnan(vb[i]) ? isnan(va[i]) : va[i] == vb[i];
		if (!same && !(fabs(va[i] - vb[i]) <= tolerance * most))
			ok = gen_fail(g, "%s: element %lld is %.17g, expected %.17g within %g of %g", what,
				(long long)i, va[i], vb[i], tolerance, most);
	}
	free(va);
	free(vb);
	return ok;
}

bool gen_same_bits(gen *g, const char *what, const gr_tensor *a, const gr_tensor *b)
{
	double *va, *vb;
	bool ok = both_values(g, what, a, b, &va, &vb);

	for (int64_t i = 0; ok && i < gr_tensor_size(a); i++)
		if (memcmp(&va[i], &vb[i], sizeof va[i]) != 0)
			ok = gen_fail(g, "%s: element %lld is %.17g, not the same bits as %.17g", what,
				(long long)i, va[i], vb[i]);
	free(va);
	free(vb);
	return ok;
}
