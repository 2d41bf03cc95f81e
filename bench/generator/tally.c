#include "bench/generator/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *shared_new(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        perror("storm: shared memory");
        exit(1);
    }
    return memory;
}

void tally_answer(struct tally *t, enum step step, enum verdict verdict, int64_t latency_us,
                  bool inside)
{
    if (verdict == VERDICT_WRONG)
        t->wrong++;
    if (!inside) {
        t->outside++;
        return;
    }
    t->verdict[step][verdict]++;
    if (verdict == VERDICT_DONE || verdict == VERDICT_REFUSED)
        histogram_add(&t->latency[step], latency_us);
}

void tally_timeline(struct tally *t, int64_t cell_ms, int64_t at_us, enum step step,
                    enum verdict verdict, int64_t latency_us)
{
    if (cell_ms == 0 || at_us < 0 || verdict != VERDICT_DONE || step == STEP_READ)
        return;
    int64_t cell = at_us / (cell_ms * 1000);
    if (cell >= TIMELINE_CELLS)
        return;
    t->timeline_done[cell]++;
    if (latency_us > t->timeline_max_us[cell])
        t->timeline_max_us[cell] = (uint32_t)latency_us;
}

void tally_sample(struct tally *t, enum step step, const struct response_seen *r)
{
    if (t->sample[0] == '\0')
        snprintf(t->sample, sizeof(t->sample), "%s: %d %.*s", step_name(step), r->status,
                 (int)r->body.len, r->body.len > 0 ? r->body.bytes : "");
}

static int64_t earlier(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

static void merge_timeline(struct tally *into, const struct tally *from)
{
    for (size_t i = 0; i < TIMELINE_CELLS; i++) {
        into->timeline_done[i] += from->timeline_done[i];
        if (from->timeline_max_us[i] > into->timeline_max_us[i])
            into->timeline_max_us[i] = from->timeline_max_us[i];
    }
}

static void merge_listeners(struct tally *into, const struct tally *from)
{
    histogram_merge(&into->behind_us, &from->behind_us);
    if (from->listening == 0)
        return;
    if (into->listening == 0 || from->version_min < into->version_min)
        into->version_min = from->version_min;
    if (from->version_max > into->version_max)
        into->version_max = from->version_max;
    if (from->available_max > into->available_max)
        into->available_max = from->available_max;
    into->listening += from->listening;
    into->told_end += from->told_end;
}

void tally_merge(struct tally *into, const struct tally *from)
{
    for (size_t s = 0; s < STEPS_END; s++) {
        for (size_t v = 0; v < VERDICTS_END; v++)
            into->verdict[s][v] += from->verdict[s][v];
        histogram_merge(&into->latency[s], &from->latency[s]);
    }
    into->outside += from->outside;
    into->wrong += from->wrong;
    into->broken += from->broken;
    into->reconnects += from->reconnects;
    into->unanswered += from->unanswered;
    into->behind += from->behind;
    into->begun += from->begun;
    if (from->last_us > into->last_us)
        into->last_us = from->last_us;
    merge_timeline(into, from);
    if (into->sample[0] == '\0')
        memcpy(into->sample, from->sample, sizeof(into->sample));
    into->open += from->open;
    into->open_answers += from->open_answers;
    into->open_busy += from->open_busy;
    into->open_lost += from->open_lost;
    into->open_first_wall_us = earlier(into->open_first_wall_us, from->open_first_wall_us);
    if (from->open_last_wall_us > into->open_last_wall_us)
        into->open_last_wall_us = from->open_last_wall_us;
    merge_listeners(into, from);
}
