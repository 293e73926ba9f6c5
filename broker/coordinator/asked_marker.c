#include "broker/coordinator/asked_marker.h"

struct asked_marker {
    struct transaction_marker marker;
    struct list node;
    void (*done)(void *context, enum err err); /* NULL: nobody is told */
    void *context;
};

static void on_done(struct transaction_marker *marker, enum err err)
{
    struct asked_marker *asked = container_of(marker, struct asked_marker, marker);
    void (*done)(void *context, enum err err) = asked->done;
    void *context = asked->context;

    list_remove(&asked->node);
    mem_free(asked);
    if (done != NULL)
        done(context, err);
}

enum err asked_marker_start(struct list *all, struct shard *home,
                            const struct transaction_marker *what,
                            void (*done)(void *context, enum err err), void *context,
                            struct asked_marker **out)
{
    struct asked_marker *asked = mem_try_alloc(sizeof(*asked));

    if (asked == NULL)
        return ERR_NOMEM;
    asked->marker = *what;
    asked->marker.done = on_done;
    asked->done = done;
    asked->context = context;
    list_push_back(all, &asked->node);
    *out = asked;
    transaction_marker_start(&asked->marker, home);
    return OK;
}

void asked_marker_forget(struct asked_marker *asked)
{
    asked->done = NULL;
}

void asked_marker_end_all(struct list *all)
{
    for (struct list *node = list_pop_front(all); node != NULL; node = list_pop_front(all)) {
        struct asked_marker *asked = container_of(node, struct asked_marker, node);
        transaction_marker_cancel(&asked->marker);
        mem_free(asked);
    }
}
