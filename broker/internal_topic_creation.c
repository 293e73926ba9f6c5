#include "broker/internal_topic_creation.h"

#include "net/protocol/kafka_errors.h"

static void on_created(struct controller_call *call)
{
    struct controller_auto_create *create = container_of(call, struct controller_auto_create, call);

    shard_call_finish(&container_of(create, struct internal_topic_creation, create)->hop);
}

static void create_at_controller(struct shard_call *hop)
{
    struct internal_topic_creation *creation =
        container_of(hop, struct internal_topic_creation, hop);

    creation->create.name = creation->topic->name;
    creation->create.call.done = on_created;
    controller_auto_create_topic(hop->target->controller, &creation->create);
}

static void back_home(struct shard_call *hop)
{
    struct internal_topic_creation *creation =
        container_of(hop, struct internal_topic_creation, hop);

    creation->done(creation,
                   creation->create.call.err != OK || creation->create.error_code != KAFKA_NONE);
}

void internal_topic_creation_start(struct internal_topic_creation *creation, struct shard *home)
{
    shard_call_start(&creation->hop, home, shard_of_controller(home->shards), create_at_controller,
                     back_home);
}
