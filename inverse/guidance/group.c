/*
 * Groups on images (gradus/group.h has the table). Every action is one gather by an index that is
 * made here, sample by sample; its derivative is the gather's own.
 */
#include "gradus/group.h"

#include <string.h>

#include "gradus/ops.h"

typedef struct place {
	int64_t i, j;
} place;

struct gr_group {
	const char *name;
	int64_t order;    /* 0: as many as the plane has rows */
	int64_t multiple; /* its sides are equal and multiples of this; 0: any plane */
	bool odd_signs;   /* odd elements change the sign */
	bool odd_drawn;   /* odd elements alone are drawn */
	place (*from)(int64_t g, int64_t h, int64_t w, place at);
};

/* --- where an element takes its values from --- */

static int64_t wrap(int64_t i, int64_t n)
{
	int64_t r = i % n;
	return r < 0 ? r + n : r;
}

static place hflip(int64_t g, int64_t h, int64_t w, place at)
{
	(void)h;
	return g == 0 ? at : (place){at.i, w - 1 - at.j};
}

static place vflip(int64_t g, int64_t h, int64_t w, place at)
{
	(void)w;
	return g == 0 ? at : (place){h - 1 - at.i, at.j};
}

static place rot180(int64_t g, int64_t h, int64_t w, place at)
{
	return g == 0 ? at : (place){h - 1 - at.i, w - 1 - at.j};
}

static place rot90(int64_t g, int64_t h, int64_t w, place at)
{
	for (int64_t k = 0; k < g; k++)
		at = (place){at.j, w - 1 - at.i};
	(void)h;
	return at;
}

static place ns_translate(int64_t g, int64_t h, int64_t w, place at)
{
	return (place){wrap(at.i + g, h), wrap(at.j - g, w)};
}

static place ns_rotate(int64_t g, int64_t h, int64_t w, place at)
{
	return g == 0 ? at : (place){wrap(h / 4 - at.i, h), wrap(-at.j, w)};
}

static place ns_swap(int64_t g, int64_t h, int64_t w, place at)
{
	for (int64_t k = 0; k < g; k++)
		at = (place){wrap(at.j + h / 2, h), wrap(at.i, w)};
	return at;
}

static const gr_group groups[] = {
	{"hflip", 2, 0, false, false, hflip},
	{"vflip", 2, 0, false, false, vflip},
	{"rot90", 4, 1, false, true, rot90},
	{"rot180", 2, 0, false, false, rot180},
	{"ns_translate", 0, 1, false, false, ns_translate},
	{"ns_rotate", 2, 4, false, false, ns_rotate},
	{"ns_swap", 4, 2, true, false, ns_swap},
};
#define COUNT ((int)(sizeof groups / sizeof *groups))

/* --- the table --- */

const gr_group *gr_group_at(int i)
{
	return i >= 0 && i < COUNT ? &groups[i] : NULL;
}

const gr_group *gr_group_find(const char *name)
{
	char names[256] = "";
	for (int i = 0; i < COUNT; i++) {
		if (name && strcmp(groups[i].name, name) == 0)
			return &groups[i];
		strncat(names, i > 0 ? ", " : "", sizeof names - strlen(names) - 1);
		strncat(names, groups[i].name, sizeof names - strlen(names) - 1);
	}
	gr_error_set(GR_EARG, "group: no '%s'; there are %s", name ? name : "", names);
	return NULL;
}

const char *gr_group_name(const gr_group *G)
{
	return G ? G->name : NULL;
}

int64_t gr_group_order(const gr_group *G, int64_t h, int64_t w)
{
	if (!G || h < 1 || w < 1) {
		gr_error_set(GR_EARG, "group: %s", G ? "an empty plane" : "it is NULL");
		return 0;
	}
	if (G->multiple > 0 && (h != w || h % G->multiple != 0)) {
		gr_error_set(GR_ESHAPE,
			"group %s: it acts on squares whose side is a multiple of %lld, "
			"not on %lld x %lld",
			G->name, (long long)G->multiple, (long long)h, (long long)w);
		return 0;
	}
	return G->order > 0 ? G->order : h;
}

int64_t gr_group_inverse(const gr_group *G, int64_t g, int64_t h, int64_t w)
{
	int64_t order = gr_group_order(G, h, w);
	return order > 0 ? wrap(-g, order) : 0; /* all of them are cyclic */
}

int64_t gr_group_draw(const gr_group *G, gr_key key, uint64_t index, int64_t h, int64_t w,
	int64_t map_h)
{
	int64_t order = gr_group_order(G, h, w);
	if (order == 0)
		return -1;
	int64_t step = 1;
	if (G->order == 0) {
		step = map_h > 0 && map_h < h ? h / map_h : 1;
		if (map_h > 0 && map_h * step != h && h * (map_h / h) != map_h) {
			gr_error_set(GR_ESHAPE, "group %s: planes of %lld rows and maps of %lld", G->name,
				(long long)h, (long long)map_h);
			return -1;
		}
	}
	int64_t choices = G->odd_drawn ? order / 2 : order / step - 1;
	if (choices < 1) {
		gr_error_set(GR_ESHAPE, "group %s: no element but the identity acts on maps of %lld rows",
			G->name, (long long)map_h);
		return -1;
	}
	int64_t k = (int64_t)gr_key_below(key, index, (uint64_t)choices);
	return G->odd_drawn ? 2 * k + 1 : (k + 1) * step;
}

/* --- the action --- */

/* The element of a plane of h rows that g of `side` rows is there; -1 and an error for none. */
static int64_t on_plane(const gr_group *G, int64_t g, int64_t h, int64_t w, int64_t side)
{
	int64_t order = gr_group_order(G, h, w);
	if (order == 0)
		return -1;
	if (G->order == 0 && side > 0 && side != h) {
		if (g * h % side != 0) {
			gr_error_set(GR_ESHAPE, "group %s: %lld of %lld rows is no whole number of %lld",
				G->name, (long long)g, (long long)side, (long long)h);
			return -1;
		}
		g = g * h / side;
	}
	if (g < 0 || g >= order) {
		gr_error_set(GR_EARG, "group %s: no element %lld of %lld", G->name, (long long)g,
			(long long)order);
		return -1;
	}
	return g;
}

gr_tensor *gr_group_act(const gr_group *G, gr_tensor *x, const int64_t *g, int64_t side)
{
	if (!x || !G || !g || gr_tensor_ndim(x) != 4) {
		char is[96];
		if (!gr_failed())
			gr_error_set(GR_ESHAPE, "group %s: elements for each image of [N,C,H,W], not of %s",
				G ? G->name : "", x ? gr_tensor_describe(x, is, sizeof(is)) : "NULL");
		return NULL;
	}
	int64_t N = gr_tensor_dim(x, 0);
	int64_t C = gr_tensor_dim(x, 1);
	int64_t h = gr_tensor_dim(x, 2);
	int64_t w = gr_tensor_dim(x, 3);
	gr_tensor *index = gr_empty(GR_I64, GR_DIMS(N, 1, h * w));
	gr_tensor *signs = gr_full(gr_tensor_dtype(x), GR_DIMS(N, 1, 1), 1.0);
	bool negative = false;
	for (int64_t n = 0; n < N && index && signs; n++) {
		int64_t e = on_plane(G, g[n], h, w, side);
		if (e < 0)
			return NULL;
		int64_t *to = (int64_t *)gr_tensor_data(index) + n * h * w;
		for (int64_t p = 0; p < h * w; p++) {
			place from = G->from(e, h, w, (place){p / w, p % w});
			to[p] = from.i * w + from.j;
		}
		if (!G->odd_signs || e % 2 == 0)
			continue;
		negative = true;
		if (gr_tensor_dtype(x) == GR_F64)
			((double *)gr_tensor_data(signs))[n] = -1.0;
		else
			((float *)gr_tensor_data(signs))[n] = -1.0F;
	}
	gr_tensor *flat = gr_reshape(x, GR_DIMS(N, C, h * w));
	gr_tensor *moved = gr_take_along(flat, 2, gr_expand(index, GR_DIMS(N, C, h * w)));
	if (negative)
		moved = gr_mul(moved, signs);
	return gr_reshape(moved, GR_DIMS(N, C, h, w));
}
