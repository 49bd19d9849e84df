#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <owamp/error.h>

#include "owping/options_check.h"
#include "owping/values.h"

#define PADDING_SECURE_MAX (OWAMP_PACKET_MAX - OWAMP_PACKET_SECURE)

struct check {
	struct owping_options *options;
	unsigned formats;
	char *error;
	size_t error_size;
};

__attribute__((format(printf, 2, 3))) static int fail(struct check *check, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(check->error, check->error_size, format, list);
	va_end(list);
	return OWAMP_EINVAL;
}

static int check_output(struct check *check)
{
	const struct owping_options *options = check->options;
	bool text = options->format == OWPING_TEXT;

	if ((check->formats & (check->formats - 1)) != 0)
		return fail(check, "-M, -R and --json exclude each other");
	if (options->records && options->format != OWPING_JSON)
		return fail(check, "--records needs --json");
	if (options->verbose && (!text || options->quiet))
		return fail(check, "-v cannot be used with -M, -R, -Q or --json");
	if (options->quiet && options->format == OWPING_MACHINE)
		return fail(check, "-Q leaves nothing for -M to print");
	if (options->print_files &&
	    (options->quiet || options->format == OWPING_RAW || options->format == OWPING_JSON))
		return fail(check, "-p saves summaries: it cannot be used with -R, -Q or --json");
	if (options->directory != NULL && !options->print_files)
		return fail(check, "-d needs -p");
	return 0;
}

static bool same_file(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static int check_files(struct check *check)
{
	const struct owping_options *options = check->options;

	if (same_file(options->save_to, options->save_from))
		return fail(check, "-T and -F name the same file, %s", options->save_to);
	if (same_file(options->save_to, options->archive))
		return fail(check, "-T and --archive name the same file, %s", options->archive);
	if (same_file(options->save_from, options->archive))
		return fail(check, "-F and --archive name the same file, %s", options->archive);
	if (options->archive != NULL && options->range_given)
		return fail(check, "--archive stores whole sessions: leave --begin and --end away");
	return 0;
}

static int check_modes(struct check *check)
{
	struct owping_options *options = check->options;
	static const uint32_t strongest_first[4] = {OWAMP_MODE_ENCRYPTED, OWAMP_MODE_AUTHENTICATED};
	static const uint32_t open_only[4] = {OWAMP_MODE_OPEN};

	if (options->user != NULL && options->key_file == NULL)
		return fail(check, "-u needs -k FILE, where the key of %s is", options->user);
	if (options->mode_letters == NULL) {
		bool secret = options->key_file != NULL;

		options->modes = secret ? OWAMP_MODE_ENCRYPTED | OWAMP_MODE_AUTHENTICATED : OWAMP_MODE_OPEN;
		memcpy(options->preference, secret ? strongest_first : open_only,
		       sizeof(options->preference));
		return 0;
	}
	if (options->modes == OWAMP_MODE_OPEN && options->key_file != NULL)
		return fail(check, "-A O uses no key: leave -u and -k away, or allow A or E");
	if (options->modes != OWAMP_MODE_OPEN && options->key_file == NULL)
		return fail(check, "-A %s needs a key: give -k FILE and -u IDENTITY", options->mode_letters);
	return 0;
}

/* Which mode it will be is not known yet. */
static int check_padding(struct check *check)
{
	const struct owping_options *options = check->options;

	if (options->modes == OWAMP_MODE_OPEN || options->padding <= PADDING_SECURE_MAX)
		return 0;
	return fail(check,
		    "-s %" PRIu32
		    ": expected at most %d octets, as packets of the authenticated and encrypted "
		    "modes have %d without padding",
		    options->padding, PADDING_SECURE_MAX, OWAMP_PACKET_SECURE);
}

static int check_duration(struct check *check)
{
	int64_t seconds = owping_options_duration_ns(check->options) / 1000000000;

	if (seconds < OWPING_SECONDS_MAX)
		return 0;
	return fail(check,
		    "-c %" PRIu32 ": the session would last %s%" PRId64
		    " s (-c times -i, -z, -L, -E): expected "
		    "less than %d s",
		    check->options->packets, seconds >= INT64_MAX / 1000000000 ? "more than " : "", seconds,
		    OWPING_SECONDS_MAX);
}

int owping_options_complete(struct owping_options *options, unsigned formats, char *error, size_t error_size)
{
	struct check check = {options, formats, error, error_size};

	if (!options->to_server && !options->from_server)
		options->to_server = options->from_server = true;
	/* The library takes 0 for its own default. */
	if (options->end_delay_ns == 0)
		options->end_delay_ns = 1;
	if (options->slots == NULL &&
	    owping_parse_schedule("0.1e", &options->slots, &options->slot_count) < 0)
		return fail(&check, "out of memory");
	if (check_files(&check) < 0 || check_output(&check) < 0 || check_modes(&check) < 0 ||
	    check_padding(&check) < 0 || check_duration(&check) < 0)
		return OWAMP_EINVAL;
	return 0;
}
