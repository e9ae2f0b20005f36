/*
 * A run's folder: made once, never overwritten, continued only when asked to and only by the same
 * configuration. Everything in it is written to a temporary name and renamed.
 */
#ifndef GRADUS_INTERNAL_RUNFOLDER_H
#define GRADUS_INTERNAL_RUNFOLDER_H

#include "gradus/base.h"

/*
 * Make `path` (with its parents) and write `config` to config.json in it. If the folder exists:
 * with `resume`, its config.json must say the same, else GR_EARG; without, GR_EARG unless it is
 * empty.
 */
gr_status gr__runfolder_open(const char *path, const char *config, bool resume);
gr_status gr__runfolder_make(const char *path); /* mkdir -p */
gr_status gr__runfolder_write(const char *folder, const char *name, const char *text);
/* The text of a file, a gr_alloc() block; NULL and an error when it cannot be read. */
char *gr__runfolder_read(const char *folder, const char *name);
bool gr__runfolder_has(const char *folder, const char *name);
/* Copy the files of one folder into another that exists. */
gr_status gr__runfolder_copy(const char *from, const char *to);
/* Remove folder/name and, if it is a folder, the files in it. */
void gr__runfolder_remove(const char *folder, const char *name);
/* Where priors are looked for by name: place 0 <= i < GR_PRIOR_PLACES, in order; NULL: not set. */
#define GR_PRIOR_PLACES 3
const char *gr__prior_place(int i);
/* Where a shipped or a user's prior lies: `name` itself if it is a folder with config.json, else
 * below GRADUS_PRIORS, the source tree, the installed priors. GR_EIO names all that was tried. */
gr_status gr__prior_find(char *path, size_t size, const char *name);

/* A growing text; .text is NULL when memory ran out. */
typedef struct gr_text {
	char *text;
	size_t used, room;
} gr_text;

void gr__text_add(gr_text *t, const char *format, ...) GR_PRINTF(2, 3);
/* `s` as a JSON string with quotes. */
void gr__text_json(gr_text *t, const char *s);

#endif
