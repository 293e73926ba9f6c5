#include "net/client/client_versions.h"

#include <string.h>

void client_versions_clear(struct client_versions *versions)
{
    for (int i = 0; i < CLIENT_KEYS_MAX; i++)
        versions->max[i] = -1;
    versions->features_count = 0;
}

void client_versions_take(struct client_versions *versions,
                          const struct api_versions_response *response)
{
    client_versions_clear(versions);
    for (int32_t i = 0; i < response->api_keys.count; i++) {
        const struct api_versions_response_api_version *api = &response->api_keys.items[i];

        if (api->api_key >= 0 && api->api_key < CLIENT_KEYS_MAX) {
            versions->min[api->api_key] = api->min_version;
            versions->max[api->api_key] = api->max_version;
        }
    }
    for (int32_t i = 0; i < response->finalized_features.count; i++) {
        const struct api_versions_response_finalized_feature_key *from =
            &response->finalized_features.items[i];
        struct client_feature *feature = &versions->features[versions->features_count];

        if (versions->features_count == CLIENT_FEATURES_MAX || from->name.text == NULL ||
            from->name.size_bytes >= CLIENT_FEATURE_NAME_MAX)
            continue;
        memcpy(feature->name, from->name.text, (size_t)from->name.size_bytes);
        feature->name[from->name.size_bytes] = '\0';
        feature->level = from->max_version_level;
        versions->features_count++;
    }
}

int16_t client_versions_pick(const struct client_versions *versions, const struct api_desc *api,
                             int16_t max_version)
{
    int16_t version = api->max < max_version ? api->max : max_version;

    if (api->key >= CLIENT_KEYS_MAX || versions->max[api->key] < 0)
        return -1;
    if (versions->max[api->key] < version)
        version = versions->max[api->key];
    return version < versions->min[api->key] || version < api->served_min ? -1 : version;
}

int16_t client_versions_feature(const struct client_versions *versions, const char *name)
{
    for (uint32_t i = 0; i < versions->features_count; i++)
        if (strcmp(versions->features[i].name, name) == 0)
            return versions->features[i].level;
    return 0;
}
