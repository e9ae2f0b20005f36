/* See golden.h. */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gradus/checkpoint.h"
#include "nn_check.h"

const char *golden_path(const char *folder, const char *file)
{
	static char path[512];
	const char *shared = getenv("GRADUS_SHARED");
	if (shared != NULL && shared[0] != '\0') {
		snprintf(path, sizeof path, "%s/goldens/%s/%s", shared, folder, file);
		if (access(path, R_OK) == 0)
			return path;
	}
	printf("skipped: no reference case %s/%s (GRADUS_SHARED)\n", folder, file);
	return NULL;
}

gr_status golden_load_pt(gr_module *m, const char *path)
{
	gr_tensorfile *f;
	gr_status status = gr_checkpoint_open(&f, path, NULL);
	if (status == GR_OK)
		status = gr_module_load_file(m, f, NULL);
	gr_tensorfile_close(f);
	return status;
}

gr_status golden_compare(const gr_archive *io, golden_forward forward, void *model,
	const golden_keys *keys, double *y_error, double *grad_error)
{
	gr_tensor *x = gr_watch(gr_archive_find(io, keys->x));
	gr_tensor *y = forward(model, io, x);
	gr_tensor *grad = NULL;
	*y_error = nn_distance(y, gr_archive_find(io, keys->y));
	gr_status status =
		gr_grad(&grad, y, 1, &x, GR_OPTS(gr_grad_opts, .cotangent = gr_archive_find(io, keys->r)));
	*grad_error = status == GR_OK ? nn_distance(grad, gr_archive_find(io, keys->grad)) : 1.0;
	return status;
}

gr_json_doc *golden_config(const char *folder)
{
	char text[8192];
	const char *path = golden_path(folder, "config.json");
	FILE *f = path == NULL ? NULL : fopen(path, "rb");
	if (f == NULL)
		return NULL;
	const size_t bytes = fread(text, 1, sizeof text, f);
	fclose(f);
	gr_json_error error;
	return gr_json_parse(text, bytes, NULL, &error);
}
