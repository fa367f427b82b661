/* Five-point stencil on a square, back and forth. */
#include "kernel.h"

enum { N = 1000, STEPS = 60 };
static double a[N][N], b[N][N];

double run(void)
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (double)(i * (j + 2) % 97) / N;
            b[i][j] = a[i][j];
        }
    }
    for (int step = 0; step < STEPS; step++) {
        for (int i = 1; i < N - 1; i++) {
            for (int j = 1; j < N - 1; j++) {
                b[i][j] = 0.2 * (a[i][j] + a[i][j - 1] + a[i][j + 1] + a[i + 1][j] + a[i - 1][j]);
            }
        }
        for (int i = 1; i < N - 1; i++) {
            for (int j = 1; j < N - 1; j++) {
                a[i][j] = 0.2 * (b[i][j] + b[i][j - 1] + b[i][j + 1] + b[i + 1][j] + b[i - 1][j]);
            }
        }
    }
    double sum = 0;
    for (int i = 0; i < N; i++) {
        sum += a[i][(i * 5) % N];
    }
    return sum;
}
