#include "base/mem.h"
#include "broker/pattern.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static bool matches(const char *text, const char *pattern)
{
    struct pattern *made = NULL;
    enum err err;

    cr_assert(eq(int, pattern_create(pattern, strlen(pattern), &made), OK), "%s", pattern);
    err = pattern_match(made, text, strlen(text));
    pattern_destroy(made);
    cr_assert(eq(u64, mem_used_count(), 0));
    cr_assert(err == OK || err == ERR_NOT_FOUND, "%s", pattern);
    return err == OK;
}

static enum err refusal(const char *pattern)
{
    struct pattern *made = NULL;
    enum err err = pattern_create(pattern, strlen(pattern), &made);

    if (err == OK)
        pattern_destroy(made);
    cr_assert(eq(u64, mem_used_count(), 0));
    return err;
}

/* What RE2 says of the same. */
Test(pattern, it_says_what_re2_says)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"abc", "abc", true},
        {"abc", "abcd", false},
        {"bc", "abc", false},
        {"prod-.*", "prod-1", true},
        {"prod-.*", "test-prod-1", false},
        {"a|b", "a", true},
        {"a|b", "b", true},
        {"a|b|cd", "cd", true},
        {"a|b|cd", "ad", false},
        {"(a|b)c", "bc", true},
        {"a|", "", true},
        {"|a", "a", true},
        {"(ab)*", "", true},
        {"(ab)*", "abab", true},
        {"(ab)*", "aba", false},
        {"a+", "", false},
        {"a+", "aaa", true},
        {"a?b", "b", true},
        {"a?b", "aab", false},
        {"a*?b", "aaab", true},
        {"(a*)*", "aaa", true},
        {"(a*)+b", "b", true},
        {"(a|b)*abb", "abaabb", true},
        {"(a|b)*abb", "abaab", false},
        {"a{3}", "aaa", true},
        {"a{3}", "aa", false},
        {"a{2,3}", "aa", true},
        {"a{2,3}", "aaaa", false},
        {"a{2,}", "aaaaa", true},
        {"a{2,}", "a", false},
        {"a{0}b", "b", true},
        {"a{0,2}b", "aab", true},
        {"a{0,2}b", "aaab", false},
        {"(ab|c){2,3}", "abcab", true},
        {"(ab|c){2,3}", "ab", false},
        {"a{,2}", "a{,2}", true},
        {"a{x", "a{x", true},
        {"[a-c]x", "bx", true},
        {"[a-c]x", "dx", false},
        {"[^a-c]x", "dx", true},
        {"[^a-c]x", "ax", false},
        {"[]a]+", "]a]", true},
        {"[a-]+", "-a", true},
        {"[\\d_]+", "1_2", true},
        {"[[:alpha:]]+", "abC", true},
        {"[[:^alpha:]]+", "123", true},
        {"[\\]]", "]", true},
        {"\\d+", "123", true},
        {"\\D+", "123", false},
        {"\\w+-\\w+", "ab-c_1", true},
        {"\\s", " ", true},
        {"\\S+", "a b", false},
        {"\\.", ".", true},
        {"\\.", "a", false},
        {"\\x41\\x{1F600}", "A\xF0\x9F\x98\x80", true},
        {"\\Qa.b*\\E+", "a.b**", true},
        {"\\Qa.b", "a.b", true},
        {"\\Qa.b", "axb", false},
        {"a.c", "a\nc", false},
        {"(?s)a.c", "a\nc", true},
        {"(?i)AbC", "aBc", true},
        {"(?i)[a-c]", "B", true},
        {"(?i:a)b", "Ab", true},
        {"(?i:a)b", "AB", false},
        {"(?i)a(?-i)b", "AB", false},
        {"(?:ab)+", "abab", true},
        {"(?P<name>a)", "a", true},
        {"(?<name>a)", "a", true},
        {"^a$", "a", true},
        {"a^b", "ab", false},
        {"\\Aa\\z", "a", true},
        {"(?m)a\n^b$", "a\nb", true},
        {"a\\b.*", "a b", true},
        {"a\\b.*", "ab", false},
        {"a\\Bb", "ab", true},
        {".", "\xC3\xA9", true},
        {"..", "\xC3\xA9", false},
        {"[\xC3\xA0-\xC3\xBF]", "\xC3\xA9", true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        cr_expect(eq(int, matches(cases[i].text, cases[i].pattern), cases[i].matches), "%s of %s",
                  cases[i].pattern, cases[i].text);
}

Test(pattern, what_is_none_is_refused)
{
    static const char *const bad[] = {"(",  ")",       "a)",       "(a",          "[",     "[a",
                                      "*",  "+a",      "a|*",      "\\",          "[b-a]", "a{2,1}",
                                      "(?", "(?P<>a)", "[[:no:]]", "\\x{110000}", "\\C"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        cr_expect(eq(int, refusal(bad[i]), ERR_INVALID), "%s", bad[i]);
}

Test(pattern, what_grows_beyond_all_bounds_is_refused)
{
    static char longer[PATTERN_BYTES_MAX + 2];

    cr_expect(eq(int, refusal("((((a{1000}){1000}){1000}){1000}){1000}"), ERR_TOO_LARGE));
    memset(longer, 'a', sizeof(longer) - 1);
    cr_expect(eq(int, refusal(longer), ERR_TOO_LARGE));
}

Test(pattern, without_memory_there_is_none)
{
    for (uint64_t n = 1;; n++) {
        enum err err;
        mem_fail_after(n);
        err = refusal("(a|b)*c");
        mem_fail_after(0);
        if (err == OK)
            break;
        cr_assert(eq(int, err, ERR_NOMEM), "%d", (int)n);
        cr_assert(lt(u64, n, 100));
    }
}

/* What takes exponential time without a limit. */
Test(pattern, a_match_that_takes_too_long_is_given_up)
{
    static char text[1001];
    struct pattern *made = NULL;

    memset(text, 'a', sizeof(text) - 1);
    cr_assert(eq(int, pattern_create("(a*)*(a|a)*(a?){20}b|x", 22, &made), OK));
    cr_assert(eq(int, pattern_match(made, text, sizeof(text) - 1), ERR_TOO_LARGE));
    cr_assert(eq(int, pattern_match(made, "x", 1), OK));
    pattern_destroy(made);
    cr_assert(eq(u64, mem_used_count(), 0));
}

/* A step may look at all of it. */
Test(pattern, of_a_longer_text_fewer_steps_are_allowed)
{
    static char text[191];
    struct pattern *made = NULL;

    memset(text, 'a', sizeof(text) - 1); /* 18,000 steps */
    cr_assert(eq(int, pattern_create(".*.*c|x", 7, &made), OK));
    cr_assert(eq(int, pattern_match(made, text, 50), ERR_NOT_FOUND));
    cr_assert(eq(int, pattern_match(made, text, sizeof(text) - 1), ERR_TOO_LARGE));
    pattern_destroy(made);
}
