#include "broker/producer_ids.h"

#include "base/mem.h"
#include "broker/metadata/controller.h"

struct producer_ids {
    struct controller *controller;
    int64_t next_id;
    int64_t end_id; /* of the block */
    bool is_refilling;
    struct controller_call refill;
    struct list waiting; /* of producer_id_wait, oldest first */
};

struct producer_ids *producer_ids_create(struct controller *controller)
{
    struct producer_ids *ids = mem_alloc(sizeof(*ids));

    ids->controller = controller;
    list_init(&ids->waiting);
    return ids;
}

void producer_ids_destroy(struct producer_ids *ids)
{
    mem_free(ids);
}

static void refill_if_needed(struct producer_ids *ids);

static void on_refilled(struct controller_call *call)
{
    struct producer_ids *ids = container_of(call, struct producer_ids, refill);
    enum err err = call->err;
    struct list waiting;

    ids->is_refilling = false;
    if (err == OK) {
        ids->next_id = call->first_id;
        ids->end_id = call->first_id + CONTROLLER_PRODUCER_ID_BLOCK;
    }
    list_init(&waiting);
    list_splice_back(&waiting, &ids->waiting);
    while (!list_is_empty(&waiting) && (err != OK || ids->next_id < ids->end_id)) {
        struct producer_id_wait *wait =
            container_of(list_pop_front(&waiting), struct producer_id_wait, node);
        wait->done(wait, err, err == OK ? ids->next_id++ : -1);
    }
    list_splice_back(&waiting, &ids->waiting); /* who came meanwhile stands behind */
    list_splice_back(&ids->waiting, &waiting);
    refill_if_needed(ids);
}

static void refill_if_needed(struct producer_ids *ids)
{
    if (ids->is_refilling || list_is_empty(&ids->waiting))
        return;
    ids->is_refilling = true;
    ids->refill = (struct controller_call){.done = on_refilled};
    controller_allocate_producer_ids(ids->controller, &ids->refill);
}

void producer_ids_take(struct producer_ids *ids, struct producer_id_wait *wait)
{
    if (ids->next_id < ids->end_id && list_is_empty(&ids->waiting)) {
        wait->done(wait, OK, ids->next_id++);
        return;
    }
    list_push_back(&ids->waiting, &wait->node);
    refill_if_needed(ids);
}
