/*
 * gradus evaluate: a trained network on images it has not seen. What is measured depends on what the
 * folder holds (evaluate.h).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "data_path.h"
#include "evaluate.h"
#include "gradus/ops.h"

static const struct {
	const char *model;
	evaluate_fn *run;
} kinds[] = {
	{"unet", gr__evaluate_noise},
	{"autoencoder_kl", gr__evaluate_vae},
	{"dino", gr__evaluate_vit},
	{"sit", gr__evaluate_sit},
	{"mpe_cnn", gr__evaluate_mpe},
};

gr_status gr__evaluate_data(gr_dataset **out, const char *data, const prior_folder *f,
	int64_t limit)
{
	gr_status status = gr__data_open(out, data, f->dims[2], limit);
	if (status != GR_OK)
		return status;
	const gr_dataset_info info = gr_dataset_describe(*out);
	if (info.channels == f->dims[0] && info.height == f->dims[1] && info.width == f->dims[2])
		return GR_OK;
	return gr_error_set(GR_EFORMAT,
		"%s: images are %" PRId64 " x %" PRId64 " x %" PRId64 ", those of %s %" PRId64 " x %" PRId64
		" x %" PRId64,
		data, info.channels, info.height, info.width, f->path, f->dims[0], f->dims[1], f->dims[2]);
}

gr_tensor *gr__evaluate_draw(const gr_key *keys, int64_t n, const int64_t dims[3])
{
	const int64_t elements = dims[0] * dims[1] * dims[2];
	gr_tensor *eps = gr_empty(GR_F32, GR_DIMS(n, dims[0], dims[1], dims[2]));
	for (int64_t i = 0; eps != NULL && i < n; i++) {
		gr_scope_begin();
		const gr_tensor *own = gr_random_normal(keys[i], GR_F32, 1, &elements);
		if (own != NULL)
			gr_tensor_to_f32(own, (float *)gr_tensor_data(eps) + i * elements);
		if (gr_scope_end() != GR_OK)
			return NULL;
	}
	return eps;
}

static gr_status run(const evaluate_options *o)
{
	prior_folder f;
	evaluate_fn *measure = NULL;
	gr_status status = o->threads > 0 ? gr_set_threads((int)o->threads) : GR_OK;
	if (status != GR_OK)
		return status;
	status = gr__folder_open(&f, o->prior);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds && status == GR_OK; i++) {
		if (strcmp(kinds[i].model, f.model) == 0)
			measure = kinds[i].run;
	}
	if (status == GR_OK && gr_json_find(gr_json_find(f.root, f.model), "num_classes") != NULL &&
		measure == gr__evaluate_mpe)
		measure = gr__evaluate_classifier;
	if (o->samples > 0 || o->drawn != NULL)
		measure = gr__evaluate_samples;
	if (status == GR_OK && measure == NULL)
		status = gr_error_set(GR_EUNSUPPORTED, "%s: nothing is measured of a model \"%s\"", f.path,
			f.model);
	if (status == GR_OK) {
		gr_set_recording(false);
		status = measure(&f, o);
	}
	gr__folder_close(&f);
	return status;
}

int gr_cmd_evaluate(int argc, char **argv)
{
	evaluate_options o;
	const gr_arg args[] = {
		{"prior", GR_ARG_STRING, "fashion", "name of a shipped prior, or a folder", &o.prior},
		{"data", GR_ARG_STRING, "fashion-test", "images, as for train", &o.data},
		{"limit", GR_ARG_INT, "1000", "how many, 0 for all", &o.limit},
		{"seed", GR_ARG_INT, "0", "of the noise", &o.seed},
		{"reference", GR_ARG_STRING, "fashion", "feature networks: images with labels to vote by",
			&o.reference},
		{"neighbours", GR_ARG_INT, "10", "feature networks: how many of them vote", &o.neighbours},
		{"samples", GR_ARG_INT, "0", "priors: draw so many and have them judged", &o.samples},
		{"drawn", GR_ARG_STRING, NULL, "have images judged that were drawn: as for --data",
			&o.drawn},
		{"judge", GR_ARG_STRING, "fashion-classifier", "the classifier that does, as --prior",
			&o.judge},
		{"sampler", GR_ARG_STRING, "ddim", "of --samples, as gradus sample", &o.sampler},
		{"steps", GR_ARG_INT, "50", "of --samples, as gradus sample", &o.steps},
		{"threads", GR_ARG_INT, "0", "0: all cores; changes no result", &o.threads},
	};
	const gr_command command = {
		.name = "evaluate",
		.usage = "[options]",
		.summary = "Measure a trained network on images it has not seen: a prior's error of the "
				   "predicted\nnoise or velocity per noise level, an autoencoder's reconstructions "
				   "and latents, "
				   "a feature network's\nneighbours, "
				   "a classifier's labels, how equivariant a network is. With --samples, what a\n"
				   "classifier finds in samples of a prior, and how far they are from images.",
		.examples = {"gradus evaluate",
			"gradus evaluate --prior runs/mine --samples 1000 --limit 2000"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	int code = gr__args_parse(&command, argc, argv, NULL, 0, &words);
	if (code != GR_ARGS_RUN)
		return code;
	gr_status status = run(&o);
	return status == GR_OK ? GR_EXIT_OK : gr__exit_report("evaluate", status);
}
