/* Sparse matrix times vector in compressed rows, repeated. */
#include "kernel.h"

enum { N = 40000, PER_ROW = 16, REPEATS = 60 };
static uint32_t column[N * PER_ROW];
static double value[N * PER_ROW], x[N], y[N];

double run(void)
{
    uint64_t state = 5;
    for (int i = 0; i < N * PER_ROW; i++) {
        column[i] = next_random(&state) % N;
        value[i] = (double)(next_random(&state) % 100) / 1600;
    }
    for (int i = 0; i < N; i++) {
        x[i] = 1;
    }
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        for (int i = 0; i < N; i++) {
            double sum = 0;
            for (int k = 0; k < PER_ROW; k++) {
                sum += value[i * PER_ROW + k] * x[column[i * PER_ROW + k]];
            }
            y[i] = sum;
        }
        for (int i = 0; i < N; i++) {
            x[i] = y[i] + 0.5;
        }
    }
    return x[N / 3];
}
