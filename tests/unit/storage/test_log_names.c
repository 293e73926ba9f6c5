#include "storage/dir/log_names.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

static bool is_valid(const char *name)
{
    return log_names_topic_is_valid(name, strlen(name));
}

Test(log_names, topics_are_named_as_in_kafka)
{
    char name[252];

    cr_assert(is_valid("a"));
    cr_assert(is_valid("..."));
    cr_assert(is_valid("_A-z.0"));
    cr_assert(is_valid("__consumer_offsets"));
    cr_assert(not(is_valid("")));
    cr_assert(not(is_valid(".")));
    cr_assert(not(is_valid("..")));
    cr_assert(not(is_valid("a b")));
    cr_assert(not(is_valid("a/b")));
    cr_assert(not(is_valid("\xc3\xa4")));
    cr_assert(not(log_names_topic_is_valid("a\0b", 3)));
    memset(name, 'x', sizeof(name));
    cr_assert(log_names_topic_is_valid(name, 249));
    cr_assert(not(log_names_topic_is_valid(name, 250)));
}

Test(log_names, dots_and_underscores_collide)
{
    cr_assert(log_names_topics_collide("a.b", 3, "a_b", 3));
    cr_assert(log_names_topics_collide("a.b", 3, "a.b", 3));
    cr_assert(not(log_names_topics_collide("a.b", 3, "a-b", 3)));
    cr_assert(not(log_names_topics_collide("a.b", 3, "a_bc", 4)));
}

Test(log_names, files_are_named_by_their_first_offset)
{
    static const char *const expected[LOG_FILE_KIND_COUNT] = {
        "00000000005000000000.log",       "00000000005000000000.index",
        "00000000005000000000.timeindex", "00000000005000000000.txnindex",
        "00000000005000000000.snapshot",  "00000000005000000000.levee-window",
    };

    for (int kind = 0; kind < LOG_FILE_KIND_COUNT; kind++) {
        char name[LOG_FILE_NAME_MAX];
        char deleted_name[LOG_FILE_NAME_MAX + 16];
        int64_t offset;
        enum log_file_kind parsed;
        bool deleted;

        log_names_format_file(name, 5000000000, (enum log_file_kind)kind);
        cr_assert(eq(str, name, (char *)expected[kind]));
        cr_assert(eq(int, log_names_parse_file(name, &offset, &parsed, &deleted), OK));
        cr_assert(eq(i64, offset, 5000000000));
        cr_assert(eq(int, parsed, kind));
        cr_assert(not(deleted));
        snprintf(deleted_name, sizeof(deleted_name), "%s.deleted", name);
        cr_assert(eq(int, log_names_parse_file(deleted_name, &offset, &parsed, &deleted), OK));
        cr_assert(deleted);
        log_names_format_file(name, INT64_MAX, (enum log_file_kind)kind);
        cr_assert(eq(int, log_names_parse_file(name, &offset, &parsed, &deleted), OK));
        cr_assert(eq(i64, offset, INT64_MAX));
    }
}

Test(log_names, other_files_are_not_ours)
{
    static const char *const names[] = {
        "",
        ".log",
        "0.log",
        "0000000000000000000.log",
        "000000000000000000000.log",
        "00000000000000000000",
        "00000000000000000000.logx",
        "-0000000000000000001.log",
        "+0000000000000000001.log",
        "99999999999999999999.log",
        "leader-epoch-checkpoint",
        "00000000000000000000.log.deleted.deleted",
        ".deleted",
        "0000000000000000000x.log",
        "00000000000000000000.log.swap",
        "00000000000000000000.cleaned",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int64_t offset;
        enum log_file_kind kind;
        bool deleted;

        cr_assert(eq(int, log_names_parse_file(names[i], &offset, &kind, &deleted), ERR_NOT_FOUND),
                  "%s", names[i]);
    }
}

Test(log_names, directories_are_topic_and_partition)
{
    struct log_dir_name parsed;
    char name[LOG_DIR_NAME_MAX];

    log_names_format_dir(name, "my-topic.7", 12);
    cr_assert(eq(str, name, "my-topic.7-12"));
    cr_assert(eq(int, log_names_parse_dir(name, &parsed), OK));
    cr_assert(eq(str, parsed.topic, "my-topic.7"));
    cr_assert(eq(i32, parsed.partition, 12));
    cr_assert(not(parsed.deleted));
    cr_assert(eq(int, log_names_parse_dir("a--0", &parsed), OK));
    cr_assert(eq(str, parsed.topic, "a-"));
    cr_assert(eq(int, log_names_parse_dir("x-delete-0", &parsed), OK));
    cr_assert(eq(int, log_names_parse_dir("t-2147483647", &parsed), OK));
}

Test(log_names, other_directories_are_not_partitions)
{
    static const char *const names[] = {
        "",
        "-",
        "-0",
        "a",
        "a-",
        "a-x",
        "a-01",
        "a-+1",
        "a--1x",
        "a-2147483648",
        "..-0",
        ".-0",
        "a b-0",
        "a-0.11111111111111111111111111111111-future",
        "a-0.11111111111111111111111111111111-stray",
        "a-0.1-delete",
        "a-0.1111111111111111111111111111111g-delete",
        "a.11111111111111111111111111111111-delete",
        "11111111111111111111111111111111-delete",
        "lost+found",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct log_dir_name parsed;

        cr_assert(eq(int, log_names_parse_dir(names[i], &parsed), ERR_NOT_FOUND), "%s", names[i]);
    }
}

Test(log_names, a_deleted_directory_keeps_within_255_characters)
{
    struct uuid id = {{0}};
    struct log_dir_name parsed;
    char topic[LOG_TOPIC_NAME_MAX + 1];
    char name[LOG_DIR_NAME_MAX];

    id.bytes[0] = 0xab;
    log_names_format_deleted_dir(name, "t", 3, &id);
    cr_assert(eq(str, name, "t-3.ab000000000000000000000000000000-delete"));
    cr_assert(eq(int, log_names_parse_dir(name, &parsed), OK));
    cr_assert(parsed.deleted);
    cr_assert(eq(str, parsed.topic, "t"));
    cr_assert(eq(i32, parsed.partition, 3));

    memset(topic, 'x', sizeof(topic));
    topic[LOG_TOPIC_NAME_MAX] = '\0';
    log_names_format_deleted_dir(name, topic, INT32_MAX, &id);
    cr_assert(eq(sz, strlen(name), 255));
    cr_assert(eq(int, log_names_parse_dir(name, &parsed), OK));
    cr_assert(parsed.deleted);
    cr_assert(eq(i32, parsed.partition, INT32_MAX));
    log_names_format_dir(name, topic, INT32_MAX);
    cr_assert(eq(int, log_names_parse_dir(name, &parsed), OK));
    cr_assert(eq(str, parsed.topic, topic));
}
