/* commit_waiters: those who wait for the journal to commit a sequence.
 *
 * Owned by a store; lives on its loop.
 *   CMW-1  sequences do not fall from the first to the last of them
 *   CMW-2  each is told once, and is the caller's again from then on */
#ifndef LEVEE_STORAGE_COMMIT_WAITERS_H
#define LEVEE_STORAGE_COMMIT_WAITERS_H

#include "base/err.h"
#include "base/list.h"

#include <stdint.h>

/* Embedded in the caller's struct; zeroed but for what the caller fills in. */
struct commit_waiter {
    struct list node;
    uint64_t sequence;
    /* OK: it is committed; ERR_STORAGE: it never will be. */
    void (*committed)(struct commit_waiter *waiter, enum err err);
    void (*dropped)(struct commit_waiter *waiter); /* the store is closed: nothing is known */
};

struct commit_waiters {
    struct list waiting;
};

void commit_waiters_init(struct commit_waiters *waiters);

/* waiter->sequence is the newest that anybody waits for (CMW-1). */
void commit_waiters_add(struct commit_waiters *waiters, struct commit_waiter *waiter);
void commit_waiters_reached(struct commit_waiters *waiters, uint64_t sequence);
void commit_waiters_fail(struct commit_waiters *waiters, enum err err);
void commit_waiters_drop(struct commit_waiters *waiters);

#endif
