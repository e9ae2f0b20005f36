/* The encoder that a prior's folder names (restore_job.h): docs/priors.md, "Format". */
#include <stdio.h>
#include <string.h>

#include "gradus/io.h"
#include "netfolder.h"
#include "restore_job.h"
#include "runfolder.h"

static const char *find_text(const prior_folder *f, const char *name)
{
	const gr_json *v = gr_json_find(f->root, name);
	return v != NULL && v->kind == GR_JSON_STRING ? v->string : NULL;
}

/* The path of the folder called `name` by f: beside f, or as --prior finds it. */
static gr_status find_called(char *path, const prior_folder *f, const char *name)
{
	char beside[2 * FOLDER_PATH + 8];
	snprintf(beside, sizeof beside, "%s/../%s", f->path, name);
	bool is_beside = name[0] != '/' && gr__runfolder_has(beside, "config.json");
	if (strlen(beside) >= FOLDER_PATH)
		return gr_error_set(GR_EARG, "%s: its path is too long", f->path);
	return gr__prior_find(path, FOLDER_PATH, is_beside ? beside : name);
}

static gr_status check_weights(const char *path, const char *expected, const prior_folder *f)
{
	char hex[65];
	prior_folder encoder;
	gr_status status = gr__folder_read(&encoder, path);
	if (status == GR_OK)
		status = gr__folder_sha256(&encoder, hex);
	if (status == GR_OK && (expected == NULL || strcmp(hex, expected) != 0))
		status = gr_error_set(GR_EFORMAT,
			"%s: its SHA-256 %.12s... is not the %.12s... that %s was trained with",
			encoder.weights, hex, expected != NULL ? expected : "", f->path);
	gr__folder_close(&encoder);
	return status;
}

gr_status gr__restore_encoder(char *path, size_t size, const char *folder)
{
	char found[FOLDER_PATH];
	prior_folder f;
	path[0] = '\0';
	gr_status status = gr__folder_read(&f, folder);
	const char *name = status == GR_OK ? find_text(&f, "encoder") : NULL;
	if (name != NULL) {
		status = find_called(found, &f, name);
		if (status == GR_OK)
			status = check_weights(found, find_text(&f, "encoder_sha256"), &f);
		if (status == GR_OK)
			snprintf(path, size, "%s", found);
	}
	gr__folder_close(&f);
	return status;
}
