/*
 * REPA at inference: Sfountouris, Daras and Giampouras, "Align & Invert", arXiv 2511.16870, by the
 * released code. What the prior's network says of x_t in the space of an encoder, r [N,P,D], is
 * pulled towards the tokens f [N,P,D] that this encoder, the teacher, makes of a proxy image:
 *
 *     sum_p 1 - cos(f_p, r_p)
 *
 * The weight multiplies the sum over P places. Needs a prior whose network was trained with REPA, and
 * the teacher that it was aligned with.
 *
 * Unlike the release, known pixels of a composite are the measurement's, not the truth's.
 */
#ifndef GRADUS_REPA_H
#define GRADUS_REPA_H

#include "gradus/feature.h"
#include "gradus/term.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The image that the teacher sees. */
typedef enum gr_proxy {
	GR_PROXY_PAPER = 0,       /* composite for masks, else measurement */
	GR_PROXY_MEASUREMENT = 1, /* y as it is, where that is an image */
	GR_PROXY_COMPOSITE = 2,   /* y on measured pixels, the estimate on the others */
	GR_PROXY_TWEEDIE = 3,     /* the estimate */
	GR_PROXY_ORACLE = 4,      /* the truth: an upper bound */
	GR_PROXY_PREVIOUS = 5,    /* the estimate of the step before, nothing in the first. Ours; such a
	                           * run cannot be continued in another process */
	GR_PROXY_ADJOINT = 6,     /* A^T y. Ours */
} gr_proxy;

typedef struct gr_repa_opts {
	size_t size;
	double weight;       /* lambda */
	gr_feature *teacher; /* needed; retained */
	const gr_operator *A;
	gr_tensor *y;      /* [N,...], retained; needed, as A, by the proxies that read it */
	gr_tensor *oracle; /* [N,C,H,W], of GR_PROXY_ORACLE; retained */
	gr_proxy proxy;
	bool stop;         /* no gradient through proxy and teacher; default: where the proxy has one */
	bool mean;         /* over places, not their sum */
	bool late;         /* only where the flow's time is at most 1/2, that is A >= 1/2 */
	int64_t particles; /* samples of a measurement: its teacher is asked once; default 1 */
} gr_repa_opts;

/* Joins the prediction. Constant proxies are shown to the teacher here, once. */
GR_API gr_term *gr_repa_term(const gr_repa_opts *opts);

/* f, r [N,P,D] -> [N], in 0..2P */
GR_API gr_tensor *gr_repa_loss(gr_tensor *f, gr_tensor *r);

#ifdef __cplusplus
}
#endif

#endif
