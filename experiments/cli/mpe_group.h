/*
 * The groups by which equivariance is trained and measured, acting on the last two axes of images and
 * of feature maps alike: hflip mirrors left to right; rot90 turns by one or three quarters, rot180 by
 * two. The identity is never drawn.
 */
#ifndef GRADUS_CLI_MPE_GROUP_H
#define GRADUS_CLI_MPE_GROUP_H

#include "gradus/tensor.h"

typedef struct mpe_group {
	const char *name;
	int count;      /* elements but the identity */
	int quarter[2]; /* of each, in quarter turns; 0: the mirror */
} mpe_group;

/* GR_EARG for a name that is none. */
gr_status gr__mpe_group_named(mpe_group *out, const char *name);
/* Number i, false when out of range. */
bool gr__mpe_group_at(mpe_group *out, int i);
/* An element, uniform by the key, as gr__mpe_group_move() takes it. */
int gr__mpe_group_draw(const mpe_group *g, gr_key key);
/* x [...,S,S] moved by element number `element`. */
gr_tensor *gr__mpe_group_move(const mpe_group *g, gr_tensor *x, int element);

#endif
