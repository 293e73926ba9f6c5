/* api: Kafka's API keys: their version ranges, messages and who may call them.
 *
 * A constant table, generated from schema/api/; any thread may read it.  What the broker offers is
 * its own choice from this table: an API is advertised only once it has a handler. */
#ifndef LEVEE_NET_PROTOCOL_API_H
#define LEVEE_NET_PROTOCOL_API_H

#include "net/protocol/descriptor.h"

enum api_flag {
    API_CLIENT = 1 << 0,              /* called by clients, not only between brokers */
    API_CLUSTER_ACTION = 1 << 1,      /* needs the CLUSTER_ACTION operation */
    API_FORWARDED = 1 << 2,           /* a broker forwards it to the controller */
    API_BROKER_LISTENER = 1 << 3,     /* served by brokers */
    API_CONTROLLER_LISTENER = 1 << 4, /* served by controllers */
};

/* Ranges are those of Kafka 4.3.  max -1: the key has a layout but 4.3 does not know it.
 * advertised_min is lower than served_min where old clients draw conclusions from the minimum
 * (Produce: librdkafka); a request between the two is answered as any unsupported version. */
struct api_desc {
    const char *name; /* Kafka's: "ListOffsets" */
    const struct message_desc *request;
    const struct message_desc *response;
    int16_t key;
    int16_t advertised_min;
    int16_t served_min;
    int16_t max;
    int16_t response_header_max; /* 0: the response header is never flexible (ApiVersions) */
    uint16_t flags;              /* enum api_flag */
};

/* The entry of a key; NULL when Kafka has no such key or has dropped it. */
const struct api_desc *api_find(int16_t key);

/* Whether 4.3 serves this version of this key. */
bool api_serves(int16_t key, int16_t version);

/* 1 or 2: the version of the header in front of a request.  Versions without a layout count as the
 * newest with one (an ApiVersions request from the future has header version 2). */
int16_t api_request_header_version(const struct api_desc *api, int16_t version);

/* 0 or 1: the version of the header in front of a response. */
int16_t api_response_header_version(const struct api_desc *api, int16_t version);

#endif
