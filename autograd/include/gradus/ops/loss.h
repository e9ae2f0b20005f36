/*
 * Losses, similarities and straight-through estimators, all compositions of other ops. Losses are
 * means over everything. Results belong to the scope; NULL on error.
 */
#ifndef GRADUS_OPS_LOSS_H
#define GRADUS_OPS_LOSS_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Mean of (a - b)^2; a and b broadcast. */
GR_API gr_tensor *gr_mse(gr_tensor *a, gr_tensor *b);
/* Mean of d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), d = a - b; delta > 0. */
GR_API gr_tensor *gr_huber(gr_tensor *a, gr_tensor *b, double delta);
/* x [...,C] scores, labels [...] i64 -> mean of -log softmax(x)[label]. */
GR_API gr_tensor *gr_cross_entropy(gr_tensor *x, gr_tensor *labels);
/* a, b [N,D], two views of N things; of the cosine similarities over `temperature`, the mean cross
 * entropy that each of the 2 N picks its partner among the other 2 N - 1. */
GR_API gr_tensor *gr_nt_xent(gr_tensor *a, gr_tensor *b, double temperature);

/* a [...,M], b [...,N] -> [...,M,N], a_i b_j; leading dims broadcast. */
GR_API gr_tensor *gr_outer(gr_tensor *a, gr_tensor *b);
/* sum(a b) / max(|a| |b|, eps) along axis, which is removed; eps 0 means 1e-8. a and b broadcast. */
GR_API gr_tensor *gr_cosine_similarity(gr_tensor *a, gr_tensor *b, int axis, double eps);
/* a [...,N,D], b [...,M,D] -> [...,N,M], Euclidean; gradient 0 where two points agree. Takes memory
 * for N M D differences, which keep what squares and products would cancel. */
GR_API gr_tensor *gr_pairwise_distance(gr_tensor *a, gr_tensor *b);

/* The values of `hard`, the gradients to `soft`, in one shape: vector quantisation, for one. */
GR_API gr_tensor *gr_straight_through(gr_tensor *hard, gr_tensor *soft);
/* Rounded as gr_round, with gradient 1. */
GR_API gr_tensor *gr_round_ste(gr_tensor *x);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_mse(...) (gr_at(__FILE__, __LINE__), gr_mse(__VA_ARGS__))
#define gr_huber(...) (gr_at(__FILE__, __LINE__), gr_huber(__VA_ARGS__))
#define gr_cross_entropy(...) (gr_at(__FILE__, __LINE__), gr_cross_entropy(__VA_ARGS__))
#define gr_nt_xent(...) (gr_at(__FILE__, __LINE__), gr_nt_xent(__VA_ARGS__))
#define gr_outer(...) (gr_at(__FILE__, __LINE__), gr_outer(__VA_ARGS__))
#define gr_cosine_similarity(...) (gr_at(__FILE__, __LINE__), gr_cosine_similarity(__VA_ARGS__))
#define gr_pairwise_distance(...) (gr_at(__FILE__, __LINE__), gr_pairwise_distance(__VA_ARGS__))
#define gr_straight_through(...) (gr_at(__FILE__, __LINE__), gr_straight_through(__VA_ARGS__))
#define gr_round_ste(...) (gr_at(__FILE__, __LINE__), gr_round_ste(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
