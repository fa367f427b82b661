/* Quicksort with an explicit stack, then a binary search for each element. */
#include "kernel.h"

enum { N = 1500000 };
static uint32_t data[N];

double run(void)
{
    uint64_t state = 17;
    for (int i = 0; i < N; i++) {
        data[i] = next_random(&state);
    }
    int stack[64][2], depth = 0;
    stack[depth][0] = 0;
    stack[depth++][1] = N - 1;
    while (depth) {
        int low = stack[--depth][0], high = stack[depth][1];
        while (low < high) {
            uint32_t pivot = data[low + (high - low) / 2];
            int i = low, j = high;
            while (i <= j) {
                while (data[i] < pivot) {
                    i++;
                }
                while (data[j] > pivot) {
                    j--;
                }
                if (i <= j) {
                    uint32_t t = data[i];
                    data[i++] = data[j];
                    data[j--] = t;
                }
            }
            /* The larger part waits, so the stack stays logarithmic. */
            if (j - low < high - i) {
                stack[depth][0] = i, stack[depth++][1] = high, high = j;
            } else {
                stack[depth][0] = low, stack[depth++][1] = j, low = i;
            }
        }
    }
    uint32_t found = 0;
    for (int i = 0; i < N; i += 3) {
        uint32_t want = data[i];
        int low = 0, high = N;
        while (high - low > 1) {
            int middle = (low + high) / 2;
            if (data[middle] <= want) {
                low = middle;
            } else {
                high = middle;
            }
        }
        found += data[low] == want;
    }
    return found + data[N / 2];
}
