/* A process that sleeps on a futex, woken by another one. */
#include "shared.h"
#include <unistd.h>

#define NAP 2000u /* µs, in which the sleeper goes to sleep */

struct bed {
	ALONE word64 since; /* when the waker was about to wake */
	ALONE word32 turn;  /* number of the last wake-up */
};

static void wake_again(struct bed *b) {
	for (uint32_t turn = 1;; turn++) {
		usleep(NAP);
		publish(&b->since, now());
		atomic_store(&b->turn, turn);
		futex_wake(&b->turn, 1);
	}
}

struct sample measure_wake(const struct job *j) {
	struct bed *b = share(sizeof *b);
	struct samples s = {0};
	pid_t waker = start_process();
	if (waker == 0) {
		pin(j, 1);
		wake_again(b);
	}
	pin(j, 0);
	uint64_t end = now() + j->budget;
	for (uint32_t turn = 1; s.count < 3 || now() < end; turn++) {
		uint32_t seen;
		while ((int32_t)((seen = atomic_load(&b->turn)) - turn) < 0)
			futex_wait(&b->turn, seen);
		keep(&s, (double)(now() - observe(&b->since)));
		turn = seen;
	}
	kill_process(waker);
	return (struct sample){quantile(&s, 0.5), quantile(&s, 0.99), s.count};
}
