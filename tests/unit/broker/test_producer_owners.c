/* Whose producer ids go when there are too many: over the wire, from different addresses. */
#include "broker/producer_owner.h"
#include "broker/topic_table.h"
#include "tests/unit/broker/live_rig.h"

#include <sys/socket.h>

/* One record to partition 0 of topic, answered without error; its offset. */
static int64_t produce(struct live_client *client, const char *name, int64_t producer_id,
                       int32_t sequence)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct live_produce produced;
    struct batch_builder builder;

    options.producer_id = producer_id;
    options.producer_epoch = 0;
    options.base_sequence = sequence;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int,
                 batch_builder_add_pair(&builder, NULL, -1, (const uint8_t *)"v", 1,
                                        clock_wall_ms(client->client.loop.clock)),
                 OK));
    produced = live_produce_built(client, name, 0, &builder, NULL);
    cr_assert(eq(i16, produced.error_code, KAFKA_NONE));
    return produced.base_offset;
}

/* The issue's own case: others' ids fill the partition between a batch and its resend. */
Test(producer_owners, a_resend_is_known_whatever_other_clients_bring)
{
    struct live_client *victim;
    struct live_client *other;

    live.sizes.log_producers_max = 20;
    live_start(2, NULL);
    victim = live_client(0);
    other = live_client(1);
    live_topic(victim, "t", 1);
    cr_assert(eq(i64, produce(victim, "t", 7, 0), 0));
    for (int64_t id = 0; id < 100; id++)
        cr_assert(eq(i64, produce(other, "t", 1000 + id, 0), id + 1));
    cr_assert(eq(i64, produce(victim, "t", 7, 0), 0), "it was stored a second time");
}

Test(producer_owners, nor_when_they_fill_what_all_partitions_may_remember)
{
    struct live_client *victim;
    struct live_client *other;
    char name[16];

    live.sizes.producers_max = 30;
    live_start(1, NULL);
    victim = live_client(0);
    other = live_client(1);
    live_topic(victim, "t", 1);
    cr_assert(eq(i64, produce(victim, "t", 7, 0), 0));
    for (int64_t i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "other%d", (int)i);
        live_topic(other, name, 1);
        for (int64_t id = 0; id < 10; id++)
            cr_assert(eq(i64, produce(other, name, 1000 + id, 0), id));
    }
    cr_assert(eq(i64, produce(victim, "t", 7, 0), 0), "it was stored a second time");
}

static uint64_t owner_at(const char *host)
{
    struct io_address address;

    cr_assert(eq(int, io_address_parse(host, 9092, &address), OK));
    return producer_owner_of(&address);
}

static void says(const char *host, const char *text)
{
    char found[IO_ADDRESS_TEXT_MAX];

    producer_owner_format(owner_at(host), found);
    cr_assert(eq(str, found, (char *)text));
}

Test(producer_owners, an_owner_is_an_address_or_a_network_of_64_bits)
{
    cr_assert(ne(u64, owner_at("10.0.0.1"), owner_at("10.0.0.2")));
    cr_assert(ne(u64, owner_at("0.0.0.0"), PRODUCER_OWNER_NONE));
    cr_assert(ne(u64, owner_at("::1"), PRODUCER_OWNER_NONE));
    cr_assert(ne(u64, owner_at("::1"), owner_at("0.0.0.1")));
    cr_assert(eq(u64, owner_at("2001:db8::1"), owner_at("2001:db8::ffff:2")));
    cr_assert(ne(u64, owner_at("2001:db8:0:1::1"), owner_at("2001:db8:0:2::1")));
    says("192.0.2.7", "192.0.2.7");
    says("::1", "::1");
    says("2001:db8:0:1::5", "2001:db8:0:1::/64");
}

static uint32_t lines;

static void on_line(struct log_sink *sink, enum log_level level, const char *line,
                    size_t size_bytes)
{
    lines++;
}

Test(producer_owners, one_line_a_minute_tells_of_those_that_went)
{
    const struct producer_forgotten forgotten = {.producer_id = 1, .owner = 2, .for_owner = 3};
    struct forgotten_lines state = {0};
    struct log_sink sink;

    live_start(1, NULL);
    log_sink_init(&sink, on_line, sim_node_clock(live.broker.node), LOG_TRACE, LOG_FORMAT_TEXT);
    for (uint64_t s = 1; s <= 130; s++)
        forgotten_lines_note(&state, s * 1000000000, &sink, "t", 0, &forgotten);
    cr_assert(eq(u32, lines, 3));
    cr_assert(eq(u64, state.count, 9));
}
