/* request: one request of a client, from its frame to its answer.
 *
 * Made on its home shard by whoever has one: a connection (front) or a part of the broker that asks
 * another.  It knows neither: it has the client who asks, the bytes, and a sink for the answer.  A
 * handler may let it run on another shard (request_run_on) and answers from wherever it is.
 * Everything a request needs lies in its arena, which counts in home's budget of decoded requests
 * and goes back as soon as the answer is handed out; the encoded answer has memory of its own until
 * it is sent.
 *
 * Who makes one: request_pool_take, then fill sink, client, frame, bytes, size_bytes and
 * received_ns, then dispatch; the sink hears of the answer; request_done when that was sent.
 *   REQ-1  each request is answered exactly once: request_answer, request_no_answer or
 *          request_close
 *   REQ-2  body and response are the handler's until then
 *   REQ-3  a request leaves its home for one other shard at a time, and comes back from there
 *   REQ-4  whoever makes a request wait says how the waiting ends early: request_on_cancel
 *   REQ-5  memory that cannot be had is an ordinary error: each allocation may give NULL, and a
 *       handler allocates before it does what cannot be undone */
#ifndef LEVEE_BROKER_REQUEST_H
#define LEVEE_BROKER_REQUEST_H

#include "base/arena.h"
#include "broker/client.h"
#include "broker/shard.h"
#include "net/protocol/codec.h"
#include "net/protocol/header.h"
#include "net/protocol/kafka_errors.h"

struct request_release {
    void (*release)(void *context);
    void *context;
};

enum {
    REQUEST_RELEASES_MAX = 2,  /* of one request */
    REQUEST_SMALL_BYTES = 192, /* an answer up to this size needs no memory of its own */
    REQUEST_FEW_SEGMENTS = 4,  /* nor do so many pieces of an answer */
};

/* Why a wait is to end before what it waits for has come, the weaker reason first. */
enum request_cancel {
    REQUEST_NOT_CANCELED,
    REQUEST_PRESSED,  /* others wait for what it holds: answer now, if what there is is an answer */
    REQUEST_STOPPING, /* the broker stops: answer now with what there is; effects go on */
    REQUEST_PEER_GONE, /* nobody takes the answer: end what serves it alone, never an effect that
                          was asked for while the peer was there */
    REQUEST_CUT,       /* the broker stops, and its patience is over: end whatever waits */
};

struct api_metrics;
struct request;
struct shard_tour;
typedef void request_cancel_fn(struct request *request, enum request_cancel why);

/* Where answers go, and what becomes of the bytes that asked.  On the home shard. */
struct request_sink {
    /* Once for each request, one of the three.  The segments and what they hold, held_bytes, stay
     * until request_done, which is not to be called in here. */
    void (*answer)(struct request *request, const struct wire_segment *segments,
                   uint32_t segment_count, uint64_t held_bytes);
    void (*answer_none)(struct request *request); /* nothing is said, and all is well */
    void (*close)(struct request *request);       /* refused; Kafka closes the connection */
    /* Optional: frame is not needed any more; it is the sink's to give back.  NULL: unref. */
    void (*drop_frame)(struct request *request);
    /* Optional: the same, in favour of smaller, of which the first size_bytes are needed. */
    void (*shrink_frame)(struct request *request, struct buf *smaller, uint32_t size_bytes);
    /* Optional: the request waits from now on for what others ask (request_park). */
    void (*park)(struct request *request);
    /* Optional: the answer will be about so long.  False: there is no room for that. */
    bool (*expects)(struct request *request, uint64_t answer_bytes);
    /* Optional: is there room for one more long answer? */
    bool (*has_long_room)(const struct request *request);
};

struct request {
    const struct request_sink *sink;
    struct client *client; /* outlives the request */
    struct buf *frame;     /* that holds bytes; NULL once dropped */
    const uint8_t *bytes;  /* the request, without the four bytes of its size */
    uint32_t size_bytes;
    uint64_t received_ns; /* loop_now_ns when it was whole */
    struct shard *home;   /* of who made it */
    struct shard *at;     /* where it runs now; written by the shard that it leaves */
    struct shard *away;   /* home's: the other shard it was sent to, or NULL */
    struct mail hop;
    struct request *next_free; /* in the pool */
    void (*continue_at)(struct request *request);
    struct arena arena;
    const struct api_desc *api;
    int16_t api_key;
    int16_t api_version;
    int32_t correlation_id;
    struct wire_string client_id;
    struct api_metrics *metrics; /* NULL: nobody measures */
    uint64_t began_ns;           /* its work */
    uint64_t local_ns;           /* what its first work took */
    uint64_t answered_ns;
    const void *body;        /* decoded: struct <name>_request */
    void *response;          /* struct <name>_response with defaults set; the handler fills it */
    struct shard_tour *tour; /* of a handler that visits every shard */
    struct request_release releases[REQUEST_RELEASES_MAX]; /* oldest first */
    uint32_t release_count;
    /* the encoded answer, which outlives what it was made of */
    uint32_t segment_count;
    const struct wire_segment *segments;
    struct arena answer;
    struct wire_segment few_segments[REQUEST_FEW_SEGMENTS];
    uint8_t small[REQUEST_SMALL_BYTES];
    struct task spent_task;
    bool is_spent; /* the arena is given back */
    enum { REQUEST_RUNNING, REQUEST_ANSWER, REQUEST_SILENT, REQUEST_CLOSE } outcome;
    /* cancellation: home's part, and the part of the shard where the request is */
    enum request_cancel canceled;
    enum request_cancel told; /* to the shard that it is away at */
    struct task cancel_task;
    struct mail cancel_mail;
    bool asking;  /* cancel_mail is out: what comes home waits for it */
    bool arrived; /* came home meanwhile */
    enum request_cancel heard;
    enum request_cancel passed_on; /* to on_cancel */
    request_cancel_fn *on_cancel;  /* NULL: nothing waits */
    void *cancel_context;
    struct task hear_task;
    /* while it waits with nothing but itself (request_shed) */
    struct list shed_node; /* of the pool's */
    struct mail shed_mail;
};

/* The requests that are made on one shard.  Each is the first part of item_bytes, of which the rest
 * is for who makes most of them, zeroed.  resume runs when there may be room for the next one. */
must_use enum err request_pool_create(struct shard *shard, uint32_t item_bytes,
                                      void (*resume)(void *context), void *context,
                                      struct request_pool **out);
void request_pool_destroy(struct request_pool *pool);

/* A fresh request for a frame of size_bytes.  ERR_FULL: what the frame may unfold to has no room in
 * the budget of decoded requests; ask again when a request has gone.  A produced frame is not
 * unfolded, but leaves a quarter of the budget to others, as a large one does to small ones.
 * ERR_NOMEM: the process has none. */
must_use enum err request_pool_take(struct request_pool *pool, uint32_t size_bytes, bool is_produce,
                                    struct request **out);

/* The answer was sent or dropped: nobody looks at its segments any more.  Never inside a call of
 * the sink. */
void request_done(struct request *request);

/* The memory of each request taken from now on ends after so many allocations (SIZE_MAX: it does
 * not), for tests. */
void request_pool_limit_allocs(struct request_pool *pool, size_t allocs_max);

/* How many elements a request's arrays may have together: levee.request.elements.max. */
uint32_t request_elements_max(const struct request_pool *pool);

/* On the home shard, around the first work for a request, which may be gone afterwards. */
void request_begin_work(struct request *request, uint64_t now_ns);
void request_end_work(struct request_pool *pool, uint64_t now_ns);

/* In between: its API is known, and has a handler. */
void request_measure(struct request *request);

/* Encode response at the request's version and send it.  Any shard; request is gone. */
void request_answer(struct request *request);

/* Answer with one error for all that was asked, where Kafka's class of the request puts it
 * (net/protocol/error_answer.h); what the handler has filled is not looked at.  body must be there.
 * message: beside the code, where there is room for it; NULL: none.  It and what the body points at
 * live as long as the request.  Any shard; request is gone. */
void request_answer_error(struct request *request, int16_t error_code, const char *message);

/* Produce with acks=0 that went well: nothing is sent, the order moves on. */
void request_no_answer(struct request *request);

/* Refuse what has no answer: Kafka closes the connection. */
void request_close(struct request *request);

/* The same, and a log line (LVE-3101): the request as such is wrong. */
void request_refuse(struct request *request, enum err err);

/* A response with its defaults, for request->api and its version.  False: no memory. */
must_use bool request_prepare_response(struct request *request);

/* The request waits from now on: cancel(request, why) says that it should not any longer, because
 * the peer is gone or the broker stops.  It runs on the shard where the request is, from the loop
 * and never inside this call, also when that was so before; at most once for each reason, only ever
 * a stronger one; not after the request was answered or has left the shard.  It may end the
 * request.  A second registration replaces the first; NULL ends it.  context: for the caller, in
 * request->cancel_context. */
void request_on_cancel(struct request *request, request_cancel_fn *cancel, void *context);

/* On the home shard, of a request that is not answered: tell whoever makes it wait, soon. */
void request_cancel(struct request *request, enum request_cancel why);

/* On the shard where it is: the request waits for what may be long in coming, and what it asked is
 * not needed any more.  body, response and client_id are gone, and what they lay in goes back: the
 * frame, and all memory but the first block; so a wait costs the same whatever was asked.  Who ends
 * it begins with request_prepare_response. */
void request_shed(struct request *request);

/* On the home shard: the budget of decoded requests is full, and nothing else gives any back.  Of
 * those that wait with nothing but themselves the oldest ones, for a part of the budget, are told
 * REQUEST_PRESSED.  Returns how many. */
uint32_t request_pool_press_shed(struct request_pool *pool);

/* Go on in continue_at on another shard (now, when it is the same); from home or back (REQ-3). What
 * was registered with request_on_cancel ends. */
void request_run_on(struct request *request, struct shard *target,
                    void (*continue_at)(struct request *request));

/* On the home shard: the request waits from now on, or where it goes, for what other clients ask,
 * which may be long.  As in Kafka (KIP-72) it leaves the budget of queued requests, which those
 * others need; its frame counts with what was decoded. */
void request_park(struct request *request);

/* On the home shard: its bytes are not needed any more; again is allowed. */
void request_drop_frame(struct request *request);

/* The same of most of them: smaller, whose reference is the request's now and whose first
 * size_bytes are no more than there were, has what is still needed. */
void request_shrink_frame(struct request *request, struct buf *smaller, uint32_t size_bytes);

/* On the home shard: the answer will be about so long.  False: there is no room for it now, and the
 * request is to be answered shortly. */
must_use bool request_expects(struct request *request, uint64_t answer_bytes);

/* On the home shard: is there room for one more long answer to who asks? */
bool request_has_long_room(const struct request *request);

/* Run release(context) on the home shard when the answer has been handed out or dropped, while what
 * it is made of is still there; last in, first out. */
void request_on_release(struct request *request, void (*release)(void *context), void *context);

/* Memory of a handler, zeroed, gone when the request is answered.  NULL: the request's limit or the
 * budget is reached, or the process has no more; then request_refuse_memory.  On the shard where
 * the request is, and while no piece of it runs elsewhere. */
must_use void *request_try_alloc(struct request *request, size_t count, size_t size_bytes);

/* The same for the items of an array field, with their defaults; count < 0 (null) counts as 0. */
must_use void *request_try_array(struct request *request, const struct struct_desc *element,
                                 int32_t count);

/* The same for a text: *out gets a copy with a NUL behind it; null stays null.  False: as NULL. */
must_use bool request_try_text(struct request *request, struct wire_string text,
                               struct wire_string *out);

/* There is no memory for the answer: the connection is closed after the answers before it, which is
 * how Kafka refuses what it cannot answer, and a log line says so. */
void request_refuse_memory(struct request *request);

/* May the client do it?  resource_type and operation are Kafka's numbers (enums.tsv). */
bool request_may(const struct request *request, int8_t operation, int8_t resource_type,
                 const char *name, size_t name_bytes);

#endif
