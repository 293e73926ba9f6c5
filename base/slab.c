#include "base/slab.h"

#include "base/buffer_pool.h"
#include "base/check.h"
#include "base/mem.h"

enum {
    BUF_ALIGN = 16, /* of the header, and of the bytes where they follow it */
    BUF_HEADER_BYTES = (sizeof(struct buf) + BUF_ALIGN - 1) / BUF_ALIGN * BUF_ALIGN,
};

void slab_init(struct slab *slab, uint64_t max_bytes)
{
    slab_init_named(slab, "slab", max_bytes);
}

void slab_init_named(struct slab *slab, const char *name, uint64_t max_bytes)
{
    budget_init(&slab->budget, name, max_bytes);
    slab->pool = NULL;
}

void slab_set_pool(struct slab *slab, struct buffer_pool *pool)
{
    slab->pool = pool;
}

void slab_deinit(struct slab *slab)
{
    budget_deinit(&slab->budget);
}

uint64_t slab_used_bytes(const struct slab *slab)
{
    return budget_used_bytes(&slab->budget);
}

static uint64_t cost_of(uint32_t capacity_bytes)
{
    return (uint64_t)capacity_bytes + BUF_HEADER_BYTES;
}

uint64_t buf_cost_bytes(const struct buf *buf)
{
    return cost_of(buf->capacity_bytes);
}

/* The block with the bytes: from the pool if it is large. */
static void *take_block(struct slab *slab, uint64_t size_bytes, uint32_t align_bytes)
{
    bool pooled =
        slab->pool != NULL && size_bytes >= SLAB_POOLED_BYTES && align_bytes <= BUFFER_PAGE_BYTES;

    return pooled ? buffer_take(slab->pool, size_bytes)
                  : mem_try_alloc_aligned(align_bytes, size_bytes);
}

struct buf *buf_create(struct slab *slab, uint32_t capacity_bytes, uint32_t align_bytes)
{
    uint64_t cost_bytes = cost_of(capacity_bytes);
    bool apart = align_bytes > BUF_ALIGN;
    struct buf *buf;
    uint8_t *bytes;

    check(align_bytes > 0 && (align_bytes & (align_bytes - 1)) == 0);
    if (!budget_take(&slab->budget, cost_bytes))
        return NULL;
    buf = apart ? mem_try_alloc_aligned(BUF_ALIGN, BUF_HEADER_BYTES)
                : take_block(slab, cost_bytes, BUF_ALIGN);
    if (buf == NULL)
        goto give_back;
    bytes = (uint8_t *)buf + BUF_HEADER_BYTES;
    if (apart) {
        bytes = take_block(slab, capacity_bytes, align_bytes);
        if (bytes == NULL)
            goto free_header;
    }
    *buf = (struct buf){
        .ref_count = 1,
        .capacity_bytes = capacity_bytes,
        .bytes = bytes,
        .slab = slab,
        .pool = slab->pool,
        .apart = apart,
    };
    return buf;

free_header:
    mem_free(buf);
give_back:
    budget_give(&slab->budget, cost_bytes);
    return NULL;
}

static void free_blocks(struct buf *buf)
{
    if (buf->apart) {
        buffer_give(buf->pool, buf->bytes, buf->capacity_bytes);
        mem_free(buf);
    } else {
        buffer_give(buf->pool, buf, cost_of(buf->capacity_bytes));
    }
}

void buf_init_foreign(struct buf *buf, uint8_t *bytes, uint32_t capacity_bytes,
                      void (*on_release)(struct buf *buf))
{
    *buf = (struct buf){
        .ref_count = 1, .capacity_bytes = capacity_bytes, .bytes = bytes, .on_release = on_release};
}

struct buf *buf_ref(struct buf *buf)
{
    uint32_t before = __atomic_fetch_add(&buf->ref_count, 1, __ATOMIC_RELAXED);

    check(before > 0 && before < UINT32_MAX);
    return buf;
}

void buf_unref(struct buf *buf)
{
    struct slab *slab;
    uint64_t cost_bytes;
    uint32_t before;

    if (buf == NULL)
        return;
    /* release: what this holder did with the bytes comes before the freeing; acquire: what the
     * others did, too */
    before = __atomic_fetch_sub(&buf->ref_count, 1, __ATOMIC_ACQ_REL);
    check(before > 0);
    if (before > 1)
        return;
    slab = buf->slab; /* ours alone now: nobody recharges it any more */
    if (buf->on_release != NULL)
        buf->on_release(buf);
    if (slab == NULL)
        return; /* on_release has given it to its owner: not ours to touch */
    cost_bytes = cost_of(buf->capacity_bytes);
    free_blocks(buf);
    budget_give(&slab->budget, cost_bytes); /* last: after it the slab may end */
}

void buf_recharge_anyway(struct buf *buf, struct slab *to)
{
    struct slab *from = buf->slab;

    check(from != NULL);
    budget_force(&to->budget, buf_cost_bytes(buf));
    buf->slab = to; /* the last holder sees it: dropping a reference is a release (buf_unref) */
    budget_give(&from->budget, buf_cost_bytes(buf));
}

bool buf_recharge(struct buf *buf, struct slab *to)
{
    check(buf->slab != NULL);
    if (buf->slab == to)
        return true;
    if (!budget_take(&to->budget, buf_cost_bytes(buf)))
        return false;
    budget_give(&to->budget, buf_cost_bytes(buf)); /* ours again in the next line */
    buf_recharge_anyway(buf, to);
    return true;
}

bool buf_is_unshared(const struct buf *buf)
{
    return __atomic_load_n(&buf->ref_count, __ATOMIC_ACQUIRE) == 1;
}
