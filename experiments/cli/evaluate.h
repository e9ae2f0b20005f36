/*
 * What `gradus evaluate` measures, one file for each kind of network: a table on stdout. cmd_evaluate.c
 * chooses by the folder's model. Nothing is recorded while they run.
 */
#ifndef GRADUS_CLI_EVALUATE_H
#define GRADUS_CLI_EVALUATE_H

#include "folder.h"
#include "gradus/dataset.h"

typedef struct evaluate_options {
	const char *prior, *data, *reference, *judge, *drawn, *sampler;
	int64_t limit, seed, threads, neighbours, samples, steps;
} evaluate_options;

typedef gr_status evaluate_fn(const prior_folder *f, const evaluate_options *o);

/* The error of the predicted noise, per noise level. */
evaluate_fn gr__evaluate_noise;
/* An autoencoder: PSNR of reconstructions, statistics of the latents. */
evaluate_fn gr__evaluate_vae;
/* A feature network: labels by the nearest neighbours in features, and in pixels. */
evaluate_fn gr__evaluate_vit;

/* A flow prior on latents: the error of its velocity, how far its tokens are aligned. */
evaluate_fn gr__evaluate_sit;
/* A classifier: labels found. A network without classes: its equivariance on images and off them. */
evaluate_fn gr__evaluate_classifier, gr__evaluate_mpe;
/* Samples of a prior, drawn or given, in the eyes of a classifier. */
evaluate_fn gr__evaluate_samples;

/* Open the images to measure on; GR_EFORMAT unless they are of the folder's size. */
gr_status gr__evaluate_data(gr_dataset **out, const char *data, const prior_folder *f,
	int64_t limit);
/* N(0, I) of n images by a key each: [n,dims[0],dims[1],dims[2]], owned by the scope. */
gr_tensor *gr__evaluate_draw(const gr_key *keys, int64_t n, const int64_t dims[3]);

#endif
