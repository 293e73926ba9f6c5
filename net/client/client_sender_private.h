/* client_sender_private: what client_sender's files share: its way there (client_sender.c) and the
 * way back (client_sender_answers.c). */
#ifndef LEVEE_NET_CLIENT_CLIENT_SENDER_PRIVATE_H
#define LEVEE_NET_CLIENT_CLIENT_SENDER_PRIVATE_H

#include "net/client/client_sender.h"

/* A broker that leads partitions. */
struct client_sender_node {
    struct list node; /* sender.nodes */
    struct client_sender *sender;
    int32_t id;
    uint32_t in_flight_count;
    struct list parts; /* that have something to send to it, by place_node */
    struct timer poll; /* until the connection is up, or it wants to be asked again */
    uint32_t polls_count;
    uint64_t throttled_until_ns;
};

void client_sender_on_poll(struct timer *timer);

void client_sender_pump_soon(struct client_sender *sender);

/* Look at part soon, unless it waits for something. */
void client_sender_make_ready(struct client_sender *sender, struct client_part *part);

/* Not before delay_ms are over. */
void client_sender_back_off(struct client_sender *sender, struct client_part *part,
                            uint32_t delay_ms);

void client_sender_on_produced(struct client_call *call, enum err err, const void *response);

/* batch, waiting or in the air, has failed for good. */
void client_sender_fail(struct client_sender *sender, struct client_batch *batch,
                        int16_t error_code, enum err err, bool is_fatal);

/* batch, in the air, is told as failed now; its call is awaited (CSN-3). */
void client_sender_tell(struct client_sender *sender, struct client_batch *batch,
                        int16_t error_code, enum err err);

/* All that waits for part fails. */
void client_sender_drop_part(struct client_sender *sender, struct client_part *part,
                             int16_t error_code, enum err err);

#endif
