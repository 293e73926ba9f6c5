/* The journals of shards that are no more. */
#include "base/mem.h"
#include "storage/journal/journal.h"
#include "storage/journal/journal_format.h"

#include <stdio.h>
#include <string.h>

struct strays {
    struct io *io;
    const char *dir;
    uint32_t shard_count;
    char **paths;
    uint32_t count;
};

static void on_stray(void *context, const char *name, bool is_dir)
{
    struct strays *strays = context;
    size_t path_bytes = strlen(strays->dir) + 1 + strlen(name) + 1;
    uint32_t shard;
    uint64_t number;
    char *path;

    if (is_dir || journal_format_parse_name(name, &shard, &number) || shard < strays->shard_count)
        return;
    path = mem_alloc(path_bytes);
    snprintf(path, path_bytes, "%s/%s", strays->dir, name);
    strays->paths = mem_realloc(strays->paths, (strays->count + 1) * sizeof(char *));
    strays->paths[strays->count++] = path;
}

enum err journal_remove_others(struct io *io, const char *dir, uint32_t shard_count)
{
    struct strays strays = {.io = io, .dir = dir, .shard_count = shard_count};
    enum err err = io->v->dir_list(io, dir, on_stray, &strays);

    for (uint32_t i = 0; i < strays.count; i++) {
        if (!err)
            err = io->v->file_unlink(io, strays.paths[i]);
        mem_free(strays.paths[i]);
    }
    mem_free(strays.paths);
    return err || strays.count == 0 ? err : io->v->dir_sync(io, dir);
}
