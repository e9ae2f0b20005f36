/*
 * Collecting a profile. Events nest: a frame is pushed when an op or a rule begins; when it ends,
 * its work is added to the frame around it. Forward ops are totalled under their own name. What a
 * rule runs is totalled under the op whose rule it is, since that is what a reader can change.
 */
#include "profile_priv.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kern.h"
#include "pool.h"

#define MOST_EVENTS 200000

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double bytes_of(const gr_tensor *t)
{
	return t == NULL ? 0.0 : (double)t->size * (double)gr_dtype_bytes(t->dtype);
}

/* "x f32 [2,3], w f32 [3,4]", cut where there is no more room. */
static void print_shapes(char *buf, size_t size, const gr_op *op, int nin, const gr_operand *in)
{
	const char *sig = op->sig != NULL ? op->sig : "";
	size_t used = 0;
	buf[0] = '\0';
	for (int i = 0; i < nin && used < size; i++) {
		char dims[160];
		size_t name = strcspn(sig, " [");
		gr__dims_print(dims, sizeof dims, in[i].ndim, in[i].dims);
		int n = snprintf(buf + used, size - used, "%s%.*s%s%s %s", i > 0 ? ", " : "", (int)name,
			sig, name > 0 ? " " : "", gr_dtype_name(in[i].dtype), dims);
		used += n > 0 ? (size_t)n : 0;
		sig += strcspn(sig, " ");
		sig += strspn(sig, " ");
	}
}

/* Room for one more event, or NULL: then it is counted as dropped and in the totals alone. */
static gr_event *new_event(gr_profile *p)
{
	if (p->count == p->capacity && p->capacity < p->limit) {
		int64_t wanted = p->capacity == 0 ? 256 : 2 * p->capacity;
		wanted = wanted < p->limit ? wanted : p->limit;
		gr_event *grown = p->events == NULL
			? gr__pool_alloc((size_t)wanted * sizeof *grown)
			: gr__pool_grow(p->events, (size_t)wanted * sizeof *grown);
		if (grown != NULL) {
			p->events = grown;
			p->capacity = wanted;
		}
	}
	if (p->count == p->capacity) {
		p->dropped++;
		return NULL;
	}
	return &p->events[p->count++];
}

static gr_profile_row *find_row(gr_profile *p, const gr_op *op, bool backward,
	const char *algorithm)
{
	for (int i = 0; i < p->nrows; i++) {
		gr_profile_row *r = &p->rows[i];
		if (r->op == op && r->backward == backward && r->algorithm == algorithm)
			return r;
	}
	if (p->nrows == GR_PROFILE_ROWS)
		return NULL;
	gr_profile_row *r = &p->rows[p->nrows++];
	*r = (gr_profile_row){.op = op, .backward = backward, .algorithm = algorithm};
	return r;
}

static void total(gr_profile *p, const gr_event *e)
{
	gr_profile_row *r = find_row(p, e->op, e->is_rule, e->algorithm);
	if (r == NULL)
		return;
	r->composed = e->op->compose != NULL;
	r->calls++;
	r->seconds += e->seconds;
	r->flops += e->flops;
	r->bytes += e->bytes;
}

static gr_frame *push(gr_profile *p, gr_node *rule)
{
	gr_frame *f = p->depth < GR_PROFILE_DEPTH ? &p->frames[p->depth] : NULL;
	p->depth++;
	if (f != NULL)
		*f = (gr_frame){.rule = rule};
	return f;
}

/* NULL for what began before the profile did, or too deep. */
static gr_frame *pop(gr_profile *p)
{
	if (p->depth == 0)
		return NULL;
	p->depth--;
	return p->depth < GR_PROFILE_DEPTH ? &p->frames[p->depth] : NULL;
}

/* The node of the innermost rule that runs. */
static const gr_node *current_rule(const gr_profile *p)
{
	for (int i = p->depth < GR_PROFILE_DEPTH ? p->depth : GR_PROFILE_DEPTH; i > 0; i--) {
		if (p->frames[i - 1].rule != NULL)
			return p->frames[i - 1].rule;
	}
	return NULL;
}

/* What all events share; the work goes to the frame around it as well. */
static void finish(gr_profile *p, gr_event *e, const gr_frame *f, double end)
{
	e->begin = f->begin - p->start;
	e->seconds = end - f->begin;
	e->memory = gr_memory_stats().bytes_in_use;
	if (p->depth > 0 && p->depth <= GR_PROFILE_DEPTH) {
		p->frames[p->depth - 1].flops += e->flops;
		p->frames[p->depth - 1].bytes += e->bytes;
	}
	if (e->rule == NULL)
		total(p, e);
	gr_event *kept = new_event(p);
	if (kept != NULL)
		*kept = *e;
}

static void call_begin(gr_observer *o, const gr_op_call *c)
{
	(void)c;
	gr_frame *f = push((gr_profile *)o, NULL);
	gr__conv_algorithm = NULL;
	if (f != NULL)
		f->begin = now();
}

static gr_status call_end(gr_observer *o, const gr_op_call *c, gr_status status)
{
	double end = now();
	gr_profile *p = (gr_profile *)o;
	gr_frame *f = pop(p);
	if (f == NULL || status != GR_OK)
		return GR_OK;
	const gr_node *rule = current_rule(p);
	gr_operand in[GR_OP_MAX_IN];
	gr_event e = {.op = c->op,
		.rule = rule != NULL ? rule->op : NULL,
		.file = rule != NULL ? rule->file : gr__site_file(),
		.line = rule != NULL ? rule->line : gr__site_line(),
		.algorithm = gr__conv_algorithm};
	for (int i = 0; i < c->nin; i++)
		in[i] = gr__operand(c->in[i]);
	print_shapes(e.shapes, sizeof e.shapes, c->op, c->nin, in);
	if (c->op->compose != NULL) {
		e.flops = f->flops;
		e.bytes = f->bytes;
		e.algorithm = NULL;
	} else if ((c->op->flags & GR_OP_VIEW) == 0) {
		e.flops = gr__call_flops(c);
		for (int i = 0; i < c->nin; i++)
			e.bytes += bytes_of(c->in[i]);
		for (int i = 0; i < c->nout; i++)
			e.bytes += bytes_of(c->out[i]);
	}
	gr__conv_algorithm = NULL;
	finish(p, &e, f, end);
	return GR_OK;
}

static gr_status rule_begin(gr_observer *o, gr_node *n, const gr_vjp *v)
{
	(void)v;
	gr_frame *f = push((gr_profile *)o, n);
	if (f != NULL)
		f->begin = now();
	return GR_OK;
}

static gr_status rule_end(gr_observer *o, gr_node *n, const gr_vjp *v, gr_status status)
{
	double end = now();
	gr_profile *p = (gr_profile *)o;
	gr_frame *f = pop(p);
	if (f == NULL || status != GR_OK)
		return GR_OK;
	const gr_node *around = current_rule(p);
	gr_event e = {.op = n->op,
		.rule = around != NULL ? around->op : NULL,
		.is_rule = true,
		.file = n->file,
		.line = n->line,
		.flops = f->flops,
		.bytes = f->bytes};
	print_shapes(e.shapes, sizeof e.shapes, n->op, n->nin, n->in_shape);
	if (f->bytes == 0.0 && n->op->vjp_fused != NULL) { /* a kernel of its own */
		for (int i = 0; i < v->nin; i++)
			e.bytes += bytes_of(v->in[i]) + ((v->want >> i & 1u) != 0 ? bytes_of(v->gin[i]) : 0.0);
		for (int i = 0; i < v->nout; i++)
			e.bytes += bytes_of(v->out[i]) + bytes_of(v->gout[i]);
	}
	finish(p, &e, f, end);
	return GR_OK;
}

gr_profile *gr_profile_begin(const gr_profile_opts *opts)
{
	gr_profile *p = gr_alloc(sizeof *p);
	if (p == NULL)
		return NULL;
	p->base = (gr_observer){.call_begin = call_begin,
		.call_end = call_end,
		.rule_begin = rule_begin,
		.rule_end = rule_end};
	p->limit = opts != NULL && opts->max_events > 0 ? opts->max_events : MOST_EVENTS;
	p->running = true;
	gr__observer_add(&p->base);
	p->start = now();
	return p;
}

static int by_seconds(const void *a, const void *b)
{
	const gr_profile_row *x = a, *y = b;
	return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

void gr_profile_end(gr_profile *p)
{
	if (p == NULL || !p->running)
		return;
	p->stop = now();
	gr__observer_remove(&p->base);
	p->running = false;
	qsort(p->rows, (size_t)p->nrows, sizeof *p->rows, by_seconds);
}

void gr_profile_free(gr_profile *p)
{
	if (p == NULL)
		return;
	gr_profile_end(p);
	gr__pool_free(p->events);
	gr_free(p);
}

int gr_profile_count(const gr_profile *p)
{
	return p == NULL ? 0 : p->nrows;
}

const gr_profile_row *gr_profile_get(const gr_profile *p, int i)
{
	return i < 0 || i >= gr_profile_count(p) ? NULL : &p->rows[i];
}
