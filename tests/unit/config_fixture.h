/*
 * What the tests of the configuration share: runs of config_from_arguments()
 * with their output caught, and files in memory.
 */
#ifndef CONFIG_FIXTURE_H
#define CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

#include "owamp/engine.h"
#include "owamp/session.h"
#include "owampd/config.h"

#define S          INT64_C(1000000000)
#define ARGS_MAX   20
#define OUTPUT_MAX 8192

/* What one run printed, and what came of it. */
struct outcome {
	struct config *config;
	int exit_status;
	char out[OUTPUT_MAX];
	char err[OUTPUT_MAX];
};

static int divert(FILE *stream, int *saved)
{
	int fd = memfd_create("output", MFD_CLOEXEC);

	assert_true(fd >= 0);
	fflush(stream);
	*saved = dup(fileno(stream));
	assert_true(*saved >= 0);
	assert_true(dup2(fd, fileno(stream)) >= 0);
	return fd;
}

static void restore(FILE *stream, int fd, int saved, char *text)
{
	ssize_t size;

	fflush(stream);
	assert_true(dup2(saved, fileno(stream)) >= 0);
	size = pread(fd, text, OUTPUT_MAX - 1, 0);
	assert_true(size >= 0);
	text[size] = '\0';
	close(saved);
	close(fd);
}

/* Arguments after the program's name, NULL-ended. */
static struct outcome run(const char *first, ...)
{
	char *argv[ARGS_MAX + 2] = {"owampd"};
	struct outcome outcome = {.exit_status = 77};
	int argc = 1, out, err, saved_out, saved_err;
	const char *argument = first;
	va_list arguments;

	va_start(arguments, first);
	for (; argument; argument = va_arg(arguments, const char *)) {
		assert_true(argc < ARGS_MAX);
		argv[argc++] = (char *)(uintptr_t)argument;
	}
	va_end(arguments);
	out = divert(stdout, &saved_out);
	err = divert(stderr, &saved_err);
	outcome.config = config_from_arguments(argc, argv, &outcome.exit_status);
	restore(stderr, err, saved_err, outcome.err);
	restore(stdout, out, saved_out, outcome.out);
	return outcome;
}

static struct config *good(struct outcome outcome)
{
	assert_string_equal(outcome.err, "");
	assert_string_equal(outcome.out, "");
	assert_int_equal(outcome.exit_status, 0);
	assert_non_null(outcome.config);
	return outcome.config;
}

static void bad(struct outcome outcome, int exit_status, const char *err)
{
	assert_string_equal(outcome.err, err);
	assert_string_equal(outcome.out, "");
	assert_int_equal(outcome.exit_status, exit_status);
	assert_null(outcome.config);
}

struct file {
	int fd;
	char path[64];
};

static struct file make_file(const char *text)
{
	struct file file = {.fd = memfd_create("config", MFD_CLOEXEC)};

	assert_true(file.fd >= 0);
	assert_int_equal(write(file.fd, text, strlen(text)), strlen(text));
	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
	return file;
}

static void assert_listen(const struct config *config, size_t index, const char *address, uint16_t port,
			  bool is_default)
{
	const struct config_address *listen = &config->listen[index];
	struct sockaddr_in6 in6;
	struct sockaddr_in in;
	char text[INET6_ADDRSTRLEN] = "";

	assert_true(index < config->listen_count);
	if (listen->address.ss_family == AF_INET6) {
		assert_int_equal(listen->size, sizeof(in6));
		memcpy(&in6, &listen->address, sizeof(in6));
		inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text));
		assert_int_equal(ntohs(in6.sin6_port), port);
	} else {
		assert_int_equal(listen->address.ss_family, AF_INET);
		assert_int_equal(listen->size, sizeof(in));
		memcpy(&in, &listen->address, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
		assert_int_equal(ntohs(in.sin_port), port);
	}
	assert_string_equal(text, address);
	assert_int_equal(listen->is_default, is_default);
}

#endif
