/* model_client: one connection of a model client: frames out, answers back in order, in virtual
 * time.
 *
 * Lives on the loop of its own node, over that node's io; speaks the wire's bytes through the
 * generated codec.  Connects by itself, and again after a pause whenever the connection ends.
 *   MCL-1  done of a call runs exactly once, from the loop, in the order of the calls
 *   MCL-2  one call that is not answered in time ends the connection, and with it all other calls
 *   MCL-3  an answer that cannot be decoded, or has another correlation id than the oldest call's,
 *          is told to the history (HISTORY_WIRE) and ends the connection */
#ifndef LEVEE_TESTS_MODEL_CLIENT_H
#define LEVEE_TESTS_MODEL_CLIENT_H

#include "base/arena.h"
#include "base/loop.h"
#include "base/prng.h"
#include "net/protocol/header.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"
#include "tests/sim/history.h"
#include "tests/sim/sim_world.h"

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_KEYS_MAX = 128 };

struct model_client;

struct model_client_options {
    uint32_t id; /* in the history */
    struct io_address broker;
    uint32_t timeout_ms;       /* of a call */
    uint32_t reconnect_max_ms; /* pause before the next connection: 1 up to this */
    /* the wide world; zero: not */
    uint32_t read_pause_max_ms; /* reads little at a time, with pauses */
    uint32_t stop_reading_ppm;  /* of reads: the last on its connection */
    uint32_t hang_up_ppm;       /* of reads and of frames sent: after some byte of it, it closes */
};

struct model_call {
    struct list node;
    struct model_client *client;
    const struct api_desc *api;
    int16_t version;
    int32_t correlation_id;
    uint8_t *frame;
    uint32_t frame_bytes;
    uint32_t sent_bytes;
    bool no_answer; /* done when it was sent */
    struct timer expiry;
    void (*done)(struct model_call *call, enum err err, const void *response);
};

enum model_client_state { MODEL_WAITING, MODEL_CONNECTING, MODEL_UP, MODEL_CLOSING };

struct model_client {
    struct model_client_options options;
    struct sim_node *node;
    struct history *history;
    struct loop loop;
    struct prng prng;
    enum model_client_state state;
    int32_t fd;
    struct io_op connect;
    struct io_op send;
    struct io_op recv;
    struct iovec vec;
    struct timer reconnect;
    struct timer read_pause;
    struct prng wide_prng;
    bool hangs_up;              /* when what is being sent was sent */
    struct list calls;          /* of model_call.node, not answered, oldest first */
    struct model_call *sending; /* its frame is in the hands of io */
    uint8_t *orphan;            /* such a frame, when the answer came before its completion */
    uint8_t *in;                /* an answer as far as it has come */
    uint32_t in_bytes;
    uint32_t in_capacity;
    int32_t correlation_id;
    struct arena arena;               /* of the answer that is being handed out */
    int16_t versions[MODEL_KEYS_MAX]; /* drawn when first used; -1: not yet */
    uint64_t calls_count;
    uint32_t connections_count; /* that came up */
};

/* In the node's start: loop over the node's io, attached; begins to connect. */
void model_client_init(struct model_client *client, struct sim_node *node, struct history *history,
                       const struct model_client_options *options);

/* In the node's end, when the process is dead: ends everything without calling done. */
void model_client_deinit(struct model_client *client);

static inline bool model_client_is_up(const struct model_client *client)
{
    return client->state == MODEL_UP;
}

/* A version of key between min and max (and what the tables serve), drawn once for this client. */
int16_t model_client_version(struct model_client *client, int16_t key, int16_t min, int16_t max);

/* Encode request and queue it.  call is the caller's until done, which gets OK and the answer (it
 * lives until done returns), or ERR_TIMEOUT or ERR_CLOSED (and NULL).  The client must be up. */
void model_client_call(struct model_client *client, struct model_call *call, int16_t key,
                       int16_t version, const void *request,
                       void (*done)(struct model_call *, enum err, const void *));

/* As model_client_call for a request that the broker does not answer (acks=0): done gets OK and
 * NULL when its last byte was handed to the network. */
void model_client_send(struct model_client *client, struct model_call *call, int16_t key,
                       int16_t version, const void *request,
                       void (*done)(struct model_call *, enum err, const void *));

/* An event of this client, with time and id filled in. */
void model_client_tell(struct model_client *client, struct history_event *event);

/* Milliseconds, 1 to max_ms. */
uint64_t model_client_draw_ms(struct model_client *client, uint64_t max_ms);

#endif
