/* Terms by name: what a text says reaches its kind, and what a kind does not know is an error. */
#include <criterion/criterion.h>

#include <string.h>

#include "gradus/term_kind.h"
#include "inverse_check.h"

typedef struct seen {
	char word[32], text[32];
	int choice;
	double weight, number;
} seen;

static seen last;

static gr_tensor *zero(void *self, const gr_term_ctx *ctx)
{
	(void)self;
	return gr_sumsq(ctx->x_t, GR_AXES(1, 2, 3), false);
}

static gr_term *look_open(const gr_term_spec *spec, const gr_term_problem *problem)
{
	static const char *const forms[] = {"equi", "plus", NULL};
	(void)problem;
	last = (seen){.weight = gr_term_spec_weight(spec),
		.choice = gr_term_choice(spec, "form", forms),
		.number = gr_term_number(spec, "freq", 0.25, 0.0, 1.0)};
	strncpy(last.word, gr_term_word(spec, 0, "none"), sizeof last.word - 1);
	strncpy(last.text, gr_term_text(spec, "f", "decoder"), sizeof last.text - 1);
	return gr_term_new("look", zero, NULL,
		GR_OPTS(gr_term_opts, .weight = gr_term_spec_weight(spec)));
}

static const gr_term_kind look = {
	.name = "look",
	.doc = "form=equi or plus, freq, f",
	.source = "none",
	.weight = 3.0,
	.open = look_open,
};

static const gr_term_problem nothing = {.size = sizeof nothing};

static void register_look(void)
{
	if (gr_term_kind_at(gr_term_kind_count() - 1) != &look)
		cr_assert_eq(gr_term_kind_register(&look), GR_OK, "%s", gr_error_message());
}

static void expect_seen(const char *text, seen expected)
{
	gr_term *term = gr_term_open(text, &nothing);
	cr_assert_not_null(term, "%s: %s", text, gr_error_message());
	cr_expect_str_eq(last.word, expected.word, "%s", text);
	cr_expect_str_eq(last.text, expected.text, "%s", text);
	cr_expect_eq(last.choice, expected.choice, "%s", text);
	cr_expect_eq(last.weight, expected.weight, "%s", text);
	cr_expect_eq(last.number, expected.number, "%s", text);
	gr_term_free(term);
}

Test(term_kind, texts_are_read)
{
	register_look();
	expect_seen("look", (seen){"none", "decoder", 0, 3.0, 0.25});
	expect_seen("look:0.01", (seen){"none", "decoder", 0, 0.01, 0.25});
	expect_seen("look:hflip:-2e3", (seen){"hflip", "decoder", 0, -2e3, 0.25});
	expect_seen("look:hflip", (seen){"hflip", "decoder", 0, 3.0, 0.25});
	expect_seen("look:1:2,form=plus,freq=1", (seen){"1", "decoder", 1, 2.0, 1.0});
	expect_seen("look,f=/a:b/c=d", (seen){"none", "/a:b/c=d", 0, 3.0, 0.25});
}

static void expect_error(const char *text, const char *word)
{
	gr_term *term = gr_term_open(text, &nothing);
	cr_expect_null(term, "%s", text);
	cr_expect_eq(gr_error_code(), GR_EARG, "%s", text);
	cr_expect_not_null(strstr(gr_error_message(), word), "%s: %s", text, gr_error_message());
	gr_error_clear();
}

Test(term_kind, what_is_not_known_is_an_error)
{
	register_look();
	expect_error("looks:1", "dps, ");
	expect_error("", "no kind");
	expect_error("look,from=equi", "no setting 'from'");
	expect_error("look,form=equ", "one of equi, plus");
	expect_error("look,freq=2", "from 0 to 1");
	expect_error("look,freq=0.1x", "from 0 to 1");
	expect_error("look,freq", "NAME=VALUE");
	expect_error("look:a:b:c:d:e:1", "words");
	expect_error("dps:1", "NULL");
	cr_expect_eq(gr_term_kind_register(&look), GR_EARG);
	gr_error_clear();
}
