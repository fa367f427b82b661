# Sources of drivers/, relative to the project's root; one file a line.
DRIVERS_SRCS :=
