#include "tools/load/verify_partition.h"

#include "base/mem.h"
#include "record/batch_reader.h"
#include "tools/load/verify_producers.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { UNCOMPRESSED_BYTES_MAX = 1 << 30 };

const char *verify_kind_text(enum verify_kind kind)
{
    static const char *const texts[VERIFY_KIND_COUNT] = {
        [VERIFY_OFFSET] = "offset",       [VERIFY_HOLE] = "hole",
        [VERIFY_CHECKSUM] = "checksum",   [VERIFY_HEADER] = "header",
        [VERIFY_RECORD] = "record",       [VERIFY_TIMESTAMP] = "timestamp",
        [VERIFY_SEQUENCE] = "sequence",   [VERIFY_EPOCH] = "epoch",
        [VERIFY_MARKER] = "marker",       [VERIFY_WATERMARK] = "watermark",
        [VERIFY_ISOLATION] = "isolation", [VERIFY_STAMP] = "stamp",
    };

    return kind < VERIFY_KIND_COUNT ? texts[kind] : "?";
}

void verify_partition_find(struct verify_partition *partition, enum verify_kind kind,
                           int64_t offset, const char *format, ...)
{
    struct verify_finding *finding;
    va_list args;

    partition->counts[kind]++;
    if (partition->findings_count == VERIFY_FINDINGS_MAX)
        return;
    finding = &partition->findings[partition->findings_count++];
    finding->kind = kind;
    finding->offset = offset;
    va_start(args, format);
    vsnprintf(finding->text, sizeof(finding->text), format, args);
    va_end(args);
}

uint64_t verify_partition_findings_count(const struct verify_partition *partition)
{
    uint64_t count = 0;

    for (int kind = 0; kind < VERIFY_KIND_COUNT; kind++)
        count += partition->counts[kind];
    return count;
}

enum err verify_partition_create(const struct verify_partition_options *options,
                                 struct verify_partition **out)
{
    struct verify_partition *partition = mem_try_alloc(sizeof(*partition));
    enum err err;

    if (partition == NULL)
        return ERR_NOMEM;
    partition->options = *options;
    partition->next_offset = options->log_start;
    err = verify_producers_create(&partition->producers);
    if (err == OK)
        err = verify_stripes_create(options->log_start, options->stable_offset,
                                    VERIFY_STRIPE_OFFSETS, &partition->stripes);
    if (err != OK) {
        verify_partition_destroy(partition);
        return err;
    }
    *out = partition;
    return OK;
}

void verify_partition_destroy(struct verify_partition *partition)
{
    if (partition == NULL)
        return;
    verify_producers_destroy(partition->producers);
    verify_stripes_destroy(partition->stripes);
    mem_free(partition);
}

/* ---- VFY-1 */

static void check_offsets(struct verify_partition *partition, const struct batch_header *header)
{
    int64_t last = batch_last_offset(header);
    bool is_first = partition->batches_count == 1;

    if (header->last_offset_delta < 0)
        verify_partition_find(partition, VERIFY_HEADER, header->base_offset, "last offset delta %d",
                              header->last_offset_delta);
    if (is_first && last < partition->options.log_start)
        verify_partition_find(partition, VERIFY_OFFSET, header->base_offset,
                              "the first batch, up to offset %" PRId64
                              ", lies before the log start %" PRId64,
                              last, partition->options.log_start);
    else if (!is_first && header->base_offset < partition->next_offset)
        verify_partition_find(partition, VERIFY_OFFSET, header->base_offset,
                              "a batch that begins at %" PRId64
                              " behind one that ended at %" PRId64,
                              header->base_offset, partition->next_offset - 1);
    else if (header->base_offset > partition->next_offset && !partition->options.is_compacted)
        verify_partition_find(partition, VERIFY_HOLE, header->base_offset,
                              "offsets %" PRId64 " to %" PRId64 " are missing",
                              partition->next_offset, header->base_offset - 1);
    if (last + 1 > partition->next_offset)
        partition->next_offset = last + 1;
}

/* ---- VFY-2 */

static void check_counts(struct verify_partition *partition, const struct batch_header *header)
{
    int64_t offsets = (int64_t)header->last_offset_delta + 1;

    if (header->record_count < 0 || header->record_count > offsets ||
        (header->record_count != offsets && !partition->options.is_compacted))
        verify_partition_find(partition, VERIFY_HEADER, header->base_offset,
                              "%d records for %" PRId64 " offsets", header->record_count, offsets);
    if ((header->attributes & ~BATCH_ATTRIBUTES_KNOWN) != 0)
        verify_partition_find(partition, VERIFY_HEADER, header->base_offset,
                              "attributes 0x%x that nobody knows", (unsigned)header->attributes);
    if (batch_is_transactional(header) && !batch_has_producer(header))
        verify_partition_find(partition, VERIFY_HEADER, header->base_offset,
                              "a batch of a transaction without a producer id");
    if (batch_is_control(header) && batch_codec(header) != COMPRESSION_NONE)
        verify_partition_find(partition, VERIFY_HEADER, header->base_offset,
                              "a control batch that is compressed");
}

/* What the records of one batch came to. */
struct record_facts {
    int64_t max_timestamp_ms;
    int64_t last_delta;
    int32_t count;
};

static void take_record(struct verify_partition *partition, const struct batch_header *header,
                        const struct record *record, int64_t offset, int64_t timestamp_ms,
                        struct record_facts *facts)
{
    int64_t expected = facts->last_delta + 1;

    facts->count++;
    if (timestamp_ms > facts->max_timestamp_ms)
        facts->max_timestamp_ms = timestamp_ms;
    if (record->offset_delta < expected || record->offset_delta > header->last_offset_delta ||
        (record->offset_delta != expected && !partition->options.is_compacted))
        verify_partition_find(partition, VERIFY_RECORD, offset,
                              "a record with offset delta %d where %" PRId64
                              " was next, in the batch at %" PRId64,
                              record->offset_delta, expected, header->base_offset);
    if (record->offset_delta >= expected)
        facts->last_delta = record->offset_delta;
    if (partition->options.visit != NULL && !batch_is_control(header))
        partition->options.visit(partition->options.context, header, record, offset);
}

static enum err check_records(struct verify_partition *partition, const struct batch_header *header,
                              const uint8_t *bytes)
{
    struct record_facts facts = {.max_timestamp_ms = INT64_MIN, .last_delta = -1};
    struct batch_reader reader;
    struct record record;
    int64_t offset;
    int64_t timestamp_ms;
    enum err err;

    batch_reader_init(&reader, partition->options.compression, UNCOMPRESSED_BYTES_MAX);
    err = batch_reader_open(&reader, bytes, header->size_bytes);
    while (err == OK && (err = batch_reader_next(&reader, &record, &offset, &timestamp_ms)) == OK)
        take_record(partition, header, &record, offset, timestamp_ms, &facts);
    batch_reader_deinit(&reader);
    if (err == ERR_NOMEM)
        return err;
    if (err != ERR_NOT_FOUND)
        verify_partition_find(partition, VERIFY_RECORD, header->base_offset,
                              "record %d of %d can't be read: %s", facts.count,
                              header->record_count, err_text(err));
    else if (facts.count > 0 && facts.max_timestamp_ms != header->max_timestamp_ms)
        verify_partition_find(partition, VERIFY_TIMESTAMP, header->base_offset,
                              "the header's largest timestamp is %" PRId64
                              ", that of its records %" PRId64,
                              header->max_timestamp_ms, facts.max_timestamp_ms);
    return OK;
}

/* ---- batches */

static enum err take_control(struct verify_partition *partition, const struct batch_header *header,
                             const uint8_t *bytes)
{
    struct control_marker marker;
    enum err err = control_parse_marker(bytes, header, &marker);

    partition->control_count++;
    if (err == ERR_NOT_FOUND || (err == OK && !batch_has_producer(header)))
        return OK; /* of another kind, or emptied by compaction */
    if (err != OK) {
        verify_partition_find(partition, VERIFY_MARKER, header->base_offset,
                              "a control batch that can't be read: %s", err_text(err));
        return OK;
    }
    return verify_producers_marker(partition, header, &marker);
}

enum err verify_partition_batch(struct verify_partition *partition,
                                const struct batch_header *header, const uint8_t *bytes)
{
    struct verify_stripe what = verify_stripes_of(header);
    enum err err;

    partition->batches_count++;
    partition->bytes_count += header->size_bytes;
    check_offsets(partition, header);
    if (!batch_crc_is_good(bytes, header)) {
        verify_partition_find(partition, VERIFY_CHECKSUM, header->base_offset,
                              "the checksum of the batch is 0x%08x, that of its bytes 0x%08x",
                              header->crc, batch_compute_crc(bytes, header->size_bytes));
        return OK; /* nothing else in it can be believed */
    }
    check_counts(partition, header);
    err = check_records(partition, header, bytes);
    if (err != OK)
        return err;
    if (batch_is_control(header))
        return take_control(partition, header, bytes);
    partition->records_count += (uint64_t)header->record_count;
    if (!batch_is_transactional(header) && header->base_offset < partition->options.stable_offset)
        verify_stripes_add(partition->stripes, VERIFY_EXPECTED,
                           verify_stripes_index(partition->stripes, header->base_offset), &what);
    return batch_has_producer(header) ? verify_producers_batch(partition, header) : OK;
}

/* ---- VFY-5 */

void verify_partition_end(struct verify_partition *partition, int64_t stable_after)
{
    const struct verify_partition_options *options = &partition->options;
    int64_t first_open = verify_producers_first_open(partition->producers);
    int64_t stable = first_open >= 0 && first_open < options->high_watermark
                         ? first_open
                         : options->high_watermark;

    for (const struct list *node = partition->producers->open.next;
         node != &partition->producers->open; node = node->next)
        partition->open_count++;
    if (partition->next_offset < options->high_watermark && !options->is_compacted)
        verify_partition_find(partition, VERIFY_WATERMARK, partition->next_offset,
                              "the last record that can be read is at %" PRId64
                              ", the high watermark at %" PRId64,
                              partition->next_offset - 1, options->high_watermark);
    if (options->is_compacted || partition->producers_left_out > 0)
        return;
    if (options->stable_offset > stable)
        verify_partition_find(
            partition, VERIFY_WATERMARK, options->stable_offset,
            "the last stable offset was %" PRId64 ", and %s %" PRId64, options->stable_offset,
            first_open >= 0 ? "a transaction is open since" : "the high watermark is", stable);
    if (stable_after >= 0 && stable_after < stable)
        verify_partition_find(partition, VERIFY_WATERMARK, stable_after,
                              "the last stable offset is %" PRId64
                              ", and no transaction is open below %" PRId64,
                              stable_after, stable);
}

/* ---- VFY-6 */

void verify_partition_committed(struct verify_partition *partition,
                                const struct batch_header *header)
{
    struct verify_stripe what = verify_stripes_of(header);

    if (header->base_offset >= partition->options.stable_offset || batch_is_control(header))
        return;
    partition->visible_count += (uint64_t)header->record_count;
    verify_stripes_add(partition->stripes, VERIFY_SEEN,
                       verify_stripes_index(partition->stripes, header->base_offset), &what);
}

void verify_partition_committed_end(struct verify_partition *partition)
{
    const struct verify_stripes *stripes = partition->stripes;
    uint64_t index = 0;

    if (partition->options.is_compacted || partition->producers_left_out > 0)
        return;
    while ((index = verify_stripes_difference(stripes, index)) != UINT64_MAX) {
        int64_t from = stripes->from_offset + (int64_t)index * stripes->stripe_offsets;
        int64_t expected = stripes->sides[VERIFY_EXPECTED][index].records_count;
        int64_t seen = stripes->sides[VERIFY_SEEN][index].records_count;
        verify_partition_find(partition, VERIFY_ISOLATION, from,
                              "among offsets %" PRId64 " to %" PRId64
                              " read_committed gives %" PRId64 " records, and %" PRId64
                              " are committed or in no transaction%s",
                              from, from + stripes->stripe_offsets - 1, seen, expected,
                              seen == expected ? ", others" : "");
        index++;
    }
}
