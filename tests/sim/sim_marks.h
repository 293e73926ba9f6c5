/* sim_marks: interesting situations, and how often runs came into them.
 *
 * A mark that stays at zero in many runs says that the generator does not reach what it was made
 * for: simulate --require-marks fails then.  Marks are set by the scenario, the oracle and the
 * model clients; one table per process, because a run has a process of its own.  The product's own
 * sites (base/sometimes.h) are counted beside them. */
#ifndef LEVEE_TESTS_SIM_MARKS_H
#define LEVEE_TESTS_SIM_MARKS_H

#include <stdint.h>
#include <stdio.h>

#define SIM_MARKS(X)                                                                    \
    X(DUPLICATE, "a batch that may have been appended was sent again and acknowledged") \
    X(NEW_SESSION, "a producer asked for another id")                                   \
    X(LIE_MAX_TIMESTAMP, "a wrong maximum timestamp was put right")                     \
    X(LIE_REST, "a batch with another one cut short behind it was taken")               \
    X(LIE_BOTH, "both at once")                                                         \
    X(LIE_EPOCH, "a batch with a leader epoch of its own was taken")                    \
    X(BAD_CRC, "a batch with a wrong checksum was refused")                             \
    X(BAD_COUNT, "a batch with a wrong count was refused")                              \
    X(BAD_LAST_DELTA, "a batch with a wrong last offset was refused")                   \
    X(BAD_SIZE, "a batch longer than its bytes was refused")                            \
    X(BAD_CODEC, "a batch of an unknown codec was refused")                             \
    X(BAD_CONTROL, "a control batch of a client was refused")                           \
    X(BAD_OFFSET, "a batch with a base offset was refused")                             \
    X(BAD_TWO, "two batches of one partition in a request were refused")                \
    X(BAD_BODY, "a batch whose records are broken was refused")                         \
    X(ACKS_ZERO, "a request without an answer was sent")                                \
    X(NULL_VALUE, "a record without a value was read")                                  \
    X(APPEND_TIME, "a record with the broker's time was read")                          \
    X(CACHE_LOST, "a power loss took records of a topic in the mode cache")             \
    X(CACHE_KEPT, "records in doubt after a power loss were there")                     \
    X(STORAGE_REFUSED, "a batch was refused with a storage error")                      \
    X(READER_STOPPED, "a client stopped to read")                                       \
    X(HUNG_UP, "a client closed in the middle of a frame")                              \
    X(RECORDS_DELETED, "DeleteRecords moved a log start")                               \
    X(LOG_START_BY_AGE, "a log start moved over records that are too old")              \
    X(LOG_START_BY_SIZE, "a log start moved because of retention.bytes")                \
    X(SEGMENTS_ALTERED, "segment.bytes was altered while a topic was written")          \
    X(KEPT_BY_SIZE, "retention.bytes was seen to hold for a log with records")          \
    X(SESSION_GOES_ON, "a fetch said only what had changed")                            \
    X(SESSION_LOST, "a fetch session was gone when its client went on with it")         \
    X(OUT_OF_RANGE, "a reader was told that its offset is gone")                        \
    X(AUDIT_OF_REST, "an audit read a log that no longer begins at 0")                  \
    X(TOPIC_AGAIN, "a topic was deleted and created again")                             \
    X(THOUSANDS, "more than a thousand topics were there")                              \
    X(GONE_WITH_BATCHES, "a topic went while batches for it were open")                 \
    X(DISK_FULL, "the disk had no room left")                                           \
    X(SHARDS_CHANGED, "a start had another number of shards")                           \
    X(START_DIED, "a start was interrupted by a crash")                                 \
    X(OPEN_FAILED, "a broker could not open, and could later")                          \
    X(QUARANTINED, "a partition was set aside")                                         \
    X(LONG_ALIVE, "the broker lived an hour at least without clients")                  \
    X(LONG_DOWN, "the broker was down for a day at least")                              \
    X(LONG_FROZEN, "the whole machine stood still for a day at least")                  \
    X(OFFSET_EXPIRED, "a committed offset was gone after its retention")                \
    X(ROT_SEEN, "a damaged partition gave an error or was set aside")                   \
    X(TXN_COMMITTED_1, "a producer of the first protocol was told: committed")          \
    X(TXN_ABORTED_1, "a producer of the first protocol was told: aborted")              \
    X(TXN_COMMITTED_2, "a producer of the second protocol was told: committed")         \
    X(TXN_ABORTED_2, "a producer of the second protocol was told: aborted")             \
    X(TXN_ABORTED_EMPTY, "an abort of nothing gave the next epoch")                     \
    X(TXN_END_AGAIN, "an EndTxn that was answered was repeated, and answered")          \
    X(TXN_END_OPPOSITE, "the opposite of an EndTxn was refused")                        \
    X(TXN_DOUBT_COMMITTED, "a commit without an answer was there")                      \
    X(TXN_DOUBT_ABORTED, "a commit without an answer was not there")                    \
    X(TXN_LEFT, "a producer stopped in the middle of a transaction")                    \
    X(TXN_FENCED, "a producer was refused behind another one of its id")                \
    X(TXN_TIMED_OUT, "a producer was refused behind its transaction's time")            \
    X(TXN_CONCURRENT, "a request came while the last transaction ended")                \
    X(TXN_BUMPED, "a producer asked for the next epoch of its own")                     \
    X(TXN_UNSTABLE, "a reader saw a log with an open transaction")                      \
    X(TXN_LISTED, "a reader was given an aborted transaction")                          \
    X(ROOM_STORED, "a producer of the client room has stored records")                  \
    X(ROOM_FAILED, "it has given records up, which are not there")                      \
    X(ROOM_IN_DOUBT, "it has given records up that may be there")                       \
    X(ROOM_FULL, "it had no room, and later said that it had")                          \
    X(ROOM_EPOCH, "it took a new epoch of its own")                                     \
    X(ROOM_READ, "a reader of the client room has read a batch")                        \
    X(ROOM_OUT_OF_RANGE, "it was told that its offset is gone")                         \
    X(ROOM_COMMITTED_1, "a transaction of the client room was committed, version 1")    \
    X(ROOM_COMMITTED_2, "the same by version 2")                                        \
    X(ROOM_ABORTED_1, "a transaction of the client room was aborted, version 1")        \
    X(ROOM_ABORTED_2, "the same by version 2")                                          \
    X(ROOM_TXN_EPOCH, "a transaction of version 1 that failed has led to a new epoch")  \
    X(ROOM_TXN_FAILED, "a commit of the client room failed, and was to be aborted")     \
    X(ROOM_TXN_FATAL, "a producer of the client room could not go on")                  \
    X(ROOM_TXN_LEFT, "it stopped in the middle of a transaction")

enum sim_mark {
#define SIM_MARK_ENUM(name, text) MARK_##name,
    SIM_MARKS(SIM_MARK_ENUM)
#undef SIM_MARK_ENUM
        SIM_MARK_COUNT
};

enum { SIM_SITES_MAX = 256 };

struct sim_marks {
    uint64_t counts[SIM_MARK_COUNT];
    uint64_t sites[SIM_SITES_MAX]; /* by sometimes_at's index: the same in processes of one file */
};

/* It happened, in this process. */
void sim_mark(enum sim_mark mark);

/* What happened in this process since the last call. */
void sim_marks_take(struct sim_marks *out);

void sim_marks_add(struct sim_marks *into, const struct sim_marks *from);

/* A line for each mark and each site of the product that was never reached, but for the site named
 * idle (NULL: none); how many. */
uint32_t sim_marks_print_missing(const struct sim_marks *of, FILE *to, const char *idle);

#endif
