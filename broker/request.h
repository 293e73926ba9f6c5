/* request: one request of a client, from its frame to its answer.
 *
 * Made for a connection on its home shard, which also sends the answer; a handler may let it run
 * on another shard (request_run_on) and answers from wherever it is.  Everything a request needs
 * lies in its arena and dies with it.
 *   R1  each request is answered exactly once: request_answer, request_no_answer or request_close
 *   R2  body and response are the handler's until then */
#ifndef LEVEE_BROKER_REQUEST_H
#define LEVEE_BROKER_REQUEST_H

#include "base/arena.h"
#include "broker/shard.h"
#include "net/conn.h"
#include "net/protocol/codec.h"
#include "net/protocol/header.h"
#include "net/protocol/kafka_errors.h"

struct request_release {
    struct request_release *next;
    void (*release)(void *context);
    void *context;
};

struct request {
    struct conn_request wire; /* first: frame, order, release */
    struct shard *home;       /* of the connection */
    struct shard *at;         /* where it runs now */
    struct mail hop;
    struct request *next_free; /* in the pool */
    void (*continue_at)(struct request *request);
    struct arena arena;
    const struct api_desc *api;
    int16_t api_key;
    int16_t api_version;
    int32_t correlation_id;
    struct wire_string client_id;
    uint64_t started_ns;
    const void *body; /* decoded: struct <name>_request */
    void *response;   /* struct <name>_response with defaults set; the handler fills it */
    struct request_release *releases;    /* newest first */
    const struct wire_segment *segments; /* the encoded answer */
    uint32_t segment_count;
    enum { REQUEST_RUNNING, REQUEST_ANSWER, REQUEST_SILENT, REQUEST_CLOSE } outcome;
};

/* Where the connection's principal and software come from; filled by ApiVersions and SASL. */
struct client {
    char software_name[64];
    char software_version[64];
};

/* The requests of one shard's connections. */
must_use enum err request_pool_create(struct shard *shard, struct request_pool **out);
void request_pool_destroy(struct request_pool *pool);

/* A fresh request; NULL: no memory. */
struct conn_request *request_pool_take(struct request_pool *pool);

/* Encode response at the request's version and send it.  Any shard; request is gone. */
void request_answer(struct request *request);

/* Produce with acks=0 that went well: nothing is sent, the order moves on. */
void request_no_answer(struct request *request);

/* Close the connection: Kafka's way to refuse what has no answer. */
void request_close(struct request *request);

/* A response with its defaults, for request->api and its version. */
void request_prepare_response(struct request *request);

/* Go on in continue_at on another shard (now, when it is the same). */
void request_run_on(struct request *request, struct shard *target,
                    void (*continue_at)(struct request *request));

/* A wire_string copied into the arena with a NUL behind it; NULL stays NULL. */
const char *request_text(struct request *request, struct wire_string text);

/* Run release(context) when the answer has been sent or dropped. Any number; last in, first out. */
void request_on_release(struct request *request, void (*release)(void *context), void *context);

/* Allocation of a handler: zeroed, never NULL: counts are bounded by the frame that was admitted.
 * On the shard where the request is, and while no piece of it runs elsewhere. */
void *request_alloc(struct request *request, size_t count, size_t size_bytes);

/* The items of an array field, with their defaults; count < 0 (null) counts as 0. */
void *request_new_array(struct request *request, const struct struct_desc *element, int32_t count);

/* Authorization seam: with no authorizer everything is allowed.  resource_type and operation are
 * Kafka's numbers (enums.tsv). */
bool request_may(const struct request *request, int8_t operation, int8_t resource_type,
                 const char *name, size_t name_bytes);

#endif
