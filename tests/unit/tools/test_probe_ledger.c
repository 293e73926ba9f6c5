#include "tools/load/probe.h"
#include "tools/load/probe_ledger.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { SLA_NS = 1000 };

static struct probe_counts counts[2];
static struct probe_ledger ledger;

static void begin(void)
{
    counts[0] = counts[1] = (struct probe_counts){0};
    cr_assert(probe_ledger_init(&ledger, SLA_NS, counts, 2));
}

static void end(void)
{
    probe_ledger_deinit(&ledger);
}

/* Each record that was answered came to one end (PRL-1). */
static void check_sum(uint64_t produced)
{
    uint64_t sum = 0;

    for (int i = 0; i < 2; i++)
        sum += counts[i].received + counts[i].lost + counts[i].failed;
    cr_assert(eq(u64, sum, produced));
    cr_assert(eq(u64, counts[0].produced + counts[1].produced, produced));
}

Test(probe_ledger, counts_a_record_that_goes_round, .init = begin, .fini = end)
{
    uint64_t sequence = probe_ledger_sent(&ledger, 1, 100);
    struct probe_event event;

    cr_assert(eq(u64, counts[1].in_flight, 1));
    event = probe_ledger_acknowledged(&ledger, sequence, 150);
    cr_assert(event.is_known);
    cr_assert(eq(u64, event.latency_ns, 50));
    event = probe_ledger_received(&ledger, sequence, 170);
    cr_assert(event.is_known);
    cr_assert(eq(int, event.partition, 1));
    cr_assert(eq(u64, event.latency_ns, 70));
    cr_assert(not(probe_ledger_received(&ledger, sequence, 171).is_known)); /* again */
    cr_assert(eq(u64, probe_ledger_awaited_count(&ledger), 0));
    cr_assert(eq(u64, probe_ledger_expire(&ledger, 9999), 0));
    cr_assert(eq(u64, counts[1].in_flight, 0));
    check_sum(1);
}

Test(probe_ledger, takes_one_that_is_read_before_its_answer_comes, .init = begin, .fini = end)
{
    uint64_t sequence = probe_ledger_sent(&ledger, 0, 100);

    cr_assert(probe_ledger_received(&ledger, sequence, 110).is_known);
    cr_assert(probe_ledger_acknowledged(&ledger, sequence, 120).is_known);
    cr_assert(eq(u64, probe_ledger_awaited_count(&ledger), 0));
    check_sum(1);
    sequence =
        probe_ledger_sent(&ledger, 0, 200); /* its answer is lost: it is there all the same */
    cr_assert(probe_ledger_received(&ledger, sequence, 210).is_known);
    cr_assert(probe_ledger_failed(&ledger, sequence, 220).is_known);
    cr_assert(eq(u64, counts[0].failed, 0));
    check_sum(2);
}

Test(probe_ledger, calls_lost_what_was_acknowledged_and_does_not_come_in_time, .init = begin,
     .fini = end)
{
    uint64_t first = probe_ledger_sent(&ledger, 0, 100);
    uint64_t second = probe_ledger_sent(&ledger, 1, 200);

    probe_ledger_acknowledged(&ledger, first, 110);
    probe_ledger_acknowledged(&ledger, second, 210);
    cr_assert(eq(u64, probe_ledger_expire(&ledger, 100 + SLA_NS), 0));
    cr_assert(eq(u64, probe_ledger_expire(&ledger, 101 + SLA_NS), 1));
    cr_assert(eq(u64, counts[0].lost, 1));
    cr_assert(not(probe_ledger_received(&ledger, second, 201 + SLA_NS).is_known)); /* PRL-2 */
    cr_assert(eq(u64, counts[1].late, 1));
    cr_assert(eq(u64, probe_ledger_expire(&ledger, 201 + SLA_NS), 1));
    check_sum(2);
}

Test(probe_ledger, waits_for_the_answer_of_an_old_record, .init = begin, .fini = end)
{
    uint64_t first = probe_ledger_sent(&ledger, 0, 100);
    uint64_t second = probe_ledger_sent(&ledger, 0, 100);

    probe_ledger_acknowledged(&ledger, second, 110);
    cr_assert(eq(u64, probe_ledger_expire(&ledger, 200 + SLA_NS), 1)); /* behind one that waits */
    cr_assert(eq(u64, probe_ledger_awaited_count(&ledger), 1));
    probe_ledger_failed(&ledger, first, 300 + SLA_NS);
    cr_assert(eq(u64, counts[0].failed, 1));
    cr_assert(eq(u64, probe_ledger_awaited_count(&ledger), 0));
    check_sum(2);
}

Test(probe_ledger, is_bounded, .init = begin, .fini = end)
{
    uint64_t sequence = 0;

    while (probe_ledger_has_room(&ledger))
        sequence = probe_ledger_sent(&ledger, 0, 100);
    cr_assert(eq(u64, sequence, PROBE_RECORDS_MAX - 1));
    probe_ledger_failed(&ledger, 1, 110);
    cr_assert(not(probe_ledger_has_room(&ledger))); /* the oldest is still there */
    probe_ledger_failed(&ledger, 0, 110);
    cr_assert(probe_ledger_has_room(&ledger));
    cr_assert(eq(u64, probe_ledger_sent(&ledger, 0, 120), PROBE_RECORDS_MAX));
    cr_assert(not(probe_ledger_received(&ledger, 1 + PROBE_RECORDS_MAX, 121).is_known));
    cr_assert(not(probe_ledger_received(&ledger, 1, 121).is_known));
}

Test(probe_summary, a_record_under_way_is_no_fault_of_a_probe_that_goes_on)
{
    struct probe_summary summary = {.has_begun = true,
                                    .is_up = true,
                                    .commits_count = 3,
                                    .counts = {.produced = 10, .received = 9}};

    cr_assert(probe_summary_is_good(&summary, false));
    cr_assert(not(probe_summary_is_good(&summary, true)));
    summary.counts.received = 10;
    cr_assert(probe_summary_is_good(&summary, true));
    summary.is_up = false; /* nothing came back of late */
    cr_assert(not(probe_summary_is_good(&summary, false)));
    summary.is_up = true;
    summary.counts.lost = 1;
    cr_assert(not(probe_summary_is_good(&summary, false)));
}
