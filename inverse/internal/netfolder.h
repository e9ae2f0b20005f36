/*
 * The folder of a trained network (docs/priors.md, "Format"): its config.json read, the networks
 * that it may hold built from it. A run in progress serves too, by the average of its last
 * checkpoint. Every text is hostile until it has been read: GR_EFORMAT names file and member.
 */
#ifndef GRADUS_INTERNAL_NETFOLDER_H
#define GRADUS_INTERNAL_NETFOLDER_H

#include "gradus/json.h"
#include "gradus/mpe_cnn.h"
#include "gradus/sit.h"
#include "gradus/vae.h"
#include "gradus/vit.h"

#define FOLDER_PATH 4096

typedef struct prior_folder {
	char path[FOLDER_PATH];         /* of the folder */
	char weights[FOLDER_PATH + 32]; /* weights.safetensors, or ema.safetensors */
	gr_json_doc *doc;
	const gr_json *root;
	const char *model; /* "unet", ... */
	int64_t dims[3];   /* channels, height, width of its images */
} prior_folder;

/* Read config.json of the folder at `path`; *out is closed also after an error. GR_EIO when it is
 * not there. */
gr_status gr__folder_read(prior_folder *out, const char *path);
void gr__folder_close(prior_folder *f);
/* SHA-256 of the weights' file. */
gr_status gr__folder_sha256(const prior_folder *f, char hex[65]);

/* The network with its weights, all constants; the caller frees it. GR_EFORMAT when the folder holds
 * another model. */
gr_status gr__folder_vae(gr_vae **out, const prior_folder *f);
gr_status gr__folder_vit(gr_vit **out, const prior_folder *f);
gr_status gr__folder_sit(gr_sit **out, const prior_folder *f);
gr_status gr__folder_mpe_cnn(gr_mpe_cnn **out, const prior_folder *f);

#endif
