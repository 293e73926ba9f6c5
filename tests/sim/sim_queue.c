#include "tests/sim/sim_queue.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/sim_heap.h"

#include <inttypes.h>
#include <stdio.h>

void sim_queue_init(struct sim_queue *queue)
{
    *queue = (struct sim_queue){.hash = 0x6c65766565ULL};
}

void sim_queue_deinit(struct sim_queue *queue)
{
    mem_free(queue->heap);
    *queue = (struct sim_queue){0};
}

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns;
    return a->sequence < b->sequence;
}

static void put_at(struct sim_queue *queue, size_t index, struct sim_event *event)
{
    queue->heap[index] = event;
    event->place = index + 1;
}

static void sift_up(struct sim_queue *queue, size_t index)
{
    struct sim_event *event = queue->heap[index];

    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!is_before(event, queue->heap[parent]))
            break;
        put_at(queue, index, queue->heap[parent]);
        index = parent;
    }
    put_at(queue, index, event);
}

static void sift_down(struct sim_queue *queue, size_t index)
{
    struct sim_event *event = queue->heap[index];

    for (;;) {
        size_t child = index * 2 + 1;
        if (child >= queue->count)
            break;
        if (child + 1 < queue->count && is_before(queue->heap[child + 1], queue->heap[child]))
            child++;
        if (!is_before(queue->heap[child], event))
            break;
        put_at(queue, index, queue->heap[child]);
        index = child;
    }
    put_at(queue, index, event);
}

void sim_queue_add(struct sim_queue *queue, struct sim_event *event, uint64_t delay_ns)
{
    check(!sim_event_is_queued(event));
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity == 0 ? 64 : queue->capacity * 2;
        queue->heap =
            sim_heap_own_realloc(queue->heap, queue->capacity * sizeof(struct sim_event *));
    }
    event->time_ns =
        delay_ns > SIM_NEVER - 1 - queue->now_ns ? SIM_NEVER - 1 : queue->now_ns + delay_ns;
    event->sequence = queue->next_sequence++;
    queue->count++;
    put_at(queue, queue->count - 1, event);
    sift_up(queue, queue->count - 1);
}

void sim_queue_remove(struct sim_queue *queue, struct sim_event *event)
{
    size_t index;
    struct sim_event *last;

    if (!sim_event_is_queued(event))
        return;
    index = event->place - 1;
    check(queue->heap[index] == event);
    event->place = 0;
    last = queue->heap[--queue->count];
    if (last == event)
        return;
    put_at(queue, index, last);
    sift_up(queue, index);
    sift_down(queue, last->place - 1);
}

uint64_t sim_queue_next_ns(const struct sim_queue *queue)
{
    return queue->count == 0 ? SIM_NEVER : queue->heap[0]->time_ns;
}

void sim_queue_fire_next(struct sim_queue *queue)
{
    struct sim_event *event;

    check(queue->count > 0);
    event = queue->heap[0];
    sim_queue_remove(queue, event);
    sim_queue_advance(queue, event->time_ns);
    queue->stats.events++;
    event->fire(event);
}

void sim_queue_advance(struct sim_queue *queue, uint64_t time_ns)
{
    check(time_ns >= queue->now_ns);            /* DUR-I2 */
    check(time_ns <= sim_queue_next_ns(queue)); /* nothing is skipped */
    queue->now_ns = time_ns;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9fb21c651e98df25ULL;
    return hash ^ (hash >> 29);
}

void sim_queue_note(struct sim_queue *queue, const char *what, uint64_t a, uint64_t b, uint64_t c,
                    uint64_t d)
{
    uint64_t hash = mix(queue->hash, queue->now_ns);

    for (const char *p = what; *p != '\0'; p++)
        hash = mix(hash, (uint8_t)*p);
    hash = mix(hash, a);
    hash = mix(hash, b);
    hash = mix(hash, c);
    queue->hash = mix(hash, d);
    if (queue->trace)
        fprintf(stderr,
                "%12.6f %-16s %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " #%016" PRIx64 "\n",
                (double)queue->now_ns / 1e9, what, a, b, (int64_t)c, (int64_t)d, queue->hash);
}
