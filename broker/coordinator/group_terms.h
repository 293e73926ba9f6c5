/* group_terms: what a member said of itself when it joined.
 *
 * Owned by its member; on the coordinator's loop.  Its memory is had before anything of the group
 * changes: made, then moved to the member, which cannot fail. */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_TERMS_H
#define LEVEE_BROKER_COORDINATOR_GROUP_TERMS_H

#include "base/err.h"

#include <stdbool.h>
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
    char *name;
    struct group_bytes metadata;
};

struct group_terms {
    char *client_id; /* NULL: it has no terms */
    char *client_host;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    struct group_protocol *protocols;
    uint32_t protocol_count;
};

/* Of a JoinGroup, whose body was checked.  False: there is no memory, and *out is empty. */
must_use bool group_terms_of(const struct request *request, struct group_terms *out);

/* Zeroed ones are accepted, and are zeroed afterwards. */
void group_terms_deinit(struct group_terms *terms);

/* Are the protocols of this JoinGroup the same, names and metadata, in the same order? */
bool group_terms_have_protocols_of(const struct group_terms *terms, const struct request *request);

/* Metadata of a protocol; empty when it is not among them, or NULL. */
struct group_bytes group_terms_metadata(const struct group_terms *terms, const char *protocol);

bool group_terms_have(const struct group_terms *terms, const char *name, size_t name_bytes);

/* What all of it holds, texts with their ends. */
uint64_t group_terms_bytes(const struct group_terms *terms);

#endif
