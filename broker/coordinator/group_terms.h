/* group_terms: what a member said of itself when it joined.
 *
 * Owned by its member; on the coordinator's loop.  Its memory is had before anything of the group
 * changes: made, then moved to the member, which cannot fail.  The names of its protocols are the
 * group's, which outlives the terms. */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_TERMS_H
#define LEVEE_BROKER_COORDINATOR_GROUP_TERMS_H

#include "broker/coordinator/protocol_names.h"

#include <stddef.h>
#include <stdint.h>

struct request;

/* Bytes that the owner frees; bytes NULL and size 0 when absent. */
struct group_bytes {
    uint8_t *bytes;
    int32_t size_bytes;
};

/* A copy; size_bytes <= 0 is absent.  False: there is no memory, and *out is as it was. */
must_use bool group_bytes_copy(const uint8_t *bytes, int32_t size_bytes, struct group_bytes *out);

/* *field is *value from now on, which is then absent; what it was is freed. */
void group_bytes_move(struct group_bytes *value, struct group_bytes *field);

struct group_protocol {
    struct protocol_name *name;
    bool is_again; /* the name is in the list before */
    struct group_bytes metadata;
};

struct group_terms {
    char *client_id; /* NULL: it has no terms */
    char *client_host;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    struct protocol_names *names;
    struct group_protocol *protocols;
    uint32_t protocol_count;
};

/* Of a JoinGroup, whose body was checked.  False: there is no memory, and *out is empty. */
must_use bool group_terms_of(struct protocol_names *names, const struct request *request,
                             struct group_terms *out);

/* Terms that have no protocols get room for so many, with these names.  False: there is no memory,
 * and the terms are to be ended. */
must_use bool group_terms_begin_protocols(struct group_terms *terms, struct protocol_names *names,
                                          uint32_t count);

/* One more of them.  False: as above. */
must_use bool group_terms_add_protocol(struct group_terms *terms, const char *name,
                                       size_t name_bytes, const uint8_t *metadata,
                                       int32_t metadata_bytes);

/* They are a member's from now on, or are no longer (PNM-2). */
void group_terms_count(const struct group_terms *terms);
void group_terms_uncount(const struct group_terms *terms);

/* Zeroed ones are accepted, and are zeroed afterwards. */
void group_terms_deinit(struct group_terms *terms);

/* Are the protocols of this JoinGroup the same, names and metadata, in the same order? */
bool group_terms_have_protocols_of(const struct group_terms *terms, const struct request *request);

/* Metadata of a protocol; empty when it is not among them, or NULL. */
struct group_bytes group_terms_metadata(const struct group_terms *terms, const char *protocol);

/* What all of it holds, texts with their ends. */
uint64_t group_terms_bytes(const struct group_terms *terms);

#endif
