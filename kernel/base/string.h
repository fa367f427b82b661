/*
 * The C string functions that the kernel has. The memory ones are assembly
 * (kernel/x86/memory.S), and compiled Wasm code calls them too. Any context.
 * Hosted builds take the C library's.
 */
#pragma once

#include <stddef.h>

#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *restrict to, const void *restrict from, size_t size_bytes);
void *memmove(void *to, const void *from, size_t size_bytes);
void *memset(void *to, int value, size_t size_bytes);
int memcmp(const void *left, const void *right, size_t size_bytes);
void *memchr(const void *data, int value, size_t size_bytes);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t limit);
int strcmp(const char *left, const char *right);
int strncmp(const char *left, const char *right, size_t limit);
char *strchr(const char *text, int character);
char *strrchr(const char *text, int character);

/* -ffreestanding forgets what these mean; so small constant sizes become single moves again. */
#define memcpy(to, from, size_bytes)    __builtin_memcpy(to, from, size_bytes)
#define memmove(to, from, size_bytes)   __builtin_memmove(to, from, size_bytes)
#define memset(to, value, size_bytes)   __builtin_memset(to, value, size_bytes)
#define memcmp(left, right, size_bytes) __builtin_memcmp(left, right, size_bytes)
#endif
