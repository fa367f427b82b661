# The official WebAssembly tests: tests/spec/run.py and the hosted runner that it links with.
HOSTED_FLAGS := -std=gnu17 -O1 -g -I. $(WARNINGS)
SPEC_RUNNER_SRCS := $(addprefix tests/hosted/,host_call.c host_memory.c spec_runner.c spec_script.c)
SPEC_RUNNER_SRCS += kernel/base/exception_pool.c
SPEC_RUNNER_OBJS := $(SPEC_RUNNER_SRCS:%=$(O)/hosted/obj/%.o)
DESCRIBE_SRCS := tests/hosted/describe.c tests/hosted/load_module.c $(AOT_INPUT_SRCS)
DESCRIBE_OBJS := $(DESCRIBE_SRCS:%=$(O)/hosted/obj/%.o)
# waferc for many modules in one process (differential.py).
COMPILE_BATCH_OBJS := $(addprefix $(O)/hosted/obj/tests/hosted/,compile_batch.c.o load_module.c.o) \
    $(filter-out $(addprefix $(O)/host/aot/,main.c.o options.c.o print.c.o source.c.o),$(AOT_OBJS))
SPEC_SUITE ?= ../shared/testsuite
SPEC_FILES ?=

$(eval $(call FLAG_STAMP,hosted,$$(CC) $$(HOSTED_FLAGS)))
$(O)/hosted/obj/%.c.o: %.c $(O)/flags/hosted
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOSTED_FLAGS) -MMD -MP -c -o $@ $<
$(O)/hosted/spec_runner.a: $(SPEC_RUNNER_OBJS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
$(O)/hosted/describe: $(DESCRIBE_OBJS)
	$(Q)$(CC) -o $@ $^

$(O)/hosted/obj/tests/hosted/compile_batch.c.o: HOSTED_FLAGS += -isystem $(shell $(LLVM_CONFIG) --includedir)
$(O)/hosted/compile_batch: $(COMPILE_BATCH_OBJS)
	$(Q)$(CC) -o $@ $^ $(shell $(LLVM_CONFIG) --ldflags) -lLLVM-$(LLVM_VERSION) -lpthread

.PHONY: test-spec spec-build fuzz-differential
spec-build: $(O)/waferc $(O)/hosted/describe $(O)/hosted/spec_runner.a $(O)/hosted/compile_batch
SUITE_SPEC = tests/spec/run.py --out $(O) --suite $(SPEC_SUITE) $(SPEC_FILES); \
    tests/spec/run.py --out $(O) --suite $(SPEC_SUITE) --flags=-O0 own/; \
    tests/spec/run.py --out $(O) --suite $(SPEC_SUITE) --flags=-O3 own/; \
    tests/spec/kernel_sample.py --out $(O) --suite $(SPEC_SUITE); \
    tests/spec/differential.py --out $(O) --count 400; tests/spec/absurd.py --out $(O); \
    tests/spec/command.py --out $(O); tests/spec/bounds.py --out $(O)
# Compiled code against Node's engine: seeds SEED to SEED + MODULES - 1; goes on where it was stopped.
MODULES ?= 100000
SEED ?= 1
fuzz-differential: spec-build
	$(Q)tests/spec/differential.py --out $(O) --count $(MODULES) --seed $(SEED) --resume $(DIFFERENTIAL_FLAGS)
test-spec: spec-build kernel
	$(Q)tests/run.py --logs $(O)/test-logs 'spec=$(SUITE_SPEC)'

-include $(SPEC_RUNNER_OBJS:.o=.d) $(DESCRIBE_OBJS:.o=.d) $(O)/hosted/obj/tests/hosted/compile_batch.c.d
