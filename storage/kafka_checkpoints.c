/* Kafka's four files of offsets, one for all logs of a directory, whichever shard has them. */
#include "base/check.h"
#include "base/mem.h"
#include "base/small_file.h"
#include "storage/dir/offset_checkpoint.h"
#include "storage/log/log_private.h"
#include "storage/store.h"
#include "storage/store_private.h"

#include <stdio.h>
#include <string.h>

enum kind { RECOVERY_POINT, HIGH_WATERMARK, LOG_START, CLEANED, KIND_COUNT };

static const char *const names[KIND_COUNT] = {
    [RECOVERY_POINT] = "recovery-point-offset-checkpoint",
    [HIGH_WATERMARK] = "replication-offset-checkpoint",
    [LOG_START] = "log-start-offset-checkpoint",
    [CLEANED] = "cleaner-offset-checkpoint",
};

static int64_t offset_of(const struct log *log, enum kind kind)
{
    switch (kind) {
    case RECOVERY_POINT:
        return log->offsets.log_end;
    case HIGH_WATERMARK:
        return log->offsets.high_watermark;
    case CLEANED:
        return log->cleaned_offset;
    default:
        return log->offsets.log_start;
    }
}

static uint32_t fill_entries(const struct store *store, enum kind kind,
                             struct offset_checkpoint_entry *entries)
{
    uint32_t count = 0;

    list_for_each(node, &store->env.logs)
    {
        const struct log *log = container_of(node, struct log, node);
        if (log->quarantined || (kind == CLEANED && log->cleaned_offset == 0))
            continue;
        entries[count++] =
            (struct offset_checkpoint_entry){.topic = log->name,
                                             .topic_bytes = (uint32_t)strlen(log->name),
                                             .partition = log->id.partition,
                                             .offset = offset_of(log, kind)};
    }
    return count;
}

static enum err write_file(struct store *const *stores, uint32_t store_count, enum kind kind)
{
    struct offset_checkpoint_entry *entries;
    uint32_t max_count = 0;
    uint32_t count = 0;
    char path[LOG_PATH_MAX];
    size_t size_bytes;
    char *text;
    enum err err;

    for (uint32_t i = 0; i < store_count; i++)
        max_count += stores[i]->env.log_count;
    entries = mem_try_alloc(max_count * sizeof(*entries));
    if (entries == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < store_count; i++)
        count += fill_entries(stores[i], kind, entries + count);
    size_bytes = offset_checkpoint_encode(entries, count, NULL, 0);
    text = mem_try_alloc(size_bytes);
    err = text == NULL ? ERR_NOMEM : OK;
    if (err == OK) {
        offset_checkpoint_encode(entries, count, text, size_bytes);
        snprintf(path, sizeof(path), "%s/%s", stores[0]->world.dir->path, names[kind]);
        err = small_file_write(stores[0]->env.io, path, text, size_bytes);
    }
    mem_free(text);
    mem_free(entries);
    return err;
}

enum err store_stopped_all(struct store *const *stores, uint32_t count)
{
    enum err err = OK;

    check(count > 0);
    for (uint32_t i = 0; i < count; i++)
        if (stores[i]->env.state != STORE_STOPPED)
            return ERR_STORAGE;
    for (int kind = 0; kind < KIND_COUNT && err == OK; kind++)
        err = write_file(stores, count, (enum kind)kind);
    if (err == OK)
        err =
            stores[0]->env.io->v->filesystem_sync(stores[0]->env.io, stores[0]->world.dir->dir_fd);
    return err;
}
