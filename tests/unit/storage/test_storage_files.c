/* partition_metadata, meta_properties, offset_checkpoint: small files of a log directory. */
#include "storage/dir/meta_properties.h"
#include "storage/dir/offset_checkpoint.h"
#include "storage/dir/partition_metadata.h"
#include "tests/support/storage_golden.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct uuid id_of_golden(void)
{
    struct uuid id;

    for (uint8_t i = 0; i < 16; i++)
        id.bytes[i] = i;
    return id;
}

Test(storage_files, partition_metadata_of_kafka_is_read_and_written)
{
    struct golden file = golden_read("storage/partition.metadata");
    struct uuid expected = id_of_golden();
    struct uuid id;
    char text[PARTITION_METADATA_MAX_BYTES];

    cr_assert(eq(int, partition_metadata_decode((char *)file.bytes, file.size_bytes, &id), OK));
    cr_assert(uuid_equal(&id, &expected));
    cr_assert(eq(sz, partition_metadata_encode(&id, text), file.size_bytes));
    cr_assert(eq(int, memcmp(text, file.bytes, file.size_bytes), 0));
    for (size_t size = 0; size < file.size_bytes; size++) {
        struct golden part = golden_copy(file.bytes, size);

        cr_assert(eq(int, partition_metadata_decode((char *)part.bytes, size, &id), ERR_MALFORMED));
        golden_free(&part);
    }
    golden_free(&file);
}

static enum err decode_partition(const char *text)
{
    struct golden copy = golden_copy(text, strlen(text));
    struct uuid id;
    enum err err = partition_metadata_decode((char *)copy.bytes, copy.size_bytes, &id);

    golden_free(&copy);
    return err;
}

Test(storage_files, partition_metadata_that_is_not_ours_is_refused)
{
    cr_assert(
        eq(int, decode_partition("version: 0\r\ntopic_id:\tAAECAwQFBgcICQoLDA0ODw \r\n"), OK));
    cr_assert(eq(int, decode_partition("version: 1\ntopic_id: AAECAwQFBgcICQoLDA0ODw"),
                 ERR_NEWER_FORMAT));
    cr_assert(
        eq(int, decode_partition("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA"), ERR_MALFORMED));
    cr_assert(
        eq(int, decode_partition("version: -1\ntopic_id: AAECAwQFBgcICQoLDA0ODw"), ERR_MALFORMED));
    cr_assert(
        eq(int, decode_partition("version 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw"), ERR_MALFORMED));
    cr_assert(
        eq(int, decode_partition("topic_id: AAECAwQFBgcICQoLDA0ODw\nversion: 0"), ERR_MALFORMED));
    cr_assert(
        eq(int, decode_partition("version: 0\ntopic_id: AAECAwQFBgcICQoLDA0OD!"), ERR_MALFORMED));
    cr_assert(eq(int, decode_partition("version: 0\n"), ERR_MALFORMED));
    cr_assert(eq(int, decode_partition("version:"), ERR_MALFORMED));
}

Test(storage_files, meta_properties_of_kafka_is_read_and_ours_comes_back)
{
    struct golden file = golden_read("storage/meta.properties");
    struct uuid expected = id_of_golden();
    struct meta_properties meta;
    struct meta_properties again;
    char text[META_PROPERTIES_MAX_BYTES];
    size_t size_bytes;

    cr_assert(eq(int, meta_properties_decode((char *)file.bytes, file.size_bytes, &meta), OK));
    cr_assert(eq(str, meta.cluster_id, "Q-luster_id0123456789A"));
    cr_assert(eq(i32, meta.node_id, 7));
    cr_assert(uuid_equal(&meta.directory_id, &expected));
    size_bytes = meta_properties_encode(&meta, text);
    cr_assert(eq(int, meta_properties_decode(text, size_bytes, &again), OK));
    cr_assert(eq(str, again.cluster_id, meta.cluster_id));
    cr_assert(eq(i32, again.node_id, 7));
    cr_assert(uuid_equal(&again.directory_id, &expected));
    golden_free(&file);
}

static enum err decode_meta(const char *text)
{
    struct golden copy = golden_copy(text, strlen(text));
    struct meta_properties meta;
    enum err err = meta_properties_decode((char *)copy.bytes, copy.size_bytes, &meta);

    golden_free(&copy);
    return err;
}

Test(storage_files, meta_properties_that_are_wrong_say_how)
{
    cr_assert(eq(int, decode_meta("version=1\ncluster.id=x\nnode.id=1\nother=y\n"), OK));
    cr_assert(eq(int, decode_meta("version=1\ncluster.id=x\n"), ERR_MALFORMED));
    cr_assert(eq(int, decode_meta("version=1\nnode.id=1\n"), ERR_MALFORMED));
    cr_assert(eq(int, decode_meta("cluster.id=x\nnode.id=1\n"), ERR_MALFORMED));
    cr_assert(eq(int, decode_meta(""), ERR_MALFORMED));
    cr_assert(eq(int, decode_meta("version=1\ncluster.id=\nnode.id=1\n"), ERR_MALFORMED));
    cr_assert(eq(int, decode_meta("version=1\ncluster.id=x\nnode.id=-1\n"), ERR_MALFORMED));
    cr_assert(eq(int, decode_meta("version=1\ncluster.id=x\\u0000y\nnode.id=1\n"), ERR_MALFORMED));
    cr_assert(eq(int, decode_meta("version=1\ncluster.id=x\nnode.id=1\ndirectory.id=zz\n"),
                 ERR_MALFORMED));
    cr_assert(eq(int, decode_meta("version=2\nsomething=new\n"), ERR_NEWER_FORMAT));
    cr_assert(eq(int, decode_meta("version=0\nbroker.id=1\ncluster.id=x\n"), ERR_UNSUPPORTED));
    cr_assert(eq(int,
                 decode_meta("version=1\nnode.id=1\ncluster.id=0123456789012345678901234567890123"
                             "456789012345678901234567890123\n"),
                 ERR_TOO_LARGE));
}

Test(storage_files, a_cluster_id_of_strange_characters_survives)
{
    struct meta_properties meta = {.node_id = INT32_MAX};
    struct meta_properties again;
    char text[META_PROPERTIES_MAX_BYTES];

    memset(meta.cluster_id, '\\', sizeof(meta.cluster_id) - 1);
    meta.cluster_id[0] = ' ';
    meta.cluster_id[1] = '\n';
    meta.cluster_id[2] = '=';
    cr_assert(
        eq(int, meta_properties_decode(text, meta_properties_encode(&meta, text), &again), OK));
    cr_assert(eq(str, again.cluster_id, meta.cluster_id));
    cr_assert(eq(i32, again.node_id, INT32_MAX));
    memset(meta.cluster_id, 1, sizeof(meta.cluster_id) - 1); /* six characters each */
    cr_assert(
        eq(int, meta_properties_decode(text, meta_properties_encode(&meta, text), &again), OK));
    cr_assert(eq(str, again.cluster_id, meta.cluster_id));
}

Test(storage_files, an_offset_checkpoint_of_kafka_is_read_and_written)
{
    struct golden file = golden_read("storage/recovery-point-offset-checkpoint");
    struct offset_checkpoint_reader reader;
    struct offset_checkpoint_entry entries[2];
    struct offset_checkpoint_entry more;
    char text[128];

    cr_assert(eq(int, offset_checkpoint_open(&reader, (char *)file.bytes, file.size_bytes), OK));
    cr_assert(eq(int, offset_checkpoint_next(&reader, &entries[0]), OK));
    cr_assert(eq(int, offset_checkpoint_next(&reader, &entries[1]), OK));
    cr_assert(eq(int, offset_checkpoint_next(&reader, &more), ERR_NOT_FOUND));
    cr_assert(eq(int, memcmp(entries[0].topic, "__consumer_offsets", entries[0].topic_bytes), 0));
    cr_assert(eq(i32, entries[0].partition, 49));
    cr_assert(eq(i64, entries[1].offset, 5000000000));
    cr_assert(eq(sz, offset_checkpoint_encode(entries, 2, NULL, 0), file.size_bytes));
    cr_assert(eq(sz, offset_checkpoint_encode(entries, 2, text, sizeof(text)), file.size_bytes));
    cr_assert(eq(int, memcmp(text, file.bytes, file.size_bytes), 0));
    golden_free(&file);
}

static enum err read_checkpoint(const char *text)
{
    struct golden copy = golden_copy(text, strlen(text));
    struct offset_checkpoint_reader reader;
    struct offset_checkpoint_entry entry;
    enum err err = offset_checkpoint_open(&reader, (char *)copy.bytes, copy.size_bytes);

    while (!err)
        err = offset_checkpoint_next(&reader, &entry);
    golden_free(&copy);
    return err;
}

Test(storage_files, offset_checkpoints_that_are_wrong_say_how)
{
    cr_assert(eq(int, read_checkpoint("0\n0\n"), ERR_NOT_FOUND));
    cr_assert(eq(int, read_checkpoint("0\n1\nt 0 5"), ERR_NOT_FOUND));
    cr_assert(eq(int, read_checkpoint("0\n2\nt 0 5\n"), ERR_TRUNCATED));
    cr_assert(eq(int, read_checkpoint("0\n1\nt 0 5\nt 1 5\n"), ERR_MALFORMED));
    cr_assert(eq(int, read_checkpoint("0\n1\nt 0\n"), ERR_MALFORMED));
    cr_assert(eq(int, read_checkpoint("0\n1\nt/ 0 5\n"), ERR_MALFORMED));
    cr_assert(eq(int, read_checkpoint("0\n1\nt 0 -5\n"), ERR_MALFORMED));
    cr_assert(eq(int, read_checkpoint("0\n1\nt 0 9223372036854775808\n"), ERR_MALFORMED));
    cr_assert(eq(int, read_checkpoint("7\n1\nt 0 5\n"), ERR_NEWER_FORMAT));
    cr_assert(eq(int, read_checkpoint(""), ERR_TRUNCATED));
}
