/* controller_private: how the controller lies in memory; for controller*.c alone. */
#ifndef LEVEE_BROKER_METADATA_CONTROLLER_PRIVATE_H
#define LEVEE_BROKER_METADATA_CONTROLLER_PRIVATE_H

#include "broker/metadata/controller.h"
#include "broker/metadata/decide_broker.h"
#include "broker/metadata/metadata_log.h"

enum controller_kind {
    CALL_CREATE_TOPICS,
    CALL_DELETE_TOPICS,
    CALL_CREATE_PARTITIONS,
    CALL_ALTER_CONFIGS,
    CALL_UPDATE_FEATURES,
    CALL_ALTER_PARTITION,
    CALL_PRODUCER_IDS,
    CALL_AUTO_CREATE,
    CALL_OWN, /* a step of start or stop, or of a broker: decided by controller->decide_own */
};

enum controller_state {
    CONTROLLER_OPEN,     /* replayed; nothing may be written yet */
    CONTROLLER_STARTING, /* own records first */
    CONTROLLER_RUNNING,
    CONTROLLER_STOPPING, /* what waits is finished, nothing new is taken */
    CONTROLLER_STOPPED,
    CONTROLLER_FAILED,
};

struct controller {
    struct shard *shard;
    struct loader *loader;
    struct metadata_log *log; /* the loader's */
    struct producer_ids *producer_ids;
    char *cluster_id;
    int32_t node_id;
    int32_t epoch;
    struct uuid directory_id; /* of our broker's registration */
    enum controller_state state;
    enum err failure;

    /* the operation under way (CTL-1) and those that wait */
    struct list waiting; /* of controller_call, oldest first */
    uint32_t waiting_count;
    struct controller_call *current;
    struct controller_call abandoned; /* the current one, when its caller has gone */
    struct arena arena;               /* its records */
    struct metadata_records records;
    struct metadata_append append;
    uint32_t urgent_alter_count; /* since the last append that was not urgent */
    bool pumping;

    /* the own step under way */
    struct controller_call own;
    bool own_goes_first;
    enum err (*decide_own)(struct controller *controller, struct decision *decision);
    void (*own_done)(struct controller *controller, enum err err); /* NULL: there is none */

    /* our broker (controller_broker.c) */
    struct controller_client client;
    struct broker_registration *registration; /* under way */
    struct broker_heartbeat *heartbeat;       /* under way */
    bool raises_all;                          /* leader epochs, when it is unfenced */
    struct leader_cursor leader_cursor;

    /* start and stop */
    void (*started)(void *context, enum err err);
    void *start_context;
    void (*stopped)(void *context);
    void *context;
};

/* controller.c: put a call behind the others (or first, for own steps) and go on. */
void controller_enqueue(struct controller *controller, struct controller_call *call,
                        enum controller_kind kind);
void controller_pump(struct controller *controller);

/* controller_life.c: decide a step of our own when the one before is over, before all that waits or
 * behind it; done runs when its records are committed and followed, or with an error. */
void controller_run_own(struct controller *controller, bool goes_first,
                        enum err (*decide)(struct controller *controller,
                                           struct decision *decision),
                        void (*done)(struct controller *controller, enum err err));

#endif
