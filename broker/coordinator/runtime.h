/* runtime: what a coordinator needs of the partitions of its internal topic that are led on one
 * shard: it loads them, writes to them (runtime_write.h), and lets them go.
 *
 * Part of one coordinator, of which the runtime knows no more than its kind (Kafka's
 * CoordinatorRuntime and CoordinatorShard).  On the shard's loop.  A coordinator decides, its
 * records are written, and what they say is applied:
 *   RUN-1  the persistent state changes by kind->apply alone, for each record of the log once and
 *        in the order of offsets: while the partition is loaded, and then for each write when it
 *        is durable and not before; or, with applies_at_append, inside its append, and what is told
 *        of it waits until it is durable (a journal that fails is never written again)
 *   RUN-2  a partition is served when all of its log was applied and is durable: while that goes
 *        on, and while it waits for memory, the answer is COORDINATOR_LOAD_IN_PROGRESS; when its
 *        records cannot be understood COORDINATOR_NOT_AVAILABLE, and nothing of it is kept in
 *        memory
 *   RUN-3  nothing is written to a partition that is not served
 *   RUN-4  a turn of the loop reads LOAD_STEP_BYTES, roughly, of one of the logs that are loaded */
#ifndef LEVEE_BROKER_COORDINATOR_RUNTIME_H
#define LEVEE_BROKER_COORDINATOR_RUNTIME_H

#include "base/budget.h"
#include "broker/topic_table.h"
#include "net/protocol/record_types.h"
#include "record/batch_reader.h"

struct runtime_write;

/* One record of the log. */
struct runtime_record {
    const struct batch_header *batch;    /* that it stands in */
    const struct control_marker *marker; /* it ends a transaction: no key, no value; else NULL */
    int32_t partition_index;
    int64_t offset;
    const uint8_t *key;
    int32_t key_bytes; /* -1: none */
    const uint8_t *value;
    int32_t value_bytes;         /* -1: it deletes */
    struct runtime_write *write; /* whose record it is; NULL: it was read from the log */
    uint32_t index;              /* in its write */
};

/* What a coordinator is.  coordinator: what runtime_init was given; index: of the partition. */
struct runtime_kind {
    const char *name; /* "group" */
    int8_t key_type;  /* KAFKA_COORDINATOR_KEY_TYPE_*: whose internal topic it is */
    enum record_family family;
    bool applies_at_append; /* RUN-1 */
    /* Do what the record says.  Of a write it cannot fail: the memory was had when the write was
     * made.  Of the log ERR_NOMEM is tried again; after any other error the partition is not
     * served.  Of a marker ERR_AGAIN: a part of it is done, and it is called again, in another turn
     * where that may be, before anything behind the marker is applied. */
    enum err (*apply)(void *coordinator, const struct runtime_record *record);
    /* All of the partition was applied: it is served from now on. */
    void (*loaded)(void *coordinator, int32_t index);
    /* It is not led here any more: what waits for something else than a write is to be answered
     * NOT_COORDINATOR.  Then its writes end with ERR_NOT_FOUND, and forget follows. */
    void (*resigned)(void *coordinator, int32_t index);
    /* Nothing that the partition's records say is to stay.  None of its writes is under way. */
    void (*forget)(void *coordinator, int32_t index);
};

/* What large writes hold until they have ended: in a budget, but that one of them may always be
 * under way. */
struct runtime_meter {
    struct budget *budget;
    uint64_t bytes;
};

struct runtime {
    struct shard *shard;
    const struct runtime_kind *kind;
    void *coordinator;
    struct runtime_meter meter;
    struct list partitions; /* of runtime_partition */
    struct list loading;    /* of runtime_load.node: those that go on with it in a turn */
    struct task load_turn;
    struct topic_observer observer;
};

enum runtime_state { RUNTIME_LOADING, RUNTIME_SERVED, RUNTIME_FAILED };

/* While it is loaded. */
struct runtime_load {
    struct list node; /* runtime.loading */
    struct batch_reader reader;
    int64_t next_offset;
    struct partition_waiter durable; /* all that was read */
    uint64_t step_bytes;             /* of this turn */
    enum err err;
};

struct runtime_partition {
    struct list node; /* runtime.partitions */
    struct runtime *runtime;
    struct partition *partition;
    enum runtime_state state;
    bool has_told;           /* that it could not be loaded */
    struct task turn;        /* applying a large write goes on */
    struct timer load_again; /* there was no memory */
    struct runtime_load load;
    struct list writes;  /* runtime_write.h: not applied, in the order in which they were started */
    struct list applied; /* with applies_at_append: not done; before them in that order */
    enum err lost;       /* of a write that was applied so, and will not be durable: RWR-3 */
    bool is_going_on;    /* one of them is applied, or ends: the others have their turn behind it */
};

/* budget: of what large writes hold; it may be shared. */
void runtime_init(struct runtime *runtime, struct shard *shard, const struct runtime_kind *kind,
                  void *coordinator, struct budget *budget);

/* From now on the table tells which partitions are to be loaded, and unloaded: those of the kind's
 * internal topic that this broker leads. */
void runtime_observe(struct runtime *runtime, struct topic_table *table);

/* All ends: every write with ERR_CLOSED; forget is not called. */
void runtime_deinit(struct runtime *runtime);

/* Nothing is loaded any more; writes go on. */
void runtime_stop(struct runtime *runtime);

/* The partition is led here: its log is read, its first LOAD_STEP_BYTES inside this call.
 * ERR_NOMEM: nothing was begun; a log that could not be read is another matter, which is told and
 * may be tried again from here. */
must_use enum err runtime_load(struct runtime *runtime, struct partition *partition);

/* It is not led here any more, or about to be deleted.  Not inside a write's done. */
void runtime_unload(struct runtime *runtime, int32_t index);

/* NULL: it is not led here. */
struct runtime_partition *runtime_find(const struct runtime *runtime, int32_t index);

/* NULL: it is not served. */
struct runtime_partition *runtime_served(const struct runtime *runtime, int32_t index);

/* Is any of its partitions? */
bool runtime_is_loading(const struct runtime *runtime);

/* What a client is told: KAFKA_NONE, NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS,
 * COORDINATOR_NOT_AVAILABLE (RUN-2). */
int16_t runtime_check(const struct runtime *runtime, int32_t index);

#endif
