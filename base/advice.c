#include "advice.h"

#define SLACK 0.001    /* of one: rounding is no reason for another */
#define LITTLE_USE 0.1 /* a partition that has room for a show */
#define KEEP 1.1       /* fewer only if a tenth more would fit into them, too */
#define COMMIT_SHARE_HIGH 0.5

double partition_use(const struct partition_figures *p)
{
    double use = p->capacity > 0 ? p->decided / p->capacity : 0;

    return use > 1 || p->wait_ms > WAIT_LONG_MS ? 1 : use;
}

static unsigned whole(double n, unsigned max)
{
    if (n <= 1)
        return 1;
    return n >= max ? max : (unsigned)(n + 1 - SLACK);
}

/* Before `end`, of this database. */
static size_t count_of(const struct partition_figures *p, size_t end, uint32_t database)
{
    size_t count = 0;

    for (size_t i = 0; i < end; i++)
        count += p[i].database == database;
    return count;
}

/* What fits under the aim stays together. Beyond it a hot show is by itself, however much it needs:
 * it cannot be divided; the shows beside it go to others, if it leaves them anything. */
static unsigned wanted_in(const struct partition_figures *p, size_t count, uint32_t database)
{
    double rest = 0;
    unsigned own = 0;

    for (size_t i = 0; i < count; i++) {
        double use = partition_use(&p[i]);
        if (p[i].database != database)
            continue;
        if (use <= PARTITION_AIM || p[i].hot_show == 0 || p[i].hot_share < HOT_SHARE) {
            rest += use;
            continue;
        }
        own++;
        rest += p[i].hot_share < ALONE_SHARE ? use * (1 - p[i].hot_share) : 0;
    }
    return whole(own + rest / PARTITION_AIM, PARTITIONS_WANTED_MAX);
}

unsigned partitions_wanted(const struct partition_figures *p, size_t count)
{
    unsigned wanted = 0;

    for (size_t i = 0; i < count && wanted < PARTITIONS_WANTED_MAX; i++)
        if (count_of(p, i, p[i].database) == 0) /* the first that names its database */
            wanted += wanted_in(p, count, p[i].database);
    return wanted == 0 ? 1 : wanted < PARTITIONS_WANTED_MAX ? wanted : PARTITIONS_WANTED_MAX;
}

/* Sums over all gateways: what is used, and what there is. */
struct sums {
    double used[GATEWAY_BOUNDS], all[GATEWAY_BOUNDS];
};

static struct sums add_up(const struct gateway_load *load, size_t count)
{
    struct sums s = {{0}, {0}};

    for (size_t i = 0; i < count; i++) {
        double workers = load[i].workers > 0 ? (double)load[i].workers : 1;
        s.used[BOUND_BUSY] += workers * (double)load[i].busy_permille / 1000;
        s.all[BOUND_BUSY] += workers;
        s.used[BOUND_CONNECTIONS] += (double)load[i].connections;
        s.all[BOUND_CONNECTIONS] += (double)load[i].connections_max;
        s.used[BOUND_AWAITING] += (double)load[i].awaiting;
        s.all[BOUND_AWAITING] += (double)load[i].awaiting_max;
    }
    return s;
}

struct gateways_wanted gateways_wanted(const struct gateway_load *load, size_t count)
{
    static const double aim[GATEWAY_BOUNDS] = {[BOUND_BUSY] = GATEWAY_BUSY_AIM,
                                               [BOUND_CONNECTIONS] = GATEWAY_CONNECTIONS_AIM,
                                               [BOUND_AWAITING] = GATEWAY_AWAITING_AIM};
    struct sums s = add_up(load, count);
    struct gateways_wanted w = {.wanted = 1};
    double need = 0;

    for (int b = 0; b < GATEWAY_BOUNDS; b++) {
        w.use[b] = s.all[b] > 0 ? s.used[b] / s.all[b] : 0;
        if (w.use[b] / aim[b] <= need)
            continue;
        need = w.use[b] / aim[b];
        w.by = (enum gateway_bound)b;
    }
    need *= (double)count;
    w.wanted = whole(need, WANTED_MAX);
    if (w.wanted < count) {
        unsigned kept = whole(need * KEEP, WANTED_MAX);
        w.wanted = kept < count ? kept : (unsigned)count;
    }
    return w;
}

static unsigned least(const struct smoothing *s, size_t looks)
{
    unsigned found = UINT32_MAX;

    for (size_t i = 1; i <= looks; i++) {
        unsigned look = s->look[(s->next + SMOOTHING_LOOKS - i) % SMOOTHING_LOOKS];
        found = look < found ? look : found;
    }
    return found;
}

static unsigned most(const struct smoothing *s)
{
    unsigned found = 0;

    for (size_t i = 0; i < SMOOTHING_LOOKS; i++)
        found = s->look[i] > found ? s->look[i] : found;
    return found;
}

unsigned smoothing_step(struct smoothing *s, unsigned wanted, unsigned now)
{
    if (!s->has_begun) {
        for (size_t i = 0; i < SMOOTHING_LOOKS; i++)
            s->look[i] = now;
        s->told = now;
        s->has_begun = true;
    }
    s->look[s->next] = wanted;
    s->next = (s->next + 1) % SMOOTHING_LOOKS;
    if (least(s, SMOOTHING_RISE) > s->told)
        s->told = least(s, SMOOTHING_RISE);
    else if (most(s) < s->told)
        s->told = most(s);
    return s->told;
}

struct findings {
    size_t count;
    struct finding *finding;
};

static void find(struct findings *all, struct finding one)
{
    if (all->count < FINDINGS_MAX)
        all->finding[all->count++] = one;
}

/* Another one that has room for a show of this one: the emptiest, if that is nearly empty. */
static uint32_t empty_partition(const struct figures *f, const struct partition_figures *but)
{
    uint32_t found = 0;
    double least_use = LITTLE_USE;

    for (size_t i = 0; i < f->partitions; i++) {
        const struct partition_figures *p = &f->partition[i];
        if (p->partition == but->partition || p->database != but->database || !p->is_serving ||
            partition_use(p) > least_use)
            continue;
        if (found == 0 || partition_use(p) < least_use)
            found = p->partition;
        least_use = partition_use(p);
    }
    return found;
}

static void look_at_partition(const struct figures *f, const struct partition_figures *p,
                              struct findings *all)
{
    struct finding one = {.partition = p->partition, .show = p->hot_show, .share = p->hot_share};
    bool is_hot = p->hot_show != 0 && p->hot_share >= HOT_SHARE;

    if (!p->is_serving) {
        one.kind = FINDING_NOT_SERVED;
        find(all, one);
        return;
    }
    if (partition_use(p) < PARTITION_HIGH)
        return;
    one.to = empty_partition(f, p);
    if (!is_hot) {
        one.kind = FINDING_PARTITION_HIGH;
        find(all, one);
    } else if (p->hot_share < ALONE_SHARE) {
        one.kind = FINDING_HOT_SHOW;
        find(all, one);
    } else if (!p->hot_has_room) {
        one.kind = FINDING_WAITING_ROOM;
        find(all, one);
    }
    if (p->commit_share > COMMIT_SHARE_HIGH) {
        one.kind = FINDING_POSTGRES_SLOW;
        one.share = p->commit_share;
        find(all, one);
    }
}

/* Whose shows could go elsewhere: the emptiest of those whose database has more than it wants, the
 * later one of two alike; and where to: the emptiest of the others there. */
static void look_whether_many(const struct figures *f, struct findings *all)
{
    const struct partition_figures *from = NULL, *to = NULL;

    for (size_t i = 0; i < f->partitions; i++) {
        const struct partition_figures *p = &f->partition[i];
        if ((from == NULL || partition_use(p) <= partition_use(from)) &&
            wanted_in(f->partition, f->partitions, p->database) <
                count_of(f->partition, f->partitions, p->database))
            from = p;
    }
    for (size_t i = 0; from != NULL && i < f->partitions; i++) {
        const struct partition_figures *p = &f->partition[i];
        if (p != from && p->database == from->database &&
            (to == NULL || partition_use(p) < partition_use(to)))
            to = p;
    }
    if (to != NULL)
        find(all, (struct finding){.kind = FINDING_PARTITIONS_MANY,
                                   .partition = from->partition,
                                   .to = to->partition,
                                   .count = partitions_wanted(f->partition, f->partitions)});
}

static void look_at_gateways(const struct figures *f, struct findings *all)
{
    struct gateways_wanted w = gateways_wanted(f->gateway, f->gateways);
    uint64_t busiest = 0;

    if (f->gateways == 0)
        return;
    for (size_t i = 0; i < f->gateways; i++)
        if (f->gateway[i].busiest_permille > busiest)
            busiest = f->gateway[i].busiest_permille;
    if (w.wanted > f->gateways)
        find(all, (struct finding){
                      .kind = FINDING_GATEWAYS_FEW, .count = w.wanted, .share = w.use[w.by]});
    else if ((double)busiest / 1000 > GATEWAY_BUSIEST_HIGH)
        find(all, (struct finding){.kind = FINDING_WORKER_BUSY, .share = (double)busiest / 1000});
    if (w.wanted < f->gateways)
        find(all, (struct finding){
                      .kind = FINDING_GATEWAYS_MANY, .count = w.wanted, .share = w.use[w.by]});
}

/* A stable sort by kind: there are few. */
static void put_in_order(struct findings *all)
{
    for (size_t i = 1; i < all->count; i++) {
        struct finding one = all->finding[i];
        size_t at = i;
        for (; at > 0 && all->finding[at - 1].kind > one.kind; at--)
            all->finding[at] = all->finding[at - 1];
        all->finding[at] = one;
    }
}

size_t advise(const struct figures *f, struct finding finding[FINDINGS_MAX])
{
    struct findings all = {0, finding};

    for (size_t i = 0; i < f->partitions; i++)
        look_at_partition(f, &f->partition[i], &all);
    /* While one of them has something to be done about, it is no time to have fewer. */
    if (all.count == 0)
        look_whether_many(f, &all);
    if (f->lock_waits > 0)
        find(&all, (struct finding){.kind = FINDING_LOCK_WAITS, .count = f->lock_waits});
    if (f->redis_busy > REDIS_HIGH)
        find(&all, (struct finding){.kind = FINDING_REDIS_BUSY, .share = f->redis_busy});
    look_at_gateways(f, &all);
    put_in_order(&all);
    return all.count;
}
