/* client_call: one request to a broker and its answer.
 *
 * Owned by whoever asks; embedded in a struct of his; lives on the loop of the client.
 *   CAL-1  done runs exactly once for each call that was started, from the loop, never inside the
 *          starting call, as the last act of its function
 *   CAL-2  request and all that it refers to stay the caller's and unchanged until done: records
 *          are sent from where they lie
 *   CAL-3  after ERR_TIMEOUT, ERR_CLOSED or ERR_CANCELED it is not known whether the request was
 *          executed, unless was_sent is false */
#ifndef LEVEE_NET_CLIENT_CLIENT_CALL_H
#define LEVEE_NET_CLIENT_CLIENT_CALL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/slab.h"
#include "net/protocol/api.h"
#include "net/protocol/header.h"
#include "net/protocol/kafka_tables.h"

#include <stdbool.h>
#include <stdint.h>

struct client_broker;
struct client_flight;
struct client_call;

struct client_call {
    /* in: zero but for what is needed */
    int16_t key;         /* API_... */
    int16_t max_version; /* INT16_MAX: the newest that both sides know */
    bool has_no_answer;  /* Produce with acks=0: done(OK, NULL) once its last byte was sent */
    uint32_t timeout_ms; /* until the answer, waiting for the connection included; 0: that of
                          * the client (request.timeout.ms) */
    bool fails_with_connection; /* ERR_REFUSED as soon as an attempt to connect fails; false: it
                                 * waits for the next one, up to timeout_ms */
    const void *request;        /* the struct of key */
    struct arena *answer_arena; /* the answer's arrays lie there; NULL: until done returns */
    /* Optional.  The version is known (call->version): set the fields of the request that depend on
     * it; it is encoded right after. */
    void (*prepare)(struct client_call *call);
    /* OK: response is the decoded answer, whose error codes are the caller's to read; it lives
     * until done returns (or as long as answer_arena), its strings and records as long as frame,
     * which is dropped when done returns (buf_ref keeps it).
     * ERR_UNSUPPORTED: the broker does not serve the key at max_version or below, or the request
     * holds what the version cannot say.  ERR_TIMEOUT.  ERR_REFUSED: fails_with_connection.
     * ERR_CLOSED: the connection ended.  ERR_CANCELED.  ERR_MALFORMED, ERR_TOO_LARGE, ERR_NOMEM:
     * the request, or its answer. */
    void (*done)(struct client_call *call, enum err err, const void *response);
    /* out */
    int16_t version;   /* that was used */
    bool was_sent;     /* a byte of it may have reached the broker */
    struct buf *frame; /* of the answer, during done */
    uint64_t sent_ns;  /* monotonic, when it was handed to the connection */
    /* inside: client_broker's */
    struct list node; /* among those that wait, or that have ended */
    struct client_broker *broker;
    const struct api_desc *api;
    struct client_flight *flight; /* while it is sent */
    uint64_t deadline_ns;
    uint32_t frame_bytes;
    enum err err; /* once it has ended */
    uint8_t state;
};

#endif
