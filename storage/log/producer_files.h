/* producer_files: producer states as bytes of files: Kafka's snapshot and our window file.
 *
 * The caller does the file work.  Any thread while nobody changes the state.
 *
 * Kafka's <offset>.snapshot, big endian (ProducerStateManager, version 1): keeps one batch each.
 *   int16 1 | uint32 CRC-32C of all that follows | int32 count
 *   { int64 producer id, int16 epoch, int32 last sequence, int64 last offset, int32 offset delta,
 *     int64 timestamp, int32 coordinator epoch, int64 first offset of the open transaction or -1 }
 *
 * Ours, <offset>.levee-window, little endian: keeps all five (DUR-I5).
 *   "LVEEPWIN" | uint32 format 2 | uint32 CRC-32C of all that follows | int64 end offset |
 *   uint32 producer count
 *   { int64 id, int16 epoch, uint16 batch count, int32 coordinator epoch, int64 last timestamp,
 *     int64 last seen, int64 transaction first offset,
 *     { int32 first sequence, int32 last sequence, int64 last offset, int32 offset delta,
 *       int64 timestamp } per batch, oldest first }
 *   and behind the producers what else the log keeps of transactions (log_transactions.h); in
 *   format 1 nothing */
#ifndef LEVEE_STORAGE_LOG_PRODUCER_FILES_H
#define LEVEE_STORAGE_LOG_PRODUCER_FILES_H

#include "storage/log/producer_state.h"

size_t producer_snapshot_size(const struct producer_state *ps);

/* Exactly producer_snapshot_size bytes. */
void producer_snapshot_encode(const struct producer_state *ps, uint8_t *bytes);

/* Replace the content of ps (initialized; empty after an error).  end_offset: of the file's name.
 * now_ms: last_seen of every entry.  ERR_TRUNCATED, ERR_CORRUPT (checksum), ERR_MALFORMED (content
 * contradicts itself), ERR_NEWER_FORMAT, ERR_NOMEM. */
must_use enum err producer_snapshot_decode(struct producer_state *ps, int64_t end_offset,
                                           int64_t now_ms, const uint8_t *bytes, size_t size_bytes);

/* Up to and with the producers. */
size_t producer_window_size(const struct producer_state *ps);

/* What follows the producers is there already, up to size_bytes. */
void producer_window_encode(const struct producer_state *ps, uint8_t *bytes, size_t size_bytes);

/* As producer_snapshot_decode; end_offset comes from the file; *used_out: what follows the
 * producers begins there.  ERR_MALFORMED also: not this kind of file. */
must_use enum err producer_window_decode(struct producer_state *ps, const uint8_t *bytes,
                                         size_t size_bytes, size_t *used_out);

#endif
