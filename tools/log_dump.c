/* levee log dump: the batches of segment files, read as they lie, of ours or of Apache Kafka's. */
#include "base/mem.h"
#include "record/batch_reader.h"
#include "tools/cli.h"
#include "tools/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNCOMPRESSED_BYTES_MAX = 1 << 30, BLOCK_BYTES = 4096 };

struct dump {
    const struct cli *cli;
    struct batch_reader reader;
    struct compression_context *context;
    uint64_t batch_count;
    uint64_t bad_count;
};

static void print_batch(const struct dump *dump, const struct batch_header *header, uint64_t pos,
                        bool good)
{
    if (dump->cli->json)
        printf("{\"base_offset\":%lld,\"last_offset\":%lld,\"count\":%d,\"position\":%llu,"
               "\"size\":%u,\"leader_epoch\":%d,\"codec\":\"%s\",\"producer_id\":%lld,"
               "\"producer_epoch\":%d,\"base_sequence\":%d,\"max_timestamp\":%lld,"
               "\"control\":%s,\"transactional\":%s,\"crc_ok\":%s}\n",
               (long long)header->base_offset, (long long)batch_last_offset(header),
               header->record_count, (unsigned long long)pos, header->size_bytes,
               header->leader_epoch, compression_name((enum compression)batch_codec(header)),
               (long long)header->producer_id, header->producer_epoch, header->base_sequence,
               (long long)header->max_timestamp_ms, batch_is_control(header) ? "true" : "false",
               batch_is_transactional(header) ? "true" : "false", good ? "true" : "false");
    else
        printf("offsets %lld-%lld count %d position %llu size %u epoch %d codec %s producer "
               "%lld/%d sequence %d timestamp %lld%s%s\n",
               (long long)header->base_offset, (long long)batch_last_offset(header),
               header->record_count, (unsigned long long)pos, header->size_bytes,
               header->leader_epoch, compression_name((enum compression)batch_codec(header)),
               (long long)header->producer_id, header->producer_epoch, header->base_sequence,
               (long long)header->max_timestamp_ms, batch_is_control(header) ? " control" : "",
               good ? "" : " BAD CRC");
}

static void print_record(const struct dump *dump, const struct record *record, int64_t offset,
                         int64_t timestamp_ms)
{
    struct output_object object;

    if (dump->cli->json) {
        output_begin(&object);
        output_number(&object, "offset", offset);
        output_number(&object, "timestamp", timestamp_ms);
        output_bytes(&object, "key", record->key, record->key_bytes);
        output_bytes(&object, "value", record->value, record->value_bytes);
        output_end(&object);
        return;
    }
    printf("  %lld ts %lld key ", (long long)offset, (long long)timestamp_ms);
    output_json_text(record->key_bytes < 0 ? NULL : (const char *)record->key,
                     (size_t)record->key_bytes);
    fputs(" value ", stdout);
    output_json_text(record->value_bytes < 0 ? NULL : (const char *)record->value,
                     (size_t)record->value_bytes);
    putchar('\n');
}

static enum err print_records(struct dump *dump, const uint8_t *bytes, uint32_t size_bytes)
{
    struct record record;
    int64_t offset;
    int64_t timestamp_ms;
    enum err err = batch_reader_open(&dump->reader, bytes, size_bytes);

    while (err == OK &&
           (err = batch_reader_next(&dump->reader, &record, &offset, &timestamp_ms)) == OK)
        print_record(dump, &record, offset, timestamp_ms);
    return err == ERR_NOT_FOUND ? OK : err;
}

static bool is_zero(const uint8_t *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* Why the walk ended before the file does.  A segment is written in whole blocks, the last one
 * filled up with zeros that the next write replaces: that is in order.  More zeros than that are
 * not. */
static enum cli_exit tell_tail(const char *path, const uint8_t *bytes, size_t size_bytes,
                               size_t pos, enum err err)
{
    size_t left = size_bytes - pos;

    if (is_zero(bytes + pos, left) && left < BLOCK_BYTES) {
        fflush(stdout);
        fprintf(stderr,
                "levee: %s: the last %zu bytes are not written yet (zeros up to the end of a "
                "block). A running broker fills its newest segment from its journal, so newer "
                "records may not be in this file\n",
                path, left);
        return CLI_OK;
    }
    if (is_zero(bytes + pos, left))
        return cli_fail(
            CLI_DEGRADED,
            "%s: zeros from position %zu to the end, %zu bytes: more than the rest of a "
            "block. The file was preallocated, or its blocks were never written",
            path, pos, left);
    if (err == ERR_TRUNCATED)
        return cli_fail(CLI_DEGRADED,
                        "%s: the last batch, at position %zu, is not complete: %zu bytes of it are "
                        "here. If the broker runs, the rest is not written yet; if it was stopped, "
                        "the next start completes it from the journal or says that it is lost",
                        path, pos, left);
    return cli_fail(CLI_DEGRADED, "%s: the %zu bytes from position %zu on are no batch (%s)", path,
                    left, pos, err_text(err));
}

static enum cli_exit dump_bytes(struct dump *dump, const char *path, const uint8_t *bytes,
                                size_t size_bytes)
{
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *batch;
    enum err err;

    batch_walk_init(&walk, bytes, size_bytes);
    while ((err = batch_next(&walk, &header, &batch)) == OK) {
        bool good = batch_crc_is_good(batch, &header);
        dump->batch_count++;
        dump->bad_count += !good;
        print_batch(dump, &header, (uint64_t)(batch - bytes), good);
        if (dump->cli->print_records && good) {
            err = print_records(dump, batch, header.size_bytes);
            if (err != OK)
                return cli_fail(CLI_DEGRADED, "%s: records at offset %lld: %s", path,
                                (long long)header.base_offset, err_text(err));
        }
    }
    return err == ERR_NOT_FOUND ? CLI_OK : tell_tail(path, bytes, size_bytes, walk.pos, err);
}

static enum cli_exit dump_file(struct dump *dump, const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t size_bytes = 0;
    size_t capacity = 0;
    enum cli_exit result;

    if (file == NULL)
        return cli_fail(errno == ENOENT ? CLI_NOT_FOUND : CLI_FAILED, "%s: %s", path,
                        strerror(errno));
    for (;;) {
        size_t got;
        if (size_bytes == capacity) {
            capacity = capacity == 0 ? 1 << 20 : capacity * 2;
            bytes = mem_realloc(bytes, capacity);
        }
        got = fread(bytes + size_bytes, 1, capacity - size_bytes, file);
        if (got == 0)
            break;
        size_bytes += got;
    }
    result = ferror(file) ? cli_fail(CLI_FAILED, "%s cannot be read", path)
                          : dump_bytes(dump, path, bytes, size_bytes);
    fclose(file);
    mem_free(bytes);
    return result;
}

enum cli_exit command_log_dump(struct cli *cli)
{
    struct dump dump = {.cli = cli, .context = compression_context_create()};
    enum cli_exit result = CLI_OK;

    batch_reader_init(&dump.reader, dump.context, UNCOMPRESSED_BYTES_MAX);
    for (int i = 0; i < cli->word_count; i++) {
        enum cli_exit one = dump_file(&dump, cli->words[i]);
        if (result == CLI_OK)
            result = one;
    }
    batch_reader_deinit(&dump.reader);
    compression_context_destroy(dump.context);
    if (!cli->json)
        printf("%llu batches, %llu with a bad checksum\n", (unsigned long long)dump.batch_count,
               (unsigned long long)dump.bad_count);
    return result == CLI_OK && dump.bad_count > 0 ? CLI_DEGRADED : result;
}
