/* Brokers of the image: RegisterBroker, UnregisterBroker, BrokerRegistrationChange. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/metadata/image_private.h"
#include "net/protocol/msg_broker_registration_change_record.h"
#include "net/protocol/msg_register_broker_record.h"
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

static char *copy_text(struct wire_string text)
{
    return text.text == NULL ? NULL : mem_strndup(text.text, (size_t)text.size_bytes);
}

/* count < 0: null, which is none. */
static void set_dirs(struct uuid **dirs_io, uint32_t *count_io, const struct uuid *dirs,
                     int32_t count)
{
    size_t size_bytes = count < 0 ? 0 : (size_t)count * sizeof(*dirs);

    mem_free(*dirs_io);
    *dirs_io = mem_alloc(size_bytes);
    *count_io = count < 0 ? 0 : (uint32_t)count;
    if (size_bytes > 0)
        memcpy(*dirs_io, dirs, size_bytes);
}

/* A registration replaces whatever was known of that id. */
static void register_broker(struct image *image, const struct register_broker_record *record)
{
    struct image_broker *broker = find_broker(image, record->broker_id);

    if (broker != NULL) {
        clear_broker(broker);
    } else {
        uint32_t place = image->broker_count;
        image->brokers =
            mem_realloc(image->brokers, (image->broker_count + 1) * sizeof(*image->brokers));
        for (; place > 0 && image->brokers[place - 1].id > record->broker_id; place--)
            image->brokers[place] = image->brokers[place - 1];
        broker = &image->brokers[place];
        image->broker_count++;
    }
    *broker = (struct image_broker){
        .id = record->broker_id,
        .incarnation_id = record->incarnation_id,
        .epoch = record->broker_epoch,
        .fenced = record->fenced,
        .in_controlled_shutdown = record->in_controlled_shutdown,
        .rack = copy_text(record->rack),
        .endpoint_count = (uint32_t)record->end_points.count,
        .endpoints = mem_alloc((size_t)record->end_points.count * sizeof(*broker->endpoints)),
    };
    for (int32_t i = 0; i < record->end_points.count; i++)
        broker->endpoints[i] = (struct image_endpoint){
            .name = copy_text(record->end_points.items[i].name),
            .host = copy_text(record->end_points.items[i].host),
            .port = record->end_points.items[i].port,
            .security_protocol = record->end_points.items[i].security_protocol};
    set_dirs(&broker->log_dirs, &broker->log_dir_count, record->log_dirs.items,
             record->log_dirs.count);
    set_dirs(&broker->cordoned, &broker->cordoned_count, record->cordoned_log_dirs.items,
             record->cordoned_log_dirs.count);
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

    if (broker == NULL || broker->epoch != record->broker_epoch)
        return ERR_MALFORMED;
    if (record->fenced != 0) /* -1 unfences, +1 fences */
        broker->fenced = record->fenced > 0;
    if (record->in_controlled_shutdown > 0)
        broker->in_controlled_shutdown = true;
    if (record->log_dirs.count > 0) /* empty means unchanged */
        set_dirs(&broker->log_dirs, &broker->log_dir_count, record->log_dirs.items,
                 record->log_dirs.count);
    if (record->cordoned_log_dirs.count >= 0) /* null means unchanged */
        set_dirs(&broker->cordoned, &broker->cordoned_count, record->cordoned_log_dirs.items,
                 record->cordoned_log_dirs.count);
    return OK;
}

enum err image_apply_broker(struct image *image, const struct metadata_record *record,
                            struct delta *delta)
{
    delta->brokers = true;
    switch (record->type) {
    case METADATA_REGISTER_BROKER:
        register_broker(image, record->body);
        return OK;
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
