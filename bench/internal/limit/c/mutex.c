/* glibc's mutex between processes: the robust kind, or the plain one, which stays
 * locked when its holder dies. */
#include "shared.h"
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

struct guarded {
	ALONE pthread_mutex_t mutex;
	ALONE uint64_t number;
	struct start start;
	ALONE word64 ready; /* how far those are who take over */
	ALONE word64 got; /* when the next owner had the lock */
};

static struct guarded *new_guarded(const struct job *j) {
	struct guarded *g = share(sizeof *g);
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	if (!j->plain)
		pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	if (pthread_mutex_init(&g->mutex, &a) != 0)
		fail("pthread_mutex_init");
	return g;
}

static void once(void *arg) {
	struct guarded *g = arg;
	pthread_mutex_lock(&g->mutex);
	g->number++;
	pthread_mutex_unlock(&g->mutex);
}

struct sample measure_mutex_alone(const struct job *j) {
	pin(j, 0);
	return latency(j, once, new_guarded(j));
}

struct sample measure_mutex_contended(const struct job *j) {
	int n = j->workers;
	struct guarded *g = new_guarded(j);
	struct tally *tallies = share((size_t)n * sizeof *tallies), sum = {0};
	pid_t processes[n];
	for (int i = 0; i < n; i++) {
		if ((processes[i] = start_process()) != 0)
			continue;
		pin(j, i);
		struct meter m;
		open_meter(&m, 256, j->budget, await_start(&g->start));
		do
			once(g);
		while (tick(&m));
		tallies[i] = tally_of(&m);
		exit(0);
	}
	give_start(&g->start, n, j->budget);
	for (int i = 0; i < n; i++) {
		end_process(processes[i]);
		sum.rate += tallies[i].rate;
		sum.slow += tallies[i].slow;
		sum.count += tallies[i].count;
	}
	return (struct sample){1e9 / sum.rate, 1e9 / sum.slow, sum.count};
}

/* One process holds the lock and is killed while another waits for it. */
static double take_over(const struct job *j) {
	struct guarded *g = new_guarded(j);
	pid_t holder = start_process();
	if (holder == 0) {
		pin(j, 1);
		pthread_mutex_lock(&g->mutex);
		publish(&g->ready, 1);
		for (;;)
			pause();
	}
	while (observe(&g->ready) < 1)
		usleep(100);
	pid_t next = start_process();
	if (next == 0) {
		pin(j, 0);
		publish(&g->ready, 2);
		int rc = pthread_mutex_lock(&g->mutex);
		publish(&g->got, now());
		exit(rc == EOWNERDEAD ? 0 : 1);
	}
	while (observe(&g->ready) < 2)
		usleep(100);
	usleep(2000); /* by now it sleeps */
	uint64_t killed = now();
	kill_process(holder);
	end_process(next);
	return (double)(observe(&g->got) - killed);
}

struct sample measure_takeover(const struct job *j) {
	struct samples s = {0};
	for (uint64_t end = now() + j->budget; s.count < 3 || now() < end;)
		keep(&s, take_over(j));
	return (struct sample){quantile(&s, 0.5), quantile(&s, 0.99), s.count};
}
