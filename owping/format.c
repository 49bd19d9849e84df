#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <owamp/socket.h>

#include "owping/format.h"

#define NS_PER_SECOND 1000000000LL

_Static_assert(OWPING_TEXT_SIZE >= OWAMP_ADDRESS_TEXT, "an address does not fit");

/* Decimals of a ns in the unit. */
static int unit_decimals(char unit)
{
	switch (unit) {
	case 'n':
		return 0;
	case 'u':
		return 3;
	case 'm':
		return 6;
	default:
		return 9;
	}
}

const char *owping_unit_name(char unit)
{
	switch (unit) {
	case 'n':
		return "ns";
	case 'u':
		return "us";
	case 'm':
		return "ms";
	default:
		return "s";
	}
}

static uint64_t magnitude(int64_t ns)
{
	return ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
}

/* The step that leaves three significant digits, at most step_max. */
static uint64_t step_for(uint64_t value, uint64_t step_max)
{
	uint64_t step = 1;

	while (step < step_max && value / step >= 1000)
		step *= 10;
	return step;
}

static char *print_value(char buffer[OWPING_TEXT_SIZE], bool negative, uint64_t value, char unit)
{
	int decimals = unit_decimals(unit);
	uint64_t scale = 1;
	size_t length;

	for (int i = 0; i < decimals; i++)
		scale *= 10;
	snprintf(buffer, OWPING_TEXT_SIZE, "%s%" PRIu64, negative && value > 0 ? "-" : "", value / scale);
	if (value % scale == 0)
		return buffer;
	length = strlen(buffer);
	snprintf(buffer + length, OWPING_TEXT_SIZE - length, ".%0*" PRIu64, decimals, value % scale);
	length = strlen(buffer);
	while (buffer[length - 1] == '0')
		buffer[--length] = '\0';
	return buffer;
}

char *owping_format_delay(char buffer[OWPING_TEXT_SIZE], int64_t ns, char unit)
{
	uint64_t value = magnitude(ns);
	uint64_t step = step_for(value, 1000);

	value = (value + step / 2) / step * step;
	return print_value(buffer, ns < 0, value, unit);
}

char *owping_format_bound(char buffer[OWPING_TEXT_SIZE], int64_t ns, char unit)
{
	uint64_t value = magnitude(ns);
	uint64_t step = step_for(value, NS_PER_SECOND);

	value = (value + step - 1) / step * step;
	return print_value(buffer, ns < 0, value, unit);
}

static char suitable_unit(int64_t ns)
{
	uint64_t value = magnitude(ns);

	if (value < 1000)
		return 'n';
	if (value < 100000)
		return 'u';
	return value < NS_PER_SECOND ? 'm' : 's';
}

static char *add_unit(char buffer[OWPING_TEXT_SIZE], char unit)
{
	size_t length = strlen(buffer);

	snprintf(buffer + length, OWPING_TEXT_SIZE - length, " %s", owping_unit_name(unit));
	return buffer;
}

char *owping_format_delay_auto(char buffer[OWPING_TEXT_SIZE], int64_t ns)
{
	char unit = suitable_unit(ns);

	return add_unit(owping_format_delay(buffer, ns, unit), unit);
}

char *owping_format_bound_auto(char buffer[OWPING_TEXT_SIZE], int64_t ns)
{
	char unit = suitable_unit(ns);

	return add_unit(owping_format_bound(buffer, ns, unit), unit);
}

char *owping_format_seconds(char buffer[OWPING_TEXT_SIZE], int64_t ns)
{
	uint64_t value = magnitude(ns);

	snprintf(buffer, OWPING_TEXT_SIZE, "%s%" PRIu64 ".%09" PRIu64, ns < 0 ? "-" : "",
		 value / (uint64_t)NS_PER_SECOND, value % (uint64_t)NS_PER_SECOND);
	return buffer;
}

char *owping_format_time(char buffer[OWPING_TEXT_SIZE], int64_t unix_ns, bool as_unix, unsigned decimals)
{
	int64_t seconds = unix_ns / NS_PER_SECOND;
	int64_t fraction = unix_ns % NS_PER_SECOND;
	time_t clock;
	struct tm tm;
	size_t length;

	if (fraction < 0) {
		fraction += NS_PER_SECOND;
		seconds--;
	}
	clock = (time_t)seconds;
	if (as_unix || gmtime_r(&clock, &tm) == NULL)
		snprintf(buffer, OWPING_TEXT_SIZE, "%" PRId64, seconds);
	else
		strftime(buffer, OWPING_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	if (decimals == 0)
		return buffer;
	length = strlen(buffer);
	snprintf(buffer + length, OWPING_TEXT_SIZE - length, ".%09" PRId64, fraction);
	buffer[length + 1 + decimals] = '\0';
	return buffer;
}

char *owping_format_host(char buffer[OWPING_TEXT_SIZE], const struct sockaddr *address)
{
	if (address->sa_family == AF_INET || address->sa_family == AF_INET6)
		return owamp_address_text(address, false, buffer);
	snprintf(buffer, OWPING_TEXT_SIZE, "?");
	return buffer;
}

uint16_t owping_port(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
	if (address->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
	return 0;
}

char *owping_format_endpoint(char buffer[OWPING_TEXT_SIZE], const struct sockaddr *address)
{
	char host[OWPING_TEXT_SIZE];

	snprintf(buffer, OWPING_TEXT_SIZE, "[%.70s]:%u", owping_format_host(host, address),
		 owping_port(address));
	return buffer;
}

bool owping_terminal(FILE *file)
{
	const char *terminal = getenv("TERM");

	return isatty(fileno(file)) && terminal != NULL && *terminal != '\0' && strcmp(terminal, "dumb") != 0;
}

bool owping_colors(FILE *file)
{
	const char *refused = getenv("NO_COLOR");

	return (refused == NULL || *refused == '\0') && owping_terminal(file);
}
