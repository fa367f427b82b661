# The stack on a TAP device against Linux: tests/net/test_tap.py runs tap_host in a network
# namespace of its own.
tap_host_SRCS := tests/net/tap_host.c tests/net/tap_talk.c tests/net/tap_device.c $(NET_SRCS)
$(O)/unit/tap_host: $(tap_host_SRCS) $(wildcard net/*.h tests/net/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_TEST_FLAGS) -o $@ $(tap_host_SRCS)
