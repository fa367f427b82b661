/* A kernel compiled natively. */
#include "bench/aot/kernels/kernel.h"
#include "bench/aot/time.h"

int main(void)
{
    return time_kernel(run);
}
