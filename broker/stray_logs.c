#include "broker/stray_logs.h"

#include "base/mem.h"
#include "base/uuid.h"
#include "broker/metadata/image.h"
#include "storage/dir/log_names.h"
#include "storage/dir/partition_metadata.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 4096 + LOG_DIR_NAME_MAX + 32 };

struct found {
    char name[LOG_DIR_NAME_MAX];
    bool is_stray;
};

struct search {
    struct io *io;
    const char *dir;
    const struct image *image;
    struct found *items;
    size_t count;
};

static bool is_metadata_log(const struct log_dir_name *name)
{
    return strcmp(name->topic, "__cluster_metadata") == 0;
}

/* The id in partition.metadata; false: there is none to be read, so the directory says nothing
 * about itself and log_open decides. */
static bool read_topic_id(struct io *io, const char *dir, const char *name, struct uuid *out)
{
    char path[PATH_BYTES];
    char text[PARTITION_METADATA_MAX_BYTES];
    uint32_t size_bytes = 0;
    int32_t fd;
    enum err err;

    snprintf(path, sizeof(path), "%s/%s/partition.metadata", dir, name);
    if (io->v->file_open(io, path, IO_READ, &fd) != OK)
        return false;
    err = io->v->file_read(io, fd, text, sizeof(text), 0, &size_bytes);
    io->v->close(io, fd);
    return err == OK && partition_metadata_decode(text, size_bytes, out) == OK;
}

static void on_entry(void *context, const char *name, bool is_dir)
{
    struct search *search = context;
    struct log_dir_name parsed;
    const struct image_topic *topic;
    struct found *found;
    struct uuid id;

    if (!is_dir || log_names_parse_dir(name, &parsed) != OK || parsed.deleted ||
        is_metadata_log(&parsed))
        return;
    search->items = mem_realloc(search->items, (search->count + 1) * sizeof(*search->items));
    found = &search->items[search->count++];
    *found = (struct found){0};
    snprintf(found->name, sizeof(found->name), "%s", name);
    if (!read_topic_id(search->io, search->dir, name, &id))
        return;
    topic = image_topic_by_id(search->image, &id);
    found->is_stray = topic == NULL || strcmp(topic->name, parsed.topic) != 0 ||
                      parsed.partition >= (int32_t)topic->partition_count;
}

static enum err set_aside(struct search *search, const struct found *found, struct log_sink *sink)
{
    char from[PATH_BYTES];
    char to[PATH_BYTES + 16];
    enum err err;

    snprintf(from, sizeof(from), "%s/%s", search->dir, found->name);
    snprintf(to, sizeof(to), "%s-stray", from);
    err = search->io->v->file_rename(search->io, from, to);
    if (err != OK)
        log_line(sink, LOG_ERROR, "LVE-2205",
                 "a partition of no known topic could not be set aside", log_str("from", from),
                 log_str("to", to), log_err(err));
    else
        log_line(sink, LOG_WARN, "LVE-2202", "a partition of no known topic was set aside",
                 log_str("from", from), log_str("to", to));
    return err;
}

enum err stray_logs_set_aside(struct io *io, const char *dir, const struct image *image,
                              struct log_sink *sink)
{
    struct search search = {.io = io, .dir = dir, .image = image};
    size_t stray_count = 0;
    enum err err = io->v->dir_list(io, dir, on_entry, &search);

    for (size_t i = 0; i < search.count; i++)
        stray_count += search.items[i].is_stray;
    if (err == OK && stray_count > 0 && image_offset(image) < 0) {
        log_line(sink, LOG_ERROR, "LVE-2203",
                 "there are partitions, but no metadata at all: nothing was touched",
                 log_str("dir", dir), log_u64("partitions", stray_count));
        err = ERR_FOREIGN;
    }
    for (size_t i = 0; i < search.count && err == OK; i++)
        if (search.items[i].is_stray)
            err = set_aside(&search, &search.items[i], sink);
    mem_free(search.items);
    return err;
}
