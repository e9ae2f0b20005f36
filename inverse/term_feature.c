/* The feature networks that terms name (see term_priv.h). */
#include <stdio.h>
#include <string.h>

#include "term_priv.h"

#define PATH_BYTES 4096

static gr_status open_named(gr_feature **out, const char *name, const gr_term_problem *problem,
	bool resize)
{
	char path[PATH_BYTES];
	gr_status status = GR_OK;
	if (problem->find)
		status = problem->find(path, sizeof(path), name);
	else if (strlen(name) >= sizeof(path))
		status = gr_error_set(GR_EARG, "feature network: the path is too long");
	else
		memcpy(path, name, strlen(name) + 1);
	return status ? status : gr_feature_open(out, path, resize);
}

gr_status gr__term_feature(gr_feature **out, const char *name, const gr_term_problem *problem,
	bool resize)
{
	*out = problem->network ? problem->network(name) : NULL;
	if (*out)
		return GR_OK;
	if (strcmp(name, "pixels") == 0)
		*out = gr_feature_pixels_new();
	else if (strcmp(name, "encoder") == 0)
		*out = gr_feature_encoder_new(problem->prior);
	else if (strcmp(name, "decoder") == 0)
		*out = gr_feature_decoder_new(problem->prior);
	else
		return open_named(out, name, problem, resize);
	return *out ? GR_OK : gr_error_code();
}
