/* The folder of a prior while it is read (prior_folder.c): shared by the kinds of priors. */
#ifndef GRADUS_INVERSE_PRIOR_FOLDER_PRIV_H
#define GRADUS_INVERSE_PRIOR_FOLDER_PRIV_H

#include "gradus/prior.h"
#include "netfolder.h"

/* The folder that text `member` names: beside f, or found, or an absolute path. Where `hash_member`
 * is there it must be the SHA-256 of its weights. Closed by the caller also after an error. */
gr_status gr__prior_folder_beside(prior_folder *other, const prior_folder *f, gr_prior_find_fn find,
	const char *member, const char *hash_member);

/* GR_EFORMAT: the member is missing or not what is expected. */
gr_status gr__prior_folder_malformed(const prior_folder *f, const char *name, const char *expected);
gr_status gr__prior_folder_integer(const prior_folder *f, const gr_json *v, const char *name,
	int64_t *out);
/* A number of the outer object, or the fallback. */
gr_status gr__prior_folder_number(const prior_folder *f, const char *name, double fallback,
	double *out);
/* Which of `choices`, which end with NULL, the text is. */
gr_status gr__prior_folder_choice(const prior_folder *f, const gr_json *object, const char *name,
	const char *const *choices, int *out);
/* Members of the outer object; NULL with an error recorded. */
const gr_json *gr__prior_folder_object(const prior_folder *f, const char *name);
const char *gr__prior_folder_text(const prior_folder *f, const char *name);
/* The object "schedule". */
gr_status gr__prior_folder_schedule(const prior_folder *f, gr_schedule_opts *out);
/* All values from its weights. */
gr_status gr__prior_folder_load(const prior_folder *f, gr_module *m);

/* The kinds: f with config.json read to *out. */
gr_status gr__prior_folder_unet(gr_prior **out, const prior_folder *f, gr_prior_find_fn find);
gr_status gr__prior_folder_sit(gr_prior **out, const prior_folder *f, gr_prior_find_fn find);
gr_status gr__prior_folder_edm(gr_prior **out, const prior_folder *f, gr_prior_find_fn find);

#endif
