/*
 * The bare loops: what the machine itself can do, with nothing around it. Each
 * says why on stderr if it fails, and is over at once if interrupted.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <owamp/schedule.h>

/* Two threads on loopback: clock_gettime() and send(); recvmsg() with kernel stamp and TTL. */
struct bare_rate {
	uint64_t packets;
	uint64_t received;
	double rate;    /* packets/s, first to last */
	double send_us; /* CPU of the thread, a packet */
	double receive_us;
};

/* rate: packets/s to keep to; 0: as fast as can be. */
bool bare_rate(struct bare_rate *result, uint64_t packets, size_t octets, double rate);

struct bare_lateness {
	double p50_us;
	double p99_us;
	double p999_us;
	double max_us;
};

/* clock_nanosleep() to each time of the schedule, with a slack of 1 ns. priority: SCHED_FIFO; 0: ordinary. */
bool bare_sleep(struct bare_lateness *result, struct owamp_schedule *schedule, uint32_t packets,
		int priority);

struct bare_gap {
	uint32_t packets; /* that have both stamps */
	double min_us;
	double median_us;
	double p99_us;
};

/*
 * From the kernel's software stamp at the transmission to that at the
 * reception, of packets/s Poisson from one socket to another; both are the
 * caller's, UDP, connected to each other.
 */
bool bare_gap(struct bare_gap *result, int from, int to, uint32_t packets, double rate);

/* Octets/s of one TCP connection on loopback, in writes of so many. */
bool bare_tcp(double *octets_per_s, uint64_t octets, size_t write_octets);

/* TCP connections/s on loopback, one after the other, each closed at once. */
bool bare_connections(double *per_s, double seconds);

/* Rows/s of a query on an SQLite file that are read and thrown away. */
bool bare_scan(double *rows_per_s, const char *path, const char *sql);

/* PBKDF2-HMAC-SHA1 derivations/s of a thread. */
bool bare_pbkdf2(double *per_s, unsigned count, double seconds);

#endif
