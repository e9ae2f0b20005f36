/* See mpe_group.h. */
#include "mpe_group.h"

#include <string.h>

#include "gradus/ops.h"

static const mpe_group groups[] = {
	{"hflip", 1, {0, 0}},
	{"rot90", 2, {1, 3}},
	{"rot180", 1, {2, 0}},
};

#define NGROUPS ((int)(sizeof groups / sizeof *groups))

bool gr__mpe_group_at(mpe_group *out, int i)
{
	if (i < 0 || i >= NGROUPS)
		return false;
	*out = groups[i];
	return true;
}

gr_status gr__mpe_group_named(mpe_group *out, const char *name)
{
	for (int i = 0; i < NGROUPS; i++) {
		if (strcmp(groups[i].name, name) == 0) {
			*out = groups[i];
			return GR_OK;
		}
	}
	return gr_error_set(GR_EARG, "group '%s' is not hflip, rot90 or rot180", name);
}

int gr__mpe_group_draw(const mpe_group *g, gr_key key)
{
	return (int)gr_key_below(gr_key_fold_name(key, "move"), 0, (uint64_t)g->count);
}

gr_tensor *gr__mpe_group_move(const mpe_group *g, gr_tensor *x, int element)
{
	const int quarter = g->quarter[element];
	return quarter == 0 ? gr_flip(x, -1) : gr_rot90(x, quarter);
}
