;; More exceptions than a pool holds, kept in globals, tables, frames and each other.
(module
  (tag $value (param i32))
  (tag $link (param i32 exnref))
  (global $kept (mut exnref) (ref.null exn))
  (table $few 16 exnref)
  (table $many 6000 exnref)

  (func $make (param i32) (result exnref) (local exnref)
    (block $caught (result i32 exnref)
      (try_table (catch_ref $value $caught) (throw $value (local.get 0)))
      unreachable)
    local.set 1
    drop
    local.get 1)
  (func $read (param exnref) (result i32)
    (block $caught (result i32)
      (try_table (catch $value $caught) (throw_ref (local.get 0)))
      unreachable))

  ;; The sum of what the table holds.
  (func $sum (param $size i32) (result i32) (local $i i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum)
        (call $read (if (result exnref) (i32.eq (local.get $size) (i32.const 16))
          (then (table.get $few (local.get $i))) (else (table.get $many (local.get $i)))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (local.get $size))))
    (local.get $sum))

  (func (export "global") (param $count i32) (result i32) (local $i i32)
    (loop $again
      (global.set $kept (call $make (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (local.get $count))))
    (call $read (global.get $kept)))
  (func (export "few") (param $count i32) (result i32) (local $i i32)
    (loop $again
      (table.set $few (i32.and (local.get $i) (i32.const 15)) (call $make (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (local.get $count))))
    (call $sum (i32.const 16)))
  (func (export "many") (result i32) (local $i i32)
    (loop $again
      (table.set $many (local.get $i) (call $make (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 6000))))
    (call $sum (i32.const 6000)))

  ;; Each frame holds one while deeper ones make more.
  (func $frames (export "frames") (param $depth i32) (result i32) (local $mine exnref)
    (if (i32.eqz (local.get $depth)) (then (return (i32.const 0))))
    (local.set $mine (call $make (local.get $depth)))
    (drop (call $make (i32.const -1)))
    (i32.add (call $frames (i32.sub (local.get $depth) (i32.const 1)))
             (call $read (local.get $mine))))

  ;; A list: each exception carries the one before.
  (func $cons (param i32 exnref) (result exnref) (local $list exnref)
    (block $caught (result i32 exnref exnref)
      (try_table (catch_ref $link $caught) (throw $link (local.get 0) (local.get 1)))
      unreachable)
    local.set $list
    drop
    drop
    local.get $list)
  (func (export "list") (param $count i32) (result i32)
    (local $i i32) (local $sum i32) (local $list exnref)
    (loop $again
      (global.set $kept (call $cons (local.get $i) (global.get $kept)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (local.get $count))))
    (local.set $list (global.get $kept))
    (global.set $kept (ref.null exn))
    (loop $again
      (block $caught (result i32 exnref)
        (try_table (catch $link $caught) (throw_ref (local.get $list)))
        unreachable)
      local.set $list
      local.get $sum
      i32.add
      local.set $sum
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (br_if $again (local.get $i)))
    (local.get $sum))
  (func (export "clear") (global.set $kept (ref.null exn)))
)
(assert_return (invoke "global" (i32.const 1000000)) (i32.const 999999))
(assert_return (invoke "few" (i32.const 1000000)) (i32.const 15999864))
(assert_return (invoke "many") (i32.const 17997000))
(assert_return (invoke "frames" (i32.const 2000)) (i32.const 2001000))
(assert_return (invoke "clear"))
(assert_return (invoke "list" (i32.const 10000)) (i32.const 49995000))
(assert_return (invoke "few" (i32.const 100000)) (i32.const 1599864))

;; References that are dropped, in a module where they cannot go anywhere.
(module
  (tag $e)
  (func (export "drop") (param i32)
    (loop $again
      (block $caught (result exnref)
        (try_table (catch_all_ref $caught) (throw $e))
        unreachable)
      drop
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $again (local.get 0)))))
(assert_return (invoke "drop" (i32.const 1000000)))
