# Unit tests of wasi: see the Makefile's UNIT_TESTS.
WASI_TEST_SRCS := $(WASI_SRCS) $(FS_SRCS) tests/unit/fake_wasi.c tests/unit/fake_net_socket.c \
    tests/unit/fake_dns.c kernel/base/fmt.c

UNIT_TESTS += test_fd_table
test_fd_table_SRCS := tests/unit/test_fd_table.c wasi/fd_table.c tests/unit/fake_heap_wasi.c

UNIT_TESTS += test_guest_memory
test_guest_memory_SRCS := tests/unit/test_guest_memory.c wasi/guest_memory.c

UNIT_TESTS += test_wasi_process test_wasi_fd
test_wasi_process_SRCS := tests/unit/test_wasi_process.c $(WASI_TEST_SRCS)
test_wasi_fd_SRCS := tests/unit/test_wasi_fd.c $(WASI_TEST_SRCS)

UNIT_TESTS += test_wasi_poll
test_wasi_poll_SRCS := tests/unit/test_wasi_poll.c $(WASI_TEST_SRCS)

UNIT_TESTS += test_wasi_poll_list
test_wasi_poll_list_SRCS := tests/unit/test_wasi_poll_list.c $(WASI_TEST_SRCS)

UNIT_TESTS += test_wasi_sock
test_wasi_sock_SRCS := tests/unit/test_wasi_sock.c $(WASI_TEST_SRCS)

UNIT_TESTS += test_wasi_path
test_wasi_path_SRCS := tests/unit/test_wasi_path.c $(WASI_TEST_SRCS)

UNIT_TESTS += test_wasi_wamr
test_wasi_wamr_SRCS := tests/unit/test_wasi_wamr.c $(WASI_TEST_SRCS)

UNIT_TESTS += test_wasi_nomem
test_wasi_nomem_SRCS := tests/unit/test_wasi_nomem.c $(WASI_TEST_SRCS)
