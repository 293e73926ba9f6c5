/* On real files: the lock and the names are the kernel's. */
#include "base/io_system.h"
#include "storage/dir/log_dir.h"
#include "storage/dir/meta_properties.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct io *io;
static struct prng prng;
static char root[] = "/tmp/levee-log-dir-XXXXXX";
static char path[64];
static struct log_dir dir;

static void setup(void)
{
    cr_assert(ne(ptr, mkdtemp(root), NULL));
    snprintf(path, sizeof(path), "%s/data", root);
    cr_assert(eq(int, io_uring_create(&(struct io_uring_options){0}, &io), OK));
    prng_init(&prng, 1);
}

static void teardown(void)
{
    char command[128];

    log_dir_close(&dir, false, 0);
    io->v->destroy(io);
    snprintf(command, sizeof(command), "rm -rf %s", root);
    cr_assert(eq(int, system(command), 0));
}

TestSuite(log_dir, .init = setup, .fini = teardown, .timeout = 30);

static enum err open_as(const char *cluster_id, int32_t node_id)
{
    return log_dir_open(&dir, io, &prng, path, cluster_id, node_id);
}

static void put(const char *name, const char *text)
{
    char file_path[128];
    FILE *file;

    snprintf(file_path, sizeof(file_path), "%s/%s", path, name);
    file = fopen(file_path, "w");
    cr_assert(ne(ptr, file, NULL));
    fputs(text, file);
    fclose(file);
}

/* "" when there is none. */
static const char *get(const char *name)
{
    static char text[1000];
    char file_path[128];
    FILE *file;

    memset(text, 0, sizeof(text));
    snprintf(file_path, sizeof(file_path), "%s/%s", path, name);
    file = fopen(file_path, "r");
    if (file != NULL) {
        size_t size_bytes = fread(text, 1, sizeof(text) - 1, file);
        text[size_bytes] = '\0';
        fclose(file);
    }
    return text;
}

/* It fails so, says the word, and leaves no lock behind. */
static void expect_refusal(const char *cluster_id, int32_t node_id, enum err err, const char *word)
{
    cr_assert(eq(int, open_as(cluster_id, node_id), err), "%s", dir.problem);
    cr_assert(ne(ptr, strstr(dir.problem, word), NULL), "%s", dir.problem);
    cr_assert(ne(ptr, strchr(dir.problem, ';'), NULL), "what to do is missing: %s", dir.problem);
    cr_assert(eq(i32, dir.lock_fd, -1));
}

Test(log_dir, a_missing_one_is_created_with_an_identity)
{
    struct uuid id;

    cr_assert(eq(int, open_as(NULL, 5), OK), "%s", dir.problem);
    cr_assert(dir.is_new);
    cr_assert(not(dir.was_clean));
    cr_assert(eq(sz, strlen(dir.cluster_id), 22));
    cr_assert(eq(int, uuid_parse(dir.cluster_id, 22, &id), OK));
    cr_assert(not(uuid_is_zero(&dir.directory_id)));
    cr_assert(ne(ptr, strstr(get("meta.properties"), "node.id=5\n"), NULL));
    cr_assert(ne(ptr, strstr(get("meta.properties"), "version=1\n"), NULL));
    cr_assert(eq(str, (char *)get("levee.format"), "version=1\n"));
    cr_assert(eq(str, (char *)get("meta.properties.tmp"), ""));
    cr_assert(ge(i32, dir.dir_fd, 0));
}

Test(log_dir, the_identity_stays)
{
    struct log_dir before;

    cr_assert(eq(int, open_as("MkU3OEVBNTcwNTJENDM2Qk", 5), OK));
    cr_assert(eq(str, dir.cluster_id, "MkU3OEVBNTcwNTJENDM2Qk"));
    before = dir;
    log_dir_close(&dir, false, 0);
    cr_assert(eq(int, open_as(NULL, 5), OK));
    cr_assert(not(dir.is_new));
    cr_assert(eq(str, dir.cluster_id, before.cluster_id));
    cr_assert(uuid_equal(&dir.directory_id, &before.directory_id));
}

Test(log_dir, two_at_once_are_refused)
{
    struct log_dir first;

    cr_assert(eq(int, open_as(NULL, 1), OK));
    first = dir;
    expect_refusal(NULL, 1, ERR_LOCKED, "in use");
    log_dir_close(&first, false, 0);
    cr_assert(eq(int, open_as(NULL, 1), OK));
}

Test(log_dir, other_clusters_and_nodes_are_refused)
{
    cr_assert(eq(int, open_as("cluster-a", 1), OK));
    log_dir_close(&dir, true, 1);
    expect_refusal("cluster-b", 1, ERR_FOREIGN, "cluster-a");
    expect_refusal("cluster-a", 2, ERR_FOREIGN, "node 1");
    cr_assert(ne(ptr, strstr(get(".kafka_cleanshutdown"), "version"), NULL)); /* not used up */
}

Test(log_dir, a_clean_stop_counts_once)
{
    cr_assert(eq(int, open_as(NULL, 1), OK));
    log_dir_close(&dir, true, 77);
    cr_assert(eq(str, (char *)get(".kafka_cleanshutdown"), "{\"version\":0,\"brokerEpoch\":77}"));
    cr_assert(eq(int, open_as(NULL, 1), OK));
    cr_assert(dir.was_clean);
    cr_assert(eq(str, (char *)get(".kafka_cleanshutdown"), ""));
    log_dir_close(&dir, false, 78);
    cr_assert(eq(int, open_as(NULL, 1), OK));
    cr_assert(not(dir.was_clean));
}

Test(log_dir, kafkas_directories_are_taken_as_they_are)
{
    cr_assert(eq(int, mkdir(path, 0755), 0));
    put("meta.properties", "#\n#Sat Nov 22 10:00:00 UTC 2025\ncluster.id=abc\nversion=1\n"
                           "directory.id=cxXHwNOtT1yCMmY3QuD0Hg\nnode.id=3\n");
    put(".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":5}");
    cr_assert(eq(int, open_as(NULL, 3), OK), "%s", dir.problem);
    cr_assert(not(dir.is_new));
    cr_assert(dir.was_clean);
    cr_assert(eq(str, dir.cluster_id, "abc"));
    cr_assert(ne(ptr, strstr(get("meta.properties"), "Sat Nov"), NULL)); /* untouched */
    cr_assert(eq(str, (char *)get("levee.format"), "version=1\n"));
}

Test(log_dir, a_missing_directory_id_is_drawn)
{
    cr_assert(eq(int, mkdir(path, 0755), 0));
    put("meta.properties", "cluster.id=abc\nversion=1\nnode.id=3\n");
    cr_assert(eq(int, open_as(NULL, 3), OK));
    cr_assert(ne(ptr, strstr(get("meta.properties"), "directory.id="), NULL));
}

Test(log_dir, damage_and_other_formats_are_refused_with_advice)
{
    cr_assert(eq(int, mkdir(path, 0755), 0));
    put("meta.properties", "cluster.id=abc\nversion=1\n");
    expect_refusal(NULL, 3, ERR_CORRUPT, "damaged");
    put("meta.properties", "");
    expect_refusal(NULL, 3, ERR_CORRUPT, "damaged");
    put("meta.properties", "cluster.id=abc\nversion=2\nnode.id=3\n");
    expect_refusal(NULL, 3, ERR_NEWER_FORMAT, "version");
    put("meta.properties", "cluster.id=abc\nversion=0\nbroker.id=3\n");
    expect_refusal(NULL, 3, ERR_UNSUPPORTED, "ZooKeeper");
    put("meta.properties", "cluster.id=abc\nversion=1\nnode.id=3\n");
    put("levee.format", "version=2\n");
    expect_refusal(NULL, 3, ERR_NEWER_FORMAT, "newer");
    put("levee.format", "garbage");
    expect_refusal(NULL, 3, ERR_CORRUPT, "levee.format");
    put("levee.format", "version=1\n");
    cr_assert(eq(int, open_as(NULL, 3), OK));
}

Test(log_dir, data_without_an_identity_is_refused)
{
    char partition[128];

    cr_assert(eq(int, mkdir(path, 0755), 0));
    put("journal-0-1.levee", "");
    expect_refusal(NULL, 1, ERR_CORRUPT, "journal-0-1.levee");
    snprintf(partition, sizeof(partition), "%s/journal-0-1.levee", path);
    cr_assert(eq(int, unlink(partition), 0));
    snprintf(partition, sizeof(partition), "%s/orders-12", path);
    cr_assert(eq(int, mkdir(partition, 0755), 0));
    expect_refusal(NULL, 1, ERR_CORRUPT, "orders-12");
    cr_assert(eq(str, (char *)get("meta.properties"), ""));
    cr_assert(eq(int, rmdir(partition), 0));
    put("lost+found", "");
    cr_assert(eq(int, open_as(NULL, 1), OK), "%s", dir.problem);
}

Test(log_dir, paths_that_cannot_be_are_refused)
{
    static char long_path[LOG_DIR_PATH_MAX + 10];

    cr_assert(eq(int, log_dir_open(&dir, io, &prng, "", NULL, 1), ERR_INVALID));
    memset(long_path, 'x', sizeof(long_path) - 1);
    cr_assert(eq(int, log_dir_open(&dir, io, &prng, long_path, NULL, 1), ERR_INVALID));
    snprintf(path, sizeof(path), "%s/no/such", root);
    expect_refusal(NULL, 1, ERR_NOT_FOUND, "does not exist");
    snprintf(path, sizeof(path), "%s/data", root);
    {
        FILE *file = fopen(path, "w");
        fclose(file);
    }
    expect_refusal(NULL, 1, ERR_INVALID, "is a file");
    cr_assert(eq(int, unlink(path), 0));
    snprintf(path, sizeof(path), "%s/data//", root);
    cr_assert(eq(int, open_as(NULL, 1), OK));
    cr_assert(ne(int, dir.path[strlen(dir.path) - 1], '/'));
}
