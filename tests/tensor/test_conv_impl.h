/* The tests of test_conv.c, included for float and for double: T, FN(name), EPS, SUFFIX. */

static T *FN(numbers)(int64_t n, uint32_t seed)
{
	T *p = malloc((size_t)(n > 0 ? n : 1) * sizeof(T));
	uint32_t state = seed * 2654435761u + 12345u;
	for (int64_t i = 0; i < n; i++) {
		state = state * 1664525u + 1013904223u;
		p[i] = (T)((double)(state >> 8) / 8388608.0 - 1.0);
	}
	return p;
}

typedef struct FN(arrays) {
	T *x;
	T *w;
	T *bias;
	T *gy;
	T *y; /* results */
	T *gx;
	T *gw;
} FN(arrays);

static FN(arrays) FN(arrays_new)(const gr_conv_geom *g)
{
	return (FN(arrays)){.x = FN(numbers)(size_x(g), 1),
		.w = FN(numbers)(size_w(g), 2),
		.bias = FN(numbers)(g->k, 3),
		.gy = FN(numbers)(size_y(g), 4),
		.y = FN(numbers)(size_y(g), 5),
		.gx = FN(numbers)(size_x(g), 6),
		.gw = FN(numbers)(size_w(g), 7)};
}

static void FN(arrays_free)(FN(arrays) * a)
{
	free(a->x);
	free(a->w);
	free(a->bias);
	free(a->gy);
	free(a->y);
	free(a->gx);
	free(a->gw);
}

static void FN(compute)(const gr_conv_geom *g, const FN(arrays) * a)
{
	cr_assert_eq(FN(gr__conv_forward)(g, a->x, a->w, a->bias, a->y), GR_OK);
	cr_assert_eq(FN(gr__conv_input_grad)(g, a->gy, a->w, a->gx), GR_OK);
	cr_assert_eq(FN(gr__conv_weight_grad)(g, a->gy, a->x, a->gw), GR_OK);
}

/* Against seven loops, within the worst case of any order of summation of `terms` terms. */
static void FN(near)(const char *what, const gr_conv_geom *g, const T *got, const sums *want,
	int64_t n, int64_t terms)
{
	for (int64_t i = 0; i < n; i++) {
		const double bound = (double)(terms + 2) * EPS * want->size[i];
		cr_assert(fabs((double)got[i] - want->sum[i]) <= bound,
			"%s %s n%d c%d %dx%d k%d %dx%d stride %d,%d pad %d,%d dil %d,%d groups %d: element %d "
			"is "
			"%g, not %g",
			SUFFIX, what, (int)g->n, (int)g->c, (int)g->h, (int)g->w, (int)g->k, (int)g->r,
			(int)g->s, (int)g->stride_h, (int)g->stride_w, (int)g->pad_top, (int)g->pad_left,
			(int)g->dil_h, (int)g->dil_w, (int)g->groups, (int)i, (double)got[i], want->sum[i]);
	}
}

static void FN(check_values)(const gr_conv_geom *g)
{
	FN(arrays) a = FN(arrays_new)(g);
	sums y = sums_new(size_y(g));
	sums gx = sums_new(size_x(g));
	sums gw = sums_new(size_w(g));
	const int64_t kg = g->k / g->groups;
	const int64_t cg = g->c / g->groups;
	for (int64_t n = 0; n < g->n; n++)
		for (int64_t k = 0; k < g->k; k++)
			for (int64_t i = 0; i < g->ho; i++)
				for (int64_t j = 0; j < g->wo; j++) {
					const int64_t yi = ((n * g->k + k) * g->ho + i) * g->wo + j;
					sums_add(&y, yi, (double)a.bias[k]);
					for (int64_t q = 0; q < cg * g->r * g->s; q++) {
						const int64_t c = k / kg * cg + q / (g->r * g->s);
						const int64_t h = i * g->stride_h + q / g->s % g->r * g->dil_h - g->pad_top;
						const int64_t v = j * g->stride_w + q % g->s * g->dil_w - g->pad_left;
						if (h < 0 || h >= g->h || v < 0 || v >= g->w)
							continue;
						const int64_t xi = ((n * g->c + c) * g->h + h) * g->w + v;
						const int64_t wi = k * cg * g->r * g->s + q;
						sums_add(&y, yi, (double)a.x[xi] * (double)a.w[wi]);
						sums_add(&gx, xi, (double)a.gy[yi] * (double)a.w[wi]);
						sums_add(&gw, wi, (double)a.gy[yi] * (double)a.x[xi]);
					}
				}
	FN(compute)(g, &a);
	FN(near)("forward", g, a.y, &y, size_y(g), cg * g->r * g->s);
	FN(near)("input grad", g, a.gx, &gx, size_x(g), kg * g->r * g->s);
	FN(near)("weight grad", g, a.gw, &gw, size_w(g), g->n * g->ho * g->wo);
	sums_free(&y);
	sums_free(&gx);
	sums_free(&gw);
	FN(arrays_free)(&a);
}

/* The same bits with 1 and 3 threads; and sample by sample, except for the weight gradient. */
static void FN(check_bits)(const gr_conv_geom *g)
{
	FN(arrays) a = FN(arrays_new)(g);
	FN(arrays) b = FN(arrays_new)(g);
	const int threads = gr_threads();
	cr_assert_eq(gr_set_threads(1), GR_OK);
	FN(compute)(g, &a);
	cr_assert_eq(gr_set_threads(3), GR_OK);
	FN(compute)(g, &b);
	cr_assert(memcmp(a.y, b.y, (size_t)size_y(g) * sizeof(T)) == 0);
	cr_assert(memcmp(a.gx, b.gx, (size_t)size_x(g) * sizeof(T)) == 0);
	cr_assert(memcmp(a.gw, b.gw, (size_t)size_w(g) * sizeof(T)) == 0);
	gr_set_threads(threads);
	gr_conv_geom one = *g;
	one.n = 1;
	for (int64_t n = 0; n < g->n; n++) {
		FN(arrays) s = b;
		s.x += n * size_x(&one);
		s.y += n * size_y(&one);
		s.gy += n * size_y(&one);
		s.gx += n * size_x(&one);
		FN(compute)(&one, &s);
	}
	cr_assert(memcmp(a.y, b.y, (size_t)size_y(g) * sizeof(T)) == 0, "%s forward, batch", SUFFIX);
	cr_assert(memcmp(a.gx, b.gx, (size_t)size_x(g) * sizeof(T)) == 0, "%s input grad, batch",
		SUFFIX);
	FN(arrays_free)(&a);
	FN(arrays_free)(&b);
}
