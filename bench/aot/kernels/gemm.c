/* Dense linear algebra: C = alpha A B + beta C. */
#include "kernel.h"

enum { N = 400 };
static double a[N][N], b[N][N], c[N][N];

double run(void)
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (double)((i * j + 1) % N) / N;
            b[i][j] = (double)((i * (j + 1)) % N) / N;
            c[i][j] = (double)((i * (j + 2)) % N) / N;
        }
    }
    for (int repeat = 0; repeat < 4; repeat++) {
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < N; j++) {
                c[i][j] *= 0.5;
            }
            for (int k = 0; k < N; k++) {
                for (int j = 0; j < N; j++) {
                    c[i][j] += 1.5 * a[i][k] * b[k][j];
                }
            }
        }
    }
    double sum = 0;
    for (int i = 0; i < N; i++) {
        sum += c[i][(i * 7) % N];
    }
    return sum;
}
