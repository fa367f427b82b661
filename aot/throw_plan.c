/*
 * Which functions may leave with an exception: those that throw and, transitively, those
 * that call them. Calls through references, and imports, count as throwing once the
 * module uses exceptions at all. Handlers are not looked at: a function that
 * catches everything is called with a check too many.
 */
#include <stdio.h>
#include <stdlib.h>

#include "aot/codegen.h"

struct edge {
    uint32_t caller;
    uint32_t next; /* index + 1 of the next edge into the same callee; 0: none */
};

struct call_graph {
    uint32_t *first; /* per callee, index + 1 of an edge; 0: none */
    struct edge *edges;
    uint32_t edge_count;
    uint32_t edge_capacity;
};

static void *plan_alloc(void *old, size_t count, size_t bytes)
{
    void *memory = realloc(old, (count + 1) * bytes);

    if (memory == NULL) {
        fputs("waferc: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static void add_edge(struct call_graph *graph, uint32_t callee, uint32_t caller)
{
    if (graph->edge_count == graph->edge_capacity) {
        graph->edge_capacity = 2 * graph->edge_capacity + 1024;
        graph->edges = plan_alloc(graph->edges, graph->edge_capacity, sizeof(*graph->edges));
    }
    graph->edges[graph->edge_count++] = (struct edge){caller, graph->first[callee]};
    graph->first[callee] = graph->edge_count;
}

/* Notes the direct calls of a function; true when it may throw by itself. */
static bool scan_function(const struct module *module, uint32_t index, struct call_graph *graph)
{
    const struct function *function = &module->functions[index];
    struct reader reader = module_reader(module, function->code_start, function->body_end);
    struct instruction in;
    bool throws = false;

    while (reader_left(&reader) > 0) {
        instruction_read(module, &reader, &in);
        switch ((unsigned)in.opcode) {
        case OP_CALL:
        case OP_RETURN_CALL:
            add_edge(graph, in.index, index);
            break;
        case OP_CALL_INDIRECT:
        case OP_RETURN_CALL_INDIRECT:
        case OP_CALL_REF:
        case OP_RETURN_CALL_REF:
        case OP_THROW:
        case OP_THROW_REF:
        case OP_RETHROW:
        case OP_DELEGATE:
            throws = true;
            break;
        default:
            break;
        }
    }
    return throws;
}

/* True when an exnref can outlive the frame that holds it: a handler cannot free it then. */
static bool references_travel(const struct module *module)
{
    for (uint32_t i = 0; i < module->type_count; i++) {
        const struct defined_type *type = &module->types[i];
        for (uint32_t j = 0; j < type->param_count; j++) {
            if (type_is_exception(type->params[j])) {
                return true;
            }
        }
    }
    for (uint32_t i = 0; i < module->global_count; i++) {
        if (type_is_exception(module->globals[i].type)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < module->table_count; i++) {
        if (type_is_exception(module->tables[i].element)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < module->function_count; i++) {
        const struct defined_type *type = function_type(module, i);
        for (uint32_t j = 0; j < type->result_count; j++) {
            if (type_is_exception(type->results[j])) {
                return true;
            }
        }
    }
    return false;
}

void codegen_plan_throws(struct codegen *gen)
{
    const struct module *module = gen->module;
    uint32_t used = 1u << FEATURE_EXCEPTIONS | 1u << FEATURE_LEGACY_EXCEPTIONS;
    struct call_graph graph = {0};

    if ((module->features & used) == 0) {
        return;
    }
    gen->exceptions_travel = references_travel(module);
    gen->may_throw = plan_alloc(NULL, module->function_count, sizeof(bool));
    graph.first = plan_alloc(NULL, module->function_count, sizeof(*graph.first));
    uint32_t *pending = plan_alloc(NULL, module->function_count, sizeof(*pending));
    uint32_t pending_count = 0;
    for (uint32_t i = 0; i < module->function_count; i++) {
        graph.first[i] = 0;
    }
    for (uint32_t i = 0; i < module->function_count; i++) {
        gen->may_throw[i] = module->functions[i].import != NULL || scan_function(module, i, &graph);
        if (gen->may_throw[i]) {
            pending[pending_count++] = i;
        }
    }
    while (pending_count > 0) {
        uint32_t callee = pending[--pending_count];
        for (uint32_t at = graph.first[callee]; at != 0; at = graph.edges[at - 1].next) {
            uint32_t caller = graph.edges[at - 1].caller;
            if (!gen->may_throw[caller]) {
                gen->may_throw[caller] = true;
                pending[pending_count++] = caller;
            }
        }
    }
    free(pending);
    free(graph.first);
    free(graph.edges);
}
