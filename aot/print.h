/* waferc --print: what a module asks for and offers, one line each, for scripts. */
#pragma once

#include "aot/module.h"
#include "aot/options.h"

/* Writes the parts chosen in options->print to stdout. */
void print_module(const struct module *module, const struct options *options);
