#include "net/client/client_flight.h"

#include "base/mem.h"

#include <string.h>

enum { REQUEST_BYTES_MAX = 128 << 20 };

void client_flight_pool_init(struct client_flight_pool *pool)
{
    *pool = (struct client_flight_pool){0};
    list_init(&pool->free);
}

static void destroy(struct client_flight *flight)
{
    arena_deinit(&flight->arena);
    mem_free(flight);
}

void client_flight_pool_deinit(struct client_flight_pool *pool)
{
    struct list *node;

    if (pool->free.next == NULL)
        return; /* zeroed */
    while ((node = list_pop_front(&pool->free)) != NULL)
        destroy(container_of(node, struct client_flight, node));
    pool->free_count = 0;
}

struct client_flight *client_flight_take(struct client_flight_pool *pool)
{
    struct client_flight *flight;

    if (pool->free_count > 0) {
        pool->free_count--;
        return container_of(list_pop_front(&pool->free), struct client_flight, node);
    }
    flight = mem_try_alloc(sizeof(*flight));
    if (flight != NULL)
        arena_init(&flight->arena, REQUEST_BYTES_MAX);
    return flight;
}

void client_flight_give(struct client_flight_pool *pool, struct client_flight *flight)
{
    if (pool->free_count >= CLIENT_FLIGHTS_KEPT_MAX) {
        destroy(flight);
        return;
    }
    arena_reset(&flight->arena);
    memset(flight, 0, offsetof(struct client_flight, arena));
    pool->free_count++;
    list_push_front(&pool->free, &flight->node);
}

enum err client_flight_encode(struct client_flight *flight, const struct client_call *call,
                              const char *client_id, const struct wire_segment **segments,
                              uint32_t *segment_count)
{
    struct wire_writer writer;
    enum err err;

    wire_writer_init_with(&writer, &flight->arena, flight->bytes, sizeof(flight->bytes));
    wire_writer_lend_segments(&writer, flight->segments, CLIENT_FLIGHT_SEGMENTS);
    wire_writer_begin_frame(&writer);
    err = header_encode_request(&writer, call->api, call->version, flight->correlation_id,
                                wire_string(client_id));
    if (err == OK)
        err = codec_encode(call->api->request, call->version, call->request, &writer);
    if (err != OK)
        return err;
    wire_writer_end_frame(&writer);
    return wire_writer_segments(&writer, segments, segment_count);
}
