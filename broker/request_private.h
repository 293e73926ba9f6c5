/* request_private: what request.c and request_wait.c share. */
#ifndef LEVEE_BROKER_REQUEST_PRIVATE_H
#define LEVEE_BROKER_REQUEST_PRIVATE_H

#include "broker/request.h"

enum {
    REQUEST_BYTES = sizeof(struct request) + 4096, /* of any, with its arena's first block */
};

struct request_pool {
    struct shard *shard;
    uint32_t item_bytes; /* of which a request is the first part */
    void (*resume)(void *context);
    void *context;
    struct request *free;
    uint32_t free_count;
    struct request *working;     /* its first work is being done, and it has not left; or NULL */
    struct api_metrics *metrics; /* of what is being worked on */
    uint64_t began_ns;
    size_t allocs_max;
    uint32_t elements_max; /* of the arrays of a request, together */
    struct list shed;      /* of request.shed_node: oldest first */
};

/* What was registered with request_on_cancel ends. */
void request_forget_wait(struct request *request);

/* On the home shard: it is to be answered, whatever it waited for. */
void request_end_wait(struct request *request);

/* On the home shard: there may be room for the next one. */
void request_pool_resume(struct request_pool *pool);

/* On the home shard: it is back from another one, and goes on in continue_at. */
void request_come_home(struct request *request);

#endif
