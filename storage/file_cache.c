#include "storage/file_cache.h"

#include "base/check.h"

void file_cache_init(struct file_cache *cache, struct io *io, uint32_t max)
{
    *cache = (struct file_cache){.io = io, .max = max > 0 ? max : 1};
    list_init(&cache->idle);
}

void file_cache_drop(struct file_cache *cache, struct file_handle *handle)
{
    check(handle->pin_count == 0); /* F1 */
    if (!handle->is_open)
        return;
    list_remove(&handle->node);
    cache->io->v->close(cache->io, handle->fd);
    handle->is_open = false;
    cache->open_count--;
}

static bool drop_oldest(struct file_cache *cache)
{
    if (list_is_empty(&cache->idle))
        return false;
    file_cache_drop(cache, list_first(&cache->idle, struct file_handle, node));
    return true;
}

enum err file_cache_acquire(struct file_cache *cache, struct file_handle *handle, const char *path,
                            uint32_t flags, int32_t *fd_out)
{
    enum err err;

    if (!handle->is_open) {
        while (cache->open_count >= cache->max && drop_oldest(cache))
            continue;
        err = cache->io->v->file_open(cache->io, path, flags, &handle->fd);
        if (err == ERR_NOMEM && drop_oldest(cache)) /* the process' own limit is lower */
            err = cache->io->v->file_open(cache->io, path, flags, &handle->fd);
        if (err)
            return err;
        handle->is_open = true;
        cache->open_count++;
    } else if (handle->pin_count == 0) {
        list_remove(&handle->node);
    }
    handle->pin_count++;
    *fd_out = handle->fd;
    return OK;
}

void file_cache_release(struct file_cache *cache, struct file_handle *handle)
{
    check(handle->pin_count > 0 && handle->is_open);
    if (--handle->pin_count > 0)
        return;
    list_push_back(&cache->idle, &handle->node);
    if (cache->open_count > cache->max)
        (void)drop_oldest(cache); /* F2 */
}
