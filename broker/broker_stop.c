/* The end of a broker in order: connections drained → our broker fenced in the metadata → stores
 * stopped → Kafka's checkpoint files.  (broker.h) */
#include "broker/broker_lifecycle.h"
#include "broker/broker_private.h"
#include "broker/coordinator/group_coordinator.h"
#include "broker/coordinator/transaction_coordinator.h"
#include "broker/front.h"
#include "broker/health.h"
#include "broker/metadata/controller.h"
#include "storage/store.h"

static void each_shard(struct broker *broker, size_t mail_at, void (*deliver)(struct mail *mail))
{
    broker->pending_count = broker->shards.count;
    for (uint32_t i = 0; i < broker->shards.count; i++) {
        struct mail *mail = (struct mail *)(void *)((char *)&broker->stations[i] + mail_at);
        mail->deliver = deliver;
        loop_post(&broker->stations[i].shard.loop, mail);
    }
}

/* The step of this shard is done: tell shard 0, where the last one goes on with next. */
static void report_back(struct station *station, void (*next)(struct mail *mail))
{
    station->back.deliver = next;
    loop_post(&station->broker->shards.at[0]->loop, &station->back);
}

static bool all_are_back(struct mail *mail, struct broker **broker_out)
{
    struct station *station = container_of(mail, struct station, back);

    *broker_out = station->broker;
    if (station->result != OK)
        station->broker->result = station->result;
    return --station->broker->pending_count == 0;
}

/* The other shards have nothing left to do with their stores. */
static enum err write_kafka_checkpoints(struct broker *broker)
{
    struct store *stores[SHARD_COUNT_MAX];

    for (uint32_t i = 0; i < broker->shards.count; i++)
        stores[i] = broker->shards.at[i]->store;
    return store_stopped_all(stores, broker->shards.count);
}

static void on_store_stopped_back(struct mail *mail)
{
    struct broker *broker;

    if (!all_are_back(mail, &broker))
        return;
    if (broker->result == OK)
        broker->result = write_kafka_checkpoints(broker);
    broker->options.events->stopped(broker->options.context, broker->result);
}

static void on_store_stopped(void *context, enum err err)
{
    struct station *station = context;

    station->result = err;
    report_back(station, on_store_stopped_back);
}

static void on_stop_store(struct mail *mail)
{
    struct station *station = container_of(mail, struct station, store_mail);

    store_stop(station->shard.store, on_store_stopped, station);
}

static void on_controller_stopped(void *context)
{
    each_shard(context, offsetof(struct station, store_mail), on_stop_store);
}

static void on_fenced(void *context)
{
    struct broker *broker = context;

    controller_stop(broker->controller, on_controller_stopped, broker);
}

static void on_drained_back(struct mail *mail)
{
    struct broker *broker;

    if (!all_are_back(mail, &broker))
        return;
    if (broker->life == NULL) /* stopped before shard 0 began */
        on_fenced(broker);
    else
        broker_lifecycle_stop(broker->life, on_fenced, broker);
}

static void on_drained(void *context)
{
    struct station *station = context;

    report_back(station, on_drained_back);
}

static void on_drain(struct mail *mail)
{
    struct station *station = container_of(mail, struct station, drain_mail);

    group_coordinator_stop(station->shard.groups);
    transaction_coordinator_stop(station->shard.transactions);
    front_stop_shard(station->broker->front, &station->shard, on_drained, station);
}

static void on_stop(struct mail *mail)
{
    struct broker *broker = container_of(mail, struct broker, stop_mail);

    health_set(broker->options.health, HEALTH_STOPPING);
    each_shard(broker, offsetof(struct station, drain_mail), on_drain);
}

void broker_stop(struct broker *broker)
{
    if (__atomic_exchange_n(&broker->stopping, true, __ATOMIC_ACQ_REL))
        return;
    broker->stop_mail.deliver = on_stop;
    loop_post(&broker->shards.at[0]->loop, &broker->stop_mail);
}
