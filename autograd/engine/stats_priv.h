/* What the values of a tensor are like, for messages and pages. */
#ifndef GRADUS_STATS_H
#define GRADUS_STATS_H

#include "gradus/tensor.h"

typedef struct gr_stats {
	int64_t nan, inf;           /* how many */
	int64_t bad;                /* row-major place of the first of either; -1: none */
	double min, max, mean, std; /* of the finite values; 0 when there is none */
} gr_stats;

/* All values of t, of any type and strides. */
gr_stats gr__stats(const gr_tensor *t);
/* No NaN and no infinity; much faster than the statistics when the values lie in a row. */
bool gr__is_finite(const gr_tensor *t);
/* "[0,3]" of a row-major place; "" of a tensor without dims. */
void gr__stats_place(char *buf, size_t size, const gr_tensor *t, int64_t place);
/* The dims' index of a row-major place. */
void gr__stats_index(int64_t *idx, const gr_tensor *t, int64_t place);

#endif
