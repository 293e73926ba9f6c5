/* The journals of shards that are no more. */
#include "base/mem.h"
#include "storage/journal/journal.h"
#include "storage/journal/journal_format.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct strays {
    struct io *io;
    const char *dir;
    uint32_t shard_count;
    char **paths;
    uint32_t count;
    bool lacks_memory; /* for all of them */
};

static bool add_path(struct strays *strays, const char *name)
{
    size_t path_bytes = strlen(strays->dir) + 1 + strlen(name) + 1;
    char **paths = mem_try_realloc(strays->paths, (strays->count + 1) * sizeof(char *));
    char *path = NULL;

    if (paths != NULL) {
        strays->paths = paths;
        path = mem_try_alloc(path_bytes);
    }
    if (path == NULL)
        return false;
    snprintf(path, path_bytes, "%s/%s", strays->dir, name);
    strays->paths[strays->count++] = path;
    return true;
}

static void on_stray(void *context, const char *name, bool is_dir)
{
    struct strays *strays = context;
    uint32_t shard;
    uint64_t number;

    if (is_dir || journal_format_parse_name(name, &shard, &number) || shard < strays->shard_count)
        return;
    if (!add_path(strays, name))
        strays->lacks_memory = true;
}

enum err journal_remove_others(struct io *io, const char *dir, uint32_t shard_count)
{
    struct strays strays = {.io = io, .dir = dir, .shard_count = shard_count};
    enum err err = io->v->dir_list(io, dir, on_stray, &strays);

    if (err == OK && strays.lacks_memory)
        err = ERR_NOMEM; /* all of them, or none */
    for (uint32_t i = 0; i < strays.count; i++) {
        if (!err)
            err = io->v->file_unlink(io, strays.paths[i]);
        mem_free(strays.paths[i]);
    }
    mem_free(strays.paths);
    return err || strays.count == 0 ? err : io->v->dir_sync(io, dir);
}
