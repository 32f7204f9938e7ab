/* Write a weir function in C, without a libc: include this in one file and define `handle`.
 *
 *     #include "weir.h"
 *
 *     void handle(weir_text event) {
 *         weir_text id = weir_inside(weir_member(event, "id"));
 *         weir_put("{'specversion':'1.0','type':'greeting.made','id':'%/greeting'}", id);
 *     }
 *
 * `event` is a CloudEvent in JSON. What is put is the answer: nothing, a reply, or a list of replies; or weir_fail says why
 * there is none. clang builds it for wasm32 (see functions/build); any compiler builds it for a test, which calls weir_answer. */
#ifndef WEIR_H
#define WEIR_H

typedef __SIZE_TYPE__ weir_size;

/* A piece of text, not terminated. JSON values are the text that they are written as; without any there is none. */
typedef struct {
    const char *at;
    weir_size len;
} weir_text;

/* Yours. */
void handle(weir_text event);

/* ---- memory ---- */

#ifdef __wasm__
/* The input is where the heap would begin, and what is put stands behind it. */
extern char __heap_base[];
#define WEIR_PAGE 65536
static char *weir_output;
static weir_size weir_limit(void) { return __builtin_wasm_memory_size(0) * WEIR_PAGE; }
static void weir_reach(weir_size end) {
    if (end <= weir_limit()) return;
    weir_size pages = (end - weir_limit() + WEIR_PAGE - 1) / WEIR_PAGE;
    if (__builtin_wasm_memory_grow(0, pages) == (weir_size)-1) __builtin_trap();
}
#else
static char weir_output[65536];
static void weir_reach(weir_size end) {
    if (end > (weir_size)(weir_output + sizeof weir_output)) __builtin_trap();
}
#endif
static weir_size weir_written;

/* ---- reading ---- */

static inline weir_text weir_of(const char *text) {
    weir_text whole = {text, 0};
    while (text[whole.len]) whole.len++;
    return whole;
}

static inline int weir_same(weir_text a, weir_text b) {
    if (a.len != b.len) return 0;
    for (weir_size n = 0; n < a.len; n++)
        if (a.at[n] != b.at[n]) return 0;
    return 1;
}

static const char *weir_past_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
    return at;
}

/* Past the string that begins at `at`; `end` if it has no end. */
static const char *weir_past_string(const char *at, const char *end) {
    for (at++; at < end; at++) {
        if (*at == '\\') at++;
        else if (*at == '"') return at + 1;
    }
    return end;
}

static const char *weir_past_value(const char *at, const char *end) {
    weir_size depth = 0;
    while (at < end) {
        char c = *at;
        if (c == '"') {
            at = weir_past_string(at, end);
            if (depth == 0) return at;
            continue;
        }
        if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) return at;
            if (--depth == 0) return at + 1;
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
            return at;
        }
        at++;
    }
    return end;
}

/* The value of an object's member. None if it isn't there, is null, or `object` is no object. (A name is compared as it is
 * written: the host escapes none that need not be.) */
static inline weir_text weir_member(weir_text object, const char *name) {
    const weir_text none = {0, 0}, wanted = weir_of(name), null = weir_of("null");
    const char *at = object.at, *end = object.at + object.len;
    if (object.len == 0 || *(at = weir_past_space(at, end)) != '{') return none;
    at = weir_past_space(at + 1, end);
    while (at < end && *at == '"') {
        weir_text key = {at + 1, 0}, value;
        at = weir_past_string(at, end);
        key.len = (weir_size)(at - key.at) - 1;
        at = weir_past_space(at, end);
        if (at == end || *at != ':') return none;
        value.at = weir_past_space(at + 1, end);
        at = weir_past_value(value.at, end);
        value.len = (weir_size)(at - value.at);
        if (weir_same(key, wanted)) return weir_same(value, null) ? none : value;
        at = weir_past_space(at, end);
        if (at == end || *at != ',') return none;
        at = weir_past_space(at + 1, end);
    }
    return none;
}

static inline int weir_is_string(weir_text value) { return value.len >= 2 && value.at[0] == '"'; }

/* What stands between the quotes of a string, with its escapes as they are. */
static inline weir_text weir_inside(weir_text string) {
    weir_text inside = {string.at + 1, string.len - 2}, none = {0, 0};
    return weir_is_string(string) ? inside : none;
}

/* Is it the string `text`? */
static inline int weir_is(weir_text value, const char *text) {
    return weir_is_string(value) && weir_same(weir_inside(value), weir_of(text));
}

/* Reads a number; 0 if it is none. Exact for up to 15 digits. */
static inline int weir_number(weir_text value, double *number) {
    const char *at = value.at, *end = value.at + value.len;
    int negative = 0, point = 0, exponent = 0, digits = 0;
    double whole = 0, scale = 1;
    if (at < end && *at == '-') negative = 1, at++;
    for (; at < end && ((*at >= '0' && *at <= '9') || (*at == '.' && !point)); at++) {
        if (*at == '.') {
            point = 1;
        } else {
            whole = whole * 10 + (*at - '0');
            exponent -= point;
            digits++;
        }
    }
    if (digits == 0) return 0;
    if (at < end && (*at == 'e' || *at == 'E')) {
        int minus = 0, power = 0;
        at++;
        if (at < end && (*at == '-' || *at == '+')) minus = *at++ == '-';
        if (at == end) return 0;
        for (; at < end && *at >= '0' && *at <= '9'; at++)
            if (power < 9999) power = power * 10 + (*at - '0');
        exponent += minus ? -power : power;
    }
    if (at != end) return 0;
    for (int n = exponent < 0 ? -exponent : exponent; n > 0 && scale < 1e300; n--) scale *= 10;
    whole = exponent < 0 ? whole / scale : whole * scale;
    *number = negative ? -whole : whole;
    return 1;
}

/* ---- answering ---- */

/* A ' of the template is written as a quote, and a % as the next text. */
static inline void weir_write(const char *template, const weir_text *texts) {
    for (; *template; template++) {
        char quote = '"';
        weir_text piece = {template, 1};
        if (*template == '\'') piece.at = &quote;
        if (*template == '%') piece = *texts++;
        weir_reach((weir_size)(weir_output + weir_written + piece.len));
        for (weir_size n = 0; n < piece.len; n++) weir_output[weir_written++] = piece.at[n];
    }
}

/* weir_put(template, text...): as many texts as the template has %. */
#define weir_put(template, ...) weir_write(template, (const weir_text[]){__VA_ARGS__})

/* The answer is a failure instead of what was put: trying again may help, or won't. `code` is for programs, `message` for
 * people; both are plain words, without quotes. */
enum weir_retry { WEIR_PERMANENT, WEIR_RETRY };
static inline void weir_fail(enum weir_retry retry, const char *code, const char *message) {
    weir_written = 0;
    weir_put("{'error':{'retry':%,'code':'%','message':'%'}}", weir_of(retry ? "true" : "false"), weir_of(code),
             weir_of(message));
}

/* ---- the host ---- */

/* A line for the worker's log, with the function's name and the event's id; in a test, nothing. */
enum weir_level { WEIR_ERROR, WEIR_WARN, WEIR_INFO, WEIR_DEBUG, WEIR_TRACE };
#ifdef __wasm__
__attribute__((import_module("weir"), import_name("log"))) void weir_host_log(int level, const char *at, weir_size len);
__attribute__((import_module("weir"), import_name("config"))) long long weir_host_config(const char *key, weir_size key_len,
                                                                                         char *out, weir_size room);
#else
static inline void weir_host_log(int level, const char *at, weir_size len) { (void)level, (void)at, (void)len; }
#ifndef WEIR_TEST_CONFIG /* A test may define it before it includes this: a function of a key, as text or 0. */
#define WEIR_TEST_CONFIG(key) ((void)(key), (const char *)0)
#endif
static inline long long weir_host_config(const char *key, weir_size key_len, char *out, weir_size room) {
    const char *value = WEIR_TEST_CONFIG(key);
    weir_size len = 0;
    (void)key_len;
    if (!value) return -1;
    for (; value[len]; len++)
        if (len < room) out[len] = value[len];
    return (long long)len;
}
#endif
static inline void weir_log(enum weir_level level, weir_text text) { weir_host_log(level, text.at, text.len); }

/* Ends the call as a trap, and tells the host why. The next event has a fresh instance. */
#ifdef __wasm__
weir_size weir_panic[2]; /* exported by -Wl,--export-if-defined=weir_panic: where the host finds the reason */
#else
static weir_size weir_panic[2];
#endif
static inline _Noreturn void weir_die(const char *why) {
    weir_text text = weir_of(why);
    weir_panic[0] = (weir_size)text.at;
    weir_panic[1] = text.len;
    __builtin_trap();
}

/* What the Function document says under `config`, written into your `room`. `at` is 0 if it says nothing; a longer value than
 * there is room for ends the call. */
static inline weir_text weir_config(const char *key, char *room, weir_size size) {
    weir_text value = {0, 0};
    long long len = weir_host_config(key, weir_of(key).len, room, size);
    if (len < 0) return value;
    if ((weir_size)len > size) weir_die("a value of the configuration is longer than the room for it");
    value.at = room;
    value.len = (weir_size)len;
    return value;
}

/* The answer to an event; for tests. */
static inline weir_text weir_answer(weir_text event) {
    weir_text answer = {weir_output, 0};
    weir_written = 0;
    handle(event);
    answer.len = weir_written;
    return answer;
}

/* ---- Guest ABI 1 ---- */

#ifdef __wasm__
__attribute__((export_name("weir_abi"))) int weir_abi(void) { return 1; }

__attribute__((export_name("weir_buffer"))) char *weir_buffer(weir_size len) {
    weir_output = __heap_base + len;
    weir_reach((weir_size)weir_output);
    return __heap_base;
}

__attribute__((export_name("weir_handle"))) unsigned long long weir_handle(weir_size len) {
    weir_text event = {__heap_base, len}, answer = weir_answer(event);
    return (unsigned long long)(weir_size)answer.at << 32 | answer.len;
}
#endif
#endif
