#include "net/client/client_aborted.h"
#include "record/batch_builder.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct client_aborted filter;

static void begin(struct fetch_response_aborted_transaction *list, int32_t count)
{
    struct fetch_response_partition_data data = {.aborted_transactions = {list, count}};

    cr_assert(eq(int, client_aborted_init(&filter, &data), OK));
}

static bool drops(struct batch_builder *builder)
{
    struct batch_header header;
    const uint8_t *bytes;
    uint32_t size_bytes;
    bool dropped;

    cr_assert(eq(int, batch_builder_finish(builder, NULL, &bytes, &size_bytes), OK));
    cr_assert(eq(int, batch_parse(bytes, size_bytes, &header), OK));
    dropped = client_aborted_drops(&filter, &header, bytes);
    batch_builder_deinit(builder);
    return dropped;
}

static bool drops_data(int64_t offset, int64_t producer_id, bool transactional)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;

    options.base_offset = offset;
    options.transactional = transactional;
    options.producer_id = producer_id;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_pair(&builder, NULL, -1, "v", 1, 1), OK));
    return drops(&builder);
}

static bool drops_marker(int64_t offset, int64_t producer_id, bool commit)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct control_marker marker = {.commit = commit};
    struct batch_builder builder;

    options.base_offset = offset;
    options.transactional = true;
    options.control = true;
    options.producer_id = producer_id;
    options.producer_epoch = 0;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_marker(&builder, &marker, 1), OK));
    return drops(&builder);
}

Test(client_aborted, leaves_out_what_was_aborted_up_to_its_marker_and_nothing_else)
{
    /* by their markers, as a broker tells them */
    struct fetch_response_aborted_transaction list[] = {{8, 1}, {7, 0}, {8, 9}};

    begin(list, 3);
    cr_assert(drops_data(0, 7, true));
    cr_assert(drops_data(1, 8, true));
    cr_assert(not(drops_data(2, 9, true)));
    cr_assert(not(drops_data(3, -1, false)));
    cr_assert(not(drops_marker(4, 8, false)));
    cr_assert(not(drops_data(5, 8, true))); /* the next one, committed */
    cr_assert(not(drops_marker(6, 8, true)));
    cr_assert(drops_data(7, 7, true));
    cr_assert(not(drops_marker(8, 7, false)));
    cr_assert(drops_data(9, 8, true));
    cr_assert(not(drops_data(10, 7, true)));
    client_aborted_deinit(&filter);
}

Test(client_aborted, knows_what_began_before_the_first_batch)
{
    struct fetch_response_aborted_transaction list[] = {{7, 3}};

    begin(list, 1);
    cr_assert(drops_data(50, 7, true));
    cr_assert(not(drops_marker(51, 7, false)));
    cr_assert(not(drops_data(52, 7, true)));
    client_aborted_deinit(&filter);
}

Test(client_aborted, without_a_list_leaves_out_nothing)
{
    begin(NULL, -1);
    cr_assert(not(drops_data(0, 7, true)));
    client_aborted_deinit(&filter);
}
