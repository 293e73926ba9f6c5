#include "base/mem.h"
#include "base/pattern.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static bool matches(const char *text, const char *pattern)
{
    struct pattern *made = NULL;
    bool is_so;

    cr_assert(eq(int, pattern_create(pattern, strlen(pattern), &made), OK), "%s", pattern);
    is_so = pattern_matches(made, text, strlen(text), NULL);
    pattern_destroy(made);
    cr_assert(eq(u64, mem_used_count(), 0));
    return is_so;
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
        {"a.b",
         "a\xFF"
         "b",
         true},
        {"[\xC3\xA0-\xC3\xBF]", "\xC3\xA9", true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        cr_expect(eq(int, matches(cases[i].text, cases[i].pattern), cases[i].matches), "%s of %s",
                  cases[i].pattern, cases[i].text);
}

Test(pattern, what_is_none_is_refused)
{
    static const char *const bad[] = {
        "(",    ")",        "a)",   "(a",     "[",       "[a",          "*",      "+a",
        "a**",  "a|*",      "\\",   "[b-a]",  "\\1",     "\\y",         "a{2,1}", "a{1001}",
        "(?x)", "[[:no:]]", "\\xZ", "\\x{11", "(?P<>a)", "\\x{110000}", "[\\"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        cr_expect(eq(int, refusal(bad[i]), ERR_INVALID), "%s", bad[i]);
    cr_expect(eq(int, refusal("\\pL"), ERR_UNSUPPORTED));
}

/* PAT-1 */
Test(pattern, what_grows_beyond_all_bounds_is_refused)
{
    static char deep[400];

    cr_assert(eq(int, refusal("((((a{10}){10}){10}){10}){10}"), ERR_TOO_LARGE));
    cr_assert(eq(int, refusal("(a|b|c|d){1000}"), ERR_TOO_LARGE));
    memset(deep, '(', 200);
    memset(deep + 200, ')', 199);
    cr_assert(eq(int, refusal(deep), ERR_TOO_LARGE));
}

Test(pattern, without_memory_there_is_none)
{
    mem_fail_after(1);
    cr_assert(eq(int, refusal("a"), ERR_NOMEM));
    mem_fail_after(0);
}

/* What takes others exponential time. */
Test(pattern, its_time_is_linear_in_the_text)
{
    static char text[10001];
    struct pattern *made = NULL;
    uint64_t cost = 0;

    memset(text, 'a', sizeof(text) - 1);
    cr_assert(eq(int, pattern_create("(a*)*(a|a)*(a?){20}b", 20, &made), OK));
    cr_assert(not(pattern_matches(made, text, sizeof(text) - 1, &cost)));
    cr_assert(lt(u64, cost, 10001 * 150));
    pattern_destroy(made);
}
