# The whole compiler: built with LLVM's headers, so by itself.
FUZZ_TARGETS += fuzz_codegen
fuzz_codegen_SRCS := tests/fuzz/fuzz_codegen.c tests/hosted/load_module.c $(filter-out aot/main.c aot/object.c aot/options.c aot/print.c aot/source.c,$(AOT_SRCS))
fuzz_codegen_FLAGS = -isystem $(shell $(LLVM_CONFIG) --includedir)
fuzz_codegen_LIBS = $(shell $(LLVM_CONFIG) --ldflags) -lLLVM-$(LLVM_VERSION) -lpthread
