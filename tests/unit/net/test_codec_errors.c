#include "base/mem.h"
#include "net/protocol/codec.h"
#include "net/protocol/codec_errors.h"
#include "net/protocol/msg_delete_groups.h"
#include "net/protocol/msg_fetch.h"
#include "net/protocol/msg_heartbeat.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static int16_t seen[16];
static int seen_count;

static void see(void *context, int16_t error_code)
{
    seen[seen_count++] = error_code;
}

static void walk(const struct message_desc *desc, int16_t version, const void *message)
{
    uint64_t before = mem_used_count();
    struct codec_errors *plan;

    seen_count = 0;
    cr_assert(eq(int, codec_errors_create(desc, &plan), OK));
    codec_errors_each(plan, version, message, see, NULL);
    codec_errors_destroy(plan);
    cr_assert(eq(u64, mem_used_count(), before));
}

Test(codec_errors, codes_are_found_wherever_they_stand)
{
    struct fetch_response response;
    struct fetch_response_partition_data partitions[3];
    struct fetch_response_fetchable_topic_response topics[2];

    codec_set_defaults(&fetch_response_desc, &response);
    for (int i = 0; i < 3; i++) {
        codec_set_struct_defaults(&fetch_response_partition_data_struct, &partitions[i]);
        partitions[i].error_code = (int16_t)(i + 1);
    }
    for (int i = 0; i < 2; i++)
        codec_set_struct_defaults(&fetch_response_fetchable_topic_response_struct, &topics[i]);
    topics[0].partitions.items = partitions;
    topics[0].partitions.count = 1;
    topics[1].partitions.items = partitions + 1;
    topics[1].partitions.count = 2;
    response.error_code = 70;
    response.responses.items = topics;
    response.responses.count = 2;
    walk(&fetch_response_desc, 12, &response);
    cr_assert(eq(int, seen_count, 4));
    cr_assert(eq(i16, seen[0], 70));
    for (int i = 0; i < 3; i++)
        cr_assert(eq(i16, seen[i + 1], (int16_t)(i + 1)));
    walk(&fetch_response_desc, 6, &response); /* the code of the whole came with version 7 */
    cr_assert(eq(int, seen_count, 3));
}

Test(codec_errors, an_answer_without_parts_has_its_own_code)
{
    struct heartbeat_response heartbeat;
    struct delete_groups_response groups;

    codec_set_defaults(&heartbeat_response_desc, &heartbeat);
    heartbeat.error_code = 25;
    walk(&heartbeat_response_desc, 4, &heartbeat);
    cr_assert(eq(int, seen_count, 1));
    cr_assert(eq(i16, seen[0], 25));
    codec_set_defaults(&delete_groups_response_desc, &groups);
    groups.results.count = 0;
    walk(&delete_groups_response_desc, 2, &groups);
    cr_assert(eq(int, seen_count, 0));
}
