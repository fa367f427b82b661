#include "aot/debug_scopes.h"

#include <stdlib.h>
#include <string.h>

/* A scope's code; a few of these a scope. */
struct extent {
    uint32_t start;
    uint32_t end;
    uint32_t scope;
};

struct collector {
    const struct dwarf *dwarf;
    const struct function *function;
    struct arena *arena;
    struct diag diag;
    struct debug_function *out;
    uint32_t scope_capacity;
    uint32_t variable_capacity;
    uint32_t range_capacity;
    struct extent *extents;
    uint32_t extent_count;
    uint32_t extent_capacity;
    uint32_t limit; /* of extents and of ranges */
    struct debug_place frame;
    bool has_frame;
    uint32_t path[DWARF_MAX_DEPTH + 1]; /* the scopes around a DIE; NO_SCOPE in what is none */
};

#define NO_SCOPE UINT32_MAX

/* Lists may be shared: what a function's DIEs refer to is not bounded by their size. */
static void check_limit(struct collector *collector, uint32_t count)
{
    if (count >= collector->limit) {
        diag_fail(&collector->diag, DIAG_NO_OFFSET, "too much of it");
    }
}

/* Addresses become offsets in the file, cut to the function. False when nothing is left. */
static bool clip(const struct collector *collector, uint64_t low, uint64_t high, uint32_t *start,
                 uint32_t *end)
{
    uint64_t code = collector->dwarf->module->code_section_start;
    uint64_t first = low + code;
    uint64_t last = high + code;
    if (first >= collector->function->body_end || last <= collector->function->body_start) {
        return false;
    }
    *start =
        first < collector->function->body_start ? collector->function->body_start : (uint32_t)first;
    *end = last > collector->function->body_end ? collector->function->body_end : (uint32_t)last;
    return true;
}

static void add_extent(struct collector *collector, uint32_t scope, uint64_t low, uint64_t high)
{
    struct extent extent = {.scope = scope};
    if (!clip(collector, low, high, &extent.start, &extent.end)) {
        return;
    }
    check_limit(collector, collector->extent_count);
    collector->extents = arena_grow(collector->arena, collector->extents, collector->extent_count,
                                    &collector->extent_capacity, sizeof(*collector->extents));
    collector->extents[collector->extent_count++] = extent;
}

static uint32_t key_of(const struct dwarf_die *die)
{
    uint32_t origin = dwarf_reference(die, ATTRIBUTE_ORIGIN);
    return origin == 0 ? die->offset : origin;
}

static uint32_t small_number(const struct dwarf_die *die, enum dwarf_attribute attribute)
{
    uint64_t number = dwarf_number(die, attribute, 0);
    return number > UINT16_MAX << 8 ? 0 : (uint32_t)number;
}

static uint32_t add_scope(struct collector *collector, const struct dwarf_die *die, uint32_t parent)
{
    struct debug_function *out = collector->out;
    struct dwarf_list list;
    struct dwarf_range range;
    uint64_t low;
    uint64_t high;
    uint32_t index = out->scope_count;
    bool is_inlined = die->tag == TAG_INLINED_SUBROUTINE;
    out->scopes = arena_grow(collector->arena, out->scopes, out->scope_count,
                             &collector->scope_capacity, sizeof(*out->scopes));
    out->scopes[out->scope_count++] =
        (struct debug_scope){.parent = parent,
                             .offset = die->offset,
                             .key = key_of(die),
                             .is_inlined = is_inlined,
                             .call_file = small_number(die, ATTRIBUTE_CALL_FILE),
                             .call_line = small_number(die, ATTRIBUTE_CALL_LINE),
                             .call_column = small_number(die, ATTRIBUTE_CALL_COLUMN)};
    if (dwarf_ranges_start(&list, collector->dwarf, &collector->diag, die)) {
        while (dwarf_list_next(&list, &range)) {
            add_extent(collector, index, range.low, range.high);
        }
    } else if (dwarf_code_range(collector->dwarf, die, &low, &high)) {
        add_extent(collector, index, low, high);
    }
    return index;
}

static void add_range(struct collector *collector, uint32_t start, uint32_t end,
                      const struct debug_place *place)
{
    struct debug_function *out = collector->out;
    bool is_local = place->kind == PLACE_LOCAL;
    if (is_local && place->index >= collector->function->local_count) {
        return;
    }
    check_limit(collector, out->range_count);
    out->ranges = arena_grow(collector->arena, out->ranges, out->range_count,
                             &collector->range_capacity, sizeof(*out->ranges));
    out->ranges[out->range_count++] = (struct debug_range){
        .variable = out->variable_count - 1, .start = start, .end = end, .place = *place};
}

static void add_places(struct collector *collector, const struct dwarf_die *die,
                       struct name expression, uint32_t start, uint32_t end)
{
    struct debug_place places[PLACE_MAX_PIECES];
    uint32_t count = debug_place_parse(expression, collector->has_frame ? &collector->frame : NULL,
                                       die->unit->address_bytes, places);
    for (uint32_t i = 0; i < count; i++) {
        add_range(collector, start, end, &places[i]);
    }
}

static void add_constant(struct collector *collector, const struct dwarf_value *value)
{
    struct debug_place place = {.kind = PLACE_CONSTANT, .index = value->number};
    if (value->class == CLASS_BLOCK) {
        if (value->bytes.length > sizeof(place.index)) {
            return;
        }
        for (uint32_t i = 0; i < value->bytes.length; i++) {
            place.index |= (uint64_t)value->bytes.bytes[i] << (8 * i);
        }
    } else if (value->class != CLASS_NUMBER) {
        return;
    }
    add_range(collector, collector->function->body_start, collector->function->body_end, &place);
}

static void add_variable(struct collector *collector, const struct dwarf_die *die, uint32_t scope)
{
    struct debug_function *out = collector->out;
    const struct function *function = collector->function;
    struct dwarf_list list;
    struct dwarf_range range;
    uint32_t start;
    uint32_t end;
    out->variables = arena_grow(collector->arena, out->variables, out->variable_count,
                                &collector->variable_capacity, sizeof(*out->variables));
    out->variables[out->variable_count++] =
        (struct debug_variable){.scope = scope,
                                .offset = die->offset,
                                .key = key_of(die),
                                .is_parameter = die->tag == TAG_FORMAL_PARAMETER};
    const struct dwarf_value *location = &die->values[ATTRIBUTE_LOCATION];
    if (location->class == CLASS_BLOCK) {
        add_places(collector, die, location->bytes, function->body_start, function->body_end);
    } else if (dwarf_locations_start(&list, collector->dwarf, &collector->diag, die)) {
        while (dwarf_list_next(&list, &range)) {
            if (clip(collector, range.low, range.high, &start, &end)) {
                add_places(collector, die, range.expression, start, end);
            }
        }
    } else {
        add_constant(collector, &die->values[ATTRIBUTE_CONST_VALUE]);
    }
}

static void find_frame(struct collector *collector, const struct dwarf_die *die)
{
    const struct dwarf_value *value = &die->values[ATTRIBUTE_FRAME_BASE];
    struct debug_place places[PLACE_MAX_PIECES];
    if (value->class == CLASS_BLOCK &&
        debug_place_parse(value->bytes, NULL, die->unit->address_bytes, places) == 1) {
        collector->frame = places[0];
        collector->has_frame = places[0].kind == PLACE_LOCAL && places[0].operation_count == 0;
    }
}

static void collect(struct collector *collector, const struct dwarf_die *top)
{
    struct dwarf_walk walk;
    struct dwarf_die die;
    find_frame(collector, top);
    collector->path[0] = add_scope(collector, top, 0);
    dwarf_walk_start(&walk, collector->dwarf, &collector->diag, top);
    while (dwarf_walk_next(&walk, &die)) {
        uint32_t scope = collector->path[walk.depth - 1];
        uint32_t inner = NO_SCOPE;
        if (scope != NO_SCOPE) {
            switch (die.tag) {
            case TAG_LEXICAL_BLOCK:
            case TAG_TRY_BLOCK:
            case TAG_CATCH_BLOCK:
            case TAG_INLINED_SUBROUTINE:
                inner = add_scope(collector, &die, scope);
                break;
            case TAG_FORMAL_PARAMETER:
            case TAG_VARIABLE:
                add_variable(collector, &die, scope);
                break;
            default:
                break;
            }
        }
        collector->path[walk.depth] = inner;
    }
}

static int compare_offsets(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static int compare_ranges(const void *left, const void *right)
{
    const struct debug_range *a = left;
    const struct debug_range *b = right;
    if (a->start != b->start) {
        return a->start < b->start ? -1 : 1;
    }
    return a->variable < b->variable ? -1 : a->variable > b->variable;
}

/* Index of the segment that starts at `offset`. */
static uint32_t segment_at(const struct debug_function *out, uint32_t offset)
{
    uint32_t low = 0;
    uint32_t high = out->segment_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (out->segments[middle].start <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Cuts the function at every start and end, then lets each scope paint its own: inner scopes
 * come behind the ones around them. */
static void make_segments(struct collector *collector)
{
    struct debug_function *out = collector->out;
    uint32_t count = 2 * collector->extent_count;
    uint32_t *offsets = arena_array(collector->arena, uint32_t, count);
    for (uint32_t i = 0; i < collector->extent_count; i++) {
        offsets[2 * i] = collector->extents[i].start;
        offsets[2 * i + 1] = collector->extents[i].end;
    }
    if (count != 0) {
        qsort(offsets, count, sizeof(*offsets), compare_offsets);
    }
    out->segments = arena_array(collector->arena, struct debug_segment, count + 1);
    out->segment_count = 1;
    for (uint32_t i = 0; i < count; i++) {
        if (offsets[i] != out->segments[out->segment_count - 1].start) {
            out->segments[out->segment_count++].start = offsets[i];
        }
    }
    uint64_t steps_left = (uint64_t)collector->limit * 64;
    for (uint32_t i = 0; i < collector->extent_count; i++) {
        const struct extent *extent = &collector->extents[i];
        uint32_t at = segment_at(out, extent->start);
        for (; at < out->segment_count && out->segments[at].start < extent->end; at++) {
            out->segments[at].scope = extent->scope;
            if (steps_left-- == 0) {
                diag_fail(&collector->diag, DIAG_NO_OFFSET, "too much of it");
            }
        }
    }
}

const struct debug_function *
debug_function_read(const struct dwarf *dwarf, const struct function *function, struct arena *arena)
{
    uint32_t code = function->code_start - dwarf->module->code_section_start;
    const struct dwarf_function *entry = dwarf_find_function(dwarf, code);
    struct dwarf_die top;
    jmp_buf escape;
    if (entry == NULL) {
        return NULL;
    }
    struct collector *collector = arena_new(arena, struct collector);
    collector->dwarf = dwarf;
    collector->function = function;
    collector->arena = arena;
    collector->limit = 64 + 16 * (function->body_end - function->body_start);
    collector->out = arena_new(arena, struct debug_function);
    collector->out->unit = &dwarf->units[entry->unit];
    diag_init(&collector->diag, "debug information");
    collector->diag.escape = &escape;
    if (setjmp(escape) != 0 || !dwarf_read(dwarf, entry->offset, &collector->diag, &top)) {
        return NULL;
    }
    collect(collector, &top);
    make_segments(collector);
    if (collector->out->range_count != 0) {
        qsort(collector->out->ranges, collector->out->range_count, sizeof(*collector->out->ranges),
              compare_ranges);
    }
    return collector->out;
}
