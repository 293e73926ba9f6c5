#include "tools/load/load_payload.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/prng.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    CHUNK_BYTES = 1024,
    RATIO_MAX = 100,
    FILE_MAX_BYTES = 64 << 20,
};

/* Random bytes at the front of a chunk, so that lz4 makes chunk / ratio of it: it keeps them, and
 * needs 3 bytes (token, distance) and another for each 255 bytes of literals or match. */
static size_t random_bytes(double ratio)
{
    double wanted = CHUNK_BYTES / ratio - 3 - CHUNK_BYTES / 255.0;

    if (ratio <= 1)
        return CHUNK_BYTES;
    return wanted < 1 ? 1 : (size_t)(wanted + 0.5);
}

static enum err take_pool(struct load_payload *payload, size_t pool_bytes, size_t size_max_bytes)
{
    *payload = (struct load_payload){.pool_bytes = pool_bytes, .size_max_bytes = size_max_bytes};
    if (size_max_bytes > (size_t)FILE_MAX_BYTES)
        return ERR_INVALID;
    payload->pool = mem_try_alloc(pool_bytes + size_max_bytes);
    return payload->pool == NULL ? ERR_NOMEM : OK;
}

/* The first size_max_bytes again behind the pool, however often it fits. */
static void repeat(struct load_payload *payload)
{
    for (size_t done = 0; done < payload->size_max_bytes;) {
        size_t part = payload->size_max_bytes - done;
        if (part > payload->pool_bytes)
            part = payload->pool_bytes;
        memcpy(payload->pool + payload->pool_bytes + done, payload->pool, part);
        done += part;
    }
}

enum err load_payload_init(struct load_payload *payload, double ratio, size_t size_max_bytes,
                           uint64_t seed)
{
    struct prng prng;
    size_t random;
    enum err err;

    if (!(ratio >= 1 && ratio <= RATIO_MAX))
        return ERR_INVALID;
    err = take_pool(payload, LOAD_PAYLOAD_POOL_BYTES, size_max_bytes);
    if (err)
        return err;
    random = random_bytes(ratio);
    prng_init(&prng, seed);
    for (size_t at = 0; at < payload->pool_bytes; at += CHUNK_BYTES) {
        prng_fill(&prng, payload->pool + at, random);
        memset(payload->pool + at + random, 'a', CHUNK_BYTES - random);
    }
    repeat(payload);
    return OK;
}

static enum err read_file(struct load_payload *payload, FILE *file, size_t size_max_bytes)
{
    long size_bytes;
    enum err err;

    if (fseek(file, 0, SEEK_END) != 0 || (size_bytes = ftell(file)) < 0)
        return err_from_errno(errno);
    if (size_bytes == 0)
        return ERR_INVALID;
    if (size_bytes > FILE_MAX_BYTES)
        return ERR_TOO_LARGE;
    err = take_pool(payload, (size_t)size_bytes, size_max_bytes);
    if (err)
        return err;
    payload->is_file = true;
    rewind(file);
    if (fread(payload->pool, 1, payload->pool_bytes, file) != payload->pool_bytes)
        return ferror(file) ? ERR_IO : ERR_TRUNCATED;
    repeat(payload);
    return OK;
}

enum err load_payload_init_file(struct load_payload *payload, const char *path,
                                size_t size_max_bytes)
{
    FILE *file = fopen(path, "rbe");
    enum err err;

    *payload = (struct load_payload){0};
    if (file == NULL)
        return err_from_errno(errno);
    err = read_file(payload, file, size_max_bytes);
    (void)fclose(file);
    if (err)
        load_payload_deinit(payload);
    return err;
}

void load_payload_deinit(struct load_payload *payload)
{
    mem_free(payload->pool);
    *payload = (struct load_payload){0};
}

const uint8_t *load_payload_next(const struct load_payload *payload, uint64_t *place,
                                 size_t size_bytes)
{
    size_t at = payload->is_file ? 0 : *place % payload->pool_bytes;

    check(size_bytes <= payload->size_max_bytes);
    *place = at + size_bytes;
    return payload->pool + at;
}
