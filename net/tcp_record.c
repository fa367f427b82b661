#include "net/tcp.h"

#define SPARES_MAX 4096u

static RARE_CALL struct tcp_record *allocate_new(struct net_stack *stack)
{
    return net_allocate(stack, sizeof(struct tcp_record));
}

static struct tcp_record *record_allocate(struct net_stack *stack)
{
    struct tcp_state *tcp = stack->tcp;
    struct tcp_record *record = tcp->record_spares;

    if (record == NULL) {
        return allocate_new(stack);
    }
    tcp->record_spares = record->next;
    tcp->record_spare_count--;
    return record;
}

void tcp_record_release(struct net_stack *stack, struct tcp_record *record)
{
    struct tcp_state *tcp = stack->tcp;

    if (tcp->record_spare_count >= SPARES_MAX) {
        net_release(stack, record, sizeof(*record));
        return;
    }
    record->next = tcp->record_spares;
    tcp->record_spares = record;
    tcp->record_spare_count++;
}

void tcp_records_destroy_spares(struct net_stack *stack)
{
    struct tcp_state *tcp = stack->tcp;

    while (tcp->record_spares != NULL) {
        struct tcp_record *record = tcp->record_spares;
        tcp->record_spares = record->next;
        net_release(stack, record, sizeof(*record));
    }
    tcp->record_spare_count = 0;
}

struct tcp_record *tcp_record_append(struct tcp_socket *sock, uint32_t start, uint32_t end)
{
    struct tcp_record *record = record_allocate(tcp_stack(sock));

    if (record == NULL) {
        return NULL;
    }
    record->start = start;
    record->end = end;
    record->sent_ns = tcp_stack(sock)->now_ns;
    record->segment_bytes = sock->mss;
    record->flags = 0;
    record->next = NULL;
    record->previous = sock->record_last;
    if (sock->record_last != NULL) {
        sock->record_last->next = record;
    } else {
        sock->record_first = record;
    }
    sock->record_last = record;
    return record;
}

bool tcp_record_split(struct tcp_socket *sock, struct tcp_record *record, uint32_t at)
{
    struct tcp_record *tail = record_allocate(tcp_stack(sock));

    if (tail == NULL) {
        return false;
    }
    *tail = *record;
    tail->start = at;
    tail->previous = record;
    record->end = at;
    record->next = tail;
    if (tail->next != NULL) {
        tail->next->previous = tail;
    } else {
        sock->record_last = tail;
    }
    return true;
}

void tcp_record_remove(struct tcp_socket *sock, struct tcp_record *record)
{
    uint32_t length = record->end - record->start;

    if (record->flags & TCP_RECORD_SACKED_BIT) {
        sock->sacked_bytes -= length;
    }
    if (record->flags & TCP_RECORD_LOST_BIT) {
        sock->lost_bytes -= length;
    }
    if (record->previous != NULL) {
        record->previous->next = record->next;
    } else {
        sock->record_first = record->next;
    }
    if (record->next != NULL) {
        record->next->previous = record->previous;
    } else {
        sock->record_last = record->previous;
    }
    tcp_record_release(tcp_stack(sock), record);
}

void tcp_records_clear(struct tcp_socket *sock)
{
    while (sock->record_first != NULL) {
        tcp_record_remove(sock, sock->record_first);
    }
    sock->sacked_bytes = 0;
    sock->lost_bytes = 0;
}

void tcp_record_mark_lost(struct tcp_socket *sock, struct tcp_record *record)
{
    if ((record->flags & (TCP_RECORD_LOST_BIT | TCP_RECORD_SACKED_BIT)) == 0) {
        record->flags |= TCP_RECORD_LOST_BIT;
        sock->lost_bytes += record->end - record->start;
    }
}
