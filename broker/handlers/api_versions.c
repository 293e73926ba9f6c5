/* ApiVersions (key 18): what this broker serves (KIP-35, 511, 584, 1022). */
#include "broker/api_table.h"
#include "broker/handlers.h"
#include "broker/metadata/features.h"
#include "broker/metadata/image.h"
#include "broker/request.h"
#include "net/protocol/kafka_tables.h"
#include "net/protocol/msg_api_versions.h"

/* Kafka: [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? */
static bool is_software_text(struct wire_string text)
{
    if (text.size_bytes < 1)
        return false;
    for (int32_t i = 0; i < text.size_bytes; i++) {
        char c = text.text[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool is_inner = i > 0 && i < text.size_bytes - 1;
        if (!is_plain && !(is_inner && (c == '-' || c == '.')))
            return false;
    }
    return true;
}

/* False: there is no memory, here and below. */
static bool fill_apis(struct request *request, struct api_versions_response *response)
{
    int32_t count = 0;

    while (api_table_at((uint32_t)count) != NULL)
        count++;
    response->api_keys.items =
        request_try_array(request, &api_versions_response_api_version_struct, count);
    if (response->api_keys.items == NULL)
        return false;
    response->api_keys.count = count;
    for (int32_t i = 0; i < count; i++) {
        const struct api_desc *api = api_find(api_table_at((uint32_t)i)->key);
        response->api_keys.items[i] = (struct api_versions_response_api_version){
            .api_key = api->key, .min_version = api->advertised_min, .max_version = api->max};
    }
    return true;
}

static bool fill_features(struct request *request, struct api_versions_response *response)
{
    const struct image *image = request->home->image;
    int32_t finalized_count = (int32_t)image_feature_count(image);

    response->supported_features.items = request_try_array(
        request, &api_versions_response_supported_feature_key_struct, FEATURES_COUNT);
    response->finalized_features.items = request_try_array(
        request, &api_versions_response_finalized_feature_key_struct, finalized_count);
    if (response->supported_features.items == NULL || response->finalized_features.items == NULL)
        return false;
    for (uint32_t i = 0; i < FEATURES_COUNT; i++) {
        const struct feature *feature = feature_at(i);
        /* below v4 a minimum of 0 breaks older Java clients (protocol/README.md, trap 2) */
        if (feature->min_level == 0 && request->api_version < 4)
            continue;
        response->supported_features.items[response->supported_features.count++] =
            (struct api_versions_response_supported_feature_key){.name = wire_string(feature->name),
                                                                 .min_version = feature->min_level,
                                                                 .max_version = feature->max_level};
    }
    response->finalized_features_epoch = image_offset(image);
    response->finalized_features.count = finalized_count;
    for (int32_t i = 0; i < finalized_count; i++) {
        const struct image_feature *feature = image_feature_at(image, (uint32_t)i);
        response->finalized_features.items[i] =
            (struct api_versions_response_finalized_feature_key){
                .name = wire_string(feature->name),
                .max_version_level = feature->level,
                .min_version_level = feature->level};
    }
    return true;
}

/* To who speaks a version that we do not know. */
static bool fill_own_versions(struct request *request, struct api_versions_response *response)
{
    const struct api_desc *api = api_find(API_API_VERSIONS);

    response->error_code = KAFKA_UNSUPPORTED_VERSION;
    response->api_keys.items =
        request_try_array(request, &api_versions_response_api_version_struct, 1);
    if (response->api_keys.items == NULL)
        return false;
    response->api_keys.count = 1;
    response->api_keys.items[0] = (struct api_versions_response_api_version){
        .api_key = api->key, .min_version = api->advertised_min, .max_version = api->max};
    return true;
}

void handle_api_versions(struct request *request)
{
    const struct api_versions_request *body = request->body;
    struct api_versions_response *response = request->response;
    bool fits;

    if (body != NULL && request->api_version >= 3 &&
        (!is_software_text(body->client_software_name) ||
         !is_software_text(body->client_software_version))) {
        request_answer_error(request, KAFKA_INVALID_REQUEST, NULL);
        return;
    }
    if (body != NULL && request->api_version >= 3)
        client_set_software(request->client, body->client_software_name,
                            body->client_software_version);
    if (body == NULL) /* dispatch could not read this version */
        fits = fill_own_versions(request, response);
    else
        fits = fill_apis(request, response) &&
               (request->api_version < 3 || fill_features(request, response));
    if (fits)
        request_answer(request);
    else
        request_refuse_memory(request);
}
