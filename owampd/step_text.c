#include "owampd/step_text.h"

#include <inttypes.h>

#include "owampd/append.h"

char *step_text(char *text, size_t size, const char *reason, uint32_t steps, int64_t step_ns)
{
	int64_t amount = step_ns < 0 ? -step_ns : step_ns;
	/* To the millisecond, if that says anything. */
	int decimals = amount >= 1000000 ? 3 : amount >= 1000 ? 6 : 9;

	if (steps == 0)
		return NULL;
	text[0] = '\0';
	if (reason)
		append(text, size, "%s; ", reason);
	append(text, size, "this host's clock was set ");
	if (steps > 1)
		append(text, size, "%" PRIu32 " times, ", steps);
	append(text, size, "by %+.*f s%s during the session", decimals, (double)step_ns / 1e9,
	       steps > 1 ? " in all," : "");
	return text;
}
