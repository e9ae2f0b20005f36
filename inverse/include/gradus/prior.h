/*
 * Priors: what samplers know about images. A prior is a small table of differentiable functions
 * (predict, and encode and decode where its state is not the image) with the schedule it was
 * trained on and the quantity it predicts. Samplers and terms reach a network through this only.
 *
 * Parametrisation: x_t = sqrt(A_t) x_0 + sqrt(1 - A_t) eps, t a base step of the schedule
 * (gradus/schedule.h), images in [-1,1]. Conversions between eps, x_0 and v are here and nowhere
 * else.
 *
 * Ownership: the caller frees the prior, which owns what it wraps. Threads: as its functions allow;
 * those here only read.
 */
#ifndef GRADUS_PRIOR_H
#define GRADUS_PRIOR_H

#include "gradus/autograd.h"
#include "gradus/schedule.h"
#include "gradus/unet.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_prior gr_prior;

typedef enum gr_prediction {
	GR_PREDICT_EPS = 0,   /* the noise */
	GR_PREDICT_X0 = 1,    /* the clean image */
	GR_PREDICT_V = 2,     /* v = sqrt(A) eps - sqrt(1 - A) x_0 (Salimans and Ho 2022) */
	GR_PREDICT_FLOW = 3,  /* eps - x_0, the velocity of the linear path z_t = (1-t) x_0 + t eps:
	                       * z_t = x_t / (a + b), t = b / (a + b), a = sqrt(A), b = sqrt(1-A) */
	GR_PREDICT_SCORE = 4, /* grad log p(x_t) = -eps / sqrt(1-A) */
} gr_prediction;

/* One evaluation on its way through a prior. */
typedef struct gr_prior_call {
	gr_tensor *x_t;    /* in: [N,C,H,W] */
	const double *t;   /* in: base step of each of the N samples; may be fractional */
	gr_tensor *labels; /* in: i64 [N], the class of each; NULL: none, see gr_prior_set_class() */
	gr_tensor *prediction; /* out: [N,C,H,W], what the prior's parametrisation says */
	gr_tensor *variance;   /* out: [N,C,H,W], v of a learned reverse variance, or NULL:
	                        * log var = f log beta + (1 - f) log v_t, f = (v + 1) / 2 */
	bool want_features;    /* in: fill features too */
	gr_tensor *features;   /* out: [N,P,D], what the network's hidden tokens say in the space of the
	                        * encoder that it was aligned with; NULL if it has none */
	int64_t evaluations;   /* out: of the network, for each sample: 1, or 2 with guidance */
} gr_prior_call;

/* A kind of prior; `self` is what gr_prior_new() was given. Unused entries are NULL. */
typedef struct gr_prior_table {
	const char *name;
	gr_status (*predict)(void *self, const gr_prior *p, gr_prior_call *call);
	gr_tensor *(*encode)(void *self, gr_tensor *image); /* NULL: the state is the image */
	gr_tensor *(*decode)(void *self, gr_tensor *state);
	void (*free)(void *self);
	void (*set_recompute)(void *self, bool on); /* see gr_prior_set_recompute() */
} gr_prior_table;

typedef struct gr_prior_opts {
	size_t size;
	int64_t channels, height, width;  /* of the state; needed */
	gr_prediction prediction;         /* default eps */
	const gr_schedule_opts *schedule; /* not respaced; default linear, 1000 steps */
	int64_t image_channels, image_height, image_width; /* default: the state's */
	int64_t classes;                                   /* that it can be asked for; default none */
} gr_prior_opts;

/* A prior of a user's own kind; owns self from here on, also when it fails (NULL). */
GR_API gr_prior *gr_prior_new(const gr_prior_table *table, void *self, const gr_prior_opts *opts);
/* Accepts NULL. */
GR_API void gr_prior_free(gr_prior *p);

/*
 * The prior in a folder: config.json and weights.safetensors (any float type, used as f32), as
 * `gradus train` writes them. Parameters are constants: gradients reach x_t only. GR_EIO,
 * GR_EFORMAT naming file and key.
 */
GR_API GR_MUST_USE gr_status gr_prior_open(gr_prior **out, const char *folder);
/* The same for a folder that names others (a latent prior its autoencoder): they are looked for beside
 * it, then by `find`, which makes a path of `size` bytes from a name. */
typedef gr_status (*gr_prior_find_fn)(char *path, size_t size, const char *name);
GR_API GR_MUST_USE gr_status gr_prior_open_with(gr_prior **out, const char *folder,
	gr_prior_find_fn find);
/* A U-Net that predicts eps, and with twice as many channels out as in also the variance; owns
 * the network from here on, also when it fails (NULL). Its parameters become constants. */
GR_API gr_prior *gr_prior_unet_new(gr_unet *net, const gr_prior_opts *opts);

typedef struct gr_gaussian_opts {
	size_t size;
	gr_tensor *mean;       /* [C,H,W]; default 0 */
	double variance;       /* s^2 of s^2 I; default 1 */
	gr_tensor *variances;  /* [C,H,W]: a diagonal covariance, in place of variance */
	gr_tensor *covariance; /* [CHW,CHW] symmetric, positive semidefinite, in place of both */
} gr_gaussian_opts;

/* x_0 ~ N(m, C): its prediction, of any kind, is exact, in f32 and f64. eps = sqrt(1-A) (A C +
 * (1-A) I)^-1 (x_t - sqrt(A) m). */
GR_API gr_prior *gr_prior_gaussian_new(const gr_gaussian_opts *gaussian, const gr_prior_opts *opts);

/* Memory for time: while on, gradients through a network run its stages again instead of keeping
 * what they compute (gradus/recompute.h). The same bits. GR_EUNSUPPORTED where there are none. */
GR_API gr_status gr_prior_set_recompute(gr_prior *p, bool on);

/*
 * Class and classifier-free guidance (Ho and Salimans 2022): from here on every prediction without
 * labels of its own is e_u + scale (e_c - e_u), of the class and of none, two evaluations; with scale
 * 1, and at times outside [low, high], it is e_c, one. Times are those of the linear path,
 * sqrt(1-A) / (sqrt(A) + sqrt(1-A)). Features and variance are the class's.
 */
typedef struct gr_class_opts {
	size_t size;
	int64_t label;    /* 0 .. gr_prior_classes() - 1 */
	double scale;     /* default 1 */
	double low, high; /* defaults 0 and 1 */
} gr_class_opts;
/* NULL: no class again. GR_EARG. */
GR_API gr_status gr_prior_set_class(gr_prior *p, const gr_class_opts *opts);

/* Reading the prior. Dims are C, H, W of the state, image dims of what it decodes to; the two are the
 * same where the state is the image. */
GR_API const char *gr_prior_name(const gr_prior *p);
GR_API const int64_t *gr_prior_dims(const gr_prior *p);
GR_API const int64_t *gr_prior_image_dims(const gr_prior *p);
/* Whether its states are something else than images. */
GR_API bool gr_is_latent_prior(const gr_prior *p);
GR_API int64_t gr_prior_classes(const gr_prior *p);
GR_API gr_prediction gr_prior_prediction(const gr_prior *p);
/* All base steps, not respaced; borrowed. */
GR_API const gr_schedule *gr_prior_schedule(const gr_prior *p);
/* A schedule that keeps some of them; the caller frees it. respacing as in gradus/schedule.h. */
GR_API gr_schedule *gr_prior_respace(const gr_prior *p, const char *respacing);
/* A at base step t, 0 <= t <= T-1; between steps log A is linear, of a flow the time. */
GR_API double gr_prior_alpha_bar(const gr_prior *p, double t);
/* Its inverse: the base step, fractional, at which A is alpha_bar; the first or last one for levels
 * outside the prior's range. */
GR_API double gr_prior_time(const gr_prior *p, double alpha_bar);

/* Evaluate; fills call->prediction and call->variance. Checks shapes. */
GR_API GR_MUST_USE gr_status gr_prior_predict(const gr_prior *p, gr_prior_call *call);
/* Image [N,C,H,W] to state and back; the identity for pixel priors. */
GR_API gr_tensor *gr_prior_encode(const gr_prior *p, gr_tensor *image);
GR_API gr_tensor *gr_prior_decode(const gr_prior *p, gr_tensor *state);

/* x_0 and eps from x_t and a prediction of the given kind, all [N,...], at one alpha_bar A:
 *     x_0 = sqrt(1/A) x_t - sqrt(1/A - 1) eps = sqrt(A) x_t - sqrt(1-A) v
 *         = (x_t - sqrt(1-A) u) / (sqrt(A) + sqrt(1-A)), u the flow.
 * GR_EARG where one does not follow: x_0 from eps or score at A = 0, eps from x_0 at A = 1. */
GR_API gr_tensor *gr_predicted_x0(gr_prediction kind, gr_tensor *x_t, gr_tensor *prediction,
	double alpha_bar);
GR_API gr_tensor *gr_predicted_eps(gr_prediction kind, gr_tensor *x_t, gr_tensor *prediction,
	double alpha_bar);

#ifdef __cplusplus
}
#endif

#endif
