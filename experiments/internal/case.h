/*
 * A posterior as a folder, for any software to draw from: case.json says what the arrays beside it
 * are, all of them .npy in f64. What was drawn, samples.npy [n,D], is scored by the folder alone.
 *
 *     matrix.npy  H [M,D]       y.npy  [M]        y = H x_0 + sigma e, or |H x_0| + sigma e
 *     means.npy [K,D], weights.npy [K] (or equal), variances.npy [K,D] or covariances.npy [K,D,D],
 *     or spectrum.npy [H,W] and mean.npy [H,W] (or 0) of a field: the prior, as in gradus/law.h
 */
#ifndef GRADUS_INTERNAL_CASE_H
#define GRADUS_INTERNAL_CASE_H

#include <stdio.h>

#include "certify.h"

/* Measurement i of a problem of gradus certify, 0 <= i < 1000. GR_EARG where there is a case
 * already. */
gr_status gr__case_export(const char *folder, const gr_certify_row *row, int64_t i, uint64_t seed);

typedef struct gr_case_score {
	char name[64];
	int64_t n;
	double score[GR_DEVIATIONS];
	gr_summary exact[GR_DEVIATIONS]; /* of several exact samples, as many draws each */
} gr_case_score;

/* GR_EIO, GR_EFORMAT, GR_ESHAPE naming the file; GR_ENUMERIC for samples that are not finite. */
gr_status gr__case_score(gr_case_score *out, const char *folder, const char *samples);
void gr__case_print(FILE *stream, const gr_case_score *s);

#endif
