/* client_versions: what a broker has told that it serves: versions of each API (KIP-35), levels of
 * the features that it has finalized (KIP-584).
 *
 * Part of a client_broker; plain values.  What a broker tells beyond the tables' room is left out.
 */
#ifndef LEVEE_NET_CLIENT_CLIENT_VERSIONS_H
#define LEVEE_NET_CLIENT_CLIENT_VERSIONS_H

#include "net/protocol/api.h"
#include "net/protocol/msg_api_versions.h"

enum { CLIENT_KEYS_MAX = 128, CLIENT_FEATURES_MAX = 16, CLIENT_FEATURE_NAME_MAX = 64 };

struct client_feature {
    char name[CLIENT_FEATURE_NAME_MAX];
    int16_t level;
};

struct client_versions {
    int16_t min[CLIENT_KEYS_MAX];
    int16_t max[CLIENT_KEYS_MAX]; /* -1: not served */
    struct client_feature features[CLIENT_FEATURES_MAX];
    uint32_t features_count;
};

/* Nothing is served. */
void client_versions_clear(struct client_versions *versions);

/* As the answer says, whatever its error code. */
void client_versions_take(struct client_versions *versions,
                          const struct api_versions_response *response);

/* The newest version that both sides know, at most max_version; -1: none. */
int16_t client_versions_pick(const struct client_versions *versions, const struct api_desc *api,
                             int16_t max_version);

/* 0: not finalized. */
int16_t client_versions_feature(const struct client_versions *versions, const char *name);

#endif
