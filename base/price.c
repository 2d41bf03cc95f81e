#include "price.h"

#include <string.h>

#include "text.h"

static bool read_step(struct span text, struct price_step *step)
{
    struct span from = text_cut(&text, '=');
    uint64_t at, price;

    if (from.len < 2 || (from.bytes[0] != 's' && from.bytes[0] != 't') ||
        !text_u64((struct span){from.bytes + 1, from.len - 1}, INT64_MAX, &at) ||
        !text_u64(text, PRICE_MAX, &price))
        return false;
    *step = (struct price_step){.by = from.bytes[0] == 's' ? PRICE_BY_SHARE : PRICE_BY_TIME,
                                .from = (int64_t)at,
                                .price = (int64_t)price};
    return step->by == PRICE_BY_TIME || at <= 1000;
}

bool price_steps_read(struct span text, struct price_steps *steps)
{
    steps->count = 0;
    while (text.len > 0) {
        bool is_last = memchr(text.bytes, ',', text.len) == NULL;
        if (steps->count == PRICE_STEPS_MAX ||
            !read_step(text_cut(&text, ','), &steps->step[steps->count]) ||
            (text.len == 0 && !is_last))
            return false;
        steps->count++;
    }
    return true;
}

static bool step_holds(const struct price_step *step, uint64_t capacity, uint64_t taken,
                       int64_t now_ms)
{
    switch (step->by) {
    case PRICE_BY_SHARE:
        return taken * 1000 >= (uint64_t)step->from * capacity;
    case PRICE_BY_TIME:
        return now_ms >= step->from;
    }
    return false;
}

int64_t price_at(int64_t base, const struct price_steps *steps, uint64_t capacity, uint64_t taken,
                 int64_t now_ms)
{
    int64_t price = base;

    for (size_t i = 0; i < steps->count; i++)
        if (step_holds(&steps->step[i], capacity, taken, now_ms))
            price = steps->step[i].price;
    return price;
}

unsigned price_minor_digits(const char *currency)
{
    static const char none[] =
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
    static const char three[] = "BHD IQD JOD KWD LYD OMR TND";

    if (strstr(none, currency) != NULL)
        return 0;
    return strstr(three, currency) != NULL ? 3 : 2;
}
