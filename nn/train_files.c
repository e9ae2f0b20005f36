/*
 * Log and checkpoints of a training run.
 *
 * The log is a plain stream; each checkpoint notes its length, and resuming cuts it there, so that
 * a killed and resumed run leaves the same log as an uninterrupted one. Checkpoints appear under
 * their names only when complete (gr_safetensors_write renames).
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gradus/io.h"
#include "optim_priv.h"
#include "train_priv.h"

#define MAX_PATH 4096
#define KEEP 2
#define LOG_HEADER "step,loss,lr,grad_norm\n"

static gr_status path_in(char path[MAX_PATH], const gr_trainer *t, const char *name)
{
	int n = snprintf(path, MAX_PATH, "%s/%s", t->output, name);
	return n > 0 && n < MAX_PATH ? GR_OK : gr_error_set(GR_EARG, "train: path too long: %s", name);
}

static gr_status checkpoint_path(char path[MAX_PATH], const gr_trainer *t, int64_t step)
{
	char name[64];
	snprintf(name, sizeof(name), "checkpoint-%08" PRId64 ".safetensors", step);
	return path_in(path, t, name);
}

/* Every folder on the way. */
static gr_status make_folder(const char *folder)
{
	char path[MAX_PATH];
	size_t n = strlen(folder);
	if (n == 0 || n >= sizeof(path))
		return gr_error_set(GR_EARG, "train: output folder '%.64s'", folder);
	memcpy(path, folder, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		char kept = path[i];
		path[i] = '\0';
		if (mkdir(path, 0777) != 0 && errno != EEXIST)
			return gr_error_set(GR_EIO, "train: cannot make %s: %s", path, strerror(errno));
		path[i] = kept;
	}
	return GR_OK;
}

/* The KEEP + 1 newest steps in the folder, newest first, -1 where there are fewer. */
static gr_status newest_steps(const gr_trainer *t, int64_t steps[KEEP + 1])
{
	for (int i = 0; i <= KEEP; i++)
		steps[i] = -1;
	DIR *dir = opendir(t->output);
	if (!dir)
		return gr_error_set(GR_EIO, "train: cannot read %s: %s", t->output, strerror(errno));
	const struct dirent *entry;
	while ((entry = readdir(dir))) {
		int64_t step;
		int end = 0;
		if (sscanf(entry->d_name, "checkpoint-%8" SCNd64 ".safetensors%n", &step, &end) != 1 ||
			end == 0 || entry->d_name[end] || step < 0)
			continue;
		for (int i = 0; i <= KEEP; i++) {
			if (step > steps[i]) {
				int64_t pushed = steps[i];
				steps[i] = step;
				step = pushed;
			}
		}
	}
	closedir(dir);
	return GR_OK;
}

static gr_status add_state(const gr_trainer *t, gr_archive *a)
{
	char seed[32];
	gr_dtype dtype = gr_tensor_dtype(t->params.tensors[0]);
	snprintf(seed, sizeof(seed), "%" PRIu64, t->opts.seed);
	gr_status status = gr__state_save(a, "param.", &t->params, t->params.tensors, dtype);
	if (!status)
		status = gr__state_save(a, "buffer.", &t->buffers, t->buffers.tensors, dtype);
	if (!status)
		status = gr_ema_save(t->ema, a, "ema.", dtype);
	if (!status)
		status = gr_optim_save(t->optim, a);
	if (!status)
		status = gr__meta_set_int(a, "train.step", t->done);
	if (!status)
		status = gr__meta_set_int(a, "train.log_bytes", t->log ? ftell(t->log) : 0);
	if (!status)
		status = gr_archive_set_meta(a, "train.seed", seed);
	if (!status)
		status = gr_archive_set_meta(a, "train.config_sha256", t->config_hash);
	return status;
}

gr_status gr__train_save(gr_trainer *t)
{
	char path[MAX_PATH];
	int64_t steps[KEEP + 1];
	if (!t->output || t->saved == t->done)
		return GR_OK;
	if (fflush(t->log) != 0)
		return gr_error_set(GR_EIO, "train: cannot write %s/log.csv: %s", t->output,
			strerror(errno));
	gr_status status = checkpoint_path(path, t, t->done);
	gr_archive *a = status ? NULL : gr_archive_new();
	if (!status)
		status = a ? add_state(t, a) : gr_error_code();
	if (!status)
		status = gr_safetensors_write(path, a);
	gr_archive_free(a);
	if (!status)
		status = newest_steps(t, steps);
	while (!status && steps[KEEP] >= 0) {
		status = checkpoint_path(path, t, steps[KEEP]);
		if (!status && remove(path) != 0)
			status = gr_error_set(GR_EIO, "train: cannot remove %s: %s", path, strerror(errno));
		if (!status)
			status = newest_steps(t, steps);
	}
	if (!status)
		t->saved = t->done;
	return status;
}

/* A checkpoint of another run is not ours to continue. */
static gr_status check_identity(const gr_trainer *t, const gr_archive *a, const char *path)
{
	char seed[32];
	const char *saved_seed = gr_archive_meta(a, "train.seed");
	const char *saved_hash = gr_archive_meta(a, "train.config_sha256");
	snprintf(seed, sizeof(seed), "%" PRIu64, t->opts.seed);
	if (!saved_seed || !saved_hash)
		return gr_error_set(GR_EFORMAT, "%s: not a training checkpoint", path);
	if (strcmp(saved_seed, seed) != 0)
		return gr_error_set(GR_ESTATE, "%s: belongs to seed %.20s, this run has seed %s", path,
			saved_seed, seed);
	if (strcmp(saved_hash, t->config_hash) != 0)
		return gr_error_set(GR_ESTATE,
			"%s: belongs to another configuration (sha256 %.12s..., this run %.12s...); hint: "
			"give the options of the first start, or another output folder",
			path, saved_hash, t->config_hash);
	return GR_OK;
}

static gr_status load_checkpoint(gr_trainer *t, int64_t step, int64_t *log_bytes)
{
	char path[MAX_PATH];
	gr_archive *a = NULL;
	int64_t done = 0;
	gr_status status = checkpoint_path(path, t, step);
	if (!status)
		status = gr_safetensors_read(&a, path);
	if (!status)
		status = check_identity(t, a, path);
	if (!status)
		status = gr__meta_get_int(a, "train.step", &done);
	if (!status)
		status = gr__meta_get_int(a, "train.log_bytes", log_bytes);
	if (!status)
		status = gr__state_check(a, "param.", &t->params);
	if (!status)
		status = gr__state_check(a, "buffer.", &t->buffers);
	if (!status)
		status = gr_ema_load(t->ema, a, "ema.");
	if (!status)
		status = gr_optim_load(t->optim, a);
	if (!status)
		status = gr__state_load(t->params.tensors, a, "param.", &t->params);
	if (!status)
		status = gr__state_load(t->buffers.tensors, a, "buffer.", &t->buffers);
	gr_archive_free(a);
	if (!status)
		t->done = t->saved = done;
	return status;
}

/* Cut the log to what the checkpoint knew; a log that got lost starts again from its header. */
static gr_status open_log(gr_trainer *t, int64_t bytes)
{
	char path[MAX_PATH];
	struct stat st;
	gr_status status = path_in(path, t, "log.csv");
	if (status)
		return status;
	if (bytes > 0 && (stat(path, &st) != 0 || st.st_size < bytes))
		bytes = 0;
	t->log = fopen(path, bytes > 0 ? "r+" : "w");
	if (!t->log || ftruncate(fileno(t->log), bytes) != 0 || fseek(t->log, 0, SEEK_END) != 0 ||
		(bytes == 0 && fputs(LOG_HEADER, t->log) < 0))
		return gr_error_set(GR_EIO, "train: cannot write %s: %s", path, strerror(errno));
	return GR_OK;
}

gr_status gr__train_open(gr_trainer *t)
{
	int64_t steps[KEEP + 1], log_bytes = 0;
	t->saved = -1;
	if (!t->output)
		return GR_OK;
	gr_status status = make_folder(t->output);
	if (!status)
		status = newest_steps(t, steps);
	if (!status && steps[0] >= 0) {
		if (!t->opts.resume)
			return gr_error_set(GR_ESTATE,
				"train: %s holds a checkpoint of step %" PRId64
				"; hint: resume it, or choose another folder",
				t->output, steps[0]);
		status = load_checkpoint(t, steps[0], &log_bytes);
	}
	return status ? status : open_log(t, log_bytes);
}

gr_status gr__train_log(gr_trainer *t, const gr_train_report *r)
{
	if (!t->log)
		return GR_OK;
	if (fprintf(t->log, "%" PRId64 ",%.9g,%.9g,%.9g\n", r->done, r->loss, r->lr, r->grad_norm) < 0)
		return gr_error_set(GR_EIO, "train: cannot write %s/log.csv: %s", t->output,
			strerror(errno));
	return GR_OK;
}
