/* See progress.h. */
#include "progress.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PLAIN_SECONDS 10.0
#define LIVE_SECONDS 0.2

static double seconds_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

void gr__progress_start(gr_progress *p, int64_t done, int64_t total, int64_t units,
	const char *unit)
{
	*p = (gr_progress){.total = total, .unit = unit, .units = units, .first = done, .done = done};
	p->started = p->shown = p->last = seconds_now();
	p->live = isatty(STDERR_FILENO);
}

/* "2:05:09", or "5:09" under an hour. */
static void print_time(char *out, size_t size, double seconds)
{
	long long s = seconds < 0.0 ? 0 : llround(fmin(seconds, 1e9));
	if (s >= 3600)
		snprintf(out, size, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, size, "%lld:%02lld", s / 60, s % 60);
}

static void show(gr_progress *p, double lr)
{
	char past[32], left[32];
	print_time(past, sizeof(past), p->last - p->started);
	print_time(left, sizeof(left), p->rate * (double)(p->total - p->done));
	fprintf(stderr,
		"%sstep %" PRId64 "/%" PRId64 "  loss %.5f  lr %.2e  %.1f %s/s  %s past, %s left%s",
		p->live ? "\r\033[K" : "", p->done, p->total, p->loss / p->weight, lr,
		p->rate > 0.0 ? (double)p->units / p->rate : 0.0, p->unit, past, left, p->live ? "" : "\n");
	fflush(stderr);
	p->shown = p->last;
}

void gr__progress_step(gr_progress *p, int64_t done, double loss, double lr)
{
	double now = seconds_now();
	double took = (now - p->last) / (double)(done - p->done);
	/* The plain mean at first, then a window of about fifty steps. */
	double window = fmax(1.0 / (double)(done - p->first), 0.02);
	p->rate += window * (took - p->rate);
	p->loss = 0.98 * p->loss + 0.02 * loss;
	p->weight = 0.98 * p->weight + 0.02;
	p->done = done;
	p->last = now;
	if (now - p->shown >= (p->live ? LIVE_SECONDS : PLAIN_SECONDS) || done == p->total)
		show(p, lr);
}

void gr__progress_end(gr_progress *p)
{
	if (p->live)
		fputc('\n', stderr);
}
