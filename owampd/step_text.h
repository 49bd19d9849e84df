/* What is said of a session during which this host's clock was set. */
#ifndef OWAMPD_STEP_TEXT_H
#define OWAMPD_STEP_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* How often, and by how much in sum; behind a reason, which may be NULL. Returns text, or NULL if steps is 0.
 */
char *step_text(char *text, size_t size, const char *reason, uint32_t steps, int64_t step_ns);

#endif
