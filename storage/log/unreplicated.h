/* unreplicated: transactions that were decided and whose marker is not published yet (Kafka's
 * unreplicatedTxns): the last stable offset stays below them (DUR-T12).
 *
 * Owned by a log; lives on its loop.
 *   UNR-1  markers and first offsets grow strictly from the front to the back: one that began at or
 *          behind a later one's begin holds nobody back that the later one does not, and for
 *          longer, so it is not kept.  A cut between both markers opens the later one again */
#ifndef LEVEE_STORAGE_LOG_UNREPLICATED_H
#define LEVEE_STORAGE_LOG_UNREPLICATED_H

#include <stdbool.h>
#include <stdint.h>

struct unreplicated_txn {
    int64_t first_offset;
    int64_t marker_offset;
};

struct unreplicated {
    struct unreplicated_txn *items; /* a ring */
    uint32_t first;
    uint32_t count;
    uint32_t capacity; /* zero or a power of two */
};

/* A zeroed one is accepted, and is empty. */
void unreplicated_deinit(struct unreplicated *un);

/* Room for one more; false: no memory. */
bool unreplicated_reserve(struct unreplicated *un);

/* There is room; marker_offset is above all others. */
void unreplicated_add(struct unreplicated *un, int64_t first_offset, int64_t marker_offset);

/* Markers below published_offset are published. */
void unreplicated_release(struct unreplicated *un, int64_t published_offset);

void unreplicated_clear(struct unreplicated *un);

/* First offset of the oldest; -1: there are none. */
int64_t unreplicated_first_offset(const struct unreplicated *un);

/* By rising marker, index < count. */
struct unreplicated_txn unreplicated_at(const struct unreplicated *un, uint32_t index);

#endif
