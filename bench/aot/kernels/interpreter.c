/* Branchy code: a bytecode interpreter that computes Collatz lengths. */
#include "kernel.h"

enum op { PUSH, DUP, AND1, JZ, TRIPLE, HALVE, COUNT, ONE, DROP, HALT };
static const uint8_t code[] = {DUP,   ONE,  15, DUP,   AND1,  JZ,   11, TRIPLE,
                               COUNT, PUSH, 0,  HALVE, COUNT, PUSH, 0,  HALT};

static uint32_t interpret(uint32_t start)
{
    uint32_t value = start, top = 0, count = 0;
    uint32_t at = 0;
    for (;;) {
        switch ((enum op)code[at]) {
        case PUSH:
            at = code[at + 1];
            break;
        case DUP:
            top = value;
            at++;
            break;
        case AND1:
            top &= 1;
            at++;
            break;
        case JZ:
            at = top ? at + 2 : code[at + 1];
            break;
        case TRIPLE:
            value = value * 3 + 1;
            at++;
            break;
        case HALVE:
            value >>= 1;
            at++;
            break;
        case COUNT:
            count++;
            at++;
            break;
        case ONE:
            at = value == 1 ? code[at + 1] : at + 2;
            break;
        case DROP:
            at++;
            break;
        case HALT:
        default:
            return count;
        }
    }
}

double run(void)
{
    uint64_t total = 0;
    for (uint32_t i = 1; i < 200000; i++) {
        total += interpret(i);
    }
    return (double)total;
}
