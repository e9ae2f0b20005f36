/*
 * Terms by name. A kind makes a term from a text such as "equireg:hflip:0.01,freq=0.1": the kind's
 * name, words and at last the weight, separated by colons, then settings separated by commas. What
 * it needs to know of the problem - prior, operator, measurement - comes with gr_term_problem.
 *
 *     static gr_term *open_tv(const gr_term_spec *spec, const gr_term_problem *problem)
 *     {
 *         double smooth = gr_term_number(spec, "smooth", 1e-3, 0.0, 1.0);
 *         return gr_tv_term(gr_term_spec_weight(spec), smooth);
 *     }
 *
 * The library's kinds are in inverse/guidance, inverse/distill and inverse/align; a program's own
 * join them by gr_term_kind_register().
 */
#ifndef GRADUS_TERM_KIND_H
#define GRADUS_TERM_KIND_H

#include "gradus/feature.h"
#include "gradus/term.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The problem that a term is made for. All of it is borrowed and must outlive the term, but y,
 * which terms retain. */
typedef struct gr_term_problem {
	size_t size;
	const gr_prior *prior;
	const gr_operator *A;
	gr_tensor *y; /* [N,...] */
	double sigma;
	int64_t particles; /* samples of a unit; default 1 */
	/* The path of the folder that a name of a trained network stands for, as a string of at most
	 * `bytes`; GR_EIO, naming where it looked. NULL: names are paths. */
	gr_status (*find)(char *path, size_t bytes, const char *name);
	/* The feature network, by name, that the prior's hidden features were aligned with; NULL for
	 * none. */
	const char *encoder;
	/* A program's own feature networks, asked before folders: one of that name, which the caller
	 * releases, or NULL without an error. NULL: there are none. */
	gr_feature *(*network)(const char *name);
} gr_term_problem;

/* A text that has been split; valid while its kind's open() runs. */
typedef struct gr_term_spec gr_term_spec;

typedef struct gr_term_kind {
	const char *name;   /* "equireg" */
	const char *doc;    /* one line with words and settings */
	const char *source; /* paper and equation */
	double weight;      /* where the text has none */
	gr_term *(*open)(const gr_term_spec *spec, const gr_term_problem *problem);
} gr_term_kind;

/* Kept as long as the program runs. GR_EARG: a field missing, a name that is taken. */
GR_API GR_MUST_USE gr_status gr_term_kind_register(const gr_term_kind *kind);
/* The kinds there are: i in 0..count-1, NULL beyond. */
GR_API int gr_term_kind_count(void);
GR_API const gr_term_kind *gr_term_kind_at(int i);

/* The term that `text` names, owned by the caller. GR_EARG for a kind, word or setting that there is
 * not; what the kind says otherwise. */
GR_API gr_term *gr_term_open(const char *text, const gr_term_problem *problem);

/* --- for open() --- */

/* The number at the end of the head, or the kind's own. */
GR_API double gr_term_spec_weight(const gr_term_spec *spec);
/* Word i after the name, the weight not counted; `fallback` if there is none. */
GR_API const char *gr_term_word(const gr_term_spec *spec, int i, const char *fallback);
/* A setting: its text, the index of its text in `choices` (ends with NULL; the first is the
 * default), or its number in low..high. An error is recorded for what does not fit, and the
 * default returned. Settings that nobody asked for are an error of gr_term_open(). */
GR_API const char *gr_term_text(const gr_term_spec *spec, const char *name, const char *fallback);
GR_API int gr_term_choice(const gr_term_spec *spec, const char *name, const char *const *choices);
GR_API double gr_term_number(const gr_term_spec *spec, const char *name, double fallback,
	double low, double high);

#ifdef __cplusplus
}
#endif

#endif
