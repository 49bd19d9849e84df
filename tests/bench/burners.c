#include "burners.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void burn(pid_t parent)
{
	volatile unsigned turns = 0;

	/* Its signals are blocked as those of the bench are, but for this one. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent) {
		for (;;)
			turns = turns + 1;
	}
	_exit(1);
}

bool burners_start(struct burners *burners)
{
	size_t wanted = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
	pid_t parent = getpid();

	*burners = (struct burners){.pids = calloc(wanted, sizeof *burners->pids)};
	(void)fflush(stdout);
	while (burners->pids && burners->count < wanted) {
		pid_t pid = fork();

		if (pid == 0)
			burn(parent);
		if (pid < 0)
			break;
		burners->pids[burners->count++] = pid;
	}
	if (burners->count == wanted)
		return true;
	fprintf(stderr, "bench: FAILED: starting CPU burners: %s\n", strerror(errno));
	burners_end(burners);
	return false;
}

void burners_end(struct burners *burners)
{
	for (size_t i = 0; i < burners->count; i++)
		(void)kill(burners->pids[i], SIGKILL);
	for (size_t i = 0; i < burners->count; i++)
		(void)waitpid(burners->pids[i], NULL, 0);
	free(burners->pids);
	*burners = (struct burners){.count = 0};
}
