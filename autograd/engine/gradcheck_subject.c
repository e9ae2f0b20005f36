/* Subjects: inputs from a case, layouts, running an op, comparing. */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif
#include "gradcheck_priv.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gradus/ops.h"

bool gr__subject_fail(gr_subject *s, const char *format, ...)
{
	va_list args;

	if (s->why[0] != '\0')
		return false;
	va_start(args, format);
	vsnprintf(s->why, sizeof s->why, format, args);
	va_end(args);
	return false;
}

/* --- numbers ------------------------------------------------------------------------------- */

static gr_key key_of(const gr_subject *s, const char *purpose, int index)
{
	gr_key key = gr_key_fold_name(gr_key_seed(20240131), s->op->name);

	key = gr_key_fold_name(gr_key_fold_name(key, s->c->name), purpose);
	return gr_key_fold(key, (uint64_t)index);
}

void gr__subject_random(const gr_subject *s, const char *purpose, int index, double *out, int64_t n)
{
	gr_key key = key_of(s, purpose, index);

	for (int64_t i = 0; i < n; i++)
		out[i] = (float)(2.0 * gr_key_uniform(key, (uint64_t)i) - 1.0);
}

static int64_t largest_input(const gr_subject *s)
{
	int64_t most = 1;

	for (int i = 0; i < s->nin; i++)
		most = s->size[i] > most ? s->size[i] : most;
	return most;
}

/*
 * lo..hi cut into as many cells as the largest input has elements; each element takes the cell of
 * a random permutation, and inputs sit at different places inside their cells. So no two values
 * come near each other: a maximum has no near-tie that a finite difference would step across.
 */
static bool draw_floats(gr_subject *s, int i, int64_t cells)
{
	gr_key key = key_of(s, "input", i);
	bool unset = s->c->lo == 0.0 && s->c->hi == 0.0;
	double lo = unset ? -1.0 : s->c->lo, hi = unset ? 1.0 : s->c->hi;
	double inside = (i + 0.25 + 0.5 * gr_key_uniform(key_of(s, "shift", 0), 0)) / s->nin;
	int64_t *cell = gr_alloc((size_t)cells * sizeof *cell);

	if (cell == NULL)
		return false;
	for (int64_t k = 0; k < cells; k++) {
		int64_t other = (int64_t)gr_key_below(key, (uint64_t)k, (uint64_t)k + 1);
		cell[k] = cell[other];
		cell[other] = k;
	}
	int64_t n = s->shape[i].ndim > 0 ? s->shape[i].dims[s->shape[i].ndim - 1] : 1;
	for (int64_t k = 0; k < s->size[i]; k++) {
		double value = lo + (hi - lo) * ((double)cell[k] + inside) / (double)cells;
		bool diagonal = i == 0 && k % n == k / n % n;
		s->value[i][k] = (float)(value + (diagonal ? s->c->diagonal : 0.0));
	}
	gr_free(cell);
	return true;
}

/* Integers below a bound: positions, or a mask of 0 and 1. */
static void draw_integers(gr_subject *s, int i, int64_t bound)
{
	gr_key key = key_of(s, "input", i);
	uint64_t below = (uint64_t)(bound > 0 ? bound : 1);

	for (int64_t k = 0; k < s->size[i]; k++)
		s->value[i][k] = (double)gr_key_below(key, (uint64_t)k, below);
}

bool gr__subject_begin(gr_subject *s, const gr_op *op, const gr_case *c)
{
	*s = (gr_subject){.op = op, .c = c, .nin = c->nin != 0 ? c->nin : op->nin};
	for (int i = 0; i < s->nin; i++) {
		bool is_index = (c->indices >> i & 1) != 0;
		gr_operand *shape = &s->shape[i];
		shape->dtype = is_index ? GR_I64 : GR_F64;
		s->size[i] = 1;
		for (int d = 0; d < GR_MAX_DIMS; d++) {
			shape->dims[d] = c->dims[i][d];
			if (shape->dims[d] != 0)
				shape->ndim = d + 1;
		}
		for (int d = 0; d < shape->ndim; d++)
			s->size[i] *= shape->dims[d];
		s->value[i] = gr_alloc((size_t)(s->size[i] + 1) * sizeof(double));
		if (s->value[i] == NULL)
			return gr__subject_fail(s, "no memory for input %d", i);
		if (!is_index && (c->masks >> i & 1) == 0)
			s->diff |= 1u << i;
	}
	for (int i = 0; i < s->nin; i++) {
		if ((s->diff >> i & 1) == 0)
			draw_integers(s, i, (c->masks >> i & 1) != 0 ? 2 : c->index_max);
		else if (!draw_floats(s, i, largest_input(s)))
			return gr__subject_fail(s, "no memory for input %d", i);
	}
	return true;
}

void gr__subject_end(gr_subject *s)
{
	for (int i = 0; i < GR_OP_MAX_IN; i++) {
		gr_free(s->value[i]);
		s->value[i] = NULL;
	}
}

bool gr__subject_is_float(const gr_tensor *t)
{
	return gr_tensor_dtype(t) == GR_F32 || gr_tensor_dtype(t) == GR_F64;
}

uint32_t gr__subject_watch(const gr_subject *s)
{
	return s->c->no_gradient || (s->op->flags & GR_OP_NONDIFF) != 0 ? 0 : s->diff;
}

bool gr__subject_skips(gr_subject *s)
{
	s->untested = gr__subject_watch(s) == 0;
	return s->untested;
}

/* --- layouts ------------------------------------------------------------------------------- */

/* Where element `at` of the values lies in the storage of the layout, and that storage's dims. */
static int64_t place(enum gr_layout layout, int ndim, const int64_t *dims, const int64_t *at)
{
	int64_t flat = 0;

	for (int k = 0; k < ndim; k++) {
		int d = layout == GR_LAYOUT_TRANSPOSED ? ndim - 1 - k : k;
		int64_t length = layout == GR_LAYOUT_STEPPED ? 2 * dims[d] + 1 : dims[d];
		int64_t i = at[d];
		i = layout == GR_LAYOUT_STEPPED   ? 2 * i + 1
			: layout == GR_LAYOUT_FLIPPED ? dims[d] - 1 - i
										  : i;
		flat = flat * length + i;
	}
	return flat;
}

static gr_tensor *view_back(gr_tensor *t, enum gr_layout layout, int ndim, const int64_t *dims)
{
	int perm[GR_MAX_DIMS];

	for (int d = 0; d < ndim; d++) {
		perm[d] = ndim - 1 - d;
		if (layout == GR_LAYOUT_STEPPED)
			t = gr_slice(t, d, 1, 2 * dims[d] + 1, 2);
		if (layout == GR_LAYOUT_FLIPPED)
			t = gr_flip(t, d);
	}
	return layout == GR_LAYOUT_TRANSPOSED ? gr_permute(t, perm) : t;
}

gr_tensor *gr__subject_tensor(gr_dtype dtype, int ndim, const int64_t *dims, const double *value,
	enum gr_layout layout)
{
	int64_t stored[GR_MAX_DIMS] = {0}, at[GR_MAX_DIMS] = {0}, size = 1, count = 1;

	for (int d = 0; d < ndim; d++) {
		stored[d] = layout == GR_LAYOUT_TRANSPOSED ? dims[ndim - 1 - d] : dims[d];
		stored[d] = layout == GR_LAYOUT_STEPPED ? 2 * dims[d] + 1 : stored[d];
		size *= stored[d];
		count *= dims[d];
	}
	double *data = gr_alloc((size_t)(size + 1) * sizeof *data);
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
	gr_free(data);
	return view_back(t, layout, ndim, dims);
}

/* --- running ------------------------------------------------------------------------------- */

bool gr__subject_inputs(gr_subject *s, gr_dtype dtype, enum gr_layout layout, gr_tensor **in)
{
	for (int i = 0; i < s->nin; i++) {
		const gr_operand *shape = &s->shape[i];
		in[i] = gr__subject_tensor(shape->dtype == GR_I64 ? GR_I64 : dtype, shape->ndim,
			shape->dims, s->value[i], layout);
		if (in[i] == NULL)
			return gr__subject_fail(s, "input %d: %s", i, gr_error_message());
	}
	return true;
}

bool gr__subject_forward(gr_subject *s, gr_subject_run *r, uint32_t watch)
{
	for (int i = 0; i < s->nin; i++)
		if ((watch >> i & 1) != 0)
			r->in[i] = gr_watch(r->in[i]);
	if (gr_apply(s->op, s->nin, r->in, s->c->attr, r->out) != GR_OK)
		return gr__subject_fail(s, "forward: %s", gr_error_message());
	return true;
}

bool gr__subject_cotangents(gr_subject *s, gr_subject_run *r, enum gr_layout layout)
{
	for (int o = 0; o < s->op->nout; o++) {
		gr_tensor *y = r->out[o];
		if (!gr__subject_is_float(y))
			continue;
		double *value = gr_alloc((size_t)(gr_tensor_size(y) + 1) * sizeof *value);
		if (value == NULL)
			return gr__subject_fail(s, "cotangent %d: %s", o, gr_error_message());
		gr__subject_random(s, "cotangent", o, value, gr_tensor_size(y));
		r->cot[o] = gr__subject_tensor(gr_tensor_dtype(y), gr_tensor_ndim(y), gr_tensor_dims(y),
			value, layout);
		gr_free(value);
		if (r->cot[o] == NULL)
			return gr__subject_fail(s, "cotangent %d: %s", o, gr_error_message());
	}
	return true;
}

/* y and cotangent whose gradient is that of <out, cot>: the output itself when there is one. */
static gr_tensor *objective(const gr_subject *s, const gr_subject_run *r, int only,
	gr_tensor **cotangent)
{
	gr_tensor *sum = NULL;
	bool first = true;

	*cotangent = only >= 0 ? r->cot[only] : s->op->nout == 1 ? r->cot[0] : NULL;
	if (*cotangent != NULL)
		return r->out[only >= 0 ? only : 0];
	for (int o = 0; o < s->op->nout; o++) {
		if (r->cot[o] == NULL)
			continue;
		gr_tensor *term = gr_sum(gr_mul(r->out[o], r->cot[o]), GR_ALL_AXES, false);
		sum = first ? term : gr_add(sum, term);
		first = false;
	}
	return sum;
}

bool gr__subject_gradient(gr_subject *s, gr_subject_run *r, uint32_t watch, int only,
	bool create_graph)
{
	gr_tensor *x[GR_OP_MAX_IN], *grads[GR_OP_MAX_IN], *cotangent;
	int n = 0;

	for (int i = 0; i < s->nin; i++)
		if ((watch >> i & 1) != 0)
			x[n++] = r->in[i];
	gr_tensor *y = objective(s, r, only, &cotangent);
	gr_grad_opts opts = {.size = sizeof opts,
		.cotangent = cotangent,
		.create_graph = create_graph,
		.allow_unused = true};
	if (y == NULL || gr_grad(grads, y, n, x, &opts) != GR_OK)
		return gr__subject_fail(s, "gradient: %s", gr_error_message());
	for (int i = s->nin - 1; i >= 0; i--)
		r->grad[i] = (watch >> i & 1) != 0 ? grads[--n] : NULL;
	return true;
}

/* --- comparing ----------------------------------------------------------------------------- */

static double *values_of(const gr_tensor *t)
{
	double *v = gr_alloc((size_t)(gr_tensor_size(t) + 1) * sizeof *v);

	if (v != NULL && gr_tensor_to_f64(t, v) != GR_OK) {
		gr_free(v);
		return NULL;
	}
	return v;
}

/* Both as doubles; false when they cannot be compared. */
static bool both_values(gr_subject *s, const char *what, const gr_tensor *a, const gr_tensor *b,
	double **va, double **vb)
{
	char ta[128], tb[128];

	*va = *vb = NULL;
	if (a == NULL || b == NULL)
		return gr__subject_fail(s, "%s: no tensor (%s)", what, gr_error_message());
	if (!gr_is_same_shape(a, b))
		return gr__subject_fail(s, "%s: %s against %s", what, gr_tensor_describe(a, ta, sizeof ta),
			gr_tensor_describe(b, tb, sizeof tb));
	*va = values_of(a);
	*vb = values_of(b);
	return *va != NULL && *vb != NULL ? true
									  : gr__subject_fail(s, "%s: %s", what, gr_error_message());
}

bool gr__subject_met(gr_subject *s, double error, double bound)
{
	if (!(error * s->bound < s->error * bound)) {
		s->error = error;
		s->bound = bound;
	}
	return error <= bound;
}

bool gr__subject_close(gr_subject *s, const char *what, const gr_tensor *a, const gr_tensor *b,
	double tolerance)
{
	double *va, *vb, most = 0.0;
	bool ok = both_values(s, what, a, b, &va, &vb);
	int64_t n = gr_tensor_size(a);

	for (int64_t i = 0; ok && i < n; i++)
		if (isfinite(vb[i]))
			most = fmax(most, fabs(vb[i]));
	for (int64_t i = 0; ok && i < n; i++) {
		bool same = isnan(vb[i]) ? isnan(va[i]) : va[i] == vb[i];
		double error = same ? 0.0 : fabs(va[i] - vb[i]) / most;
		if (!gr__subject_met(s, error, tolerance))
			ok = gr__subject_fail(s, "%s: element %lld is %.17g, expected %.17g within %g of %g",
				what, (long long)i, va[i], vb[i], tolerance, most);
	}
	gr_free(va);
	gr_free(vb);
	return ok;
}

bool gr__subject_same_bits(gr_subject *s, const char *what, const gr_tensor *a, const gr_tensor *b)
{
	double *va, *vb;
	bool ok = both_values(s, what, a, b, &va, &vb);

	for (int64_t i = 0; ok && i < gr_tensor_size(a); i++)
		if (memcmp(&va[i], &vb[i], sizeof va[i]) != 0)
			ok = gr__subject_fail(s, "%s: element %lld is %.17g, not the same bits as %.17g", what,
				(long long)i, va[i], vb[i]);
	gr_free(va);
	gr_free(vb);
	return ok;
}
