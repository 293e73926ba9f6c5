/* What a driver and its agents agree on: the clock, the workload, the shares. */
#include "base/mem.h"
#include "base/prng.h"
#include "tools/load/load_agent.h"
#include "tools/load/load_clock.h"
#include "tools/load/load_frame.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Trips of any length in both directions, of clocks that are far apart: the offset is right to
 * within what is said, and one quick trip is enough. */
Test(load_agent, the_clock_is_known_to_within_its_error)
{
    struct prng prng;

    prng_init(&prng, 4);
    for (int round = 0; round < 2000; round++) {
        struct load_clock_sample samples[32];
        int64_t offset_ns = (int64_t)prng_u64(&prng);
        uint64_t now_ns = prng_below(&prng, 1ULL << 50);
        uint64_t error_ns;
        int64_t found_ns;
        for (int i = 0; i < 32; i++) {
            uint64_t there_ns = 20000 + prng_below(&prng, 5000000);
            uint64_t back_ns = 20000 + prng_below(&prng, 5000000);
            if (i == 17)
                there_ns = back_ns = 30000;
            samples[i] = (struct load_clock_sample){
                .sent_ns = now_ns,
                .other_ns = now_ns + there_ns + (uint64_t)offset_ns,
                .received_ns = now_ns + there_ns + back_ns,
            };
            now_ns += there_ns + back_ns;
        }
        found_ns = load_clock_offset(samples, 32, &error_ns);
        cr_assert(le(u64, error_ns, 30001));
        cr_assert(le(i64, llabs((long long)((uint64_t)found_ns - (uint64_t)offset_ns)),
                     (int64_t)error_ns));
    }
}

static struct load_workload *workload_of(const char *rate)
{
    struct load_workload *workload = mem_alloc(sizeof(*workload));

    load_workload_defaults(workload);
    snprintf(workload->rate_text, sizeof(workload->rate_text), "%s", rate);
    return workload;
}

Test(load_agent, understands_what_is_described)
{
    struct load_workload *there = workload_of("sine:100..300/10s");
    struct load_workload *here = mem_alloc(sizeof(*here));
    char problem[512] = "";
    char *text;

    snprintf(there->brokers, sizeof(there->brokers), "a:1,b:2");
    there->partitions_count = 7;
    there->linger_ns = 2500000;
    there->verifies = true;
    there->random_ratio = 0.3;
    there->acks = 1;
    snprintf(there->json_file, sizeof(there->json_file), "out.json"); /* stays with the driver */
    snprintf(there->agents, sizeof(there->agents), "c:3");
    cr_assert(eq(int, load_agent_describe(there, &text, problem, sizeof(problem)), OK));
    cr_assert(
        eq(int, load_agent_understand(text, strlen(text), here, problem, sizeof(problem)), OK),
        "%s", problem);
    mem_free(text);
    there->json_file[0] = there->agents[0] = '\0';
    memset(there->json_file, 0, sizeof(there->json_file));
    memset(there->agents, 0, sizeof(there->agents));
    cr_assert(eq(str, here->brokers, there->brokers));
    cr_assert(eq(str, here->rate_text, there->rate_text));
    cr_assert(eq(u32, here->partitions_count, 7));
    cr_assert(eq(u64, here->linger_ns, 2500000));
    cr_assert(eq(dbl, here->random_ratio, 0.3));
    cr_assert(eq(int, here->acks, 1));
    cr_assert(here->verifies);
    cr_assert(eq(str, here->json_file, (char *)""));
    cr_assert(eq(str, here->agents, (char *)""));
    mem_free(there);
    mem_free(here);
}

Test(load_agent, shares_are_the_whole)
{
    double rate = 0;
    double rate_to = 0;
    uint64_t records = 0;

    for (uint32_t number = 0; number < 7; number++) {
        struct load_workload *workload = workload_of("ramp:1000..9000/10s");
        char problem[512] = "";
        workload->records_max = 1000003;
        cr_assert(eq(int, load_workload_check(workload, problem, sizeof(problem)), OK), "%s",
                  problem);
        load_agent_take_share(workload, number, 7);
        rate += workload->pacing.rate;
        rate_to += workload->pacing.rate_to;
        records += workload->records_max;
        load_workload_deinit(workload);
        mem_free(workload);
    }
    cr_assert(lt(dbl, fabs(rate - 1000), 1e-6));
    cr_assert(lt(dbl, fabs(rate_to - 9000), 1e-6));
    cr_assert(eq(u64, records, 1000003));
}

Test(load_agent, frames_come_as_they_were_sent)
{
    struct load_frame frame = {0};
    uint8_t bytes[300];
    int ends[2];

    memset(bytes, 7, sizeof(bytes));
    cr_assert(eq(int, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0));
    cr_assert(eq(int, load_frame_receive(ends[1], 1, 1000, &frame), ERR_TIMEOUT));
    cr_assert(eq(int, load_frame_send(ends[0], LOAD_FRAME_PING, bytes, 300), OK));
    cr_assert(eq(int, load_frame_send(ends[0], LOAD_FRAME_STOP, NULL, 0), OK));
    cr_assert(eq(int, load_frame_receive(ends[1], 1000, 300, &frame), OK));
    cr_assert(eq(int, frame.type, LOAD_FRAME_PING));
    cr_assert(eq(u32, frame.size_bytes, 300));
    cr_assert(eq(int, memcmp(frame.bytes, bytes, 300), 0));
    cr_assert(eq(int, frame.bytes[300], 0));
    load_frame_free(&frame);
    cr_assert(eq(int, load_frame_receive(ends[1], 1000, 0, &frame), OK));
    cr_assert(eq(int, frame.type, LOAD_FRAME_STOP));
    load_frame_free(&frame);
    cr_assert(eq(int, load_frame_send(ends[0], LOAD_FRAME_PING, bytes, 300), OK));
    cr_assert(eq(int, load_frame_receive(ends[1], 1000, 299, &frame), ERR_TOO_LARGE));
    close(ends[0]);
    close(ends[1]);
}

Test(load_agent, a_frame_that_ends_early_is_closed)
{
    struct load_frame frame = {0};
    int ends[2];

    cr_assert(eq(int, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0));
    cr_assert(eq(sz,
                 (size_t)write(ends[0],
                               "\0\0\0\x09\x01"
                               "abc",
                               8),
                 8));
    close(ends[0]);
    cr_assert(eq(int, load_frame_receive(ends[1], 1000, 100, &frame), ERR_CLOSED));
    cr_assert(eq(ptr, frame.bytes, NULL));
    close(ends[1]);
}
