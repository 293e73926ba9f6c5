/* log_transactions: what the ends of transactions leave in a log beside its producers: decided ones
 * that hold back the last stable offset, and the transaction index of the marker's segment.
 *
 * Owned by the log; lives on the store's loop.  Whatever way a marker comes (an append, the
 * journal, a walk over the batches), it passes here.
 *   LTX-1  every marker in the log that aborts a transaction with records has an entry in the index
 *          of its segment, and nothing else has
 *   LTX-2  every decided transaction whose marker is not below what is published and durable is
 *          held in `unreplicated`; all others are not
 *   LTX-3  the window file of a mark says which entries the indexes have, by count and checksum: an
 *          index that is lost or wrong is found at the start, and made anew from the batches */
#ifndef LEVEE_STORAGE_LOG_LOG_TRANSACTIONS_H
#define LEVEE_STORAGE_LOG_LOG_TRANSACTIONS_H

#include "storage/log/log_private.h"

/* Room for what a marker in segment changes.  False: no memory. */
must_use bool log_transactions_reserve(struct log *log, struct segment *segment);

/* There is room, a marker in segment has ended a transaction, and its producer knows it. */
void log_transactions_ended(struct log *log, struct segment *segment,
                            const struct producer_completed *completed);

/* A batch of segment that is in the log already, to the producers, and what it ends.  owner: as of
 * producer_append_replay.  ERR_NOMEM. */
must_use enum err log_transactions_replay(struct log *log, struct segment *segment,
                                          const uint8_t *bytes, const struct batch_header *header,
                                          uint64_t owner);

/* DUR-T12: the first offset that a transaction holds back, as of now; -1: none does. */
int64_t log_transactions_first_unstable(struct log *log);

/* Nothing is known any more: all batches will be replayed. */
void log_transactions_clear(struct log *log);

/* Their part of the window file, little endian: uint32 count of decided transactions, { int64 first
 * offset, int64 marker } each; uint32 count of segments with aborted ones, { int64 base offset,
 * uint32 entries, uint32 CRC-32C of them as in the file } each. */
size_t log_transactions_size(const struct log *log);
void log_transactions_encode(const struct log *log, uint8_t *bytes);

/* From there, and from the index files, which are looked at.  ERR_MALFORMED, ERR_NOT_FOUND,
 * ERR_TRUNCATED, ERR_CORRUPT: the batches have to say it.  ERR_NOMEM, ERR_IO. */
must_use enum err log_transactions_decode(struct log *log, const uint8_t *bytes, size_t size_bytes);

#endif
