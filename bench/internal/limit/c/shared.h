/* What all works of the limit share: memory between processes, the clock, where
 * processes run, and how a sample is printed. */
#ifndef SHARED_H
#define SHARED_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef _Atomic uint32_t word32;
typedef _Atomic uint64_t word64;

/* A line is a pair of cache lines, which are fetched together. */
#define LINE 128
#define ALONE _Alignas(LINE)

struct job {
	const char *work;
	size_t size, capacity;
	int producers, consumers, workers;
	bool awake, plain;
	uint64_t budget; /* ns */
	int cpus[64], ncpus;
	char **argv; /* what start starts */
};

struct sample {
	double figure, p99;
	double count;
};

/* Each work in a file of its own. */
struct sample measure_round_trip(const struct job *);
struct sample measure_one_way(const struct job *);
struct sample measure_queue(const struct job *);
struct sample measure_mutex_alone(const struct job *);
struct sample measure_mutex_contended(const struct job *);
struct sample measure_takeover(const struct job *);
struct sample measure_start(const struct job *);
struct sample measure_bitmap(const struct job *);
struct sample measure_wake(const struct job *);

/* process.c */
void *share(size_t size);
void pin(const struct job *, int nth);
pid_t start_process(void);
void end_process(pid_t);
void kill_process(pid_t);

/* Where processes wait for each other before they measure. */
struct start {
	ALONE word64 ready; /* processes that are; they raise it */
	ALONE word64 opens; /* when the window opens; who started them sets it */
};
uint64_t await_start(struct start *);
void give_start(struct start *, int parties, uint64_t budget);
void fail(const char *what);

/* futex.c */
void futex_wait(word32 *, uint32_t value);
void futex_wake(word32 *, int n);

/* gauge.c */
struct samples {
	double *took;
	size_t count, room;
};
void keep(struct samples *, double took);
double quantile(struct samples *, double q);
struct sample latency(const struct job *, void (*once)(void *), void *arg);

struct meter {
	uint64_t burst, opens, closes, last, pending;
	double counted;
	struct samples took;
};
struct tally {
	double rate, slow, count;
};
void open_meter(struct meter *, uint64_t burst, uint64_t budget, uint64_t opens);
bool look(struct meter *);
struct tally tally_of(struct meter *);
uint64_t burst_of(size_t size);

#include <time.h>

static inline uint64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void relax(void) {
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static inline uint64_t observe(word64 *w) { return atomic_load_explicit(w, memory_order_acquire); }
static inline void publish(word64 *w, uint64_t v) { atomic_store_explicit(w, v, memory_order_release); }

/* tick counts one operation, and says whether to go on. */
static inline bool tick(struct meter *m) { return ++m->pending < m->burst || look(m); }

/* read_all looks at all of a message, as its reader would. */
static inline uint64_t read_all(const void *message, size_t size) {
	const uint64_t *w = message;
	uint64_t a = 0, b = 0, c = 0, d = 0;
	size_t n = size / 8, i = 0;
	for (; i + 4 <= n; i += 4) {
		a += w[i];
		b += w[i + 1];
		c += w[i + 2];
		d += w[i + 3];
	}
	for (; i < n; i++)
		a += w[i];
	return a + b + c + d;
}

#endif
