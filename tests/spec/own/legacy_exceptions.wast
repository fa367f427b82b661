;; The encoding of exceptions that clang emitted before exnref.
(module
  (tag $a (param i32))
  (tag $b (param i64 f64))
  (func $throw_a (param i32) (throw $a (local.get 0)))
  (func (export "value") (param i32) (result i32)
    try (result i32) local.get 0 call $throw_a i32.const -1 catch $a i32.const 1 i32.add end)
  (func (export "pair") (result f64) (local f64)
    try (result i64 f64) i64.const 3 f64.const 2.5 throw $b catch $b end
    local.set 0 f64.convert_i64_s local.get 0 f64.add)
  (func (export "other") (result i32)
    try (result i32)
      try (result i32) i64.const 0 f64.const 0 throw $b catch $a end
    catch_all i32.const 9 end)
  (func (export "rethrow") (param i32) (result i32)
    try (result i32)
      try (result i32) local.get 0 call $throw_a i32.const 0 catch $a drop rethrow 0 end
    catch $a i32.const 100 i32.add end)
  (func (export "delegate") (param i32) (result i32)
    try $outer (result i32)
      try (result i32)
        try (result i32) local.get 0 call $throw_a i32.const 0 delegate $outer
      catch_all i32.const -7 end
    catch $a end)
  (func (export "escape") (param i32) (call $throw_a (local.get 0)))
  (func (export "loop") (result i32) (local i32 i32)
    loop $again
      try local.get 0 call $throw_a catch $a local.get 1 i32.add local.set 1 end
      local.get 0 i32.const 1 i32.add local.tee 0 i32.const 100 i32.lt_s br_if $again
    end
    local.get 1)
  (func (export "after") (result i32) i32.const 5)
)
(assert_return (invoke "value" (i32.const 41)) (i32.const 42))
(assert_return (invoke "pair") (f64.const 5.5))
(assert_return (invoke "other") (i32.const 9))
(assert_return (invoke "rethrow" (i32.const 5)) (i32.const 105))
(assert_return (invoke "delegate" (i32.const 6)) (i32.const 6))
(assert_return (invoke "loop") (i32.const 4950))
(assert_exception (invoke "escape" (i32.const 1)))
(assert_return (invoke "after") (i32.const 5))
(assert_return (invoke "value" (i32.const 1)) (i32.const 2))
