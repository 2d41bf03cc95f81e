/*
 * The simulated provider: takes nobody's money. Whether a payment succeeds follows from its id, so
 * it is the same whoever asks, however often, and after any crash: a provider that keeps its word
 * without keeping books.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "courier/provider.h"

struct simulated {
    const struct options *options;
    provider_done *done;
    void *context;
    size_t jobs;
    struct job *job[JOBS_MAX];
};

static void begin(void *self, struct job *job)
{
    struct simulated *s = self;

    assert(s->jobs < JOBS_MAX);
    job->due_us = clock_mono_us() + s->options->simulated_delay_ms * 1000;
    s->job[s->jobs++] = job;
}

static struct verdict judge(const struct simulated *s, const struct job *job)
{
    struct verdict verdict = {.kind = VERDICT_SUCCEEDED};
    struct id id = job->kind == JOB_REFUND ? job->refund : job->payment;
    char text[ID_TEXT_BYTES];

    id_format(id, text);
    snprintf(verdict.reference, sizeof verdict.reference, "simulated_%s", text);
    if (job->kind == JOB_REFUND ||
        id_hash(job->payment) % 1000 >= (uint64_t)s->options->simulated_failures)
        return verdict;
    verdict.kind = VERDICT_FAILED;
    snprintf(verdict.reason, sizeof verdict.reason, "card_declined");
    return verdict;
}

static int64_t next_due_us(const struct simulated *s, int64_t end_us)
{
    for (size_t i = 0; i < s->jobs; i++)
        if (s->job[i]->due_us < end_us)
            end_us = s->job[i]->due_us;
    return end_us;
}

static void wait_for(void *self, int64_t ms)
{
    struct simulated *s = self;
    int64_t pause_us = next_due_us(s, clock_mono_us() + ms * 1000) - clock_mono_us();

    if (pause_us > 0)
        clock_sleep_ms((pause_us + 999) / 1000);
    for (size_t i = 0; i < s->jobs;) {
        struct job *job = s->job[i];
        if (job->due_us > clock_mono_us()) {
            i++;
            continue;
        }
        struct verdict verdict = judge(s, job);
        s->job[i] = s->job[--s->jobs];
        s->done(s->context, job, &verdict);
    }
}

struct provider simulated_new(const struct options *options, provider_done *done, void *context)
{
    struct simulated *s = calloc(1, sizeof *s);

    assert(s != NULL);
    s->options = options;
    s->done = done;
    s->context = context;
    return (struct provider){begin, wait_for, free, s};
}
