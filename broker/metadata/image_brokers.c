/* Brokers of the image: RegisterBroker, UnregisterBroker, BrokerRegistrationChange, and what old
 * logs have in its place, FenceBroker and UnfenceBroker. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/metadata/image_private.h"
#include "net/protocol/msg_broker_registration_change_record.h"
#include "net/protocol/msg_fence_broker_record.h"
#include "net/protocol/msg_register_broker_record.h"
#include "net/protocol/msg_unfence_broker_record.h"
#include "net/protocol/msg_unregister_broker_record.h"

#include <string.h>

static void clear_broker(struct image_broker *broker)
{
    for (uint32_t i = 0; i < broker->endpoint_count; i++) {
        mem_free(broker->endpoints[i].name);
        mem_free(broker->endpoints[i].host);
    }
    mem_free(broker->endpoints);
    mem_free(broker->log_dirs);
    mem_free(broker->cordoned);
    mem_free(broker->rack);
}

void image_free_brokers(struct image *image)
{
    for (uint32_t i = 0; i < image->broker_count; i++)
        clear_broker(&image->brokers[i]);
    mem_free(image->brokers);
}

static struct image_broker *find_broker(const struct image *image, int32_t id)
{
    for (uint32_t i = 0; i < image->broker_count; i++)
        if (image->brokers[i].id == id)
            return &image->brokers[i];
    return NULL;
}

/* Null stays NULL.  ERR_NOMEM. */
static enum err copy_text(struct wire_string text, char **out)
{
    *out = NULL;
    if (text.text == NULL)
        return OK;
    *out = mem_try_strndup(text.text, (size_t)text.size_bytes);
    return *out == NULL ? ERR_NOMEM : OK;
}

/* count < 0: null, which is none.  NULL: no memory. */
static struct uuid *copy_dirs(const struct uuid *dirs, int32_t count)
{
    size_t size_bytes = count < 0 ? 0 : (size_t)count * sizeof(*dirs);
    struct uuid *copy = mem_try_alloc(size_bytes);

    if (copy != NULL && size_bytes > 0)
        memcpy(copy, dirs, size_bytes);
    return copy;
}

/* The memory of dirs is the broker's from now on. */
static void take_dirs(struct uuid **dirs_io, uint32_t *count_io, struct uuid *dirs, int32_t count)
{
    mem_free(*dirs_io);
    *dirs_io = dirs;
    *count_io = count < 0 ? 0 : (uint32_t)count;
}

static enum err copy_endpoints(const struct register_broker_record *record,
                               struct image_broker *broker)
{
    size_t count = (size_t)record->end_points.count;
    enum err err = OK;

    broker->endpoints = mem_try_alloc(count * sizeof(*broker->endpoints));
    if (broker->endpoints == NULL)
        return ERR_NOMEM;
    broker->endpoint_count = (uint32_t)count;
    for (size_t i = 0; i < count && err == OK; i++) {
        const struct register_broker_record_broker_endpoint *from = &record->end_points.items[i];
        struct image_endpoint *to = &broker->endpoints[i];
        to->port = from->port;
        to->security_protocol = from->security_protocol;
        err = copy_text(from->name, &to->name);
        if (err == OK)
            err = copy_text(from->host, &to->host);
    }
    return err;
}

/* What the record says, in memory of its own. */
static enum err copy_broker(const struct register_broker_record *record, struct image_broker *out)
{
    enum err err;

    *out = (struct image_broker){
        .id = record->broker_id,
        .incarnation_id = record->incarnation_id,
        .epoch = record->broker_epoch,
        .fenced = record->fenced,
        .in_controlled_shutdown = record->in_controlled_shutdown,
    };
    err = copy_text(record->rack, &out->rack);
    if (err == OK)
        err = copy_endpoints(record, out);
    take_dirs(&out->log_dirs, &out->log_dir_count,
              copy_dirs(record->log_dirs.items, record->log_dirs.count), record->log_dirs.count);
    take_dirs(&out->cordoned, &out->cordoned_count,
              copy_dirs(record->cordoned_log_dirs.items, record->cordoned_log_dirs.count),
              record->cordoned_log_dirs.count);
    if (err == OK && out->log_dirs != NULL && out->cordoned != NULL)
        return OK;
    clear_broker(out);
    return ERR_NOMEM;
}

/* A place for a broker that is not known yet; NULL: no memory. */
static struct image_broker *add_place(struct image *image, int32_t id)
{
    uint32_t place = image->broker_count;
    struct image_broker *brokers =
        mem_try_realloc(image->brokers, (image->broker_count + 1) * sizeof(*brokers));

    if (brokers == NULL)
        return NULL;
    for (; place > 0 && brokers[place - 1].id > id; place--)
        brokers[place] = brokers[place - 1];
    image->brokers = brokers;
    image->broker_count++;
    return &brokers[place];
}

/* A registration replaces whatever was known of that id. */
static enum err register_broker(struct image *image, const struct register_broker_record *record)
{
    struct image_broker *broker = find_broker(image, record->broker_id);
    struct image_broker registered;
    enum err err = copy_broker(record, &registered);

    if (err != OK)
        return err;
    if (broker != NULL)
        clear_broker(broker);
    else
        broker = add_place(image, record->broker_id);
    if (broker == NULL) {
        clear_broker(&registered);
        return ERR_NOMEM;
    }
    *broker = registered;
    return OK;
}

static enum err unregister_broker(struct image *image,
                                  const struct unregister_broker_record *record)
{
    struct image_broker *broker = find_broker(image, record->broker_id);

    if (broker == NULL || broker->epoch != record->broker_epoch)
        return ERR_MALFORMED;
    clear_broker(broker);
    image->broker_count--;
    memmove(broker, broker + 1,
            (size_t)(&image->brokers[image->broker_count] - broker) * sizeof(*broker));
    return OK;
}

static enum err change_broker(struct image *image,
                              const struct broker_registration_change_record *record)
{
    struct image_broker *broker = find_broker(image, record->broker_id);

    struct uuid *log_dirs;
    struct uuid *cordoned;

    if (broker == NULL || broker->epoch != record->broker_epoch)
        return ERR_MALFORMED;
    log_dirs = copy_dirs(record->log_dirs.items, record->log_dirs.count);
    cordoned = copy_dirs(record->cordoned_log_dirs.items, record->cordoned_log_dirs.count);
    if (log_dirs == NULL || cordoned == NULL) {
        mem_free(log_dirs);
        mem_free(cordoned);
        return ERR_NOMEM;
    }
    if (record->log_dirs.count > 0) /* empty means unchanged */
        take_dirs(&broker->log_dirs, &broker->log_dir_count, log_dirs, record->log_dirs.count);
    else
        mem_free(log_dirs);
    if (record->cordoned_log_dirs.count >= 0) /* null means unchanged */
        take_dirs(&broker->cordoned, &broker->cordoned_count, cordoned,
                  record->cordoned_log_dirs.count);
    else
        mem_free(cordoned);
    if (record->fenced != 0) /* -1 unfences, +1 fences */
        broker->fenced = record->fenced > 0;
    if (record->in_controlled_shutdown > 0)
        broker->in_controlled_shutdown = true;
    return OK;
}

static enum err set_fenced(struct image *image, int32_t id, int64_t epoch, bool is_fenced)
{
    struct image_broker *broker = find_broker(image, id);

    if (broker == NULL || broker->epoch != epoch)
        return ERR_MALFORMED;
    broker->fenced = is_fenced;
    return OK;
}

enum err image_apply_broker(struct image *image, const struct metadata_record *record,
                            struct delta *delta)
{
    const struct fence_broker_record *fence;
    const struct unfence_broker_record *unfence;

    delta->brokers = true;
    switch (record->type) {
    case METADATA_FENCE_BROKER:
        fence = record->body;
        return set_fenced(image, fence->id, fence->epoch, true);
    case METADATA_UNFENCE_BROKER:
        unfence = record->body;
        return set_fenced(image, unfence->id, unfence->epoch, false);
    case METADATA_REGISTER_BROKER:
        return register_broker(image, record->body);
    case METADATA_UNREGISTER_BROKER:
        return unregister_broker(image, record->body);
    default:
        check(record->type == METADATA_BROKER_REGISTRATION_CHANGE);
        return change_broker(image, record->body);
    }
}

uint32_t image_broker_count(const struct image *image)
{
    return image->broker_count;
}

const struct image_broker *image_broker_at(const struct image *image, uint32_t index)
{
    check(index < image->broker_count);
    return &image->brokers[index];
}

const struct image_broker *image_broker_find(const struct image *image, int32_t id)
{
    return find_broker(image, id);
}
