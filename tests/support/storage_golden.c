#include "tests/support/storage_golden.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

struct golden golden_copy(const void *bytes, size_t size_bytes)
{
    struct golden golden = {.bytes = mem_alloc(size_bytes), .size_bytes = size_bytes};

    if (size_bytes > 0)
        memcpy(golden.bytes, bytes, size_bytes);
    return golden;
}

struct golden golden_read(const char *name)
{
    static uint8_t space[1 << 20];
    char path[1024];
    size_t size_bytes;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, name);
    file = fopen(path, "rb");
    cr_assert(ne(ptr, file, NULL), "%s", path);
    size_bytes = fread(space, 1, sizeof(space), file);
    fclose(file);
    cr_assert(size_bytes > 0 && size_bytes < sizeof(space));
    return golden_copy(space, size_bytes);
}

void golden_free(struct golden *golden)
{
    mem_free(golden->bytes);
    golden->bytes = NULL;
}

struct golden golden_batch(const struct batch_builder_options *options, int32_t record_count)
{
    struct compression_context *context = compression_context_create();
    struct batch_builder builder;
    struct golden batch;
    const uint8_t *bytes;
    uint32_t size_bytes;

    batch_builder_init(&builder, options);
    for (int32_t i = 0; i < record_count; i++) {
        char key[32];
        char value[32];

        snprintf(key, sizeof(key), "key-%d", i);
        snprintf(value, sizeof(value), "value-%d-of-some-length", i);
        cr_assert(eq(int,
                     batch_builder_add_pair(&builder, key, (int32_t)strlen(key), value,
                                            (int32_t)strlen(value), 1700000000000 + i),
                     OK));
    }
    cr_assert(eq(int, batch_builder_finish(&builder, context, &bytes, &size_bytes), OK));
    batch = golden_copy(bytes, size_bytes);
    batch_builder_deinit(&builder);
    compression_context_destroy(context);
    return batch;
}

void golden_repair(struct golden *batch)
{
    batch_set_crc(batch->bytes, (uint32_t)batch->size_bytes);
}
