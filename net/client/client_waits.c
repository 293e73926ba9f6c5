#include "net/client/client_waits.h"

#include "net/client/client_cluster_private.h"

static struct client_wait *wait_of(struct list *node)
{
    return container_of(node, struct client_wait, node);
}

static void run_task(struct task *task)
{
    struct client_waits *waits = container_of(task, struct client_waits, task);
    struct list batch;
    struct list *node;

    list_init(&batch);
    list_splice_back(&batch, &waits->ended);
    while ((node = list_pop_front(&batch)) != NULL)
        wait_of(node)->done(wait_of(node), wait_of(node)->err);
    waits->drained(waits->cluster);
}

void client_waits_init(struct client_waits *waits, struct loop *loop,
                       struct client_cluster *cluster,
                       void (*drained)(struct client_cluster *cluster))
{
    *waits = (struct client_waits){.loop = loop, .cluster = cluster, .drained = drained};
    list_init(&waits->ended);
    waits->task.run = run_task;
}

static void put_ended(struct client_waits *waits, struct client_wait *wait, enum err err)
{
    wait->has_ended = true;
    wait->err = err;
    list_push_back(&waits->ended, &wait->node);
    loop_defer(waits->loop, &waits->task);
}

void client_waits_end(struct client_waits *waits, struct client_wait *wait, enum err err)
{
    if (wait->has_ended)
        return;
    loop_cancel_timer(waits->loop, &wait->expiry);
    list_remove(&wait->node);
    put_ended(waits, wait, err);
}

void client_waits_refuse(struct client_waits *waits, struct client_wait *wait, enum err err)
{
    wait->cluster = waits->cluster;
    timer_init(&wait->expiry, NULL);
    put_ended(waits, wait, err);
}

static void on_expiry(struct timer *timer)
{
    struct client_wait *wait = container_of(timer, struct client_wait, expiry);

    client_waits_end(&wait->cluster->waits, wait, ERR_TIMEOUT);
}

void client_waits_begin(struct client_waits *waits, struct client_wait *wait, struct list *list,
                        const void *subject, uint32_t timeout_ms)
{
    wait->cluster = waits->cluster;
    wait->subject = subject;
    wait->has_ended = false;
    wait->kafka_error = 0;
    list_push_back(list, &wait->node);
    timer_init(&wait->expiry, on_expiry);
    loop_set_timer_ms(waits->loop, &wait->expiry, timeout_ms);
}

void client_waits_end_all(struct client_waits *waits, struct list *list, enum err err)
{
    while (!list_is_empty(list))
        client_waits_end(waits, wait_of(list->next), err);
}
