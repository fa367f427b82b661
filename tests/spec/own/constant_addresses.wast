;; A constant address beyond what an instruction can hold beside the memory's base. At -O0 the
;; constant reached instruction selection unfolded, and the object did not link.
(module
  (memory 1)
  (func (export "load") (result i64) (local i32)
    (local.set 0 (i32.const 0x5eae7928))
    (i64.clz (i64.load32_u offset=137563 (local.get 0))))
  (func (export "store") (local i32)
    (local.set 0 (i32.const 0x7fffffff))
    (i64.store (local.get 0) (i64.clz (i64.const 1))))
  (func (export "copy") (local i32)
    (local.set 0 (i32.const 0x70000000))
    (memory.copy (local.get 0) (i32.clz (i32.const -1)) (i32.const 16))))
(assert_trap (invoke "load") "out of bounds memory access")
(assert_trap (invoke "store") "out of bounds memory access")
(assert_trap (invoke "copy") "out of bounds memory access")

;; A choice between neighbouring constants becomes one of them and the condition, so optimised code
;; did not link either.
(module
  (memory 1)
  (global $g (mut i32) (i32.const 0))
  (func (export "set") (global.set $g (i32.const 7)))
  (func (export "choose")
    (i32.store offset=0xffffffff
      (i32.sub (i32.const 559038738) (i32.eqz (global.get $g)))
      (i32.const -15))))
(assert_trap (invoke "choose") "out of bounds memory access")

;; The optimiser proves these results useless; unoptimised code keeps the loads all the same,
;; and optimised code keeps those whose uselessness shows before it runs.
(module
  (memory 1)
  (func (export "dropped") (drop (i32.load (i32.const 0x10000))))
  (func (export "times zero") (result i32)
    (i32.mul (i32.const 0) (i32.load (i32.const 0x10000))))
  (func (export "one either way") (result i32)
    (select (i32.const 1) (i32.const 1) (i32.load (i32.const 0x10000))))
  (func (export "or all bits") (result i32)
    (i32.or (i32.const -1) (i32.load (i32.const 0x10000))))
  (func (export "xor itself") (result i64) (local i64)
    (local.set 0 (i64.load (i32.const 0xfff9)))
    (i64.xor (local.get 0) (local.get 0))))
(assert_trap (invoke "dropped") "out of bounds memory access")
(assert_trap (invoke "times zero") "out of bounds memory access")
(assert_trap (invoke "one either way") "out of bounds memory access")
(assert_trap (invoke "or all bits") "out of bounds memory access")
(assert_trap (invoke "xor itself") "out of bounds memory access")

;; Where a loop begins: code generation adds it to the addresses of all rounds.
(module
  (memory 1)
  (func (export "begins far") (local $p i32) (local $q i32) (local $n i32)
    (local.set $p (i32.const 2063462141))
    (local.set $q (i32.const 53246))
    (local.set $n (i32.const 61))
    (block $out
      (loop $next
        (br_if $out (i32.eqz (local.get $n)))
        (br_if $out (i32.eq (i32.load8_u (local.get $p)) (i32.load8_u (local.get $q))))
        (br_if $out (i32.eqz (i32.load8_u (local.get $q))))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (local.set $q (i32.add (local.get $q) (i32.const 1)))
        (br $next)))))
(assert_trap (invoke "begins far") "out of bounds memory access")
