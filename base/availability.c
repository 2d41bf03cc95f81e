#include "availability.h"

#include "codec.h"

#define FIELDS 3
#define TIER_FIELDS 6

static bool tier_from(struct value v, struct tier_count *tier);
static bool availability_from(struct value v, struct availability *a);

void availability_pack(struct buf *b, const struct availability *a)
{
    pack_array(b, FIELDS);
    pack_uint(b, a->show);
    pack_uint(b, a->version);
    pack_array(b, a->tiers);
    for (size_t i = 0; i < a->tiers; i++) {
        const struct tier_count *tier = &a->tier[i];

        pack_array(b, TIER_FIELDS);
        pack_uint(b, tier->tier);
        pack_uint(b, tier->capacity);
        pack_uint(b, tier->available);
        pack_uint(b, tier->held);
        pack_uint(b, tier->booked);
        pack_uint(b, tier->blocked);
    }
}

enum err availability_read(struct span bytes, struct availability *a)
{
    struct tree tree;
    bool right;

    TRY(tree_read(&tree, bytes.bytes, bytes.len));
    right = availability_from(tree_root(&tree), a);
    tree_free(&tree);
    return right ? ERR_NONE : ERR_INPUT;
}

static bool availability_from(struct value v, struct availability *a)
{
    struct value tiers;
    size_t count;

    if (!value_is_array(v, &count) || count < FIELDS || !value_u32(value_at(v, 0), &a->show) ||
        !value_uint(value_at(v, 1), &a->version))
        return false;
    tiers = value_at(v, 2);
    if (!value_is_array(tiers, &a->tiers) || a->tiers > TIERS_MAX)
        return false;
    for (size_t i = 0; i < a->tiers; i++) {
        if (!tier_from(value_at(tiers, i), &a->tier[i]))
            return false;
    }
    return true;
}

static bool tier_from(struct value v, struct tier_count *tier)
{
    size_t count;

    return value_is_array(v, &count) && count >= TIER_FIELDS &&
           value_u32(value_at(v, 0), &tier->tier) && tier->tier >= 1 && tier->tier <= TIERS_MAX &&
           value_u32(value_at(v, 1), &tier->capacity) &&
           value_u32(value_at(v, 2), &tier->available) && value_u32(value_at(v, 3), &tier->held) &&
           value_u32(value_at(v, 4), &tier->booked) && value_u32(value_at(v, 5), &tier->blocked);
}
