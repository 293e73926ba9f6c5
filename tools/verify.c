/* levee verify: audit topics, or compare two. */
#include "base/mem.h"
#include "net/protocol/kafka_errors.h"
#include "tools/cli.h"
#include "tools/load/load_room.h"
#include "tools/load/verify_compare.h"
#include "tools/load/verify_partition.h"
#include "tools/load/verify_stamps.h"
#include "tools/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PRODUCERS_MAX = 1000000, PROGRESS_BATCHES = 1000, LINE_MAX_BYTES = 512 };

#define ANSWERS_BYTES_MAX (512ULL << 20)

/* All partitions of one topic. */
struct audit {
    const struct cli *cli;
    struct verify_source source;
    struct verify_partition **partitions;
    struct verify_stamps *stamps;
    struct compression_context *compression;
    int32_t visited; /* whose records are visited just now */
    uint64_t batches_count;
    uint64_t records_count;
    uint64_t findings_count;
};

/* ---- what a terminal shows meanwhile */

static void show_progress(const char *name, uint64_t records)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%s: %" PRIu64 " records ", name, records);
}

static void clear_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static enum cli_exit source_failed(const struct verify_source *source, enum err err)
{
    clear_progress();
    if (source->cluster == NULL && err == ERR_INVALID)
        return cli_fail(CLI_USAGE, "%s", source->problem); /* the addresses */
    return cli_fail(source->error_code != KAFKA_NONE ? cli_exit_of_kafka(source->error_code)
                                                     : cli_exit_of(err),
                    "%s", source->problem);
}

/* ---- output */

static void print_finding_json(const struct audit *audit, int32_t partition,
                               const struct verify_finding *finding)
{
    struct output_object object;

    output_begin(&object);
    output_text(&object, "topic", audit->source.name);
    output_number(&object, "partition", partition);
    output_text(&object, "finding", verify_kind_text(finding->kind));
    output_number(&object, "offset", finding->offset);
    output_text(&object, "text", finding->text);
    output_end(&object);
}

static void print_json(const struct audit *audit, int32_t p)
{
    const struct verify_partition *partition = audit->partitions[p];
    struct output_object object;

    for (uint32_t i = 0; i < partition->findings_count; i++)
        print_finding_json(audit, p, &partition->findings[i]);
    output_begin(&object);
    output_text(&object, "topic", audit->source.name);
    output_number(&object, "partition", p);
    output_number(&object, "log_start", partition->options.log_start);
    output_number(&object, "last_stable", partition->options.stable_offset);
    output_number(&object, "high_watermark", partition->options.high_watermark);
    output_number(&object, "batches", (int64_t)partition->batches_count);
    output_number(&object, "records", (int64_t)partition->records_count);
    output_number(&object, "committed_records", (int64_t)partition->visible_count);
    output_number(&object, "producers", (int64_t)partition->producers_count);
    output_number(&object, "transactions_committed", (int64_t)partition->committed_count);
    output_number(&object, "transactions_aborted", (int64_t)partition->aborted_count);
    output_number(&object, "transactions_open", (int64_t)partition->open_count);
    output_number(&object, "stamps", (int64_t)audit->stamps[p].stamps_count);
    output_number(&object, "producers_left_out",
                  (int64_t)(partition->producers_left_out + audit->stamps[p].producers_left_out));
    output_bool(&object, "compacted", audit->source.is_compacted);
    output_number(&object, "problems", (int64_t)verify_partition_findings_count(partition));
    output_end(&object);
}

static void print_text(const struct audit *audit, int32_t p)
{
    const struct verify_partition *partition = audit->partitions[p];
    uint64_t findings = verify_partition_findings_count(partition);

    output_line(
        "%s/%" PRId32 "  offsets %" PRId64 " to %" PRId64 ", last stable %" PRId64 ": %" PRIu64
        " batches, %" PRIu64 " records, %" PRIu64 " at read_committed, %" PRIu64
        " producers, transactions %" PRIu64 " committed %" PRIu64 " aborted %" PRIu64 " open%s  %s",
        audit->source.name, p, partition->options.log_start, partition->options.high_watermark,
        partition->options.stable_offset, partition->batches_count, partition->records_count,
        partition->visible_count, partition->producers_count, partition->committed_count,
        partition->aborted_count, partition->open_count,
        audit->source.is_compacted ? ", compacted" : "", findings == 0 ? "ok" : "PROBLEMS");
    for (uint32_t i = 0; i < partition->findings_count; i++)
        output_line("  offset %" PRId64 "  %s: %s", partition->findings[i].offset,
                    verify_kind_text(partition->findings[i].kind), partition->findings[i].text);
    if (findings > partition->findings_count)
        output_line("  and %" PRIu64 " more", findings - partition->findings_count);
    if (partition->producers_left_out > 0)
        output_line("  sequences, markers and isolation are not looked at: more than %d producers",
                    PRODUCERS_MAX);
}

/* ---- the two readings */

static void on_record(void *context, const struct batch_header *header, const struct record *record,
                      int64_t offset)
{
    struct audit *audit = context;

    (void)header;
    verify_stamps_record(&audit->stamps[audit->visited], audit->partitions[audit->visited], record,
                         offset);
}

/* What can't be parsed is a finding; the reading of that partition ends there. */
static void take_corrupt(struct audit *audit)
{
    verify_partition_find(audit->partitions[audit->source.stopped_partition], VERIFY_CHECKSUM,
                          audit->source.stopped_offset, "%s", audit->source.problem);
}

static enum err take_batch(struct audit *audit, const struct client_fetched *batch,
                           bool is_committed)
{
    struct verify_partition *partition = audit->partitions[batch->partition];

    audit->visited = batch->partition;
    audit->batches_count++;
    if (!is_committed) {
        if (!batch_is_control(&batch->header))
            audit->records_count += (uint64_t)batch->header.record_count;
        return verify_partition_batch(partition, &batch->header, batch->bytes);
    }
    if (batch->is_visible)
        verify_partition_committed(partition, &batch->header);
    return OK;
}

static enum cli_exit read_all(struct audit *audit, bool is_committed)
{
    struct client_fetched batch;
    enum err err = verify_source_begin(&audit->source, -1, is_committed);

    while (err == OK) {
        err = verify_source_next(&audit->source, &batch);
        if (err == OK)
            err = take_batch(audit, &batch, is_committed);
        else if (err == ERR_CORRUPT) {
            if (!is_committed)
                take_corrupt(audit);
            err = OK;
        }
        if (audit->batches_count % PROGRESS_BATCHES == 0)
            show_progress(audit->source.name, audit->records_count);
    }
    verify_source_end(&audit->source);
    return err == ERR_NOT_FOUND ? CLI_OK : source_failed(&audit->source, err);
}

static enum err make_partitions(struct audit *audit)
{
    size_t count = (size_t)audit->source.partitions_count;
    enum err err = OK;

    audit->partitions = mem_try_alloc(count * sizeof(struct verify_partition *));
    audit->stamps = mem_try_alloc(count * sizeof(*audit->stamps));
    if (audit->partitions == NULL || audit->stamps == NULL)
        return ERR_NOMEM;
    for (size_t p = 0; p < count && err == OK; p++) {
        const struct verify_ends *ends = &audit->source.ends[p];
        struct verify_partition_options options = {.is_compacted = audit->source.is_compacted,
                                                   .log_start = ends->log_start,
                                                   .stable_offset = ends->stable_offset,
                                                   .high_watermark = ends->high_watermark,
                                                   .producers_max = PRODUCERS_MAX,
                                                   .compression = audit->compression,
                                                   .visit = on_record,
                                                   .context = audit};
        err = verify_partition_create(&options, &audit->partitions[p]);
        if (err == OK)
            err = verify_stamps_init(&audit->stamps[p]);
    }
    return err;
}

static void judge(struct audit *audit)
{
    clear_progress();
    for (int32_t p = 0; p < audit->source.partitions_count; p++) {
        verify_partition_committed_end(audit->partitions[p]);
        audit->findings_count += verify_partition_findings_count(audit->partitions[p]);
        if (audit->cli->json)
            print_json(audit, p);
        else
            print_text(audit, p);
    }
}

static enum cli_exit audit_topic(struct audit *audit, struct load_room *room, const char *name)
{
    enum cli_exit result;
    enum err err = verify_source_open(&audit->source, room, audit->cli->brokers, name,
                                      (uint64_t)audit->cli->timeout_ms);

    if (err != OK)
        return source_failed(&audit->source, err);
    if (!audit->source.is_policy_known)
        fprintf(stderr,
                "levee: %s: its configuration is not told: holes in its offsets are no "
                "problem then\n",
                name);
    err = make_partitions(audit);
    if (err != OK)
        return cli_fail(CLI_FAILED, "%s", err_text(err));
    result = read_all(audit, false);
    for (int32_t p = 0; p < audit->source.partitions_count && result == CLI_OK; p++)
        verify_partition_end(audit->partitions[p], audit->source.ends[p].stable_after);
    if (result == CLI_OK)
        result = read_all(audit, true);
    if (result == CLI_OK)
        judge(audit);
    return result;
}

static void end_topic(struct audit *audit)
{
    for (int32_t p = 0; p < audit->source.partitions_count; p++) {
        if (audit->partitions != NULL)
            verify_partition_destroy(audit->partitions[p]);
        if (audit->stamps != NULL)
            verify_stamps_deinit(&audit->stamps[p]);
    }
    mem_free(audit->partitions);
    mem_free(audit->stamps);
    audit->partitions = NULL;
    audit->stamps = NULL;
    verify_source_close(&audit->source);
}

static enum cli_exit audit_all(const struct cli *cli, struct load_room *room)
{
    struct audit audit = {.cli = cli, .compression = compression_context_create()};
    enum cli_exit result = CLI_OK;

    /* A topic that cannot be read hides nothing of the others. */
    for (int i = 0; i < cli->word_count && result != CLI_USAGE; i++) {
        enum cli_exit one = audit_topic(&audit, room, cli->words[i]);
        if (result == CLI_OK)
            result = one;
        end_topic(&audit);
    }
    compression_context_destroy(audit.compression);
    if (result != CLI_OK)
        return audit.findings_count == 0 ? result : CLI_DEGRADED;
    if (!cli->json)
        output_line("%" PRIu64 " records, %" PRIu64 " problems", audit.records_count,
                    audit.findings_count);
    return audit.findings_count == 0 ? CLI_OK : CLI_DEGRADED;
}

/* ---- comparing */

static void on_compared(void *context, uint64_t records)
{
    show_progress(context, records);
}

static void tell_difference(const struct cli *cli, const struct verify_source sources[2],
                            int32_t partition, uint64_t records,
                            const struct verify_difference *difference)
{
    struct output_object object;

    if (cli->json) {
        output_begin(&object);
        output_text(&object, "topic", sources[0].name);
        output_text(&object, "other", sources[1].name);
        output_number(&object, "partition", partition);
        output_number(&object, "equal_records", (int64_t)records);
        output_bool(&object, "equal", !difference->is_different);
        if (difference->is_different) {
            output_number(&object, "offset", difference->offset);
            output_number(&object, "other_offset", difference->offset_b);
            output_text(&object, "field",
                        difference->field == 0
                            ? "end"
                            : verify_field_text((enum verify_field)difference->field));
            output_text(&object, "text", difference->text);
        }
        output_end(&object);
        return;
    }
    if (!difference->is_different)
        output_line("partition %" PRId32 ": %" PRIu64 " records, equal", partition, records);
    else
        output_line("partition %" PRId32 ": %" PRIu64 " records are equal, then %s (offset %" PRId64
                    " of %s at %s) and %s (offset %" PRId64 " of %s at %s) differ: %s",
                    partition, records, difference->offset < 0 ? "nothing" : "a record",
                    difference->offset, sources[0].name, sources[0].brokers,
                    difference->offset_b < 0 ? "nothing" : "a record", difference->offset_b,
                    sources[1].name, sources[1].brokers, difference->text);
}

static enum cli_exit compare_partitions(const struct cli *cli, struct verify_source sources[2],
                                        uint32_t fields)
{
    bool is_different = false;

    for (int32_t p = 0; p < sources[0].partitions_count; p++) {
        struct verify_difference difference = {0};
        uint64_t records = 0;
        int which = 0;
        enum err err = verify_compare_partition(sources, p, fields, &difference, &records, &which,
                                                on_compared, (void *)(uintptr_t)sources[0].name);
        if (err != OK)
            return source_failed(&sources[which], err);
        clear_progress();
        tell_difference(cli, sources, p, records, &difference);
        is_different = is_different || difference.is_different;
    }
    return is_different ? CLI_DEGRADED : CLI_OK;
}

static enum cli_exit compare(const struct cli *cli, struct load_room *room)
{
    const char *other_brokers = cli->brokers_other == NULL ? cli->brokers : cli->brokers_other;
    struct verify_source sources[2] = {0};
    uint32_t ignored = 0;
    enum cli_exit result = CLI_OK;
    enum err err = OK;

    if (cli->ignored != NULL && verify_fields_parse(cli->ignored, &ignored) != OK)
        return cli_fail(CLI_USAGE,
                        "--ignore takes offset, timestamp, key, value, headers between "
                        "commas, not \"%s\"",
                        cli->ignored);
    if (cli->word_count > 2 || (cli->word_count == 1 && cli->brokers_other == NULL))
        return cli_fail(CLI_USAGE, "two topics are compared: --compare A B, or one topic of two "
                                   "clusters: -b A -b B TOPIC");
    for (int i = 0; i < 2 && err == OK; i++) {
        err =
            verify_source_open(&sources[i], room, i == 0 ? cli->brokers : other_brokers,
                               cli->words[i < cli->word_count ? i : 0], (uint64_t)cli->timeout_ms);
        if (err != OK)
            result = source_failed(&sources[i], err);
    }
    if (err == OK && sources[0].partitions_count != sources[1].partitions_count)
        result = cli_fail(CLI_DEGRADED, "%s has %" PRId32 " partitions, %s has %" PRId32,
                          sources[0].name, sources[0].partitions_count, sources[1].name,
                          sources[1].partitions_count);
    if (err == OK && result == CLI_OK)
        result = compare_partitions(cli, sources, VERIFY_FIELD_ALL & ~ignored);
    verify_source_close(&sources[0]);
    verify_source_close(&sources[1]);
    return result;
}

enum cli_exit command_verify(struct cli *cli)
{
    struct load_room *room;
    bool compares = cli->compares || cli->brokers_other != NULL;
    enum cli_exit result;
    enum err err;

    if (cli->ignored != NULL && !compares)
        return cli_fail(CLI_USAGE, "--ignore is of --compare");
    err = load_room_create("levee-verify", ANSWERS_BYTES_MAX, &room);
    if (err != OK)
        return cli_fail(CLI_FAILED, "%s", err_text(err));
    result = compares ? compare(cli, room) : audit_all(cli, room);
    load_room_destroy(room);
    return result;
}
