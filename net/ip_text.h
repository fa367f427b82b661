/*
 * Internet addresses as text: dotted decimal and RFC 4291 §2.2 / RFC 5952.
 *
 * Pure functions on the caller's memory; any context.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/ip.h"

#define IP_TEXT_BYTES 46u /* the longest form, with its NUL */

/* Of exactly `length` characters; strict dotted decimal (four parts) or IPv6. */
bool ip_address_parse(const char *text, size_t length, struct ip_address *out) WARN_UNUSED;

/* Writes at most IP_TEXT_BYTES with a NUL; returns the length without it. */
size_t ip_address_format(const struct ip_address *address, char *out);
