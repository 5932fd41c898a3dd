/* The limit: what the machine can do when a program knows exactly what it wants and
 * need not survive anything. One run does one job, given as words key=value, and
 * prints one sample. */
#include "shared.h"
#include <math.h>

static const struct {
	const char *work;
	struct sample (*measure)(const struct job *);
} works[] = {
	{"round-trip", measure_round_trip},
	{"one-way", measure_one_way},
	{"queue", measure_queue},
	{"mutex-alone", measure_mutex_alone},
	{"mutex-contended", measure_mutex_contended},
	{"takeover", measure_takeover},
	{"start", measure_start},
	{"bitmap", measure_bitmap},
	{"wake", measure_wake},
};

/* value returns what stands behind key= in word, or NULL. */
static const char *value(const char *word, const char *key) {
	size_t n = strlen(key);
	return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static void read_word(struct job *j, const char *word) {
	const char *v;
	if ((v = value(word, "work")))
		j->work = v;
	else if ((v = value(word, "size")))
		j->size = strtoull(v, NULL, 10);
	else if ((v = value(word, "capacity")))
		j->capacity = strtoull(v, NULL, 10);
	else if ((v = value(word, "producers")))
		j->producers = atoi(v);
	else if ((v = value(word, "consumers")))
		j->consumers = atoi(v);
	else if ((v = value(word, "workers")))
		j->workers = atoi(v);
	else if ((v = value(word, "awake")))
		j->awake = atoi(v);
	else if ((v = value(word, "plain")))
		j->plain = atoi(v);
	else if ((v = value(word, "budget")))
		j->budget = strtoull(v, NULL, 10);
	else if ((v = value(word, "cpu")) && j->ncpus < 64)
		j->cpus[j->ncpus++] = atoi(v);
}

static size_t power_of_two(size_t n) {
	size_t p = 1;
	while (p < n)
		p *= 2;
	return p;
}

int main(int argc, char **argv) {
	struct job j = {.work = ""};
	int i = 1;
	for (; i < argc && strcmp(argv[i], "--") != 0; i++)
		read_word(&j, argv[i]);
	j.capacity = power_of_two(j.capacity);
	j.argv = argv + i + (i < argc);
	for (size_t w = 0; w < sizeof works / sizeof *works; w++) {
		if (strcmp(works[w].work, j.work) != 0)
			continue;
		struct sample s = works[w].measure(&j);
		if (s.count == 0)
			s.figure = s.p99 = 0;
		printf("{\"figure\":%.3f,\"p99\":%.3f,\"count\":%.0f}\n", s.figure, s.p99, ceil(s.count));
		return 0;
	}
	fprintf(stderr, "limit: no such work: %s\n", j.work);
	return 2;
}
