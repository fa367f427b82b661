/* LU decomposition in place, without pivoting. */
#include "kernel.h"

enum { N = 500 };
static double a[N][N];

double run(void)
{
    uint64_t state = 1;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (double)(next_random(&state) % 1000) / 1000 + (i == j ? N : 0);
        }
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < i; j++) {
            for (int k = 0; k < j; k++) {
                a[i][j] -= a[i][k] * a[k][j];
            }
            a[i][j] /= a[j][j];
        }
        for (int j = i; j < N; j++) {
            for (int k = 0; k < i; k++) {
                a[i][j] -= a[i][k] * a[k][j];
            }
        }
    }
    double sum = 0;
    for (int i = 0; i < N; i++) {
        sum += a[i][(i * 3) % N];
    }
    return sum;
}
