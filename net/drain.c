#include "net/net.h"

#include "net/stack.h"
#include "net/tcp.h"

bool net_stack_is_drained(const struct net_stack *stack)
{
    for (const struct tcp_socket *sock = stack->tcp->all; sock != NULL; sock = sock->all_next) {
        if (sock->base.orphaned && !tcp_fin_acknowledged(sock)) {
            return false;
        }
    }
    return true;
}
