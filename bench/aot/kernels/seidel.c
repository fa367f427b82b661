/* Gauss-Seidel relaxation: every value depends on the one before. */
#include "kernel.h"

enum { N = 400, STEPS = 60 };
static double a[N][N];

double run(void)
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = ((double)i * (j + 2) + 2) / N;
        }
    }
    for (int step = 0; step < STEPS; step++) {
        for (int i = 1; i < N - 1; i++) {
            for (int j = 1; j < N - 1; j++) {
                a[i][j] = (a[i - 1][j - 1] + a[i - 1][j] + a[i - 1][j + 1] + a[i][j - 1] + a[i][j] +
                           a[i][j + 1] + a[i + 1][j - 1] + a[i + 1][j] + a[i + 1][j + 1]) /
                          9.0;
            }
        }
    }
    double sum = 0;
    for (int i = 0; i < N; i++) {
        sum += a[i][(i * 11) % N];
    }
    return sum;
}
