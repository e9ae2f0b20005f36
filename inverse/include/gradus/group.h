/*
 * Finite groups that act on images, and on maps of features in the same way: out[i,j] = s in[i',j'],
 * a permutation of the places with a sign. Element 0 is the identity.
 *
 *     name          elements                                          acts on
 *     hflip         1: columns mirrored                               all
 *     vflip         1: rows mirrored                                  all
 *     rot180        1: both                                           all
 *     rot90         g quarter turns counter-clockwise, in[j, W-1-i]   squares
 *     ns_translate  g = m: in[i + m, j - m]                           N x N periodic
 *     ns_rotate     1: in[N/4 - i, -j]                                N x N periodic, 4 | N
 *     ns_swap       1: -in[j + N/2, i], and its powers, order 4       N x N periodic, 2 | N
 *
 * The last three, indices modulo N and x along rows' number i, are the symmetries of periodic
 * Navier-Stokes with the forcing sin 2 pi (x + y) + cos 2 pi (x + y); plain flips and turns are not.
 * Elements that are drawn: 1 and 3 of rot90, of the others all but the identity.
 *
 * The adjoint of an action is that of the inverse element. Groups are static.
 */
#ifndef GRADUS_GROUP_H
#define GRADUS_GROUP_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_group gr_group;

/* By number, i = 0, 1, ..., NULL beyond; by name, NULL and GR_EARG for none. */
GR_API const gr_group *gr_group_at(int i);
GR_API const gr_group *gr_group_find(const char *name);
GR_API const char *gr_group_name(const gr_group *G);

/* Number of elements on planes h x w; 0 and GR_ESHAPE where it does not act. */
GR_API int64_t gr_group_order(const gr_group *G, int64_t h, int64_t w);
/* The element that undoes g. */
GR_API int64_t gr_group_inverse(const gr_group *G, int64_t g, int64_t h, int64_t w);
/*
 * One of the elements that are drawn, on planes h x w, uniformly by number `index` of the key. Only
 * those that act on maps of `map_h` rows as well: of translations, by whole places there. -1 and
 * GR_ESHAPE when there is none.
 */
GR_API int64_t gr_group_draw(const gr_group *G, gr_key key, uint64_t index, int64_t h, int64_t w,
	int64_t map_h);
/* Element g[i] on sample i of x [N,C,H,W]. Elements count on planes of `side` rows, default H: maps
 * of another size are moved in proportion. GR_ESHAPE where that is no whole number of places. */
GR_API gr_tensor *gr_group_act(const gr_group *G, gr_tensor *x, const int64_t *g, int64_t side);

#ifdef __cplusplus
}
#endif

#endif
