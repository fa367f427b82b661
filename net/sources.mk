# Sources of net/, relative to the project's root; one file a line.
NET_SRCS := \
    net/arp.c \
    net/checksum.c \
    net/dhcp.c \
    net/dhcp_message.c \
    net/dns.c \
    net/dns_hosts.c \
    net/dns_message.c \
    net/dns_tcp.c \
    net/ethernet.c \
    net/icmp.c \
    net/icmpv6.c \
    net/ip_buffer.c \
    net/ip_fragment.c \
    net/ip_input.c \
    net/ip_neighbour.c \
    net/ip_output.c \
    net/ip_queue.c \
    net/ip_reassembly.c \
    net/ip_route.c \
    net/ip_text.c \
    net/ipv4.c \
    net/ipv6.c \
    net/loopback.c \
    net/ndp.c \
    net/ndp_router.c \
    net/netif.c \
    net/netif_ipv6.c \
    net/udp.c \
    net/udp_socket.c
IP_SRCS := $(NET_SRCS)
