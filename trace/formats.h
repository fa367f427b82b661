/*
 * format_<c_function> for every function of wasi/imports.def: trace/calls.def, and the pairs of
 * WAMR's options. Constants of the file that includes it.
 */
#pragma once

#include "wasi/sock_wamr.h"

#define CALL(function, format) static const char format_##function[] = format;
#include "trace/calls.def"
#undef CALL

#define OPTION(name, ...)                                                                          \
    static const char format_wasi_wamr_sock_get_##name[] = "fd:f >value:4";                        \
    static const char format_wasi_wamr_sock_set_##name[] = "fd:f value:u";
WAMR_OPTIONS(OPTION)
WAMR_MISSING_OPTIONS(OPTION)
#undef OPTION
