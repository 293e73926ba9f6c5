/* load_reader_offsets: where a load_reader's partitions begin and end, and what it commits.
 *
 * Part of load_reader, whose state it works on; same thread. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_READER_OFFSETS_H
#define LEVEE_TOOLS_LOAD_LOAD_READER_OFFSETS_H

#include "tools/load/load_reader.h"

/* Tables for its topic's partitions.  ERR_NOMEM. */
must_use enum err load_reader_offsets_prepare(struct load_reader *reader);
void load_reader_offsets_forget(struct load_reader *reader);

/* Find where each partition that is owned and not fetched begins, and fetch it. */
void load_reader_offsets_start(struct load_reader *reader);

/* Time to commit, or to ask where the partitions end? */
void load_reader_offsets_turn(struct load_reader *reader, uint64_t now_ns);

/* Commit what was read; then what is leaving leaves. */
void load_reader_offsets_commit(struct load_reader *reader);

/* What is leaving is fetched no more. */
void load_reader_offsets_leave(struct load_reader *reader);

/* The reader's: a question was answered while it closes. */
void load_reader_offsets_done(struct load_reader *reader);

#endif
