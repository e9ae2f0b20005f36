/*
 * What the elementwise records share: forward functions that are one kernel call, results of a
 * kernel that stand outside the graph (masks, fused first-order rules), and the standard cases.
 */
#ifndef GRADUS_OPS_EW_PRIV_H
#define GRADUS_OPS_EW_PRIV_H

#include "gradus/op.h"
#include "kern.h"

/* The whole of a forward: c->out[0] = kind(c->in...). */
gr_status gr__ew_call(gr_op_call *c, gr_ew_kind kind, double s0, double s1);
/* kind(a, b) in a's shape, a constant to every gradient; b may be NULL. Owned by the scope. */
gr_tensor *gr__ew_const(const gr_op *op, gr_ew_kind kind, gr_tensor *a, gr_tensor *b, double s0,
	double s1);
/* mask != 0 ? g : 0, differentiable in g. Unlike g * mask it gives 0 for an infinite g. */
gr_tensor *gr__ew_masked(gr_tensor *mask, gr_tensor *g);

/* Defines name_forward for an op without attributes. */
#define GR_EW_FORWARD(name, KIND) \
	static gr_status name##_forward(gr_op_call *c) \
	{ \
		return gr__ew_call(c, GR_EW_##KIND, 0.0, 0.0); \
	}

/* Shapes that every unary op is tried on, values in low..high. */
#define GR_EW_CASES_1(low, high, attributes) \
	GR_EW_CASE("matrix", low, high, attributes, {3, 4}), \
		GR_EW_CASE("scalar", low, high, attributes, {0}), \
		GR_EW_CASE("vector", low, high, attributes, {7}), \
		GR_EW_CASE("empty", low, high, attributes, {0, 3}), \
		GR_EW_CASE("odd", low, high, attributes, {3, 1, 37}), \
		GR_EW_CASE("images", low, high, attributes, {2, 3, 4, 5})

/* The same for two operands, with broadcasting both ways. */
#define GR_EW_CASES_2(low, high, attributes) \
	GR_EW_CASE("matrix", low, high, attributes, {3, 4}, {3, 4}), \
		GR_EW_CASE("scalar", low, high, attributes, {0}, {0}), \
		GR_EW_CASE("vector", low, high, attributes, {7}, {7}), \
		GR_EW_CASE("empty", low, high, attributes, {0, 3}, {0, 3}), \
		GR_EW_CASE("empty broadcast", low, high, attributes, {0, 3}, {1, 3}), \
		GR_EW_CASE("odd", low, high, attributes, {3, 37}, {3, 37}), \
		GR_EW_CASE("row", low, high, attributes, {3, 4}, {4}), \
		GR_EW_CASE("column", low, high, attributes, {3, 1}, {3, 4}), \
		GR_EW_CASE("outer", low, high, attributes, {3, 1}, {1, 4}), \
		GR_EW_CASE("scalar right", low, high, attributes, {3, 4}, {0}), \
		GR_EW_CASE("scalar left", low, high, attributes, {0}, {5}), \
		GR_EW_CASE("images", low, high, attributes, {2, 3, 4, 5}, {3, 1, 5})

/* And for three. */
#define GR_EW_CASES_3(low, high, attributes) \
	GR_EW_CASE("matrix", low, high, attributes, {3, 4}, {3, 4}, {3, 4}), \
		GR_EW_CASE("scalar", low, high, attributes, {0}, {0}, {0}), \
		GR_EW_CASE("vector", low, high, attributes, {7}, {7}, {7}), \
		GR_EW_CASE("empty", low, high, attributes, {0, 3}, {0, 3}, {3}), \
		GR_EW_CASE("odd", low, high, attributes, {3, 37}, {3, 37}, {3, 37}), \
		GR_EW_CASE("broadcast", low, high, attributes, {3, 1}, {4}, {2, 1, 1}), \
		GR_EW_CASE("scalars", low, high, attributes, {0}, {3, 4}, {0}), \
		GR_EW_CASE("images", low, high, attributes, {2, 3, 4, 5}, {3, 1, 1}, {3, 1, 1})

#define GR_EW_CASE(title, low, high, attributes, ...) \
	{ \
		.name = title, .dims = {__VA_ARGS__}, .lo = low, .hi = high, .attr = attributes \
	}
/* One more case, of the value alone: a kink lies in low..high, or no step suits all of it. */
#define GR_EW_KINK(title, low, high, attributes, ...) \
	{ \
		.name = title, .dims = {__VA_ARGS__}, .lo = low, .hi = high, .attr = attributes, \
		.no_gradient = true \
	}
/* Two fields of a record. */
#define GR_EW_CASES(table) .cases = table, .ncases = (int)(sizeof(table) / sizeof(table[0]))

#endif
