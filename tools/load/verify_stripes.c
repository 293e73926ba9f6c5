#include "tools/load/verify_stripes.h"

#include "base/mem.h"

/* splitmix64's finalizer (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

enum err verify_stripes_create(int64_t from_offset, int64_t to_offset, int64_t stripe_offsets,
                               struct verify_stripes **out)
{
    struct verify_stripes *stripes = mem_try_alloc(sizeof(*stripes));
    uint64_t offsets = to_offset > from_offset ? (uint64_t)(to_offset - from_offset) : 0;

    if (stripes == NULL)
        return ERR_NOMEM;
    stripes->from_offset = from_offset;
    stripes->stripe_offsets = stripe_offsets;
    stripes->stripes_count = offsets / (uint64_t)stripe_offsets + 1;
    for (int side = 0; side < VERIFY_SIDE_COUNT; side++) {
        stripes->sides[side] =
            stripes->stripes_count > SIZE_MAX / sizeof(struct verify_stripe)
                ? NULL
                : mem_try_alloc(stripes->stripes_count * sizeof(struct verify_stripe));
        if (stripes->sides[side] == NULL) {
            verify_stripes_destroy(stripes);
            return ERR_NOMEM;
        }
    }
    *out = stripes;
    return OK;
}

void verify_stripes_destroy(struct verify_stripes *stripes)
{
    if (stripes == NULL)
        return;
    for (int side = 0; side < VERIFY_SIDE_COUNT; side++)
        mem_free(stripes->sides[side]);
    mem_free(stripes);
}

uint64_t verify_stripes_index(const struct verify_stripes *stripes, int64_t offset)
{
    uint64_t index;

    if (offset < stripes->from_offset)
        return UINT64_MAX;
    index = (uint64_t)(offset - stripes->from_offset) / (uint64_t)stripes->stripe_offsets;
    return index < stripes->stripes_count ? index : UINT64_MAX;
}

struct verify_stripe verify_stripes_of(const struct batch_header *header)
{
    uint64_t sum = mix((uint64_t)header->base_offset + 1);

    sum = mix(sum ^ ((uint64_t)header->crc << 32 | (uint32_t)header->last_offset_delta));
    sum = mix(sum ^ (uint64_t)header->producer_id);
    return (struct verify_stripe){.sum = sum, .records_count = header->record_count};
}

void verify_stripes_add(struct verify_stripes *stripes, enum verify_side side, uint64_t index,
                        const struct verify_stripe *what)
{
    struct verify_stripe *stripe;

    if (index >= stripes->stripes_count)
        return;
    stripe = &stripes->sides[side][index];
    stripe->sum += what->sum;
    stripe->records_count += what->records_count;
}

uint64_t verify_stripes_difference(const struct verify_stripes *stripes, uint64_t index)
{
    const struct verify_stripe *expected = stripes->sides[VERIFY_EXPECTED];
    const struct verify_stripe *seen = stripes->sides[VERIFY_SEEN];

    for (; index < stripes->stripes_count; index++)
        if (expected[index].sum != seen[index].sum ||
            expected[index].records_count != seen[index].records_count)
            return index;
    return UINT64_MAX;
}
