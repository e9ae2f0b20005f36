/*
 * gradus prior: the trained networks there are (docs/priors.md). `list` prints one line for each of
 * the folders that --prior finds by name, `show` what a folder holds, with its card.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "folder.h"
#include "gradus/tensorfile.h"
#include "runfolder.h"

#define NAMES_MAX 1024

/* Tensors and numbers in the weights' file. */
static gr_status count_weights(const prior_folder *f, int64_t *tensors, int64_t *numbers)
{
	gr_tensorfile *file = NULL;
	gr_status status = gr_tensorfile_open(&file, f->weights);
	*numbers = 0;
	*tensors = status == GR_OK ? gr_tensorfile_count(file) : 0;
	gr_tensor_info info;
	for (int64_t i = 0; gr_tensorfile_info(file, i, &info); i++)
		*numbers += info.count;
	gr_tensorfile_close(file);
	return status;
}

static void print_row(const char *name, const char *place)
{
	char path[FOLDER_PATH];
	prior_folder f;
	int64_t tensors, numbers;
	snprintf(path, sizeof path, "%s/%s", place, name);
	gr_status status = gr__folder_open(&f, path);
	if (status == GR_OK)
		status = count_weights(&f, &tensors, &numbers);
	if (status == GR_OK)
		printf("%-20s %-16s %" PRId64 " x %" PRId64 " x %" PRId64 "  %6.2f M  %s\n", name, f.model,
			f.dims[0], f.dims[1], f.dims[2], 1e-6 * (double)numbers, path);
	else
		printf("%-20s %s\n", name, gr_error_message());
	gr_error_clear();
	gr__folder_close(&f);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The folders in a place that have a config.json, by name. */
static void list_place(const char *place)
{
	char *names[NAMES_MAX], path[FOLDER_PATH];
	size_t n = 0;
	DIR *dir = opendir(place);
	for (const struct dirent *e; dir != NULL && n < NAMES_MAX && (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.' ||
			snprintf(path, sizeof path, "%s/%s", place, e->d_name) >= (int)sizeof path ||
			!gr__runfolder_has(path, "config.json"))
			continue;
		names[n] = gr_strdup(e->d_name);
		n += names[n] != NULL;
	}
	if (dir != NULL)
		closedir(dir);
	qsort(names, n, sizeof *names, compare_names);
	for (size_t i = 0; i < n; i++) {
		print_row(names[i], place);
		gr_free(names[i]);
	}
}

static int list(int argc, char **argv)
{
	const gr_command command = {
		.name = "prior list",
		.usage = "",
		.summary = "The trained networks that are found by name: what each is, the size of its "
				   "images, its numbers.",
		.examples = {"gradus prior list", "GRADUS_PRIORS=runs gradus prior list"},
	};
	int words, code = gr__args_parse(&command, argc, argv, NULL, 0, &words);
	if (code != GR_ARGS_RUN)
		return code;
	for (int i = 0; i < GR_PRIOR_PLACES; i++) {
		if (gr__prior_place(i) != NULL)
			list_place(gr__prior_place(i));
	}
	return GR_EXIT_OK;
}

static gr_status print_folder(const char *name)
{
	prior_folder f;
	char sha256[65];
	int64_t tensors, numbers;
	gr_status status = gr__folder_open(&f, name);
	if (status == GR_OK)
		status = count_weights(&f, &tensors, &numbers);
	if (status == GR_OK)
		status = gr__folder_sha256(&f, sha256);
	if (status == GR_OK) {
		printf("folder: %s\nmodel: %s\nimages: %" PRId64 " x %" PRId64 " x %" PRId64 "\n", f.path,
			f.model, f.dims[0], f.dims[1], f.dims[2]);
		printf("weights: %s, %" PRId64 " tensors, %" PRId64 " numbers\nSHA-256: %s\n",
			strrchr(f.weights, '/') + 1, tensors, numbers, sha256);
	}
	static const char *const texts[] = {"card.md", "config.json"};
	for (int i = 0; i < 2 && status == GR_OK; i++) {
		if (!gr__runfolder_has(f.path, texts[i]))
			continue;
		char *text = gr__runfolder_read(f.path, texts[i]);
		status = text == NULL ? gr_error_code() : GR_OK;
		if (text != NULL)
			printf("\n--- %s\n%s", texts[i], text);
		gr_free(text);
	}
	gr__folder_close(&f);
	return status;
}

static int show(int argc, char **argv)
{
	const gr_command command = {
		.name = "prior show",
		.usage = "NAME",
		.summary = "What the folder of a trained network holds: its weights, its card, its "
				   "configuration.",
		.examples = {"gradus prior show fashion", "gradus prior show runs/mine"},
	};
	const char *name;
	int words, code = gr__args_parse(&command, argc, argv, &name, 1, &words);
	if (code != GR_ARGS_RUN)
		return code;
	if (words != 1) {
		fprintf(stderr, "gradus prior show: needs a name or a folder; see gradus prior list\n");
		return GR_EXIT_USAGE;
	}
	gr_status status = print_folder(name);
	return status == GR_OK ? GR_EXIT_OK : gr__exit_report_file("prior show", status);
}

int gr_cmd_prior(int argc, char **argv)
{
	static const char *const names[] = {"list", "show"};
	const char *word = argc > 1 ? argv[1] : "";
	if (strcmp(word, "list") == 0)
		return list(argc - 1, argv + 1);
	if (strcmp(word, "show") == 0)
		return show(argc - 1, argv + 1);
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		printf("usage: gradus prior SUBCOMMAND\n\nsubcommands:\n"
			   "  list         the trained networks that are found by name\n"
			   "  show         what the folder of one holds\n"
			   "\nexamples:\n  gradus prior list\n  gradus prior show fashion\n");
		return GR_EXIT_OK;
	}
	const char *near = gr__args_nearest(word, names, 2);
	fprintf(stderr, "gradus prior: %s '%s'%s%s; see gradus prior --help\n",
		*word == '\0' ? "no subcommand" : "unknown subcommand", word, near ? "; did you mean " : "",
		near ? near : "");
	return GR_EXIT_USAGE;
}
