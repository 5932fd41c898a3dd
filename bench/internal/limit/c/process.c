/* Processes and the memory between them. */
#include "shared.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void fail(const char *what) {
	fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* share gives zeros that this process and those it starts have in common. */
void *share(size_t size) {
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		fail("mmap");
	memset(p, 0, size);
	return p;
}

/* pin has the calling process run where the nth one of the job is to run. */
void pin(const struct job *j, int nth) {
	if (j->ncpus == 0)
		return;
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(j->cpus[nth % j->ncpus], &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0)
		fail("sched_setaffinity");
}

/* start_process forks; the child does not outlive its parent. */
pid_t start_process(void) {
	pid_t parent = getpid(), p = fork();
	if (p < 0)
		fail("fork");
	if (p == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return p;
}

/* end_process waits until a child has ended. */
void end_process(pid_t p) {
	int status;
	while (waitpid(p, &status, 0) < 0)
		if (errno != EINTR)
			fail("waitpid");
}

void kill_process(pid_t p) {
	kill(p, SIGKILL);
	end_process(p);
}

uint64_t await_start(struct start *s) {
	uint64_t opens;
	atomic_fetch_add(&s->ready, 1);
	while ((opens = observe(&s->opens)) == 0)
		sched_yield();
	return opens;
}

void give_start(struct start *s, int parties, uint64_t budget) {
	while (observe(&s->ready) < (uint64_t)parties)
		usleep(100);
	publish(&s->opens, now() + budget / 4);
}
