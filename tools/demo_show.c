/* SPDX-License-Identifier: Apache-2.0 */
/* demo_show: see demo_show.h. */
#include "demo_show.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "times.h"

enum { BAR_WIDTH = 28 };

static bool speaks_utf8(void)
{
	locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t) 0);
	bool utf8 = locale && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;

	if (locale)
		freelocale(locale);
	return utf8;
}

struct demo_show demo_show_on(FILE *to)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	bool live = isatty(fileno(to)) && term && strcmp(term, "dumb") != 0;

	return (struct demo_show){
		.to = to,
		.live = live,
		.color = live && !(no_color && *no_color),
		.utf8 = live && speaks_utf8(),
		.started_ms = now_ms(),
	};
}

static const char *tone_code(const struct demo_show *show, enum demo_tone tone)
{
	static const char *const codes[] = {"", "\033[1m", "\033[2m", "\033[1;32m", "\033[1;31m"};

	return show->color ? codes[tone] : "";
}

/* Takes the live line away. */
static void clear_line(const struct demo_show *show)
{
	if (show->live)
		fputs("\r\033[K", show->to);
}

static void end_line(const struct demo_show *show, enum demo_tone tone)
{
	fprintf(show->to, "%s\n", show->color && tone != DEMO_PLAIN ? "\033[0m" : "");
	fflush(show->to);
}

void demo_show_text(const struct demo_show *show, enum demo_tone tone, const char *format, ...)
{
	va_list args;

	clear_line(show);
	fputs(tone_code(show, tone), show->to);
	va_start(args, format);
	vfprintf(show->to, format, args);
	va_end(args);
	end_line(show, tone);
}

void demo_show_event(const struct demo_show *show, enum demo_tone tone, const char *format, ...)
{
	va_list args;

	clear_line(show);
	fprintf(show->to, "%6.1f s  %s", (double) (now_ms() - show->started_ms) / 1000, tone_code(show, tone));
	va_start(args, format);
	vfprintf(show->to, format, args);
	va_end(args);
	end_line(show, tone);
}

static void draw_bar(const struct demo_show *show, int64_t stored, int64_t produced, int64_t events)
{
	static const char *const plain[] = {"#", "-", "."}, *const blocks[] = {"█", "▒", "░"};
	const char *const *glyphs = show->utf8 ? blocks : plain;

	for (int64_t i = 0; i < BAR_WIDTH; i++) {
		int64_t cell = i * events;
		bool has_row = cell < stored * BAR_WIDTH, has_event = cell < produced * BAR_WIDTH;

		fputs(glyphs[has_row ? 0 : has_event ? 1 : 2], show->to);
	}
}

void demo_show_state(const struct demo_show *show, const struct demo_state *state)
{
	char stored[TIME_SIZE], produced[TIME_SIZE];

	if (!show->live)
		return;
	clear_line(show);
	fprintf(show->to, "%6.1f s  ", (double) (now_ms() - show->started_ms) / 1000);
	draw_bar(show, state->stored, state->produced, state->events);
	fprintf(show->to, "  %s stored of %s", count_text(state->stored, stored), count_text(state->produced, produced));
	if (state->kills_planned)
		fprintf(show->to, "  kills %lld/%lld", (long long) state->kills, (long long) state->kills_planned);
	fflush(show->to);
}
