/* Cases: a posterior written to a folder, and samples scored against it (see case.h). */
#include "case.h"

#include <math.h>
#include <string.h>

#include "gradus/json.h"
#include "gradus/ops.h"
#include "runfolder.h"

#define CASE_FILE "case.json"
#define PATH_SIZE 4096
#define PROJECTIONS 1000
#define EXACT_SAMPLES 8
#define MAX_SAMPLES 20000

static const char *const law_arrays[] = {"means", "weights", "variances", "covariances", "spectrum",
	"mean"};
#define LAW_ARRAYS ((int)(sizeof law_arrays / sizeof *law_arrays))

static gr_status path_of(char path[PATH_SIZE], const char *folder, const char *name)
{
	if (snprintf(path, PATH_SIZE, "%s/%s.npy", folder, name) >= PATH_SIZE)
		return gr_error_set(GR_EARG, "case: the path of the folder is too long");
	return GR_OK;
}

/* --- export --- */

static gr_status write_array(const char *folder, const char *name, const gr_tensor *value)
{
	char path[PATH_SIZE];
	gr_status status = value == NULL ? gr_error_code() : path_of(path, folder, name);
	return status == GR_OK ? gr_npy_write(path, value) : status;
}

static gr_status write_description(const char *folder, const gr_certify_problem *p, int64_t i,
	uint64_t seed)
{
	gr_text t = {0};
	gr__text_add(&t, "{\n  \"case\": ");
	gr__text_json(&t, p->row->name);
	gr__text_add(&t, ",\n  \"about\": ");
	gr__text_json(&t, p->row->what);
	gr__text_add(&t, ",\n  \"measurement\": ");
	gr__text_json(&t, p->magnitude ? "y = |H x| + sigma e" : "y = H x + sigma e");
	gr__text_add(&t,
		",\n  \"magnitude\": %s,\n  \"sigma\": %.17g,\n  \"dims\": %lld,\n  \"measured\": %lld,\n"
		"  \"seed\": %llu,\n  \"index\": %lld,\n  \"prior\": \"%s\",\n  \"arrays\": {",
		p->magnitude ? "true" : "false", p->sigma, (long long)p->row->D, (long long)p->row->M,
		(unsigned long long)seed, (long long)i,
		gr_archive_find(p->arrays, "spectrum") != NULL ? "field" : "mixture");
	for (int64_t k = 0; k < gr_archive_count(p->arrays); k++)
		gr__text_add(&t, "\"%s\": \"%s.npy\", ", gr_archive_name(p->arrays, k),
			gr_archive_name(p->arrays, k));
	gr__text_add(&t, "\"matrix\": \"matrix.npy\", \"y\": \"y.npy\"}\n}\n");
	gr_status status =
		t.text == NULL ? gr_error_code() : gr__runfolder_write(folder, CASE_FILE, t.text);
	gr_free(t.text);
	return status;
}

static gr_status write_all(const char *folder, const gr_certify_problem *p, int64_t i,
	uint64_t seed)
{
	gr_posterior_problem one = gr__certify_measurement(p, i);
	gr_status status = write_array(folder, "matrix", one.matrix);
	if (status == GR_OK)
		status = write_array(folder, "y", one.y);
	for (int64_t k = 0; k < gr_archive_count(p->arrays) && status == GR_OK; k++)
		status =
			write_array(folder, gr_archive_name(p->arrays, k), gr_archive_tensor(p->arrays, k));
	/* last, so that a folder with a description is whole */
	return status == GR_OK ? write_description(folder, p, i, seed) : status;
}

gr_status gr__case_export(const char *folder, const gr_certify_row *row, int64_t i, uint64_t seed)
{
	gr_certify_problem *p = NULL;
	if (i < 0 || i >= 1000)
		return gr_error_set(GR_EARG, "case: measurement %lld, expected 0 to 999", (long long)i);
	if (gr__runfolder_has(folder, CASE_FILE))
		return gr_error_set(GR_EARG, "case: %s holds a case already", folder);
	gr_status status = gr__runfolder_make(folder);
	if (status == GR_OK)
		status = gr__certify_problem_new(&p, row, i + 1, seed);
	if (status != GR_OK)
		return status;
	gr_scope_begin();
	status = write_all(folder, p, i, seed);
	gr_status ended = gr_scope_end();
	gr__certify_problem_free(p);
	return status == GR_OK ? ended : status;
}

/* --- reading --- */

typedef struct reading {
	gr_archive *arrays; /* of the law, and "matrix" and "y" */
	gr_law *law;
	double sigma;
	bool magnitude;
	char name[64];
} reading;

static gr_status read_description(reading *r, const char *folder)
{
	gr_json_error error = {0};
	char *text = gr__runfolder_read(folder, CASE_FILE);
	gr_json_doc *doc = text != NULL ? gr_json_parse(text, strlen(text), NULL, &error) : NULL;
	gr_free(text);
	if (doc == NULL)
		return gr_failed() ? gr_error_code()
						   : gr_error_set(GR_EFORMAT, "%s/" CASE_FILE ": byte %zu: %s", folder,
								 error.offset, error.reason);
	const gr_json *root = gr_json_root(doc);
	const gr_json *sigma = gr_json_find(root, "sigma");
	const gr_json *magnitude = gr_json_find(root, "magnitude");
	const gr_json *name = gr_json_find(root, "case");
	gr_status status = GR_OK;
	if (sigma == NULL || sigma->kind != GR_JSON_NUMBER || !(sigma->number > 0.0) ||
		(magnitude != NULL && magnitude->kind != GR_JSON_BOOL))
		status = gr_error_set(GR_EFORMAT,
			"%s/" CASE_FILE ": expected \"sigma\" above 0 and \"magnitude\" true or false", folder);
	else
		r->sigma = sigma->number;
	r->magnitude = status == GR_OK && magnitude != NULL && magnitude->boolean;
	if (name != NULL && name->kind == GR_JSON_STRING)
		gr_quote(r->name, sizeof r->name, name->string, name->count);
	gr_json_free(doc);
	return status;
}

/* Into the archive; arrays that a case can do without may be missing. */
static gr_status read_array(reading *r, const char *folder, const char *name, bool needed)
{
	char file[64], path[PATH_SIZE], is[96];
	snprintf(file, sizeof file, "%s.npy", name);
	if (!needed && !gr__runfolder_has(folder, file))
		return GR_OK;
	gr_status status = path_of(path, folder, name);
	gr_tensor *value = status == GR_OK ? gr_npy_read(path) : NULL;
	if (value == NULL)
		return gr_error_code();
	if (gr_tensor_dtype(value) != GR_F32 && gr_tensor_dtype(value) != GR_F64)
		return gr_error_set(GR_EFORMAT, "%s: %s, expected floats", path,
			gr_tensor_describe(value, is, sizeof is));
	return gr_archive_add(r->arrays, name, value);
}

static gr_status read_case(reading *r, const char *folder)
{
	gr_status status = read_description(r, folder);
	r->arrays = gr_archive_new();
	if (status == GR_OK && r->arrays == NULL)
		status = gr_error_code();
	for (int i = 0; i < LAW_ARRAYS && status == GR_OK; i++)
		status = read_array(r, folder, law_arrays[i], false);
	if (status == GR_OK)
		status = read_array(r, folder, "matrix", true);
	if (status == GR_OK)
		status = read_array(r, folder, "y", true);
	if (status != GR_OK)
		return status;
	r->law = gr__certify_law(r->arrays);
	return r->law == NULL ? gr_error_code() : GR_OK;
}

/* [n,D] floats, all finite. */
static gr_status read_samples(gr_tensor **out, const char *path, int64_t D)
{
	char is[96];
	gr_tensor *x = gr_npy_read(path);
	if (x == NULL)
		return gr_error_code();
	if ((gr_tensor_dtype(x) != GR_F32 && gr_tensor_dtype(x) != GR_F64) || gr_tensor_ndim(x) != 2 ||
		gr_tensor_dim(x, 1) != D || gr_tensor_dim(x, 0) < 2 || gr_tensor_dim(x, 0) > MAX_SAMPLES)
		return gr_error_set(GR_EFORMAT, "%s: %s, expected floats [n,%lld], n from 2 to %d", path,
			gr_tensor_describe(x, is, sizeof is), (long long)D, MAX_SAMPLES);
	*out = gr_contiguous(gr_cast(x, GR_F64));
	const double *v = *out != NULL ? gr_tensor_data_const(*out) : NULL;
	for (int64_t i = 0; v != NULL && i < gr_tensor_size(*out); i++)
		if (!isfinite(v[i]))
			return gr_error_set(GR_ENUMERIC, "%s: sample %lld is not finite", path,
				(long long)(i / D));
	return gr_error_code();
}

/* --- scoring --- */

static gr_status score_exact(gr_case_score *out, const gr_posterior *p)
{
	double value[GR_DEVIATIONS][EXACT_SAMPLES];
	gr_status status = GR_OK;
	for (int i = 0; i < EXACT_SAMPLES && status == GR_OK; i++) {
		double one[GR_DEVIATIONS];
		gr_scope_begin();
		status =
			gr__posterior_score(one, p, gr__posterior_draw(p, out->n, gr_key_seed((uint64_t)i)));
		gr_scope_end();
		for (int d = 0; d < GR_DEVIATIONS; d++)
			value[d][i] = one[d];
	}
	for (int d = 0; d < GR_DEVIATIONS && status == GR_OK; d++) {
		out->exact[d] = (gr_summary){NAN, NAN, NAN};
		if (!isnan(value[d][0]))
			status = gr_summarize(&out->exact[d], value[d], EXACT_SAMPLES, gr_key_seed(0));
	}
	return status;
}

static gr_status score_in_scope(gr_case_score *out, reading *r, const char *folder,
	const char *path)
{
	gr_tensor *samples = NULL;
	gr_posterior *p = NULL;
	gr_status status = read_case(r, folder);
	if (status == GR_OK)
		status = read_samples(&samples, path, gr_law_size(r->law));
	if (status != GR_OK)
		return status;
	memcpy(out->name, r->name, sizeof out->name);
	out->n = gr_tensor_dim(samples, 0);
	const gr_posterior_problem problem = {.law = r->law,
		.matrix = gr_archive_find(r->arrays, "matrix"),
		.y = gr_archive_find(r->arrays, "y"),
		.sigma = r->sigma,
		.magnitude = r->magnitude};
	status = gr__posterior_new(&p, &problem, out->n, PROJECTIONS, gr_key_seed(0));
	if (status == GR_OK)
		status = gr__posterior_score(out->score, p, samples);
	if (status == GR_OK)
		status = score_exact(out, p);
	gr__posterior_free(p);
	return status;
}

gr_status gr__case_score(gr_case_score *out, const char *folder, const char *samples)
{
	reading r = {0};
	*out = (gr_case_score){0};
	gr_scope_begin();
	gr_status status = score_in_scope(out, &r, folder, samples);
	gr_status ended = gr_scope_end();
	gr_law_free(r.law);
	gr_archive_free(r.arrays);
	return status == GR_OK ? ended : status;
}

void gr__case_print(FILE *stream, const gr_case_score *s)
{
	fprintf(stream, "case %s, %lld samples\n\n| score | exact samples | these |\n|---|---|---|\n",
		s->name, (long long)s->n);
	for (int d = 0; d < GR_DEVIATIONS; d++)
		if (!isnan(s->score[d]))
			fprintf(stream, "| %s | %.4f [%.4f, %.4f] | %.4f |\n",
				gr__deviation_name((gr_deviation)d), s->exact[d].mean, s->exact[d].low,
				s->exact[d].high, s->score[d]);
	double ratio = s->score[GR_DEVIATION_SLICED] / s->exact[GR_DEVIATION_SLICED].mean;
	fprintf(stream, "\nsliced W2 is %.2f times that of exact samples\n", ratio);
}
