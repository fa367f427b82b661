/* Says that it runs, then computes for ever, or sleeps with an argument. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    (void)argv;
    puts("running");
    fflush(stdout);
    for (volatile unsigned i = 0;; i++) {
        if (argc > 1) {
            sleep(1000);
        }
    }
}
