/* Lines that are put together piece by piece. */
#ifndef OWAMPD_APPEND_H
#define OWAMPD_APPEND_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* At the end of a string in size octets; what does not fit is cut off. */
__attribute__((format(printf, 3, 4))) static inline void append(char *line, size_t size, const char *format,
								...)
{
	size_t used = strlen(line);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line + used, size - used, format, arguments);
	va_end(arguments);
}

#endif
