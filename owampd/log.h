/*
 * The server's log: stderr in the foreground, syslog (facility daemon) else.
 * One line a message, without newline; written from any thread.
 */
#ifndef OWAMPD_LOG_H
#define OWAMPD_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

void log_open(bool foreground, int level);
void log_set_level(int level);
void log_write(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For a line: "208 KiB", "4.0 MiB". Returns text. */
#define LOG_OCTETS 24
char *log_octets(uint64_t octets, char text[LOG_OCTETS]);

#endif
