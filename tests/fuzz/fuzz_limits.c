/* Any octets as a limits file: refused with one line, or a sound tree of classes. */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "owamp/error.h"
#include "owampd/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_classes(const struct limits *limits)
{
	assert(limits->class_count >= 1 && limits->classes[0].parent == 0);
	for (size_t i = 0; i < limits->class_count; i++) {
		const struct limits_class *klass = &limits->classes[i];

		assert(klass->name[0] && (i == 0 || klass->parent < i));
		for (unsigned kind = 0; kind < LIMITS_KINDS; kind++)
			assert(klass->value[kind] <= LIMITS_VALUE_MAX);
		for (size_t j = 0; j < i; j++)
			assert(strcmp(klass->name, limits->classes[j].name) != 0);
	}
}

static void check_assignments(const struct limits *limits)
{
	for (size_t i = 0; i < limits->net_count; i++) {
		const struct subnet *subnet = &limits->nets[i].subnet;

		assert(subnet->bits <= (subnet->family == AF_INET ? 32 : 128));
		assert(subnet_match(subnet, subnet->family, subnet->address));
		assert(limits->nets[i].klass < limits->class_count);
	}
	for (size_t i = 0; i < limits->user_count; i++)
		assert(limits->users[i].name[0] && limits->users[i].klass < limits->class_count);
	assert(limits->default_class < limits->class_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct limits *limits;
	char error[512] = "";

	if (limits_parse(&limits, (const char *)data, size, "FILE", error, sizeof(error)) == 0) {
		check_classes(limits);
		check_assignments(limits);
	} else {
		assert(!limits);
		assert(strncmp(error, "FILE:", 5) == 0 && !strpbrk(error, "\n\r\x1b"));
	}
	limits_free(limits);
	return 0;
}
