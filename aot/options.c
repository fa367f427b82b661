#include "aot/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aot/module.h"

static const char help_text[] =
    "usage: waferc [options] app.wasm\n"
    "Compiles one WebAssembly module to an x86-64 ELF object. A .wat file goes through\n"
    "wat2wasm (package wabt) first.\n"
    "\n"
    "  -o FILE             where to write; default: the input's name with .o\n"
    "  -O0 -O1 -O2 -O3     how hard to optimise; default -O3. -O0 and -O1 compile quickly\n"
    "  --cpu LEVEL         x86-64-v2 (default), x86-64-v3, x86-64-v4 or native; the kernel\n"
    "                      refuses to start on a CPU below the level\n"
    "  --emit KIND         obj (default), asm or llvm\n"
    "  --print LIST        imports, exports, features, layout (comma-separated) on stdout;\n"
    "                      compiles only when -o is given too. imports: one line each,\n"
    "                      module, field, signature, symbol; spaces in names as $20\n"
    "  --exports           add the table of exports with callable wrappers\n"
    "  --symbol-prefix P   put P in front of wasm_module and of the import symbols, so that\n"
    "                      several modules link together\n"
    "  --features SET      all (default) or wasm2: what the module may use\n"
    "  --threads N         code generation threads; default: one a processor\n"
    "  --units N           cut the code into N parts compiled apart; default: by its size\n"
    "  --debug-info KIND   what to carry over of the module's DWARF: none, lines, or all\n"
    "                      (default: variables and types too); the code stays the same\n"
    "  --validate-only     check the module, write nothing\n"
    "  --stats             sizes and times on stderr\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 done, 1 the module or the output failed, 2 wrong usage.\n";

static _Noreturn void usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void usage_error(const char *format, ...)
{
    va_list arguments;

    fputs("waferc: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("\nTry waferc --help.\n", stderr);
    exit(2);
}

struct choice {
    const char *text;
    unsigned value;
};

static const struct choice cpu_choices[] = {
    {"x86-64-v2", CPU_X86_64_V2},
    {"x86-64-v3", CPU_X86_64_V3},
    {"x86-64-v4", CPU_X86_64_V4},
    {"native", CPU_NATIVE},
    {NULL, 0},
};

static const struct choice emit_choices[] = {
    {"obj", EMIT_OBJECT},
    {"asm", EMIT_ASSEMBLY},
    {"llvm", EMIT_LLVM},
    {NULL, 0},
};

static const struct choice print_choices[] = {
    {"imports", PRINT_IMPORTS_BIT},
    {"exports", PRINT_EXPORTS_BIT},
    {"features", PRINT_FEATURES_BIT},
    {"layout", PRINT_LAYOUT_BIT},
    {NULL, 0},
};

static const struct choice feature_choices[] = {
    {"all", FEATURES_ALL},
    {"wasm2", FEATURES_WASM_2},
    {NULL, 0},
};

static const struct choice debug_info_choices[] = {
    {"none", DEBUG_INFO_NONE},
    {"lines", DEBUG_INFO_LINES},
    {"all", DEBUG_INFO_ALL},
    {NULL, 0},
};

static unsigned choose(const char *option, const struct choice *choices, const char *text,
                       size_t length)
{
    for (const struct choice *choice = choices; choice->text != NULL; choice++) {
        if (strlen(choice->text) == length && memcmp(choice->text, text, length) == 0) {
            return choice->value;
        }
    }
    usage_error("%s does not know '%.*s'", option, (int)length, text);
}

static unsigned choose_list(const char *option, const struct choice *choices, const char *text)
{
    unsigned bits = 0;

    for (;;) {
        size_t length = strcspn(text, ",");
        bits |= choose(option, choices, text, length);
        if (text[length] == '\0') {
            return bits;
        }
        text += length + 1;
    }
}

static unsigned parse_count(const char *option, const char *text)
{
    char *end;
    unsigned long count = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || count < 1 || count > 256) {
        usage_error("%s takes a number from 1 to 256, not '%s'", option, text);
    }
    return (unsigned)count;
}

static const char *check_prefix(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_';
        if (!letter && (c == text || *c < '0' || *c > '9')) {
            usage_error("--symbol-prefix takes letters, digits and '_', not '%s'", text);
        }
    }
    return text;
}

/* The value of "--name=value" or "--name value"; NULL when argv[*at] is another option. */
static const char *option_value(const char *name, int *at, int argc, char **argv)
{
    const char *argument = argv[*at];
    size_t length = strlen(name);

    if (strncmp(argument, name, length) != 0) {
        return NULL;
    }
    if (argument[length] == '=' && name[1] == '-') {
        return argument + length + 1;
    }
    if (argument[length] == '\0') {
        if (*at + 1 >= argc) {
            usage_error("%s needs a value", name);
        }
        return argv[++*at];
    }
    return NULL;
}

static bool parse_flag(struct options *out, const char *argument)
{
    if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
        fputs(help_text, stdout);
        exit(0);
    } else if (strcmp(argument, "--version") == 0) {
        puts("waferc 0.1 (LLVM 19)");
        exit(0);
    } else if (strcmp(argument, "--exports") == 0) {
        out->wants_exports = true;
    } else if (strcmp(argument, "--stats") == 0) {
        out->wants_stats = true;
    } else if (strcmp(argument, "--validate-only") == 0) {
        out->validate_only = true;
    } else if (argument[0] == '-' && argument[1] == 'O' && argument[2] >= '0' &&
               argument[2] <= '3' && argument[3] == '\0') {
        out->optimization = (unsigned)(argument[2] - '0');
    } else {
        return false;
    }
    return true;
}

static bool parse_valued(struct options *out, int *at, int argc, char **argv)
{
    const char *value;

    if ((value = option_value("-o", at, argc, argv)) != NULL) {
        out->output = value;
    } else if ((value = option_value("--cpu", at, argc, argv)) != NULL) {
        out->cpu = (enum cpu_level)choose("--cpu", cpu_choices, value, strlen(value));
    } else if ((value = option_value("--emit", at, argc, argv)) != NULL) {
        out->emit = (enum emit_kind)choose("--emit", emit_choices, value, strlen(value));
    } else if ((value = option_value("--print", at, argc, argv)) != NULL) {
        out->print |= choose_list("--print", print_choices, value);
    } else if ((value = option_value("--debug-info", at, argc, argv)) != NULL) {
        out->debug_info =
            (enum debug_info)choose("--debug-info", debug_info_choices, value, strlen(value));
    } else if ((value = option_value("--symbol-prefix", at, argc, argv)) != NULL) {
        out->symbol_prefix = check_prefix(value);
    } else if ((value = option_value("--features", at, argc, argv)) != NULL) {
        out->features = choose("--features", feature_choices, value, strlen(value));
    } else if ((value = option_value("--threads", at, argc, argv)) != NULL) {
        out->thread_count = parse_count("--threads", value);
    } else if ((value = option_value("--units", at, argc, argv)) != NULL) {
        out->unit_count = parse_count("--units", value);
    } else {
        return false;
    }
    return true;
}

void options_parse(struct options *out, int argc, char **argv)
{
    bool only_operands = false;

    *out = (struct options){
        .symbol_prefix = "",
        .optimization = 3,
        .cpu = CPU_X86_64_V2,
        .debug_info = DEBUG_INFO_ALL,
        .features = FEATURES_ALL,
    };
    for (int at = 1; at < argc; at++) {
        const char *argument = argv[at];
        if (!only_operands && strcmp(argument, "--") == 0) {
            only_operands = true;
        } else if (!only_operands && argument[0] == '-' && argument[1] != '\0') {
            if (!parse_flag(out, argument) && !parse_valued(out, &at, argc, argv)) {
                usage_error("unknown option '%s'", argument);
            }
        } else if (out->input != NULL) {
            usage_error("one module at a time: '%s' and '%s'", out->input, argument);
        } else {
            out->input = argument;
        }
    }
    if (out->input == NULL) {
        usage_error("no input file");
    }
}
