#include "kernel/base/string.h"

#include <stdint.h>

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0') {
        length++;
    }
    return length;
}

size_t strnlen(const char *text, size_t limit)
{
    size_t length = 0;
    while (length < limit && text[length] != '\0') {
        length++;
    }
    return length;
}

int strncmp(const char *left, const char *right, size_t limit)
{
    for (size_t i = 0; i < limit; i++) {
        uint8_t l = (uint8_t)left[i];
        uint8_t r = (uint8_t)right[i];
        if (l != r || l == 0) {
            return l - r;
        }
    }
    return 0;
}

int strcmp(const char *left, const char *right)
{
    return strncmp(left, right, SIZE_MAX);
}

void *memchr(const void *data, int value, size_t size_bytes)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size_bytes; i++) {
        if (bytes[i] == (uint8_t)value) {
            return (void *)(uintptr_t)(bytes + i);
        }
    }
    return NULL;
}

char *strchr(const char *text, int character)
{
    for (;; text++) {
        if (*text == (char)character) {
            return (char *)(uintptr_t)text;
        }
        if (*text == '\0') {
            return NULL;
        }
    }
}

char *strrchr(const char *text, int character)
{
    char *found = NULL;
    for (;; text++) {
        if (*text == (char)character) {
            found = (char *)(uintptr_t)text;
        }
        if (*text == '\0') {
            return found;
        }
    }
}
