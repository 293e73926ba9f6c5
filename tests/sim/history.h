/* history: what the model clients saw, as events in order of virtual time.
 *
 * One per simulated world; single thread.  A client adds an event when it asked something and when
 * it learned something; a listener (the oracle) sees each at once.  Every record's value is unique:
 * a client and a counter (history_value).  `fail` means certainly without effect; a timeout, a
 * closed connection or an ambiguous error is `info` (docs/rules.md).
 *   HIS-1  events are only added
 *   HIS-2  HISTORY_SEND of a value comes before everything else that names it */
#ifndef LEVEE_TESTS_HISTORY_H
#define LEVEE_TESTS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HISTORY_KINDS(X)                                                                          \
    X(SEND, "send")                 /* client, session, partition, value, sequence: first try */  \
                                    /* and what the record is like */                             \
    X(SEND_OK, "send_ok")           /* client, partition, value, offset (-1: not told) */         \
    X(SEND_INFO, "send_info")       /* client, partition, value: nobody knows */                  \
    X(SEND_FAIL, "send_fail")       /* client, partition, value: certainly not appended */        \
    X(REFUSED, "refused")           /* client, partition, value, error: the oldest open batch */  \
    X(READ, "read")                 /* client, partition, offset, value */                        \
    X(GARBLED, "garbled")           /* client, partition, offset: a value that nobody sends */    \
    X(SKIPPED, "skipped")           /* client, partition, offset asked for, value: offset got */  \
    X(BEYOND, "beyond")             /* client, partition, offset: the high watermark, value: */   \
                                    /* where it reads on, above that */                           \
    X(WATERMARKS, "watermarks")     /* client, partition, low, stable, high and their floors */   \
    X(OUT_OF_RANGE, "out_of_range") /* client, partition, offset */                               \
    X(EARLIEST, "earliest")         /* client, partition, low; offset: was out of range, or -1 */ \
    X(DELETE, "delete")             /* client, partition, offset: all below shall go */           \
    X(DELETE_OK, "delete_ok")       /* client, partition, low: the log start as answered */       \
    X(PRODUCER_ID, "producer_id")   /* client, producer_id, producer_epoch: handed out */         \
    X(AUDIT, "audit")               /* partition, offset: an audit begins to read it there */     \
    X(AUDIT_READ, "audit_read")     /* partition, offset, value, producer_id, epoch, sequence */  \
    X(AUDIT_END, "audit_end")       /* partition, high: all below was read */                     \
    X(COMMIT, "commit")             /* client, partition, value: offset to be committed */        \
    X(COMMIT_OK, "commit_ok")       /* client, partition, value */                                \
    X(COMMIT_INFO, "commit_info")   /* client, partition, value */                                \
    X(COMMIT_FAIL, "commit_fail")   /* client, partition, value */                                \
    X(COMMITTED, "committed")       /* client, partition, offset (-1: none), floor_high */        \
    X(OVERTAKEN, "overtaken")       /* client, partition, value, error: by one sent before it */  \
    X(POWER_LOST, "power_lost")     /* of the broker's host */                                    \
    X(BROKER_UP, "broker_up")       /* the broker's process starts */                             \
    X(BROKER_DOWN, "broker_down")   /* it has ended, now or a little earlier */                   \
    X(ASK, "ask")                   /* client, group, member, generation, value: API key */       \
    X(JOINED, "joined")       /* client, group, member, generation, leader, value: protocol */    \
    X(MEMBERS, "members")     /* client, group, generation, value, high (count): as told */       \
    X(ASSIGN, "assign")       /* client, group, generation, member: for it, value */              \
    X(SYNCED, "synced")       /* client, group, member, generation, value; 0: nothing */          \
    X(MEMBER_OK, "member_ok") /* client, group, member, generation: taken, value: API */          \
    X(MEMBER_REFUSED, "member_no") /* the same, with error: it was not taken */                   \
    X(WIRE, "wire")                /* client, error: an answer that no broker gives */            \
    X(LATE, "late")                /* client: it was not done by its deadline */

enum history_kind {
#define HISTORY_ENUM(name, text) HISTORY_##name,
    HISTORY_KINDS(HISTORY_ENUM)
#undef HISTORY_ENUM
        HISTORY_KIND_COUNT
};

enum { HISTORY_CLIENTS_MAX = 64, HISTORY_PARTITIONS_MAX = 64, HISTORY_TEXT_MAX = 320 };

struct history_event {
    uint64_t time_ns;
    enum history_kind kind;
    uint32_t client;
    uint32_t partition; /* numbered through all topics of the world */
    uint32_t session;   /* of a client: one producer id, or one run of sends without */
    int64_t offset;
    uint64_t value;
    int64_t producer_id;
    int32_t producer_epoch;
    int32_t sequence;     /* of the record; -1: not idempotent */
    int32_t error;        /* Kafka's */
    int64_t timestamp_ms; /* of the record: as sent, or as read */
    int32_t value_bytes;  /* the same; -1: null */
    bool forbidden;       /* SEND: a broker must refuse it */
    bool by_append_time;  /* timestamp_ms is the broker's */
    uint64_t asked_ns;    /* when what this answers was asked; 0: now */
    int64_t low, stable, high;
    int64_t floor_low, floor_stable, floor_high; /* known when the question was asked */
    bool idempotent;
    /* of members of groups; texts are told as hashes, which nobody shares by chance */
    uint32_t group;
    int32_t generation;
    uint64_t member;      /* its id; 0: none, or one that nobody was given */
    uint64_t identity;    /* the name of its instance; of a dynamic one as member */
    uint64_t leader;      /* its identity */
    uint32_t patience_ms; /* the shorter of its session and rebalance timeouts */
};

/* client (below HISTORY_CLIENTS_MAX) and a counter from 0 as one value, and back. */
static inline uint64_t history_value(uint32_t client, uint64_t counter)
{
    return (uint64_t)client << 40 | counter;
}

static inline uint32_t history_value_client(uint64_t value)
{
    return (uint32_t)(value >> 40);
}

static inline uint64_t history_value_counter(uint64_t value)
{
    return value & ((1ULL << 40) - 1);
}

struct history {
    struct history_event *events;
    size_t count;
    size_t capacity;
    void (*listen)(void *context, const struct history_event *event); /* may be NULL */
    void *context;
};

void history_init(struct history *history);
void history_deinit(struct history *history);

/* Adds a copy, then tells the listener. */
void history_add(struct history *history, const struct history_event *event);

/* One line without its end. */
void history_format(const struct history_event *event, char text[HISTORY_TEXT_MAX]);

/* The events that name this value or this offset of a partition, one line each. */
void history_print_about(const struct history *history, FILE *to, uint32_t partition,
                         int64_t offset, uint64_t value);

/* --- the bytes of a value: 8 bytes of it, then filling that depends on it --- */

enum { HISTORY_VALUE_BYTES_MIN = 8 };

void history_value_put(uint64_t value, uint8_t *bytes, uint32_t size_bytes);

/* False: these bytes were never put. */
bool history_value_get(const uint8_t *bytes, uint32_t size_bytes, uint64_t *out);

#endif
