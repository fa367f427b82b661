/* A kernel that wabt's wasm2c turned into C; KERNEL_HEADER names what it made. */
#include KERNEL_HEADER

#include "bench/aot/time.h"

static Z_kernel_instance_t instance;

static double run_kernel(void)
{
    return Z_kernelZ_run(&instance);
}

int main(void)
{
    wasm_rt_init();
    Z_kernel_init_module();
    Z_kernel_instantiate(&instance);
    return time_kernel(run_kernel);
}
