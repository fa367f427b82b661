;; Arithmetic quiets a signalling NaN, also where only inlining shows that the other operand
;; is neutral (docs/decisions/0007). 0x7fa00000 signals, 0x7fe00000 does not.

(module
  (memory 1)
  (global $product (mut f32) (f32.const 3))
  (func $one (result f32) (f32.const 1))
  (func $minus_one (result f32) (f32.const -1))
  (func $zero (result f32) (f32.const 0))
  (func $minus_zero (result f32) (f32.const -0))
  (func $multiply (param f32 f32) (result f32) (f32.mul (local.get 0) (local.get 1)))
  (func $promote (param f32) (result f64) (f64.promote_f32 (local.get 0)))
  (func $choose (param i32) (result f32)
    (select (f32.const 1) (f32.const -0) (local.get 0)))
  (func $from_integer (param i32) (result f32) (f32.convert_i32_s (local.get 0)))
  (func $from_bits (param i32) (result f32) (f32.reinterpret_i32 (local.get 0)))

  (func (export "times_one") (param i32) (result i32)
    (i32.reinterpret_f32 (f32.mul (f32.reinterpret_i32 (local.get 0)) (call $one))))
  (func (export "argument") (param i32) (result i32)
    (i32.reinterpret_f32 (call $multiply (f32.reinterpret_i32 (local.get 0)) (f32.const 1))))
  (func (export "by_minus_one") (param i32) (result i32)
    (i32.reinterpret_f32 (f32.div (f32.reinterpret_i32 (local.get 0)) (call $minus_one))))
  (func (export "minus_zero") (param i32) (result i32)
    (i32.reinterpret_f32 (f32.sub (f32.reinterpret_i32 (local.get 0)) (call $zero))))
  (func (export "plus_minus_zero") (param i32) (result i32)
    (i32.reinterpret_f32 (f32.add (f32.reinterpret_i32 (local.get 0)) (call $minus_zero))))
  (func (export "from_minus_zero") (param i32) (result i32)
    (i32.reinterpret_f32 (f32.sub (call $minus_zero) (f32.reinterpret_i32 (local.get 0)))))
  (func (export "minimum") (param i32) (result i32)
    (i32.reinterpret_f32 (f32.min (f32.reinterpret_i32 (local.get 0)) (call $minus_zero))))
  (func (export "local") (param i32) (result i32) (local f32)
    (local.set 1 (f32.const 1))
    (i32.reinterpret_f32 (f32.mul (f32.reinterpret_i32 (local.get 0)) (local.get 1))))
  (func (export "fresh_local") (param i32) (result i32) (local f32)
    (i32.reinterpret_f32 (f32.sub (f32.reinterpret_i32 (local.get 0)) (local.get 1))))
  (func (export "demoted") (param i32) (result i32)
    (i32.reinterpret_f32
      (f32.demote_f64 (call $promote (f32.reinterpret_i32 (local.get 0))))))
  (func (export "chosen") (param i32 i32) (result i32)
    (i32.reinterpret_f32
      (f32.mul (f32.reinterpret_i32 (local.get 0))
        (f32.mul (call $one) (call $choose (i32.const 1))))))
  (func (export "global") (param i32) (result i32)
    (global.set $product (f32.const 1))
    (i32.reinterpret_f32 (f32.mul (f32.reinterpret_i32 (local.get 0)) (global.get $product))))
  (func (export "converted") (param i32) (result i32)
    (i32.reinterpret_f32
      (f32.mul (f32.reinterpret_i32 (local.get 0)) (call $from_integer (i32.const 1)))))
  (func (export "bits") (param i32) (result i32)
    (i32.reinterpret_f32
      (f32.mul (f32.reinterpret_i32 (local.get 0)) (call $from_bits (i32.const 0x3f800000)))))
  ;; 0 * infinity is a NaN whose sign abs takes away.
  (func (export "sign") (param i32) (result i32)
    (i32.reinterpret_f32
      (f32.abs (f32.mul (f32.convert_i32_u (i32.load8_u (local.get 0))) (f32.const inf)))))
  (func (export "block") (param i32 i32) (result i32)
    (i32.reinterpret_f32
      (f32.mul (f32.reinterpret_i32 (local.get 0))
        (if (result f32) (local.get 1) (then (f32.const 1)) (else (f32.const -1))))))
)

(assert_return (invoke "times_one" (i32.const 0x7fa00000)) (i32.const 0x7fe00000))
(assert_return (invoke "times_one" (i32.const 0x40490fdb)) (i32.const 0x40490fdb))
(assert_return (invoke "argument" (i32.const 0x7fa00000)) (i32.const 0x7fe00000))
(assert_return (invoke "by_minus_one" (i32.const 0x7fa00000)) (i32.const 0x7fe00000))
(assert_return (invoke "by_minus_one" (i32.const 0x40490fdb)) (i32.const 0xc0490fdb))
(assert_return (invoke "minus_zero" (i32.const 0x7fa00000)) (i32.const 0x7fe00000))
(assert_return (invoke "plus_minus_zero" (i32.const 0x7fa00000)) (i32.const 0x7fe00000))
(assert_return (invoke "from_minus_zero" (i32.const 0x7fa00000)) (i32.const 0x7fe00000))
(assert_return (invoke "minimum" (i32.const 0x7fa00000)) (i32.const 0x7fe00000))
(assert_return (invoke "local" (i32.const 0x7fa00000)) (i32.const 0x7fe00000))
(assert_return (invoke "fresh_local" (i32.const 0x7fa00000)) (i32.const 0x7fe00000))
(assert_return (invoke "demoted" (i32.const 0x7fa00000)) (i32.const 0x7fe00000))
(assert_return (invoke "chosen" (i32.const 0x7fa00000) (i32.const 1)) (i32.const 0x7fe00000))
(assert_return (invoke "global" (i32.const 0x7fa00000)) (i32.const 0x7fe00000))
(assert_return (invoke "converted" (i32.const 0x7fa00000)) (i32.const 0x7fe00000))
(assert_return (invoke "bits" (i32.const 0x7fa00000)) (i32.const 0x7fe00000))
(assert_return (invoke "block" (i32.const 0x7fa00000) (i32.const 1)) (i32.const 0x7fe00000))
(assert_return (invoke "block" (i32.const 0x7fa00000) (i32.const 0)) (i32.const 0x7fe00000))
(assert_return (invoke "sign" (i32.const 0)) (i32.const 0x7fc00000))

;; Vectors whose lanes are expressions of constants (random module 1065608).
(module
  (func (export "negated_lanes") (result i64)
    (f64x2.extract_lane 0
      (f64x2.sub
        (i32x4.neg (v128.const i32x4 0x00000007 0xdeadbeef 0xdeadbeef 0x00000021))
        (v128.const i32x4 0 0 0 0)))
    (i64.reinterpret_f64))
  (func (export "negated_lanes_1") (result i64)
    (f64x2.extract_lane 1
      (f64x2.sub
        (i32x4.neg (v128.const i32x4 0x00000007 0xdeadbeef 0xdeadbeef 0x00000022))
        (v128.const i32x4 0 0 0 0)))
    (i64.reinterpret_f64))
  (func (export "negated_lanes_2") (result i64)
    (f64x2.extract_lane 1
      (f64x2.sub
        (i32x4.neg (v128.const i32x4 0x00000007 0xdeadbeef 0xdeadbeef 0x00000023))
        (v128.const i32x4 0 0 0 0)))
    (i64.reinterpret_f64)))
(assert_return (invoke "negated_lanes") (i64.const 0x21524111fffffff9))
(assert_return (invoke "negated_lanes_1") (i64.const 0xffffffde21524111))
(assert_return (invoke "negated_lanes_2") (i64.const 0xffffffdd21524111))
