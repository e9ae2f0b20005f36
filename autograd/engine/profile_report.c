/*
 * A profile for people (a table) and for tools (the Trace Event Format: complete events "X" that
 * nest by their times, and counter events "C"; times in microseconds).
 */
#include "profile_priv.h"

#include "gradus/io.h"
#include "gradus/json.h"

/* One letter of a thousand: 1.23 k, M, G, T. */
static void print_scaled(char *buf, size_t size, double x)
{
	static const char units[] = " kMGTP";
	int unit = 0;
	while (x >= 1000.0 && units[unit + 1] != '\0') {
		x /= 1000.0;
		unit++;
	}
	if (x > 0.0)
		snprintf(buf, size, "%.3g%c", x, units[unit]);
	else
		snprintf(buf, size, "-");
}

typedef enum part { FORWARD, BACKWARD, COMPOSED, PARTS } part;

static part part_of(const gr_profile_row *r)
{
	return r->backward ? BACKWARD : r->composed ? COMPOSED : FORWARD;
}

static void print_row(const gr_profile_row *r, double seconds, FILE *stream)
{
	char flops[24], bytes[24], name[96];
	snprintf(name, sizeof name, "%s%s%s%s", r->op->name, r->algorithm != NULL ? " (" : "",
		r->algorithm != NULL ? r->algorithm : "", r->algorithm != NULL ? ")" : "");
	print_scaled(flops, sizeof flops, r->seconds > 0.0 ? r->flops / r->seconds : 0.0);
	print_scaled(bytes, sizeof bytes, r->seconds > 0.0 ? r->bytes / r->seconds : 0.0);
	fprintf(stream, "  %-36s %8lld %11.3f %6.1f%% %9s %9s\n", name, (long long)r->calls,
		1e3 * r->seconds, seconds > 0.0 ? 100.0 * r->seconds / seconds : 0.0, flops, bytes);
}

void gr_profile_print(const gr_profile *p, FILE *stream)
{
	static const char *const titles[PARTS] = {"forward", "backward: rules, with what they ran",
		"compositions, counted above"};
	double sums[PARTS] = {0.0};
	int counts[PARTS] = {0};
	for (int i = 0; i < gr_profile_count(p); i++) {
		const gr_profile_row *r = gr_profile_get(p, i);
		sums[part_of(r)] += r->seconds;
		counts[part_of(r)]++;
	}
	if (p == NULL)
		return;
	double wall = p->stop - p->start;
	fprintf(stream, "%.3f ms in all: %.3f forward, %.3f backward, %.3f outside of ops\n",
		1e3 * wall, 1e3 * sums[FORWARD], 1e3 * sums[BACKWARD],
		1e3 * (wall - sums[FORWARD] - sums[BACKWARD]));
	for (part at = FORWARD; at < PARTS; at++) {
		if (counts[at] == 0)
			continue;
		fprintf(stream, "\n  %-36s %8s %11s %7s %9s %9s\n", titles[at], "calls", "ms", "share",
			"FLOP/s", "bytes/s");
		for (int i = 0; i < p->nrows; i++) {
			if (part_of(&p->rows[i]) == at)
				print_row(&p->rows[i], wall, stream);
		}
	}
	if (p->dropped > 0)
		fprintf(stream, "\n  %lld events are in these totals but not in the trace\n",
			(long long)p->dropped);
}

/* A member of an object, behind others. */
static void write_string(FILE *stream, const char *name, const char *value)
{
	fprintf(stream, ",\"%s\":", name);
	gr_json_write_string(stream, value);
}

static void write_event(FILE *stream, const gr_event *e)
{
	char name[96], site[256];
	bool back = e->is_rule || e->rule != NULL;
	snprintf(name, sizeof name, "%s%s", e->op->name, e->is_rule ? " rule" : "");
	snprintf(site, sizeof site, "%s:%d", e->file != NULL ? e->file : "", e->line);
	fputs(",\n{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":", stream);
	gr_json_write_string(stream, name);
	fprintf(stream, ",\"cat\":\"%s\",\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"bytes\":%.0f",
		back ? "backward" : "forward", 1e6 * e->begin, 1e6 * e->seconds, e->bytes);
	write_string(stream, "operands", e->shapes);
	if (e->line > 0)
		write_string(stream, "site", site);
	if (e->op->math != NULL)
		write_string(stream, e->is_rule ? "of" : "math", e->op->math);
	if (e->is_rule && e->op->dmath != NULL)
		write_string(stream, "math", e->op->dmath);
	if (e->rule != NULL)
		write_string(stream, "in the rule of", e->rule->name);
	if (e->algorithm != NULL)
		write_string(stream, "algorithm", e->algorithm);
	if (e->flops > 0.0)
		fprintf(stream, ",\"flops\":%.0f,\"GFLOP/s\":%.3f", e->flops,
			e->seconds > 0.0 ? 1e-9 * e->flops / e->seconds : 0.0);
	fprintf(stream,
		"}},\n{\"ph\":\"C\",\"pid\":1,\"name\":\"memory\",\"ts\":%.3f,\"args\":"
		"{\"bytes in use\":%llu}}",
		1e6 * (e->begin + e->seconds), (unsigned long long)e->memory);
}

gr_status gr_profile_write_trace(const gr_profile *p, const char *path)
{
	gr_at("", 0); /* a file's error, not an op's */
	if (p == NULL || path == NULL)
		return gr_failed() ? gr_error_code()
						   : gr__fail(GR_EARG, "profile", "the profile or the path is NULL");
	gr_outfile *file = NULL;
	gr_status status = gr_outfile_open(&file, path);
	if (status != GR_OK)
		return status;
	FILE *stream = gr_outfile_stream(file);
	fprintf(stream,
		"{\"displayTimeUnit\":\"ms\",\"otherData\":{\"version\":\"gradus %s\",\"kernels\":\"%s\","
		"\"dropped\":%lld},\n\"traceEvents\":[\n"
		"{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"thread_name\",\"args\":{\"name\":\"ops\"}}",
		gr_version(), gr_isa_name(), (long long)p->dropped);
	for (int64_t i = 0; i < p->count; i++)
		write_event(stream, &p->events[i]);
	fputs("\n]}\n", stream);
	return gr_outfile_commit(file);
}
