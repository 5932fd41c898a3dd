/* Measuring, as package gauge does it. */
#include "shared.h"

#define MOST (1u << 20)
#define BURST 20000u /* ns */

void keep(struct samples *s, double took) {
	if (s->took == NULL && (s->took = malloc(MOST * sizeof *s->took)) == NULL)
		fail("malloc");
	if (s->count < MOST)
		s->took[s->count++] = took;
}

static int ascending(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double quantile(struct samples *s, double q) {
	if (s->count == 0)
		return 0;
	qsort(s->took, s->count, sizeof *s->took, ascending);
	double at = q * (double)(s->count - 1);
	size_t low = (size_t)at, high = low + 1 < s->count ? low + 1 : low;
	return s->took[low] + (at - (double)low) * (s->took[high] - s->took[low]);
}

/* repeat measures bursts of n operations. */
static struct samples repeat(void (*once)(void *), void *arg, uint64_t n, uint64_t budget) {
	struct samples s = {0};
	uint64_t begin = now(), last = begin;
	while (s.count == 0 || (last - begin < budget && s.count < MOST)) {
		for (uint64_t i = 0; i < n; i++)
			once(arg);
		uint64_t t = now();
		keep(&s, (double)(t - last));
		last = t;
	}
	return s;
}

static uint64_t warm_up(void (*once)(void *), void *arg, uint64_t budget) {
	uint64_t end = now() + budget;
	for (uint64_t n = 1;; n *= 2) {
		uint64_t begin = now();
		for (uint64_t i = 0; i < n; i++)
			once(arg);
		uint64_t t = now(), took = t - begin;
		if (t > end)
			return took / n;
		if (took > budget / 4 && n > 1)
			n /= 2;
	}
}

static void nothing(void *arg) { (void)arg; }

static double clock_cost(void) {
	struct samples s = repeat(nothing, NULL, 1, 1000000);
	return quantile(&s, 0.5);
}

struct sample latency(const struct job *j, void (*once)(void *), void *arg) {
	uint64_t cost = warm_up(once, arg, j->budget / 5);
	uint64_t n = BURST / (cost ? cost : 1);
	if (n == 0)
		n = 1;
	struct samples bursts = repeat(once, arg, n, j->budget * 3 / 5), singles = bursts;
	if (n > 1)
		singles = repeat(once, arg, 1, j->budget / 5);
	double p99 = quantile(&singles, 0.99) - clock_cost();
	return (struct sample){quantile(&bursts, 0.5) / (double)n, p99 > 0 ? p99 : 0, (double)(n * bursts.count)};
}

void open_meter(struct meter *m, uint64_t burst, uint64_t budget, uint64_t opens) {
	uint64_t t = now();
	if (opens == 0)
		opens = t + budget / 4;
	*m = (struct meter){.burst = burst, .opens = opens, .closes = opens + budget, .last = t};
}

uint64_t burst_of(size_t size) {
	uint64_t n = (16u << 10) / (size ? size : 1);
	return n < 1 ? 1 : n > 256 ? 256 : n;
}

/* look ends a burst. Of one that is only partly in the window that part counts. */
bool look(struct meter *m) {
	uint64_t t = now(), begin = m->last;
	double done = (double)m->pending;
	uint64_t from = begin > m->opens ? begin : m->opens, to = t < m->closes ? t : m->closes;
	if (to > from) {
		m->counted += done * (double)(to - from) / (double)(t - begin);
		keep(&m->took, (double)(t - begin) / done);
	}
	m->last = t;
	m->pending = 0;
	return t < m->closes;
}

struct tally tally_of(struct meter *m) {
	if (m->counted == 0)
		return (struct tally){0};
	return (struct tally){
		.rate = m->counted * 1e9 / (double)(m->closes - m->opens),
		.slow = 1e9 / quantile(&m->took, 0.99),
		.count = m->counted,
	};
}
