/* fuzz_files: any bytes as the content of each small file that storage/ reads.
 *
 * The first byte chooses the file.  What is read must come out again the same. */
#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "storage/epoch_cache.h"
#include "storage/log_names.h"
#include "storage/meta_properties.h"
#include "storage/offset_checkpoint.h"
#include "storage/offset_index.h"
#include "storage/partition_metadata.h"
#include "storage/producer_files.h"
#include "storage/time_index.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const int64_t base_offset = INT64_MAX - 0x10000000;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void put_crc(uint8_t *bytes, size_t size_bytes, size_t crc_pos, bool big_endian)
{
    uint32_t crc;

    if (size_bytes < crc_pos + 4)
        return;
    crc = crc32c(0, bytes + crc_pos + 4, size_bytes - crc_pos - 4);
    for (size_t i = 0; i < 4; i++)
        bytes[crc_pos + i] = (uint8_t)(crc >> 8 * (big_endian ? 3 - i : i));
}

static void read_producers(uint8_t *bytes, size_t size_bytes, bool window)
{
    struct producer_state ps;
    struct producer_state again;

    producer_state_init(&ps, 1, 1000);
    producer_state_init(&again, 2, 1000);
    put_crc(bytes, size_bytes, window ? 12 : 2, !window);
    if ((window ? producer_window_decode(&ps, bytes, size_bytes)
                : producer_snapshot_decode(&ps, INT64_MAX, 0, bytes, size_bytes)) == OK) {
        size_t again_bytes = producer_window_size(&ps);
        uint8_t *file = mem_alloc(again_bytes);

        producer_window_encode(&ps, file);
        check(producer_window_decode(&again, file, again_bytes) == OK);
        check(producer_state_equal(&ps, &again));
        mem_free(file);
    }
    producer_state_deinit(&again);
    producer_state_deinit(&ps);
}

static void read_epochs(const char *text, size_t size_bytes)
{
    struct epoch_cache cache = {0};
    struct epoch_cache again = {0};

    if (epoch_cache_decode(&cache, text, size_bytes) == OK) {
        size_t again_bytes = epoch_cache_encode(&cache, NULL, 0);
        char *file = mem_alloc(again_bytes);

        check(epoch_cache_encode(&cache, file, again_bytes) == again_bytes);
        check(epoch_cache_decode(&again, file, again_bytes) == OK);
        check(epoch_cache_equal(&cache, &again));
        mem_free(file);
    }
    epoch_cache_deinit(&again);
    epoch_cache_deinit(&cache);
}

static void read_checkpoint(const char *text, size_t size_bytes)
{
    struct offset_checkpoint_reader reader;
    struct offset_checkpoint_entry entry;
    enum err err = offset_checkpoint_open(&reader, text, size_bytes);

    while (!err) {
        err = offset_checkpoint_next(&reader, &entry);
        if (!err)
            check(log_names_topic_is_valid(entry.topic, entry.topic_bytes));
    }
}

static void read_offset_index(const uint8_t *bytes, size_t size_bytes)
{
    struct offset_index index;

    offset_index_init(&index, base_offset, 4096, 100);
    if (offset_index_decode(&index, bytes, size_bytes) == OK) {
        uint8_t again[100 * OFFSET_INDEX_ENTRY_BYTES];

        check(offset_index_size_bytes(&index) == size_bytes);
        offset_index_encode(&index, again);
        check(memcmp(again, bytes, size_bytes) == 0);
        for (uint32_t i = 0; i < index.count; i++)
            check(offset_index_find(&index, base_offset + index.entries[i].relative_offset).pos ==
                  index.entries[i].pos);
        offset_index_truncate(&index, base_offset + 5000);
    }
    offset_index_deinit(&index);
}

static void read_time_index(const uint8_t *bytes, size_t size_bytes)
{
    struct time_index index;

    time_index_init(&index, base_offset, 100);
    if (time_index_decode(&index, bytes, size_bytes) == OK) {
        uint8_t again[101 * TIME_INDEX_ENTRY_BYTES];

        check(time_index_size_bytes(&index) == size_bytes);
        time_index_encode(&index, again);
        check(memcmp(again, bytes, size_bytes) == 0);
        time_index_truncate(&index, base_offset + 5000);
    }
    time_index_deinit(&index);
}

static void read_metadata(const char *text, size_t size_bytes)
{
    char out[PARTITION_METADATA_MAX_BYTES];
    struct uuid id;
    struct uuid again;

    if (partition_metadata_decode(text, size_bytes, &id))
        return;
    check(partition_metadata_decode(out, partition_metadata_encode(&id, out), &again) == OK);
    check(uuid_equal(&id, &again));
}

static void read_meta(const char *text, size_t size_bytes)
{
    char out[META_PROPERTIES_MAX_BYTES];
    struct meta_properties meta;
    struct meta_properties again;

    if (meta_properties_decode(text, size_bytes, &meta))
        return;
    check(meta_properties_decode(out, meta_properties_encode(&meta, out), &again) == OK);
    check(again.node_id == meta.node_id);
}

static void read_names(const char *text, size_t size_bytes)
{
    char name[300];
    char again[LOG_DIR_NAME_MAX];
    struct log_dir_name parsed;
    int64_t offset;
    enum log_file_kind kind;
    bool deleted;

    if (size_bytes >= sizeof(name))
        return;
    memcpy(name, text, size_bytes);
    name[size_bytes] = '\0';
    if (log_names_parse_dir(name, &parsed) == OK && !parsed.deleted) {
        log_names_format_dir(again, parsed.topic, parsed.partition);
        check(strcmp(name, again) == 0);
    }
    if (log_names_parse_file(name, &offset, &kind, &deleted) == OK && !deleted) {
        log_names_format_file(again, offset, kind);
        check(strcmp(name, again) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    uint8_t *bytes;

    if (size_bytes == 0)
        return 0;
    bytes = mem_alloc(size_bytes - 1);
    memcpy(bytes, data + 1, size_bytes - 1);
    switch (data[0] % 9) {
    case 0:
        read_producers(bytes, size_bytes - 1, false);
        break;
    case 1:
        read_producers(bytes, size_bytes - 1, true);
        break;
    case 2:
        read_epochs((char *)bytes, size_bytes - 1);
        break;
    case 3:
        read_checkpoint((char *)bytes, size_bytes - 1);
        break;
    case 4:
        read_offset_index(bytes, size_bytes - 1);
        break;
    case 5:
        read_time_index(bytes, size_bytes - 1);
        break;
    case 6:
        read_metadata((char *)bytes, size_bytes - 1);
        break;
    case 7:
        read_meta((char *)bytes, size_bytes - 1);
        break;
    default:
        read_names((char *)bytes, size_bytes - 1);
        break;
    }
    mem_free(bytes);
    return 0;
}
