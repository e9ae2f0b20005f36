/*
 * The table of solvers and terms: see solve_matrix.h. Two priors of fixed random weights stand for all:
 * one whose states are images of 2 x 8 x 8, one with a decoder and an encoder, both with hidden
 * features; blocks of 2 x 2 are measured; a unit is three particles. A pair works where four steps
 * succeed and the term changes the result; where it does not, the error says why.
 */
#include "solve_matrix.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gradus/feature.h"
#include "gradus/method.h"
#include "gradus/ops.h"
#include "gradus/term_kind.h"

#define PARTICLES 3
#define MAX_REASONS 64
#define TEXT 768

/* --- the problems --- */

static gr_tensor *conv(const char *name, gr_tensor *x, int64_t K, int64_t stride)
{
	gr_key key = gr_key_fold_name(gr_key_seed(0), name);
	int64_t C = gr_tensor_dim(x, 1);
	gr_tensor *w = gr_random_normal(key, gr_tensor_dtype(x), GR_DIMS(K, C, 3, 3));
	w = gr_mul_s(w, 1.0 / sqrt(9.0 * (double)C));
	return gr_conv2d(x, w, GR_OPTS(gr_conv_opts, .stride = stride, .pad = 1));
}

/* [N,3,4,4] -> [N,16,3] */
static gr_tensor *tokens(gr_tensor *map)
{
	return gr_transpose(gr_reshape(map, GR_DIMS(gr_tensor_dim(map, 0), 3, 16)), 1, 2);
}

static gr_status predict(void *self, const gr_prior *p, gr_prior_call *call)
{
	gr_tensor *x = call->x_t;
	(void)self;
	call->prediction = gr_axpby(x, 0.6, gr_tanh(conv("predict", x, gr_prior_dims(p)[0], 1)), 0.3);
	if (call->want_features)
		call->features = tokens(gr_tanh(conv("hidden", x, 3, gr_prior_dims(p)[1] / 4)));
	return gr_error_code();
}

static gr_tensor *encode(void *self, gr_tensor *image)
{
	(void)self;
	return gr_tanh(conv("encode", image, 3, 2));
}

static gr_tensor *decode(void *self, gr_tensor *state)
{
	(void)self;
	return gr_tanh(conv("decode", gr_upsample_nearest2d(state, 2), 2, 1));
}

static gr_status look(void *self, gr_feature_call *call)
{
	(void)self;
	call->map = gr_tanh(conv("look", call->x, 3, 2));
	return gr_error_code();
}

/* The feature network "net". */
static gr_feature *network(const char *name)
{
	static const gr_feature_table table = {.name = "net", .apply = look};
	const gr_feature_opts *opts = GR_OPTS(gr_feature_opts, .height = 8, .width = 8);
	return strcmp(name, "net") == 0 ? gr_feature_new(&table, NULL, opts) : NULL;
}

typedef struct matrix {
	gr_prior *prior[2]; /* of images, of latent states */
	gr_operator *A;
	gr_tensor *y;
	gr_key keys[PARTICLES];
	char reason[MAX_REASONS][TEXT];
	int reasons;
} matrix;

static gr_status open_problems(matrix *m)
{
	static const gr_prior_table pixel = {.name = "image", .predict = predict};
	static const gr_prior_table latent = {.name = "latent",
		.predict = predict,
		.encode = encode,
		.decode = decode};
	m->prior[0] =
		gr_prior_new(&pixel, NULL, GR_OPTS(gr_prior_opts, .channels = 2, .height = 8, .width = 8));
	m->prior[1] =
		gr_prior_new(&latent, NULL, GR_OPTS(gr_prior_opts, .channels = 3, .height = 4, .width = 4));
	m->A = gr_operator_new("sr_mean:factor=2",
		GR_OPTS(gr_operator_opts, .channels = 2, .height = 8, .width = 8));
	gr_key key = gr_key_fold_name(gr_key_seed(0), "image");
	gr_tensor *image = gr_random_normal(key, GR_F32, GR_DIMS(1, 2, 8, 8));
	gr_tensor *three = gr_expand(gr_tanh(image), GR_DIMS(PARTICLES, 2, 8, 8));
	m->y = gr_tensor_retain(gr_operator_apply(m->A, gr_contiguous(three)));
	for (int i = 0; i < PARTICLES; i++)
		m->keys[i] = gr_key_fold(gr_key_seed(1), (uint64_t)i);
	return gr_error_code();
}

static void close_problems(matrix *m)
{
	gr_prior_free(m->prior[0]);
	gr_prior_free(m->prior[1]);
	gr_operator_free(m->A);
	gr_tensor_release(m->y);
}

/* --- trying --- */

static gr_tensor *solve(const matrix *m, int which, const char *method, gr_term *term)
{
	gr_term *terms[] = {term, NULL};
	return gr_solver_solve(GR_OPTS(gr_solver_opts, .prior = m->prior[which], .n = PARTICLES,
		.keys = m->keys, .method = method, .A = m->A, .y = m->y, .sigma = 0.05, .respacing = "4",
		.terms = term != NULL ? terms : NULL, .particles = PARTICLES));
}

static bool is_same(gr_tensor *a, gr_tensor *b)
{
	float va[PARTICLES * 128], vb[PARTICLES * 128];
	size_t bytes = (size_t)gr_tensor_size(a) * sizeof *va;
	return gr_tensor_size(a) <= PARTICLES * 128 && gr_tensor_to_f32(a, va) == GR_OK &&
		gr_tensor_to_f32(b, vb) == GR_OK && memcmp(va, vb, bytes) == 0;
}

/* Whether the pair works; if not, the reason as text. */
static bool works(const matrix *m, int which, const char *method, const char *text, char *why)
{
	const gr_term_problem problem = {.size = sizeof problem,
		.prior = m->prior[which],
		.A = m->A,
		.y = m->y,
		.sigma = 0.05,
		.particles = PARTICLES,
		.network = network};
	gr_scope_begin();
	gr_term *term = text != NULL ? gr_term_open(text, &problem) : NULL;
	gr_tensor *with = gr_failed() ? NULL : solve(m, which, method, term);
	gr_tensor *plain = with != NULL && text != NULL ? solve(m, which, method, NULL) : NULL;
	why[0] = '\0';
	if (gr_failed())
		snprintf(why, TEXT, "%s", gr_error_message());
	else if (text != NULL && is_same(with, plain))
		snprintf(why, TEXT, "it has no effect");
	gr_term_free(term);
	gr_error_clear();
	(void)gr_scope_end();
	return why[0] == '\0';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* `text` with every word `word` replaced by `by`. */
static void replace(char *text, const char *word, const char *by)
{
	char out[TEXT];
	size_t used = 0, length = strlen(word);
	for (const char *at = text; *at != '\0' && used + 1 < sizeof out;) {
		bool found = strncmp(at, word, length) == 0 && !is_letter(at[length]) &&
			(at == text || !is_letter(at[-1]));
		used += (size_t)snprintf(out + used, sizeof out - used, "%.*s", found ? TEXT : 1,
			found ? by : at);
		at += found ? length : 1;
	}
	snprintf(text, TEXT, "%s", out);
}

/* The number of a reason, from 1, added to the list if it is new: with what is the same for all methods
 * and terms in place of their names. */
static int number_of(matrix *m, char *why, const char *method, const char *kind)
{
	char term[128];
	snprintf(term, sizeof term, "term %s", kind);
	replace(why, term, "the term");
	replace(why, method, "the method");
	for (int i = 0; i < m->reasons; i++) {
		if (strcmp(m->reason[i], why) == 0)
			return i + 1;
	}
	if (m->reasons == MAX_REASONS)
		return MAX_REASONS;
	snprintf(m->reason[m->reasons], TEXT, "%s", why);
	return ++m->reasons;
}

/* --- the page --- */

/* What a kind is tried as; its name alone for those of a program's own. */
static const char *text_of(const char *kind)
{
	static const char *const texts[] = {"dps:0.3", "likelihood:square:0.05", "repa:0.5,teacher=net",
		"equireg:hflip:0.1,f=net,freq=1", "repulsion:1", "sds:0.05", "gluing:0.1", "gml:0.1",
		"tv:0.05"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (strcspn(texts[i], ":") == strlen(kind) && strncmp(texts[i], kind, strlen(kind)) == 0)
			return texts[i];
	}
	return kind;
}

static void print_cell(matrix *m, const char *method, const char *kind)
{
	const char *text = kind != NULL ? text_of(kind) : NULL;
	const char *name = kind != NULL ? kind : "";
	char why[2][TEXT];
	bool image = works(m, 0, method, text, why[0]);
	bool latent = works(m, 1, method, text, why[1]);
	if (image && latent)
		printf(" yes |");
	else if (image)
		printf(" images (%d) |", number_of(m, why[1], method, name));
	else if (latent)
		printf(" latents (%d) |", number_of(m, why[0], method, name));
	else if (strcmp(why[0], why[1]) == 0)
		printf(" - (%d) |", number_of(m, why[0], method, name));
	else {
		int first = number_of(m, why[0], method, name);
		printf(" - (%d, %d) |", first, number_of(m, why[1], method, name));
	}
	fflush(stdout);
}

static void print_head(void)
{
	printf("# Solvers and terms\n\n"
		   "What `gradus solve --matrix` prints: every method with every kind of term, tried with "
		   "a prior of\nimages and with a latent one, both with hidden features, on a measurement "
		   "at half the resolution;\nthree particles are a unit. yes: with both priors four steps "
		   "succeed and "
		   "the term changes the result.\nimages, latents: with that prior only. The numbers are "
		   "those of the reasons below.\n\n"
		   "The terms are tried as\n\n");
	for (int i = 0; i < gr_term_kind_count(); i++)
		printf("    --term %s\n", text_of(gr_term_kind_at(i)->name));
	printf("\nwhere net is a network of images to maps. What each kind takes: `gradus solve "
		   "--list`.\n\n| method | alone |");
	for (int i = 0; i < gr_term_kind_count(); i++)
		printf(" %s |", gr_term_kind_at(i)->name);
	printf("\n|---|---|");
	for (int i = 0; i < gr_term_kind_count(); i++)
		printf("---|");
	printf("\n");
}

gr_status gr__solve_matrix(void)
{
	matrix m = {.reasons = 0};
	gr_status status = open_problems(&m);
	if (status == GR_OK)
		print_head();
	for (int i = 0; i < gr_method_count() && status == GR_OK && !gr_interrupted(); i++) {
		const char *method = gr_method_list_name(i);
		printf("| %s |", method);
		print_cell(&m, method, NULL);
		for (int k = 0; k < gr_term_kind_count(); k++)
			print_cell(&m, method, gr_term_kind_at(k)->name);
		printf("\n");
	}
	if (status == GR_OK && gr_interrupted())
		status = gr_error_set(GR_ESTATE, "interrupted, the table is not complete");
	if (m.reasons > 0)
		printf("\nThe reasons:\n\n");
	for (int i = 0; i < m.reasons; i++)
		printf("%d. %s\n", i + 1, m.reason[i]);
	close_problems(&m);
	return status;
}
