/* Floyd-Warshall: all shortest paths, integers. */
#include "kernel.h"

enum { N = 500 };
static int32_t path[N][N];

double run(void)
{
    uint64_t state = 7;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            path[i][j] = i == j ? 0 : (int32_t)(next_random(&state) % 5000 + 1);
        }
    }
    for (int k = 0; k < N; k++) {
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < N; j++) {
                int32_t through = path[i][k] + path[k][j];
                path[i][j] = path[i][j] < through ? path[i][j] : through;
            }
        }
    }
    double sum = 0;
    for (int i = 0; i < N; i++) {
        sum += path[i][(i * 13) % N];
    }
    return sum;
}
