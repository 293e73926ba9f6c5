/* budget: how many bytes one purpose may hold, and who waits for some.
 *
 * A budget counts; the memory itself comes from elsewhere (base/slab, an arena).  One purpose has
 * one budget, and none lends to another: who spends his own stops nobody else.
 *
 * Bytes are given back on any thread.  With budget_set_loop it belongs to that loop, which alone
 * takes and waits.
 *   BUD-1  used_bytes passes max_bytes only through budget_force
 *   BUD-2  who waits is served in the order of waiting, and before who comes later: budget_take
 *       refuses while somebody waits, except within a waiter's room
 *   BUD-3  a waiter runs once for each budget_wait, from the loop, never inside a call */
#ifndef LEVEE_BASE_BUDGET_H
#define LEVEE_BASE_BUDGET_H

#include "base/list.h"
#include "base/loop.h"
#include "base/metrics.h"

#include <stdbool.h>
#include <stdint.h>

struct budget {
    const char *name;        /* "answers"; a literal */
    uint64_t max_bytes;      /* constant after the start */
    uint64_t used_bytes;     /* atomic */
    struct counter refusals; /* how often budget_take said no */
    /* Optional; runs inside the call that was refused. */
    void (*refused)(struct budget *budget, uint64_t asked_bytes);
    void *context; /* for refused */
    struct loop *loop;
    struct list waiters; /* of budget_waiter.node, longest waiting first */
    struct mail mail;    /* bytes came back while somebody waits */
    bool awaited;        /* atomic */
    bool posted;         /* atomic: mail is under way */
    bool serving;        /* a waiter's room runs */
};

/* Embedded in the struct of whoever waits. */
struct budget_waiter {
    struct list node;
    uint64_t need_bytes;
    void (*room)(struct budget_waiter *waiter); /* there are need_bytes now: take them */
};

/* name: a literal.  max_bytes UINT64_MAX: no limit. */
void budget_init(struct budget *budget, const char *name, uint64_t max_bytes);

/* Everything must be back, and nobody wait. */
void budget_deinit(struct budget *budget);

/* The loop that takes and waits. */
void budget_set_loop(struct budget *budget, struct loop *loop);

/* False: that would pass the limit, or somebody waits already (BUD-2); it was counted and told. */
must_use bool budget_take(struct budget *budget, uint64_t size_bytes);

/* More for what has begun, which those who wait wait for: BUD-2 does not hold.  leave_bytes are to
 * stay free for others.  Any thread; false: that would pass the limit, which is counted and not
 * told. */
must_use bool budget_take_more(struct budget *budget, uint64_t size_bytes, uint64_t leave_bytes);

/* As budget_take without taking, and leave_bytes are to stay free for others. */
must_use bool budget_has_room(struct budget *budget, uint64_t size_bytes, uint64_t leave_bytes);

/* For what has begun and must go on: counts past the limit too, so that the next ones wait. */
void budget_force(struct budget *budget, uint64_t size_bytes);

/* Any thread. */
void budget_give(struct budget *budget, uint64_t size_bytes);

/* Bytes in use, and bytes that budget_take would give; any thread, true only for a moment. */
uint64_t budget_used_bytes(const struct budget *budget);
uint64_t budget_room_bytes(const struct budget *budget);

/* Tell waiter when need_bytes can be taken (more than max_bytes: when nothing is in use).  Needs a
 * loop.  The waiter stays the caller's and must not wait already. */
void budget_wait(struct budget *budget, struct budget_waiter *waiter, uint64_t need_bytes);

/* It waits no longer; one that does not wait is accepted. */
void budget_cancel_wait(struct budget *budget, struct budget_waiter *waiter);

#endif
