#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <owamp/error.h>

#include "owping/values.h"

#define NS_PER_SECOND 1000000000LL

int owping_parse_number(const char *text, uint32_t low, uint32_t high, uint32_t *value)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	unsigned long long number;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return OWAMP_EINVAL;
	errno = 0;
	number = strtoull(text, &end, hex ? 16 : 10);
	if (errno != 0 || *end != '\0' || number < low || number > high)
		return OWAMP_EINVAL;
	*value = (uint32_t)number;
	return 0;
}

/* Reads a decimal number at *text, in units of 10^-9, and moves *text behind it. */
static int scan_seconds(const char **text, int64_t *ns)
{
	const char *p = *text;
	int64_t seconds = 0;
	int64_t fraction = 0;
	int64_t place = NS_PER_SECOND;
	bool any = false;

	for (; isdigit((unsigned char)*p); p++, any = true) {
		seconds = seconds * 10 + (*p - '0');
		if (seconds > OWPING_SECONDS_MAX)
			return OWAMP_EINVAL;
	}
	if (*p == '.') {
		for (p++; isdigit((unsigned char)*p); p++, any = true) {
			place /= 10;
			if (place == 0)
				return OWAMP_EINVAL;
			fraction += place * (*p - '0');
		}
	}
	if (!any)
		return OWAMP_EINVAL;
	*ns = seconds * NS_PER_SECOND + fraction;
	*text = p;
	return 0;
}

int owping_parse_seconds(const char *text, int64_t *ns)
{
	int64_t value;

	if (scan_seconds(&text, &value) < 0 || *text != '\0')
		return OWAMP_EINVAL;
	*ns = value;
	return 0;
}

static int scan_slot(const char **text, struct owamp_slot *slot)
{
	int64_t ns;

	if (scan_seconds(text, &ns) < 0)
		return OWAMP_EINVAL;
	slot->type = OWAMP_SLOT_EXPONENTIAL;
	if (**text == 'f')
		slot->type = OWAMP_SLOT_FIXED;
	if (**text == 'f' || **text == 'e')
		(*text)++;
	slot->interval = owamp_interval_from_ns((uint64_t)ns);
	return 0;
}

int owping_parse_schedule(const char *text, struct owamp_slot **slots, uint32_t *slot_count)
{
	struct owamp_slot *list;
	owamp_interval longest = 0;
	uint32_t count = 0;
	size_t limit = 1;

	for (const char *p = text; *p != '\0'; p++)
		limit += *p == ',';
	list = calloc(limit, sizeof(*list));
	if (list == NULL)
		return OWAMP_ENOMEM;
	for (;;) {
		if (scan_slot(&text, &list[count]) < 0)
			break;
		if (list[count].interval > longest)
			longest = list[count].interval;
		count++;
		if (*text == '\0' && longest == 0)
			break;
		if (*text == '\0') {
			*slots = list;
			*slot_count = count;
			return 0;
		}
		if (*text++ != ',')
			break;
	}
	free(list);
	return OWAMP_EINVAL;
}

static bool is_digit_between(char c, char low, char high)
{
	return c >= low && c <= high;
}

int owping_parse_dscp(const char *text, uint8_t *dscp)
{
	static const struct {
		const char *name;
		uint8_t value;
	} names[] = {
		{"default", 0}, {"DF", 0}, {"BE", 0}, {"none", 0}, {"LE", 1}, {"VA", 44}, {"EF", 46},
	};
	uint32_t number;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(text, names[i].name) == 0) {
			*dscp = names[i].value;
			return 0;
		}
	}
	if (strncasecmp(text, "CS", 2) == 0 && strlen(text) == 3 && is_digit_between(text[2], '0', '7')) {
		*dscp = (uint8_t)((text[2] - '0') * 8);
		return 0;
	}
	if (strncasecmp(text, "AF", 2) == 0 && strlen(text) == 4 && is_digit_between(text[2], '1', '4') &&
	    is_digit_between(text[3], '1', '3')) {
		*dscp = (uint8_t)((text[2] - '0') * 8 + (text[3] - '0') * 2);
		return 0;
	}
	if (owping_parse_number(text, 0, 63, &number) < 0)
		return OWAMP_EINVAL;
	*dscp = (uint8_t)number;
	return 0;
}

int owping_parse_ports(const char *text, uint16_t *low, uint16_t *high)
{
	char first[8] = "";
	const char *dash = strchr(text, '-');
	size_t length = dash == NULL ? strlen(text) : (size_t)(dash - text);
	uint32_t lower;
	uint32_t upper;

	if (length >= sizeof(first))
		return OWAMP_EINVAL;
	memcpy(first, text, length);
	if (owping_parse_number(first, 0, UINT16_MAX, &lower) < 0)
		return OWAMP_EINVAL;
	upper = lower;
	if (dash != NULL && owping_parse_number(dash + 1, 0, UINT16_MAX, &upper) < 0)
		return OWAMP_EINVAL;
	if (upper < lower || (lower == 0 && upper != 0))
		return OWAMP_EINVAL;
	*low = (uint16_t)lower;
	*high = (uint16_t)upper;
	return 0;
}

int owping_parse_modes(const char *text, uint32_t *modes, uint32_t preference[4])
{
	uint32_t list[4] = {0};
	uint32_t set = 0;
	unsigned count = 0;

	for (; *text != '\0'; text++) {
		uint32_t mode;

		switch (*text) {
		case 'A':
			mode = OWAMP_MODE_AUTHENTICATED;
			break;
		case 'E':
			mode = OWAMP_MODE_ENCRYPTED;
			break;
		case 'O':
			mode = OWAMP_MODE_OPEN;
			break;
		default:
			return OWAMP_EINVAL;
		}
		if (set & mode)
			return OWAMP_EINVAL;
		set |= mode;
		list[count++] = mode;
	}
	if (set == 0)
		return OWAMP_EINVAL;
	*modes = set;
	memcpy(preference, list, sizeof(list));
	return 0;
}

/* As the kernel has it: dev_valid_name(). */
static bool is_interface(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (; *name != '\0'; name++) {
		if (isspace((unsigned char)*name) || *name == '/' || *name == ':')
			return false;
	}
	return true;
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

int owping_parse_interfaces(const char *text, const char ***names)
{
	size_t commas = 0, count = 0;
	const char **list;
	char *rest, *name;

	for (const char *at = text; *at != '\0'; at++)
		commas += *at == ',';
	list = malloc((commas + 2) * sizeof(*list) + strlen(text) + 1);
	if (list == NULL)
		return OWAMP_ENOMEM;
	rest = strcpy((char *)(list + commas + 2), text);
	while ((name = strsep(&rest, ",")) != NULL) {
		if (!is_interface(name) || is_among(name, list, count)) {
			free(list);
			return OWAMP_EINVAL;
		}
		list[count++] = name;
	}
	list[count] = NULL;
	*names = list;
	return 0;
}

int owping_parse_percentiles(const char *text, double *list, size_t limit, size_t *count)
{
	size_t found = 0;

	for (;;) {
		int64_t nano;

		if (found == limit || scan_seconds(&text, &nano) < 0)
			return OWAMP_EINVAL;
		if (nano == 0 || nano > 100 * NS_PER_SECOND)
			return OWAMP_EINVAL;
		list[found++] = (double)nano / (double)NS_PER_SECOND;
		if (*text == '\0')
			break;
		if (*text++ != ',')
			return OWAMP_EINVAL;
	}
	*count = found;
	return 0;
}

int owping_parse_target(const char *text, char *host, size_t host_size, uint16_t *port)
{
	const char *start = text;
	const char *colon = strchr(text, ':');
	const char *end;
	uint32_t number;
	size_t length;

	if (*text == '[') {
		start++;
		end = strchr(start, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return OWAMP_EINVAL;
		colon = end[1] == ':' ? end + 1 : NULL;
	} else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
		end = colon;
	} else {
		end = text + strlen(text);
		colon = NULL;
	}
	length = (size_t)(end - start);
	if (length == 0 || length >= host_size)
		return OWAMP_EINVAL;
	if (colon != NULL) {
		if (owping_parse_number(colon + 1, 1, UINT16_MAX, &number) < 0)
			return OWAMP_EINVAL;
		*port = (uint16_t)number;
	}
	memcpy(host, start, length);
	host[length] = '\0';
	return 0;
}
