/* client_subscription: what members of a consumer group tell each other, as bytes: their
 * subscription in JoinGroup, their assignment in SyncGroup.
 *
 * int16 version, then Kafka's ConsumerProtocolSubscription or ConsumerProtocolAssignment of it;
 * newer ones only append.  Pure; memory from the caller's arena. */
#ifndef LEVEE_NET_CLIENT_CLIENT_SUBSCRIPTION_H
#define LEVEE_NET_CLIENT_CLIENT_SUBSCRIPTION_H

#include "net/client/client_member.h"
#include "net/protocol/msg_consumer_protocol.h"

/* topics: subscribed to; owned: of those topics, by rising topic (client_member_sort); generation:
 * in which they are owned, -1: in none.  In cooperative groups the user data have it, too, for who
 * does not know version 2 (CooperativeStickyAssignor).  ERR_NOMEM. */
must_use enum err client_subscription_encode(struct client_topic *const *topics,
                                             uint32_t topics_count,
                                             const struct client_member_partition *owned,
                                             uint32_t owned_count, int32_t generation,
                                             bool is_cooperative, struct arena *arena,
                                             struct wire_bytes *out);

/* Strings point into bytes.  out->generation_id is that of the user data where only they have it.
 * Errors as codec_decode. */
must_use enum err client_subscription_decode(struct wire_bytes bytes, bool is_cooperative,
                                             struct arena *arena,
                                             struct consumer_protocol_subscription *out);

must_use enum err client_subscription_encode_assignment(
    const struct consumer_protocol_assignment *assignment, struct arena *arena,
    struct wire_bytes *out);

/* No bytes at all are an empty assignment. */
must_use enum err client_subscription_decode_assignment(struct wire_bytes bytes,
                                                        struct arena *arena,
                                                        struct consumer_protocol_assignment *out);

#endif
