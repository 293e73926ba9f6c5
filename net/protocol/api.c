#include "net/protocol/api.h"

#include "net/protocol/kafka_tables.h"

#include <stddef.h>

const struct api_desc *api_find(int16_t key)
{
    int low = 0;
    int high = KAFKA_API_COUNT - 1;

    while (low <= high) {
        int middle = (low + high) / 2;
        if (kafka_apis[middle].key == key)
            return &kafka_apis[middle];
        if (kafka_apis[middle].key < key)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return NULL;
}

bool api_serves(int16_t key, int16_t version)
{
    const struct api_desc *api = api_find(key);

    return api != NULL && version >= api->served_min && version <= api->max;
}

int16_t api_request_header_version(const struct api_desc *api, int16_t version)
{
    return version >= api->request->flexible_min ? 2 : 1;
}

int16_t api_response_header_version(const struct api_desc *api, int16_t version)
{
    return version >= api->response->flexible_min ? api->response_header_max : 0;
}
