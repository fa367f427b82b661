/*
 * net/tcp_predict.c does what the rules would have done: two stacks get the same segments, calls
 * and times, one of them is kept off the short ways, and both must send the same and be in the same
 * state after every step.
 */
#include "tests/unit/tcp_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MODERN (WITH_TIMESTAMPS | WITH_SACK | WITH_SCALING)
#define STEPS  4000u
#define SEEDS  40u

struct pair {
    struct tcp_harness *harness[2];
    struct peer peer[2];
    uint64_t random;
    uint32_t short_ways; /* that put_begin and take_begin offered */
};

static uint32_t next_random(struct pair *pair, uint32_t below)
{
    pair->random = pair->random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(pair->random >> 33) % below;
}

/* With SACK nothing looks at this number, but for the short ways: to them it is unusual. */
static void keep_off(struct pair *pair)
{
    inner(pair->peer[1].socket)->duplicate_acks = 1;
}

static void same_number(const char *name, uint64_t left, uint64_t right)
{
    if (left != right) {
        fail_msg("%s: %llu when predicted, %llu by the rules", name, (unsigned long long)left,
                 (unsigned long long)right);
    }
}

static void same_state(const struct tcp_socket *left, const struct tcp_socket *right)
{
#define SAME(field) same_number(#field, (uint64_t)left->field, (uint64_t)right->field)
    SAME(status);
    SAME(send_timer);
    SAME(recovery);
    SAME(ack_now);
    SAME(pending);
    SAME(starved);
    SAME(cwnd_limited);
    SAME(retries);
    SAME(backoff);
    SAME(keep_probes);
    SAME(send_una);
    SAME(send_next);
    SAME(send_end);
    SAME(send_window);
    SAME(send_window_maximum);
    SAME(send_wl1);
    SAME(send_wl2);
    SAME(small_end);
    SAME(send_limit_bytes);
    SAME(sacked_bytes);
    SAME(lost_bytes);
    SAME(receive_next);
    SAME(receive_edge);
    SAME(receive_acked);
    SAME(receive_limit_bytes);
    SAME(receive_queued_bytes);
    SAME(receive_tail_room);
    SAME(receive_mss);
    SAME(tune_bytes);
    SAME(tune_ns);
    SAME(range_count);
    if (left->options.timestamps) {
        SAME(peer_timestamp);
        SAME(peer_timestamp_ns);
    }
    SAME(srtt_us);
    SAME(rttvar_us);
    SAME(rto_us);
    SAME(rtt_minimum_us);
    SAME(sent_ns);
    SAME(heard_ns);
    SAME(unanswered_ns);
    SAME(cwnd);
    SAME(ssthresh);
    SAME(flight_maximum);
    SAME(use_end);
    SAME(probe_outstanding);
    SAME(undo_cwnd);
    for (unsigned use = 0; use < TCP_TIMER_COUNT; use++) {
        SAME(deadline_ns[use]);
    }
    SAME(timer.deadline_ns);
#undef SAME
    /* RFC 8985's RACK.fack; the rules move it by whole records. */
    same_number("forward_ack", seq_later(left->forward_ack, left->send_una),
                seq_later(right->forward_ack, right->send_una));
    const struct tcp_record *other = right->record_first;
    for (const struct tcp_record *record = left->record_first; record != NULL;
         record = record->next, other = other->next) {
        assert_non_null(other);
        same_number("record start", record->start, other->start);
        same_number("record end", record->end, other->end);
        same_number("record time", record->sent_ns, other->sent_ns);
        same_number("record flags", record->flags, other->flags);
        same_number("record segment", record->segment_bytes, other->segment_bytes);
        assert_ptr_equal(record->next == NULL ? left->record_last : record->next->previous, record);
    }
    assert_null(other);
}

static void same_segment(const struct seg *left, const struct seg *right)
{
#define SAME(field) same_number("sent: " #field, left->field, right->field)
    SAME(flags);
    SAME(seq);
    SAME(ack);
    SAME(length);
    SAME(window);
    SAME(source_port);
    SAME(destination_port);
    SAME(value);
    SAME(echo);
    SAME(sack_count);
    SAME(first_byte);
#undef SAME
    assert_memory_equal(left->sack, right->sack, sizeof(left->sack));
}

static void compare(struct pair *pair)
{
    struct tcp_harness *left = pair->harness[0];
    struct tcp_harness *right = pair->harness[1];

    same_number("segments sent", left->sent_count, right->sent_count);
    for (size_t i = left->looked_at; i < left->sent_count; i++) {
        same_segment(&left->sent[i], &right->sent[i]);
        pair->peer[0].echo = left->sent[i].value;
        pair->peer[1].echo = left->sent[i].value;
    }
    same_number("wakes", left->wake_count, right->wake_count);
    same_number("memory", left->stack->memory_used_bytes, right->stack->memory_used_bytes);
    left->sent_count = 0;
    left->looked_at = 0;
    right->sent_count = 0;
    right->looked_at = 0;
    same_state(inner(pair->peer[0].socket), inner(pair->peer[1].socket));
}

static void both_send(struct pair *pair, uint32_t ahead, uint32_t length)
{
    for (unsigned i = 0; i < 2; i++) {
        struct peer *peer = &pair->peer[i];
        peer_send_at(peer, ACK | PSH, peer->seq + ahead, length);
        if (ahead == 0) {
            peer->seq += length;
        }
    }
}

static void both_write(struct pair *pair, uint32_t length)
{
    struct net_socket *socket = pair->peer[0].socket;
    void *room;

    if (tcp_send_room(inner(socket)) < length) {
        return;
    }
    room = net_socket_put_begin(socket, length);
    if (room != NULL) {
        memset(room, 'x', length);
        net_socket_put_end(socket, length);
        pair->short_ways++;
    } else {
        socket_write(socket, length);
    }
    socket_write(pair->peer[1].socket, length);
}

static void both_read(struct pair *pair)
{
    struct net_const_span span;
    size_t by_the_rules = socket_read(pair->peer[1].socket);

    if (net_socket_take_begin(pair->peer[0].socket, &span)) {
        assert_int_equal(span.length_bytes, by_the_rules);
        net_socket_take_end(pair->peer[0].socket);
        pair->short_ways++;
    } else {
        assert_int_equal(socket_read(pair->peer[0].socket), by_the_rules);
    }
}

/* Acknowledges up to `bytes` of what is in flight. */
static void both_acknowledge(struct pair *pair, uint32_t bytes)
{
    const struct tcp_socket *sock = inner(pair->peer[0].socket);
    uint32_t flight = sock->send_next - sock->send_una;

    pair->peer[0].ack = sock->send_una + (bytes < flight ? bytes : flight);
    pair->peer[1].ack = pair->peer[0].ack;
}

static void step(struct pair *pair)
{
    switch (next_random(pair, 16)) {
    case 0:
    case 1: /* a request that acknowledges all */
        both_acknowledge(pair, UINT32_MAX);
        both_send(pair, 0, 1 + next_random(pair, 300));
        break;
    case 2:
        both_acknowledge(pair, next_random(pair, 5000));
        both_send(pair, 0, next_random(pair, 4) == 0 ? 1460 : next_random(pair, 100));
        break;
    case 3: /* acknowledgements alone, some of them duplicates or of parts */
        both_acknowledge(pair, next_random(pair, 3) * 1448);
        both_send(pair, 0, 0);
        break;
    case 4: /* a hole, or what filled it again */
        both_send(pair, next_random(pair, 8) == 0 ? 200 : 0, 1 + next_random(pair, 200));
        break;
    case 5:
        if (next_random(pair, 8) == 0) { /* old data once more */
            both_send(pair, (uint32_t)-50, 20);
        }
        break;
    case 6:
        pair->peer[0].window =
            (uint16_t)(next_random(pair, 10) == 0 ? next_random(pair, 12) : 2048);
        pair->peer[1].window = pair->peer[0].window;
        break;
    case 7:
    case 8:
    case 9:
        both_read(pair);
        break;
    case 10:
    case 11:
        both_write(pair, 1 + next_random(pair, 1500));
        break;
    case 12:
        both_write(pair, 1 + next_random(pair, next_random(pair, 8) == 0 ? 60000 : 3000));
        break;
    default: {
        uint64_t pause_ns = next_random(pair, 20) == 0 ? next_random(pair, 2000) * MS
                                                       : next_random(pair, 30) * MS / 3;
        pair->peer[0].value += (uint32_t)(pause_ns / MS);
        pair->peer[1].value = pair->peer[0].value;
        tcp_advance(pair->harness[0], pause_ns);
        tcp_advance(pair->harness[1], pause_ns);
        break;
    }
    }
    keep_off(pair);
    if (next_random(pair, 2) == 0) {
        tcp_poll_now(pair->harness[0]);
        tcp_poll_now(pair->harness[1]);
        keep_off(pair);
    }
}

static void run(uint64_t seed, unsigned options, uint32_t *short_ways)
{
    struct pair pair = {.random = seed};

    for (unsigned i = 0; i < 2; i++) {
        void *state = NULL;
        tcp_setup(&state);
        pair.harness[i] = state;
        peer_connect(&pair.peer[i], pair.harness[i], tcp_listener(pair.harness[i], 80, 8), 4000,
                     options);
        assert_int_equal(
            net_socket_set_option(pair.peer[i].socket, NET_OPTION_NO_DELAY, (int64_t)(seed & 1)),
            ERR_OK);
    }
    keep_off(&pair);
    for (unsigned i = 0; i < STEPS; i++) {
        step(&pair);
        compare(&pair);
        if (inner(pair.peer[0].socket)->status != TCP_ESTABLISHED) {
            break; /* it gave up: windows stayed shut for too long */
        }
    }
    *short_ways += pair.short_ways;
    for (unsigned i = 0; i < 2; i++) {
        void *state = pair.harness[i];
        net_socket_close(pair.peer[i].socket);
        tcp_teardown(&state);
    }
}

static void test_same_as_by_the_rules(void **state)
{
    uint32_t short_ways = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed, seed % 4 == 0 ? WITH_SACK | WITH_SCALING : MODERN, &short_ways);
    }
    assert_true(short_ways > SEEDS);
}

/* The short ways refuse what needs more than they know, and then nothing has changed. */
static void test_refusals(void **state)
{
    struct tcp_harness *h = *state;
    struct net_socket *listener = tcp_listener(h, 80, 8);
    struct net_const_span span;
    struct peer peer;

    peer_connect(&peer, h, listener, 4000, MODERN);
    assert_false(net_socket_take_begin(peer.socket, &span));
    assert_false(net_socket_take_begin(listener, &span));
    assert_null(net_socket_put_begin(listener, 10));
    assert_null(net_socket_put_begin(peer.socket, 10)); /* no block was used before */
    socket_write(peer.socket, 10);
    assert_null(net_socket_put_begin(peer.socket, 10)); /* something waits */
    tcp_poll_now(h);
    peer.ack += 10;
    peer_send(&peer, ACK, 100);
    assert_null(net_socket_put_begin(peer.socket, 4096));
    assert_non_null(net_socket_put_begin(peer.socket, 10));
    net_socket_put_end(peer.socket, 10);
    tcp_poll_now(h);
    (void)tcp_next(h);
    EXPECT(tcp_next(h), ACK, peer.ack, 1101, 10);
    assert_true(net_socket_take_begin(peer.socket, &span));
    assert_int_equal(span.length_bytes, 100);
    assert_int_equal(net_socket_readable_bytes(peer.socket), 100);
    peer_send(&peer, ACK | FIN, 1400);
    assert_int_equal(net_socket_shutdown(peer.socket, NET_SHUTDOWN_WRITE_BIT), ERR_OK);
    assert_null(net_socket_put_begin(peer.socket, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_by_the_rules),
        TCP_TEST(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
