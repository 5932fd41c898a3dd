/* A message there and back through two mailboxes. Awake: both spin. Otherwise a
 * reader spins for a while and then sleeps on a futex, and a writer makes a system
 * call only for a reader who said that it sleeps. */
#include "shared.h"

#define PATIENCE 20000u /* ns of spinning */

struct mailbox {
	ALONE word32 turn; /* number of the last message */
	unsigned char message[];
};

struct bell {
	ALONE word32 asleep;
};

struct trip {
	struct mailbox *out, *in;
	struct bell *theirs, *mine;
	unsigned char *copy;
	size_t size;
	uint32_t turn;
	bool awake;
};

static void await(struct trip *t, uint32_t turn) {
	word32 *w = &t->in->turn;
	uint64_t until = 0;
	for (;;) {
		for (int i = 0; i < 64; i++) {
			if (atomic_load_explicit(w, memory_order_acquire) == turn)
				return;
			relax();
		}
		if (t->awake)
			continue;
		uint64_t time = now();
		if (until == 0)
			until = time + PATIENCE;
		if (time < until)
			continue;
		atomic_store(&t->mine->asleep, 1);
		uint32_t seen = atomic_load(w);
		if (seen != turn)
			futex_wait(w, seen);
		atomic_store(&t->mine->asleep, 0);
	}
}

static void post(struct trip *t, uint32_t turn) {
	memcpy(t->out->message, t->copy, t->size);
	if (t->awake) {
		atomic_store_explicit(&t->out->turn, turn, memory_order_release);
		return;
	}
	atomic_store(&t->out->turn, turn);
	if (atomic_load(&t->theirs->asleep))
		futex_wake(&t->out->turn, 1);
}

static void receive(struct trip *t, uint32_t turn) {
	await(t, turn);
	memcpy(t->copy, t->in->message, t->size);
}

static void once(void *arg) {
	struct trip *t = arg;
	post(t, ++t->turn);
	receive(t, t->turn);
}

static void echo(struct trip *t) {
	for (;;) {
		receive(t, ++t->turn);
		post(t, t->turn);
	}
}

struct sample measure_round_trip(const struct job *j) {
	size_t box = sizeof(struct mailbox) + (j->size + LINE - 1) / LINE * LINE + LINE;
	struct bell *bells = share(2 * sizeof *bells);
	unsigned char *boxes = share(2 * box);
	struct mailbox *there = (void *)boxes, *back = (void *)(boxes + box);
	struct trip t = {there, back, bells + 1, bells, malloc(j->size), j->size, 0, j->awake};
	memset(t.copy, 7, j->size);
	pid_t p = start_process();
	if (p == 0) {
		pin(j, 1);
		struct trip other = {back, there, bells, bells + 1, t.copy, j->size, 0, j->awake};
		echo(&other);
	}
	pin(j, 0);
	struct sample s = latency(j, once, &t);
	kill_process(p);
	return s;
}
