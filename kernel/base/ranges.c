#include "kernel/base/ranges.h"

static void delete_at(struct ranges *set, size_t index)
{
    for (size_t i = index; i + 1 < set->count; i++) {
        set->list[i] = set->list[i + 1];
    }
    set->count--;
}

static bool insert_at(struct ranges *set, size_t index, uint64_t start, uint64_t end)
{
    if (set->count == RANGES_MAX) {
        return false;
    }
    for (size_t i = set->count; i > index; i--) {
        set->list[i] = set->list[i - 1];
    }
    set->list[index] = (struct range){start, end};
    set->count++;
    return true;
}

bool ranges_add(struct ranges *set, uint64_t start, uint64_t end)
{
    if (start >= end) {
        return true;
    }
    size_t index = 0;
    while (index < set->count && set->list[index].end < start) {
        index++;
    }
    if (index == set->count || set->list[index].start > end) {
        return insert_at(set, index, start, end);
    }
    /* Touches list[index]: grow it, then swallow the neighbours it reaches. */
    struct range *merged = &set->list[index];
    merged->start = start < merged->start ? start : merged->start;
    merged->end = end > merged->end ? end : merged->end;
    while (index + 1 < set->count && set->list[index + 1].start <= merged->end) {
        uint64_t next_end = set->list[index + 1].end;
        merged->end = next_end > merged->end ? next_end : merged->end;
        delete_at(set, index + 1);
    }
    return true;
}

bool ranges_remove(struct ranges *set, uint64_t start, uint64_t end)
{
    bool complete = true;
    for (size_t i = 0; start < end && i < set->count;) {
        struct range *range = &set->list[i];
        if (range->end <= start || range->start >= end) {
            i++;
        } else if (range->start < start && range->end > end) {
            uint64_t upper_end = range->end;
            range->end = start;
            complete = insert_at(set, i + 1, end, upper_end);
            i += 2;
        } else if (range->start < start) {
            range->end = start;
            i++;
        } else if (range->end > end) {
            range->start = end;
            i++;
        } else {
            delete_at(set, i);
        }
    }
    return complete;
}

uint64_t ranges_total(const struct ranges *set)
{
    uint64_t total = 0;
    for (size_t i = 0; i < set->count; i++) {
        total += set->list[i].end - set->list[i].start;
    }
    return total;
}
