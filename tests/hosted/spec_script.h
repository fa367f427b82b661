/*
 * Values of a test script: arguments, and patterns that results must match.
 *
 *   i<hex> I<hex> f<hex> F<hex>    numbers, bits for floats; lower-case digits
 *   fC fA fN, FC FA FN             a canonical, an arithmetic, any NaN
 *   x<32 hex>                      v128, bytes in memory order
 *   V4:<lane>,..  V8:<lane>,..     v128 of float lanes of 4, 8 bytes; a lane is <hex>, C or A
 *   e<hex>                         an external reference
 *   n                              a null reference
 *   r                              any reference but null
 *   a|b                            either
 */
#pragma once

#include <stdbool.h>

#include "kernel/base/wasm_abi.h"

/* Ends the process on a script that does not follow the grammar. */
union wasm_value script_argument(const char *text);
bool script_matches(char *pattern, const union wasm_value *value);
