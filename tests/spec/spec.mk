# The official WebAssembly tests: tests/spec/run.py and the hosted runner that it links with.
HOSTED_FLAGS := -std=gnu17 -O1 -g -I. $(WARNINGS)
SPEC_RUNNER_SRCS := $(addprefix tests/hosted/,host_call.c host_memory.c spec_runner.c spec_script.c)
SPEC_RUNNER_OBJS := $(SPEC_RUNNER_SRCS:%=$(O)/hosted/obj/%.o)
DESCRIBE_SRCS := tests/hosted/describe.c $(AOT_INPUT_SRCS)
DESCRIBE_OBJS := $(DESCRIBE_SRCS:%=$(O)/hosted/obj/%.o)
SPEC_SUITE ?= ../shared/testsuite
SPEC_FILES ?=

$(O)/hosted/obj/%.c.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOSTED_FLAGS) -MMD -MP -c -o $@ $<
$(O)/hosted/spec_runner.a: $(SPEC_RUNNER_OBJS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
$(O)/hosted/describe: $(DESCRIBE_OBJS)
	$(Q)$(CC) -o $@ $^

.PHONY: test-spec spec-build
spec-build: $(O)/waferc $(O)/hosted/describe $(O)/hosted/spec_runner.a
SUITE_SPEC = tests/spec/run.py --out $(O) --suite $(SPEC_SUITE) $(SPEC_FILES); \
    tests/spec/kernel_sample.py --out $(O) --suite $(SPEC_SUITE); \
    tests/spec/differential.py --out $(O) --count 40; tests/spec/absurd.py --out $(O)
test-spec: spec-build kernel
	$(Q)tests/run.py --logs $(O)/test-logs 'spec=$(SUITE_SPEC)'

-include $(SPEC_RUNNER_OBJS:.o=.d) $(DESCRIBE_OBJS:.o=.d)
