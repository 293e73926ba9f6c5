/* A write without records for each partition, one after the other: it is done when those before it
 * are (RWR-3). */
#include "broker/coordinator/runtime_barrier.h"

#include "base/mem.h"
#include "broker/coordinator/runtime_write.h"

struct runtime_barrier {
    struct runtime *runtime;
    struct runtime_write write;
    int32_t index; /* of the partition that is waited for */
    void (*done)(void *context, enum err err);
    void *context;
    bool is_forgotten;
    bool is_starting;
    bool is_over;
};

static void go_on(struct runtime_barrier *barrier);

static void end(struct runtime_barrier *barrier, enum err err)
{
    if (!barrier->is_forgotten && err != ERR_CLOSED) /* all ends: nobody is there */
        barrier->done(barrier->context, err);
    barrier->is_over = true;
    if (!barrier->is_starting)
        mem_free(barrier);
}

static void on_done(struct runtime_write *write, enum err err)
{
    struct runtime_barrier *barrier = container_of(write, struct runtime_barrier, write);

    runtime_write_deinit(write);
    if (err == OK)
        go_on(barrier);
    else
        end(barrier, err);
}

/* The served partition with the next higher number; NULL: there is none. */
static struct runtime_partition *next_of(const struct runtime *runtime, int32_t index)
{
    struct runtime_partition *best = NULL;

    list_for_each(node, &runtime->partitions)
    {
        struct runtime_partition *partition = container_of(node, struct runtime_partition, node);
        int32_t number = partition->partition->index;
        if (partition->state == RUNTIME_SERVED && number > index &&
            (best == NULL || number < best->partition->index))
            best = partition;
    }
    return best;
}

static void go_on(struct runtime_barrier *barrier)
{
    struct runtime_partition *partition = next_of(barrier->runtime, barrier->index);

    if (partition == NULL) {
        end(barrier, OK);
        return;
    }
    barrier->index = partition->partition->index;
    runtime_write_init(&barrier->write, partition, on_done);
    runtime_write_start(&barrier->write);
}

enum err runtime_barrier_start(struct runtime *runtime, void (*done)(void *context, enum err err),
                               void *context, struct runtime_barrier **out)
{
    struct runtime_barrier *barrier = mem_try_alloc(sizeof(*barrier));

    *out = NULL;
    if (barrier == NULL)
        return ERR_NOMEM;
    barrier->runtime = runtime;
    barrier->index = -1;
    barrier->done = done;
    barrier->context = context;
    barrier->is_starting = true;
    go_on(barrier);
    barrier->is_starting = false;
    if (barrier->is_over)
        mem_free(barrier);
    else
        *out = barrier;
    return OK;
}

void runtime_barrier_forget(struct runtime_barrier *barrier)
{
    if (barrier != NULL)
        barrier->is_forgotten = true;
}
