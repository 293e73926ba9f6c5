/* controller: the embedded controller: admin request → records → committed → applied → answer.
 *
 * Lives on shard 0.  One asynchronous interface whether the controller is in this process or
 * (later) a quorum elsewhere: calls carry request, principal and deadline and end in done. Deciding
 * is pure (image + request → records + answer, decision.h); the records are appended to the
 * metadata log, made durable, brought to the image of each shard by the loader, and only when all
 * follow them is the call answered.  Calls are decided one after the other, each against the image
 * with all earlier records applied.
 *   CTL-1  one operation is between decision and answer; at most CONTROLLER_CALLS_MAX others wait;
 *       one that lets space go, by deleting topics or changing configs, passes one whose records
 *       have no room in the journal, which is decided anew
 *   CTL-2  the data plane learns nothing but through committed records, also from here
 *   CTL-3  after a failure of the storage nothing is decided any more: every call ends with an
 *       error
 * Rules: Kafka's ReplicationControlManager, ConfigurationControlManager for errors and messages. */
#ifndef LEVEE_BROKER_METADATA_CONTROLLER_H
#define LEVEE_BROKER_METADATA_CONTROLLER_H

#include "base/arena.h"
#include "broker/shard.h"
#include "net/protocol/codec.h"

struct alter_partition_request;
struct alter_partition_response;
struct controller;
struct controller_client;
struct delta;
struct loader;
struct create_partitions_request;
struct create_partitions_response;
struct create_topics_request;
struct create_topics_response;
struct delete_topics_request;
struct delete_topics_response;
struct incremental_alter_configs_request;
struct incremental_alter_configs_response;
struct producer_ids;
struct request;

enum { CONTROLLER_CALLS_MAX = 1024 };

/* One call, on shard 0.  The caller owns it and keeps request, response and arena alive until done,
 * which may run inside the starting call. */
struct controller_call {
    struct list node;
    struct arena *arena; /* for what the response needs */
    int16_t version;     /* of the API, where the answer depends on it */
    void (*done)(struct controller_call *call);
    enum err err; /* OK: the response is filled; ERR_TIMEOUT: controller_abandon; else nothing
                     happened: ERR_FULL (CTL-1), ERR_NOMEM, ERR_STORAGE, ERR_CLOSED (not started
                     yet, or stopping), ... */
    const void *request;
    void *response;
    uint8_t kind;       /* inside */
    bool lets_space_go; /* inside */
    int64_t first_id;   /* allocate_producer_ids: out */
};

/* Answers are per topic or resource, inside the response, with Kafka's errors and messages. */
void controller_create_topics(struct controller *controller, struct controller_call *call);
void controller_delete_topics(struct controller *controller, struct controller_call *call);
void controller_create_partitions(struct controller *controller, struct controller_call *call);
void controller_alter_configs(struct controller *controller, struct controller_call *call);

/* The levels of features; all are changed or none. */
void controller_update_features(struct controller *controller, struct controller_call *call);

/* A leader's change of an in-sync set; the answer is per partition, with the partition epoch that
 * is committed (KIP-497, 841, 903).  For in_sync: the change is accepted with KAFKA_NONE, refused
 * with KAFKA_INELIGIBLE_REPLICA or KAFKA_OPERATION_NOT_ATTEMPTED, undecided after anything else. */
void controller_alter_partition(struct controller *controller, struct controller_call *call);

/* Reserve a block of CONTROLLER_PRODUCER_ID_BLOCK ids durably; first_id is the first one.
 * Ids are slot << 48 | counter, slot 0. */
enum { CONTROLLER_PRODUCER_ID_BLOCK = 1000 };
void controller_allocate_producer_ids(struct controller *controller, struct controller_call *call);

/* A topic created because a client asked for it (auto.create.topics.enable) or because the broker
 * needs it (internal_topics.h): defaults from the broker's configuration; exists already is OK. */
struct controller_auto_create {
    struct controller_call call; /* needs no arena, request or response */
    const char *name;            /* lives until done */
    int16_t error_code;          /* out, when call.err is OK: Kafka's */
};
void controller_auto_create_topic(struct controller *controller,
                                  struct controller_auto_create *create);

/* End a call that is not over with ERR_TIMEOUT, inside this call: its time is over.  What was not
 * written is never written; what was, takes effect all the same (Kafka's QuorumController, too). */
void controller_abandon(struct controller *controller, struct controller_call *call);

/* ---- life */

/* On shard 0, whose config, image, prng and sink it reads; the images are filled (loader_open), and
 * the loader outlives it.  Nothing is decided before controller_begin. */
struct controller *controller_create(struct shard *shard, struct loader *loader,
                                     const char *cluster_id, int32_t node_id);

/* After store_recovered, on the loop: raise the controller epoch, and write the bootstrap records
 * of a new cluster (in one metadata transaction); started() runs when they are committed and
 * applied everywhere. */
void controller_begin(struct controller *controller, void (*started)(void *context, enum err err),
                      void *context);

/* For our broker, which registers and is unfenced after controller_begin. */
struct controller_client *controller_client_of(struct controller *controller);

/* The storage failed (store_events.failed): the operation under way and all that wait end with
 * err (CTL-3). */
void controller_fail(struct controller *controller, enum err err);

/* Clean stop, once, when our broker is fenced: what waits is finished first, then a snapshot
 * written when there is anything new; then done. */
void controller_stop(struct controller *controller, void (*done)(void *context), void *context);

/* When the loops stand still.  NULL is accepted. */
void controller_destroy(struct controller *controller);

/* Fixed from controller_create to controller_destroy: any shard may read it. */
const char *controller_cluster_id(const struct controller *controller);

/* Ids for idempotent producers, on shard 0. */
struct producer_ids *controller_producer_ids(struct controller *controller);

int32_t controller_epoch(const struct controller *controller);
/* Of our broker, as it is registered; -1: it never was. */
int64_t controller_broker_epoch(const struct controller *controller);

#endif
