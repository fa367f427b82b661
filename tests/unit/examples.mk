UNIT_TESTS += test_http
test_http_SRCS := tests/unit/test_http.c examples/static-file-server/http.c
