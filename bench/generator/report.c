#include "bench/generator/report.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    double share;
} percentiles[] = {{"p50", 0.50}, {"p90", 0.90}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}};
#define PERCENTILES (sizeof(percentiles) / sizeof(percentiles[0]))

/* Seconds over which the counted answers came. */
static double window_s(const struct plan *plan, const struct tally *sum)
{
    double last = (double)sum->last_us / 1e6;
    double end = plan->requests > 0 || last > plan->seconds ? last : plan->seconds;

    return end > plan->warmup ? end - plan->warmup : 1e-6;
}

static uint64_t step_answers(const struct tally *t, size_t step)
{
    uint64_t n = 0;

    for (size_t v = 0; v < VERDICTS_END; v++)
        n += t->verdict[step][v];
    return n;
}

static uint64_t all_answers(const struct tally *t)
{
    uint64_t n = 0;

    for (size_t s = 0; s < STEPS_END; s++)
        n += step_answers(t, s);
    return n;
}

void report_progress(const struct plan *plan, const struct board *board, double elapsed_s)
{
    static uint64_t answers_before;
    static double elapsed_before;
    uint64_t answers = 0, wrong = 0, broken = 0, open = 0;

    for (uint32_t p = 0; p < plan->processes; p++) {
        const struct tally *t = &board->tally[p];
        answers += all_answers(t) + t->outside;
        wrong += t->wrong;
        broken += t->broken + t->open_lost;
        open += t->open;
    }
    double since = elapsed_s - elapsed_before;
    fprintf(stderr, "storm: %5.1f s  %9.0f answers/s  %llu wrong  %llu broken", elapsed_s,
            since > 0 ? (double)(answers - answers_before) / since : 0, (unsigned long long)wrong,
            (unsigned long long)broken);
    if (plan->open > 0)
        fprintf(stderr, "  %llu open", (unsigned long long)open);
    fputs(isatty(STDERR_FILENO) ? " \r" : "\n", stderr);
    answers_before = answers;
    elapsed_before = elapsed_s;
}

static double ms(uint64_t us)
{
    return (double)us / 1000.0;
}

static void print_steps(const struct plan *plan, const struct tally *sum)
{
    double seconds = window_s(plan, sum);

    printf("%-8s %10s %9s %8s %8s %8s %8s %8s %8s  ms\n", "step", "done/s", "refused/s", "other",
           "p50", "p95", "p99", "p99.9", "max");
    for (size_t s = 0; s < STEPS_END; s++) {
        const struct histogram *h = &sum->latency[s];
        const uint64_t *v = sum->verdict[s];
        if (step_answers(sum, s) == 0)
            continue;
        printf("%-8s %10.0f %9.0f %8llu %8.2f %8.2f %8.2f %8.2f %8.2f\n", step_name((enum step)s),
               (double)v[VERDICT_DONE] / seconds, (double)v[VERDICT_REFUSED] / seconds,
               (unsigned long long)(step_answers(sum, s) - v[VERDICT_DONE] - v[VERDICT_REFUSED]),
               ms(histogram_percentile(h, 0.50)), ms(histogram_percentile(h, 0.95)),
               ms(histogram_percentile(h, 0.99)), ms(histogram_percentile(h, 0.999)),
               ms(h->max_us));
    }
}

static void print_table(const struct plan *plan, const struct tally *sum)
{
    if (plan->open > 0)
        printf("open %llu, lost %llu, answers %llu; listeners behind: p99 %.2f, max %.2f ms\n",
               (unsigned long long)sum->open, (unsigned long long)sum->open_lost,
               (unsigned long long)sum->open_answers,
               ms(histogram_percentile(&sum->behind_us, 0.99)), ms(sum->behind_us.max_us));
    else
        print_steps(plan, sum);
    if (sum->denied > 0)
        printf("seats refused as taken that nobody has: %llu\n", (unsigned long long)sum->denied);
    printf("wrong %llu, broken %llu, unanswered %llu, never begun %llu\n",
           (unsigned long long)sum->wrong, (unsigned long long)sum->broken,
           (unsigned long long)sum->unanswered, (unsigned long long)sum->behind);
    if (sum->sample[0] != '\0')
        printf("first unexpected answer: %s\n", sum->sample);
}

static void write_text(FILE *f, const char *text)
{
    fputc('"', f);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', f);
        if ((unsigned char)*text < 0x20)
            fprintf(f, "\\u%04x", (unsigned)*text);
        else
            fputc(*text, f);
    }
    fputc('"', f);
}

static void write_latency(FILE *f, const struct histogram *h)
{
    fprintf(f, "{\"mean\":%.1f", histogram_mean_us(h));
    for (size_t i = 0; i < PERCENTILES; i++)
        fprintf(f, ",\"%s\":%llu", percentiles[i].name,
                (unsigned long long)histogram_percentile(h, percentiles[i].share));
    fprintf(f, ",\"max\":%llu}", (unsigned long long)h->max_us);
}

static void write_step(FILE *f, const struct tally *sum, size_t step, double seconds)
{
    fprintf(f, "\"%s\":{", step_name((enum step)step));
    for (size_t v = 0; v < VERDICTS_END; v++)
        fprintf(f, "\"%s\":%llu,", verdict_name((enum verdict)v),
                (unsigned long long)sum->verdict[step][v]);
    fprintf(f, "\"done_per_second\":%.2f,\"refused_per_second\":%.2f,\"latency_us\":",
            (double)sum->verdict[step][VERDICT_DONE] / seconds,
            (double)sum->verdict[step][VERDICT_REFUSED] / seconds);
    write_latency(f, &sum->latency[step]);
    fputc('}', f);
}

static void write_steps(FILE *f, const struct plan *plan, const struct tally *sum)
{
    const char *comma = "";

    fputs(",\n\"steps\":{", f);
    for (size_t s = 0; s < STEPS_END; s++) {
        if (step_answers(sum, s) == 0)
            continue;
        fputs(comma, f);
        write_step(f, sum, s, window_s(plan, sum));
        comma = ",\n ";
    }
    fputc('}', f);
}

static void write_timeline(FILE *f, const struct plan *plan, const struct tally *sum)
{
    size_t cells = TIMELINE_CELLS;

    while (cells > 0 && sum->timeline_done[cells - 1] == 0)
        cells--;
    fprintf(f, ",\n\"timeline\":{\"cell_ms\":%lld,\"done\":[", (long long)plan->timeline_ms);
    for (size_t i = 0; i < cells; i++)
        fprintf(f, "%s%u", i > 0 ? "," : "", sum->timeline_done[i]);
    fputs("],\"max_us\":[", f);
    for (size_t i = 0; i < cells; i++)
        fprintf(f, "%s%u", i > 0 ? "," : "", sum->timeline_max_us[i]);
    fputs("]}", f);
}

static void write_counts(FILE *f, const struct tally *sum)
{
    const struct {
        const char *name;
        uint64_t n;
    } counts[] = {
        {"begun", sum->begun},
        {"outside", sum->outside},
        {"wrong", sum->wrong},
        {"denied", sum->denied},
        {"broken", sum->broken},
        {"reconnects", sum->reconnects},
        {"unanswered", sum->unanswered},
        {"behind", sum->behind},
        {"open", sum->open},
        {"open_busy", sum->open_busy},
        {"open_lost", sum->open_lost},
        {"open_answers", sum->open_answers},
        {"open_first_wall_us", (uint64_t)sum->open_first_wall_us},
        {"open_last_wall_us", (uint64_t)sum->open_last_wall_us},
        {"listening", sum->listening},
        {"told_end", sum->told_end},
        {"version_min", sum->version_min},
        {"version_max", sum->version_max},
        {"available_max", sum->available_max},
    };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        fprintf(f, ",\n\"%s\":%llu", counts[i].name, (unsigned long long)counts[i].n);
}

static bool write_json(const struct plan *plan, const struct board *board, const struct tally *sum)
{
    FILE *f = strcmp(plan->json, "-") == 0 ? stdout : fopen(plan->json, "w");

    if (f == NULL)
        return false;
    fprintf(f, "{\"clients\":%u,\"processes\":%u,\"rate\":%g,\"shows\":%u,\"seed\":%llu,",
            plan->clients, plan->processes, plan->rate, plan->world.shows,
            (unsigned long long)plan->world.seed);
    fprintf(f, "\n\"window_seconds\":%.3f,\"start_wall_us\":%lld", window_s(plan, sum),
            (long long)board->start_wall_us);
    write_counts(f, sum);
    fputs(",\n\"sample\":", f);
    write_text(f, sum->sample);
    fputs(",\n\"behind_us\":", f);
    write_latency(f, &sum->behind_us);
    write_steps(f, plan, sum);
    if (plan->timeline_ms > 0)
        write_timeline(f, plan, sum);
    fputs("}\n", f);
    bool right = ferror(f) == 0;
    if (f == stdout)
        return fflush(f) == 0 && right;
    return fclose(f) == 0 && right;
}

bool report_end(const struct plan *plan, const struct board *board, const struct tally *sum)
{
    if (!plan->quiet)
        print_table(plan, sum);
    if (plan->json == NULL || write_json(plan, board, sum))
        return true;
    perror("storm: --json");
    return false;
}
