/*
 * What a function reads: while a log is open, every tensor that an op of this thread reads and that
 * was there before is held and noted with its version. Logs nest; the outer ones see what inner ones
 * see.
 */
#ifndef GRADUS_READLOG_PRIV_H
#define GRADUS_READLOG_PRIV_H

#include "addrmap_priv.h"
#include "observe.h"

typedef struct gr_readlog {
	gr_observer observer;
	gr_addrmap known; /* tensor -> place in reads, or -1 for one made meanwhile */
	gr_saved *reads;
	int64_t count;
} gr_readlog;

void gr__readlog_open(gr_readlog *log);
/* Stop noting. What stands in `reads` is to be given to gr__readlog_free(). */
void gr__readlog_close(gr_readlog *log);
/* Forget what was made and has died meanwhile, but for the log. */
void gr__readlog_prune(gr_readlog *log);
void gr__readlog_free(gr_saved *reads, int64_t count);
/* Were none of them overwritten? */
bool gr__readlog_is_current(const gr_saved *reads, int64_t count);

#endif
