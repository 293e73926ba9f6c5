/* err: every way in which an operation of levee can fail, one line each.
 *
 * A code exists only because some caller acts on it.  Wire, disk and operator are input and
 * produce these; our own mistakes are check()ed.  Kafka's numbers are not here:
 * broker/kafka_error maps these onto them. */
#ifndef LEVEE_BASE_ERR_H
#define LEVEE_BASE_ERR_H

#include <stdbool.h>

#define ERR_LIST(X)                                                                   \
    X(OK, "ok")                                                                       \
    X(ERR_AGAIN, "not ready: the result comes later through the callback")            \
    X(ERR_NOMEM, "out of memory budget")                                              \
    X(ERR_FULL, "queue or buffer is full")                                            \
    X(ERR_IO, "the device or the kernel reported an I/O error")                       \
    X(ERR_NOSPACE, "no space left on the device")                                     \
    X(ERR_NOT_FOUND, "no such file, topic, partition or key")                         \
    X(ERR_EXISTS, "exists already")                                                   \
    X(ERR_PERMISSION, "permission denied")                                            \
    X(ERR_LOCKED, "another process holds the lock")                                   \
    X(ERR_IN_USE, "the address is in use by another process")                         \
    X(ERR_FOREIGN, "belongs to another cluster or node")                              \
    X(ERR_NEWER_FORMAT, "written by a newer version")                                 \
    X(ERR_TRUNCATED, "ends before it is complete")                                    \
    X(ERR_CORRUPT, "checksum or structure is wrong")                                  \
    X(ERR_MALFORMED, "does not follow the format")                                    \
    X(ERR_TOO_LARGE, "larger than the configured limit")                              \
    X(ERR_INVALID, "argument or value is not allowed")                                \
    X(ERR_TXN_STATE, "not allowed in this state of the transaction")                  \
    X(ERR_UNSUPPORTED, "not supported here")                                          \
    X(ERR_CLOSED, "closed")                                                           \
    X(ERR_CANCELED, "canceled")                                                       \
    X(ERR_TIMEOUT, "deadline passed")                                                 \
    X(ERR_REFUSED, "connection refused or unreachable")                               \
    X(ERR_STORAGE, "the log directory has failed and is stopped")                     \
    X(ERR_QUARANTINED, "the partition is quarantined: damage below its durable mark") \
    X(ERR_OFFSET_RANGE, "offset outside the log")                                     \
    X(ERR_SEQUENCE, "producer sequence does not follow on")                           \
    X(ERR_PRODUCER_EPOCH, "producer epoch is older than the newest one seen")         \
    X(ERR_FENCED_EPOCH, "leader epoch is older than ours")                            \
    X(ERR_UNKNOWN_EPOCH, "leader epoch is newer than ours")                           \
    X(ERR_TIMESTAMP, "record timestamp outside the allowed range")                    \
    X(ERR_RECORD, "a record inside the batch is invalid")                             \
    X(ERR_CODEC, "compression type not supported")                                    \
    X(ERR_REPLICAS, "fewer replicas are in sync than min.insync.replicas")

enum err {
#define ERR_ENUM(name, text) name,
    ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
        ERR_COUNT
};

/* The text above, for log lines.  Never NULL. */
const char *err_text(enum err err);

/* The symbol as written above ("ERR_IO").  Never NULL. */
const char *err_name(enum err err);

/* A positive errno value as an enum err; what has no line of its own is ERR_IO. */
enum err err_from_errno(int errno_value);

#define must_use __attribute__((warn_unused_result))
#define printf_like(fmt_index, first_index) __attribute__((format(printf, fmt_index, first_index)))

#endif
