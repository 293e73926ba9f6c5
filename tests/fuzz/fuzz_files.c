/* fuzz_files: any bytes as the content of each small file that storage/ reads.
 *
 * The first byte chooses the file.  What is read must come out again the same. */
#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "storage/dir/log_names.h"
#include "storage/dir/marks_format.h"
#include "storage/dir/meta_properties.h"
#include "storage/dir/offset_checkpoint.h"
#include "storage/dir/partition_metadata.h"
#include "storage/journal/journal_format.h"
#include "storage/log/epoch_cache.h"
#include "storage/log/offset_index.h"
#include "storage/log/producer_files.h"
#include "storage/log/time_index.h"
#include "tests/fuzz/fuzz_seed.h"

#include <stdbool.h>
#include <string.h>

enum { CHECKPOINT_ENTRIES_MAX = 64 };

static const int64_t base_offset = INT64_MAX - 0x10000000;

static void put_crc(uint8_t *bytes, size_t size_bytes, size_t crc_pos, bool big_endian)
{
    uint32_t crc;

    if (size_bytes < crc_pos + 4)
        return;
    crc = crc32c(0, bytes + crc_pos + 4, size_bytes - crc_pos - 4);
    for (size_t i = 0; i < 4; i++)
        bytes[crc_pos + i] = (uint8_t)(crc >> 8 * (big_endian ? 3 - i : i));
}

/* Kafka's file keeps less, but what it keeps it keeps again. */
static void check_snapshot(const struct producer_state *ps)
{
    struct producer_state again;
    size_t size_bytes = producer_snapshot_size(ps);
    uint8_t *file = mem_alloc(size_bytes);
    uint8_t *file_again = mem_alloc(size_bytes);

    producer_state_init(&again, 3, 1000);
    producer_snapshot_encode(ps, file);
    check(producer_snapshot_decode(&again, INT64_MAX, 0, file, size_bytes) == OK);
    check(producer_snapshot_size(&again) == size_bytes);
    producer_snapshot_encode(&again, file_again);
    check(memcmp(file, file_again, size_bytes) == 0);
    producer_state_deinit(&again);
    mem_free(file_again);
    mem_free(file);
}

static void read_producers(uint8_t *bytes, size_t size_bytes, bool window)
{
    struct producer_state ps;
    struct producer_state again;
    size_t used_bytes;

    producer_state_init(&ps, 1, 1000);
    producer_state_init(&again, 2, 1000);
    put_crc(bytes, size_bytes, window ? 12 : 2, !window);
    if ((window ? producer_window_decode(&ps, bytes, size_bytes, &used_bytes)
                : producer_snapshot_decode(&ps, INT64_MAX, 0, bytes, size_bytes)) == OK) {
        size_t again_bytes = producer_window_size(&ps);
        uint8_t *file = mem_alloc(again_bytes);

        producer_window_encode(&ps, file, again_bytes);
        check(producer_window_decode(&again, file, again_bytes, &used_bytes) == OK);
        check(used_bytes == again_bytes);
        check(producer_state_equal(&ps, &again));
        mem_free(file);
        check_snapshot(&ps);
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

static uint32_t read_entries(const char *text, size_t size_bytes,
                             struct offset_checkpoint_entry *entries, enum err *err_out)
{
    struct offset_checkpoint_reader reader;
    uint32_t count = 0;
    enum err err = offset_checkpoint_open(&reader, text, size_bytes);

    while (err == OK && count < CHECKPOINT_ENTRIES_MAX) {
        err = offset_checkpoint_next(&reader, &entries[count]);
        if (err == OK)
            count++;
    }
    *err_out = err;
    return count;
}

static void read_checkpoint(const char *text, size_t size_bytes)
{
    struct offset_checkpoint_entry entries[CHECKPOINT_ENTRIES_MAX];
    struct offset_checkpoint_entry again[CHECKPOINT_ENTRIES_MAX];
    enum err err;
    uint32_t count = read_entries(text, size_bytes, entries, &err);
    size_t file_bytes;
    char *file;

    for (uint32_t i = 0; i < count; i++) {
        check(log_names_topic_is_valid(entries[i].topic, entries[i].topic_bytes));
        check(entries[i].topic >= text &&
              entries[i].topic + entries[i].topic_bytes <= text + size_bytes);
    }
    if (err != ERR_NOT_FOUND)
        return;
    file_bytes = offset_checkpoint_encode(entries, count, NULL, 0);
    file = mem_alloc(file_bytes);
    check(offset_checkpoint_encode(entries, count, file, file_bytes) == file_bytes);
    check(read_entries(file, file_bytes, again, &err) == count && err == ERR_NOT_FOUND);
    for (uint32_t i = 0; i < count; i++) {
        check(again[i].topic_bytes == entries[i].topic_bytes);
        check(memcmp(again[i].topic, entries[i].topic, entries[i].topic_bytes) == 0);
        check(again[i].partition == entries[i].partition);
        check(again[i].offset == entries[i].offset);
    }
    mem_free(file);
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
    check(strcmp(again.cluster_id, meta.cluster_id) == 0);
    check(uuid_equal(&again.directory_id, &meta.directory_id));
}

static void read_own_names(const char *name)
{
    char again[JOURNAL_NAME_MAX];
    uint32_t shard;
    uint32_t slot;
    uint64_t number;

    if (journal_format_parse_name(name, &shard, &number) == OK) {
        journal_format_name(again, shard, number);
        check(strcmp(name, again) == 0);
    }
    if (marks_format_parse_name(name, &shard, &slot) == OK) {
        check(slot < MARKS_SLOT_COUNT);
        marks_format_name(again, shard, slot);
        check(strcmp(name, again) == 0);
    }
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
    read_own_names(name);
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

/* ---- seeds: texts, which no mutation finds soon */

static size_t make_seed(struct prng *prng, uint8_t *out, size_t max_bytes)
{
    static const struct {
        uint8_t choice;
        const char *text;
    } seeds[] = {
        {2, "0\n2\n0 0\n3 17\n"},
        {3, "0\n2\nt 0 5\n__consumer_offsets 49 9223372036854775807\n"},
        {6, "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ"},
        {7, "version=1\ncluster.id=abc\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAg\n"},
        {8, "00000000000000000042.timeindex"},
        {8, "00000000000000000042.snapshot.deleted"},
        {8, "00000000000000000042.levee-window"},
        {8, "a.b-0.0123456789abcdef0123456789abcdef-delete"},
        {8, "a.b-2147483647"},
        {8, "journal-3-17.levee"},
        {8, "marks-3-1.levee"},
    };
    size_t index = (size_t)prng_below(prng, array_count(seeds));
    size_t size_bytes = strlen(seeds[index].text);

    if (size_bytes + 1 > max_bytes)
        return 0;
    out[0] = seeds[index].choice;
    memcpy(out + 1, seeds[index].text, size_bytes);
    return size_bytes + 1;
}

FUZZ_SEEDS(make_seed)
