/* A bounded queue for any number of producers and consumers, after Dmitry Vyukov:
 * each cell's turn says whose it is. It is not safe from crashes: who is killed
 * between claim and publish stops everybody. */
#include "shared.h"
#include <sched.h>

struct cell {
	_Alignas(64) word64 turn; /* n: free for message n; n+1: holds it */
	unsigned char message[];
};

struct queue {
	ALONE word64 tail; /* next message to put; any producer */
	ALONE word64 head; /* next message to get; any consumer */
	struct start start;
	ALONE word64 stop;
	size_t stride;
	ALONE unsigned char cells[];
};

static struct cell *cell_of(const struct job *j, struct queue *q, uint64_t n) {
	return (void *)(q->cells + (n & (j->capacity - 1)) * q->stride);
}

static struct queue *new_queue(const struct job *j) {
	size_t stride = (sizeof(struct cell) + j->size + 63) / 64 * 64;
	struct queue *q = share(sizeof *q + stride * j->capacity);
	q->stride = stride;
	for (size_t i = 0; i < j->capacity; i++)
		publish(&cell_of(j, q, i)->turn, i);
	return q;
}

/* claim takes message number n at *next if the cell's turn is n + offset. */
static struct cell *claim(const struct job *j, struct queue *q, word64 *next, uint64_t offset, uint64_t *n) {
	*n = atomic_load_explicit(next, memory_order_relaxed);
	for (;;) {
		struct cell *c = cell_of(j, q, *n);
		int64_t ahead = (int64_t)(observe(&c->turn) - (*n + offset));
		if (ahead < 0)
			return NULL;
		if (ahead > 0)
			*n = atomic_load_explicit(next, memory_order_relaxed);
		else if (atomic_compare_exchange_weak_explicit(next, n, *n + 1, memory_order_relaxed, memory_order_relaxed))
			return c;
	}
}

static bool put(const struct job *j, struct queue *q, const void *message) {
	uint64_t n;
	struct cell *c = claim(j, q, &q->tail, 0, &n);
	if (c == NULL)
		return false;
	memcpy(c->message, message, j->size);
	publish(&c->turn, n + 1);
	return true;
}

static bool get(const struct job *j, struct queue *q, void *message) {
	uint64_t n;
	struct cell *c = claim(j, q, &q->head, 1, &n);
	if (c == NULL)
		return false;
	memcpy(message, c->message, j->size);
	publish(&c->turn, n + j->capacity);
	return true;
}

/* A process that has to wait spins a little, and then lets others run if there are
 * more processes than CPUs. */
static void wait_a_little(const struct job *j, int *spins) {
	if (++*spins % 64 == 0 && j->producers + j->consumers > j->ncpus)
		sched_yield();
	else
		relax();
}

static void produce(const struct job *j, struct queue *q) {
	unsigned char *message = malloc(j->size);
	memset(message, 3, j->size);
	for (int spins = 0;; spins = 0)
		while (!put(j, q, message)) {
			if (observe(&q->stop))
				return;
			wait_a_little(j, &spins);
		}
}

static volatile uint64_t sink;

static struct tally consume(const struct job *j, struct queue *q, uint64_t opens) {
	unsigned char *message = malloc(j->size);
	struct meter m;
	open_meter(&m, burst_of(j->size), j->budget, opens);
	uint64_t sum = 0;
	do {
		int spins = 0;
		while (!get(j, q, message)) {
			if (observe(&q->stop)) /* another consumer had enough */
				goto done;
			wait_a_little(j, &spins);
		}
		sum += read_all(message, j->size);
	} while (tick(&m));
done:
	sink = sum;
	publish(&q->stop, 1);
	return tally_of(&m);
}

struct sample measure_queue(const struct job *j) {
	int n = j->producers + j->consumers;
	struct queue *q = new_queue(j);
	struct tally *tallies = share((size_t)n * sizeof *tallies);
	pid_t processes[n];
	for (int i = 0; i < n; i++) {
		if ((processes[i] = start_process()) != 0)
			continue;
		pin(j, i);
		uint64_t opens = await_start(&q->start);
		if (i < j->producers)
			produce(j, q);
		else
			tallies[i] = consume(j, q, opens);
		exit(0);
	}
	give_start(&q->start, n, j->budget);
	struct sample s = {0};
	for (int i = 0; i < n; i++) {
		end_process(processes[i]);
		s.figure += tallies[i].rate;
		s.p99 += tallies[i].slow;
		s.count += tallies[i].count;
	}
	return s;
}
