/* SPDX-License-Identifier: BSD-3-Clause
 *
 * JSON commands: the examples of their documentation, both forms of paths, errors, and what hostile
 * arguments do. No server with these commands was asked.
 */
#include "engine_help.h"

#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(json_commands, .init = engine_begin, .fini = engine_end);

/* Replies are shown as ":1", "$text", "+OK", "-ERR ...", "(nil)", "[a b]"; "{...}" for maps, ",1.5"
 * for doubles. */
static const char *show(const char *p, struct bytes *out) {
    const char *line = strstr(p, "\r\n"), *rest = line + 2;
    long n = strtol(p + 1, NULL, 10);

    cr_assert_not_null(line, "%s", p);
    if (*p == '_' || (strchr("$*", *p) && n < 0)) {
        bytes_append_str(out, "(nil)");
    } else if (*p == '$') {
        bytes_append_char(out, '$');
        bytes_append(out, rest, (size_t)n);
        rest += n + 2;
    } else if (*p == '*' || *p == '~') {
        bytes_append_char(out, '[');
        for (long i = 0; i < n; i++) {
            if (i > 0) bytes_append_char(out, ' ');
            rest = show(rest, out);
        }
        bytes_append_char(out, ']');
    } else {
        bytes_append(out, p, (size_t)(line - p));
    }
    return rest;
}

static const char *ask(const char *line) {
    static struct bytes out;

    bytes_clear(&out);
    show(engine_say(line), &out);
    return bytes_cstr(&out);
}

struct step {
    const char *line, *want;
};

static void run(const struct step *steps, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *got = ask(steps[i].line);

        if (strcmp(got, steps[i].want) != 0)
            fprintf(stderr, "%s\n  gives %s\n  not   %s\n", steps[i].line, got, steps[i].want);
        cr_expect_str_eq(got, steps[i].want);
    }
}

#define RUN(steps) run(steps, sizeof(steps) / sizeof *(steps))
#define NO_KEY     "-ERR could not perform this operation on a key that doesn't exist"

/* clang-format off */

/* The documentation's own examples, in its order. */
static const struct step documented[] = {
    {"JSON.SET item:1 $ '{\"name\":\"Noise-cancelling Bluetooth headphones\",\"description\":\"Wireless Bluetooth headphones with noise-cancelling technology\",\"connection\":{\"wireless\":true,\"type\":\"Bluetooth\"},\"price\":99.98,\"stock\":25,\"colors\":[\"black\",\"silver\"]}'", "+OK"},
    {"JSON.ARRAPPEND item:1 $.colors '\"blue\"'", "[:3]"},
    {"JSON.GET item:1", "${\"name\":\"Noise-cancelling Bluetooth headphones\",\"description\":\"Wireless Bluetooth headphones with noise-cancelling technology\",\"connection\":{\"wireless\":true,\"type\":\"Bluetooth\"},\"price\":99.98,\"stock\":25,\"colors\":[\"black\",\"silver\",\"blue\"]}"},
    {"JSON.GET item:1 '$.colors[*]'", "$[\"black\",\"silver\",\"blue\"]"},
    {"JSON.ARRINSERT item:1 $.colors 2 '\"yellow\"' '\"gold\"'", "[:5]"},
    {"JSON.GET item:1 $.colors", "$[[\"black\",\"silver\",\"yellow\",\"gold\",\"blue\"]]"},
    {"JSON.ARRINDEX item:1 $..colors '\"silver\"'", "[:1]"},
    {"JSON.ARRLEN item:1 $..colors", "[:5]"},
    {"JSON.SET key $ '[[{\"name\":\"Healthy headphones\",\"max_level\":[60,70,80]},{\"name\":\"Noisy headphones\",\"max_level\":[80,90,100,120]}]]'", "+OK"},
    {"JSON.SET key $ '[{\"name\":\"Healthy headphones\",\"max_level\":[60,70,80]},{\"name\":\"Noisy headphones\",\"max_level\":[85,90,100,120]}]'", "+OK"},
    {"JSON.GET key '$.[*].max_level'", "$[[60,70,80],[85,90,100,120]]"},
    {"JSON.ARRPOP key '$.[*].max_level' 0", "[$60 $85]"},
    {"JSON.GET key '$.[*].max_level'", "$[[70,80],[90,100,120]]"},
    {"JSON.ARRTRIM key '$.[*].max_level' 1 1", "[:1 :1]"},
    {"JSON.GET key '$.[*].max_level'", "$[[80],[100]]"},
    {"JSON.SET doc $ '{\"obj\":{\"a\":1,\"b\":2},\"arr\":[1,2,3],\"str\":\"foo\",\"bool\":true,\"int\":42,\"float\":3.14}'", "+OK"},
    {"JSON.CLEAR doc $.*", ":4"},
    {"JSON.GET doc $", "$[{\"obj\":{},\"arr\":[],\"str\":\"foo\",\"bool\":true,\"int\":0,\"float\":0}]"},
    {"JSON.SET doc $ '{\"a\":1,\"nested\":{\"a\":2,\"b\":3}}'", "+OK"},
    {"JSON.DEL doc $..a", ":2"},
    {"JSON.GET doc $", "$[{\"nested\":{\"b\":3}}]"},
    {"JSON.SET doc $ '{\"a\":2,\"b\":3,\"nested\":{\"a\":4,\"b\":null}}'", "+OK"},
    {"JSON.GET doc $..b", "$[3,null]"},
    {"JSON.GET doc ..a $..b", "${\"..a\":[2,4],\"$..b\":[3,null]}"},
    {"JSON.GET doc INDENT \"\\t\" NEWLINE \"\\n\" SPACE \" \" ..a $..b", "${\n\t\"..a\": [\n\t\t2,\n\t\t4\n\t],\n\t\"$..b\": [\n\t\t3,\n\t\tnull\n\t]\n}"},
    {"JSON.SET doc $ '{\"a\":2}'", "+OK"},
    {"JSON.MERGE doc $.b '8'", "+OK"},
    {"JSON.GET doc $", "$[{\"a\":2,\"b\":8}]"},
    {"JSON.SET doc $ '{\"a\":2}'", "+OK"},
    {"JSON.MERGE doc $.a '3'", "+OK"},
    {"JSON.GET doc $", "$[{\"a\":3}]"},
    {"JSON.MERGE doc $ '{\"a\":null}'", "+OK"},
    {"JSON.GET doc $", "$[{}]"},
    {"JSON.SET doc $ '{\"a\":[2,4,6,8]}'", "+OK"},
    {"JSON.MERGE doc $.a '[10,12]'", "+OK"},
    {"JSON.GET doc $", "$[{\"a\":[10,12]}]"},
    {"JSON.SET doc $ '{\"f1\":{\"a\":1},\"f2\":{\"a\":2}}'", "+OK"},
    {"JSON.MERGE doc $ '{\"f1\":null,\"f2\":{\"a\":3,\"b\":4},\"f3\":[2,4,6]}'", "+OK"},
    {"JSON.GET doc", "${\"f2\":{\"a\":3,\"b\":4},\"f3\":[2,4,6]}"},
    {"JSON.SET doc1 $ '{\"a\":1,\"b\":2,\"nested\":{\"a\":3},\"c\":null}'", "+OK"},
    {"JSON.SET doc2 $ '{\"a\":4,\"b\":5,\"nested\":{\"a\":6},\"c\":null}'", "+OK"},
    {"JSON.MGET doc1 doc2 $..a", "[$[1,3] $[4,6]]"},
    {"JSON.MSET doc1 $ '{\"a\":2}' doc2 $.f.a '3' doc3 $ '{\"f1\":{\"a\":1}}'", "+OK"},
    {"JSON.MGET doc1 doc2 doc3 $", "[$[{\"a\":2}] $[{\"a\":4,\"b\":5,\"nested\":{\"a\":6},\"c\":null}] $[{\"f1\":{\"a\":1}}]]"},
    {"JSON.SET doc . '{\"a\":\"b\",\"b\":[{\"a\":2},{\"a\":5},{\"a\":\"c\"}]}'", "+OK"},
    {"JSON.NUMINCRBY doc $.a 2", "$[null]"},
    {"JSON.NUMINCRBY doc $..a 2", "$[null,4,7,null]"},
    {"JSON.SET doc . '{\"a\":\"b\",\"b\":[{\"a\":2},{\"a\":5},{\"a\":\"c\"}]}'", "+OK"},
    {"JSON.NUMMULTBY doc $.a 2", "$[null]"},
    {"JSON.NUMMULTBY doc $..a 2", "$[null,4,10,null]"},
    {"JSON.SET doc $ '{\"a\":[3],\"nested\":{\"a\":{\"b\":2,\"c\":1}}}'", "+OK"},
    {"JSON.OBJKEYS doc $..a", "[(nil) [$b $c]]"},
    {"JSON.OBJLEN doc $..a", "[(nil) :2]"},
    {"JSON.SET doc $ '{\"a\":2}'", "+OK"},
    {"JSON.SET doc $.a '3'", "+OK"},
    {"JSON.GET doc $", "$[{\"a\":3}]"},
    {"JSON.SET doc $.b '8'", "+OK"},
    {"JSON.GET doc $", "$[{\"a\":3,\"b\":8}]"},
    {"JSON.SET doc $ '{\"f1\":{\"a\":1},\"f2\":{\"a\":2}}'", "+OK"},
    {"JSON.SET doc $..a 3", "+OK"},
    {"JSON.GET doc", "${\"f1\":{\"a\":3},\"f2\":{\"a\":3}}"},
    {"JSON.SET doc $ '{\"a\":\"foo\",\"nested\":{\"a\":\"hello\"},\"nested2\":{\"a\":31}}'", "+OK"},
    {"JSON.STRAPPEND doc $..a '\"baz\"'", "[:6 :8 (nil)]"},
    {"JSON.GET doc $", "$[{\"a\":\"foobaz\",\"nested\":{\"a\":\"hellobaz\"},\"nested2\":{\"a\":31}}]"},
    {"JSON.SET doc $ '{\"a\":\"foo\",\"nested\":{\"a\":\"hello\"},\"nested2\":{\"a\":31}}'", "+OK"},
    {"JSON.STRLEN doc $..a", "[:3 :5 (nil)]"},
    {"JSON.SET doc $ '{\"bool\":true}'", "+OK"},
    {"JSON.TOGGLE doc $.bool", "[:0]"},
    {"JSON.GET doc $", "$[{\"bool\":false}]"},
    {"JSON.TOGGLE doc $.bool", "[:1]"},
    {"JSON.SET doc $ '{\"a\":2,\"nested\":{\"a\":true},\"foo\":\"bar\"}'", "+OK"},
    {"JSON.TYPE doc $..foo", "[$string]"},
    {"JSON.TYPE doc $..a", "[$integer $boolean]"},
    {"JSON.TYPE doc $..dummy", "[]"},
    {"JSON.SET bike $ '\"Hyperion\"'", "+OK"},
    {"JSON.TYPE bike $", "[$string]"},
    {"JSON.STRLEN bike $", "[:8]"},
    {"JSON.STRAPPEND bike $ '\" (Enduro bikes)\"'", "[:23]"},
    {"JSON.GET bike $", "$[\"Hyperion (Enduro bikes)\"]"},
    {"JSON.SET crashes $ 0", "+OK"},
    {"JSON.NUMINCRBY crashes $ 1", "$[1]"},
    {"JSON.NUMINCRBY crashes $ 1.5", "$[2.5]"},
    {"JSON.NUMINCRBY crashes $ -0.75", "$[1.75]"},
    {"JSON.NUMMULTBY crashes $ 24", "$[42.0]"},
    {"JSON.SET newbike $ '[\"Deimos\",{\"crashes\":0},null]'", "+OK"},
    {"JSON.GET newbike '$[1].crashes'", "$[0]"},
    {"JSON.DEL newbike $[-1]", ":1"},
    {"JSON.GET newbike $", "$[[\"Deimos\",{\"crashes\":0}]]"},
    {"JSON.SET riders $ []", "+OK"},
    {"JSON.ARRAPPEND riders $ '\"Norem\"'", "[:1]"},
    {"JSON.ARRINSERT riders $ 1 '\"Prickett\"' '\"Royce\"' '\"Castilla\"'", "[:4]"},
    {"JSON.ARRTRIM riders $ 1 1", "[:1]"},
    {"JSON.ARRPOP riders $", "[$\"Prickett\"]"},
    {"JSON.ARRPOP riders $", "[(nil)]"},
    {"JSON.SET doc $ '{\"flag\":true,\"n\":null,\"i\":5,\"d\":2.5,\"s\":\"x\",\"a\":[1,{}]}'", "+OK"},
    {"JSON.RESP doc", "[+{ $flag +true $n (nil) $i :5 $d $2.5 $s $x $a [+[ :1 [+{]]]"},
    {"JSON.RESP doc $.a", "[[+[ :1 [+{]]]"},
};

static const struct step legacy[] = {
    {"JSON.SET k . '{\"i\":5,\"s\":\"foo\",\"b\":true,\"a\":[1,2,\"x\"],\"o\":{\"x\":1,\"y\":2},\"n\":null}'", "+OK"},
    {"JSON.GET k", "${\"i\":5,\"s\":\"foo\",\"b\":true,\"a\":[1,2,\"x\"],\"o\":{\"x\":1,\"y\":2},\"n\":null}"},
    {"JSON.GET k .i", "$5"},
    {"JSON.GET k i .o.x", "${\"i\":5,\".o.x\":1}"},
    {"JSON.GET k '[\"s\"]'", "$\"foo\""},
    {"JSON.GET k .a[-1]", "$\"x\""},
    {"JSON.GET k .none", "-ERR Path '$.none' does not exist"},
    {"JSON.GET k .i .none", "-ERR Path '$.none' does not exist"},
    {"JSON.GET k .i $.none", "${\".i\":[5],\"$.none\":[]}"},
    {"JSON.MGET k none k .i", "[$5 (nil) $5]"},
    {"JSON.MGET k none .none", "[(nil) (nil)]"},
    {"JSON.TYPE k", "$object"},
    {"JSON.TYPE k .n", "$null"},
    {"JSON.TYPE k .none", "(nil)"},
    {"JSON.NUMINCRBY k .i 3", "$8"},
    {"JSON.NUMMULTBY k .i 0.5", "$4.0"},
    {"JSON.NUMINCRBY k .s 1", "-ERR Path '$.s' does not exist or does not contain a number"},
    {"JSON.NUMINCRBY k .none 1", "-ERR Path '$.none' does not exist or does not contain a number"},
    {"JSON.STRLEN k .s", ":3"},
    {"JSON.STRLEN k .i", "-WRONGTYPE wrong type of path value - expected string but found number"},
    {"JSON.STRLEN k .none", "-ERR Path '$.none' does not exist"},
    {"JSON.STRAPPEND k .s '\"bar\"'", ":6"},
    {"JSON.STRAPPEND k .i '\"bar\"'", "-ERR Path '$.i' does not exist or not a string"},
    {"JSON.STRAPPEND k .s 5", "-WRONGTYPE wrong type of path value - expected string but found integer"},
    {"JSON.TOGGLE k .b", "$false"},
    {"JSON.TOGGLE k .b", "$true"},
    {"JSON.TOGGLE k .i", "-ERR Path '$.i' does not exist or not a bool"},
    {"JSON.ARRLEN k .a", ":3"},
    {"JSON.ARRLEN k", "-WRONGTYPE wrong type of path value - expected array but found object"},
    {"JSON.ARRLEN k .none", "-ERR Path '$.none' does not exist"},
    {"JSON.ARRINDEX k .a 2", ":1"},
    {"JSON.ARRINDEX k .a '\"y\"'", ":-1"},
    {"JSON.ARRINDEX k .i 1", "-WRONGTYPE wrong type of path value - expected array but found number"},
    {"JSON.ARRAPPEND k .a null [1]", ":5"},
    {"JSON.ARRAPPEND k .i 1", "-ERR Path '$.i' does not exist or not an array"},
    {"JSON.ARRPOP k .a", "$[1]"},
    {"JSON.ARRPOP k .a", "$null"},
    {"JSON.ARRPOP k .a 0", "$1"},
    {"JSON.ARRPOP k .i", "-ERR Path '$.i' does not exist or not an array"},
    {"JSON.ARRINSERT k .a 0 0", ":3"},
    {"JSON.ARRTRIM k .a 5 9", ":0"},
    {"JSON.ARRPOP k .a", "(nil)"},
    {"JSON.OBJKEYS k .o", "[$x $y]"},
    {"JSON.OBJKEYS k .none", "(nil)"},
    {"JSON.OBJLEN k .o", ":2"},
    {"JSON.OBJLEN k .none", "(nil)"},
    {"JSON.OBJLEN k .i", "-WRONGTYPE wrong type of path value - expected object but found number"},
    {"JSON.RESP k .i", "$4.0"},
    {"JSON.DEL k .o.x", ":1"},
    {"JSON.FORGET k .none", ":0"},
    {"JSON.CLEAR k .o", ":1"},
    {"JSON.CLEAR k .o", ":0"},
    {"JSON.GET k", "${\"i\":4.0,\"s\":\"foobar\",\"b\":true,\"a\":[],\"o\":{},\"n\":null}"},
    {"JSON.DEL k", ":1"},
    {"EXISTS k", ":0"},
    {"JSON.SET k . '{\"a\":{\"n\":1},\"b\":{\"n\":2}}'", "+OK"},
    {"JSON.NUMINCRBY k ..n 5", "$7"},
    {"JSON.GET k ..n", "$6"},
};

static const struct step errors[] = {
    {"JSON.GET none", "(nil)"}, {"JSON.GET none $", "(nil)"}, {"JSON.MGET none none $", "[(nil) (nil)]"},
    {"JSON.DEL none", ":0"}, {"JSON.TYPE none", "(nil)"}, {"JSON.TYPE none $", "(nil)"},
    {"JSON.STRLEN none", "(nil)"}, {"JSON.STRLEN none $", NO_KEY}, {"JSON.ARRLEN none", "(nil)"},
    {"JSON.ARRLEN none $", NO_KEY}, {"JSON.OBJLEN none", "(nil)"}, {"JSON.OBJKEYS none", "(nil)"},
    {"JSON.RESP none", "(nil)"}, {"JSON.RESP none $", "(nil)"},
    {"JSON.NUMINCRBY none $ 1", NO_KEY}, {"JSON.NUMMULTBY none . 1", NO_KEY},
    {"JSON.STRAPPEND none $ '\"x\"'", NO_KEY}, {"JSON.TOGGLE none $", NO_KEY},
    {"JSON.CLEAR none", NO_KEY}, {"JSON.ARRAPPEND none $ 1", NO_KEY}, {"JSON.ARRINSERT none $ 0 1", NO_KEY},
    {"JSON.ARRPOP none", NO_KEY}, {"JSON.ARRTRIM none $ 0 1", NO_KEY}, {"JSON.ARRINDEX none $ 1", NO_KEY},
    {"JSON.DEBUG MEMORY none", ":0"}, {"JSON.DEBUG MEMORY none $", "[]"},
    {"JSON.SET none $.a 1", "-ERR new objects must be created at the root"},
    {"JSON.SET none $.a 1 XX", "(nil)"}, {"JSON.SET none $ 1 XX", "(nil)"},
    {"JSON.MERGE none $.a 1", "-ERR new objects must be created at the root"},
    {"JSON.MSET a $ 1 none $.a 1", "-ERR new objects must be created at the root"},
    {"EXISTS a none", ":0"},
    {"JSON.SET k $ '{\"a\":[1,2],\"s\":\"x\"}' NX", "+OK"}, {"JSON.SET k $ 1 NX", "(nil)"},
    {"JSON.SET k $.a 1 NX", "(nil)"}, {"JSON.SET k $.new 1 XX", "(nil)"}, {"JSON.SET k $.new 1 NX", "+OK"},
    {"JSON.SET k $.new 2 XX", "+OK"}, {"JSON.SET k $.x.y 1", "(nil)"}, {"JSON.SET k $.s.y 1", "(nil)"},
    {"JSON.SET k $.a[7] 1", "-ERR array index out of range"}, {"JSON.SET k $.s[7] 1", "(nil)"},
    {"JSON.SET k $.a[1] 5", "+OK"}, {"JSON.SET k $..none 1", "-ERR wrong static path"},
    {"JSON.SET k $.none.* 1", "-ERR wrong static path"},
    {"JSON.SET k $ 1 YY", "-ERR syntax error"}, {"JSON.SET k $ 1 NX XX", "-ERR syntax error"},
    {"JSON.SET k $", "-ERR wrong number of arguments for 'json.set' command"},
    {"JSON.SET k $ {", "-ERR invalid JSON at character 1: a name in quotes is expected"},
    {"JSON.SET k $.[ 1", "-ERR invalid JSON path: the error is at character 3"},
    {"JSON.GET k INDENT", "-ERR syntax error"},
    {"JSON.MSET k $ 1 k", "-ERR wrong number of arguments for 'json.mset' command"},
    {"JSON.GET k", "${\"a\":[1,5],\"s\":\"x\",\"new\":2}"},
    {"JSON.ARRINSERT k $.a 3 1", "-ERR index out of bounds"}, {"JSON.ARRINSERT k $.a -3 1", "-ERR index out of bounds"},
    {"JSON.ARRINSERT k $.a -2 0", "[:3]"}, {"JSON.ARRINSERT k $.a 3 9", "[:4]"}, {"JSON.GET k $.a", "$[[0,1,5,9]]"},
    {"JSON.ARRINSERT k $.* 0 1", "[:5 (nil) (nil)]"}, {"JSON.ARRINSERT k $.a x 1", "-ERR value is not an integer or out of range"},
    {"JSON.ARRPOP k $.a 99", "[$9]"}, {"JSON.ARRPOP k $.a -99", "[$1]"}, {"JSON.ARRPOP k $.a 1", "[$1]"},
    {"JSON.ARRINDEX k $.a 5 0 -1", "[:-1]"}, {"JSON.ARRINDEX k $.a 5 -1", "[:1]"}, {"JSON.ARRINDEX k $.a 5.0 0 2", "[:1]"},
    {"JSON.ARRINDEX k $.a 5 9 1", "[:-1]"}, {"JSON.ARRINDEX k $.a 0 -9 9", "[:0]"},
    {"JSON.ARRTRIM k $.a -1 -1", "[:1]"}, {"JSON.ARRTRIM k $.a -9 9", "[:1]"}, {"JSON.ARRTRIM k $.a 1 0", "[:0]"},
    {"JSON.NUMINCRBY k $.new '\"1\"'", "-ERR the value must be a number"},
    {"JSON.NUMINCRBY k $.new 9223372036854775806", "$[9.223372036854776e18]"},
    {"JSON.NUMMULTBY k $.new 1e300", "-ERR result is not a number"},
    {"JSON.STRAPPEND k '\"x\"'", "-ERR Path '$' does not exist or not a string"},
    {"SET s x", "+OK"}, {"JSON.GET s", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
    {"JSON.SET s $ 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
    {"JSON.MGET s k $.s", "[(nil) $[\"x\"]]"}, {"GET k", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
    {"JSON.DEBUG HELP x", "-ERR wrong number of arguments for 'json.debug|help' command"},
    {"TYPE k", "+ReJSON-RL"}, {"OBJECT ENCODING k", "$raw"}, {"SCAN 0 TYPE rejson-rl", "[$0 [$k]]"},
    {"JSON.DEBUG MEMORY k .s", ":16"}, {"JSON.DEBUG MEMORY k $.*", "[:16 :16 :16]"},
};

static const struct step changes[] = {
    {"JSON.SET k $ '{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":2}]}'", "+OK"}, {"COPY k l", ":1"},
    {"JSON.DEL k $..a", ":2"}, {"JSON.GET k", "${\"b\":[{}]}"}, {"JSON.CLEAR l $..*", ":2"},
    {"JSON.GET l", "${\"a\":{},\"b\":[]}"}, {"JSON.SET k $ '[1,2,3,4,5]'", "+OK"},
    {"JSON.DEL k '$[0,2,0,-1]'", ":3"}, {"JSON.GET k", "$[2,4]"},
    {"JSON.NUMINCRBY k '$[0,0,1]' 1", "$[3,3,5]"}, {"JSON.GET k", "$[3,5]"},
    {"JSON.SET k $ '[[1,[2]],[3]]'", "+OK"}, {"JSON.ARRAPPEND k $..* 9", "[:3 :2 (nil) :2 (nil) (nil)]"},
    {"JSON.GET k", "$[[1,[2,9],9],[3,9]]"}, {"JSON.ARRPOP k $..* 1", "[$[2] $9 (nil) $9 (nil) (nil) (nil) (nil) (nil)]"},
    {"JSON.GET k", "$[[1,9],[3]]"}, {"JSON.SET k $..* '[]'", "+OK"}, {"JSON.GET k", "$[[],[]]"},
    {"JSON.SET k $ '{\"a\":1,\"b\":{\"a\":{}}}'", "+OK"}, {"JSON.SET k $..a '{\"a\":2}'", "+OK"},
    {"JSON.GET k", "${\"a\":{\"a\":2},\"b\":{\"a\":{\"a\":2}}}"}, {"JSON.MERGE k $..a null", "+OK"},
    {"JSON.GET k", "${\"b\":{}}"}, {"JSON.MERGE k $.c null", "+OK"}, {"JSON.MERGE k $.c '{\"d\":{\"e\":null}}'", "+OK"},
    {"JSON.GET k", "${\"b\":{},\"c\":{\"d\":{}}}"}, {"JSON.MERGE new $ '{\"a\":null,\"b\":1}'", "+OK"},
    {"JSON.GET new", "${\"b\":1}"}, {"JSON.MSET k $ '{}' k $.a '{}' k $.a.b 1 new $.b 2", "+OK"},
    {"JSON.MGET k new .", "[${\"a\":{\"b\":1}} ${\"b\":2}]"}, {"JSON.MSET k $ 1 k $.a 2", "+OK"}, {"JSON.GET k", "$1"},
    {"EXPIRE k 100", ":1"}, {"JSON.SET k $ 2", "+OK"}, {"TTL k", ":100"},
    {"JSON.SET k $ '{\"a\":1,\"b\":[1]}'", "+OK"}, {"JSON.GET k '$.b[?(@>0)]'", "$[1]"},
    {"JSON.SET k '$[?(@==1)]' 7", "+OK"}, {"JSON.GET k", "${\"a\":7,\"b\":[1]}"},
    {"JSON.SET k '$[\"\\x00a\"]' 1", "-ERR invalid JSON path: the error is at character 8"},
    {"JSON.SET k '$[\"\\u0000a\"]' '\"\\u0000\"'", "+OK"}, {"JSON.OBJLEN k", ":3"}, {"JSON.STRLEN k '$[\"\\u0000a\"]'", "[:1]"},
};

static const struct step resp3[] = {
    {"JSON.SET k $ '{\"i\":1,\"d\":1.5,\"s\":\"x\",\"n\":null}'", "+OK"},
    {"JSON.TYPE k $.*", "[[$integer $number $string $null]]"}, {"JSON.TYPE k", "[$object]"},
    {"JSON.TYPE none", "[(nil)]"}, {"JSON.TYPE none $", "[(nil)]"},
    {"JSON.NUMINCRBY k $.* 1", "[:2 ,2.5 (nil) (nil)]"}, {"JSON.NUMMULTBY k .i 2", "[:4]"},
    {"JSON.GET k $.i", "$[4]"}, {"JSON.RESP k $.n", "[(nil)]"}, {"JSON.RESP k $.d", "[$2.5]"},
};
/* clang-format on */

Test(json_commands, documented_examples) {
    RUN(documented);
}

Test(json_commands, legacy_paths_mean_one_value) {
    RUN(legacy);
}

Test(json_commands, errors_and_missing_things) {
    RUN(errors);
}

Test(json_commands, values_within_each_other_are_changed_once) {
    RUN(changes);
}

Test(json_commands, resp3_has_its_own_forms) {
    engine_speak(3);
    RUN(resp3);
}

static const char *many(const char *head, const char *part, size_t n, const char *tail) {
    static struct bytes line;

    bytes_clear(&line);
    bytes_append_str(&line, head);
    for (size_t i = 0; i < n; i++) bytes_append_str(&line, part);
    bytes_append_str(&line, tail);
    return bytes_cstr(&line);
}

Test(json_commands, no_document_becomes_deeper_than_128_levels) {
    static const char deep[] = "-ERR a JSON document may have 128 levels at the most";
    char path[600], line[700];

    cr_assert_str_eq(
        ask(many("JSON.SET k $ ", "[", 128,
                 "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
                 "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
                 "]]]]]]]]]]")),
        "+OK");
    cr_assert(strncmp(ask(many("JSON.SET l $ ", "[", 129, "")), "-ERR invalid JSON", 17) == 0);
    snprintf(path, sizeof path, "%s", many("$", "[0]", 127, ""));
    snprintf(line, sizeof line, "JSON.ARRAPPEND k %s 1", path);
    cr_assert_str_eq(ask(line), "[:1]");
    snprintf(line, sizeof line, "JSON.ARRAPPEND k %s []", path);
    cr_assert_str_eq(ask(line), deep);
    snprintf(line, sizeof line, "JSON.ARRINSERT k %s 0 {}", path);
    cr_assert_str_eq(ask(line), deep);
    snprintf(line, sizeof line, "JSON.SET k %s {}", path);
    cr_assert_str_eq(ask(line), "+OK");
    snprintf(line, sizeof line, "JSON.SET k %s.a {}", path);
    cr_assert_str_eq(ask(line), deep);
    snprintf(line, sizeof line, "JSON.MERGE k %s '{\"a\":{}}'", path);
    cr_assert_str_eq(ask(line), deep);
    cr_assert_str_eq(ask("COPY k m"), ":1");
    cr_assert_str_eq(ask("JSON.DEL k"), ":1");
}

/* 1,000 values times 600,000 bytes is more than proto-max-bulk-len. */
Test(json_commands, many_values_do_not_grow_without_bound) {
    static const char much[] = "-ERR the values would grow too much together (proto-max-bulk-len)";

    ask(many("JSON.SET k $ '[0", ",\"\"", 1000, "]'"));
    cr_assert_str_eq(ask(many("JSON.SET k $.* '\"", "a", 600000, "\"'")), much);
    cr_assert_str_eq(ask(many("JSON.MERGE k $.* '[\"", "a", 600000, "\"]'")), much);
    cr_assert_str_eq(ask(many("JSON.STRAPPEND k $.* '\"", "a", 600000, "\"'")), much);
    cr_assert_str_eq(ask("JSON.SET k $.* []"), "+OK");
    cr_assert_str_eq(ask(many("JSON.ARRAPPEND k $.* '\"", "a", 600000, "\"'")), much);
    cr_assert_str_eq(ask(many("JSON.ARRAPPEND k $[0] '\"", "a", 600000, "\"'")), "[:1]");
}

Test(json_commands, long_paths_and_nested_filters_are_answered) {
    ask("JSON.SET k $ '[[1],{\"a\":1}]'");
    cr_assert_str_eq(ask(many("JSON.GET k $", "[0]", 1000, "")), "$[]");
    cr_assert_str_eq(ask(many("JSON.GET k $", "..*", 1000, "")), "$[]");
    cr_assert_eq(ask(many("JSON.GET k '$[?(@", "[?(@", 1000, "'"))[0], '-');
    cr_assert_eq(ask(many("JSON.GET k '$[?", "(", 1000, "1'"))[0], '-');
    cr_assert_str_eq(ask(many("JSON.GET k '$[?", "!", 1000, "@.a]'")), "$[{\"a\":1}]");
}
