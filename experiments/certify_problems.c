/*
 * The problems of a certificate (see certify.h). The mixtures are those of the literature on
 * sequential Monte Carlo for diffusion priors (Cardoso et al. 2023, section 5): means (8 i, 8 j),
 * i, j in -2..2, repeated along the dimensions, unit covariances, random weights; H with singular
 * values uniform in (0,1) and sigma uniform in (0,1) times the largest. H is drawn for each
 * measurement, its singular values and sigma for all.
 *
 * Schedules are linear. beta goes up to 0.02, as for images, or as far as N(0, I), from where solvers
 * start, is the noised law: sqrt(A) times the length of the means, 45, 143 and 452, is below 0.03.
 */
#include <math.h>

#include "certify.h"
#include "gradus/ops.h"

#define TOY_A_Y 0.1
#define FIELD 32

static const gr_certify_row rows[] = {
	{"white-8", GR_CERTIFY_WHITE, "x_0 ~ N(m, I) in 8 dimensions, 4 numbers measured", 8, 4, 200, 8,
		20},
	{"gauss-8", GR_CERTIFY_GAUSS, "x_0 ~ N(m, C) in 8 dimensions, 4 numbers measured", 8, 4, 200, 8,
		20},
	{"modes-8x1", GR_CERTIFY_MODES, "25 modes in 8 dimensions, 1 number measured", 8, 1, 100, 0,
		20},
	{"modes-8x2", GR_CERTIFY_MODES, "25 modes in 8 dimensions, 2 numbers measured", 8, 2, 100, 8,
		20},
	{"modes-8x4", GR_CERTIFY_MODES, "25 modes in 8 dimensions, 4 numbers measured", 8, 4, 100, 0,
		20},
	{"toy-a", GR_CERTIFY_TOY_A, "two modes, (-2,0) and (2,0), the second coordinate measured", 2, 1,
		100, 8, 80},
	{"phase-2", GR_CERTIFY_PHASE, "x_0 ~ N(m, I) in the plane, two magnitudes measured", 2, 2, 100,
		32, 80},
	{"modes-80x1", GR_CERTIFY_MODES, "25 modes in 80 dimensions, 1 number measured", 80, 1, 100, 0,
		20},
	{"modes-80x2", GR_CERTIFY_MODES, "25 modes in 80 dimensions, 2 numbers measured", 80, 2, 100, 0,
		20},
	{"modes-80x4", GR_CERTIFY_MODES, "25 modes in 80 dimensions, 4 numbers measured", 80, 4, 100, 0,
		20},
	{"modes-800x1", GR_CERTIFY_MODES, "25 modes in 800 dimensions, 1 number measured", 800, 1, 100,
		0, 8},
	{"modes-800x2", GR_CERTIFY_MODES, "25 modes in 800 dimensions, 2 numbers measured", 800, 2, 100,
		0, 8},
	{"modes-800x4", GR_CERTIFY_MODES, "25 modes in 800 dimensions, 4 numbers measured", 800, 4, 100,
		0, 8},
	{"field-32", GR_CERTIFY_FIELD, "a random field of 32 x 32, means of 2 x 2 measured",
		FIELD *FIELD, FIELD *FIELD / 4, 100, 0, 8},
};

const gr_certify_row *gr__certify_row(int i)
{
	return i >= 0 && i < (int)(sizeof rows / sizeof *rows) ? &rows[i] : NULL;
}

/* --- laws --- */

static gr_status add(gr_archive *arrays, const char *name, gr_tensor *value)
{
	return value == NULL ? gr_error_code() : gr_archive_add(arrays, name, gr_contiguous(value));
}

static gr_status describe_modes(gr_archive *arrays, int64_t D, gr_key key)
{
	gr_tensor *means = gr_empty(GR_F64, GR_DIMS(25, D));
	if (means == NULL)
		return gr_error_code();
	for (int64_t i = 0; i < 25 * D; i++) {
		int64_t k = i / D, d = i % D;
		((double *)gr_tensor_data(means))[i] = 8.0 * (double)((d % 2 == 0 ? k / 5 : k % 5) - 2);
	}
	gr_status status = add(arrays, "means", means);
	if (status == GR_OK)
		status = add(arrays, "weights",
			gr_random_uniform(gr_key_fold_name(key, "weights"), GR_F64, GR_DIMS(25), 0.05, 1.0));
	return status == GR_OK ? add(arrays, "variances", gr_full(GR_F64, GR_DIMS(25, D), 1.0))
						   : status;
}

/* m_i = 0.3 sin i; C_ij = 0.8^|i-j|, or I. */
static gr_status describe_gaussian(gr_archive *arrays, int64_t D, bool white)
{
	gr_tensor *means = gr_empty(GR_F64, GR_DIMS(1, D));
	gr_tensor *C = gr_zeros(GR_F64, GR_DIMS(1, D, D));
	if (means == NULL || C == NULL)
		return gr_error_code();
	for (int64_t i = 0; i < D; i++) {
		((double *)gr_tensor_data(means))[i] = 0.3 * sin((double)i);
		for (int64_t j = 0; j < D; j++)
			((double *)gr_tensor_data(C))[i * D + j] = pow(0.8, fabs((double)(i - j)));
	}
	gr_status status = add(arrays, "means", means);
	if (status != GR_OK)
		return status;
	return white ? add(arrays, "variances", gr_full(GR_F64, GR_DIMS(1, D), 1.0))
				 : add(arrays, "covariances", C);
}

static gr_status describe_plane(gr_archive *arrays, int64_t K, const double *means, double variance)
{
	gr_status status = add(arrays, "means", gr_from_f64(GR_F64, means, GR_DIMS(K, 2)));
	return status == GR_OK ? add(arrays, "variances", gr_full(GR_F64, GR_DIMS(K, 2), variance))
						   : status;
}

/* S(f) = c / (1 + (8 |f|)^2)^2, a pixel's variance 1: a correlation over about 4 pixels. */
static gr_status describe_field(gr_archive *arrays)
{
	gr_tensor *spectrum = gr_empty(GR_F64, GR_DIMS(FIELD, FIELD));
	if (spectrum == NULL)
		return gr_error_code();
	double *S = gr_tensor_data(spectrum), sum = 0.0;
	for (int64_t i = 0; i < FIELD * FIELD; i++) {
		double v = (double)(i / FIELD), u = (double)(i % FIELD);
		v = fmin(v, FIELD - v) / FIELD;
		u = fmin(u, FIELD - u) / FIELD;
		S[i] = pow(1.0 + 64.0 * (u * u + v * v), -2.0);
		sum += S[i];
	}
	for (int64_t i = 0; i < FIELD * FIELD; i++)
		S[i] *= FIELD * FIELD / sum;
	return add(arrays, "spectrum", spectrum);
}

static gr_status describe(gr_archive *arrays, const gr_certify_row *row, gr_key key)
{
	static const double toy_a[] = {-2.0, 0.0, 2.0, 0.0}, phase[] = {0.3, 0.1};
	if (row->kind == GR_CERTIFY_MODES)
		return describe_modes(arrays, row->D, key);
	if (row->kind == GR_CERTIFY_FIELD)
		return describe_field(arrays);
	if (row->kind == GR_CERTIFY_TOY_A)
		return describe_plane(arrays, 2, toy_a, 0.04);
	if (row->kind == GR_CERTIFY_PHASE)
		return describe_plane(arrays, 1, phase, 1.0);
	return describe_gaussian(arrays, row->D, row->kind == GR_CERTIFY_WHITE);
}

gr_law *gr__certify_law(const gr_archive *arrays)
{
	gr_tensor *spectrum = gr_archive_find(arrays, "spectrum");
	if (spectrum == NULL)
		return gr_law_mixture(GR_OPTS(gr_mixture_opts, .means = gr_archive_find(arrays, "means"),
			.weights = gr_archive_find(arrays, "weights"),
			.variances = gr_archive_find(arrays, "variances"),
			.covariances = gr_archive_find(arrays, "covariances")));
	if (gr_tensor_ndim(spectrum) != 2) {
		gr_error_set(GR_ESHAPE, "law field: the spectrum has %d dims, expected [H,W]",
			gr_tensor_ndim(spectrum));
		return NULL;
	}
	return gr_law_field(GR_OPTS(gr_field_opts, .height = gr_tensor_dim(spectrum, 0),
		.width = gr_tensor_dim(spectrum, 1), .mean = gr_archive_find(arrays, "mean"),
		.spectrum = spectrum));
}

/* --- operators --- */

/* H [I,M,D] of as many measurements: samples i*N/I .. (i+1)*N/I-1 are measured by H_i. */
typedef struct matrices {
	gr_tensor *f32, *f64; /* retained */
	bool magnitude;
} matrices;

static void matrices_free(void *self)
{
	matrices *m = self;
	gr_tensor_release(m->f32);
	gr_tensor_release(m->f64);
	gr_free(m);
}

/* Rows of x [N,...] times H_i, or their transposes, as [N,1,1,length]. */
static gr_tensor *multiply(const matrices *m, gr_tensor *x, bool transpose, int64_t length)
{
	gr_tensor *H = gr_tensor_dtype(x) == GR_F64 ? m->f64 : m->f32;
	int64_t N = gr_tensor_dim(x, 0), I = gr_tensor_dim(H, 0);
	if (N % I != 0) {
		gr_error_set(GR_ESHAPE, "matrix: %lld samples of %lld measurements", (long long)N,
			(long long)I);
		return NULL;
	}
	gr_tensor *right = transpose ? H : gr_transpose(H, 1, 2);
	gr_tensor *y = gr_matmul(gr_reshape(x, GR_DIMS(I, N / I, -1)), right);
	return gr_reshape(y, GR_DIMS(N, 1, 1, length));
}

static gr_tensor *matrices_apply(void *self, gr_tensor *x)
{
	const matrices *m = self;
	gr_tensor *y = multiply(m, x, false, gr_tensor_dim(m->f64, 1));
	return m->magnitude ? gr_abs(y) : y;
}

static gr_tensor *matrices_adjoint(void *self, gr_tensor *y)
{
	const matrices *m = self;
	return multiply(m, y, true, gr_tensor_dim(m->f64, 2));
}

static gr_operator *operator_of(gr_tensor *H, bool magnitude)
{
	matrices *m = gr_alloc(sizeof *m);
	int64_t I = gr_tensor_dim(H, 0);
	gr_key *keys = gr_alloc((size_t)(I > 0 ? I : 1) * sizeof *keys);
	if (m == NULL || keys == NULL) {
		gr_free(m);
		gr_free(keys);
		return NULL;
	}
	m->f64 = gr_tensor_retain(H);
	m->f32 = gr_tensor_retain(gr_cast(H, GR_F32));
	m->magnitude = magnitude;
	for (int64_t i = 0; i < I; i++)
		keys[i] = gr_key_seed((uint64_t)i);
	gr_operator *A = gr_operator_user("matrix", matrices_apply, m,
		GR_OPTS(gr_operator_user_opts, .channels = 1, .height = 1, .width = gr_tensor_dim(H, 2),
			.nonlinear = magnitude, .adjoint = magnitude ? NULL : matrices_adjoint,
			.free = matrices_free, .n = I, .keys = keys));
	gr_free(keys);
	return A;
}

/* U diag(s) V^T [I,M,D], U and V from normal numbers. */
static gr_tensor *random_matrices(int64_t I, int64_t M, int64_t D, gr_tensor *s, gr_key key)
{
	gr_tensor *u = NULL, *v = NULL;
	gr_svd(gr_random_normal(gr_key_fold_name(key, "matrix"), GR_F64, GR_DIMS(I, M, D)), &u, &v);
	return gr_contiguous(gr_matmul(gr_mul(u, s), gr_transpose(v, 1, 2)));
}

/* The operator's matrix [1,M,D], row by row of its transpose. */
static gr_tensor *matrix_of(const gr_operator *A, int64_t M, int64_t D)
{
	const int64_t *in = gr_operator_in_dims(A);
	gr_tensor *eye = gr_one_hot(gr_arange(GR_I64, D, 0.0, 1.0), D, GR_F64);
	gr_tensor *columns = gr_operator_apply(A, gr_reshape(eye, GR_DIMS(D, in[0], in[1], in[2])));
	columns = gr_transpose(gr_reshape(columns, GR_DIMS(D, M)), 0, 1);
	return gr_contiguous(gr_reshape(gr_contiguous(columns), GR_DIMS(1, M, D)));
}

static gr_status make_operator(gr_certify_problem *p, gr_key key)
{
	static const double second[] = {0.0, 1.0}, hadamard[] = {1.0, 1.0, 1.0, -1.0};
	int64_t M = p->row->M, D = p->row->D;
	gr_tensor *H = NULL;
	if (p->row->kind == GR_CERTIFY_FIELD) {
		p->sigma = 0.1;
		p->A = gr_operator_new("sr_mean:factor=2",
			GR_OPTS(gr_operator_opts, .channels = 1, .height = FIELD, .width = FIELD));
		H = p->A != NULL ? gr_expand(matrix_of(p->A, M, D), GR_DIMS(p->I, M, D)) : NULL;
	} else if (p->row->kind == GR_CERTIFY_TOY_A) {
		p->sigma = 0.05;
		H = gr_expand(gr_from_f64(GR_F64, second, GR_DIMS(1, 1, 2)), GR_DIMS(p->I, 1, 2));
	} else if (p->row->kind == GR_CERTIFY_PHASE) {
		p->sigma = 0.2;
		p->magnitude = true;
		gr_tensor *F = gr_mul_s(gr_from_f64(GR_F64, hadamard, GR_DIMS(1, 2, 2)), sqrt(0.5));
		H = gr_expand(F, GR_DIMS(p->I, 2, 2));
	} else {
		gr_tensor *s =
			gr_random_uniform(gr_key_fold_name(key, "values"), GR_F64, GR_DIMS(M), 0.0, 1.0);
		gr_tensor *largest = gr_max(s, GR_ALL_AXES, false);
		H = random_matrices(p->I, M, D, s, key);
		p->sigma = gr_key_uniform(gr_key_fold_name(key, "sigma"), 0) *
			(largest != NULL ? gr_item(largest) : 0.0);
	}
	p->matrix = gr_tensor_retain(gr_contiguous(H));
	if (p->A == NULL && p->matrix != NULL)
		p->A = operator_of(p->matrix, p->magnitude);
	return gr_error_code();
}

/* y of a draw of the law for each measurement; toy-a's stands in its definition. */
static gr_status measure(gr_certify_problem *p, gr_key key)
{
	int64_t M = p->row->M, D = p->row->D;
	gr_tensor *x = gr_law_draw(p->law, NULL, p->I, gr_key_fold_name(key, "truth"));
	gr_tensor *y = gr_matmul(p->matrix, gr_reshape(x, GR_DIMS(p->I, D, 1)));
	gr_tensor *e = gr_random_normal(gr_key_fold_name(key, "noise"), GR_F64, GR_DIMS(p->I, M));
	y = gr_reshape(p->magnitude ? gr_abs(y) : y, GR_DIMS(p->I, M));
	if (p->row->kind == GR_CERTIFY_TOY_A)
		y = gr_full(GR_F64, GR_DIMS(p->I, M), TOY_A_Y);
	else
		y = gr_axpby(y, 1.0, e, p->sigma);
	p->y = gr_tensor_retain(gr_contiguous(y));
	return gr_error_code();
}

/* --- a problem --- */

static gr_status build(gr_certify_problem *p, gr_key key)
{
	bool is_field = p->row->kind == GR_CERTIFY_FIELD;
	double beta_last = p->row->kind != GR_CERTIFY_MODES ? 0.02 : p->row->D == 8 ? 0.03 : 0.04;
	const gr_schedule_opts schedule = {.size = sizeof schedule, .beta_last = beta_last};
	gr_status status = describe(p->arrays, p->row, key);
	if (status != GR_OK)
		return status;
	p->law = gr__certify_law(p->arrays);
	p->prior = gr_prior_law_new(p->law,
		GR_OPTS(gr_prior_opts, .channels = 1, .height = is_field ? FIELD : 1,
			.width = is_field ? FIELD : p->row->D, .schedule = &schedule));
	if (p->prior == NULL)
		return gr_error_code();
	status = make_operator(p, key);
	return status == GR_OK ? measure(p, key) : status;
}

gr_status gr__certify_problem_new(gr_certify_problem **out, const gr_certify_row *row, int64_t I,
	uint64_t seed)
{
	*out = NULL;
	gr_certify_problem *p = gr_alloc(sizeof *p);
	if (p == NULL)
		return gr_error_code();
	p->row = row;
	p->I = I;
	p->arrays = gr_archive_new();
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	gr_status status = p->arrays == NULL
		? gr_error_code()
		: build(p, gr_key_fold_name(gr_key_fold_name(gr_key_seed(seed), "certify"), row->name));
	gr_status ended = gr_scope_end();
	gr_set_recording(recording);
	if (status == GR_OK && ended == GR_OK) {
		*out = p;
		return GR_OK;
	}
	gr__certify_problem_free(p);
	return status != GR_OK ? status : ended;
}

void gr__certify_problem_free(gr_certify_problem *p)
{
	if (p == NULL)
		return;
	gr_operator_free(p->A);
	gr_prior_free(p->prior);
	gr_law_free(p->law);
	gr_archive_free(p->arrays);
	gr_tensor_release(p->matrix);
	gr_tensor_release(p->y);
	gr_free(p);
}

gr_posterior_problem gr__certify_measurement(const gr_certify_problem *p, int64_t i)
{
	return (gr_posterior_problem){.law = p->law,
		.matrix = gr_contiguous(gr_squeeze(gr_slice(p->matrix, 0, i, i + 1, 1), 0)),
		.y = gr_contiguous(gr_squeeze(gr_slice(p->y, 0, i, i + 1, 1), 0)),
		.sigma = p->sigma,
		.magnitude = p->magnitude};
}
