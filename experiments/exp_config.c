/* config.json of an experiment's run: enough to run it again, and to tell shards of one another. */
#include <math.h>
#include <string.h>

#include "exp.h"
#include "gradus/json.h"

char *gr__exp_config(const gr_exp_set *e, const gr_exp_opts *opts)
{
	gr_text t = {0};
	gr__text_add(&t,
		"{\n  \"command\": \"table\",\n  \"experiment\": \"%s\",\n  \"preset\": \"%s\",\n"
		"  \"parameters\": {",
		e->x->name, gr__exp_preset_name(e->preset));
	for (const gr_exp_param *p = e->x->params; p->name; p++) {
		const char *field = (const char *)e->params + p->offset;
		gr__text_add(&t, "%s\n    \"%s\": ", p == e->x->params ? "" : ",", p->name);
		if (p->kind == GR_EXP_int)
			gr__text_add(&t, "%lld", (long long)*(const gr_exp_type_int *)field);
		else if (p->kind == GR_EXP_double)
			gr__text_add(&t, "%.17g", *(const gr_exp_type_double *)field);
		else
			gr__text_json(&t, *(const gr_exp_type_text *)field);
	}
	gr__text_add(&t, "\n  }");
	if (opts->shards > 1)
		gr__text_add(&t, ",\n  \"shard\": %lld,\n  \"shards\": %lld", (long long)opts->shard,
			(long long)opts->shards);
	gr__text_add(&t, "\n}\n");
	return t.text;
}

/* --- reading --- */

static gr_status malformed(const char *folder, const char *what)
{
	return gr_error_set(GR_EFORMAT, "%s/config.json: %s", folder, what);
}

static gr_status read_parameters(gr_exp_config *c, const gr_json *list, const char *folder)
{
	int n = 0;
	if (!list || list->kind != GR_JSON_OBJECT || list->count > GR_EXP_MAX_PARAMS)
		return malformed(folder, "\"parameters\" is missing or too long");
	for (const gr_json *v = list->child; v; v = v->next) {
		gr_text t = {0};
		if (v->kind == GR_JSON_STRING)
			gr__text_add(&t, "%s=%s", v->name, v->string);
		else if (v->kind == GR_JSON_NUMBER && v->is_int)
			gr__text_add(&t, "%s=%lld", v->name, (long long)v->integer);
		else if (v->kind == GR_JSON_NUMBER)
			gr__text_add(&t, "%s=%.17g", v->name, v->number);
		else
			return malformed(folder, "a parameter is neither text nor number");
		c->setting[n++] = t.text;
	}
	return gr_error_code();
}

static gr_status read_root(gr_exp_config *c, const gr_json *root, const char *folder)
{
	const gr_json *name = gr_json_find(root, "experiment");
	const gr_json *shard = gr_json_find(root, "shard");
	const gr_json *shards = gr_json_find(root, "shards");
	if (!name || name->kind != GR_JSON_STRING || name->count >= sizeof c->name)
		return malformed(folder, "\"experiment\" is missing: not the folder of a table");
	memcpy(c->name, name->string, name->count + 1);
	c->opts = (gr_exp_opts){.size = sizeof c->opts,
		.parameters = (const char *const *)c->setting,
		.shard = shard && shard->is_int ? shard->integer : 0,
		.shards = shards && shards->is_int ? shards->integer : 0};
	const gr_json *preset = gr_json_find(root, "preset");
	c->opts.preset =
		gr_preset_named(preset && preset->kind == GR_JSON_STRING ? preset->string : "");
	return gr_failed() ? gr_error_code()
					   : read_parameters(c, gr_json_find(root, "parameters"), folder);
}

gr_status gr__exp_config_read(gr_exp_config *c, const char *folder)
{
	gr_json_error error;
	*c = (gr_exp_config){.name = ""};
	char *text = gr__runfolder_read(folder, "config.json");
	if (!text)
		return gr_error_code();
	gr_json_doc *doc = gr_json_parse(text, strlen(text), NULL, &error);
	gr_free(text);
	if (!doc)
		return gr_error_set(error.code, "%s/config.json: byte %zu: %s", folder, error.offset,
			error.reason);
	gr_status status = read_root(c, gr_json_root(doc), folder);
	gr_json_free(doc);
	return status;
}

void gr__exp_config_clear(gr_exp_config *c)
{
	for (int i = 0; c->setting[i]; i++)
		gr_free(c->setting[i]);
	c->setting[0] = NULL;
}
