/* The table of methods, and reading "name:parameter=value,..." (see gradus/method.h). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "solver_priv.h"

#define MAX_REGISTERED 64

static const gr_method *const builtin[] = {
	&gr__method_ddpm,
	&gr__method_ddim,
	&gr__method_euler,
	&gr__method_heun,
	&gr__method_dpmpp2m,
	&gr__method_em,
	&gr__method_latent_dps,
	&gr__method_mmps,
	&gr__method_pigdm,
	&gr__method_tmpd,
	&gr__method_ddnm,
	&gr__method_ddrm,
	&gr__method_daps,
	&gr__method_latent_daps,
	&gr__method_reddiff,
	&gr__method_resample,
	&gr__method_resample_flow,
	&gr__method_flowdps,
	&gr__method_flowchef,
	&gr__method_fundps,
	&gr__method_guided_eps,
	&gr__method_mcg,
	&gr__method_rlsd,
	&gr__method_sds,
	&gr__method_sitcom,
	&gr__method_diffpir,
	&gr__method_smc,
};
#define BUILTIN ((int)(sizeof builtin / sizeof *builtin))

static const gr_method *registered[MAX_REGISTERED];
static int registered_count;

static const gr_method *method_at(int i)
{
	if (i < 0 || i >= gr_method_count())
		return NULL;
	return i < BUILTIN ? builtin[i] : registered[i - BUILTIN];
}

int gr_method_count(void)
{
	return BUILTIN + registered_count;
}

const char *gr_method_list_name(int i)
{
	const gr_method *m = method_at(i);
	return m ? m->name : NULL;
}

const char *gr_method_list_help(int i)
{
	const gr_method *m = method_at(i);
	return m ? m->doc : NULL;
}

static const gr_method *find(const char *name, size_t length)
{
	for (int i = 0; i < gr_method_count(); i++) {
		const gr_method *m = method_at(i);
		if (strlen(m->name) == length && memcmp(m->name, name, length) == 0)
			return m;
	}
	return NULL;
}

static int count_params(const gr_method *m)
{
	int n = 0;
	while (m->params && m->params[n].name)
		n++;
	return n;
}

gr_status gr_method_register(const gr_method *m)
{
	if (!m || !m->name || !m->doc || !m->source || !m->step)
		return gr_error_set(GR_EARG, "method %s: name, doc, source and step are needed",
			m && m->name ? m->name : "");
	if (count_params(m) > GR_METHOD_MAX_PARAMS)
		return gr_error_set(GR_EARG, "method %s: more than %d parameters", m->name,
			GR_METHOD_MAX_PARAMS);
	if (find(m->name, strlen(m->name)))
		return gr_error_set(GR_EARG, "method %s: there is one of that name", m->name);
	if (registered_count == MAX_REGISTERED)
		return gr_error_set(GR_EARG, "method %s: %d are registered already", m->name,
			MAX_REGISTERED);
	registered[registered_count++] = m;
	return GR_OK;
}

/* One "name=value" of `length` characters. */
static gr_status set_param(const gr_method *m, double *params, const char *text, size_t length)
{
	const char *equals = memchr(text, '=', length);
	int i = 0;
	while (equals && m->params && m->params[i].name &&
		(strlen(m->params[i].name) != (size_t)(equals - text) ||
			memcmp(m->params[i].name, text, (size_t)(equals - text)) != 0))
		i++;
	if (!equals || !m->params || !m->params[i].name)
		return gr_error_set(GR_EARG, "method %s: '%.*s' sets none of its parameters; hint: %s",
			m->name, (int)length, text, m->doc);
	const gr_method_param *p = &m->params[i];
	char *end = NULL;
	double value = strtod(equals + 1, &end);
	if (end == equals + 1 || end != text + length || !(value >= p->low && value <= p->high))
		return gr_error_set(GR_EARG, "method %s: '%.*s' is not a number from %g to %g (%s)",
			m->name, (int)length, text, p->low, p->high, p->help);
	params[i] = value;
	return GR_OK;
}

gr_status gr__method_read(const gr_method **out, double *params, const char *spec)
{
	size_t length = strcspn(spec, ":");
	const gr_method *m = find(spec, length);
	if (!m) {
		char names[512] = "";
		for (int i = 0; i < gr_method_count(); i++) {
			strncat(names, i > 0 ? ", " : "", sizeof names - strlen(names) - 1);
			strncat(names, method_at(i)->name, sizeof names - strlen(names) - 1);
		}
		return gr_error_set(GR_EARG, "solver: no method '%.*s'; there are %s", (int)length, spec,
			names);
	}
	for (int i = 0; i < count_params(m); i++)
		params[i] = m->params[i].fallback;
	gr_status status = GR_OK;
	for (const char *at = spec + length; *at && !status; at += length) {
		at++; /* ':' or ',' */
		length = strcspn(at, ",");
		status = set_param(m, params, at, length);
	}
	*out = m;
	return status;
}

gr_status gr_method_needs(unsigned *needs, const char *spec)
{
	const gr_method *m = NULL;
	double params[GR_METHOD_MAX_PARAMS];
	if (!needs || !spec)
		return gr_error_set(GR_EARG, "method: %s is NULL", needs ? "its name" : "needs");
	gr_status status = gr__method_read(&m, params, spec);
	*needs = status ? 0 : m->needs;
	return status;
}

gr_status gr_method_respacing(char *text, size_t size, const char *spec, int64_t steps)
{
	const gr_method *m = NULL;
	double params[GR_METHOD_MAX_PARAMS];
	if (!text || !spec)
		return gr_error_set(GR_EARG, "method: %s is NULL", text ? "its name" : "the text");
	gr_status status = gr__method_read(&m, params, spec);
	if (status)
		return status;
	const char *own = m->respacing ? m->respacing : "";
	size_t head = strcspn(own, "0123456789");
	size_t tail = head + strspn(own + head, "0123456789");
	snprintf(text, size, "%.*s%lld%s", (int)head, own, (long long)steps, own + tail);
	return GR_OK;
}

double gr_solver_param(const gr_solver *s, const char *name)
{
	const gr_method *m = s->method;
	for (int i = 0; m->params && m->params[i].name; i++) {
		if (strcmp(m->params[i].name, name) == 0)
			return s->params[i];
	}
	gr_error_set(GR_EARG, "method %s: it has no parameter '%s'", m->name, name);
	return NAN;
}
