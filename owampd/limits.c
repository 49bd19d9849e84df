#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock/conffile.h"
#include "owamp/error.h"
#include "owampd/lexer.h"
#include "owampd/limits.h"

static const struct kind {
	const char *name;
	const char *unit;
	uint64_t factor;       /* of the suffix k; 0: no suffix */
	uint64_t root_default; /* conservative, as RFC 4656 section 6.5 demands */
} kinds[LIMITS_KINDS] = {
	[LIMITS_BANDWIDTH] = {"bandwidth", "bit/s", 1000, 1000000},
	[LIMITS_DISK] = {"disk", "octets", 1024, 100 << 20},
	[LIMITS_SESSIONS] = {"test_sessions", "sessions", 0, 100},
	[LIMITS_PACKET_RATE] = {"max_packet_rate", "packets/s", 0, 1000},
	[LIMITS_TIMEOUT] = {"max_timeout", "s", 0, 120},
	[LIMITS_DURATION] = {"max_duration", "s", 0, 86400},
};

struct parser {
	struct lexer lexer;
	struct limits *limits;
};

/* What a limit line gives; bit i of given: key number i was there. */
struct description {
	struct limits_class klass;
	unsigned given;
};

/* Numbers of the keys beside enum limits_kind. */
enum { KEY_PARENT = LIMITS_KINDS, KEY_DELETE, KEY_OPEN, KEYS };

static const char *key_name(unsigned key)
{
	static const char *const others[] = {"parent", "delete_on_fetch", "allow_open_mode"};

	return key < LIMITS_KINDS ? kinds[key].name : others[key - LIMITS_KINDS];
}

static int no_memory(const struct lexer *lexer)
{
	snprintf(lexer->error, lexer->error_size, "%s: out of memory", lexer->name);
	return OWAMP_ENOMEM;
}

/* Room for one element more in an array of count elements. */
static void *grow(void *array, size_t count, size_t size)
{
	/* At each power of two the array is full, and its room doubles. */
	if ((count & (count - 1)) != 0)
		return array;
	return realloc(array, (count ? 2 * count : 1) * size);
}

static int find_class(const struct parser *parser, struct word name, size_t *index)
{
	const struct limits *limits = parser->limits;

	for (size_t i = 0; i < limits->class_count; i++) {
		if (word_is(name, limits->classes[i].name)) {
			*index = i;
			return 0;
		}
	}
	return lexer_bad(&parser->lexer,
			 "class '%.*s' is not defined, expected one that a line above defines", QUOTE(name));
}

static int parse_switch(const struct lexer *lexer, struct word key, struct word value, bool *on)
{
	*on = word_is(value, "on");
	if (*on || word_is(value, "off"))
		return 0;
	return lexer_bad(lexer, "%.*s: '%.*s', expected on or off", QUOTE(key), QUOTE(value));
}

/* How often a suffix multiplies by the factor, or -1. */
static int suffix_power(char suffix)
{
	static const char suffixes[] = "kKmMgGtT";
	const char *at = strchr(suffixes, suffix);

	return at ? (int)(at - suffixes) / 2 + 1 : -1;
}

static bool read_value(struct word value, uint64_t factor, uint64_t *number)
{
	int power = 0;
	size_t i;

	*number = 0;
	for (i = 0; i < value.size && value.text[i] >= '0' && value.text[i] <= '9'; i++) {
		*number = *number * 10 + (uint64_t)(value.text[i] - '0');
		if (*number > LIMITS_VALUE_MAX)
			return false;
	}
	if (i > 0 && i + 1 == value.size && factor)
		power = suffix_power(value.text[i++]);
	if (i == 0 || i < value.size || power < 0)
		return false;
	for (; power > 0; power--) {
		if (*number > LIMITS_VALUE_MAX / factor)
			return false;
		*number *= factor;
	}
	return true;
}

static int parse_value(const struct lexer *lexer, const struct kind *kind, struct word value,
		       uint64_t *number)
{
	if (read_value(value, kind->factor, number))
		return 0;
	return lexer_bad(lexer, "%s: '%.*s', expected %s as an integer%s, at most 10^18 (0: unlimited)",
			 kind->name, QUOTE(value), kind->unit,
			 kind->factor ? " with an optional suffix k, m, g or t" : "");
}

static int parse_setting(const struct parser *parser, struct description *description, struct word key,
			 struct word value)
{
	struct limits_class *klass = &description->klass;
	const struct lexer *lexer = &parser->lexer;
	unsigned i = 0;

	while (i < KEYS && !word_is(key, key_name(i)))
		i++;
	if (i == KEYS)
		return lexer_bad(
			lexer,
			"unknown limit '%.*s', expected parent, bandwidth, disk, test_sessions, "
			"delete_on_fetch, allow_open_mode, max_packet_rate, max_timeout or max_duration",
			QUOTE(key));
	if (description->given & 1U << i)
		return lexer_bad(lexer, "%s is given twice for this class", key_name(i));
	description->given |= 1U << i;

	switch (i) {
	case KEY_PARENT:
		if (parser->limits->class_count == 0)
			return lexer_bad(lexer, "the first class is the root, expected no parent");
		return find_class(parser, value, &klass->parent);
	case KEY_DELETE:
		return parse_switch(lexer, key, value, &klass->delete_on_fetch);
	case KEY_OPEN:
		return parse_switch(lexer, key, value, &klass->allow_open_mode);
	default:
		return parse_value(lexer, &kinds[i], value, &klass->value[i]);
	}
}

/* KEY=VALUE[,KEY=VALUE]... up to the end of the line. */
static int parse_settings(struct parser *parser, struct description *description)
{
	struct lexer *lexer = &parser->lexer;
	struct word key, value;
	bool taken;
	int result;

	do {
		result = lexer_word(lexer, ",=", &key);
		if (!result && key.size == 0)
			result = lexer_bad(lexer, "expected LIMIT=VALUE");
		if (!result)
			result = lexer_take(lexer, '=', &taken);
		if (!result && !taken)
			result = lexer_bad(lexer, "expected '=' and a value after '%.*s'", QUOTE(key));
		if (!result)
			result = lexer_word(lexer, ",=", &value);
		if (!result && value.size == 0)
			result = lexer_bad(lexer, "expected a value after '%.*s='", QUOTE(key));
		if (!result)
			result = parse_setting(parser, description, key, value);
		if (!result)
			result = lexer_take(lexer, ',', &taken);
	} while (!result && taken);
	return result ? result : lexer_line_end(lexer, "a comma or the end of the line", value);
}

/* What the line did not give: the root's defaults, or the switches of the parent. */
static void fill_in(const struct limits *limits, struct description *description)
{
	struct limits_class *klass = &description->klass;
	const struct limits_class *parent = limits->class_count ? &limits->classes[klass->parent] : NULL;

	if (!(description->given & 1U << KEY_DELETE))
		klass->delete_on_fetch = parent ? parent->delete_on_fetch : false;
	if (!(description->given & 1U << KEY_OPEN))
		klass->allow_open_mode = parent ? parent->allow_open_mode : true;
	for (unsigned i = 0; i < LIMITS_KINDS && !parent; i++)
		if (!(description->given & 1U << i))
			klass->value[i] = kinds[i].root_default;
}

static int add_class(struct parser *parser, const struct limits_class *klass, struct word name)
{
	struct limits *limits = parser->limits;
	struct limits_class *classes = grow(limits->classes, limits->class_count, sizeof(*classes));

	if (!classes)
		return no_memory(&parser->lexer);
	limits->classes = classes;
	classes += limits->class_count;
	*classes = *klass;
	classes->name = strndup(name.text, name.size);
	if (!classes->name)
		return no_memory(&parser->lexer);
	limits->class_count++;
	return 0;
}

/* limit NAME with KEY=VALUE[,KEY=VALUE]... */
static int parse_limit(struct parser *parser)
{
	struct description description = {.klass.line = parser->lexer.line};
	const struct limits *limits = parser->limits;
	struct lexer *lexer = &parser->lexer;
	struct word name, with;
	int result = lexer_word(lexer, ",=", &name);

	if (!result && name.size == 0)
		result = lexer_bad(lexer, "expected the name of a class after 'limit'");
	for (size_t i = 0; !result && i < limits->class_count; i++)
		if (word_is(name, limits->classes[i].name))
			result = lexer_bad(lexer, "class '%.*s' is defined twice, first in line %u",
					   QUOTE(name), limits->classes[i].line);
	if (!result)
		result = lexer_word(lexer, ",=", &with);
	if (!result && !word_is(with, "with"))
		result = lexer_bad(lexer, "expected 'with' after 'limit %.*s'", QUOTE(name));
	if (!result)
		result = parse_settings(parser, &description);
	if (!result && limits->class_count > 0 && !(description.given & 1U << KEY_PARENT))
		result = lexer_bad(lexer, "class '%.*s' has no parent, only the first class may lack one",
				   QUOTE(name));
	if (result)
		return result;
	fill_in(limits, &description);
	return add_class(parser, &description.klass, name);
}

static int add_net(struct parser *parser, struct word text, size_t klass)
{
	struct limits_net net = {.klass = klass, .line = parser->lexer.line};
	struct limits *limits = parser->limits;
	struct limits_net *nets;
	char why[256];

	if (subnet_parse(&net.subnet, text.text, text.size, why, sizeof(why)))
		return lexer_bad(&parser->lexer, "%s", why);
	for (size_t i = 0; i < limits->net_count; i++)
		if (subnet_equal(&limits->nets[i].subnet, &net.subnet))
			return lexer_bad(&parser->lexer, "network %.*s is assigned twice, first in line %u",
					 QUOTE(text), limits->nets[i].line);
	nets = grow(limits->nets, limits->net_count, sizeof(*nets));
	if (!nets)
		return no_memory(&parser->lexer);
	limits->nets = nets;
	nets[limits->net_count++] = net;
	return 0;
}

static int add_user(struct parser *parser, struct word name, size_t klass)
{
	struct limits_user user = {.klass = klass, .line = parser->lexer.line};
	struct limits *limits = parser->limits;
	struct limits_user *users;

	for (size_t i = 0; i < limits->user_count; i++)
		if (word_is(name, limits->users[i].name))
			return lexer_bad(&parser->lexer, "user '%.*s' is assigned twice, first in line %u",
					 QUOTE(name), limits->users[i].line);
	users = grow(limits->users, limits->user_count, sizeof(*users));
	if (!users)
		return no_memory(&parser->lexer);
	limits->users = users;
	user.name = strndup(name.text, name.size);
	if (!user.name)
		return no_memory(&parser->lexer);
	users[limits->user_count++] = user;
	return 0;
}

static int set_default(struct parser *parser, struct word unused, size_t klass)
{
	struct limits *limits = parser->limits;

	(void)unused;
	if (limits->has_default)
		return lexer_bad(&parser->lexer, "the default is assigned twice, first in line %u",
				 limits->default_line);
	limits->has_default = true;
	limits->default_class = klass;
	limits->default_line = parser->lexer.line;
	return 0;
}

/* assign default CLASS | assign net ADDRESS/BITS CLASS | assign user NAME CLASS */
static int parse_assign(struct parser *parser)
{
	static const struct {
		const char *type;
		const char *argument;
		int (*add)(struct parser *parser, struct word who, size_t klass);
	} forms[] = {
		{"default", "", set_default}, {"net", "ADDRESS/BITS ", add_net}, {"user", "NAME ", add_user}};
	struct lexer *lexer = &parser->lexer;
	struct word type, who = {0}, name;
	unsigned form = 0;
	size_t klass = 0;
	int result = lexer_word(lexer, "", &type);

	while (form < 3 && !word_is(type, forms[form].type))
		form++;
	if (!result && form == 3)
		result =
			lexer_bad(lexer, "'%.*s' after 'assign', expected default, net or user", QUOTE(type));
	if (!result && forms[form].argument[0])
		result = lexer_word(lexer, "", &who);
	if (!result)
		result = lexer_word(lexer, "", &name);
	if (!result && name.size == 0)
		result = lexer_bad(lexer, "expected 'assign %s %sCLASS'", forms[form].type,
				   forms[form].argument);
	if (!result)
		result = find_class(parser, name, &klass);
	if (!result)
		result = lexer_line_end(lexer, "the end of the line", name);
	return result ? result : forms[form].add(parser, who, klass);
}

static int parse_line(struct parser *parser)
{
	struct word keyword;
	int result = lexer_word(&parser->lexer, "", &keyword);

	/* Nothing but continuations is an empty line. */
	if (result || keyword.size == 0)
		return result;
	if (word_is(keyword, "limit"))
		return parse_limit(parser);
	if (word_is(keyword, "assign"))
		return parse_assign(parser);
	return lexer_bad(&parser->lexer, "'%.*s', expected 'limit', 'assign' or a comment", QUOTE(keyword));
}

int limits_parse(struct limits **limits, const char *text, size_t size, const char *name, char *error,
		 size_t error_size)
{
	struct parser parser;
	int result = lexer_init(&parser.lexer, text, size, name, error, error_size);

	*limits = NULL;
	parser.limits = calloc(1, sizeof(*parser.limits));
	if (!parser.limits)
		return no_memory(&parser.lexer);
	while (!result && lexer_next_line(&parser.lexer))
		result = parse_line(&parser);
	if (!result && parser.limits->class_count == 0) {
		snprintf(error, error_size, "%s: no class, expected a line 'limit NAME with LIMIT=VALUE,...'",
			 name);
		result = OWAMP_EINVAL;
	}
	if (result)
		limits_free(parser.limits);
	else
		*limits = parser.limits;
	return result;
}

int limits_load(struct limits **limits, const char *path, char *error, size_t error_size)
{
	char *text;
	size_t size;
	int result = conffile_read(path, &text, &size, error, error_size);

	*limits = NULL;
	if (!result)
		result = limits_parse(limits, text, size, path, error, error_size);
	free(text);
	return result;
}

int limits_default(struct limits **limits, char *error, size_t error_size)
{
	static const char text[] = "limit root with allow_open_mode=on\nassign default root\n";

	return limits_parse(limits, text, sizeof(text) - 1, "(no limits file)", error, error_size);
}

void limits_free(struct limits *limits)
{
	if (!limits)
		return;
	for (size_t i = 0; i < limits->class_count; i++)
		free(limits->classes[i].name);
	for (size_t i = 0; i < limits->user_count; i++)
		free(limits->users[i].name);
	free(limits->classes);
	free(limits->nets);
	free(limits->users);
	free(limits);
}

const char *limits_name(enum limits_kind kind)
{
	return kinds[kind].name;
}

const char *limits_unit(enum limits_kind kind)
{
	return kinds[kind].unit;
}
