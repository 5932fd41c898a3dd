/* A ring of bytes with one writer and one reader, each of which keeps the last
 * position it saw of the other. A message is filled in by memcpy and read where it
 * lies. */
#include "shared.h"

struct ring {
	ALONE word64 tail; /* messages ever written; the writer's */
	ALONE word64 head; /* messages ever read; the reader's */
	ALONE word64 stop; /* the reader has seen enough; the reader's */
	ALONE unsigned char slots[];
};

static void write_all(const struct job *j, struct ring *r) {
	unsigned char *message = malloc(j->size);
	memset(message, 3, j->size);
	uint64_t tail = 0, head = 0, mask = j->capacity - 1;
	for (;;) {
		while (tail - head == j->capacity) {
			head = observe(&r->head);
			if (tail - head == j->capacity) {
				if (observe(&r->stop))
					return;
				relax();
			}
		}
		memcpy(r->slots + (tail & mask) * j->size, message, j->size);
		publish(&r->tail, ++tail);
	}
}

static volatile uint64_t sink;

static struct sample read_until_done(const struct job *j, struct ring *r) {
	struct meter m;
	open_meter(&m, burst_of(j->size), j->budget, 0);
	uint64_t tail = 0, head = 0, sum = 0, mask = j->capacity - 1;
	do {
		while (head == tail) {
			tail = observe(&r->tail);
			if (head == tail)
				relax();
		}
		sum += read_all(r->slots + (head & mask) * j->size, j->size);
		publish(&r->head, ++head);
	} while (tick(&m));
	sink = sum;
	publish(&r->stop, 1);
	struct tally t = tally_of(&m);
	return (struct sample){t.rate, t.slow, t.count};
}

struct sample measure_one_way(const struct job *j) {
	struct ring *r = share(sizeof *r + j->size * j->capacity);
	pid_t p = start_process();
	if (p == 0) {
		pin(j, 1);
		write_all(j, r);
		exit(0);
	}
	pin(j, 0);
	struct sample s = read_until_done(j, r);
	end_process(p);
	return s;
}
