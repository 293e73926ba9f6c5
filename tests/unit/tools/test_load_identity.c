#include "tools/load/load_identity.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct load_identity identity;

static void take(bool is_topic, const char *name, const char *value)
{
    load_identity_take(&identity, is_topic, name, value);
}

static bool says(const char *text)
{
    return strstr(load_identity_durability(&identity), text) != NULL;
}

/* LID-1 */
Test(load_identity, the_topic_decides_and_not_the_default_of_its_broker)
{
    take(false, "levee.durability", "sync");
    take(true, "levee.durability", "cache");
    cr_assert(says("page cache"));
    take(true, "levee.durability", "sync");
    cr_assert(says("stable storage"));
    identity = (struct load_identity){0};
    take(false, "log.flush.interval.messages", "9223372036854775807");
    take(true, "flush.messages", "1");
    cr_assert(says("stable storage"));
    take(true, "flush.messages", "2");
    cr_assert(says("page cache"));
}

Test(load_identity, who_is_not_understood_is_not_known)
{
    cr_assert(eq(int, load_identity_durability(&identity)[0], '\0'));
    take(false, "levee.durability", "sync"); /* its topic has not told */
    cr_assert(eq(int, load_identity_durability(&identity)[0], '\0'));
    identity = (struct load_identity){0};
    take(true, "flush.messages", "1"); /* but whose broker is it? */
    cr_assert(eq(int, load_identity_durability(&identity)[0], '\0'));
    take(false, "log.flush.interval.messages", "1");
    take(true, "write.caching", "true");
    cr_assert(eq(int, load_identity_durability(&identity)[0], '\0'));
}

Test(load_identity, the_version_of_kafka_stands_in_the_name_of_its_library)
{
    static const char library[] = "/k/libs/kafka-clients-4.3.1.jar";
    static const char endless[] = "/k/kafka-clients-4.3.1";
    char text[64];

    cr_assert(load_identity_of_path(library, strlen(library), text, sizeof(text)));
    cr_assert(eq(str, text, "Apache Kafka 4.3.1"));
    cr_assert(not(load_identity_of_path("/usr/bin/java", 13, text, sizeof(text))));
    cr_assert(not(load_identity_of_path(endless, strlen(endless), text, sizeof(text))));
    cr_assert(not(load_identity_of_path("", 0, text, sizeof(text))));
}
