/*
 * Two network namespaces with a veth link between them. They have no names and
 * are gone with this process, however it ends.
 */
#ifndef BENCH_NETWORK_H
#define BENCH_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#define NETWORK_NEAR_ADDRESS "192.0.2.1"
#define NETWORK_FAR_ADDRESS  "192.0.2.2"

struct network {
	int home; /* where this process is */
	int near; /* -1: none */
	int far;
};

/* False, with a reason, where there can be none: mostly for want of root. */
bool network_open(struct network *network, char *reason, size_t reason_size);
void network_close(struct network *network);

/* What the calling thread opens or starts next is there: near, far or home. */
bool network_enter(int place);

#endif
