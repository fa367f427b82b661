/* Dynamic programming: longest common subsequence of two random strings. */
#include "kernel.h"

enum { N = 9000 };
static uint8_t x[N], y[N];
static uint16_t row[2][N + 1];

double run(void)
{
    uint64_t state = 3;
    for (int j = 0; j <= N; j++) {
        row[0][j] = row[1][j] = 0;
    }
    for (int i = 0; i < N; i++) {
        x[i] = (uint8_t)(next_random(&state) & 3);
        y[i] = (uint8_t)(next_random(&state) & 3);
    }
    for (int i = 0; i < N; i++) {
        uint16_t *now = row[i & 1], *before = row[~i & 1];
        for (int j = 0; j < N; j++) {
            uint16_t best = before[j + 1] > now[j] ? before[j + 1] : now[j];
            now[j + 1] = x[i] == y[j] ? (uint16_t)(before[j] + 1) : best;
        }
    }
    return row[(N - 1) & 1][N];
}
